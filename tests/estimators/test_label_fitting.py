"""What one step of a head's training is given."""

import torch
from torch import nn

from halfseen.core.batch import Batch
from halfseen.estimators.label_fitting import LatentObjective
from halfseen.terms.latent import Weighted
from halfseen.training.hiding import HideCells


class Spy(nn.Module):
    """Keeps the batch that it is given."""

    def forward(self, batch, noise):
        self.batch = batch
        return Weighted({"label": torch.zeros(1, 2, len(batch))}, torch.zeros(1), None, None, None)


def test_grey_pixels_are_ones_and_zeros_anew_in_every_batch():
    x = torch.full((40, 3), 0.5)
    batch = Batch(x, torch.ones_like(x), torch.ones_like(x), torch.zeros(40), torch.ones(40))
    generator = torch.Generator().manual_seed(0)
    met = {}
    for binarize in (True, False):
        spy = Spy()
        objective = LatentObjective(
            spy, 1, 2, batch.s, HideCells(0.0, 0.0), lambda model: torch.zeros(1), 40, binarize
        )
        met[binarize] = []
        for _ in range(2):
            objective.losses(batch, generator)
            met[binarize].append(spy.batch.x)
    assert set(met[True][0].flatten().tolist()) == {0.0, 1.0}
    assert not torch.equal(*met[True])
    assert torch.equal(met[False][0], x)
