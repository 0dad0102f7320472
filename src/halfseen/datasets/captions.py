"""Pictures with a short text that says what is on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from halfseen.core.noise import RandomState, seed_from
from halfseen.datasets.images import load_images
from halfseen.datasets.modalities import Modalities, take, validation_rows
from halfseen.errors import SettingError

__all__ = ["CAPTIONS", "load_image_text"]

#: The text of each class.
CAPTIONS: dict[str, tuple[str, ...]] = {
    "mnist": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "fashion_mnist": (
        "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
        "ankle boot",
    ),
}  # fmt: skip


def load_image_text(
    folder: str | Path | None = None,
    *,
    dataset: str = "mnist",
    n_train: int | None = None,
    n_test: int | None = None,
    validation_fraction: float = 0.2,
    random_state: RandomState = 0,
) -> Modalities:
    """Load pictures, each with the name of its class as a text.

    Parameters
    ----------
    folder : str or Path, optional
        Where the pictures lie, see :func:`halfseen.datasets.load_images`.
    dataset : {"mnist", "fashion_mnist"}
        Digits with "zero" to "nine", or garments with names such as "ankle boot".
    n_train, n_test : int, optional
        Keep that many of the training part (those of validation included) and of the test
        part, drawn at random; by default all.
    validation_fraction : float, default=0.2
        Share of the training rows that goes to the validation part.
    random_state : int, RandomState, Generator or None, default=0
        Of the draw and the split.

    Returns
    -------
    Modalities
        "image", float32 (n, 1, 28, 28) between 0 and 1, and "text", a list of str; labels (n,).

    Raises
    ------
    SettingError
        When there are no such pictures, or not as many.
    FileNotFoundError
        When there is no local file.

    Examples
    --------
    >>> pairs = load_image_text(dataset="fashion_mnist")  # doctest: +SKIP
    >>> pairs.train["image"].shape, pairs.train["text"][0]  # doctest: +SKIP
    ((48000, 1, 28, 28), 'ankle boot')
    """
    if dataset not in CAPTIONS:
        raise SettingError(f"Got dataset={dataset!r}. Expected one of {list(CAPTIONS)}.")
    images = load_images(dataset, folder)
    rng = np.random.default_rng(seed_from(random_state))
    train = _some(len(images.y_train), n_train, rng)
    test = _some(len(images.y_test), n_test, rng)
    kept, held = validation_rows(len(train), validation_fraction, rng)
    captions = np.array(CAPTIONS[dataset])
    rows = {"image": images.x_train, "text": captions[images.y_train].tolist()}
    others = {"image": images.x_test, "text": captions[images.y_test].tolist()}
    return Modalities(
        take(rows, train[kept]),
        take(rows, train[held]),
        take(others, test),
        images.y_train[train[kept]],
        images.y_train[train[held]],
        images.y_test[test],
    )


def _some(n_rows: int, count: int | None, rng: np.random.Generator) -> np.ndarray:
    if count is not None and not 0 < count <= n_rows:
        raise SettingError(f"Got a request for {count} pictures. Expected 1 to {n_rows}.")
    return np.sort(rng.permutation(n_rows)[:count])
