"""New rows and masks: containers, seeds, members, and their laws."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise, new_generator
from halfseen.errors import FileFormatError, SettingError
from halfseen.methods import load
from halfseen.methods.miwae import MIWAEImputer
from halfseen.methods.mvae import MVAEImputer
from halfseen.methods.vae import AEImputer, CVAEImputer, VAEImputer
from halfseen.methods.vaeac import VAEACImputer
from halfseen.methods.vsae import VSAEImputer
from halfseen.testing.parts import global_state
from halfseen.testing.tables import same_bits, some_frame, some_table

SMALL = {"hidden": (8,), "max_steps": 15, "n_importance_predict": 10, "random_state": 0}
MODELS = [
    MIWAEImputer(**SMALL),
    VAEImputer(**SMALL),
    CVAEImputer(**SMALL),
    MVAEImputer(**SMALL),
    VAEACImputer(**SMALL),
    VSAEImputer(**SMALL),
]
NAMES = [type(model).__name__ + getattr(model, "condition", "") for model in MODELS]


@pytest.fixture(scope="module")
def vsae():
    return VSAEImputer(**SMALL | {"n_members": 3}).fit(some_table())


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_frames_come_in_the_types_of_fit(model, noise):
    frame = some_frame()
    made = model.fit(frame).generate(7, noise=noise)
    assert isinstance(made, pd.DataFrame)
    assert made.dtypes.equals(frame.dtypes)
    assert made.columns.equals(frame.columns)
    assert len(made) == 7
    assert not made.isna().any(axis=None)
    assert set(made["city"]) <= {"Rome", "Oslo", "Bern"}
    assert list(made["size"].cat.categories) == list(frame["size"].cat.categories)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_arrays_come_as_arrays(model, dtype):
    made = model.fit(some_table().astype(dtype)).generate(5)
    assert made.dtype == dtype
    assert made.shape == (5, 4)
    assert np.isfinite(made).all()
    # Not one row again and again: each has latents of its own.
    assert len(np.unique(made, axis=0)) == 5


def test_modalities_come_as_modalities():
    rng = np.random.default_rng(0)
    lab = some_frame()[["height", "city"]]
    picture = rng.random((40, 1, 4, 4)).astype(np.float32)
    picture[::3] = np.nan
    note = [["a small dog", "one cat"][i % 2] if i % 5 else None for i in range(40)]
    data = {"lab": lab, "picture": picture, "note": note}
    model = VSAEImputer(**SMALL).fit(data)
    made, masks = model.generate(6, return_mask=True)
    assert list(made) == ["lab", "picture", "note"]
    assert made["lab"].dtypes.equals(lab.dtypes)
    assert made["picture"].shape == (6, 1, 4, 4)
    assert made["picture"].dtype == np.float32
    assert len(made["note"]) == 6
    shapes = {name: mask.shape for name, mask in masks.items()}
    assert shapes == {"lab": (6, 2), "picture": (6, 1, 4, 4), "note": (6,)}
    assert set(" ".join(made["note"]).split()) <= {"a", "small", "dog", "one", "cat"}


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7, 9])
def test_any_number_of_rows_comes_from_all_members(vsae, n_rows):
    """Row i is of member i modulo M, so that any first rows come from all of them."""
    rows, masks = vsae.generate(n_rows, return_mask=True)
    assert rows.shape == masks.shape == (n_rows, 4)
    assert masks.dtype == bool


def test_rows_of_members_are_interleaved(vsae):
    changed = copy.deepcopy(vsae)
    with torch.no_grad():
        changed.model_.observation.decoder.linear.bias[1] += 1.0
    before, after = (m.generate(9, noise=False) for m in (vsae, changed))
    moved = (before != after).any(1)
    assert np.flatnonzero(moved).tolist() == [1, 4, 7]


def test_parts_of_many_rows_are_one_table(vsae, monkeypatch):
    monkeypatch.setattr("halfseen.estimators.generating.ROWS", 4)
    rows, masks = vsae.generate(11, return_mask=True)
    assert rows.shape == masks.shape == (11, 4)
    assert len(np.unique(rows, axis=0)) == 11


def test_same_seed_same_rows(vsae):
    one, other = vsae.generate(6), vsae.generate(6)
    assert same_bits(one, other)
    assert same_bits(vsae.generate(6, random_state=1), vsae.generate(6, random_state=1))
    assert not same_bits(one, vsae.generate(6, random_state=1))
    again = VSAEImputer(**SMALL | {"n_members": 3}).fit(some_table())
    assert same_bits(again.generate(6), one)
    before = global_state()
    vsae.generate(3)
    assert global_state() == before


def test_masks_are_those_of_the_rows(vsae):
    rows, masks = vsae.generate(8, return_mask=True)
    assert same_bits(vsae.generate(8), rows)
    assert np.array_equal(vsae.generate_masks(8), masks)
    other = vsae.generate_masks(8, random_state=3)
    assert np.array_equal(other, vsae.generate(8, return_mask=True, random_state=3)[1])


def test_without_noise_rows_are_means_given_the_same_latents(vsae):
    means = vsae.generate(4, noise=False)
    assert not same_bits(means, vsae.generate(4))
    assert same_bits(means, vsae.generate(4, noise=False))
    model, units = vsae.model_, vsae.units_
    z = Noise(new_generator(vsae.seed_, 5), (3, 1, 2)).normal(model.n_latent)
    nothing = torch.zeros(2, 4)
    with torch.no_grad():
        decoded = model.observation(z, Batch(nothing, nothing, nothing))
    mu = decoded.mean(units, 4)[:, 0].numpy()
    expected = units.finish(mu.transpose(1, 0, 2).reshape(-1, 4)[:4])
    np.testing.assert_allclose(means, expected, rtol=1e-5)


def test_whole_modalities_are_seen_together_in_masks():
    X = pd.DataFrame(some_table(80, 4), columns=list("abcd")).dropna()
    X.loc[X.index[::3], ["a", "c"]] = np.nan
    X.loc[X.index[::4], ["b"]] = np.nan
    model = VSAEImputer(blocks={"pair": ["a", "c"]}, **SMALL).fit(X)
    assert model.whole_
    masks = model.generate_masks(500)
    assert (masks[:, 0] == masks[:, 2]).all()
    assert len(np.unique(masks, axis=0)) > 2
    X.iloc[0, 0] = 1.0
    cells = VSAEImputer(blocks={"pair": ["a", "c"]}, **SMALL).fit(X)
    assert not cells.whole_
    masks = cells.generate_masks(500)
    assert (masks[:, 0] != masks[:, 2]).any()


def test_columns_that_never_vary_are_filled_with_their_value():
    X = np.column_stack([some_table(), np.full(40, 3.5)])
    rows, masks = VSAEImputer(**SMALL).fit(X).generate(6, return_mask=True)
    assert (rows[:, 4] == 3.5).all()
    assert masks[:, 4].all()


def test_what_cannot_be_generated_is_refused(vsae):
    X = some_table()
    with pytest.raises(SettingError, match="no law"):
        AEImputer(**SMALL).fit(X).generate(3)
    with pytest.raises(SettingError, match="VSAEImputer"):
        MVAEImputer(**SMALL).fit(X).generate_masks(3)
    for n_rows in (0, -1, 2.0, "3"):
        with pytest.raises(SettingError, match="n_rows"):
            vsae.generate(n_rows)


def test_a_decoder_that_meets_the_mask_makes_whole_rows():
    rng = np.random.default_rng(0)
    u = rng.normal(size=(400, 1))
    X = np.hstack([50 + 10 * u, 5 - 2 * u]) + rng.normal(size=(400, 2)) * [4, 0.8]
    settings = {"hidden": (32,), "max_steps": 500, "n_members": 1, "random_state": 0}
    made = CVAEImputer(**settings).fit(X).generate(4000)
    assert np.corrcoef(made.T)[0, 1] == pytest.approx(np.corrcoef(X.T)[0, 1], abs=0.05)
    assert (np.abs(made.mean(0) - X.mean(0)) < 0.1 * X.std(0)).all()


def test_a_decoder_that_meets_the_seen_cells_makes_no_rows():
    model = CVAEImputer(condition="data", **SMALL).fit(some_table())
    with pytest.raises(SettingError, match="condition='mask', or VAEACImputer"):
        model.generate(3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "correlated"),
    [
        (MIWAEImputer(), True),
        (MVAEImputer(hide_share=0.0), True),
        (VSAEImputer(hide_share=0.0), True),
        (VAEACImputer(), False),
        (CVAEImputer(), True),
    ],
    ids=lambda part: type(part).__name__,
)
def test_moments_are_those_of_the_table(model, correlated):
    """Means 5 and -2, spreads 3 and 1, correlation 0.8.

    Columns that are hidden from the encoder while they are scored are learned as if there were
    less to know of them: models that hide get the columns right, and less of what they share.
    """
    rng = np.random.default_rng(0)
    u, e = rng.normal(size=(2, 1000, 1))
    X = np.hstack([5 + 3 * u, -2 + 0.8 * u + 0.6 * e])
    X[rng.random(X.shape) < 0.1] = np.nan
    settings = {"hidden": (32,), "max_steps": 1500, "n_members": 1, "repeats": "none"}
    made = model.set_params(**settings, random_state=0).fit(X).generate(20_000)
    np.testing.assert_allclose(made.mean(0), [5, -2], atol=0.5)
    np.testing.assert_allclose(made.std(0), [3, 1], rtol=0.25)
    if correlated:
        assert np.corrcoef(made.T)[0, 1] > 0.5


def test_masks_of_columns_that_never_vary_have_their_rate(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    X[:, 1] = 7.0
    X[rng.random(X.shape) < 0.4] = np.nan
    imputer = VSAEImputer(max_steps=5, hidden=(8,), random_state=0).fit(X)
    imputer.save(tmp_path / "m.halfseen")
    for one in (imputer, load(tmp_path / "m.halfseen")):
        rows, masks = one.generate(4000, return_mask=True)
        assert (rows[:, 1] == 7).all()
        assert abs(masks[:, 1].mean() - (1 - np.isnan(X[:, 1]).mean())) < 0.03


def test_constants_of_a_modality_are_seen_with_it_and_masks_come_by_modality():
    rng = np.random.default_rng(0)
    lab = rng.normal(size=(300, 3))
    lab[:, 1] = 7.0
    lab[rng.random(300) < 0.4] = np.nan
    data = {"lab": lab, "scan": rng.random((300, 1, 2, 2)).astype(np.float32)}
    imputer = VSAEImputer(max_steps=5, hidden=(8,), random_state=0).fit(data)
    rows, masks = imputer.generate(500, return_mask=True)
    assert {name: mask.shape for name, mask in masks.items()} == {
        "lab": (500, 3),
        "scan": (500, 1, 2, 2),
    }
    assert (rows["lab"][:, 1] == 7).all()
    assert imputer.whole_
    assert (masks["lab"] == masks["lab"][:, :1]).all()
    assert 0 < masks["lab"].mean() < 1


def test_constants_are_seen_with_those_whose_holes_they_share(tmp_path):
    """Of one block: always seen, never seen, seen with the first, and two seen by themselves."""
    rng = np.random.default_rng(0)
    n = 500
    hole, other = rng.random((2, n)) < [[0.4], [0.3]]
    constant = {"always": False, "never": True, "with": hole, "own": other, "its": other}
    frame = pd.DataFrame({"a": np.where(hole, np.nan, rng.normal(size=n))})
    for name, missing in constant.items():
        frame[name] = np.where(missing, np.nan, 3.0)
    frame["b"] = rng.normal(size=n)
    blocks = {"p": ["a", *constant]}
    settings = {"keep_empty_features": True, "max_steps": 60, "hidden": (8,), "random_state": 0}
    imputer = VSAEImputer(blocks=blocks, **settings).fit(frame)
    imputer.save(tmp_path / "m.halfseen")
    for one in (imputer, load(tmp_path / "m.halfseen")):
        masks = dict(zip(frame, one.generate_masks(4000).T, strict=True))
        assert masks["always"].all()
        assert not masks["never"].any()
        assert np.array_equal(masks["with"], masks["a"])
        assert np.array_equal(masks["own"], masks["its"])
        assert abs(masks["own"].mean() - 0.7) < 0.05
        assert not np.array_equal(masks["own"], masks["a"])


def test_files_of_earlier_versions_tie_columns_that_were_seen_as_often():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=300), "with": 3.0})
    frame["b"] = rng.normal(size=300)
    frame[rng.random(300) < 0.4] = np.nan
    frame["always"] = 2.0
    blocks = {"p": ["a", "with", "b", "always"]}
    imputer = VSAEImputer(blocks=blocks, hidden=(8,), max_steps=5, random_state=0).fit(frame)
    facts, tensors = imputer._state()
    assert imputer._weighs()
    del facts["companions"], facts["weighable"]
    imputer._set_state(facts, tensors)
    assert imputer.companions_.tolist() == [0, 0, 2, 3]
    # Groups were not weighed.
    assert not imputer._weighs()
    with pytest.raises(FileFormatError, match="companions"):
        imputer._set_state(facts | {"companions": [0, 4, 2, 3]}, tensors)


def test_masks_of_wide_modalities_have_the_tables_rates():
    """Two of 70 columns, that hide by what they share and by each other."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(400, 1))
    X = factor + 0.5 * rng.normal(size=(400, 140))
    first = rng.random(400) < 0.5
    second = rng.random(400) < np.where(first, 0.2, 0.8)
    s = np.repeat(np.stack([first, second], 1), 70, 1)
    blocks = {"a": [f"x{j}" for j in range(70)], "b": [f"x{j}" for j in range(70, 140)]}
    settings = {"hidden": (8,), "max_steps": 60, "n_members": 1, "random_state": 0}
    apart = []
    for match in (False, True):
        imputer = VSAEImputer(blocks=blocks, match_rates=match, **settings)
        made = imputer.fit(np.where(s, X, np.nan)).generate_masks(8000)[:, [0, 70]]
        correlation = np.corrcoef(made.T)[0, 1] - np.corrcoef(first, second)[0, 1]
        apart.append((np.abs(made.mean(0) - s[:, [0, 70]].mean(0)).max(), abs(correlation)))
    (rate, correlation), (matched, still) = apart
    assert matched < 0.02 < rate
    assert still < correlation + 0.02


def test_a_decoder_that_learned_from_the_mask_keeps_it():
    X = some_table()
    one, other = (
        VSAEImputer(decode_with_mask=True, match_rates=match, **SMALL).fit(X).generate(5)
        for match in (False, True)
    )
    assert same_bits(one, other)


def test_copied_holes_need_holes():
    with pytest.raises(SettingError, match="nothing to copy"):
        VAEACImputer(hide_pattern="copy", max_steps=2).fit(np.arange(20.0).reshape(10, 2))
