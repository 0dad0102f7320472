"""Which terms a method is made of: makers that see what is there while a model is assembled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from halfseen.core.spec import DataSpec
from halfseen.estimators.networks import NETWORKS
from halfseen.nn.inputs import make_input
from halfseen.nn.stacked import StackedMLP, StackedNetwork
from halfseen.nn.unimodal import BlockMask, UnimodalEncoders
from halfseen.terms.code import Code
from halfseen.terms.completion import Term
from halfseen.terms.conditional import MaskedProposal, SeenEncoder
from halfseen.terms.mask import MaskTerm
from halfseen.terms.product import ProductProposal
from halfseen.terms.proposal import GaussianProposal, PointProposal
from halfseen.terms.selective import SelectiveProposal

if TYPE_CHECKING:
    from halfseen.estimators.assemble import Design

__all__ = [
    "MIWAE",
    "Parts",
    "Recipe",
    "gaussian_proposal",
    "mask_term",
    "masked_proposal",
    "point_proposal",
    "product_proposal",
    "selective_proposal",
]


@dataclass
class Parts:
    """What is there while a model is put together.

    Parameters
    ----------
    design, spec, generator
        See :func:`halfseen.estimators.assemble.make_model`.
    prior, terms
        What earlier makers made; the order is prior, terms, code, proposal.
    """

    design: Design
    spec: DataSpec
    generator: torch.Generator
    prior: nn.Module | None = None
    terms: dict[str, Term] = field(default_factory=dict)

    def mlp(self) -> dict[str, Any]:
        """Settings of the design's multilayer perceptrons, but for their widths."""
        design = self.design
        return {
            "activation": design.activation,
            "init": design.init,
            "residual": design.residual,
            "normalize": design.normalize,
        }


Maker = Callable[[Parts], nn.Module]


def gaussian_proposal(parts: Parts) -> GaussianProposal:
    """One encoder for all that is shown."""
    design, spec, generator = parts.design, parts.spec, parts.generator
    inputs = make_input(design.encoder_input, spec, design.n_members, generator)
    return GaussianProposal(
        inputs,
        NETWORKS[design.network].encoder(design, spec, inputs, generator),
        design.n_latent,
        generator,
        init=design.init,
        linear=design.encoder_linear,
    )


def point_proposal(parts: Parts) -> PointProposal:
    """The same without noise."""
    return PointProposal(gaussian_proposal(parts))


def selective_proposal(parts: Parts) -> SelectiveProposal:
    """An encoder per modality, and one for all that is shown."""
    blocks = len(parts.spec.modalities)
    unimodal = _unimodal(parts, 2 * parts.design.n_latent // blocks)
    return SelectiveProposal(unimodal, gaussian_proposal(parts), BlockMask(parts.spec))


def product_proposal(parts: Parts) -> ProductProposal:
    """An expert per modality, all of one latent."""
    unimodal = _unimodal(parts, 2 * parts.design.n_latent)
    return ProductProposal(unimodal, BlockMask(parts.spec))


def masked_proposal(parts: Parts) -> MaskedProposal:
    """The prior of what is shown, and an encoder of all that is seen."""
    assert parts.prior is not None
    design, generator = parts.design, parts.generator
    inputs = make_input(design.encoder_input, parts.spec, design.n_members, generator)
    n_in = inputs.n_out + parts.spec.n_columns
    body = StackedMLP(design.n_members, n_in, design.hidden, generator, **parts.mlp())
    encoder = SeenEncoder(inputs, body, design.n_latent, generator, init=design.init)
    return MaskedProposal(parts.prior, encoder)


def mask_term(parts: Parts, hidden: tuple[int, ...], *, whole: bool) -> MaskTerm:
    """p(m | z), of modalities if those are always seen or absent as a ``whole``."""
    design = parts.design
    n_out = len(parts.spec.modalities) if whole else parts.spec.n_columns
    body = StackedMLP(design.n_members, design.n_latent, hidden, parts.generator, **parts.mlp())
    network = StackedNetwork(body, n_out, parts.generator, design.init)
    return MaskTerm(network, BlockMask(parts.spec) if whole else None)


def _unimodal(parts: Parts, n_out: int) -> UnimodalEncoders:
    design = parts.design
    arguments = (parts.spec, design.n_members, n_out, design.hidden, parts.generator)
    return UnimodalEncoders(*arguments, **parts.mlp())


@dataclass(frozen=True)
class Recipe:
    """How the terms of a method are made, where they differ from those of MIWAE.

    Parameters
    ----------
    proposal : callable
        Makes the proposal.
    prior : callable or None, default=None
        Makes the prior of z; None for N(0, I).
    terms : callable or None, default=None
        Makes further terms.
    code : callable or None, default=None
        Makes what the decoder reads; None for z.
    conditional : bool, default=False
        See :class:`halfseen.terms.latent.LatentModel`.
    """

    proposal: Maker = gaussian_proposal
    prior: Maker | None = None
    terms: Callable[[Parts], dict[str, Term]] | None = None
    code: Callable[[Parts], Code] | None = None
    conditional: bool = False


MIWAE = Recipe()
