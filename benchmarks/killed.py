"""Kill the command at random moments, resume it, and count what was lost.

python benchmarks/killed.py --kills 20

Every life of ``halfseen fit`` or ``train`` ends by SIGKILL after a random time, and the next one
goes on with --resume; the model that comes out at last must have the bits of one that was never
stopped. ``halfseen impute`` is killed too: OUT must be the old file or the new one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from halfseen.experiments.runner import append_line, machine, versions

EVERY = 0.5
TABLE = "horse_colic.csv"
# Command and options; each trains for some seconds.
COMMANDS = {
    "miwae": ("fit", "--method", "miwae", "--max-steps", "300"),
    "not-miwae": ("fit", "--method", "not-miwae", "--max-steps", "300"),
    "gmm": ("fit", "--method", "gmm"),
    "dmfa": ("fit", "--method", "dmfa", "--max-steps", "300"),
    "misgan": ("fit", "--method", "misgan", "--max-steps", "200"),
    "sup-miwae": ("train", "--target", "outcome", "--max-steps", "150"),
}


def main() -> None:
    """Kill each command, and write a line for each."""
    args = _arguments()
    rng = np.random.default_rng(args.seed)
    for name in args.methods:
        with tempfile.TemporaryDirectory() as folder:
            record = resumed(name, args.table, Path(folder), args.kills, rng)
        _write(args.out, record | {"seed": args.seed})
    with tempfile.TemporaryDirectory() as folder:
        record = replaced(args.table, Path(folder), args.kills, rng)
    _write(args.out, record | {"seed": args.seed})


def resumed(
    name: str, table: Path, folder: Path, n_kills: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Kill a fit until it has been killed often enough; whole fits begin anew meanwhile."""
    whole, seconds = folder / "whole.halfseen", time.monotonic()
    _command(name, table, whole).wait()
    seconds = life = time.monotonic() - seconds
    kills, models, equal, lost = 0, 0, 0, []
    model = folder / "m.halfseen"
    while kills < n_kills or (folder / "m.halfseen.checkpoint").exists():
        wait = rng.uniform(0.3, 1.0) * life if kills < n_kills else None
        anew = not (folder / "m.halfseen.checkpoint").exists()
        born, process = time.time(), _command(name, table, model, "--resume")
        if _dies(process, wait):
            kills += 1
            lost += _lost(folder / "m.halfseen.checkpoint", born)
        # Killed in the last moment: the model is there, and its checkpoint is gone.
        if model.exists() and not (folder / "m.halfseen.checkpoint").exists():
            models += 1
            # Under other work of the machine the first run may have been a slow one.
            life = min(life, time.time() - born) if anew else life
            equal += _same(whole, model)
            model.unlink()
    return {
        "what": f"halfseen {COMMANDS[name][0]}, killed and resumed",
        "method": name,
        "seconds": round(seconds, 1),
        "checkpoint_every": EVERY,
        "kills": kills,
        "models": models,
        "equal to one never stopped": equal,
        "lost models": models - equal,
        "median seconds lost": round(float(np.median(lost)), 2) if lost else None,
        "most seconds lost": round(max(lost), 2) if lost else None,
    }


def replaced(table: Path, folder: Path, n_kills: int, rng: np.random.Generator) -> dict[str, Any]:
    """Kill ``impute`` while it may write; what OUT was, or what it becomes."""
    out, old = folder / "out.csv", b"mine"
    words = ("impute", table, "-o", out, "--method", "mean", "--force")
    seconds = time.monotonic()
    _start(*words).wait()
    seconds, new = time.monotonic() - seconds, out.read_bytes()
    states = {"old": 0, "new": 0, "partial": 0}
    kills = 0
    while kills < n_kills:
        out.write_bytes(old)
        kills += _dies(_start(*words), rng.uniform(0.5, 1.1) * seconds)
        found = out.read_bytes()
        states["old" if found == old else "new" if found == new else "partial"] += 1
    return {"what": "halfseen impute, killed", "kills": kills, **states}


def _command(name: str, table: Path, model: Path, *more: str) -> subprocess.Popen[bytes]:
    command, *options = COMMANDS[name]
    every = ("--checkpoint-every", str(EVERY))
    return _start(command, table, "--save", model, *options, *every, *more)


def _start(*words: str | Path) -> subprocess.Popen[bytes]:
    code = "import sys; from halfseen.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _dies(process: subprocess.Popen[bytes], wait: float | None) -> bool:
    """Whether a process had to be killed."""
    try:
        code = process.wait(wait)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    if code:
        said = process.stderr.read().decode() if process.stderr else ""
        raise RuntimeError(f"The command failed with {code}: {said}")
    return False


def _lost(folder: Path, born: float) -> list[float]:
    """Seconds since the last writing of a life in which anything was written."""
    written = max((path.stat().st_mtime for path in folder.glob("stage-*")), default=0.0)
    return [time.time() - written] if written > born else []


def _same(first: Path, second: Path) -> bool:
    one, other = load_file(first), load_file(second)
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def _write(out: Path, record: dict[str, Any]) -> None:
    record |= {"versions": versions(), "machine": machine()}
    append_line(out, record)
    print(record, flush=True)


def _arguments() -> argparse.Namespace:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="*", default=list(COMMANDS))
    parser.add_argument(
        "--table", type=Path, default=here.parent / "src/halfseen/datasets/data" / TABLE
    )
    parser.add_argument("--out", type=Path, default=here / "results" / "killed.jsonl")
    return parser.parse_args()


if __name__ == "__main__":
    main()
