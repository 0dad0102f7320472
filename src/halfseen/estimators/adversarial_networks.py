"""Which networks adversarial models are made of: builders by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.nn.adversarial_conv import ConvCritic, ConvGenerator
from halfseen.nn.critics import Critic, MLPCritic
from halfseen.nn.stacked import StackedMLP, StackedNetwork
from halfseen.nn.unet import UNet
from halfseen.training.settings import check_training

__all__ = [
    "GAN_NETWORKS",
    "IMPUTER_NETWORKS",
    "GANBuilders",
    "check_imputer_size",
    "plain_network",
]

Shape = tuple[int, int, int] | None

# Hidden layers where a user names none: of images as published, of tables small.
WIDE = {"hidden": (256, 512), "critic_hidden": (512, 256, 128), "imputer_hidden": (500, 500)}
UNET = (64, 5)
NARROW = {name: (128, 128) for name in WIDE}
# Weights and layers of an imputer that a file asks for, but has no numbers of.
MOST_WEIGHTS, MOST_LAYERS = 2**28, 1000
# Of a level of a U-Net at most, in squares of its channels: convolutions of 4 x 4 cells from 8 to
# 8 times as many, and back from 16 to 8 times; and its levels.
LEVEL, LEVELS = 16 * (8 * 8 + 16 * 8), 18


@dataclass(frozen=True)
class GANBuilders:
    """How generators and critics of one kind are made.

    Attributes
    ----------
    generator : callable
        From settings, inputs, outputs, picture's shape and generator to a network.
    critic : callable
        From settings, inputs, picture's shape and generator to a critic.
    """

    generator: Callable[[Any, int, int, Shape, torch.Generator], nn.Module]
    critic: Callable[[Any, int, Shape, torch.Generator], Critic]


def _widths(settings: Any, name: str, shape: Shape) -> Sequence[int]:
    given = getattr(settings, name)
    if given is not None:
        return tuple(given)
    return (NARROW if shape is None else WIDE)[name]


def plain_network(
    n_members: int,
    n_in: int,
    hidden: Sequence[int],
    n_out: int,
    generator: torch.Generator,
    init: str = "torch",
) -> StackedNetwork:
    """Affine layers with ReLU in between."""
    body = StackedMLP(n_members, n_in, hidden, generator, activation="relu", init=init)
    return StackedNetwork(body, n_out, generator, init)


def _mlp_generator(
    settings: Any, n_in: int, n_out: int, shape: Shape, generator: torch.Generator
) -> nn.Module:
    hidden = _widths(settings, "hidden", shape)
    return plain_network(settings.n_members, n_in, hidden, n_out, generator)


def _mlp_critic(settings: Any, n_in: int, shape: Shape, generator: torch.Generator) -> Critic:
    hidden = _widths(settings, "critic_hidden", shape)
    return MLPCritic(settings.n_members, n_in, hidden, generator)


def _size(shape: Shape) -> tuple[int, int]:
    if shape is None:
        raise SettingError(
            "Got network='conv' or imputer_network='unet' with a table. Expected images, an array "
            "of shape (n, channels, height, width); choose 'mlp' for tables."
        )
    return shape[1:]


def _conv_generator(
    settings: Any, n_in: int, n_out: int, shape: Shape, generator: torch.Generator
) -> nn.Module:
    size = _size(shape)
    n_channels = n_out // (size[0] * size[1])
    return ConvGenerator(
        settings.n_members, n_in, n_channels, size, generator, channels=settings.hidden
    )


def _conv_critic(settings: Any, n_in: int, shape: Shape, generator: torch.Generator) -> Critic:
    size = _size(shape)
    n_channels = n_in // (size[0] * size[1])
    return ConvCritic(
        settings.n_members, n_channels, size, generator, channels=settings.critic_hidden
    )


def _mlp_imputer(settings: Any, spec: DataSpec, generator: torch.Generator) -> nn.Module:
    n_in = spec.n_features * (2 if settings.imputer_sees_mask else 1)
    hidden = _widths(settings, "imputer_hidden", spec.shape)
    return plain_network(settings.n_members, n_in, hidden, spec.n_features, generator)


def _unet_imputer(settings: Any, spec: DataSpec, generator: torch.Generator) -> nn.Module:
    size = _size(spec.shape)
    n_channels = spec.n_features // (size[0] * size[1])
    n_in = n_channels * (2 if settings.imputer_sees_mask else 1)
    channels, depth = _unet_widths(settings)
    return UNet(settings.n_members, n_in, n_channels, size, generator, channels, depth)


def _unet_widths(settings: Any) -> tuple[int, int]:
    """Channels of the first level, and levels."""
    given = settings.imputer_hidden or UNET
    if len(given) != len(UNET):
        raise SettingError(
            f"Got imputer_hidden={given!r} with imputer_network='unet'. Expected channels of the "
            f"first level and the number of levels, such as {UNET}."
        )
    channels, depth = given
    return channels, depth


GAN_NETWORKS = {
    "mlp": GANBuilders(_mlp_generator, _mlp_critic),
    "conv": GANBuilders(_conv_generator, _conv_critic),
}
IMPUTER_NETWORKS = {"mlp": _mlp_imputer, "unet": _unet_imputer}


def check_imputer_size(settings: Any, spec: DataSpec) -> None:
    """Refuse a file's imputer that is yet to be made, where making it would take all memory.

    Parameters
    ----------
    settings : estimator
        Made from the settings of a file.
    spec : DataSpec
        Its columns.

    Raises
    ------
    SettingError
        When its hidden widths are none, or ask for more than 2**28 weights or 1000 layers.
    """
    check_training({"imputer_hidden": settings.imputer_hidden})
    if settings.imputer_network == "unet":
        channels, depth = _unet_widths(settings)
        n_layers, n_weights = min(depth, LEVELS), LEVEL * channels**2 * min(depth, LEVELS)
    else:
        hidden = _widths(settings, "imputer_hidden", spec.shape)
        widths = [2 * spec.n_features, *hidden, spec.n_features]
        n_layers, n_weights = len(hidden), sum(a * b for a, b in pairwise(widths))
    n_weights *= settings.n_members
    if n_layers > MOST_LAYERS or n_weights > MOST_WEIGHTS:
        raise SettingError(
            f"The file asks for an imputer of {n_layers} layers and about {n_weights:.3g} "
            f"weights. Expected at most {MOST_LAYERS} and {MOST_WEIGHTS}: pass smaller ones, as "
            "in load(path, imputer_hidden=(128, 128))."
        )
