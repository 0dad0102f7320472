"""Features of Inception with a stand-in for torchvision: what goes in, and every failure."""

import sys
import types

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from halfseen import metrics
from halfseen.errors import FileFormatError, MissingDependencyError, SettingError


class StandIn(nn.Module):
    """Remembers what came in; one number per channel goes out."""

    def __init__(self, **settings):
        super().__init__()
        assert settings == {"weights": None, "aux_logits": False, "init_weights": False}
        self.scale = nn.Linear(3, 3, bias=False)
        self.norm = nn.BatchNorm1d(3)
        self.fc = nn.Linear(3, 7)
        self.seen = None

    def forward(self, x):
        self.seen = x
        return self.fc(self.norm(self.scale(x.mean((2, 3)))))


@pytest.fixture
def torchvision(monkeypatch):
    models = types.ModuleType("torchvision.models")
    models.inception_v3 = StandIn
    package = types.ModuleType("torchvision")
    package.models = models
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


def state():
    return {
        "scale.weight": 2 * torch.eye(3),
        "norm.weight": torch.ones(3),
        "norm.bias": torch.zeros(3),
        "norm.running_mean": torch.zeros(3),
        "norm.running_var": torch.ones(3) - 1e-5,
        "norm.num_batches_tracked": torch.tensor(1),
        "fc.weight": torch.zeros(7, 3),
        "fc.bias": torch.zeros(7),
        "AuxLogits.fc.weight": torch.zeros(2, 2),
    }


@pytest.fixture
def network(torchvision, tmp_path):
    save_file(state(), tmp_path / "weights.safetensors")
    return metrics.inception_features(tmp_path / "weights.safetensors")


def test_pictures_are_enlarged_and_normalised(network):
    images = torch.from_numpy(np.random.default_rng(0).random((2, 3, 32, 32), np.float32))
    found = network(images)
    large = functional.interpolate(images, (299, 299), mode="bilinear", align_corners=False)
    seen = network.network.seen
    assert seen.shape == (2, 3, 299, 299)
    torch.testing.assert_close(seen, (large - 0.5) / 0.5)
    torch.testing.assert_close(found, 2 * seen.mean((2, 3)))
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())


def test_grey_pictures_have_three_equal_channels(network):
    found = network(torch.full((1, 1, 8, 8), 0.75))
    torch.testing.assert_close(found, torch.full((1, 3), 2 * 0.5))
    for shape in ((1, 784), (1, 2, 8, 8)):
        with pytest.raises(SettingError, match=r"Expected \(B, 3, h, w\) or"):
            network(torch.zeros(shape))


def test_as_features_of_a_distance(network):
    x = np.random.default_rng(0).random((6, 3, 8, 8), np.float32)
    assert metrics.fid(x, x, network, batch_size=4) < 1e-8
    assert metrics.fid(x, x / 2, network) > 0.1


def test_a_state_of_torch(torchvision, tmp_path):
    torch.save(state(), tmp_path / "weights.pth")
    found = metrics.inception_features(str(tmp_path / "weights.pth"))(torch.ones(1, 3, 4, 4))
    torch.testing.assert_close(found, torch.full((1, 3), 2.0))


def test_without_torchvision(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(MissingDependencyError, match="pip install torchvision"):
        metrics.inception_features(tmp_path / "weights.pth")


def test_files_without_the_weights(torchvision, tmp_path):
    with pytest.raises(FileNotFoundError, match="not downloaded"):
        metrics.inception_features(tmp_path / "absent.pth")
    torch.save({"scale.weight": torch.eye(3)}, tmp_path / "part.pth")
    with pytest.raises(FileFormatError, match="does not hold the weights"):
        metrics.inception_features(tmp_path / "part.pth")
    torch.save({**state(), "code": StandIn}, tmp_path / "code.pth")
    for name in ("code.pth", "words.pth", "words.safetensors", "number.pth"):
        path = tmp_path / name
        if name.startswith("words"):
            path.write_bytes(b"no weights at all")
        if name.startswith("number"):
            torch.save(3, path)
        with pytest.raises(FileFormatError, match="is no file of weights"):
            metrics.inception_features(path)
