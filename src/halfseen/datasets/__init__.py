"""Tables to try things on: one that comes along, loaders for public ones, exact simulations.

Nothing is downloaded unless ``fetch=True`` is said.
"""

from __future__ import annotations

from halfseen.datasets.bundled import load_horse_colic, path_of
from halfseen.datasets.simulated import LinearGaussian, linear_gaussian
from halfseen.datasets.uci import UCI, data_folder, load_uci

__all__ = [
    "UCI",
    "LinearGaussian",
    "data_folder",
    "linear_gaussian",
    "load_horse_colic",
    "load_uci",
    "path_of",
]
