"""Models of the autoencoder family, small and in float64, and noise that is written down."""

from dataclasses import replace

import numpy as np
import torch

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise
from halfseen.core.spec import Column, DataSpec
from halfseen.core.units import Units
from halfseen.estimators.assemble import Design, make_model
from halfseen.estimators.recipes import Recipe
from halfseen.nn.unimodal import BlockMask

MEMBERS = 2
SPEC = DataSpec(
    (
        Column("a", "continuous"),
        Column("b", "nominal", n_levels=3),
        Column("c", "continuous"),
        Column("d", "continuous"),
    )
).with_blocks({"pair": ["c", "d"]})
G = len(SPEC.modalities)


def family_model(recipe=None, *, n_latent=6, seed=0, spec=SPEC, **settings):
    """A random model of two members made by a recipe."""
    settings = {"n_members": MEMBERS, "gradient": "total", "noise": "row"} | settings
    model = make_model(
        Design(n_latent=n_latent, hidden=(8,), **settings),
        spec,
        Units.identity(spec),
        np.full(spec.n_columns, 0.3),
        np.ones(spec.n_columns, bool),
        torch.Generator().manual_seed(seed),
        recipe=recipe or Recipe(),
    )
    return model.double()


def some_batch(n=7, seed=3):
    """Whole modalities are seen or not: all, none, and mixtures."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=generator).double()
    x[:, 1] = torch.randint(3, (n,), generator=generator).double()
    seen = (torch.rand(n, G, generator=generator) < 0.6).double()
    seen[0], seen[1] = 1.0, 0.0
    s = BlockMask(SPEC).cells(seen)
    return Batch(x * s, s, s)


def hiding(batch, *cells):
    """The batch with some cells (row, column) hidden from the encoder."""
    shown = batch.s.clone()
    for row, column in cells:
        shown[row, column] = 0.0
    return replace(batch, shown=shown)


class Scripted(Noise):
    """Normal noise of zeros, and uniform noise that is given."""

    def __init__(self, shape, uniforms=()):
        self.shape, self.uniforms = shape, list(uniforms)

    def normal(self, *size):
        return torch.zeros(*self.shape, *size).double()

    def uniform(self, *size):
        given = self.uniforms.pop(0) if self.uniforms else torch.tensor(0.5)
        return given.double().expand(*self.shape, *size)


class Counted(Noise):
    """Noise in float64 from one generator."""

    def normal(self, *size):
        return super().normal(*size).double()

    def uniform(self, *size):
        return super().uniform(*size).double()


def maker(seed=0, k=1, members=MEMBERS):
    """A source of noise for batches, as training has one."""
    generator = torch.Generator().manual_seed(seed)
    return lambda batch: Counted(generator, (members, k, len(batch)))
