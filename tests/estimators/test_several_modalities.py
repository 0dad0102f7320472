"""Estimators on several modalities: fit, complete, draw, keep in a file."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import halfseen
from halfseen.errors import ColumnError
from halfseen.methods.constant import ModeImputer
from halfseen.methods.miwae import MIWAEImputer
from halfseen.methods.sup_miwae import SupMIWAEClassifier
from halfseen.methods.vae import VAEImputer
from halfseen.testing.tables import same_bits, some_frame

N = 40
WORDS = {"a", "small", "dog", "one", "cat"}


def some_modalities():
    """A table, pictures and texts; a quarter of each is absent."""
    rng = np.random.default_rng(0)
    lab = some_frame(N)
    lab.iloc[rng.random(N) < 0.25] = None
    picture = rng.random((N, 1, 6, 6)).astype(np.float32)
    picture[rng.random(N) < 0.25] = np.nan
    note = [["a small dog", "one cat"][i % 2] if rng.random() < 0.75 else None for i in range(N)]
    return {"lab": lab, "picture": picture, "note": note}


@pytest.fixture(scope="module")
def fitted():
    data = some_modalities()
    return MIWAEImputer(max_steps=30, n_importance_predict=50, random_state=0).fit(data), data


def check_complete(out, data):
    """Complete, in the containers of the data, and seen cells to the bit."""
    assert list(out) == list(data)
    assert out["lab"].dtypes.equals(data["lab"].dtypes)
    assert out["lab"].index.equals(data["lab"].index)
    assert not out["lab"].isna().any(axis=None)
    for name, column in data["lab"].items():
        seen = column.notna()
        assert out["lab"][name][seen].tolist() == column[seen].tolist()
    shown = ~np.isnan(data["picture"])
    assert out["picture"].dtype == np.float32
    assert same_bits(out["picture"][shown], data["picture"][shown])
    assert np.isfinite(out["picture"]).all()
    for new, old in zip(out["note"], data["note"], strict=True):
        assert new is old if old is not None else set(new.split()) <= WORDS


def test_absent_modalities_are_completed(fitted):
    imputer, data = fitted
    check_complete(imputer.transform(data), data)
    check_complete(imputer.quantile(data, 0.5), data)
    one, other = imputer.sample(data, n_draws=2)
    check_complete(one, data)
    assert not np.array_equal(one["picture"], other["picture"])
    assert np.isfinite(imputer.score_samples(data)).all()


def test_what_scikit_learn_asks(fitted):
    imputer, _ = fitted
    assert imputer.n_features_in_ == 7 + 36 + 3
    names = imputer.get_feature_names_out()
    assert [names[0], names[7], names[-1]] == ["lab.height", "picture.pixel[0,0,0]", "note[2]"]
    assert imputer.feature_names_in_.tolist() == names.tolist()
    assert not hasattr(clone(imputer), "codec_")


def test_a_modality_may_be_absent_in_all_rows(fitted):
    imputer, data = fitted
    out = imputer.transform(data | {"picture": None, "lab": None})
    assert out["picture"].shape == (N, 1, 6, 6)
    assert out["lab"].dtypes.equals(data["lab"].dtypes)
    assert not out["lab"].isna().any(axis=None)
    with pytest.raises(ColumnError, match="lacking"):
        imputer.transform({"lab": data["lab"], "note": data["note"]})


def test_rows_do_not_depend_on_their_neighbours(fitted):
    imputer, data = fitted
    some = {"lab": data["lab"][5:9], "picture": data["picture"][5:9], "note": data["note"][5:9]}
    alone, among = imputer.transform(some), imputer.transform(data)
    np.testing.assert_allclose(alone["picture"], among["picture"][5:9], rtol=1e-5)
    assert alone["note"] == among["note"][5:9]


def test_files(fitted, tmp_path):
    imputer, data = fitted
    imputer.save(tmp_path / "model.safetensors")
    loaded = halfseen.load(tmp_path / "model.safetensors")
    one, other = imputer.transform(data), loaded.transform(data)
    pd.testing.assert_frame_equal(one["lab"], other["lab"])
    assert same_bits(one["picture"], other["picture"])
    assert one["note"] == other["note"]


def test_kinds_reach_their_modality():
    data = some_modalities()
    kinds = {"note": {"kind": "text", "bag": True}, "lab": {"code": "count"}}
    imputer = ModeImputer(kinds=kinds)
    assert "code" not in kinds
    with pytest.raises(ColumnError, match="code"):
        imputer.fit(data | {"lab": data["lab"].assign(code=-1.5)})
    del kinds["lab"]
    out = ModeImputer(kinds=kinds).fit_transform(data)
    assert set(out["note"][data["note"].index(None)].split()) <= WORDS


def test_labels_of_modalities():
    data = some_modalities()
    y = np.where(np.arange(N) % 2, "dog", "cat")
    generator = MIWAEImputer(max_steps=5, n_importance_predict=20)
    model = SupMIWAEClassifier(generator=generator, max_steps=5, random_state=0).fit(data, y)
    assert model.predict_proba(data).shape == (N, 2)


def test_steps_of_features():
    """Voices and faces as the loaders of films give them, one of them with its mask."""
    rng = np.random.default_rng(0)
    voice = rng.normal(size=(N, 5, 3)).astype(np.float32)
    voice[::4] = np.nan
    data = {"voice": voice, "face": rng.normal(size=(N, 5, 2))}
    model = VAEImputer(max_steps=5, n_importance_predict=20, random_state=0).fit(data)
    out = model.transform(data)
    assert out["voice"].shape == (N, 5, 3)
    assert out["voice"].dtype == np.float32
    assert same_bits(out["voice"][1::4], voice[1::4])
    assert np.isfinite(out["voice"]).all()
    assert model.generate(2)["face"].shape == (2, 5, 2)
    holed, seen = halfseen.ampute(data, rate=0.5, by="block", random_state=0, return_mask=True)
    assert seen["voice"].shape == (N, 5, 3)
    np.testing.assert_array_equal(seen["face"], ~np.isnan(holed["face"]))
    with pytest.raises(ValueError, match="are taken as a modality"):
        VAEImputer().fit(data["face"])
