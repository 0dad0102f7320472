"""Laws under a limit of memory: in parts what they are at once, and refused if they do not fit."""

import numpy as np
import pytest
import torch

from halfseen import DMFADensity, MFADensity
from halfseen.core.memory import limit_memory
from halfseen.errors import SettingError

C, RANK, SIDE, N = 30, 3, 8, 60
# What the law of a row takes: means, factors and variances, weights, cells and mask.
ROW = 8 * (C * SIDE**2 * (RANK + 2) + C + 2 * SIDE**2)


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 1, 1, SIDE)) + rng.normal(size=(N, 1, SIDE, 1))
    return np.where(rng.random((N, 1, SIDE, SIDE)) < 0.5, np.nan, x + 0.1 * rng.random(x.shape))


@pytest.fixture(scope="module")
def density(pictures):
    settings = {"n_components": C, "rank": RANK, "n_starts": 1, "max_iter": 1, "start": "random"}
    return MFADensity(**settings, random_state=0).fit(pictures)


def scores(law, truth):
    return {
        "mean": law.mean,
        "variance": law.variance,
        "quantile": law.quantile(0.2),
        "draws": law.sample(2, random_state=0),
        "log_prob": law.log_prob(truth),
        "dequantized": law.dequantized_log_prob(truth, 0.1, 2),
        "discretized": law.discretized_log_prob(truth, 0.1, n_draws=2),
        "entropy": law.entropy(2),
    }


def test_a_law_in_parts_is_the_law_at_once(density, pictures, monkeypatch):
    truth = np.nan_to_num(pictures)
    law = density.conditional(pictures)
    assert law.nbytes == N * ROW
    expected, asked, kept = scores(law, truth), [], type(density)._mixture

    def watched(self, rows):
        asked.append(len(rows))
        return kept(self, rows)

    monkeypatch.setattr(type(density), "_mixture", watched)
    # Room for the law and for 12 rows of forty copies in parts.
    with limit_memory(N * ROW / 0.75 + 1000):
        part = density.conditional(pictures)
        found = scores(part, truth)
    assert sum(asked) >= N
    assert max(asked) < N // 2
    assert len(part) == N
    assert part.names == law.names
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-8, atol=1e-8, err_msg=name)


def test_what_does_not_fit_is_refused_with_the_number_of_rows_that_do(density, pictures):
    with limit_memory(20 * ROW / 0.75 + 10):
        with pytest.raises(SettingError, match=r"Got 60 rows.*ask in parts of 20 rows.*n_kept"):
            density.conditional(pictures)
        parts = [density.conditional(pictures[i : i + 20]) for i in range(0, N, 20)]
        few = density.conditional(pictures, n_kept=2)
    whole = density.conditional(pictures)
    np.testing.assert_allclose(np.concatenate([p.mean for p in parts]), whole.mean)
    assert few.weights.shape == (N, 2)
    with (
        limit_memory(10**5),
        pytest.raises(SettingError, match=r"that of 0 fits\. Expected fewer: keep"),
    ):
        density.conditional(pictures)


@pytest.mark.parametrize("n_kept", [1, 3, 99])
def test_the_most_probable_components_are_kept(density, pictures, n_kept):
    whole, few = density.conditional(pictures), density.conditional(pictures, n_kept=n_kept)
    order = np.argsort(-whole.weights, -1, kind="stable")[:, :n_kept]
    weights = np.take_along_axis(whole.weights, order, -1)
    expected = weights / weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(np.sort(few.weights), np.sort(expected), atol=1e-12)
    np.testing.assert_allclose(few.weights.sum(-1), 1.0)
    means = np.take_along_axis(whole.mixture.law.mean.numpy(), order[..., None], 1)
    mean = (expected[..., None] * means).sum(1)
    seen = ~np.isnan(pictures.reshape(N, -1))
    mean[seen] = pictures.reshape(N, -1)[seen]
    np.testing.assert_allclose(few.mean.reshape(N, -1), mean, atol=1e-9)


def test_a_network_keeps_components_too_and_their_number_is_checked(density, pictures):
    x = pictures.reshape(N, -1)[:, :3]
    network = DMFADensity(max_steps=2, hidden=(4,), random_state=0).fit(x)
    law = network.conditional(x, n_kept=4)
    assert law.weights.shape == (N, 4)
    assert torch.allclose(law.mixture.log_weights.exp().sum(-1), torch.ones(N).double())
    for wrong in (0, 1.5, "all", True):
        with pytest.raises(SettingError, match="Got n_kept="):
            density.conditional(pictures, n_kept=wrong)
