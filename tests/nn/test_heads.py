"""Heads: shapes, members, and networks of the user's own."""

import pytest
import torch
from torch import nn

from halfseen.errors import SettingError
from halfseen.nn.heads import PiecewiseLinear, make_head
from halfseen.nn.own_head import OwnHead


def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def _own_seed():
    with torch.random.fork_rng():
        yield


@pytest.mark.parametrize(
    ("head", "shape", "hidden"),
    [("mlp", None, (8, 8)), ("linear", None, (8,)), ("conv", (2, 4, 4), (4, 4))],
)
def test_shapes_and_members(head, shape, hidden):
    n_in = 6 if shape is None else 32
    made = make_head(head, 2, n_in, 3, generator(), hidden=hidden, dropout=0.5, shape=shape)
    features = torch.randn(1, 5, 7, n_in, generator=generator())
    made.eval()
    out = made(features)
    assert out.shape == (2, 5, 7, 3)
    assert not torch.equal(out[0], out[1])
    assert torch.equal(made(features), out)
    made.train()
    assert head == "linear" or not torch.equal(made(features), out)


def test_linear_is_linear():
    head = make_head("linear", 1, 3, 2, generator(), hidden=(8,))
    x = torch.randn(2, 1, 1, 1, 3, generator=generator())
    torch.testing.assert_close(head(x.mean(0)), (head(x[0]) + head(x[1])) / 2)


def test_own_head_gets_rows_and_gives_what_the_network_does():
    network = nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    network(torch.zeros(1, 1, 4, 4))
    head = OwnHead(network, 2, 16, 2, (1, 4, 4))
    x = torch.randn(2, 3, 5, 16, generator=generator())
    expected = network(x.reshape(-1, 1, 4, 4)).view(2, 3, 5, 2)
    torch.testing.assert_close(head(x), expected)
    # The network itself is not trained, its copies are.
    assert all(a is not b for a, b in zip(network.parameters(), head.parameters(), strict=False))


def test_trial_rows_teach_no_running_mean():
    network = nn.Sequential(nn.BatchNorm1d(3, momentum=1.0), nn.Linear(3, 2))
    network[0].running_mean.fill_(5.0)
    head = OwnHead(network, 1, 3, 2)
    assert (head.copies[0][0].running_mean == 5).all()
    assert head.training


def test_lazy_layers_learn_their_widths_before_they_are_copied():
    """All copies start equal, by the seed, and torch's global state is as it was."""
    network = nn.Sequential(nn.LazyLinear(5), nn.Tanh(), nn.LazyLinear(2))
    before = torch.random.get_rng_state()
    head, again, other = (OwnHead(network, 3, 4, 2, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    for copied in [*head.copies, again.copies[0]]:
        assert torch.equal(copied[0].weight, head.copies[0][0].weight)
    assert not torch.equal(head.copies[0][0].weight, other.copies[0][0].weight)
    assert head.copies[0][0].weight is not head.copies[1][0].weight
    assert isinstance(network[0].weight, nn.UninitializedParameter)
    assert head(torch.zeros(1, 2, 6, 4)).shape == (3, 2, 6, 2)


def test_the_seed_of_lazy_layers_is_of_the_processor_alone(monkeypatch):
    """Seeds of other devices would not come back."""
    seeded = []
    for device in (torch.cuda, torch.mps, torch.xpu):
        monkeypatch.setattr(device, "manual_seed_all", seeded.append, raising=False)
        monkeypatch.setattr(device, "manual_seed", seeded.append)
    OwnHead(nn.LazyLinear(2), 1, 3, 2, seed=7)
    assert not seeded
    torch.manual_seed(7)
    assert seeded


def test_a_lazy_normalisation_is_to_be_run_first():
    """Torch cannot copy its running means before that."""
    network = nn.Sequential(nn.LazyBatchNorm1d(), nn.LazyLinear(2))
    with pytest.raises(SettingError, match="run it once on a row"):
        OwnHead(network, 1, 3, 2)
    network(torch.zeros(2, 3))
    assert OwnHead(network, 1, 3, 2)(torch.zeros(1, 1, 4, 3)).shape == (1, 1, 4, 2)


class Named(nn.Linear):
    """A head whose answer has a name."""

    def forward(self, rows):
        return {"logits": super().forward(rows)}


def test_what_is_no_tensor_is_named():
    with pytest.raises(SettingError, match="LSTM gives a tuple for 2 rows, not a tensor"):
        OwnHead(nn.LSTM(3, 2), 1, 3, 2)
    with pytest.raises(SettingError, match=r"gives a dict .* Expected \(2, 2\).* Wrap it"):
        OwnHead(Named(3, 2), 1, 3, 2)


def test_wrong_heads_are_named():
    with pytest.raises(SettingError, match=r"Linear cannot take rows of shape \(3,\)"):
        OwnHead(nn.Linear(4, 2), 1, 3, 2)
    with pytest.raises(SettingError, match=r"Linear gives \(2, 5\) for 2 rows"):
        OwnHead(nn.Linear(3, 5), 1, 3, 2)
    with pytest.raises(SettingError, match="Expected images"):
        make_head("conv", 1, 3, 2, generator())
    with pytest.raises(SettingError, match="head='deep'"):
        make_head("deep", 1, 3, 2, generator())


def test_bins_without_a_width_have_no_slope():
    """Half of the cells are 0.5, so that two edges are; a sampled cell lies on both."""
    layer = PiecewiseLinear(torch.tensor([[-1.0, 0.5, 0.5, 2.0]]), [0])
    x = torch.tensor([[0.0], [0.5], [0.6]], requires_grad=True)
    places = layer(x)[:, 1:] + layer.share
    torch.testing.assert_close(places[:, 1], torch.tensor([0.0, 0.0, 1.0]))
    places.sum().backward()
    expected = torch.tensor([[1 / 1.5], [2 / 1.5], [1 / 1.5]])
    torch.testing.assert_close(x.grad, expected)
