"""Draw what VSAE makes of pairs of pictures, and of pictures with texts, into docs/pictures.

Half of the modalities are absent. Rows: what is seen, the truth, the mean of the answers, single
draws of the latents; below, rows that the model generates.

    python benchmarks/pictures.py --data FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from halfseen import VSAEImputer
from halfseen.experiments import vsae_image_text, vsae_pairs
from halfseen.experiments.pictures import draw_modalities

HERE = Path(__file__).resolve().parent
N_ROWS, N_GENERATED = 10, 10


def main() -> None:
    """One page for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the pictures")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "pictures")
    parser.add_argument("--max-steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    words = ("mcar-0.5", vsae_pairs.SHORT, args.seed, args.data)
    for table in ("mnist", "fashion_mnist"):
        _draw(vsae_pairs.make_pairs(table, *words), args, f"pairs-{table}.png")
    words = ("mcar-0.5", vsae_image_text.SHORT, args.seed, args.data)
    _draw(vsae_image_text.make_image_text("mnist", *words), args, "image-text-mnist.png")


def _draw(task: Any, args: argparse.Namespace, name: str) -> None:
    imputer = VSAEImputer(
        observation="bernoulli", n_members=1, max_steps=args.max_steps, random_state=args.seed
    ).fit(task.learn)
    s = np.stack(list(task.s_test.values()))
    chosen = np.flatnonzero(s.sum(0) == 1)[:N_ROWS]
    holed, truth = (_some(rows, chosen) for rows in (task.test, task.truth))
    draw_modalities(imputer, holed, truth, args.out / name, n_draws=3, n_generated=N_GENERATED)


def _some(rows: dict[str, Any], places: np.ndarray) -> dict[str, Any]:
    return {
        name: [cells[i] for i in places] if isinstance(cells, list) else cells[places]
        for name, cells in rows.items()
    }


if __name__ == "__main__":
    main()
