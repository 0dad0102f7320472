"""The masked low-rank solver against dense algebra, other algorithms and known matrices."""

import numpy as np
import pytest
import torch

from halfseen.estimators import low_rank
from halfseen.estimators.low_rank import LowRank, descend, fit_low_rank, noise_level, random_start


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def simulated(n=60, p=9, rank=3, missing=0.3, noise=0.0, seed=0):
    """A matrix of low rank plus offsets and noise, and a mask; float64."""
    rng = np.random.default_rng(seed)
    full = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p)) + 2 * rng.normal(size=p)
    full += noise * rng.normal(size=full.shape)
    s = rng.random(full.shape) >= missing
    return torch.from_numpy(full), torch.from_numpy(s.astype(float))


def fit(full, s, rank, penalty, **settings):
    x = full * s
    return fit_low_rank(x, s, random_start(x, s, rank, generator()), penalty, **settings)


def objective(model, full, s):
    """The sum in the module's docstring, cell by cell."""
    scores = model.scores(full * s, s).numpy()
    loadings, offset = model.loadings.numpy(), model.offset.numpy()
    total = model.penalty * ((scores**2).sum() + (loadings**2).sum()) / 2
    for i, j in np.argwhere(s.numpy() > 0):
        total += (float(full[i, j]) - offset[j] - scores[i] @ loadings[j]) ** 2 / 2
    return total


def shrunken(matrix, penalty, rank):
    """Soft-thresholded singular values of a matrix without its column means, truncated."""
    means = matrix.mean(0)
    u, d, v = np.linalg.svd(matrix - means, full_matrices=False)
    d = np.maximum(d - penalty, 0) * (np.arange(len(d)) < rank)
    return means + (u * d) @ v


def test_scores_are_the_ridge_regressions_of_dense_algebra():
    full, s = simulated()
    s[4], s[5, 1:] = 0, 0  # no seen cell, and fewer seen cells than factors
    rng = np.random.default_rng(1)
    loadings, offset = rng.normal(size=(9, 4)), rng.normal(size=9)
    model = LowRank(torch.from_numpy(offset), torch.from_numpy(loadings), penalty=0.7)
    scores = model.scores(full * s, s).numpy()
    for i, seen in enumerate(s.numpy() > 0):
        design, target = loadings[seen], full.numpy()[i, seen] - offset[seen]
        expected = np.linalg.solve(design.T @ design + 0.7 * np.eye(4), design.T @ target)
        np.testing.assert_allclose(scores[i], expected, rtol=1e-10, atol=1e-12)


def test_columns_are_ridge_regressions_with_a_free_intercept():
    full, s = simulated()
    scores = torch.from_numpy(np.random.default_rng(1).normal(size=(60, 4)))
    offset, loadings = low_rank._columns(full * s, s, scores, 0.7)
    design = np.c_[np.ones(60), scores.numpy()]
    penalty = 0.7 * np.diag([0.0, 1, 1, 1, 1])
    for j, seen in enumerate(s.numpy().T > 0):
        part, target = design[seen], full.numpy()[seen, j]
        expected = np.linalg.solve(part.T @ part + penalty, part.T @ target)
        found = np.r_[offset[j], loadings[j]]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def test_the_objective_falls_at_every_sweep_and_is_the_one_that_is_reported():
    full, s = simulated(noise=0.5)
    model, path = fit(full, s, 4, 1.5, max_iter=300, tol=1e-13)
    assert path.converged
    assert len(path.objective) > 20
    assert (np.diff(path.objective) <= 1e-14).all()
    # Scores of the answer are those that its loadings imply: one step beyond the last sweep.
    found = objective(model, full, s) / float(s.sum())
    assert found == pytest.approx(path.objective[-1], rel=1e-9)
    unfinished = fit(full, s, 4, 1.5, max_iter=2)[1]
    assert not unfinished.converged
    assert unfinished.objective == path.objective[:2]


def test_the_answer_is_a_stationary_point():
    full, s = simulated(noise=0.5)
    model, _ = fit(full, s, 4, 1.5, max_iter=3000, tol=1e-15)
    parts = [model.scores(full * s, s), model.loadings.clone(), model.offset.clone()]
    scores, loadings, offset = (part.requires_grad_() for part in parts)
    gap = s * (full - offset - scores @ loadings.T)
    loss = gap.square().sum() + 1.5 * (scores.square().sum() + loadings.square().sum())
    for slope in torch.autograd.grad(loss, parts):
        assert slope.abs().max() < 1e-4


