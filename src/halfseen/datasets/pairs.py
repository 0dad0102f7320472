"""Pairs of pictures: two digits that belong together, or one digit in two hands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from halfseen.core.noise import RandomState, seed_from
from halfseen.datasets.folders import data_folder, local_file
from halfseen.datasets.images import Images, load_images
from halfseen.datasets.modalities import Modalities, take, validation_rows
from halfseen.errors import FileFormatError, SettingError

__all__ = ["DIGIT_PAIRS", "load_digit_pairs", "load_mnist_svhn"]

#: Classes that belong together, the left one first.
DIGIT_PAIRS: tuple[tuple[int, int], ...] = ((0, 9), (1, 8), (2, 7), (3, 6), (4, 5))
_SAME_DIGIT = tuple((digit, digit) for digit in range(10))
_SVHN_HELP = (
    "The files are on Stanford's page 'The Street View House Numbers (SVHN) Dataset', as "
    "'Format 2: Cropped Digits'; they are not downloaded. Put train_32x32.mat and "
    "test_32x32.mat into the folder, or into images below it."
)


def load_digit_pairs(
    folder: str | Path | None = None,
    *,
    dataset: str = "mnist",
    n_train: int | None = None,
    n_test: int | None = None,
    validation_fraction: float = 0.2,
    random_state: RandomState = 0,
) -> Modalities:
    """Pair pictures of the classes (0, 9), (1, 8), (2, 7), (3, 6) and (4, 5) at random.

    Parameters
    ----------
    folder : str or Path, optional
        Where the pictures lie, see :func:`halfseen.datasets.load_images`.
    dataset : {"mnist", "fashion_mnist"}
        Digits, or garments of the same classes.
    n_train, n_test : int, optional
        Keep that many pairs of the training part (those of validation included) and of the
        test part; by default all.
    validation_fraction : float, default=0.2
        Share of the training pairs that goes to the validation part.
    random_state : int, RandomState, Generator or None, default=0
        Of the pairing, the order and the split.

    Returns
    -------
    Modalities
        "left" and "right", float32 (n, 1, 28, 28) between 0 and 1; labels (n, 2).

    Raises
    ------
    SettingError
        When there are no pictures of that name, or a number of pairs cannot be had.
    FileNotFoundError
        When there is no local file.

    Notes
    -----
    Every picture is in one pair at most; the surplus of the larger class of a pair is dropped.
    The training part of MNIST gives 29 071 pairs, split 23 257 and 5 814, its test part 4 832:
    the numbers of the VSAE paper.

    Examples
    --------
    >>> pairs = load_digit_pairs()  # doctest: +SKIP
    >>> pairs.train["left"].shape, pairs.y_train[0]  # doctest: +SKIP
    ((23257, 1, 28, 28), array([2, 7]))
    """
    if dataset not in ("mnist", "fashion_mnist"):
        raise SettingError(f"Got dataset={dataset!r}. Expected 'mnist' or 'fashion_mnist'.")
    images = load_images(dataset, folder)
    names = ("left", "right")
    return _paired(
        (images, images), names, DIGIT_PAIRS, (n_train, n_test), validation_fraction, random_state
    )


def load_mnist_svhn(
    folder: str | Path | None = None,
    *,
    n_train: int | None = None,
    n_test: int | None = None,
    validation_fraction: float = 0.2,
    random_state: RandomState = 0,
) -> Modalities:
    """Pair a handwritten digit with a house number of the same digit, at random.

    Parameters
    ----------
    folder : str or Path, optional
        Where ``mnist.npz``, ``train_32x32.mat`` and ``test_32x32.mat`` lie, themselves or in
        ``images`` below it; by default the environment's HALFSEEN_DATA.
    n_train, n_test : int, optional
        Keep that many pairs of the training part (those of validation included) and of the
        test part; by default all.
    validation_fraction : float, default=0.2
        Share of the training pairs that goes to the validation part.
    random_state : int, RandomState, Generator or None, default=0
        Of the pairing, the order and the split.

    Returns
    -------
    Modalities
        "mnist" (n, 1, 28, 28) and "svhn" (n, 3, 32, 32), float32 between 0 and 1; labels
        (n, 2), both the same digit.

    Raises
    ------
    FileNotFoundError
        When there is no local file; the message says whose page has it.
    FileFormatError
        When a file does not hold the arrays ``X`` (32, 32, 3, n) and ``y``.

    Notes
    -----
    Every picture is in one pair at most. The complete files give 56 068 training pairs, split
    44 854 and 11 214, and 10 000 test pairs: the numbers of the VSAE paper. In the files of
    SVHN the digit 0 has the label 10.

    Examples
    --------
    >>> pairs = load_mnist_svhn("images")  # doctest: +SKIP
    >>> pairs.train["svhn"].shape  # doctest: +SKIP
    (44854, 3, 32, 32)
    """
    root = data_folder(folder)
    images = (load_images("mnist", folder), _house_numbers(root))
    names = ("mnist", "svhn")
    return _paired(
        images, names, _SAME_DIGIT, (n_train, n_test), validation_fraction, random_state
    )


def _paired(
    images: tuple[Images, Images],
    names: tuple[str, str],
    classes: tuple[tuple[int, int], ...],
    counts: tuple[int | None, int | None],
    fraction: float,
    random_state: RandomState,
) -> Modalities:
    rng = np.random.default_rng(seed_from(random_state))
    labels = [(image.y_train, image.y_test) for image in images]
    places = [_places(labels[0][i], labels[1][i], classes, rng) for i in (0, 1)]
    train, test = (_first(place, count) for place, count in zip(places, counts, strict=True))
    rows = _rows(images, names, train, "train")
    y_train = _labels(labels[0][0], labels[1][0], train)
    kept, held = validation_rows(len(train), fraction, rng)
    return Modalities(
        take(rows, kept),
        take(rows, held),
        _rows(images, names, test, "test"),
        y_train[kept],
        y_train[held],
        _labels(labels[0][1], labels[1][1], test),
    )


def _places(
    left: np.ndarray,
    right: np.ndarray,
    classes: tuple[tuple[int, int], ...],
    rng: np.random.Generator,
) -> np.ndarray:
    """Places (n, 2) of pictures that are paired, in random order, each used once."""
    pairs = []
    for a, b in classes:
        some = (
            rng.permutation(np.flatnonzero(left == a)),
            rng.permutation(np.flatnonzero(right == b)),
        )
        count = min(map(len, some))
        pairs.append(np.stack([part[:count] for part in some], 1))
    return rng.permutation(np.concatenate(pairs))


def _first(places: np.ndarray, count: int | None) -> np.ndarray:
    if count is not None and not 0 < count <= len(places):
        raise SettingError(f"Got a request for {count} pairs. Expected 1 to {len(places)}.")
    return places[:count]


def _rows(
    images: tuple[Images, Images], names: tuple[str, str], places: np.ndarray, part: str
) -> dict[str, Any]:
    return {
        name: _floats(getattr(image, f"x_{part}")[column])
        for name, image, column in zip(names, images, places.T, strict=True)
    }


def _floats(x: np.ndarray) -> np.ndarray:
    return x if x.dtype == np.float32 else x.astype(np.float32) / np.float32(255)


def _labels(left: np.ndarray, right: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.stack([left[places[:, 0]], right[places[:, 1]]], 1)


def _house_numbers(root: Path) -> Images:
    """Pictures as bytes (n, 3, 32, 32): all of them as floats would fill a gigabyte."""
    parts = [_mat(root, f"{part}_32x32.mat") for part in ("train", "test")]
    return Images(*parts[0], *parts[1])


def _mat(root: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    from scipy.io import loadmat

    path = local_file(root, "images", name)
    if path is None:
        raise FileNotFoundError(f"No {name} in {root} or {root / 'images'}. {_SVHN_HELP}")
    try:
        arrays = loadmat(path, variable_names=["X", "y"])
    except ValueError as error:
        raise FileFormatError(f"Got {path}, which is no MATLAB file ({error}).") from error
    x, y = arrays.get("X"), arrays.get("y")
    if x is None or y is None or x.shape[:3] != (32, 32, 3) or x.shape[3] != y.size:
        shapes = {key: getattr(arrays.get(key), "shape", None) for key in ("X", "y")}
        raise FileFormatError(
            f"Got shapes {shapes} in {path}. Expected X (32, 32, 3, n) and n labels y. "
            f"{_SVHN_HELP}"
        )
    return np.ascontiguousarray(x.transpose(3, 2, 0, 1)), y.ravel().astype(np.int64) % 10
