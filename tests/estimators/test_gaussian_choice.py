"""What a shape of mixtures is worth, recomputed from dense laws of the held-out cells."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from halfseen.core.factor_mixture import FactorMixture
from halfseen.core.features import Features
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.core.spec import DataSpec
from halfseen.estimators import gaussian_choice
from halfseen.estimators.gaussian_choice import TEMPERATURES, Shape, choose_shape

N, F = 40, 4


def generator():
    return torch.Generator().manual_seed(0)


def table():
    rng = np.random.default_rng(0)
    x = torch.as_tensor(rng.normal(size=(N, 1)) + 0.6 * rng.normal(size=(N, F)))
    s = torch.as_tensor((rng.random((N, F)) < 0.8).astype(float))
    return x * s, s


def model(mean=0.0, scale=1.0):
    size = (1, F)
    law = LowRankNormal(
        torch.full(size, mean).double(),
        scale * torch.ones(1, F, 1).double(),
        torch.full(size, 0.36 * scale**2).double(),
    )
    return FactorMixture(torch.zeros(1).double(), law)


def choose(fit, walks, share=0.2):
    x, s = table()
    expand = Features(DataSpec.continuous(F))
    return choose_shape(fit, x, s, expand, s, walks, share, generator())


def test_errors_and_densities_are_those_of_the_cells_that_were_held_out():
    x, s = table()
    shown = []

    def fit(here, mask, shape):
        assert (here[mask == 0] == 0).all()
        shown.append(mask)
        return model()

    (found,) = choose(fit, [[Shape(1, 1)]])
    # Rows come in an order of their own.
    order = torch.randperm(N, generator=generator())
    x, s = x[order], s[order]
    covariance = np.ones((F, F)) + 0.36 * np.eye(F)
    errors, densities, singles = [], [], []
    for mask in shown:
        hidden = (s - mask).numpy() > 0
        squares, total, parts = [], 0.0, np.zeros(len(TEMPERATURES))
        for i in np.flatnonzero(hidden.any(1)):
            h, o = np.flatnonzero(hidden[i]), np.flatnonzero(mask[i])
            gain = covariance[np.ix_(h, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
            mean = gain @ x[i, o].numpy()
            given = covariance[np.ix_(h, h)] - gain @ covariance[np.ix_(o, h)]
            gap = x[i, h].numpy() - mean
            squares += list(gap**2)
            total += multivariate_normal(np.zeros(len(h)), given).logpdf(gap)
            scale = np.sqrt(np.diag(given))
            parts += [norm.logpdf(gap, 0, t * scale).sum() for t in TEMPERATURES]
        errors.append(np.sqrt(np.mean(squares)))
        densities.append(total / hidden.sum())
        singles.append(parts / hidden.sum())
    assert found.error == pytest.approx(np.mean(errors))
    assert found.log_prob == pytest.approx(np.mean(densities))
    assert found.temperature == TEMPERATURES[np.mean(singles, 0).argmax()]


@pytest.mark.parametrize(("scale", "low", "high"), [(0.5, 1.3, 9), (1.0, 0.8, 1.2), (1.5, 0, 1)])
def test_what_is_too_sure_is_warmed(scale, low, high):
    (found,) = choose(lambda *_: model(scale=scale), [[Shape(1, 1)]])
    assert low <= found.temperature <= high


def test_a_walk_ends_when_larger_shapes_gain_nothing():
    worth = {1: 3.0, 2: 1.0, 4: 2.0, 8: 2.0, 16: 0.0}
    tried = choose(
        lambda x, s, shape: model(mean=worth[shape.n_components]),
        [[Shape(count, rank) for count in worth] for rank in (1, 2)],
    )
    shapes = [tuple(candidate.shape) for candidate in tried]
    assert shapes == [(c, rank) for rank in (1, 2) for c in (1, 2, 4, 8)]
    assert min(tried, key=lambda candidate: candidate.error).shape == (2, 1)


def test_one_shape_is_tried_once_and_nothing_is_tried_without_cells_to_hide():
    walks = [[Shape(1, 1), Shape(2, 1)], [Shape(1, 1)]]
    assert len(choose(lambda *_: model(), walks)) == 2
    assert choose(lambda *_: model(), walks, share=1e-6) == []


def test_chunks_of_rows_add_up(monkeypatch):
    (whole,) = choose(lambda *_: model(), [[Shape(1, 1)]])
    monkeypatch.setattr(gaussian_choice, "CHUNK_FLOATS", 60)
    (parts,) = choose(lambda *_: model(), [[Shape(1, 1)]])
    assert parts.error == pytest.approx(whole.error, rel=1e-12)
    assert parts.log_prob == pytest.approx(whole.log_prob, rel=1e-12)
