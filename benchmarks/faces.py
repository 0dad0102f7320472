"""Draw clipped, completed and true faces: what not-MIWAE makes of pixels above a bar.

The faces may not be passed on, so that no such page is in docs/pictures.

    python benchmarks/faces.py --data FOLDER --out faces.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from halfseen import NotMIWAEImputer
from halfseen.experiments.notmiwae_celeba import SHORT, draw_faces, fit_faces, make_faces


def main() -> None:
    """Fit in the short budget and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the pictures")
    parser.add_argument("--out", type=Path, default=Path("faces.png"))
    parser.add_argument("--faces", type=int, default=8, help="how many")
    parser.add_argument("--max-steps", type=int, help="in place of the short budget's")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    task = make_faces("celeba_32", "clipping", SHORT, args.seed, args.data)
    changes = {} if args.max_steps is None else {"max_steps": args.max_steps}
    imputer = fit_faces(NotMIWAEImputer, task, args.seed, direction="high", **changes)
    some = slice(args.faces)
    draw_faces(imputer, task.x_test[some], task.truth[some], args.out)
    print(f"Written to {args.out}.")


if __name__ == "__main__":
    main()
