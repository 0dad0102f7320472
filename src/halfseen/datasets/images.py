"""Pictures from a local folder, as arrays that models of images take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.core.noise import RandomState, seed_from
from halfseen.core.words import closest
from halfseen.datasets.folders import data_folder, local_file
from halfseen.errors import FileFormatError, SettingError

__all__ = ["IMAGES", "Images", "binarize", "load_images"]

#: Height, width and, for colour, channels of the pictures in each file.
IMAGES: dict[str, tuple[int, ...]] = {
    "mnist": (28, 28),
    "fashion_mnist": (28, 28),
    "cifar10_10k": (32, 32, 3),
    "celeba_32": (32, 32, 3),
    "celeba_64": (64, 64, 3),
}
# Luma of ITU-R Recommendation BT.601.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures and labels of a training and a test part.

    Parameters
    ----------
    x_train, x_test : ndarray of shape (n, c, h, w)
        Pictures, float32 between 0 and 1.
    y_train, y_test : ndarray of int of shape (n,) or (n, attributes)
        Classes from 0; for faces, attributes that are 0 or 1.
    attributes : tuple of str
        Names of the columns of ``y``, where there are several.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    attributes: tuple[str, ...] = ()


def load_images(name: str, data: str | Path | None = None, *, grey: bool = False) -> Images:
    """Load pictures from a local file; nothing is downloaded.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10_10k", "celeba_32", "celeba_64"}
        Which pictures: digits and garments, 28 x 28 and grey, 60 000 to learn from and 10 000
        to test; things (10 classes) and faces (40 attributes), 32 x 32 in colour, 9 000 and
        1 000, or 64 x 64, 1 200 and 300. All in colour are subsets of CIFAR-10 and CelebA.
    data : str or Path, optional
        Where ``<name>.npz`` lies, itself or in ``images`` below it; by default the
        environment's HALFSEEN_DATA. The file holds uint8 arrays ``x_train``, ``x_test`` of
        shape (n, h, w) or (n, h, w, 3), integers ``y_train``, ``y_test``, and for faces the
        names ``attr_names``.
    grey : bool, default=False
        Whether to turn colour into one channel, 0.299 R + 0.587 G + 0.114 B (the luma of
        ITU-R BT.601). Grey pictures stay as they are.

    Returns
    -------
    Images

    Raises
    ------
    SettingError
        When there are no pictures of that name.
    FileNotFoundError
        When there is no local file.
    FileFormatError
        When the file does not hold these arrays.

    Examples
    --------
    >>> digits = load_images("mnist")  # doctest: +SKIP
    >>> digits.x_train.shape, digits.y_train.shape  # doctest: +SKIP
    ((60000, 1, 28, 28), (60000,))
    """
    if name not in IMAGES:
        raise SettingError(
            f"Got images {name!r}. Expected one of {list(IMAGES)}.{closest(str(name), IMAGES)}"
        )
    root = data_folder(data)
    path = local_file(root, "images", f"{name}.npz")
    if path is None:
        raise FileNotFoundError(
            f"No {name}.npz in {root} or {root / 'images'}. Set HALFSEEN_DATA to the folder that "
            "has it; images are not downloaded. The docstring of load_images says what the file "
            "holds."
        )
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    _check(name, arrays, path)
    return Images(
        _pictures(arrays["x_train"], grey),
        arrays["y_train"].astype(np.int64),
        _pictures(arrays["x_test"], grey),
        arrays["y_test"].astype(np.int64),
        tuple(arrays["attr_names"].tolist()) if "attr_names" in arrays else (),
    )


def binarize(x: Any, random_state: RandomState = 0) -> np.ndarray:
    """Draw black and white pixels, each white with its grey value as probability.

    Parameters
    ----------
    x : array-like of shape (n, c, h, w), or any other
        Grey values between 0 and 1, float; NaN where missing.
    random_state : int, RandomState, Generator or None, default=0
        Same seed, same draw: a test set is drawn once, a training set in every epoch anew.

    Returns
    -------
    ndarray of the shape and type of x
        0 or 1, and NaN where ``x`` is missing.

    Raises
    ------
    SettingError
        When values are no floats between 0 and 1.

    Examples
    --------
    >>> binarize(np.array([0.0, 1.0, np.nan]))
    array([ 0.,  1., nan])
    """
    grey = np.asarray(x)
    if grey.dtype.kind != "f" or (grey < 0).any() or (grey > 1).any():
        raise SettingError(
            f"Got an array of {grey.dtype} that is not a float between 0 and 1 everywhere. "
            "Expected grey values as probabilities: divide bytes by 255."
        )
    uniform = np.random.default_rng(seed_from(random_state)).random(grey.shape, np.float32)
    return np.where(np.isnan(grey), grey, (uniform < grey).astype(grey.dtype))


def _check(name: str, arrays: dict[str, np.ndarray], path: Path) -> None:
    """Whether a file holds pictures and as many labels."""
    for part in ("train", "test"):
        x, y = arrays.get(f"x_{part}"), arrays.get(f"y_{part}")
        if x is None or y is None:
            raise FileFormatError(
                f"Got arrays {sorted(arrays)} in {path}. Expected x_{part} and y_{part} too."
            )
        if x.dtype != np.uint8 or x.shape[1:] != IMAGES[name] or len(x) != len(y):
            raise FileFormatError(
                f"Got {x.dtype} pictures of shape {x.shape} and {len(y)} labels in {path}. "
                f"Expected uint8, (n, {', '.join(map(str, IMAGES[name]))}) and n labels."
            )


def _pictures(pixels: np.ndarray, grey: bool) -> np.ndarray:
    """Bytes (n, h, w) or (n, h, w, 3) as float32 (n, c, h, w) between 0 and 1."""
    x = pixels.astype(np.float32) / np.float32(255)
    if x.ndim == 3:
        return x[:, None]
    if grey:
        return np.minimum(x @ LUMA, np.float32(1))[:, None]
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
