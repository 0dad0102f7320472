"""The loop: phases, checks, best states, recoveries, and ends of training."""

import itertools
import time
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from halfseen.errors import TrainingError, TrainingWarning
from halfseen.training.hiding import HideCells
from halfseen.training.loop import Phase, TrainConfig, rate, train
from halfseen.training.state import BestState, MovingAverage


class Two(nn.Module):
    """Two parameters, one of them with an axis of members."""

    def __init__(self, members=1):
        super().__init__()
        self.a = nn.Parameter(torch.full((members, 1), 3.0))
        self.b = nn.Parameter(torch.full((2,), -2.0))


def quadratic(p):
    return lambda: {"square": (p**2).sum()}


def test_phases_run_in_order_and_move_only_their_parameters():
    module, log = Two(), []

    def logged(name, p):
        def loss():
            log.append(name)
            return {"square": (p**2).sum(), "nothing": torch.zeros(())}

        return loss

    phases = [
        Phase("critic", [module.a], logged("critic", module.a), steps=3),
        Phase("maker", [module.b], logged("maker", module.b), lr=0.0001),
    ]
    history = train(
        module, phases, TrainConfig(max_steps=4, lr=0.1, schedule="constant", check_every=2)
    )
    assert log == ["critic", "critic", "critic", "maker"] * 4
    assert float(module.a.detach()) == pytest.approx(3 - 1.2, abs=0.1)
    assert float(module.b[0].detach()) == pytest.approx(-2, abs=1e-3)
    assert [row["step"] for row in history.rows] == [2, 4]
    assert {"critic.square", "critic.nothing", "maker.square", "lr", "seconds"} <= set(
        history.rows[0]
    )
    assert history.stopped == "steps"


def test_history_holds_mean_losses():
    module = Two()
    values = iter([1.0, 3.0, 5.0, 9.0])
    phase = Phase("p", [module.a], lambda: {"l": module.a.sum() * 0 + next(values)})
    history = train(module, [phase], TrainConfig(max_steps=4, check_every=2))
    assert [row["p.l"] for row in history.rows] == [2.0, 7.0]


def broken_at(module, when, forever=False):
    count = {"n": 0}

    def loss():
        count["n"] += 1
        bad = count["n"] >= when if forever else count["n"] == when
        factor = float("nan") if bad else 1.0
        return {"fine": (module.a**2).sum(), "penalty": (module.b**2).sum() * factor}

    return loss


def test_a_loss_that_is_not_finite_is_survived_and_named():
    module = Two()
    phase = Phase("critics", [module.a, module.b], broken_at(module, 5))
    config = TrainConfig(max_steps=40, lr=0.1, check_every=2, schedule="constant")
    with pytest.warns(TrainingWarning, match=r"phase 'critics' at step 6 \(term 'penalty'\)"):
        history = train(module, [phase], config)
    assert torch.isfinite(module.a).all()
    assert torch.isfinite(module.b).all()
    (event,) = history.recoveries
    assert event == {"step": 6, "phase": "critics", "term": "penalty", "lr": pytest.approx(0.03)}
    assert history.rows[-1]["lr"] == pytest.approx(0.03)
    assert abs(float(module.a.detach())) < 3


@pytest.mark.filterwarnings("ignore::halfseen.errors.TrainingWarning")
def test_a_loss_that_never_is_finite_ends_with_what_to_do():
    module = Two()
    phase = Phase("critics", [module.a, module.b], broken_at(module, 1, forever=True))
    config = TrainConfig(max_steps=40, check_every=1, max_recoveries=2)
    with pytest.raises(TrainingError, match=r"phase 'critics' .*term 'penalty'.*lower lr"):
        train(module, [phase], config)


def scripted(values):
    script = iter(values)
    return lambda: torch.as_tensor(next(script), dtype=torch.float32)


def ticking(module):
    """A loss whose every step adds 1 to each parameter, so that steps can be read off."""

    def loss():
        with torch.no_grad():
            for p in module.parameters():
                p += 1
        return {"l": sum((p * 0).sum() for p in module.parameters())}

    return Phase("p", list(module.parameters()), loss)


def test_patience_stops_and_the_best_state_comes_back():
    module = Two()
    config = TrainConfig(max_steps=100, check_every=1, patience=3)
    monitor = scripted([1.0, 5.0, 2.0, float("nan"), 3.0, 9.0])
    history = train(module, [ticking(module)], config, monitor)
    assert history.stopped == "patience"
    assert len(history.rows) == 5
    assert [row["better"] for row in history.rows] == [True, True, False, False, False]
    assert float(module.a.detach()) == 3 + 2


def test_members_keep_their_own_best_state():
    module = Two(members=3)
    monitor = scripted([[1.0, 9.0, 1.0], [5.0, 2.0, 1.0], [4.0, 2.0, 8.0]])
    train(module, [ticking(module)], TrainConfig(max_steps=3, check_every=1), monitor, 3)
    torch.testing.assert_close(module.a.detach().flatten() - 3, torch.tensor([2.0, 1.0, 3.0]))
    # What members share follows the mean score.
    assert float(module.b[0].detach()) == -2 + 3


def test_the_last_state_stays_when_asked():
    module = Two()
    config = TrainConfig(max_steps=3, check_every=1, restore_best=False)
    train(module, [ticking(module)], config, scripted([9.0, 1.0, 0.0]))
    assert float(module.a.detach()) == 3 + 3


