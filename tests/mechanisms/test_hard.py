"""Hard self-masking: the mean, quantiles, categories, ties, constants."""

import math

import pytest
import torch

from halfseen.core.features import Features
from halfseen.core.spec import Column, DataSpec
from halfseen.errors import SettingError
from halfseen.mechanisms import HardSelfMasking


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(x, incomplete=None, spec=None, rate=None, seed=0, **settings):
    spec = DataSpec.continuous(x.shape[1]) if spec is None else spec
    mechanism = HardSelfMasking(**settings)
    chosen = torch.tensor([True] * spec.n_columns if incomplete is None else incomplete)
    mechanism.bind(spec, chosen, 1, seeded())
    mechanism.calibrate(x, rate, seeded(seed))
    return mechanism


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("direction", ["high", "low"])
def test_strictly_beyond_the_mean(direction, dtype):
    x = torch.exp(torch.randn(501, 3, generator=seeded())).to(dtype)
    mechanism = made(x, [True, True, False], direction=direction)
    mean = x.double().mean(0)
    gone = x.double() > mean if direction == "high" else x.double() < mean
    gone[:, 2] = False
    s = mechanism.sample(x, seeded())
    assert torch.equal(s == 0, gone)
    assert s.dtype == dtype


@pytest.mark.parametrize("direction", ["high", "low"])
@pytest.mark.parametrize("above", [0.1, 0.7, 0.999])
def test_quantile_removes_its_share(above, direction):
    x = torch.randn(1000, 2, generator=seeded())
    s = made(x, above=above, direction=direction).sample(x, seeded())
    assert (s == 0).sum(0).tolist() == [round(1000 * (1 - above))] * 2
    seen, gone = x[s[:, 0] == 1, 0], x[s[:, 0] == 0, 0]
    assert seen.max() < gone.min() if direction == "high" else gone.max() < seen.min()


def test_values_equal_to_the_bar_stay_and_constant_columns_lose_nothing():
    x = torch.tensor([[1.0, 0.1], [2.0, 0.1], [3.0, 0.1]], dtype=torch.float64)
    assert made(x).sample(x, seeded()).tolist() == [[1, 1], [1, 1], [0, 1]]
    assert made(x, above=0.5).sample(x, seeded()).tolist() == [[1, 1], [1, 1], [0, 1]]
    many = torch.full((1001, 1), 0.1, dtype=torch.float64)
    assert (made(many).sample(many, seeded()) == 1).all()


def test_log_prob_is_certain():
    x = torch.tensor([[-1.0, 2.0, 0.0], [1.0, -2.0, 0.0]])
    mechanism = made(x, [True, True, False])
    rule = mechanism.sample(x, seeded())
    assert mechanism.log_prob(rule, x).tolist() == [0, 0]
    wrong = rule.clone()
    wrong[0, 0] = 1 - wrong[0, 0]
    assert mechanism.log_prob(wrong, x).tolist() == [-math.inf, 0]
    outside = rule.clone()
    outside[:, 2] = 0
    assert mechanism.log_prob(outside, x).tolist() == [0, 0]


def test_cells_missing_already_do_not_move_the_bar():
    x = torch.tensor([[0.0], [1.0], [5.0], [6.0]])
    mechanism = HardSelfMasking()
    mechanism.bind(DataSpec.continuous(1), torch.tensor([True]), 1, seeded())
    observed = torch.tensor([[False], [True], [True], [True]])
    mechanism.calibrate(x, None, seeded(), observed)
    assert mechanism.sample(x, seeded())[:, 0].tolist() == [1, 1, 0, 0]
    assert float(mechanism.bar) == pytest.approx(4)


def test_whole_categories_go_missing_never_all():
    spec = DataSpec((Column("c", "nominal", n_levels=5), Column("rare", "binary", n_levels=2)))
    codes = torch.stack([torch.arange(1000.0) % 4, (torch.arange(1000) < 10).float()], 1)
    x = Features(spec)(codes)
    chosen = set()
    for seed in range(6):
        s = made(x, spec=spec, seed=seed).sample(x, seeded())
        by_level = [s[codes[:, 0] == level, 0].unique().tolist() for level in range(4)]
        assert sorted(map(sum, by_level)) == [0, 0, 1, 1]
        assert all(len(answer) == 1 for answer in by_level)
        greedy = made(x, spec=spec, seed=seed, above=0.001).sample(x, seeded())
        assert (greedy.sum(0) > 0).all()
        chosen.add(tuple(map(sum, by_level)))
    assert len(chosen) > 1


def test_a_rate_moves_the_quantile_but_not_the_mean():
    x = torch.randn(100, 1, generator=seeded())
    mechanism = made(x, above=0.5, rate=0.2)
    assert (mechanism.sample(x, seeded()) == 0).sum() == 20
    assert mechanism.settings() == {"above": 0.5, "direction": "high"}
    with pytest.raises(SettingError, match="follows from the data"):
        made(x, rate=0.2)
