"""Masks that users give to adversarial models: what is one, and whose columns it is about."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from halfseen import load
from halfseen.errors import HalfseenError, SettingError
from halfseen.estimators.amputation import ampute
from halfseen.estimators.given_masks import mask_source
from halfseen.estimators.mask_units import MaskUnits
from halfseen.estimators.players import CellImputer
from halfseen.mechanisms import MAR, MCAR, HardSelfMasking, MNARLogistic, SelfMasking
from halfseen.methods.ambient_gan import AmbientGAN
from halfseen.methods.misgan import MisGAN
from halfseen.tables.choice import codec_for
from halfseen.testing.tables import same_bits, some_frame, some_table

SMALL = {
    "max_steps": 3,
    "n_latent": 3,
    "hidden": (6,),
    "critic_hidden": (6,),
    "imputer_hidden": (6,),
    "n_critic": 1,
    "n_draws_predict": 2,
    "random_state": 0,
}
FRAME = pd.DataFrame({"a": [1.5, 2.0, 3.0], "b": [4.0, 5.5, 6.0], "c": [0.1, 0.2, 0.3]})
MASKS = pd.DataFrame({"a": [True, True], "b": [False, True], "c": [False, False]})


def read(masks, data=FRAME):
    """The masks of the source that is made of them, as lists."""
    codec = codec_for(data).fit(data)
    units = MaskUnits(codec.spec, torch.arange(codec.spec.n_columns))
    return mask_source(masks, codec, range(codec.spec.n_columns), units).masks.tolist()


RIGHT = [[1, 0, 0], [1, 1, 0]]


@pytest.mark.parametrize(
    "masks",
    [
        MASKS,
        MASKS[["c", "a", "b"]],
        MASKS[["c", "a", "b"]].astype(float),
        MASKS[["b", "c", "a"]].astype(object),
        pl.from_pandas(MASKS[["c", "a", "b"]]),
        pa.Table.from_pandas(MASKS[["c", "a", "b"]]),
        {"b": [0, 1], "a": [1, 1], "c": [0, 0]},
        MASKS.to_numpy(),
        MASKS.to_numpy().astype(object),
        MASKS.to_numpy().astype(np.int8).tolist(),
        torch.tensor(RIGHT),
        # A frame without names, as data without names, goes by position.
        MASKS.set_axis(range(3), axis=1),
    ],
)
def test_masks_are_read_by_name_in_any_container(masks):
    assert read(masks) == RIGHT


def test_tables_without_names_take_masks_by_position():
    assert read(MASKS[["c", "a", "b"]], FRAME.to_numpy()) == [[0, 1, 0], [0, 1, 1]]


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (FRAME, r"masks of 'a' with the value 1.5. Expected True where"),
        (FRAME.to_numpy(), r"masks with the value 1.5"),
        (np.where(MASKS, 1.0, np.nan), "masks with the value nan"),
        (MASKS.astype(float).where(MASKS), "masks of 'b' with the value nan"),
        (np.full((2, 3), 2), "the value 2"),
        (np.full((2, 3), "1"), "the value 1"),
        (np.full((2, 3), None), "the value None"),
        ([["yes", 1, 1]], "the value yes"),
        (MASKS.assign(b=["x", "y"]), "masks of 'b' with the value"),
        (MASKS.rename(columns={"b": "z"}), r"masks of \['a', 'z', 'c'\]. Expected masks of"),
        (MASKS[["a", "b"]], r"masks of \['a', 'b'\]. Expected masks of"),
        (MASKS.assign(z=True), "masks of"),
        ({"a": [1, 1], "b": [1], "c": [1, 1]}, r"\[2, 1, 2\] rows"),
        ({"a": [1], "b": 1, "c": [1]}, r"shape \(\)"),
        ([[1, 1, 1], [1]], "no array"),
        ("mcar", r"Got masks='mcar'"),
        (None, r"Got masks=None"),
    ],
)
def test_what_is_no_mask_is_refused(masks, message):
    with pytest.raises(SettingError, match=message):
        read(masks)


def test_empty_tables_of_masks_are_refused():
    with pytest.raises(HalfseenError):
        read(MASKS[:0])


def test_data_in_place_of_masks_are_refused_by_the_methods():
    X = some_table(30)
    model = MisGAN(**SMALL).fit(X)
    for wrong in (X, some_frame(30)):
        with pytest.raises(SettingError, match="masks"):
            model.adapt(wrong)
    with pytest.raises(SettingError, match="masks with the value"):
        AmbientGAN(**SMALL, masks=X).fit(X)


def test_masks_of_modalities_are_those_that_are_generated():
    rng = np.random.default_rng(0)
    data = {"lab": rng.normal(size=(30, 2)), "one": pd.Series(rng.normal(size=30), name="one")}
    data["lab"][::3] = np.nan
    masks = {"one": np.array([True, False]), "lab": np.array([[True, False], [False, True]])}
    assert read(masks, data) == [[1, 0, 1], [0, 1, 0]]
    assert read({"one": [1, 0], "lab": [1, 0]}, data) == [[1, 1, 1], [0, 0, 0]]
    with pytest.raises(SettingError, match="'lab' of shape"):
        read({"one": [1, 0], "lab": np.ones((2, 3))}, data)
    model = MisGAN(**SMALL).fit(data)
    done = model.adapt(model.generate_masks(20)).transform(data)
    assert np.isfinite(done["lab"]).all()


def test_files_keep_tables_of_masks(tmp_path):
    data = FRAME.iloc[[0, 1, 2] * 10].reset_index(drop=True)
    data.iloc[::2, 1] = np.nan
    for masks in (MASKS[["c", "a", "b"]], pl.from_pandas(MASKS)):
        model = AmbientGAN(**SMALL, masks=masks).fit(data)
        model.save(tmp_path / "model")
        loaded = load(tmp_path / "model")
        assert same_bits(loaded.generate_masks(20), model.generate_masks(20))
        assert loaded.fit(data).transform(data).equals(model.transform(data))


# ---- laws that amputation knows ----------------------------------------------------------------


def test_cells_that_go_missing_at_random():
    """With its own rate, each unit by itself."""
    X = some_table(60)
    X[:, 2] = 7.0
    law = AmbientGAN(**SMALL, masks=MCAR(0.3)).fit(X).generate_masks(6000)[:, [0, 1, 3]]
    np.testing.assert_allclose(law.mean(0), 0.7, atol=0.03)
    np.testing.assert_allclose(np.corrcoef(law.T), np.eye(3), atol=0.05)


def test_every_cell_of_a_modality_has_a_coin_in_an_imputers_masks(monkeypatch):
    model = MisGAN(**SMALL).fit({"lab": np.random.default_rng(0).normal(size=(80, 3))})
    assert model.mask_units_.n_units == 1
    shown, forward = [], CellImputer.forward

    def recorded(self, x, s, noise, **settings):
        shown.append(s)
        return forward(self, x, s, noise, **settings)

    monkeypatch.setattr(CellImputer, "forward", recorded)
    model.adapt(MCAR(0.5), max_steps=20)
    masks = torch.stack(shown).reshape(-1, 3).numpy()
    np.testing.assert_allclose(masks.mean(0), 0.5, atol=0.05)
    np.testing.assert_allclose(np.corrcoef(masks.T), np.eye(3), atol=0.1)


def test_files_keep_a_law_of_cells(tmp_path):
    X = some_table(60)
    model = AmbientGAN(**SMALL, masks=MCAR(0.3)).fit(X)
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert same_bits(loaded.generate_masks(50), model.generate_masks(50))
    assert same_bits(loaded.fit(X).transform(X), model.transform(X))


def test_a_law_that_made_holes_is_the_same_law():
    law = MCAR(0.3)
    holed = ampute(some_table(60), law, random_state=0)
    assert AmbientGAN(**SMALL, masks=law).fit(holed).game_.masks.rate == 0.3
    ampute(holed, law, rate=0.6, random_state=0)
    with pytest.raises(SettingError, match=r"MCAR\(rate=0.3\) that was calibrated to another"):
        AmbientGAN(**SMALL, masks=law).fit(holed)


@pytest.mark.parametrize("law", [MAR(), MNARLogistic(), SelfMasking(), HardSelfMasking()])
def test_laws_that_look_at_values_are_named(law):
    name = type(law).__name__
    with pytest.raises(SettingError, match=rf"masks={name}\(...\), which looks at what it hides"):
        read(law)
