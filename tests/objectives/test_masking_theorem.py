"""MisGAN's theorems on two pixels, solved exactly: the fill value decides nothing.

``T[v, u]`` is the probability that the picture u is shown as v, when cells are hidden by a mask of
law q and filled with a constant. What can be learned of the law of u is what T tells apart.
"""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from halfseen.objectives.adversarial import masked

MASKS = tuple(product((0, 1), repeat=2))
LEVELS = {"binary": (0.0, 1.0), "ternary": (0.0, 0.5, 1.0)}
# Beside each level itself: values that no pixel has, between the levels and beyond them.
OUTSIDE = (0.25, -1.0, 3.0)

HALF, THIRD, TENTH = Fraction(1, 2), Fraction(1, 3), Fraction(1, 10)
LAWS = {
    "one pixel at a time": {(0, 1): HALF, (1, 0): HALF},
    "at most one, uneven": {(0, 0): THIRD, (0, 1): 6 * TENTH, (1, 0): 1 - THIRD - 6 * TENTH},
    "nearly always nothing": {(0, 0): 8 * TENTH, (0, 1): TENTH, (1, 0): TENTH},
    "the first or nothing": {(0, 0): THIRD, (1, 0): 2 * THIRD},
    "nothing": {(0, 0): Fraction(1)},
    "rarely everything": {(0, 0): HALF, (1, 0): 4 * TENTH, (1, 1): TENTH},
    "all masks": {(0, 0): TENTH, (0, 1): 2 * TENTH, (1, 0): 3 * TENTH, (1, 1): 4 * TENTH},
}
BLIND = [name for name, q in LAWS.items() if (1, 1) not in q]
PAIRWISE = ["one pixel at a time", "at most one, uneven", "nearly always nothing"]


def pictures(levels):
    return tuple(product(levels, repeat=2))


def shown(u, mask, fill):
    """What the library's operator makes of a picture; the values are exact in float64."""
    x, s = (torch.tensor(values, dtype=torch.float64) for values in (u, mask))
    return tuple(masked(x, s, fill).tolist())


def transition(levels, q, fill):
    """T as rows of fractions, one for each picture that can be shown, with its pictures."""
    columns = pictures(levels)
    rows = pictures(sorted({*levels, fill}))
    T = [[Fraction(0)] * len(columns) for _ in rows]
    for (j, u), (mask, share) in product(enumerate(columns), q.items()):
        T[rows.index(shown(u, mask, fill))][j] += share
    return T


def marginals(levels, q):
    """Sums of the law of u over what each mask hides, without any fill value."""
    columns, rows = pictures(levels), []
    for mask in q:
        seen = [tuple(v for v, s in zip(u, mask, strict=True) if s) for u in columns]
        rows += [[Fraction(part == one) for one in seen] for part in sorted(set(seen))]
    return rows


def reduced(matrix):
    """Nonzero rows of the reduced echelon form: equal exactly where null spaces are."""
    rows = [list(row) for row in matrix]
    done = 0
    for j in range(len(rows[0])):
        pivot = next((i for i in range(done, len(rows)) if rows[i][j]), None)
        if pivot is None:
            continue
        rows[done], rows[pivot] = rows[pivot], rows[done]
        rows[done] = [entry / rows[done][j] for entry in rows[done]]
        for i, row in enumerate(rows):
            if i != done and row[j]:
                rows[i] = [a - row[j] * b for a, b in zip(row, rows[done], strict=True)]
        done += 1
    return rows[:done]


def fills(levels):
    return (*levels, *OUTSIDE)


def learnable_range(T, p):
    """Least and greatest probability of each picture among laws with the same T p."""
    A = np.array(T, dtype=float)
    b, size = A @ np.asarray(p, float), len(p)
    out = []
    for sign, j in product((1, -1), range(size)):
        answer = linprog(sign * np.eye(size)[j], A_eq=A, b_eq=b, bounds=(0, None))
        assert answer.success, answer.message
        out.append(sign * answer.fun)
    return np.array(out[:size]), np.array(out[size:])


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
def test_columns_are_probabilities(levels, law):
    for fill in fills(levels):
        T = transition(levels, LAWS[law], fill)
        assert {sum(column) for column in zip(*T, strict=True)} == {1}
        assert min(min(row) for row in T) >= 0


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
def test_theorem_1_and_2_every_fill_has_the_null_space_of_the_marginals(levels, law):
    expected = reduced(marginals(levels, LAWS[law]))
    for fill in fills(levels):
        assert reduced(transition(levels, LAWS[law], fill)) == expected, fill
    n = len(levels)
    ranks = {"nothing": 1, "the first or nothing": n} | dict.fromkeys(PAIRWISE, 2 * n - 1)
    # Whoever sees everything now and then can learn everything.
    assert len(expected) == ranks.get(law, n * n)


