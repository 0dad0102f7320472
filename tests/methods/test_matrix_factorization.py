"""Matrix factorisation as an imputer: recovery, choice, categories, pictures, files."""

import numpy as np
import pandas as pd
import pytest
import torch

import halfseen
from halfseen.methods.constant import MeanImputer
from halfseen.methods.matrix_factorization import MatrixFactorizationImputer
from halfseen.testing.tables import same_bits


def low_rank_table(n=300, p=12, rank=2, noise=0.0, missing=0.4, seed=0):
    """A table whose columns have units and centers of their own, and the same with holes."""
    rng = np.random.default_rng(seed)
    full = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))
    full += noise * rng.normal(size=full.shape)
    full = full * 10.0 ** rng.integers(-2, 3, p) + 100 * rng.normal(size=p)
    return full, np.where(rng.random(full.shape) < missing, np.nan, full)


def error(filled, full, holed):
    """Root mean square error of the holes, in standard deviations of the columns."""
    gap = (filled - full) / full.std(0)
    return float(np.sqrt((gap[np.isnan(holed)] ** 2).mean()))


def test_a_table_of_low_rank_is_recovered():
    full, holed = low_rank_table(n=400, p=25)
    imputer = MatrixFactorizationImputer(
        rank=2, ridge=1e-4, clip=False, max_iter=500, tol=1e-7, random_state=0
    )
    filled = imputer.fit(holed[:300]).transform(holed)
    for part in (slice(0, 300), slice(300, 400)):  # rows of fit, and new ones
        assert error(filled[part], full[part], holed[part]) < 0.01
    seen = ~np.isnan(holed)
    assert same_bits(filled[seen], holed[seen])
    assert (np.diff(imputer.objective_) <= 1e-7).all()
    assert imputer.n_iter_ == len(imputer.objective_)


def test_rank_and_ridge_are_chosen_by_held_out_cells():
    full, holed = low_rank_table(rank=3, n=500, p=30, noise=0.2)
    imputer = MatrixFactorizationImputer(random_state=0).fit(holed)
    assert imputer.rank_ == 3
    tried = pd.DataFrame(imputer.choice_)
    best = tried.loc[tried["error"].idxmin()]
    assert (best["rank"], best["ridge"]) == (imputer.rank_, imputer.ridge_)
    chosen = error(imputer.transform(holed), full, holed)
    assert chosen == pytest.approx(best["error"], rel=0.15)
    for rank, ridge in ((1, None), (12, 0.015), (3, 1.0)):
        other = MatrixFactorizationImputer(rank=rank, ridge=ridge, random_state=0)
        assert error(other.fit_transform(holed), full, holed) > 1.02 * chosen
    weak = MatrixFactorizationImputer(ridge=0.02, random_state=0).fit(holed)
    assert (weak.rank_, weak.ridge_) == (3, 0.02)
    assert {candidate["ridge"] for candidate in weak.choice_} == {0.02}
    given = MatrixFactorizationImputer(rank=3, ridge=imputer.ridge_, random_state=0).fit(holed)
    assert given.choice_ == []
    assert error(given.transform(holed), imputer.transform(holed), holed) < 0.01


def test_a_row_alone_has_the_bits_that_it_has_among_others():
    _, holed = low_rank_table(n=400, p=60, rank=7, noise=0.3)
    imputer = MatrixFactorizationImputer(rank=7, ridge=0.2, random_state=0).fit(holed[:200])
    filled = imputer.transform(holed)
    for i in range(0, 400, 3):
        assert same_bits(imputer.transform(holed[i : i + 1])[0], filled[i])
    order = np.random.default_rng(0).permutation(400)
    assert same_bits(imputer.transform(holed[order]), filled[order])
    # What is in a row's holes is not looked at, and rows of fit are like any other.
    twice = imputer.transform(np.r_[holed, holed])
    assert same_bits(twice[400:], filled)


def test_a_new_row_is_the_ridge_regression_of_its_seen_cells():
    _, holed = low_rank_table(noise=0.3)
    imputer = MatrixFactorizationImputer(rank=3, ridge=0.3, clip=False, random_state=0)
    imputer.fit(holed[:250])
    mean, spread = np.nanmean(holed[:250], 0), np.nanstd(holed[:250], 0)
    offset, loadings = imputer.model_.offset.numpy(), imputer.model_.loadings.numpy()
    filled = imputer.transform(holed[250:])
    for row, answer in zip(holed[250:], filled, strict=True):
        seen = ~np.isnan(row)
        design = loadings[seen].astype(float)
        target = (row[seen] - mean[seen]) / spread[seen] - offset[seen]
        gram = design.T @ design + imputer.model_.penalty * np.eye(3)
        fitted = offset + loadings @ np.linalg.solve(gram, design.T @ target)
        expected = np.where(seen, row, fitted * spread + mean)
        np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)


