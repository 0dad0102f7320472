"""Batches in parts: the same gradient as all parts at once, from the same draws."""

import pytest
import torch
from torch import nn

from halfseen.core.memory import floats_at_once, limit_memory, reserving, reserving_table
from halfseen.errors import SettingError
from halfseen.training.parts import in_parts

X = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))


def network():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.4), nn.Linear(5, 1))


def losses_of(model, generator, calls):
    def losses(part):
        calls.append(part)
        x = X[part]
        noise = torch.randn(len(x), 1, generator=generator)
        return {"a": (model(x) - noise).square().mean(), "b": model(x).mean()}

    return losses


def gradient(model, losses):
    sum(losses.values()).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def test_parts_have_the_gradient_of_the_batch():
    model, generator, calls = network(), torch.Generator().manual_seed(2), []
    with limit_memory(4 * 40 * 1000), torch.random.fork_rng():
        torch.manual_seed(3)
        found = gradient(
            model, in_parts(losses_of(model, generator, calls), 10, 250, generator, model)
        )
        after, state = generator.get_state(), torch.get_rng_state()
    assert [part.stop - part.start for part in calls[:3]] == [4, 4, 2]
    # Made once, and once more for the gradient.
    assert len(calls) == 6
    plain, generator = network(), torch.Generator().manual_seed(2)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        parts = [losses_of(plain, generator, [])(part) for part in calls[:3]]
        shares = (0.4, 0.4, 0.2)
        whole = {
            name: sum(share * part[name] for share, part in zip(shares, parts, strict=True))
            for name in "ab"
        }
        expected = gradient(plain, whole)
        assert torch.equal(after, generator.get_state())
        assert torch.equal(state, torch.get_rng_state())
    torch.testing.assert_close(found, expected)


def test_batches_that_are_normalised_stay_whole():
    calls, generator = [], torch.Generator().manual_seed(2)
    with limit_memory("100 kB"), torch.random.fork_rng():
        model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 1))
        in_parts(losses_of(model, generator, calls), 10, 10**4, generator, model)
    assert calls == [slice(None)]


def test_without_a_limit_a_batch_is_whole():
    model, generator, calls = network(), torch.Generator().manual_seed(2), []
    with torch.random.fork_rng():
        in_parts(losses_of(model, generator, calls), 10, 10**9, generator, model)
    assert calls == [slice(None)]


@pytest.mark.parametrize(
    ("said", "floats"),
    [
        (16_000_000, 100_000),
        ("16 MB", 100_000),
        ("1MiB", 6553),
        ("500k", 3125),
        ("1e6", 6250),
        ("0.016gb", 100_000),
        (None, 10**9),
    ],
)
def test_amounts_of_memory(said, floats):
    with limit_memory(said):
        assert floats_at_once(10**9) == floats
    assert floats_at_once(10**9) == 10**9


@pytest.mark.parametrize(
    "said", ["much", "1.2.3 MB", "5 parsecs", -1, 0, float("inf"), "", True, [3], b"5MB", "1 kB"]
)
def test_what_is_no_amount(said):
    with pytest.raises(SettingError, match="max_memory"), limit_memory(said):
        pass


def test_tables_that_take_more():
    with limit_memory("1 MB"), reserving_table(500, 10):
        assert floats_at_once(10**9) == (10**6 - 8 * 8 * 5000) // 160
    with (
        limit_memory("1 MB"),
        pytest.raises(SettingError, match=r"a table.*64 MB.*at least 85.3 MB"),
        reserving_table(100_000, 10),
    ):
        pass
    with reserving(10**15, "no limit, no complaint"):
        pass