@pytest.mark.parametrize("law", BLIND)
def test_null_spaces_agree_in_floating_point_too(law):
    levels = LEVELS["ternary"]
    spaces = []
    for fill in fills(levels):
        T = np.array(transition(levels, LAWS[law], fill), dtype=float)
        _, d, v = np.linalg.svd(T)
        rank = int((d > 1e-12).sum())
        spaces.append(v[rank:].T)
        assert np.abs(T @ spaces[0]).max() < 1e-12
    assert len({space.shape for space in spaces}) == 1


def test_the_shown_pictures_do_depend_on_the_fill():
    """What the theorems do not say: the laws of what is shown differ."""
    levels, q = LEVELS["binary"], LAWS["one pixel at a time"]
    dark, bright = transition(levels, q, 0.0), transition(levels, q, 1.0)
    assert dark != bright
    assert reduced(dark) == reduced(bright)


def coupled(a, b, levels):
    """A law of two pixels with these marginals: independent ones."""
    assert len(a) == len(b) == len(levels)
    return [first * second for first, second in product(a, b)]


SPARSE = {
    "the first pixel is always dark": [0.3, 0.0, 0.7, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    "one picture": [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
}
DENSE = {
    "independent": coupled([0.2, 0.3, 0.5], [0.6, 0.3, 0.1], LEVELS["ternary"]),
    "sparse, but on both sides": [0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5],
}


@pytest.mark.parametrize("law", PAIRWISE)
@pytest.mark.parametrize("case", [*SPARSE, *DENSE])
def test_what_is_learnable_is_the_same_for_every_fill(case, law):
    """With one pixel at a time, all that is known are two marginals: Frechet's bounds."""
    levels, p = LEVELS["ternary"], {**SPARSE, **DENSE}[case]
    table = np.reshape(p, (3, 3))
    a, b = table.sum(1, keepdims=True), table.sum(0, keepdims=True)
    low, high = np.maximum(a + b - 1, 0).ravel(), np.minimum(a, b).ravel()
    for fill in fills(levels):
        found = learnable_range(transition(levels, LAWS[law], fill), p)
        np.testing.assert_allclose(found, (low, high), atol=1e-8)
    # Two marginals fix their coupling only where one of them is a single point.
    unique = bool(np.allclose(low, high))
    assert unique == (case in SPARSE) == (max(a.max(), b.max()) > 1 - 1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_random_laws_keep_their_range(law):
    levels = LEVELS["binary"]
    for p in np.random.default_rng(0).dirichlet(np.full(4, 0.3), size=4):
        ranges = [learnable_range(transition(levels, LAWS[law], f), p) for f in fills(levels)]
        for found in ranges[1:]:
            np.testing.assert_allclose(found, ranges[0], atol=1e-8)
        width = (ranges[0][1] - ranges[0][0]).max()
        assert (width > 1e-8) == (law in BLIND)


def test_the_sparsity_that_the_paper_asks_for():
    """Zeros where the null vector is positive and where it is negative: one law is left."""
    levels, q = LEVELS["binary"], LAWS["one pixel at a time"]
    for fill in fills(levels):
        T = transition(levels, q, fill)
        # The null vector is (1, -1, -1, 1): one zero of each sign makes the law unique.
        assert all(row[0] - row[1] - row[2] + row[3] == 0 for row in T)
        for zeros in product((0, 1, 2, 3), repeat=2):
            p = np.ones(4)
            p[list(zeros)] = 0
            low, high = learnable_range(T, p / p.sum())
            signs = {(1, -1, -1, 1)[place] for place in zeros}
            assert bool(np.allclose(low, high, atol=1e-8)) == (len(signs) == 2)
