"""Networks of features keep their modes, get their precision, and fail where that helps."""

import numpy as np
import pytest
import torch
from torch import nn

from halfseen.errors import SettingError
from halfseen.metrics.features import feature_matrix, feature_pair


class Network(nn.Module):
    """Dropout, statistics of batches, and a part that the user froze."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2, dtype=torch.float64)
        self.norm = nn.BatchNorm1d(2, dtype=torch.float64)
        self.frozen = nn.Dropout(0.5).eval()
        self.drop = nn.Dropout(0.5)
        self.grad = None

    def forward(self, x):
        self.grad = torch.is_grad_enabled()
        return self.drop(self.frozen(self.norm(self.linear(x))))

    def twice(self, x):
        return 2 * self(x)


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        return Network()


def modes(network):
    return [part.training for part in network.modules()]


def test_a_network_is_evaluated_and_left_as_it_was(network):
    x = np.random.default_rng(0).normal(size=(10, 3))
    before = modes(network)
    found = feature_matrix(x, network, 4, "x")
    assert modes(network) == before
    assert torch.is_grad_enabled()
    assert network.grad is False
    assert network.norm.num_batches_tracked == 0
    assert found.dtype == np.float64
    expected = network.linear(torch.from_numpy(x.astype(np.float32)).double()) / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(feature_matrix(x, network.twice, 4, "x"), 2 * found, rtol=1e-12)


def test_a_network_that_fails_is_left_as_it_was(network):
    before = modes(network)
    with pytest.raises(RuntimeError):
        feature_matrix(np.zeros((4, 5)), network, 4, "x")
    assert modes(network) == before
    assert torch.is_grad_enabled()


def test_cells_keep_their_digits():
    x = np.array([[1.0, 1.0 + 1e-12]])
    assert np.array_equal(feature_matrix(x, None, 1, "x"), x)
    half = torch.ones(2, 1, 2, 2, dtype=torch.bfloat16, requires_grad=True)
    assert np.array_equal(feature_matrix(half, None, 1, "x"), np.ones((2, 4)))
    assert np.array_equal(feature_matrix(half, nn.Flatten(), 1, "x"), np.ones((2, 4)))


def test_masks_are_numbers():
    masks = np.array([[True, False], [False, False]])
    assert feature_matrix(masks, lambda rows: rows, 5, "x").tolist() == [[1.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("hole", [np.nan, np.inf])
@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor])
def test_a_hole_that_the_network_would_hide(make, hole):
    x = make([[0.0, hole], [1.0, 2.0]])
    with pytest.raises(SettingError, match=r"Got 1 value\(s\) in y that are not finite"):
        feature_matrix(x, lambda rows: rows[:, :1], 2, "y")


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (lambda rows: rows / 0, r"4 value\(s\) in features of x"),
        (lambda rows: rows[:, 0], r"Expected \(2, d\)"),
        (lambda rows: rows[:1], r"features of shape \(1, 2\) for 2 row"),
    ],
)
def test_features_that_are_none(features, message):
    with pytest.raises(SettingError, match=message):
        feature_matrix(np.ones((2, 2)), features, 2, "x")


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor])
def test_bytes_are_no_grey_values(make):
    x = make(np.zeros((2, 3), dtype=np.uint8))
    with pytest.raises(SettingError, match="divide pictures by 255"):
        feature_matrix(x, lambda rows: rows, 2, "x")
    assert feature_matrix(x, None, 2, "x").shape == (2, 3)


def test_pairs_of_samples():
    first, second = feature_pair(np.zeros((2, 2)), np.ones((3, 2)), None, 2)
    assert (first.shape, second.shape) == ((2, 2), (3, 2))
    for shape in ((1, 2), (3, 1)):
        with pytest.raises(SettingError, match="with n and m of 2 or more"):
            feature_pair(np.zeros((2, 2)), np.ones(shape), None, 2)
