"""Training masks: what is hidden together, and how often."""

import pytest
import torch

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.nn.unimodal import BlockMask
from halfseen.training.hiding import HideCells

SPEC = DataSpec.continuous(6).with_blocks({"two": ["x0", "x3"], "three": ["x1", "x4", "x5"]})
BLOCKS = BlockMask(SPEC)
N = 40_000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def some_mask():
    return (torch.rand(N, 6, generator=generator(1)) < 0.7).float()


def test_modalities_are_hidden_as_a_whole():
    s = some_mask()
    shown = HideCells(1.0, 1.0, "blocks", BLOCKS)(s, s, generator())
    assert (shown <= s).all()
    seen = BLOCKS(s) > 0
    kept = BLOCKS(shown)
    assert torch.equal(shown, s * BLOCKS.cells(kept)), "A modality was hidden in part."
    some, none = kept[seen].mean(), kept[~seen].sum()
    assert none == 0
    assert float(some) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("rate", "share"), [(1.0, 1.0), (0.6, 0.5), (0.4, 1.0)])
@pytest.mark.parametrize("pattern", ["blocks", "bernoulli"])
def test_rates_are_as_said(rate, share, pattern):
    """A row hides with probability ``share``, a modality then with E[U(0, rate)] = rate / 2."""
    s = torch.ones(N, 6)
    shown = HideCells(rate, share, pattern, BLOCKS)(s, s, generator())
    gone = 1 - (BLOCKS(shown) if pattern == "blocks" else shown)
    expected = share * rate / 2
    assert (gone.mean(0) - expected).abs().max() < 5 * (expected / N) ** 0.5
    # One rate for all modalities of a row: P(two gone) = share E[U^2] = share rate^2 / 3.
    both = (gone[:, 0] * gone[:, 1]).mean()
    assert float(both) == pytest.approx(share * rate**2 / 3, abs=0.01)
    # All kept: E[(1 - U)^g] of those that hide, and the rows that do not.
    g = gone.shape[1]
    kept = (1 - (1 - rate) ** (g + 1)) / (rate * (g + 1))
    found = (gone.sum(1) == 0).float().mean()
    assert float(found) == pytest.approx(share * kept + 1 - share, abs=0.01)


@pytest.mark.parametrize(("rate", "share"), [(0.0, 1.0), (1.0, 0.0)])
def test_nothing_is_hidden_at_rate_or_share_zero(rate, share):
    s = some_mask()
    assert torch.equal(HideCells(rate, share, "blocks", BLOCKS)(s, s, generator()), s)


def test_holes_of_another_row():
    s = some_mask()[:50]
    everyone = torch.eye(6)
    shown = HideCells(0.0, 1.0, "copy")(s, everyone, generator())
    assert (shown.sum(1) <= 1).all()
    assert (shown <= s).all()


def test_words_and_numbers_are_checked():
    for settings in ({"rate": 1.1}, {"share": -0.1}, {"pattern": "rows"}):
        with pytest.raises(SettingError):
            HideCells(**settings)
