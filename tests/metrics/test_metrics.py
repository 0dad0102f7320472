"""Metrics against hand-made and closed-form values."""

import numpy as np
import pytest

from halfseen import metrics

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3)) * [1.0, 5.0, 0.1]
S = (RNG.random(X.shape) > 0.3).astype(float)


def test_seen_cells_do_not_count():
    wild = np.where(S == 1, 1e6, X)
    for metric in (
        metrics.rmse,
        metrics.nrmse_by_feature,
        metrics.nrmse_range,
        metrics.nrmse_pooled,
    ):
        assert metric(X, wild, S) == 0.0


def test_rmse_pools_cells_and_the_others_average_columns():
    x = np.array([[0.0, 0.0], [4.0, 2.0]])
    hat = np.array([[1.0, 3.0], [7.0, 2.0]])
    s = np.array([[0, 0], [0, 1]])
    assert metrics.rmse(x, hat, s) == pytest.approx(np.sqrt(19 / 3))
    per_column = [np.sqrt(5), 3.0]
    assert metrics.nrmse_by_feature(x, hat, s) == pytest.approx(
        np.mean([per_column[0] / 2, per_column[1] / 1])
    )
    assert metrics.nrmse_range(x, hat, s) == pytest.approx(
        np.mean([per_column[0] / 4, per_column[1] / 2])
    )
    assert metrics.nrmse_pooled(x, hat, s) == pytest.approx(
        np.mean([per_column[0] / 4, per_column[1] / 2]) / 0.5
    )


def test_means_score_one_when_missing_completely_at_random():
    x = RNG.normal(size=(20_000, 2)) * [3.0, 0.01] + 7
    s = (RNG.random(x.shape) > 0.5).astype(int)
    hat = np.broadcast_to(x.mean(0), x.shape)
    assert metrics.nrmse_by_feature(x, hat, s) == pytest.approx(1.0, abs=0.02)


def test_scores_by_feature_and_range_ignore_units():
    hat = X + RNG.normal(size=X.shape)
    scale, shift = np.array([2.0, 0.3, 100.0]), np.array([1.0, -5.0, 0.0])
    for metric in (metrics.nrmse_by_feature, metrics.nrmse_range, metrics.nrmse_pooled):
        assert metric(X * scale + shift, hat * scale + shift, S) == pytest.approx(
            metric(X, hat, S)
        )


def test_constant_columns_have_no_unit():
    x = np.array([[1.0, 0.0], [1.0, 2.0]])
    s = np.zeros((2, 2))
    assert metrics.nrmse_range(x, x + 1, s) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="varies"):
        metrics.nrmse_range(x[:, :1], x[:, :1], s[:, :1])


def test_categories_pooled_and_by_column():
    x = [["a", 1], ["b", 2], ["c", 3]]
    hat = [["a", 1], ["a", 9], ["a", 3]]
    s = [[0, 1], [0, 0], [0, 1]]
    assert metrics.pfc(x, hat, s) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.error_rate(x, hat, s) == pytest.approx(3 / 4)


def test_crps_of_a_gaussian_is_its_closed_form():
    draws = RNG.normal(size=(4000, 1, 1))
    for truth in (0.0, 1.0):
        pdf = np.exp(-(truth**2) / 2) / np.sqrt(2 * np.pi)
        cdf = {0.0: 0.5, 1.0: 0.8413447460685429}[truth]
        exact = truth * (2 * cdf - 1) + 2 * pdf - 1 / np.sqrt(np.pi)
        assert metrics.crps_draws(draws, [[truth]], [[0]]) == pytest.approx(exact, abs=0.02)


def test_crps_is_fair_in_the_number_of_draws():
    x = RNG.normal(size=(20_000, 1))
    s = np.zeros_like(x)
    few = metrics.crps_draws(RNG.normal(size=(2, *x.shape)), x, s)
    many = metrics.crps_draws(RNG.normal(size=(30, *x.shape)), x, s)
    assert few == pytest.approx(many, abs=0.02)


def test_crps_matches_the_sum_over_pairs():
    draws = RNG.normal(size=(7, 1, 1))
    flat = draws.ravel()
    pairs = np.abs(flat[:, None] - flat).sum() / (2 * 7 * 6)
    exact = np.abs(flat - 0.3).mean() - pairs
    assert metrics.crps_draws(draws, [[0.3]], [[0]]) == pytest.approx(exact)


def test_intervals_of_the_true_law_cover_as_they_say():
    x = RNG.normal(size=(3000, 1))
    draws = RNG.normal(size=(200, *x.shape))
    s = np.zeros_like(x)
    assert metrics.interval_coverage(draws, x, s) == pytest.approx(0.9, abs=0.025)
    assert metrics.interval_width(draws, x, s) == pytest.approx(3.29, abs=0.1)
    assert metrics.interval_coverage(draws, x, s, 0.5) == pytest.approx(0.5, abs=0.04)


def test_energy_distance_is_twice_the_integral_of_squared_cdf_differences():
    # In one dimension it is 2 int (F - G)^2; here F - G = 1 on [0, 1) and 1/2 on [1, 3).
    assert metrics.energy_distance([[0.0]], [[1.0], [3.0]]) == pytest.approx(2 * (1 + 0.25 * 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.rmse([[1.0]], [[1.0, 2.0]], [[0]]), "one shape"),
        (lambda: metrics.rmse([[1.0]], [[1.0]], [[1]]), "nothing to score"),
        (lambda: metrics.rmse([[1.0]], [[np.nan]], [[0]]), "x_hat is not finite"),
        (lambda: metrics.rmse([[1.0]], [[1.0]], [0]), "mask of shape"),
        (lambda: metrics.pfc([["a"]], [["a", "b"]], [[0]]), "one shape"),
        (lambda: metrics.pfc([[None], ["a"]], [["b"], ["a"]], [[0], [0]]), "x_true with unknown"),
        (lambda: metrics.error_rate([["a"]], [[float("nan")]], [[0]]), "x_hat with unknown"),
        (lambda: metrics.crps_draws([[1.0]], [[1.0]], [[0]]), "n_draws"),
        (lambda: metrics.interval_width([[[1.0]]], [[1.0]], [[0]], 1.0), "level=1.0"),
        (lambda: metrics.energy_distance([1.0], [[1.0]]), "samples of shape"),
    ],
)
def test_errors_say_what_came(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_constant_columns_have_no_unit_whatever_their_value():
    """The deviation of equal tenths is 1e-17 by rounding."""
    x = np.full((10, 2), 0.1)
    x[:, 1] = np.arange(10.0)
    s = np.ones((10, 2))
    s[:3] = 0
    found = metrics.nrmse_by_feature(x, x + 0.01 * (s == 0), s)
    assert found == pytest.approx(0.01 / x[:, 1].std())
