"""Draw what DMFA says of missing patches, as in Figures 2 and 4 of its paper, into docs/pictures.

For test pictures with a patch missing: what is seen (the patch is red), the truth, the mean of
MFA and of DMFA, draws, and then the parts of the law that DMFA says of one patch: its mean, its
factors and its noise, each spread over the range of grey.

    OMP_NUM_THREADS=1 python benchmarks/patches.py --data FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from halfseen.experiments.dmfa_task import SHORT, make_patches
from halfseen.experiments.pictures import draw_page
from halfseen.methods.dmfa import DMFADensity
from halfseen.methods.mfa import MFADensity

HERE = Path(__file__).resolve().parent
N_COLUMNS, N_DRAWS, N_FACTORS, N_COLOURS = 10, 3, 4, 64
TABLES = {"mnist": "digits", "fashion_mnist": "garments", "celeba_32": "faces"}
# Faces are not free to be passed on: ask for them by name, into a folder of your own.
USUAL = ("mnist", "fashion_mnist")
Pictures = dict[str, np.ndarray]


def main() -> None:
    """One page for each table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the pictures")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "pictures")
    parser.add_argument("--tables", nargs="*", choices=list(TABLES), default=list(USUAL))
    parser.add_argument("--max-steps", type=int, default=3000, help="steps of DMFA")
    parser.add_argument("--max-iter", type=int, default=20, help="steps of EM")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for table in args.tables:
        _page(table, args)


def _page(table: str, args: argparse.Namespace) -> None:
    task = make_patches(table, "patches", SHORT, args.seed, args.data)
    mixture = MFADensity(
        n_components=50, rank=6, n_starts=1, max_iter=args.max_iter, random_state=args.seed
    ).fit(task.train)
    network = DMFADensity(max_steps=args.max_steps, random_state=args.seed).fit(task.train)
    holed, truth = task.tests[task.side][:N_COLUMNS], task.truth[:N_COLUMNS]
    law = network.conditional(holed)
    draws = law.sample(N_DRAWS, random_state=args.seed)
    lines = [
        ("seen", holed),
        ("truth", truth),
        ("MFA: mean", mixture.conditional(holed).mean),
        ("DMFA: mean", law.mean),
        *((f"DMFA: draw {i + 1}", draw) for i, draw in enumerate(draws)),
        *_parts(law, holed),
    ]
    page = [(label, {TABLES[table]: pictures}) for label, pictures in lines]
    path = args.out / f"dmfa-{table}.png"
    draw_page(path, page)
    # A palette: a third of the bytes.
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(N_COLOURS)
    small.save(path, optimize=True)


def _parts(law: Any, holed: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Factors and noise of the most probable component; grey is 0 for factors, black for noise."""
    best = law.mixture.log_weights.argmax(1)
    rows = np.arange(len(holed))
    factor = law.mixture.law.factor[rows, best].numpy()
    noise = law.mixture.law.variance[rows, best].sqrt().numpy().reshape(holed.shape)
    hidden = np.isnan(holed)
    shown = []
    for i in range(min(N_FACTORS, factor.shape[-1])):
        picture = np.where(hidden, factor[..., i].reshape(holed.shape), 0.0)
        most = np.abs(picture).max((1, 2, 3), keepdims=True).clip(1e-9)
        shown.append((f"DMFA: factor {i + 1}", 0.5 + 0.5 * picture / most))
    noise = np.where(hidden, noise, 0.0)
    return [*shown, ("DMFA: noise", noise / noise.max((1, 2, 3), keepdims=True).clip(1e-9))]


if __name__ == "__main__":
    main()
