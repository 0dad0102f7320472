"""The mass of an interval under a normal law, against quadrature in the logarithm."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from halfseen.terms.intervals import log_interval


def found(low, high, mu, sigma, dtype=torch.float64):
    return float(log_interval(*(torch.tensor(v, dtype=dtype) for v in (low, high, mu, sigma))))


def integral(low, high, mu, sigma):
    """Log of the integral, scaled so that its largest value is 1."""
    peak = norm.logpdf(np.clip(mu, low, high), mu, sigma)
    mass, _ = quad(
        lambda x: np.exp(norm.logpdf(x, mu, sigma) - peak), low, high, epsabs=0, epsrel=1e-12
    )
    return np.log(mass) + peak


@pytest.mark.parametrize("low", [-40.0, -6.0, -1.0, -0.25, 0.0, 2.0, 40.0])
@pytest.mark.parametrize("width", [0.5, 1e-2, 1e-5])
def test_masses_of_intervals_in_both_tails(low, width):
    expected = integral(low, low + width, 0.3, 0.7)
    assert found(low, low + width, 0.3, 0.7) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("width", [1e-7, 1e-10])
def test_narrow_intervals_have_the_density_times_their_width(width):
    expected = norm.logpdf(1.0, 0.3, 0.7) + np.log(width)
    assert found(1.0 - width / 2, 1.0 + width / 2, 0.3, 0.7) == pytest.approx(expected, abs=1e-4)


def test_ends_far_out_stand_for_infinity():
    assert found(-1e6, 0.1, 0.3, 0.7) == pytest.approx(norm.logcdf(0.1, 0.3, 0.7))
    assert found(0.1, 1e6, 0.3, 0.7) == pytest.approx(norm.logsf(0.1, 0.3, 0.7))
    assert found(20.0, 1e6, 0.3, 0.7) == pytest.approx(norm.logsf(20.0, 0.3, 0.7))
    assert found(-1e6, 1e6, 0.3, 0.7) == pytest.approx(0.0, abs=1e-12)


def test_single_precision_stays_finite_with_gradients():
    mu = torch.tensor([0.0, 30.0, -30.0, 0.0], requires_grad=True)
    low = torch.tensor([-1.0, -1.0, -1.0, 0.5])
    mass = log_interval(low, low + torch.tensor([2.0, 2.0, 2.0, 1e-9]), mu, torch.tensor(0.1))
    mass.sum().backward()
    assert mass.isfinite().all()
    assert mu.grad.isfinite().all()
