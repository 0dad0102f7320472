"""Files of models: those of earlier versions, and how new ones are written."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import halfseen

FIXTURES = Path(__file__).parents[1] / "fixtures"
sys.path.insert(0, str(FIXTURES))
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
