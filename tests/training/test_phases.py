"""A phase makes gradients for its own parameters only, and leaves all switches as they were."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from halfseen.errors import TrainingError, TrainingWarning
from halfseen.training.loop import Phase, TrainConfig, train


class Players(nn.Module):
    """A generator, its critic, and something that is frozen from the start."""

    def __init__(self):
        super().__init__()
        self.maker = nn.Parameter(torch.tensor([1.0]))
        self.critic = nn.Parameter(torch.tensor([2.0]))
        self.frozen = nn.Parameter(torch.tensor([3.0]), requires_grad=False)

    def learns(self):
        return {name: p.requires_grad for name, p in self.named_parameters()}


def game(players, seen):
    """Both phases have the same loss, in which every parameter occurs."""

    def loss(name):
        def value():
            seen[name] = players.learns()
            return {"all": (players.maker * players.critic * players.frozen).square().sum()}

        return value

    return [
        Phase("critic", [players.critic], loss("critic"), lr=0.1),
        Phase("maker", [players.maker], loss("maker"), lr=0.1),
    ]


CONFIG = TrainConfig(max_steps=3, check_every=1, schedule="constant")


def test_a_phase_makes_gradients_for_its_own_parameters_only():
    players, seen = Players(), {}
    train(players, game(players, seen), CONFIG)
    assert seen["critic"] == {"maker": False, "critic": True, "frozen": False}
    assert seen["maker"] == {"maker": True, "critic": False, "frozen": False}
    assert players.learns() == {"maker": True, "critic": True, "frozen": False}


def test_nothing_is_differentiated_for_another_phase():
    players, slopes = Players(), []
    players.maker.register_hook(lambda slope: slopes.append(float(slope)))
    train(players, game(players, {}), CONFIG)
    # One gradient in each step of its own phase, none in those of the critic.
    assert len(slopes) == CONFIG.max_steps


def test_a_frozen_parameter_of_a_phase_stays_frozen():
    players, seen = Players(), {}
    [critic, maker] = game(players, seen)
    critic.parameters.append(players.frozen)
    train(players, [critic, maker], CONFIG)
    assert players.frozen.tolist() == [3.0]
    assert seen["critic"]["frozen"] is False


def test_switches_return_after_an_interruption():
    players = Players()
    [critic, maker] = game(players, {})

    def interrupted():
        raise KeyboardInterrupt

    maker.loss = interrupted
    with pytest.warns(TrainingWarning, match="interrupted"):
        train(players, [critic, maker], CONFIG)
    assert players.learns() == {"maker": True, "critic": True, "frozen": False}


@pytest.mark.filterwarnings("ignore::halfseen.errors.TrainingWarning")
def test_switches_return_after_an_error():
    players = Players()
    [critic, maker] = game(players, {})
    maker.loss = lambda: {"lost": players.maker.sum() * float("nan")}
    with pytest.raises(TrainingError, match="term 'lost'"):
        train(players, [critic, maker], replace(CONFIG, max_recoveries=1))
    assert players.learns() == {"maker": True, "critic": True, "frozen": False}


def test_other_players_are_learned_through():
    """A critic that is held still passes on the gradient of what it says."""
    players = Players()
    before = float(players.maker.detach())
    [_, maker] = game(players, {})
    train(players, [maker], CONFIG)
    assert float(players.maker.detach()) < before
    assert players.critic.tolist() == [2.0]
    assert players.critic.grad is None


def test_parameters_outside_of_the_module_learn_as_well():
    players, outside = Players(), nn.Parameter(torch.tensor([5.0]))
    phase = Phase("outside", [outside], lambda: {"square": outside.square().sum()}, lr=0.1)
    train(players, [phase], CONFIG)
    assert float(outside.detach()) < 5