@pytest.mark.parametrize("rank", [2, 4, 9])
def test_without_holes_it_is_the_soft_thresholded_decomposition(rank):
    full, s = simulated(rank=5, missing=0.0, noise=0.5)
    penalty = 6.0
    model, _ = fit(full, s, rank, penalty, max_iter=5000, tol=1e-15)
    expected = shrunken(full.numpy(), penalty, rank)
    np.testing.assert_allclose(model.fitted(full, s).numpy(), expected, atol=1e-5)


def test_with_holes_it_is_what_repeated_filling_converges_to():
    """Soft-Impute: fill the holes, shrink the decomposition, again; a convex problem."""
    full, s = simulated(noise=0.5)
    x, seen, penalty = full.numpy(), s.numpy() > 0, 4.0
    filled = np.where(seen, x, 0.0)
    for _ in range(4000):
        filled = np.where(seen, x, shrunken(filled, penalty, 9))
    model, _ = fit(full, s, 9, penalty, max_iter=5000, tol=1e-15)
    expected = shrunken(filled, penalty, 9)
    np.testing.assert_allclose(model.fitted(full * s, s).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("missing", [0.3, 0.6, 0.7])
def test_a_matrix_of_low_rank_is_recovered_exactly(missing):
    full, s = simulated(n=200, p=30, rank=3, missing=missing)
    x = full * s
    [start] = descend(x, s, 3, (0.01,), generator())
    model, _ = fit_low_rank(x, s, start, 1e-7, max_iter=500, tol=1e-9)
    np.testing.assert_allclose(model.fitted(x, s), full, atol=1e-4)


def test_a_weak_penalty_is_reached_from_strong_ones():
    """From random loadings the same fit ends in a minimum that is worse by orders."""
    full, s = simulated(n=200, p=30, rank=3, missing=0.6)
    x = full * s
    [start] = descend(x, s, 3, (0.1,), generator())
    assert start.penalty == pytest.approx(0.1 * noise_level(s))
    near, far = (
        fit_low_rank(x, s, begin, 1e-3, tol=1e-6)[1].objective[-1]
        for begin in (start, random_start(x, s, 3, generator()))
    )
    assert near < 0.01 * far


def test_factors_that_a_strong_penalty_has_put_to_sleep_wake_up():
    full, s = simulated(n=100, p=12, rank=3, missing=0.2)
    strong, weak = descend(full * s, s, 3, (1e3, 0.1), generator())
    assert float(strong.loadings.abs().max()) < 1e-4
    assert int((torch.linalg.svdvals(weak.loadings) > 1).sum()) == 3


def test_single_precision_is_enough():
    full, s = simulated(n=200, p=30, missing=0.5)
    model, _ = fit(full.float(), s.float(), 3, 1e-3, max_iter=200, tol=1e-5)
    assert model.loadings.dtype == torch.float32
    gap = model.fitted((full * s).float(), s.float()) - full
    assert float(gap.square().mean().sqrt()) < 0.01 * float(full.std())


def test_columns_that_nothing_shows_and_factors_that_nothing_needs_stay_finite():
    full, s = simulated(n=6, p=5, missing=0.2)
    s[:, 2], s[3] = 0, 0
    for penalty in (1e-8, 1e6):
        model, path = fit(full.float(), s.float(), 5, penalty)
        assert torch.isfinite(model.fitted((full * s).float(), s.float())).all()
        assert np.isfinite(path.objective).all()
    assert model.offset[2] == 0
    means = (full * s).sum(0) / s.sum(0).clamp_min(1)
    torch.testing.assert_close(model.offset, means.float(), rtol=1e-4, atol=1e-5)


def test_chunks_do_not_change_the_answer(monkeypatch):
    full, s = simulated()
    whole, path = fit(full, s, 3, 1.0, max_iter=5)
    monkeypatch.setattr(low_rank, "CHUNK_FLOATS", 100)
    parts, again = fit(full, s, 3, 1.0, max_iter=5)
    np.testing.assert_allclose(parts.loadings, whole.loadings, atol=1e-9)
    np.testing.assert_allclose(again.objective, path.objective)
    np.testing.assert_allclose(parts.scores(full, s), whole.scores(full, s), atol=1e-9)


@pytest.mark.parametrize(("n", "p", "share"), [(2000, 50, 1.0), (300, 200, 0.3)])
def test_the_noise_level_is_the_largest_singular_value_of_noise(n, p, share):
    rng = np.random.default_rng(0)
    s = rng.random((n, p)) < share
    largest = np.linalg.norm(rng.normal(size=(n, p)) * s, 2)
    assert noise_level(torch.from_numpy(s).double()) == pytest.approx(largest, rel=0.04)


def test_every_sweep_is_watched():
    full, s = simulated()
    seen = []
    _, path = fit(full, s, 2, 1.0, watch=seen.append)
    assert seen == list(range(1, len(path.objective) + 1))