def test_answers_stay_in_the_range_that_was_seen_unless_told_otherwise():
    table = np.c_[np.arange(20.0), 2 * np.arange(20.0)]
    later = np.array([[30.0, np.nan]])
    settings = {"rank": 1, "ridge": 1e-3, "random_state": 0}
    assert MatrixFactorizationImputer(**settings).fit(table).transform(later)[0, 1] == 38.0
    free = MatrixFactorizationImputer(**settings, clip=False).fit(table)
    assert free.transform(later)[0, 1] == pytest.approx(60.0, abs=0.1)


def test_categories_follow_from_what_goes_with_them():
    rng = np.random.default_rng(0)
    group = rng.integers(3, size=300)
    full = pd.DataFrame(
        {
            "group": np.array(["a", "b", "c"])[group],
            "pair": np.array(["x", "y", "z"])[group],
            "height": 10.0 * (group == 2) + rng.normal(size=300),
            "count": pd.array(5 * (group == 0) + rng.integers(2, size=300), dtype="Int64"),
        }
    )
    holed = full.copy()
    for name in full:
        holed.loc[rng.random(300) < 0.25, name] = None
    imputer = MatrixFactorizationImputer(random_state=0)
    filled = imputer.fit_transform(holed)
    assert list(filled.dtypes) == list(holed.dtypes)
    for name in ("group", "pair"):
        holes = holed[name].isna()
        assert (filled[name] == full[name])[holes].mean() > 0.85
    heights = filled["height"][holed["height"].isna()]
    truth = full["height"][holed["height"].isna()]
    assert np.sqrt(((heights - truth) ** 2).mean()) < 0.6 * truth.std()


@pytest.mark.parametrize("settings", [{}, {"rank": 3, "ridge": 0.1}], ids=["chosen", "given"])
def test_pictures(settings, tmp_path):
    rng = np.random.default_rng(0)
    at = rng.uniform(2, 5, (120, 2, 1, 1))
    full = np.exp(-((np.mgrid[:8, :8] - at) ** 2).sum(1) / 6)[:, None].astype(np.float32)
    full[:, :, 0] = 0.0
    holes = rng.random(full.shape) < 0.5
    holes[:, :, 4, 4] = True  # a pixel that no picture shows
    holed = np.where(holes, np.float32(np.nan), full)
    imputer = MatrixFactorizationImputer(**settings, random_state=0).fit(holed)
    filled = imputer.transform(holed)
    assert filled.dtype == np.float32
    assert same_bits(filled[~holes], holed[~holes])
    assert filled.min() >= 0
    assert filled.max() <= np.nanmax(holed)
    shown = holes.copy()
    shown[:, :, 4, 4] = False
    rest = np.sqrt(((filled - full)[shown] ** 2).mean())
    means = MeanImputer().fit_transform(holed)
    assert rest < 0.5 * np.sqrt(((means - full)[shown] ** 2).mean())
    assert imputer.transform(torch.from_numpy(holed)).dtype == torch.float32
    imputer.save(tmp_path / "model")
    again = halfseen.load(tmp_path / "model")
    assert same_bits(again.transform(holed), filled)
    assert (again.rank_, again.ridge_) == (imputer.rank_, imputer.ridge_)
    assert again.choice_ == imputer.choice_


def test_it_follows_its_seed():
    _, holed = low_rank_table(noise=0.5, n=60)
    one, two, other = (
        MatrixFactorizationImputer(random_state=seed).fit_transform(holed) for seed in (1, 1, 2)
    )
    assert same_bits(one, two)
    assert not same_bits(one, other)


def test_few_rows_and_few_columns_bound_the_rank():
    table = np.array([[1.0, 2.0, 3.0], [2.0, np.nan, 5.0]])
    imputer = MatrixFactorizationImputer(rank=10, ridge=0.1, random_state=0).fit(table)
    assert imputer.rank_ == 2
    assert MatrixFactorizationImputer(random_state=0).fit(table).choice_ == []
    constant = MatrixFactorizationImputer(random_state=0).fit(np.array([[1.0], [1.0]]))
    assert constant.transform(np.array([[np.nan]])) == 1.0


def test_a_second_fit_forgets_the_first(tmp_path):
    _, holed = low_rank_table(n=40)
    imputer = MatrixFactorizationImputer(random_state=0).fit(holed).fit(np.ones((3, 2)))
    assert imputer.choice_ == imputer.objective_ == []
    imputer.save(tmp_path / "model")
    again = halfseen.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(np.array([[np.nan, 1.0]])), [[1.0, 1.0]])


def test_samples_are_equal_tables():
    _, holed = low_rank_table(n=40)
    imputer = MatrixFactorizationImputer(rank=2, ridge=0.1, random_state=0).fit(holed)
    one, two = imputer.sample(holed, n_draws=2, random_state=5)
    assert same_bits(one, two)
    assert one is not two
    with pytest.raises(ValueError, match="n_draws=0"):
        imputer.sample(holed, n_draws=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "rank=0"),
        ({"rank": 2.5}, "rank=2.5"),
        ({"ridge": 0.0}, "ridge=0.0"),
        ({"ridge": float("nan")}, "ridge=nan"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"tol": -1.0}, "tol=-1.0"),
        ({"validation_fraction": 1.0}, "validation_fraction=1.0"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=f"Got {message}"):
        MatrixFactorizationImputer(**settings).fit(np.eye(3))
