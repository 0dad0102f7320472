"""Tied self-masking: one slope and one location, and what they mean for columns and pixels."""

import math

import pytest
import torch

from halfseen.core.spec import Column, DataSpec
from halfseen.core.units import Units
from halfseen.errors import SettingError
from halfseen.mechanisms import SelfMasking

IMAGE, TABLE = DataSpec.pixels((1, 2, 3)), DataSpec.continuous(6)
SOME = torch.tensor([True, False, True, True, False, True])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def bound_to(spec, incomplete=SOME, members=2, **settings):
    mechanism = SelfMasking(**{"direction": "high", "tied": True, "slope": 3.0, **settings})
    mechanism.bind(spec, incomplete, members, generator())
    return mechanism


@pytest.mark.parametrize("link", ["probit", "logistic"])
def test_a_tied_mechanism_is_a_free_one_with_equal_parameters(link):
    tied = bound_to(TABLE, link=link)
    free = bound_to(TABLE, link=link, tied=False)
    assert tied.raw_slope.shape == tied.location.shape == (2, 1)
    with torch.no_grad():
        for mechanism in (tied, free):
            mechanism.raw_slope.copy_(torch.tensor([[0.4], [1.3]]))
            mechanism.location.copy_(torch.tensor([[-0.2], [0.7]]))
    x = torch.randn(2, 3, 5, 6, generator=generator(1))
    s = (torch.rand(5, 6, generator=generator(2)) < 0.5).float()
    torch.testing.assert_close(tied.log_prob(s, x), free.log_prob(s, x))
    for a, b in zip(tied.coefficients([4, 1]), free.coefficients([4, 1]), strict=True):
        torch.testing.assert_close(a, b)
    tied.log_prob(s, x).sum().backward()
    free.log_prob(s, x).sum().backward()
    torch.testing.assert_close(tied.location.grad, free.location.grad.sum(1, keepdim=True))
    torch.testing.assert_close(tied.raw_slope.grad, free.raw_slope.grad.sum(1, keepdim=True))


def test_the_prior_counts_one_slope():
    tied, free = (bound_to(TABLE, slope_spread=0.5, tied=tied) for tied in (True, False))
    with torch.no_grad():
        tied.raw_slope.fill_(1.0)
        free.raw_slope.fill_(1.0)
    torch.testing.assert_close(4 * tied.log_prior(), free.log_prior())
    none = bound_to(TABLE, torch.zeros(6, dtype=torch.bool), slope_spread=0.5)
    assert (none.log_prior() == 0).all()


def test_all_pixels_of_an_image_can_be_missing():
    assert bound_to(IMAGE).incomplete.all()
    assert bound_to(TABLE).incomplete.tolist() == SOME.tolist()
    assert bound_to(IMAGE, tied=False).incomplete.tolist() == SOME.tolist()
    assert not bound_to(IMAGE, torch.zeros(6, dtype=torch.bool)).incomplete.any()


def test_it_starts_at_the_end_of_what_is_seen_with_one_sign():
    mechanism = bound_to(IMAGE, direction="unknown", members=3)
    assert (mechanism.sign == mechanism.sign[:, :1]).all()
    assert mechanism.sign[0, 0] == -mechanism.sign[1, 0]
    low, high = -torch.arange(6.0), torch.arange(6.0)
    mechanism.start(low, high)
    expected = torch.where(mechanism.sign[:, :1] > 0, 5.0, -5.0)
    torch.testing.assert_close(mechanism.location.detach(), expected)


def test_calibration_places_one_threshold():
    mechanism = bound_to(TABLE, torch.ones(6, dtype=torch.bool), members=1)
    x = torch.randn(4000, 6, generator=generator(1)) + torch.arange(6.0)
    mechanism.calibrate(x, 0.3, generator())
    margin = mechanism.margin(x, list(range(6))).detach()
    shares = mechanism.log_missing(margin).exp().mean((0, 1, 2))
    assert float(shares.mean()) == pytest.approx(0.3, abs=1e-3)
    assert (shares.diff() > 0).all()


def test_what_cannot_be_tied_is_refused():
    mixed = DataSpec((Column("a", "continuous"), Column("b", "nominal", n_levels=2)))
    with pytest.raises(SettingError, match=r"categorical columns \['b'\]"):
        bound_to(mixed, torch.ones(2, dtype=torch.bool))
    with pytest.raises(SettingError, match="directions that differ"):
        bound_to(TABLE, direction={"x0": "low", "x1": "high"})
    assert SelfMasking(**bound_to(TABLE).settings()).tied


def test_a_summary_has_one_row_for_all_pixels():
    mechanism = bound_to(IMAGE)
    with torch.no_grad():
        mechanism.location.fill_(1.5)
    units = Units.identity(IMAGE).rescaled(torch.full((6,), 0.4), torch.full((6,), 0.25))
    table = mechanism.summary(IMAGE, units)
    [row] = table.to_dict("records")
    assert row["column"] == "all pixels"
    assert row["location"] == pytest.approx(0.4 + 1.5 * 0.25)
    assert row["slope"] == pytest.approx(3.0 / 0.25, rel=1e-5)
    assert math.isclose(row["sign_agreement"], 1.0)
    assert len(bound_to(TABLE).summary(TABLE)) == 4
