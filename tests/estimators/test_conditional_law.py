"""The law of missing cells that users see, against dense mixtures written out row by row."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from halfseen import GMMDensity
from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.errors import SettingError
from halfseen.estimators.conditional import Conditional
from halfseen.estimators.conditional_cells import Cell, CellReader

N, F = 6, 4
CELLS = (Cell("age", 0), Cell("city=0", 1, 0), Cell("city=1", 1, 1), Cell("pay", 2))
NAMES = tuple(cell.name for cell in CELLS)


def case(n_components=3, rank=2, seed=0, shape=None):
    """Laws of rows with nothing, everything, and some cells seen; and rows that might be true."""
    rng = np.random.default_rng(seed)
    size = (N, n_components, F)
    law = LowRankNormal(
        torch.as_tensor(2 * rng.normal(size=size)),
        torch.as_tensor(rng.normal(size=(*size, rank))),
        torch.as_tensor(rng.uniform(0.1, 1.5, size=size)),
    )
    log_weights = torch.as_tensor(rng.normal(size=(N, n_components))).log_softmax(-1)
    s = (rng.random((N, F)) < 0.5).astype(float)
    s[0], s[1], s[2], s[3] = 0, 1, [1, 0, 1, 0], [0, 1, 1, 1]
    x = rng.normal(size=(N, F)) * s
    mixture = LowRankMixture(log_weights, law)
    cells, columns = CELLS, ("age", "city", "pay")
    if shape is not None:
        columns = ("age", "city", "town", "pay")
        cells = tuple(Cell(name, j) for j, name in enumerate(columns))
    reader = CellReader(cells, columns, shape, shape is None, lambda t: np.asarray(t))
    held = Conditional(mixture, torch.as_tensor(x), torch.as_tensor(s), reader)
    return held, np.where(s > 0, x, 2 * rng.normal(size=(N, F)))


def dense(law, i):
    """Weights, means and covariances of the missing cells of row i, and their places."""
    h, own = np.flatnonzero(law.s[i] == 0), law.mixture.law
    factor, variance = own.factor[i].numpy()[:, h], own.variance[i].numpy()[:, h]
    covariances = [A @ A.T + np.diag(d) for A, d in zip(factor, variance, strict=True)]
    return law.mixture.log_weights[i].exp().numpy(), own.mean[i].numpy()[:, h], covariances, h


def log_density(weights, means, covariances, x):
    parts = [multivariate_normal(m, v).logpdf(x) for m, v in zip(means, covariances, strict=True)]
    return float(logsumexp(np.log(weights) + parts))


@pytest.mark.parametrize(("n_components", "rank"), [(1, 2), (1, 0), (3, 2), (4, 0)])
def test_moments_are_those_of_the_dense_mixture(n_components, rank):
    law, _ = case(n_components, rank)
    factors = rank if n_components == 1 else n_components * (rank + 1)
    assert law.covariance_factor.shape == (N, F, factors)
    assert law.mean.shape == law.covariance_diagonal.shape == law.variance.shape == (N, F)
    for i in range(N):
        weights, means, covariances, h = dense(law, i)
        center = weights @ means
        within = sum(w * v for w, v in zip(weights, covariances, strict=True))
        expected = within + (means - center).T @ np.diag(weights) @ (means - center)
        factor = law.covariance_factor[i]
        found = factor @ factor.T + np.diag(law.covariance_diagonal[i])
        np.testing.assert_allclose(law.mean[i, h], center, atol=1e-12)
        np.testing.assert_allclose(found[np.ix_(h, h)], expected, atol=1e-12)
        np.testing.assert_allclose(law.variance[i], np.diag(found), atol=1e-12)
        seen = law.s[i].numpy() > 0
        np.testing.assert_array_equal(law.mean[i, seen], law.x[i, seen])
        assert (found[seen] == 0).all()
        assert (found[:, seen] == 0).all()
    np.testing.assert_array_equal(law.missing, law.s == 0)


@pytest.mark.parametrize("n_components", [1, 3])
def test_log_density_of_the_true_cells(n_components):
    law, x = case(n_components)
    found = law.log_prob(x)
    assert found.shape == (N,)
    for i in range(N):
        weights, means, covariances, h = dense(law, i)
        expected = log_density(weights, means, covariances, x[i, h]) if len(h) else 0.0
        assert found[i] == pytest.approx(expected, abs=1e-10)
    # What is said of seen cells does not count, and what is not known is integrated out.
    other = np.where(law.s.numpy() > 0, 99.0, x)
    np.testing.assert_array_equal(law.log_prob(other), found)
    unknown = np.where(np.arange(F) == 1, np.nan, x)
    np.testing.assert_allclose(law.log_prob(unknown), law.marginal([0, "city=1", 2]).log_prob(x))


def test_marginals_keep_their_cells_and_their_order():
    law, x = case()
    for columns, at in ((["pay", "age"], [3, 0]), (["city"], [1, 2]), ([0, -1], [0, 3])):
        part = law.marginal(columns)
        assert part.names == tuple(NAMES[j] for j in at)
        np.testing.assert_array_equal(part.mean, law.mean[:, at])
        np.testing.assert_array_equal(part.variance, law.variance[:, at])
        full = law.covariance_factor @ law.covariance_factor.transpose(0, 2, 1)
        own = part.covariance_factor @ part.covariance_factor.transpose(0, 2, 1)
        np.testing.assert_allclose(own, full[:, at][:, :, at], atol=1e-12)
    # Row 0 shows nothing: the marginal is that of all cells with the others integrated out.
    weights, means, covariances, _ = dense(law, 0)
    found = law.marginal(["pay", "age"]).log_prob(x)[0]
    expected = log_density(
        weights, means[:, [3, 0]], [v[np.ix_([3, 0], [3, 0])] for v in covariances], x[0, [3, 0]]
    )
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("n_components", [1, 3])
@pytest.mark.parametrize("q", [0.01, 0.5, 0.9])
def test_quantiles_are_roots_of_the_distribution_function(n_components, q):
    law, _ = case(n_components)
    found, own = law.quantile(q), law.mixture.law
    for i, j in np.ndindex(N, F):
        if law.s[i, j] > 0:
            assert found[i, j] == law.x[i, j]
            continue
        weights = law.mixture.log_weights[i].exp().numpy()
        mean, scale = own.mean[i, :, j].numpy(), own.marginal_variance[i, :, j].sqrt().numpy()

        def gap(x, weights=weights, mean=mean, scale=scale):
            return weights @ norm.cdf(x, mean, scale) - q

        assert found[i, j] == pytest.approx(brentq(gap, -60, 60, xtol=1e-12), abs=1e-8)


def test_levels_of_quantiles_are_numbers_of_any_library():
    law, _ = case()
    for q in (np.float32(0.25), np.float64(0.25), torch.tensor(0.25).item()):
        np.testing.assert_array_equal(law.quantile(q), law.quantile(0.25))
    x = three()
    x[0, 0] = np.nan
    density = GMMDensity(n_components=1, random_state=0).fit(x)
    np.testing.assert_array_equal(density.quantile(x, np.float32(0.5)), density.quantile(x, 0.5))
    for wrong in (np.float32(1), np.nan, 0, -0.1, "0.5", [0.1, 0.9], np.array([0.5, 0.6]), None):
        for call in (law.quantile, lambda q: density.quantile(x, q)):
            with pytest.raises(SettingError, match="strictly between"):
                call(wrong)


def test_draws_have_the_moments_of_the_law_and_keep_what_is_seen():
    law, _ = case()
    draws = law.sample(5_000, random_state=0)
    assert draws.shape == (5_000, N, F)
    seen = law.s.numpy() > 0
    assert (draws[:, seen] == law.x.numpy()[seen]).all()
    for i in (0, 2, 4):
        h = np.flatnonzero(~seen[i])
        factor = law.covariance_factor[i, h]
        covariance = factor @ factor.T + np.diag(law.covariance_diagonal[i, h])
        scale = np.sqrt(np.diag(covariance))
        gap = np.abs((draws[:, i, h].mean(0) - law.mean[i, h]) / scale)
        assert gap.max() < 0.05
        found = np.cov(draws[:, i, h].T).reshape(len(h), len(h))
        assert np.abs((found - covariance) / np.outer(scale, scale)).max() < 0.08


def test_laws_of_some_rows_are_found_by_slices_places_and_truth_values():
    law, x = case()
    picked = np.arange(N) % 2 == 0
    choices = (slice(1, 4), slice(None, None, -2), [4, 1, 1], np.array([-1, 0]), picked, [])
    for rows in (*choices, picked.tolist()):
        at = np.arange(N)[rows if len(np.shape(rows)) == 0 or len(rows) else slice(0, 0)]
        some = law[rows]
        assert len(some) == len(at)
        np.testing.assert_array_equal(some.mean, law.mean[at])
        np.testing.assert_array_equal(some.variance, law.variance[at])
        np.testing.assert_allclose(some.log_prob(x[at]), law.log_prob(x)[at])
        assert some.names == law.names
    images, _ = case(shape=(1, 2, 2))
    assert images[1:3].mean.shape == (2, 1, 2, 2)
    for wrong in (0, True, "a", [N], [1.5], picked[:-1], [[0]], (0, 1, None)):
        with pytest.raises(SettingError, match="as rows of 6 laws"):
            law[wrong]


def test_what_is_drawn_of_a_row_does_not_depend_on_its_neighbours():
    law, x = case()
    for i in range(N):
        alone, own = law[[i]], x[i : i + 1]
        pairs = (
            (law.sample(3, random_state=1)[:, i], alone.sample(3, random_state=1)[:, 0]),
            (law.entropy(5)[i], alone.entropy(5)[0]),
            (law.discretized_log_prob(x, 0.1)[i], alone.discretized_log_prob(own, 0.1)[0]),
            (law.dequantized_log_prob(x, 0.1)[i], alone.dequantized_log_prob(own, 0.1)[0]),
        )
        for together, single in pairs:
            np.testing.assert_allclose(single, together, rtol=1e-9, atol=1e-12)


def test_equal_rows_have_equal_scores_and_different_draws():
    law, x = case()
    twice = law[[2, 2]]
    assert twice.entropy(5)[0] == twice.entropy(5)[1]
    scores = twice.discretized_log_prob(x[[2, 2]], 0.1)
    assert scores[0] == scores[1]
    one, two = twice.sample(1, random_state=0)[0]
    assert (one != two)[law.s[2].numpy() == 0].all()
    np.testing.assert_array_equal(twice.sample(2, random_state=3), twice.sample(2, random_state=3))
    assert (twice.sample()[0] != twice.sample()[0]).any()


def test_the_entropy_of_one_component_is_exact():
    law, _ = case(n_components=1)
    for i in range(N):
        _, means, covariances, h = dense(law, i)
        expected = multivariate_normal(means[0], covariances[0]).entropy() if len(h) else 0.0
        assert law.entropy()[i] == pytest.approx(expected, abs=1e-10)


def test_the_entropy_of_a_mixture_is_its_integral():
    law, _ = case(n_components=3)
    one = law.marginal(["pay"])
    found = one.entropy(n_draws=3000)
    for i in range(N):
        weights, means, covariances, h = dense(one, i)
        if not len(h):
            assert found[i] == pytest.approx(0.0, abs=1e-12)
            continue
        scale = np.sqrt(np.array(covariances)[:, 0, 0])

        def minus(x, weights=weights, mean=means[:, 0], scale=scale):
            density = weights @ norm.pdf(x, mean, scale)
            return -density * np.log(density) if density > 0 else 0.0

        points = sorted(means[:, 0])
        expected, _ = quad(minus, means.min() - 30, means.max() + 30, limit=300, points=points)
        assert found[i] == pytest.approx(expected, abs=0.06)


def integral(law, x, width, limits, i):
    """Log-mass of the steps of row i by brute force over one factor."""
    h, own = np.flatnonzero(law.s[i] == 0), law.mixture.law
    z = np.linspace(-10, 10, 20_001)
    low, high = x[i, h] - width / 2, x[i, h] + width / 2
    if limits is not None:
        low = np.where(x[i, h] <= limits[0], -np.inf, low)
        high = np.where(x[i, h] >= limits[1], np.inf, high)
    total = []
    for c in range(own.mean.shape[1]):
        center = own.mean[i, c].numpy()[h] + z[:, None] * own.factor[i, c].numpy()[h, 0]
        scale = own.variance[i, c].sqrt().numpy()[h]
        mass = norm.cdf(high, center, scale) - norm.cdf(low, center, scale)
        total.append(np.trapezoid(mass.prod(-1) * norm.pdf(z), z))
    return np.log(law.mixture.log_weights[i].exp().numpy() @ np.array(total))


def near(law, width, limits):
    """Rows that the law may have made, rounded to steps."""
    x = law.sample(1, random_state=5)[0]
    x = np.round(x / width) * width
    return x if limits is None else x.clip(*limits)


@pytest.mark.parametrize("n_components", [1, 2])
@pytest.mark.parametrize("limits", [None, (-2.0, 2.0)])
def test_masses_of_steps_are_integrals_over_the_factor(n_components, limits):
    law, _ = case(n_components, rank=1)
    x = near(law, 0.5, limits)
    found = law.discretized_log_prob(x, 0.5, limits, n_draws=2000)
    bound = law.dequantized_log_prob(x, 0.5, n_draws=200)
    for i in range(N):
        expected = integral(law, x, 0.5, limits, i) if law.s[i].min() == 0 else 0.0
        assert found[i] == pytest.approx(expected, abs=0.02)
        assert bound[i] <= expected + 0.02
    assert found[1] == pytest.approx(0.0, abs=1e-12)
    assert bound[1] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("limits", [None, (-1.0, 1.0)])
def test_few_draws_are_enough_where_steps_are_wider_than_the_noise(limits):
    """Drawn as if cells were exact numbers, factors would miss by many nats here."""
    law, _ = case(1, rank=1)
    own = law.mixture.law
    thin = LowRankNormal(own.mean, own.factor, own.variance * 1e-4)
    mixture = LowRankMixture(law.mixture.log_weights, thin)
    law = Conditional(mixture, law.x, law.s, law.reader)
    x = near(law, 0.2, limits)
    found = law.discretized_log_prob(x, 0.2, limits)
    for i in (0, 2, 3, 4, 5):
        assert found[i] == pytest.approx(integral(law, x, 0.2, limits, i), abs=0.25)


def test_all_steps_together_have_mass_one():
    law, _ = case(2, rank=1)
    one = law.marginal(["age"])
    grid = np.arange(-8, 9) * 0.5
    rows = [one.discretized_log_prob(np.full((N, 1), v), 0.5, (-4.0, 4.0), 200) for v in grid]
    total = np.exp(rows)[np.abs(grid) <= 4].sum(0)
    np.testing.assert_allclose(total[law.s[:, 0] == 0], 1.0, atol=0.02)


def test_a_floor_holds_for_the_noise_alone():
    law, x = case()
    floored = law.floored(0.8)
    own = floored.mixture.law
    np.testing.assert_array_equal(own.variance, law.mixture.law.variance.clamp_min(0.8))
    assert own.factor is law.mixture.law.factor
    assert floored.log_prob(x)[0] != law.log_prob(x)[0]
    np.testing.assert_array_equal(floored.mean, law.mean)
    assert (law.floored(0).mixture.law.variance == law.mixture.law.variance).all()
    again = law.floored(np.float32(0.5)).mixture.law.variance
    assert (again == law.mixture.law.variance.clamp_min(0.5)).all()
    for wrong in (-1, np.nan, np.inf, "1", [0.1], None):
        with pytest.raises(SettingError, match="Got variance="):
            law.floored(wrong)


def test_rows_that_are_images_keep_their_shape():
    law, _ = case(shape=(1, 2, 2))
    assert law.mean.shape == law.variance.shape == law.missing.shape == (N, 1, 2, 2)
    assert law.covariance_factor.shape == (N, 1, 2, 2, 9)
    assert law.covariance_diagonal.shape == law.quantile(0.5).shape == (N, 1, 2, 2)
    assert law.sample(3, random_state=0).shape == (3, N, 1, 2, 2)
    np.testing.assert_array_equal(law.mean.reshape(N, F), case()[0].mean)
    assert law.marginal([0, 3]).mean.shape == (N, 2)


def test_refusals():
    law, x = case()
    with pytest.raises(SettingError, match="q=1"):
        law.quantile(1)
    with pytest.raises(SettingError, match=r"Got 5 true rows. Expected 6"):
        law.log_prob(x[:5])
    with pytest.raises(SettingError, match="'height' in columns"):
        law.marginal(["height"])
    with pytest.raises(SettingError, match="4 in columns"):
        law.marginal([4])
    for call in (law.sample, law.entropy):
        with pytest.raises(SettingError, match="n_draws=0"):
            call(0)
    for score in (law.dequantized_log_prob, law.discretized_log_prob):
        for width in (0, -1.0, np.nan, np.inf, True, "wide"):
            with pytest.raises(SettingError, match="Got width="):
                score(x, width)
        with pytest.raises(SettingError, match="n_draws"):
            score(x, 0.1, n_draws=-1)


def law_of(frame, **settings):
    """The law of rows of which nothing is seen."""
    density = GMMDensity(n_components=1, random_state=0, **settings).fit(frame)
    blank = frame * np.nan if isinstance(frame, np.ndarray) else frame.mask(frame.notna()).head(2)
    return density.conditional(blank)


def three(seed=0):
    return np.random.default_rng(seed).normal(size=(40, 3))


@pytest.mark.parametrize(
    ("labels", "wanted", "names"),
    [
        ([2, 1, 0], [2], ("2",)),
        ([2, 1, 0], [np.int64(0), "1"], ("0", "1")),
        (["a", "b", 7], [7, "a"], ("7", "a")),
        ([0.5, 1.0, 2.5], [1, 0.5], ("1.0", "0.5")),
        ([("a", 1), ("a", 2), ("b", 1)], [("a", 2)], ("('a', 2)",)),
        (["2", "1", "0"], [2, -3], ("0", "2")),
    ],
)
def test_labels_of_the_table_of_fit_come_before_places(labels, wanted, names):
    frame = pd.DataFrame(three())
    frame.columns = pd.Index(labels, tupleize_cols=False)
    assert law_of(frame).marginal(wanted).names == names


def test_whole_numbers_that_are_no_label_of_numbered_columns_are_refused():
    law = law_of(pd.DataFrame(three(), columns=[10, 11, 12]))
    for wrong in (0, 2, -1, 13):
        with pytest.raises(SettingError, match=rf"Got {wrong} in columns.*or labels"):
            law.marginal([wrong])


def test_places_count_the_columns_of_the_table_and_not_cells():
    x = np.column_stack([np.full(40, 7.0), three()[:, :2]])
    law = law_of(x)
    assert law.names == ("x1", "x2")
    assert law.marginal([2]).names == law.marginal([-1]).names == ("x2",)
    with pytest.raises(SettingError, match=r"Got 0 in columns, which is column 'x0'.*vary"):
        law.marginal([0])
    with pytest.raises(SettingError, match="Got 3 in columns"):
        law.marginal([3])
    with pytest.raises(SettingError, match="Got 1 in columns"):
        law.marginal([2]).marginal([1])
    frame = pd.DataFrame({"c": ["u", "v"] * 20, "a": three()[:, 0]})
    assert law_of(frame).marginal([0]).names == ("c=u", "c=v")


@pytest.mark.parametrize("wrong", [[True], [np.True_], [slice(0, 2)], [None], [[0]], [1.5]])
def test_what_is_no_column_is_refused(wrong):
    with pytest.raises(SettingError, match=r"in columns\. Expected names out of"):
        law_of(three()).marginal(wrong)


@pytest.mark.parametrize("wrong", [1, slice(0, 2), None, np.int64(1), True])
def test_columns_are_a_list(wrong):
    with pytest.raises(SettingError, match=r"Expected a list of columns, such as \[0\]"):
        law_of(three()).marginal(wrong)


def test_cells_whose_names_clash_are_told_apart():
    frame = pd.DataFrame({"a": ["x", "y"] * 20, "a=x": three()[:, 0], "a=x=z": three()[:, 1]})
    law = law_of(frame)
    assert law.names == ("a=x", "a=y", "a=x", "a=x=z")
    own = np.arange(4.0)[None].repeat(2, 0)
    for wanted, places in (
        ("a", [0, 1]),
        ("a=x", [2]),
        (("a", "x"), [0]),
        ("a=y", [1]),
        ("a=x=z", [3]),
    ):
        part = law.marginal([wanted])
        np.testing.assert_array_equal(part.mean, law.mean[:, places])
        np.testing.assert_array_equal(part.reader(own), own[:, places])
    for wrong in (("a", "q"), ("b", "x"), ("a=x", "x"), ("a", ["x"])):
        with pytest.raises(SettingError, match="in columns"):
            law.marginal([wrong])
    twins = law_of(pd.DataFrame({"a": ["b=c", "d"] * 20, "a=b": ["c", "e", "e", "c"] * 10}))
    with pytest.raises(SettingError, match=r"the name of 2 cells.*pair"):
        twins.marginal(["a=b=c"])
    assert twins.marginal([("a=b", "c")]).reader.places == (2,)


def test_own_draws_can_be_scored_and_columns_come_once():
    frame = pd.DataFrame({"a": np.arange(40.0), "b": ["x", "y"] * 20, "c": 1.0})
    holed = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.3)
    law = GMMDensity(n_components=1, random_state=0).fit(holed).conditional(holed)
    draw = law.sample(1, random_state=0)[0]
    assert draw.shape == (40, 3)
    expected = law.mixture.log_prob(torch.as_tensor(draw), 1 - law.s).numpy()
    np.testing.assert_allclose(law.log_prob(draw, cells=True), expected)
    part = law.marginal(["a"])
    np.testing.assert_allclose(
        part.log_prob(draw[:, :1]), part.log_prob(frame.assign(a=draw[:, 0]))
    )
    np.testing.assert_allclose(law.marginal("a").mean, part.mean)
    for columns in (["a", "a"], ["b", "b=x"], []):
        with pytest.raises(SettingError, match="each of them once"):
            law.marginal(columns)
    assert repr(law) == "Conditional(40 rows, 3 cells, 1 components)"


def as_many_cells_as_columns():
    """A law of a, b=False and b=True, over columns a, b and c, of which the last never varies."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": rng.random(60) < 0.5, "c": 1.0})
    holed = frame.astype(object).mask(rng.random(frame.shape) < 0.3).astype({"a": float})
    holed["c"] = 1.0
    return frame, GMMDensity(n_components=1, random_state=0).fit(holed).conditional(holed)


