"""Monitors of adversarial models: distances of hidden rows, whatever compares them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from halfseen.core.noise import new_generator
from halfseen.core.sliced import random_directions, sliced_wasserstein_tensors
from halfseen.estimators.masked_monitors import MONITORS, N_DIRECTIONS, Frechet, sliced
from halfseen.methods.misgan import MisGAN
from halfseen.metrics import frechet_distance


def _rows() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(60, 3, generator=generator) + shift for shift in (0.0, 1.0))


def test_frechet_is_that_of_moments() -> None:
    fake, real = _rows()
    moments = [(x.double().mean(0).numpy(), np.cov(x.double().numpy().T)) for x in (fake, real)]
    expected = frechet_distance(*moments[0], *moments[1])
    assert float(Frechet()(fake, real, 0)) == pytest.approx(expected, rel=1e-5)
    # Features are what is compared: of a network that forgets everything, nothing is.
    assert float(Frechet(torch.zeros_like)(fake, real, 0)) == pytest.approx(0.0, abs=1e-9)


def test_sliced_looks_along_the_same_directions_every_time() -> None:
    fake, real = _rows()
    along = random_directions(3, N_DIRECTIONS, new_generator(5, 7))
    expected = sliced_wasserstein_tensors(fake, real, along)
    assert torch.equal(sliced(fake, real, 5), expected)
    assert torch.equal(sliced(fake, real, 5), expected)
    assert not torch.equal(sliced(fake, real, 6), expected)


@pytest.mark.parametrize("name", [*MONITORS, "none"])
@pytest.mark.parametrize("imputer", ["joint", "standalone", "none"])
def test_every_monitor_watches_every_regime(name: str, imputer: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    X[rng.random(X.shape) < 0.3] = np.nan
    settings = {**MisGAN.card.check_params, "imputer": imputer, "monitor": name}
    model = MisGAN(**settings, random_state=0).fit(X)
    watched = [row for row in model.history_ if "monitor" in row]
    assert len(watched) == (0 if name == "none" else len(model.history_))
    assert all(np.isfinite(row["monitor"]) and row["monitor"] <= 0 for row in watched)


def test_features_of_a_network_watch() -> None:
    class Doubled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    X = np.random.default_rng(0).normal(size=(300, 3))
    settings = {**MisGAN.card.check_params, "imputer": "none", "monitor": "frechet"}
    plain, doubled = (
        MisGAN(**settings, monitor_features=features, random_state=0).fit(X)
        for features in (None, Doubled())
    )
    for one, two in zip(plain.history_, doubled.history_, strict=True):
        assert two["monitor"] == pytest.approx(4 * one["monitor"], rel=1e-4)
