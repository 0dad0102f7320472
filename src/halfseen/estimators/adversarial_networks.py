"""Which networks adversarial models are made of: builders by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.nn.adversarial_conv import ConvCritic, ConvGenerator
from halfseen.nn.critics import Critic, MLPCritic
from halfseen.nn.stacked import StackedMLP, StackedNetwork
from halfseen.nn.unet import UNet

__all__ = ["GAN_NETWORKS", "IMPUTER_NETWORKS", "GANBuilders", "plain_network"]

Shape = tuple[int, int, int] | None

# Hidden layers where a user names none: of images as published, of tables small.
WIDE = {"hidden": (256, 512), "critic_hidden": (512, 256, 128), "imputer_hidden": (500, 500)}
UNET = (64, 5)
NARROW = {name: (128, 128) for name in WIDE}


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
    given = settings.imputer_hidden or UNET
    if len(given) != len(UNET):
        raise SettingError(
            f"Got imputer_hidden={given!r} with imputer_network='unet'. Expected channels of the "
            f"first level and the number of levels, such as {UNET}."
        )
    channels, depth = given
    return UNet(settings.n_members, n_in, n_channels, size, generator, channels, depth)


GAN_NETWORKS = {
    "mlp": GANBuilders(_mlp_generator, _mlp_critic),
    "conv": GANBuilders(_conv_generator, _conv_critic),
}
IMPUTER_NETWORKS = {"mlp": _mlp_imputer, "unet": _unet_imputer}
