"""Rank and ridge by held-out cells: what is held out, and that the truth is found."""

import numpy as np
import pytest
import torch

from halfseen.core.features import Features
from halfseen.core.spec import Column, DataSpec
from halfseen.estimators.low_rank_choice import RANKS, RIDGES, choose_low_rank, hold_out


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def simulated(n, p, rank, noise, missing=0.3, seed=0):
    rng = np.random.default_rng(seed)
    full = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p)) / np.sqrt(max(rank, 1))
    full += noise * rng.normal(size=(n, p))
    s = torch.from_numpy(rng.random((n, p)) >= missing).float()
    return torch.from_numpy(full).float() * s, s


def test_held_out_cells_are_seen_ones_and_hide_all_features_of_a_category():
    spec = DataSpec((Column("a", "continuous"), Column("b", "nominal", n_levels=3)))
    s = torch.ones(3000, 2)
    s[::3, 1] = 0
    [hidden] = hold_out(s, Features(spec), 0.1, generator())
    assert hidden.shape == (3000, 4)
    assert int(hidden[:, :2].sum()) == 500
    assert (hidden[:, 1:] == hidden[:, 1:2]).all()
    assert not hidden[::3, 1].any()
    assert hidden[:, 0].any()


def test_small_tables_are_split_more_often_and_tiny_ones_not_at_all():
    expand = Features(DataSpec.continuous(4))
    masks = hold_out(torch.ones(50, 4), expand, 0.05, generator())
    assert len(masks) == 5
    assert all(int(mask.sum()) == 10 for mask in masks)
    assert not torch.equal(masks[0], masks[1])
    assert hold_out(torch.ones(4, 4), expand, 0.05, generator()) == []


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_the_rank_of_simulated_data_is_found(rank):
    x, s = simulated(600, 40, rank, noise=0.1)
    hidden = hold_out(s, Features(DataSpec.continuous(40)), 0.05, generator())
    tried = choose_low_rank(x, s, hidden, RANKS, RIDGES, generator())
    best = min(tried, key=lambda candidate: candidate.error)
    assert best.rank == rank
    assert best.error == pytest.approx(0.1, rel=0.2)
    assert best.model.rank == rank
    assert max(candidate.rank for candidate in tried) < 24


def test_pure_noise_is_shrunk_to_means():
    x, s = simulated(400, 20, 0, noise=1.0)
    hidden = hold_out(s, Features(DataSpec.continuous(20)), 0.05, generator())
    tried = choose_low_rank(x, s, hidden, RANKS, RIDGES, generator())
    best = min(tried, key=lambda candidate: candidate.error)
    assert best.ridge == 1.0
    seen = x[s == 1]
    assert float(best.model.fitted(x, s).std()) < 0.2 * float(seen.std())


def test_the_walk_is_watched_and_follows_its_seed():
    x, s = simulated(100, 8, 2, noise=0.3)
    hidden = hold_out(s, Features(DataSpec.continuous(8)), 0.05, generator())
    steps = []
    runs = [
        choose_low_rank(x, s, hidden, (1, 2, 4), RIDGES, generator(), lambda *a: steps.append(a))
        for _ in range(2)
    ]
    assert steps == [(1, 3), (2, 3), (3, 3)] * 2
    assert [c.error for c in runs[0]] == [c.error for c in runs[1]]
