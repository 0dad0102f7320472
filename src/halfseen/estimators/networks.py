"""Which networks a latent model is made of: a pair of builders per name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.nn.conv import StackedConvDecoder, StackedConvEncoder
from halfseen.nn.inputs import ZeroFill
from halfseen.nn.stacked import StackedMLP, StackedNetwork

if TYPE_CHECKING:
    from halfseen.estimators.assemble import Design

__all__ = ["NETWORKS", "Builders"]


@dataclass(frozen=True)
class Builders:
    """How the networks of one kind are made.

    Attributes
    ----------
    encoder : callable
        From design, columns, input layer and generator to a body with ``n_out`` and ``width``.
    decoder : callable
        From design, columns, number of raw outputs and generator to a network with ``width``
        and ``squared_size()``.
    """

    encoder: Callable[[Design, DataSpec, ZeroFill, torch.Generator], nn.Module]
    decoder: Callable[[Design, DataSpec, int, torch.Generator], nn.Module]


def _mlp_encoder(
    design: Design, spec: DataSpec, inputs: ZeroFill, generator: torch.Generator
) -> nn.Module:
    return StackedMLP(
        design.n_members,
        inputs.n_out,
        design.hidden,
        generator,
        activation=design.activation,
        init=design.init,
        residual=design.residual,
        normalize=design.normalize,
    )


def _mlp_decoder(
    design: Design, spec: DataSpec, n_raw: int, generator: torch.Generator
) -> nn.Module:
    body = StackedMLP(
        design.n_members,
        design.n_latent,
        design.hidden,
        generator,
        activation=design.decoder_activation,
        init=design.init,
        residual=design.residual,
        normalize=design.normalize,
    )
    return StackedNetwork(body, n_raw, generator, design.init)


def _grid(spec: DataSpec) -> tuple[int, tuple[int, int]]:
    """Pixels of a channel, and height and width."""
    if spec.shape is None:
        raise SettingError(
            f"Got network='conv' with a table of {spec.n_columns} columns. Expected images, an "
            "array of shape (n, channels, height, width); choose network='mlp' for tables."
        )
    _, height, width = spec.shape
    return height * width, (height, width)


def _conv_encoder(
    design: Design, spec: DataSpec, inputs: ZeroFill, generator: torch.Generator
) -> nn.Module:
    area, size = _grid(spec)
    if design.encoder_input == "set":
        raise SettingError(
            "Got network='conv' with encoder_input='set', which forgets places. Expected "
            "'mask', 'zero' or 'constant'; or choose network='mlp'."
        )
    return StackedConvEncoder(
        design.n_members,
        inputs.n_out // area,
        size,
        design.hidden,
        generator,
        activation=design.activation,
        init=design.init,
    )


def _conv_decoder(
    design: Design, spec: DataSpec, n_raw: int, generator: torch.Generator
) -> nn.Module:
    area, size = _grid(spec)
    # Heads expect all locations, then all scales: channels of the same order.
    return StackedConvDecoder(
        design.n_members,
        design.n_latent,
        n_raw // area,
        size,
        design.hidden,
        generator,
        activation=design.decoder_activation,
        init=design.init,
    )


NETWORKS = {
    "mlp": Builders(_mlp_encoder, _mlp_decoder),
    "conv": Builders(_conv_encoder, _conv_decoder),
}
