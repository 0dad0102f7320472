"""Dynamic binarisation: coins in training, grey levels everywhere else."""

import numpy as np
import pytest
import torch

from halfseen import MIWAEImputer
from halfseen.core.noise import new_generator
from halfseen.errors import ColumnError, SettingError
from halfseen.terms.proposal import GaussianProposal
from halfseen.training.binarize import binarized


def test_cells_become_coins_with_their_mean():
    grey = torch.tensor([0.0, 0.2, 0.7, 1.0]).expand(50_000, 4)
    generator = new_generator(0)
    first, second = binarized(grey, generator), binarized(grey, generator)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(first.mean(0), grey[0], atol=0.01, rtol=0)
    assert not torch.equal(first, second)
    agree = (first == second).float().mean(0)
    torch.testing.assert_close(agree, grey[0] ** 2 + (1 - grey[0]) ** 2, atol=0.01, rtol=0)


def test_codes_of_categories_are_no_grey_levels():
    codes = torch.tensor([0.0, 1.0, 2.0, 3.0]).expand(50, 4)
    assert torch.equal(binarized(codes, new_generator(0)), codes)


TINY = {"n_members": 1, "max_steps": 8, "hidden": (4,), "n_importance_predict": 10}


def test_every_batch_of_training_is_drawn_anew_and_nothing_else(monkeypatch):
    seen = []
    forward = GaussianProposal.forward

    def watched(self, batch):
        seen.append(batch.x)
        return forward(self, batch)

    monkeypatch.setattr(GaussianProposal, "forward", watched)
    images = np.full((30, 1, 2, 2), 0.5, dtype=np.float32)
    images[:, 0, 0, 0] = np.nan
    imputer = MIWAEImputer(**TINY, observation="bernoulli", binarize=True, random_state=0)
    imputer.set_params(batch_size=30, calibrate=False).fit(images)
    batches = torch.stack(seen)
    assert len(batches) == 8
    assert set(batches.unique().tolist()) == {0.0, 1.0}
    assert (batches[..., 0] == 0).all()
    assert not torch.equal(batches[0], batches[1])
    seen.clear()
    filled = imputer.transform(images)
    assert set(torch.cat(seen)[:, 1:].unique().tolist()) == {0.5}
    assert (filled[:, 0, 1] == 0.5).all()


def test_settings_and_values_that_do_not_go_together():
    table = np.random.default_rng(0).random((30, 2))
    with pytest.raises(SettingError, match=r"binarize=True and observation='gaussian'"):
        MIWAEImputer(**TINY, binarize=True).fit(table)
    with pytest.raises(ColumnError, match=r"'x1' holds 2\..*divide by"):
        MIWAEImputer(**TINY, observation="bernoulli").fit(np.add(table, [0, 2]))
    imputer = MIWAEImputer(**TINY, observation="bernoulli", random_state=0).fit(table)
    with pytest.raises(ColumnError, match="'x0' holds -1"):
        imputer.transform(np.array([[-1.0, np.nan]]))
