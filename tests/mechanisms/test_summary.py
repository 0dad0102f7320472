"""Tables of what a mechanism has learned."""

import numpy as np
import pytest
import torch

from halfseen.core.spec import Column, DataSpec
from halfseen.core.units import Units
from halfseen.mechanisms import LinearMechanism, SelfMasking

SPEC = DataSpec(
    (
        Column("age", "continuous"),
        Column("whole", "continuous"),
        Column("city", "nominal", n_levels=3),
        Column("income", "positive"),
    )
)
GENERATOR = torch.Generator().manual_seed(0)


def learned():
    mechanism = SelfMasking("high", link="logistic", slope=2.0)
    mechanism.bind(SPEC, torch.tensor([True, False, True, True]), 3, GENERATOR)
    with torch.no_grad():
        mechanism.sign[:, 0] = torch.tensor([1.0, 1.0, -1.0])
        mechanism.location[:, 0] = torch.tensor([0.0, 1.0, 2.0])
        mechanism.level_logits[:, 2:5] = torch.tensor([-100.0, 0.0, 100.0])
    return mechanism


def units():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(100, 4))
    values[:, 0] = 40 + 10 * (values[:, 0] - values[:, 0].mean()) / values[:, 0].std()
    values[:, 3] = np.exp(values[:, 3])
    return Units.fit(SPEC, values)


def test_self_masking_in_data_units():
    table = learned().summary(SPEC, units(), {"city": ["Oslo", "Rome", "Bern"]})
    assert table["column"].tolist() == ["age", "city", "city", "city", "income"]
    age = table.iloc[0]
    assert age["direction"] == "high"
    assert age["sign_agreement"] == pytest.approx(2 / 3)
    assert age["slope"] == pytest.approx(0.2 / 3, abs=1e-6)
    assert (age["slope_min"], age["slope_max"]) == pytest.approx((-0.2, 0.2), abs=1e-6)
    assert age["location"] == pytest.approx(50)
    assert (age["location_min"], age["location_max"]) == pytest.approx((40, 60))
    margins = np.array([2 * (1 - 0), 2 * (1 - 1), -2 * (1 - 2)])
    assert age["p_missing_high"] == pytest.approx((1 / (1 + np.exp(-margins))).mean())


def test_categories_and_curved_columns():
    plain = learned().summary(SPEC, units())
    table = learned().summary(SPEC, units(), {"city": ["Oslo", "Rome", "Bern"]})
    assert plain["category"].tolist()[1:4] == [0, 1, 2]
    assert table["category"].tolist()[1:4] == ["Oslo", "Rome", "Bern"]
    assert table["p_missing"].tolist()[1:4] == pytest.approx([0, 0.5, 1])
    income = table.iloc[4]
    assert np.isnan(income["slope"])
    assert income["location"] > 0
    assert income["p_missing_high"] == pytest.approx(0.5)
    assert income["p_missing_low"] < 0.1


def test_effects_of_a_linear_mechanism_are_its_coefficients():
    mechanism = LinearMechanism()
    mechanism.bind(SPEC, torch.tensor([True, False, True, True]), 2, GENERATOR)
    table = mechanism.summary(SPEC, levels={"city": ["Oslo", "Rome", "Bern"]})
    assert table.index.tolist() == ["age", "city", "income"]
    assert table.columns.tolist()[2:5] == ["city=Oslo", "city=Rome", "city=Bern"]
    wanted = -mechanism.weight.detach().mean(0).T[[0, 2, 3]].double().numpy()
    np.testing.assert_allclose(table.to_numpy(), wanted, atol=1e-6)
