"""Run an experiment: ``python -m halfseen.experiments notmiwae-uci --quick --n-jobs 2``."""

from __future__ import annotations

import argparse

from halfseen.experiments import all_experiments, run


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m halfseen.experiments", description=__doc__)
    parser.add_argument("name", choices=sorted(all_experiments()))
    parser.add_argument("--quick", action="store_true", help="fewer seeds, shorter recipes")
    parser.add_argument("--out", help="file of JSON lines, appended to")
    parser.add_argument("--data", help="folder of the tables; default: HALFSEEN_DATA")
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--rows", nargs="+")
    parser.add_argument("--tables", nargs="+")
    parser.add_argument("--protocols", nargs="+")
    parser.add_argument("--n-jobs", type=int, default=1)
    run(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
