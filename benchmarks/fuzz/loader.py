"""Coverage-guided fuzzing of the loader of models, with atheris.

    python benchmarks/fuzz/loader.py CORPUS -max_total_time=300 -rss_limit_mb=4000

What it finds is written to ./findings-loader, once per place in the code.

An input is one of three: a whole file; a header for the tensors of a real model, signed; or places
in a real header and what is put there. What loads must answer: seen cells as they were, no NaN.
"""

import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import atheris

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "fixtures")]
with atheris.instrument_imports(
    include=["halfseen.core", "halfseen.tables", "halfseen.estimators"]
):
    import halfseen
    from halfseen.errors import HalfseenError

    halfseen.all_methods()

import numpy as np  # noqa: E402
from findings import keeping  # noqa: E402
from hostile_models import pack, places, removed, replaced, unpack  # noqa: E402
from write_models import data_for, read_tiny_table  # noqa: E402

MODELS = ROOT / "tests" / "fixtures" / "models" / "format-1"
# Of instrumented code, which takes its time.
SLOW = 2.0
TABLE, _, _ = read_tiny_table(MODELS / "table.csv")
KINDS = {
    name: one["data"] for name, one in json.loads((MODELS / "answers.json").read_text()).items()
}
SEEDS = {name: unpack((MODELS / f"{name}.halfseen").read_bytes()) for name in sorted(KINDS)}
PLACES = {name: [at for at, _ in places(facts) if at] for name, (facts, _) in SEEDS.items()}
PATH = Path(tempfile.mkdtemp()) / "model"
VALUES = [
    *(None, True, -1, 0, 1, 2, 10**9, 10**30, 0.5, float("nan"), float("inf")),
    *("", "x", "__class__", "/etc/passwd", "cpu", "meta", "torch.load"),
    *([], {}, [0], [[]], [1e300], {"pairs": [[1, 2]]}),
]


def mutated(provider: Any) -> tuple[bytes, str]:
    """A real model with some places of its header changed."""
    name = provider.PickValueInList(sorted(SEEDS))
    facts, tensors = SEEDS[name]
    for _ in range(provider.ConsumeIntInRange(1, 3)):
        at = provider.PickValueInList(PLACES[name])
        try:
            if provider.ConsumeBool():
                facts = replaced(facts, at, provider.PickValueInList(VALUES))
            elif provider.ConsumeBool():
                facts = replaced(facts, at, provider.ConsumeInt(8))
            elif provider.ConsumeBool():
                facts = replaced(facts, at, provider.ConsumeUnicode(20))
            else:
                facts = removed(facts, at)
        except (KeyError, IndexError, TypeError):
            continue
    return pack(facts, tensors), KINDS[name]


def as_file(data: bytes) -> tuple[bytes, str]:
    """The file that an input stands for, and the kind of table that its model would take."""
    provider = atheris.FuzzedDataProvider(data)
    kind = provider.ConsumeIntInRange(0, 3)
    if kind == 0:
        return provider.ConsumeBytes(provider.remaining_bytes()), "table"
    if kind == 1:
        name = provider.PickValueInList(sorted(SEEDS))
        text = provider.ConsumeBytes(provider.remaining_bytes()).decode("utf-8", "replace")
        return pack(text, SEEDS[name][1]), KINDS[name]
    return mutated(provider)


def check_answers(model: Any, data: Any) -> None:
    """Answers are whole and leave seen cells alone, or an error of ours says why there is none."""
    if model.card.task != "imputation":
        return
    try:
        filled = model.transform(data)
    except (HalfseenError, ValueError):
        return
    if isinstance(data, np.ndarray):
        seen = ~np.isnan(data)
        assert np.array_equal(filled[seen], data[seen])
        assert np.isfinite(filled).all()
    elif not isinstance(data, dict):
        seen = data.notna().to_numpy()
        assert not filled.isna().to_numpy().any()
        assert (filled.to_numpy(object)[seen] == data.to_numpy(object)[seen]).all()


def test_one(data: bytes) -> None:
    """One input."""
    content, what = as_file(data)
    PATH.write_bytes(content)
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = halfseen.load(PATH)
        except (HalfseenError, OSError):
            return
        finally:
            took = time.process_time() - begun
            assert took < SLOW, f"{took:.1f} seconds"
        check_answers(model, data_for(what, TABLE).copy())


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in SEEDS:
        halfseen.load(MODELS / f"{name}.halfseen")
    atheris.Setup(sys.argv, keeping(test_one, Path("findings-loader")))
    atheris.Fuzz()