def test_time_is_a_budget():
    module = Two()

    def slow():
        time.sleep(0.02)
        return {"l": (module.a**2).sum()}

    config = TrainConfig(max_steps=10_000, check_every=1, time_budget=0.1)
    history = train(module, [Phase("p", [module.a], slow)], config)
    assert history.stopped == "time"
    assert len(history.rows) < 50


def test_the_clock_is_read_after_every_round(monkeypatch):
    """Checks are far apart: the round that ends too late is checked, and is the last."""
    now = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: float(next(now)))
    monkeypatch.setattr("halfseen.training.loop.time", clock)
    module, told = Two(), []
    config = TrainConfig(max_steps=1000, check_every=100, time_budget=7.5)
    history = train(
        module,
        [ticking(module)],
        config,
        scripted([1.0]),
        watcher=lambda step, total, row: told.append(step),
    )
    assert history.stopped == "time"
    assert [row["step"] for row in history.rows] == told == [8]
    assert history.rows[0]["seconds"] == 8
    assert float(module.a.detach()) == 3 + 8


def test_an_interrupt_keeps_the_best_state():
    module = Two()
    phase = ticking(module)
    inner, count = phase.loss, {"n": 0}

    def loss():
        count["n"] += 1
        if count["n"] == 5:
            raise KeyboardInterrupt
        return inner()

    phase.loss = loss
    with pytest.warns(TrainingWarning, match="interrupted"):
        history = train(
            module,
            [phase],
            TrainConfig(max_steps=50, check_every=1),
            scripted([1.0, 7.0, 2.0, 3.0]),
        )
    assert history.stopped == "interrupted"
    assert float(module.a.detach()) == 3 + 2


def test_the_moving_average_is_what_is_scored_and_kept():
    module, seen = Two(), []

    def monitor():
        seen.append(float(module.a.detach()))
        return torch.tensor(float(len(seen)))

    config = TrainConfig(max_steps=30, check_every=10, average=0.9)
    train(module, [ticking(module)], config, monitor)
    average, value = 3.0, 3.0
    expected = []
    for step in range(1, 31):
        value += 1
        decay = min(0.9, step / (9 + step))
        average = decay * average + (1 - decay) * value
        if step % 10 == 0:
            expected.append(average)
    assert seen == pytest.approx(expected, rel=1e-5)
    assert float(module.a.detach()) == pytest.approx(expected[-1], rel=1e-5)


def test_without_a_monitor_the_average_is_kept():
    module = Two()
    average = MovingAverage(module, 0.5)
    with torch.no_grad():
        module.a.fill_(13.0)
    average.update()
    average.restore()
    assert float(module.a.detach()) == pytest.approx(3 + 10 * (1 - 0.1))


def test_schedules():
    one, cosine, flat = (
        [rate(TrainConfig(max_steps=1000, schedule=name), step) for step in range(1000)]
        for name in ("one-cycle", "cosine", "constant")
    )
    assert set(flat) == {1.0}
    assert max(one) == pytest.approx(1)
    assert one.index(max(one)) == pytest.approx(100, abs=1)
    assert one[0] == pytest.approx(0.05)
    assert one[:100] == sorted(one[:100])
    assert one[100:] == sorted(one[100:], reverse=True)
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[0] == pytest.approx(1)
    assert 0 < one[-1] < 0.01


def test_gradients_are_clipped():
    module = Two()
    huge = Phase("p", [module.a], lambda: {"l": 1e20 * (module.a**2).sum()})
    train(module, [huge], TrainConfig(max_steps=1, lr=0.1, clip_norm=1e-20))
    # Adam's step is lr whatever the size, unless the gradient is below its epsilon.
    assert float(module.a.detach()) == pytest.approx(3.0, abs=1e-3)


def test_watchers_hear_of_every_check():
    module, heard = Two(), []
    train(
        module,
        [ticking(module)],
        TrainConfig(max_steps=7, check_every=3),
        watcher=lambda step, total, row: heard.append((step, total, row["step"])),
    )
    assert heard == [(3, 7, 3), (6, 7, 6), (7, 7, 7)]


def test_best_state_ignores_nan_and_restores_nothing_when_empty():
    module = Two()
    best = BestState(module, 1)
    best.restore()
    assert best.offer(torch.tensor(float("nan")))
    assert best.offer(torch.tensor(1.0))
    assert not best.offer(torch.tensor(float("nan")))
    assert best.stale == 1
    assert best.is_finite()


@pytest.mark.parametrize("pattern", ["bernoulli", "copy"])
def test_hidden_cells_are_seen_cells(pattern):
    g = torch.Generator().manual_seed(0)
    everyone = (torch.rand(4000, 5, generator=g) < 0.7).float()
    shown = HideCells(0.5, 0.5, pattern)(everyone, everyone, g)
    assert (shown <= everyone).all()
    rows = (shown != everyone).any(1).float().mean()
    lost = 1 - shown.sum() / everyone.sum()
    # Half of the rows lose a quarter of their cells on average, or what another row lacks.
    assert float(lost) == pytest.approx(0.125 if pattern == "bernoulli" else 0.15, abs=0.015)
    assert 0.2 < float(rows) < 0.5
    same = HideCells(0.5, 0.0, pattern)(everyone, everyone, g)
    assert same is everyone