def test_an_array_that_may_be_columns_or_cells_is_refused_until_it_is_said():
    """Read as cells, the columns of a table once were 27 nats less probable, without a word."""
    frame, law = as_many_cells_as_columns()
    assert len(law.names) == len(frame.columns) == 3
    numbers, truth = frame.to_numpy(dtype=float), law.log_prob(frame)
    scores = (
        law.log_prob,
        lambda x, **said: law.dequantized_log_prob(x, 0.1, **said),
        lambda x, **said: law.discretized_log_prob(x, 0.1, **said),
    )
    for score in scores:
        with pytest.raises(SettingError, match="cells=False for columns"):
            score(numbers)
        np.testing.assert_array_equal(score(numbers, cells=False), score(frame))
        cells = np.column_stack([frame["a"], ~frame["b"], frame["b"]]).astype(float)
        np.testing.assert_array_equal(score(cells, cells=True), score(frame))
    # Objects are what a table of mixed columns is made of, and no cells.
    np.testing.assert_array_equal(law.log_prob(frame.to_numpy()), truth)
    for wrong in (numbers[:, :2], frame, frame.to_numpy()):
        with pytest.raises(SettingError, match="with cells=True"):
            law.log_prob(wrong, cells=True)


def test_arrays_of_a_marginal_are_its_cells_where_they_can_be_nothing_else():
    x = np.random.default_rng(0).normal(size=(50, 2)) @ [[1.0, 0.8], [0.0, 0.6]] + [0.0, 9.0]
    law = GMMDensity(n_components=1, random_state=0).fit(x).conditional(np.full((50, 2), np.nan))
    turned, truth = law.marginal([1, 0]), law.log_prob(x)
    with pytest.raises(SettingError, match="cells=True"):
        turned.log_prob(x)
    np.testing.assert_allclose(turned.log_prob(x, cells=False), truth)
    np.testing.assert_allclose(turned.log_prob(x[:, ::-1], cells=True), truth)
    np.testing.assert_allclose(turned.log_prob(x.tolist()), truth)
    np.testing.assert_allclose(law.marginal([0, 1]).log_prob(x), truth)
    one = law.marginal([1])
    np.testing.assert_allclose(one.log_prob(x[:, 1:]), one.log_prob(x))
    with pytest.raises(SettingError, match="infinite"):
        one.log_prob(np.full((50, 1), np.inf))


def test_cells_beyond_the_limits_are_refused():
    x = np.random.default_rng(0).integers(4, size=(50, 2)).astype(float)
    law = GMMDensity(n_components=1, random_state=0).fit(x).conditional(np.full((1, 2), np.nan))
    assert law.discretized_log_prob([[0.0, 3.0]], 1.0, (0.0, 3.0))[0] < 0
    with pytest.raises(SettingError, match="beyond the limits"):
        law.discretized_log_prob([[0.0, 5.0]], 1.0, (0.0, 3.0))
    with pytest.raises(SettingError, match="then the largest"):
        law.discretized_log_prob([[0.0, 3.0]], 1.0, (3.0, 0.0))
    with pytest.raises(SettingError, match="strictly between"):
        law.quantile([0.1, 0.9])
