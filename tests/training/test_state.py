"""Best states: parameters and buffers, member by member where members are modules too."""

import torch
from torch import nn

from halfseen.core.spec import DataSpec
from halfseen.nn.stacked import Copies
from halfseen.nn.unimodal import UnimodalEncoders
from halfseen.training.state import BestState


def score(*values):
    return torch.tensor(values)


def shift(module, by):
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor += by


def test_floating_buffers_are_restored_with_their_parameters():
    layer = nn.BatchNorm1d(3)
    best = BestState(layer, 1)
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    assert best.offer(score(1.0))
    layer.train()(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)) + 5)
    assert not best.offer(score(0.5))
    assert (layer.running_mean != before["running_mean"]).any()
    best.restore()
    for name in ("weight", "bias", "running_mean", "running_var"):
        torch.testing.assert_close(layer.state_dict()[name], before[name])


def test_members_that_are_modules_keep_their_own_best_step():
    """Two members and two classes: the leading axis of a weight is not the axis of members."""
    with torch.random.fork_rng():
        copies = Copies(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)) for _ in range(2))
    best = BestState(copies, 2)
    first = [{k: v.clone() for k, v in one.state_dict().items()} for one in copies]
    best.offer(score(1.0, 1.0))
    shift(copies, 1.0)
    # The second member is better now, and the mean is worse.
    assert best.offer(score(-5.0, 2.0))
    second = {k: v.clone() for k, v in copies[1].state_dict().items()}
    shift(copies, 1.0)
    best.restore()
    for name in ("0.weight", "0.bias", "1.running_mean"):
        torch.testing.assert_close(copies[0].state_dict()[name], first[0][name])
        torch.testing.assert_close(copies[1].state_dict()[name], second[name])


def test_stacked_members_keep_their_own_best_step():
    module = nn.ParameterList([torch.zeros(2, 3), torch.zeros(4)])
    best = BestState(module, 2)
    best.offer(score(0.0, 0.0))
    shift(module, 1.0)
    assert best.offer(score(1.0, -3.0))
    shift(module, 1.0)
    best.restore()
    assert module[0].tolist() == [[1.0] * 3, [0.0] * 3]
    # A parameter of all members follows the mean score, which was not better.
    assert module[1].tolist() == [0.0] * 4


def test_encoders_of_modalities_keep_the_best_step_of_their_member():
    """Their leading axis is that of members times modalities."""
    generator = torch.Generator().manual_seed(0)
    encoders = UnimodalEncoders(DataSpec.continuous(3), 2, 4, (5,), generator, normalize=True)
    first = {k: v.clone() for k, v in encoders.state_dict().items()}
    best = BestState(encoders, 2)
    best.offer(score(0.0, 0.0))
    shift(encoders, 1.0)
    # The second member is better now, and the mean is worse.
    assert best.offer(score(-3.0, 1.0))
    shift(encoders, 1.0)
    best.restore()
    assert any(name.endswith("variance") for name in first)
    for name, value in encoders.state_dict().items():
        assert value.shape[0] == 6
        torch.testing.assert_close(value[:3], first[name][:3])
        torch.testing.assert_close(value[3:], first[name][3:] + 1.0)
