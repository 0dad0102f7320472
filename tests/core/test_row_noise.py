"""Noise that belongs to a row: uniform, independent, and deaf to the neighbours."""

import numpy as np
import torch
from scipy import stats

from halfseen.core.noise import Noise, new_generator, seed_from
from halfseen.core.row_noise import RowNoise, row_keys


def some_rows(n=400, p=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)).astype(np.float32), np.ones((n, p), np.float32)


def test_uniform_inside_and_normal():
    noise = RowNoise(row_keys(*some_rows(), 1), 2, 5)
    u, e = noise.uniform(4), noise.normal(4)
    assert u.shape == e.shape == (2, 5, 400, 4)
    assert float(u.min()) > 0
    assert float(u.max()) < 1
    assert stats.kstest(u.flatten().numpy(), "uniform").pvalue > 1e-4
    assert stats.kstest(e.flatten().numpy(), "norm").pvalue > 1e-4


def test_the_largest_word_is_below_one():
    top = np.float32((2**24 - 1 + 0.5) / 2**24)
    assert top == 1.0, "This is what the clamp in RowNoise.uniform is for."
    noise = RowNoise(np.zeros(1, np.uint64), 1, 2**21)
    u = noise.uniform()
    assert float(u.max()) < 1


def test_rows_calls_and_seeds_are_independent():
    noise = RowNoise(row_keys(*some_rows(), 1), 1, 300)
    first, second = noise.normal()[0], noise.normal()[0]
    between = np.corrcoef(first.T.numpy())
    off = between[np.triu_indices_from(between, 1)]
    assert abs(off.mean()) < 0.003
    assert off.std() < 1.2 / np.sqrt(300)
    assert abs(np.corrcoef(first.flatten(), second.flatten())[0, 1]) < 0.02
    other = RowNoise(row_keys(*some_rows(), 2), 1, 300).normal()[0]
    assert abs(np.corrcoef(first.flatten(), other.flatten())[0, 1]) < 0.02


def test_equal_rows_get_different_noise():
    x, s = some_rows(6)
    x[3], x[5] = x[0], x[0]
    keys = row_keys(x, s, 0)
    assert len(set(keys.tolist())) == 6
    # A hole filled with 0 is not a seen 0.
    x[1] = x[2] = 0.0
    s[2] = 0.0
    assert len(set(row_keys(x, s, 0).tolist())) == 6


def test_equal_rows_get_the_noise_of_the_row_alone_where_they_are_to_be_equal():
    x, s = some_rows(6)
    x[3], x[5], s[3], s[5] = x[0], x[0], s[0], s[0]
    alone = [int(row_keys(x[i : i + 1], s[i : i + 1], 0)[0]) for i in range(6)]
    assert row_keys(x, s, 0, apart=False).tolist() == alone
    assert len(set(alone)) == 4


def test_neighbours_do_not_matter():
    x, s = some_rows(50)
    whole = RowNoise(row_keys(x, s, 3), 2, 4).uniform(2)
    order = np.random.default_rng(0).permutation(50)[:20]
    some = RowNoise(row_keys(x[order], s[order], 3), 2, 4).uniform(2)
    torch.testing.assert_close(some, whole[:, :, order], rtol=0, atol=0)


def test_seeds_and_streams():
    assert seed_from(np.random.default_rng(4)) == seed_from(np.random.default_rng(4))
    assert seed_from(np.random.RandomState(4)) == seed_from(np.random.RandomState(4))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert seed_from(None) != seed_from(None)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    draws = [torch.rand(1000, generator=new_generator(5, stream)) for stream in (0, 1)]
    assert abs(float(torch.corrcoef(torch.stack(draws))[0, 1])) < 0.12


def test_shared_noise_is_inside_and_float32_whatever_the_default():
    torch.set_default_dtype(torch.float64)
    try:
        noise = Noise(torch.Generator().manual_seed(0), (1, 2, 3))
        assert noise.normal(4).dtype == noise.uniform(4).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    u = Noise(torch.Generator().manual_seed(0), (1000, 100)).uniform()
    assert float(u.min()) > 0
    assert float(u.max()) < 1
