"""The density of rows as a tree of mixtures, against sums over all rows and over all paths."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from halfseen.core.batch import Batch, Rows
from halfseen.core.features import Features
from halfseen.core.noise import new_generator
from halfseen.core.row_noise import RowNoise, row_keys
from halfseen.core.spec import Column, DataSpec
from halfseen.core.units import Units
from halfseen.estimators.repeats import NO_REPEATS, Repeats
from halfseen.estimators.tree_design import TreeDesign, make_tree

LEVELS = (2, 3, 2, 4)


def randomized(model, seed=0):
    """The model in float64 with parameters of about unit size."""
    generator = new_generator(seed)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = (parameter + 0.7 * noise).double()
    return model.double().requires_grad_(False)


@pytest.fixture(scope="module", params=[1, 2], ids=["one member", "two members"])
def categorical(request):
    """A tree over four columns of categories, and all rows that there are."""
    spec = DataSpec(tuple(Column(f"x{j}", "nominal", n_levels=n) for j, n in enumerate(LEVELS)))
    design = TreeDesign(request.param, 3, (2,), patch=2, tied=False)
    parts = (spec, Units.identity(spec), np.ones(4), NO_REPEATS, [2, 0, 3, 1])
    model = randomized(make_tree(design, *parts, new_generator(0)))
    every = np.array(list(itertools.product(*map(range, LEVELS))), float)
    rows = Rows.from_values(every, dtype=torch.float64)
    p = model.log_prob(rows.take(slice(None))).exp().numpy()
    return spec, model, every, p


def consistent(every, row):
    """Which of all rows agree with what is seen of a row."""
    return (np.isnan(row) | (every == row)).all(1)


def masks_of(row):
    for mask in itertools.product([False, True], repeat=len(row)):
        yield np.where(mask, row, np.nan)


def test_probabilities_sum_to_one(categorical):
    _, _, _, p = categorical
    assert p.min() > 0
    assert p.sum() == pytest.approx(1, abs=1e-12)


def test_marginals_are_sums_for_every_mask(categorical):
    _, model, every, p = categorical
    for row in every[::7]:
        holed = np.array(list(masks_of(row)))
        batch = Rows.from_values(holed, dtype=torch.float64).take(slice(None))
        expected = [p[consistent(every, some)].sum() for some in holed]
        np.testing.assert_allclose(model.log_prob(batch), np.log(expected), atol=1e-12)


def test_conditional_chances_are_ratios_of_sums(categorical):
    spec, model, every, p = categorical
    holed = np.array(list(masks_of(every[29])))
    batch = Rows.from_values(holed, dtype=torch.float64).take(slice(None))
    found = model.mean(batch, Units.identity(spec)).numpy()
    indicators = Features(spec)(torch.from_numpy(every)).numpy()
    for some, features in zip(holed, found, strict=True):
        weight = p * consistent(every, some)
        expected = weight @ indicators / weight.sum()
        missing = np.repeat(np.isnan(some), LEVELS)
        np.testing.assert_allclose(features[missing], expected[missing], atol=1e-12)


def test_draws_follow_the_joint_conditional_law(categorical):
    _, model, every, p = categorical
    holed = np.array([every[29], np.full(4, np.nan)])
    holed[0, [0, 3]] = np.nan
    rows, n = Rows.from_values(holed, dtype=torch.float64), 20_000
    keys = row_keys(rows.x.numpy(), rows.s.numpy(), 5)
    drawn = model.draw(rows.take(slice(None)), RowNoise(keys, 1, n)).numpy()
    for some, cells in zip(holed, drawn.transpose(1, 0, 2), strict=True):
        filled = np.where(np.isnan(some), cells, some)
        codes = np.ravel_multi_index(filled.astype(int).T, LEVELS)
        weight = p * consistent(every, some)
        count = np.bincount(codes, minlength=len(every))
        assert count[weight == 0].sum() == 0
        keep = weight > 0
        expected = n * weight[keep] / weight.sum()
        assert stats.chisquare(count[keep], expected).pvalue > 1e-3


def test_a_row_of_which_nothing_is_seen_has_density_one(categorical):
    _, model, _, _ = categorical
    empty = torch.zeros(3, 4, dtype=torch.float64)
    assert model.log_prob(Batch(empty, empty, empty)).abs().max() < 1e-14
    model.float()
    assert model.log_prob(Batch(empty.float(), empty.float(), empty.float())).abs().max() < 1e-6
    model.double()


def path_sums(model, x, s):
    """Density, and mean of each pixel, of one image of 4 x 4 by a sum over all paths.

    Four patches under one root: log p(patch | component), a weight for each patch and state of
    the root, and a weight for each state.
    """
    (mix, root), leaves = model.tree.levels, model.leaves
    weights = mix.weights()[0].expand(mix.n_parents, -1, -1, -1)[0].numpy()
    states = root.weights()[0, 0, 0, 0].numpy()
    mu, sigma = (t[0].expand(4, -1, -1).numpy() for t in (leaves.mu, leaves.sigma))
    place = [[r * 4 + c for r in (i, i + 1) for c in (j, j + 1)] for i in (0, 2) for j in (0, 2)]
    cells = np.array(
        [
            [stats.norm.logpdf(x[p], mu[g, d], sigma[g, d]) * s[p] for d, p in enumerate(place[g])]
            for g in range(4)
        ]
    )
    density = np.exp(cells.sum(1))
    total, mean = 0.0, np.zeros(16)
    n_components = mu.shape[-1]
    for k in range(len(states)):
        for path in itertools.product(range(n_components), repeat=4):
            weight = states[k]
            for g, c in enumerate(path):
                weight *= weights[g, k, c] * density[g, c]
            total += weight
            for g, c in enumerate(path):
                mean[place[g]] += weight * mu[g, :, c]
    return math.log(total), mean / total


@pytest.mark.parametrize("tied", [True, False])
def test_images_are_sums_over_paths(tied):
    spec = DataSpec.pixels((1, 4, 4))
    design = TreeDesign(1, 3, (2,), patch=2, tied=tied)
    parts = (spec, Units.identity(spec), np.full(16, 0.3), NO_REPEATS, [])
    model = randomized(make_tree(design, *parts, new_generator(0)))
    rng = np.random.default_rng(0)
    x, s = rng.normal(size=(4, 16)), rng.random((4, 16)) < 0.6
    s[0], s[1] = True, False
    rows = Rows.from_values(np.where(s, x, np.nan), dtype=torch.float64)
    batch = rows.take(slice(None))
    log_p, means = model.log_prob(batch).numpy(), model.mean(batch, Units.identity(spec)).numpy()
    for i in range(4):
        expected, mean = path_sums(model, x[i], s[i])
        assert log_p[i] == pytest.approx(expected, abs=1e-10)
        np.testing.assert_allclose(means[i], mean, atol=1e-10)
    n = 4000
    keys = row_keys(rows.x.numpy(), rows.s.numpy(), 1)
    drawn = model.draw(batch, RowNoise(keys, 1, n)).numpy()
    error = drawn.std(0) / np.sqrt(n)
    assert (np.abs(drawn.mean(0) - means) < 5 * error).all()


def test_mixed_columns_of_every_law_have_marginals_that_integrate():
    """A number, a count, a column of few values and one with an atom, given a category."""
    spec = DataSpec(
        (
            Column("number", "continuous"),
            Column("count", "count"),
            Column("few", "continuous"),
            Column("atom", "continuous"),
            Column("kind", "nominal", n_levels=3),
        )
    )
    zeros, ones = np.zeros(5), np.ones(5)
    units = Units(spec, zeros, ones, np.array([0, 1, 0, 0, 0]), np.c_[ones, zeros])
    repeats = Repeats(grid={2: [-1.0, 0.5]}, atom={3: 0.25})
    design = TreeDesign(1, 3, (4,), patch=2, tied=False)
    parts = (spec, units, np.full(5, 0.1), repeats, [4, 1, 0, 3, 2])
    model = randomized(make_tree(design, *parts, new_generator(0)))
    row = np.array([0.3, math.log(3.0), 0.5, -0.4, 2.0])
    line = np.linspace(-15, 15, 6001)
    values = {
        0: (line, np.full(6001, 0.005)),
        1: (np.log1p(np.arange(3000.0)), np.ones(3000)),
        2: (np.array([-1.0, 0.5]), np.ones(2)),
        3: (np.r_[line + 1e-4, 0.25], np.r_[np.full(6001, 0.005), 1.0]),
        4: (np.arange(3.0), np.ones(3)),
    }
    for column, (points, measure) in values.items():
        holed = row.copy()
        holed[column] = np.nan
        filled = np.tile(row, (len(points), 1))
        filled[:, column] = points

        def log_p(table):
            return model.log_prob(Rows.from_values(table, dtype=torch.float64).take(slice(None)))

        total = (log_p(filled).exp().numpy() * measure).sum()
        assert math.log(total) == pytest.approx(float(log_p(holed[None])[0]), abs=2e-3), column
        # The mean of numbers that are not behind a curve.
        if column != 1 and column != 4:
            chances = log_p(filled).exp().numpy() * measure / total
            batch = Rows.from_values(holed[None], dtype=torch.float64).take(slice(None))
            found = float(model.mean(batch, units)[0, column])
            assert found == pytest.approx(float(chances @ points), abs=2e-3), column
