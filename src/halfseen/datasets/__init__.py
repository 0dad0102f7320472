"""Data to try things on: a table that comes along, loaders of public ones, exact simulations.

Nothing is downloaded unless ``fetch=True`` or ``full=True`` is said.
"""

from __future__ import annotations

from halfseen.datasets.bundled import load_horse_colic, path_of
from halfseen.datasets.captions import load_image_text
from halfseen.datasets.covertype import load_covertype
from halfseen.datasets.folders import data_folder
from halfseen.datasets.images import Images, binarize, load_images
from halfseen.datasets.modalities import Modalities
from halfseen.datasets.multimodal import load_mmmo, load_mosi, load_youtube
from halfseen.datasets.pairs import load_digit_pairs, load_mnist_svhn
from halfseen.datasets.simulated import LinearGaussian, linear_gaussian
from halfseen.datasets.toys import burger_posterior, make_toy
from halfseen.datasets.uci import UCI, load_uci

__all__ = [
    "UCI",
    "Images",
    "LinearGaussian",
    "Modalities",
    "binarize",
    "burger_posterior",
    "data_folder",
    "linear_gaussian",
    "load_covertype",
    "load_digit_pairs",
    "load_horse_colic",
    "load_image_text",
    "load_images",
    "load_mmmo",
    "load_mnist_svhn",
    "load_mosi",
    "load_uci",
    "load_youtube",
    "make_toy",
    "path_of",
]
