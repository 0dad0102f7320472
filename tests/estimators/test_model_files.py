"""Files of models: those of earlier versions, and how new ones are written."""

import errno
import json
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import halfseen
from halfseen.errors import SettingError
from halfseen.estimators import model_file

FIXTURES = Path(__file__).parents[1] / "fixtures"
sys.path.insert(0, str(FIXTURES))
from hostile_models import unpack  # noqa: E402
from write_models import answers, data_for, read_tiny_table  # noqa: E402

FOLDERS = sorted((FIXTURES / "models").iterdir())
SAVED = [path for folder in FOLDERS for path in sorted(folder.glob("*.halfseen"))]


def named(path):
    return f"{path.parent.name}-{path.stem}"


def assert_close(one, other):
    """Words are equal; numbers to 1e-6 of their size, as processors add floats in other orders."""
    if isinstance(other, list):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_close(first, second)
    elif isinstance(other, str):
        assert one == other
    else:
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore::halfseen.errors.AnswerQualityWarning")
@pytest.mark.parametrize("path", SAVED, ids=named)
def test_files_of_earlier_versions_answer_as_they_did(path):
    expected = json.loads((path.parent / "answers.json").read_text(encoding="utf-8"))[path.stem]
    table, _, _ = read_tiny_table(path.parent / "table.csv")
    model = halfseen.load(path)
    assert_close(answers(model, data_for(expected["data"], table)), expected["answers"])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_method_that_saves_has_a_file(folder):
    saving = {name for name, method in halfseen.all_methods().items() if method.card.saves}
    assert saving <= {path.stem for path in folder.glob("*.halfseen")}


@pytest.mark.filterwarnings("ignore::halfseen.errors.AnswerQualityWarning")
@pytest.mark.parametrize("path", SAVED, ids=named)
def test_files_written_again_say_the_same(path, tmp_path):
    model = halfseen.load(path)
    model.save(tmp_path / "one")
    again = halfseen.load(tmp_path / "one")
    again.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    facts, tensors = unpack(path.read_bytes())
    said = unpack((tmp_path / "two").read_bytes())
    # Settings that are younger than the file have their defaults.
    facts["params"] = said[0]["params"] | facts["params"]
    # Facts that are younger are what its version took for granted.
    facts["facts"] = said[0]["facts"] | facts["facts"]
    assert said == (facts, tensors)


def test_any_reader_of_safetensors_reads_the_tensors(tmp_path):
    model = halfseen.load(SAVED[0])
    model.save(tmp_path / "m")
    with safe_open(tmp_path / "m", framework="pt") as source:
        assert source.metadata()["format"] == "2"
        assert source.metadata()["version"] == halfseen.__version__
        state = model.model_.state_dict()
        assert set(source.keys()) == set(state)
        for name, tensor in state.items():
            np.testing.assert_array_equal(source.get_tensor(name), tensor)


@pytest.fixture
def model():
    return halfseen.MeanImputer().fit([[1.0, 2.0], [np.nan, 3.0]])


@pytest.mark.skipif(os.name != "posix", reason="Rights are those of POSIX.")
def test_a_model_has_the_rights_of_any_new_file_and_keeps_those_of_an_old_one(model, tmp_path):
    before = os.umask(0o027)
    try:
        model.save(tmp_path / "m")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o640
    (tmp_path / "m").chmod(0o604)
    model.save(tmp_path / "m")
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o604


def failing(code):
    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("os.fsync", errno.ENOSPC),
        ("os.fsync", errno.EIO),
        ("pathlib.Path.replace", errno.EACCES),
        ("pathlib.Path.open", errno.EROFS),
    ],
)
def test_what_cannot_be_written_names_the_target_and_leaves_it(
    model, tmp_path, monkeypatch, where, code
):
    target = tmp_path / "m"
    target.write_bytes(b"what was there")
    with monkeypatch.context() as patched:
        patched.setattr(where, failing(code))
        with pytest.raises(OSError, match=os.strerror(code)) as caught:
            model.save(target)
    assert caught.value.filename == str(target)
    assert target.read_bytes() == b"what was there"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("limit", ["MAX_HEADER", "MAX_FILE", "MAX_TENSORS"])
def test_what_could_not_be_read_again_is_not_written(model, tmp_path, monkeypatch, limit):
    monkeypatch.setattr(model_file, limit, 0)
    with pytest.raises(SettingError, match="could not be read again"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_model_that_learned_nan_is_not_written(model, tmp_path):
    model.statistics_[0] = np.nan
    with pytest.raises(SettingError, match="'statistics' has NaN"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())
