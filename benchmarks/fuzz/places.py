"""Put awkward values at every place of the header of every saved model, signed, and load it.

Run as ``python benchmarks/fuzz/places.py [NAME ...]``, for some models or all of them. What loads
must answer. A line of figures goes to the results; what breaks a promise is printed.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fixtures"))

from hostile_models import pack, places, replaced, unpack  # noqa: E402
from write_models import data_for, read_tiny_table  # noqa: E402

import halfseen  # noqa: E402
from halfseen.errors import HalfseenError  # noqa: E402
from halfseen.experiments.runner import append_line, machine, versions  # noqa: E402

MODELS = ROOT / "tests" / "fixtures" / "models" / "format-1"
RESULTS = ROOT / "benchmarks" / "results" / "fuzz.jsonl"
VALUES = [10**12, 70_000, -1, 0, "x", None, [10**9], float("nan"), {}, "a/../../b", [[]], 2.5]
# Seconds of one core for a load, MiB that one may add to the peak, and GiB of address space.
SECONDS, MEBIBYTES, SPACE = 1.0, 300, 6


def cases(facts: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Places in a header: of a list, the first item stands for all."""
    for at, _ in places(facts):
        if at and not (isinstance(at[-1], int) and at[-1] > 0):
            yield at


def check(model: Any, data: Any) -> None:
    """An answer without NaN; seen cells as they were."""
    if model.card.task == "imputation":
        filled = model.transform(data)
        if hasattr(filled, "isna"):
            seen = data.notna().to_numpy()
            assert not filled.isna().to_numpy().any()
            assert (filled.to_numpy(object)[seen] == data.to_numpy(object)[seen]).all()
    else:
        verb = {"classification": "predict_proba", "regression": "predict"}
        answers = getattr(model, verb.get(model.card.task, "score_samples"))(data)
        assert np.isfinite(answers).all()


def attempt(path: Path, data: Any, *, ask: bool) -> str:
    """What becomes of one file: it is refused, answers, or breaks a promise."""
    peak, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        model = halfseen.load(path)
    except (HalfseenError, OSError):
        model = None
    took = time.process_time() - begun
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
    if took > SECONDS or grown > MEBIBYTES:
        return f"{took:.1f} seconds, {grown:.0f} MiB"
    if model is None:
        return "refused"
    try:
        if ask:
            check(model, data)
    except HalfseenError:
        return "no answer"
    return "loaded"


def try_model(name: str, what: str, table: Any, path: Path) -> Counter[str]:
    """All places and values of one model."""
    facts, tensors = unpack((MODELS / f"{name}.halfseen").read_bytes())
    data, counts = data_for(what, table), Counter[str]()
    for at in cases(facts):
        for value in VALUES:
            path.write_bytes(pack(replaced(facts, at, value), tensors))
            # As many draws as a user may ask for take their time.
            patient = str(at[-1]).endswith("_predict") and value == 70_000
            try:
                outcome = attempt(path, data, ask=not patient)
            except Exception:
                outcome = traceback.format_exc(limit=-1)
            known = outcome in ("refused", "loaded", "no answer")
            counts[outcome if known else "broken"] += 1
            if not known:
                print(name, at, repr(value)[:30], outcome, flush=True)
    return counts


def main() -> None:
    """Try all models, and write the figures."""
    warnings.simplefilter("ignore")
    answers = json.loads((MODELS / "answers.json").read_text(encoding="utf-8"))
    names = sys.argv[1:] or sorted(answers)
    table, _, _ = read_tiny_table(MODELS / "table.csv")
    for name in names:
        check(halfseen.load(MODELS / f"{name}.halfseen"), data_for(answers[name]["data"], table))
    resource.setrlimit(resource.RLIMIT_AS, (SPACE * 2**30, SPACE * 2**30))
    counts, begun = Counter[str](), time.time()
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            counts += try_model(name, answers[name]["data"], table, Path(folder) / "m")
    record = {
        "target": "places",
        "models": names,
        "tried": sum(counts.values()),
        "refused": counts["refused"],
        "loaded": counts["loaded"],
        "without_an_answer": counts["no answer"],
        "left": counts["broken"],
        "seconds": round(time.time() - begun),
    }
    print(record)
    append_line(RESULTS, record | {"machine": machine(), "versions": versions()})


if __name__ == "__main__":
    main()
