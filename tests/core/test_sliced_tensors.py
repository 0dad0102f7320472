"""Sliced Wasserstein distance of tensors against the integral over quantiles."""

import numpy as np
import pytest
import torch

from halfseen.core.noise import new_generator
from halfseen.core.sliced import random_directions, sliced_wasserstein_tensors


def by_repeating(x, y):
    """Rows repeated until both samples are equally long: the law stays, sorting is exact."""
    n, m = len(x), len(y)
    first, second = np.sort(np.repeat(x, m, 0), 0), np.sort(np.repeat(y, n, 0), 0)
    return np.sqrt(((first - second) ** 2).mean())


@pytest.mark.parametrize(("n", "m"), [(5, 5), (4, 6), (7, 3), (1, 8), (6, 12), (13, 1)])
def test_any_numbers_of_rows(n, m):
    generator = new_generator(0)
    x = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(m, 3, generator=generator, dtype=torch.float64) + 1
    along = random_directions(3, 11, generator).double()
    expected = by_repeating((x @ along).numpy(), (y @ along).numpy())
    assert sliced_wasserstein_tensors(x, y, along).item() == pytest.approx(expected, rel=1e-12)
    assert sliced_wasserstein_tensors(y, x, along).item() == pytest.approx(expected, rel=1e-12)


def test_axes_in_front_are_pairs():
    generator = new_generator(1)
    along = random_directions(2, 5, generator)
    for m in (4, 6):
        x, y = torch.randn(3, 4, 2, generator=generator), torch.randn(3, m, 2, generator=generator)
        found = sliced_wasserstein_tensors(x, y, along)
        assert found.shape == (3,)
        for i in range(3):
            torch.testing.assert_close(found[i], sliced_wasserstein_tensors(x[i], y[i], along))


def test_numbers_of_rows_whose_product_is_large():
    x, y = torch.zeros(60_000, 1), torch.ones(50_001, 1)
    assert sliced_wasserstein_tensors(x, y, torch.ones(1, 1)).item() == pytest.approx(1, rel=1e-5)


def test_directions_are_uniform_on_the_sphere():
    along = random_directions(3, 20_000, new_generator(0))
    torch.testing.assert_close(along.norm(dim=0), torch.ones(20_000))
    torch.testing.assert_close(along @ along.T / 20_000, torch.eye(3) / 3, atol=0.01, rtol=0)
    assert random_directions(1, 50, new_generator(0)).abs().eq(1).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="Needs a CUDA device.")
def test_on_a_device():
    generator = new_generator(0)
    x, y = torch.randn(50, 3, generator=generator), torch.randn(70, 3, generator=generator)
    along = random_directions(3, 20, generator)
    found = sliced_wasserstein_tensors(x.cuda(), y.cuda(), along.cuda())
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), sliced_wasserstein_tensors(x, y, along))
