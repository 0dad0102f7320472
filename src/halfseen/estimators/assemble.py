"""From flat settings to the terms of a latent model: what the likelihood methods share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from halfseen.core.spec import NUMERIC, DataSpec
from halfseen.core.units import Units
from halfseen.errors import SettingError
from halfseen.estimators.networks import NETWORKS
from halfseen.estimators.recipes import MIWAE, Parts, Recipe
from halfseen.estimators.repeats import NO_REPEATS, Repeats
from halfseen.mechanisms.base import Mechanism
from halfseen.mechanisms.self_masking import SelfMasking
from halfseen.nn.stacked import StackedLinear
from halfseen.terms.completion import SAMPLERS, Sampler
from halfseen.terms.latent import Gradient, LatentModel
from halfseen.terms.mechanism import CollapsedTerm, MechanismTerm, SampledTerm
from halfseen.terms.observation import (
    AtomHead,
    CategoricalHead,
    CountHead,
    Decoder,
    GridHead,
    Head,
    NumericHead,
    Observation,
    OrderedHead,
)
from halfseen.terms.pixels import BernoulliHead

__all__ = ["Design", "make_heads", "make_model"]

# More in a file are a slip or an attack.
MOST_LAYERS = 1000


@dataclass(frozen=True)
class Design:
    """Sizes and choices of a latent model, all resolved to numbers.

    Parameters
    ----------
    n_latent, n_members : int
        d and M.
    hidden : sequence of int
        Widths of the encoder, and of the decoder unless it is linear; channels of
        convolutions, for images.
    decoder_hidden : sequence of int or None
        Widths of the decoder where they differ.
    network : {"mlp", "conv"}
        One of ``halfseen.estimators.networks.NETWORKS``.
    decoder : {"deep", "linear", "skip"}
        A network, a linear map, or their sum.
    encoder_input : str
        One of ``halfseen.nn.inputs.INPUTS``.
    noise : {"column", "row", "fixed"}
        One scale per column, scales that depend on z, or the floors themselves.
    observation : {"gaussian", "student", "bernoulli"}
        Law of continuous columns; of all numeric ones with "bernoulli".
    encoder_linear : bool
        Whether the encoder adds a linear map of its input.
    activation, decoder_activation, init, residual, normalize, gradient, sampler
        See the networks and :class:`LatentModel`.
    """

    n_latent: int
    n_members: int = 1
    hidden: Sequence[int] = (128, 128)
    decoder_hidden: Sequence[int] | None = None
    network: Literal["mlp", "conv"] = "mlp"
    decoder: Literal["deep", "linear", "skip"] = "deep"
    encoder_input: str = "mask"
    noise: Literal["column", "row", "fixed"] = "row"
    observation: Literal["gaussian", "student", "bernoulli"] = "gaussian"
    activation: str = "gelu"
    decoder_activation: str = "gelu"
    init: str = "torch"
    residual: bool = True
    normalize: bool = False
    encoder_linear: bool = False
    gradient: Gradient = "stl"
    sampler: Sampler = "score"

    def __post_init__(self) -> None:
        _one_of("decoder", self.decoder, ("deep", "linear", "skip"))
        _one_of("noise", self.noise, ("column", "row", "fixed"))
        _one_of("observation", self.observation, ("gaussian", "student", "bernoulli"))
        _one_of("network", self.network, tuple(NETWORKS))
        _one_of("gradient", self.gradient, ("total", "stl", "dreg"))
        _one_of("sampler", self.sampler, SAMPLERS)
        _one_of("init", self.init, ("torch", "glorot"))
        _whole("n_latent", self.n_latent)
        _whole("n_members", self.n_members)
        _widths("hidden", self.hidden)
        _widths("decoder_hidden", self.decoder_hidden or ())


def _widths(name: str, widths: Sequence[int]) -> None:
    if len(widths) > MOST_LAYERS:
        raise SettingError(
            f"Got {name} with {len(widths)} layers. Expected at most {MOST_LAYERS}."
        )
    for width in widths:
        _whole(name, width)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingError(f"Got {name}={value!r}. Expected one of {allowed}.")


def _whole(name: str, value: Any) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise SettingError(f"Got {name}={value!r}. Expected positive whole numbers.")


def make_model(
    design: Design,
    spec: DataSpec,
    units: Units,
    floor: np.ndarray,
    incomplete: np.ndarray,
    generator: torch.Generator,
    mechanism: Mechanism | None = None,
    *,
    collapse: bool = True,
    repeats: Repeats = NO_REPEATS,
    recipe: Recipe = MIWAE,
) -> LatentModel:
    """Build the terms of a latent model.

    Parameters
    ----------
    design : Design
        Sizes and choices.
    spec, units
        Columns and their units.
    floor : array of shape (p,)
        Smallest noise scale of each numeric column, in model units.
    incomplete : bool array of shape (p,)
        Columns that miss a cell, for the mechanism.
    generator : torch.Generator
        For initial values.
    mechanism : Mechanism or None
        Makes the model a not-MIWAE; it is bound to the table here.
    collapse : bool
        Whether a mechanism that can be integrated out is.
    repeats : Repeats
        Columns that get probabilities for values that come back.
    recipe : Recipe
        How a method's own terms are made.
    """
    heads = make_heads(design, spec, units, torch.as_tensor(floor, dtype=torch.float32), repeats)
    parts = Parts(design, spec, generator)
    parts.prior = recipe.prior(parts) if recipe.prior else None
    parts.terms = recipe.terms(parts) if recipe.terms else {}
    code = recipe.code(parts) if recipe.code else None
    n_raw = sum(head.n_raw for head in heads)
    decoder = _decoder(design, spec, code.n_out if code else design.n_latent, n_raw, generator)
    proposal = recipe.proposal(parts)
    if mechanism is not None:
        mask = torch.as_tensor(incomplete)
        mechanism.bind(spec, mask, design.n_members, generator)
        parts.terms["mechanism"] = _mechanism_term(mechanism, heads, collapse)
    return LatentModel(
        design.n_latent,
        proposal,
        Observation(spec, heads, decoder, code),
        parts.terms,
        design.gradient,
        design.sampler,
        parts.prior,
        conditional=recipe.conditional,
    )


def _decoder(
    design: Design, spec: DataSpec, n_in: int, n_raw: int, generator: torch.Generator
) -> Decoder:
    hidden = design.hidden if design.decoder_hidden is None else design.decoder_hidden
    deep = design.decoder != "linear" and len(hidden) > 0
    linear = None
    if not deep or design.decoder == "skip":
        linear = StackedLinear(design.n_members, n_in, n_raw, generator, design.init)
    make = NETWORKS[design.network].decoder
    own = replace(design, n_latent=n_in, hidden=hidden)
    network = make(own, spec, n_raw, generator) if deep else None
    return Decoder(linear, network)


def _mechanism_term(mechanism: Mechanism, heads: list[Head], collapse: bool) -> MechanismTerm:
    if collapse and isinstance(mechanism, SelfMasking):
        return CollapsedTerm(mechanism, heads, mechanism.incomplete)
    return SampledTerm(mechanism)


def make_heads(
    design: Design, spec: DataSpec, units: Units, floor: Tensor, repeats: Repeats
) -> list[Head]:
    """One head per kind of column that is present.

    Parameters
    ----------
    design : Design
        Of it the members, the noise and the law of continuous columns.
    spec, units
        Columns and their units.
    floor : Tensor of shape (p,)
        Smallest noise scale of each numeric column, in model units.
    repeats : Repeats
        Columns that get probabilities for values that come back.
    """
    m, noise = design.n_members, design.noise
    coins = spec.where(*NUMERIC) if design.observation == "bernoulli" else []
    special = {*repeats.grid, *repeats.atom, *coins}
    numeric = [j for j in spec.where("continuous", "positive", "bounded") if j not in special]
    # The mean of a heavy tail behind a logarithm is infinite: Student-t is for straight columns.
    heavy = [j for j in numeric if design.observation == "student" and j not in units.curved]
    numeric = [j for j in numeric if j not in heavy]
    counts = [j for j in spec.where("count") if j not in special]
    grid, atom = sorted(repeats.grid), sorted(repeats.atom)
    categorical, ordered = spec.where("binary", "nominal"), spec.where("ordered")
    makers: list[tuple[list[int], Callable[[], Head]]] = [
        (numeric, lambda: NumericHead(spec, numeric, floor[numeric], m, noise=noise)),
        (
            heavy,
            lambda: NumericHead(spec, heavy, floor[heavy], m, noise=noise, student=True),
        ),
        (coins, lambda: BernoulliHead(spec, coins)),
        (counts, lambda: CountHead(spec, counts, floor[counts], m, units, noise=noise)),
        (grid, lambda: GridHead(spec, grid, [repeats.grid[j] for j in grid])),
        (
            atom,
            lambda: AtomHead(
                spec,
                atom,
                floor[atom],
                m,
                torch.tensor([repeats.atom[j] for j in atom]),
                noise=noise,
            ),
        ),
    ]
    heads = [make() for columns, make in makers if columns]
    heads += [CategoricalHead(spec, group) for group in _by_width(spec, categorical)]
    return heads + [OrderedHead(spec, group, m) for group in _by_width(spec, ordered)]


def _by_width(spec: DataSpec, columns: list[int]) -> list[list[int]]:
    """Columns of at most 16 categories together, wider ones with those of about their width."""
    groups: dict[int, list[int]] = {}
    for j in columns:
        groups.setdefault(max(4, (spec.columns[j].width - 1).bit_length()), []).append(j)
    return [groups[size] for size in sorted(groups)]
