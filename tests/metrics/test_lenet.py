"""The network of digits: its file, its layers against a plain copy, and what its features see."""

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from scipy.ndimage import gaussian_filter
from torch import nn

from halfseen import metrics
from halfseen.datasets import load_images
from halfseen.errors import FileFormatError, SettingError
from halfseen.metrics import lenet


def plain_copy(network):
    """The layers one after the other, up to the first linear one."""
    return nn.Sequential(
        network.conv1,
        nn.MaxPool2d(2),
        nn.ReLU(),
        network.conv2,
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        network.fc1,
    )


def test_the_file_says_what_it_was_made_by():
    facts = json.loads(lenet.WEIGHTS.with_suffix(".json").read_text())
    with safe_open(lenet.WEIGHTS, framework="np") as file:
        inside = json.loads(file.metadata()["halfseen"])
    assert facts["sha256"] == metrics.LENET_SHA256
    assert facts | inside == facts
    assert {"epochs", "seed", "test_accuracy", "versions"} <= set(inside)
    assert hashlib.sha256(lenet.WEIGHTS.read_bytes()).hexdigest() == metrics.LENET_SHA256


def test_other_weights_are_refused(tmp_path, monkeypatch):
    content = bytearray(lenet.WEIGHTS.read_bytes())
    content[-1] ^= 1
    changed = tmp_path / "changed.safetensors"
    changed.write_bytes(content)
    monkeypatch.setattr(lenet, "WEIGHTS", changed)
    with pytest.raises(FileFormatError, match=rf"Expected {metrics.LENET_SHA256}"):
        metrics.lenet_features()
    monkeypatch.setattr(lenet, "WEIGHTS", tmp_path / "absent")
    with pytest.raises(FileFormatError, match="No weights in"):
        metrics.lenet_features()


def test_features_are_the_first_linear_layer():
    network = metrics.lenet_features()
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    images = torch.from_numpy(np.random.default_rng(0).random((5, 1, 28, 28), np.float32))
    found = network(images)
    assert (found.shape, found.dtype) == ((5, 50), torch.float32)
    assert (found < 0).any()
    torch.testing.assert_close(found, plain_copy(network)(images))
    torch.testing.assert_close(network(images.flatten(1)), found)
    hidden = torch.relu(plain_copy(network)((images - 0.1307) / 0.3081))
    torch.testing.assert_close(network.logits(images), network.fc2(hidden))


def test_dropout_in_training_only():
    network = metrics.lenet_features()
    images = torch.ones(4, 784)
    assert torch.equal(network.logits(images), network.logits(images))
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(network(images), network(images))


@pytest.mark.parametrize("shape", [(2, 28, 28), (2, 1, 32, 32), (2, 3, 28, 28), (2, 785)])
def test_pictures_of_other_shapes(shape):
    with pytest.raises(SettingError, match=r"Expected \(B, 1, 28, 28\) or \(B, 784\)"):
        metrics.lenet_features()(torch.zeros(shape))


@pytest.fixture(scope="module")
def digits(shared_data):
    images = load_images("mnist", shared_data)
    rows = np.random.default_rng(0).permutation(len(images.x_train))[:2000]
    return images.x_train[rows], images.x_test[:1000], images.y_test[:1000]


def test_digits_are_named(digits):
    _, x, y = digits
    named = metrics.lenet_features().logits(torch.from_numpy(x)).argmax(1).numpy()
    assert (named == y).mean() > 0.98


def test_worse_digits_are_farther_away(digits):
    train, real, _ = digits
    network = metrics.lenet_features()
    reference = metrics.moments(train, network)
    blurred, more = (gaussian_filter(real, (0, 0, s, s)) for s in (0.5, 1.0))
    noise = np.random.default_rng(0).random(real.shape, np.float32)
    found = [metrics.fid(x, reference, network) for x in (real, blurred, more, noise)]
    assert found[0] * 1.2 < found[1] < found[2] < found[3]
    kernel = [
        metrics.kid(x, train, network, n_subsets=3, subset_size=500)
        for x in (real, blurred, more, noise)
    ]
    assert kernel == sorted(kernel)
    assert metrics.fid(real.reshape(-1, 784), reference, network) == pytest.approx(found[0])
