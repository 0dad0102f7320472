"""Features of people who speak in videos: words, voice and face."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from halfseen.core.noise import RandomState, seed_from
from halfseen.datasets.folders import data_folder, local_file
from halfseen.datasets.modalities import Modalities, take, validation_rows
from halfseen.errors import FileFormatError

__all__ = ["load_mmmo", "load_mosi", "load_youtube"]

MODALITIES = ("text", "audio", "video")
# What the publishers wrote where a feature could not be computed.
FILL = -255.0


def load_mosi(
    folder: str | Path | None = None,
    *,
    validation_fraction: float = 0.2,
    random_state: RandomState = 0,
) -> Modalities:
    """Load CMU-MOSI: 2 199 utterances of film reviewers, as vectors of features.

    Parameters
    ----------
    folder : str or Path, optional
        Where ``cmu_mosi_utterance.npz`` lies, itself or in ``multimodal`` below it; by default
        the environment's HALFSEEN_DATA. The file holds, for "train" and "test", ``text_*``
        (n, 100), ``audio_*`` (n, 73), ``video_*`` (n, 100), ``y_*`` and ``id_*``.
    validation_fraction : float, default=0.2
        Share of the training videos that goes to the validation part, which the file lacks. A
        video, and so its speaker, is in one part only.
    random_state : int, RandomState, Generator or None, default=0
        Of that split.

    Returns
    -------
    Modalities
        "text", "audio" and "video", float32 (n, p); labels 0 (negative) and 1 (positive).

    Raises
    ------
    FileNotFoundError
        When there is no local file.
    FileFormatError
        When the file does not hold these arrays.

    Notes
    -----
    Features of Poria et al. (2017), not the word-aligned ones of the Multimodal Factorization
    Model; data of Zadeh et al. (2016). 32 columns of "video" are constant in the training
    part; they are kept as they are.

    Examples
    --------
    >>> load_mosi().test["audio"].shape  # doctest: +SKIP
    (752, 73)
    """
    path, arrays = _arrays("cmu_mosi_utterance", folder)
    parts = {part: _part(arrays, part, MODALITIES, path) for part in ("train", "test")}
    _expect(arrays, ["id_train"], path)
    names = np.array([name.rsplit("_", 1)[0] for name in arrays["id_train"]])
    videos = np.unique(names)
    rng = np.random.default_rng(seed_from(random_state))
    _, held = validation_rows(len(videos), validation_fraction, rng)
    out = np.isin(names, videos[held])
    y = arrays["y_train"].astype(np.int64)
    return Modalities(
        take(parts["train"], np.flatnonzero(~out)),
        take(parts["train"], np.flatnonzero(out)),
        parts["test"],
        y[~out],
        y[out],
        arrays["y_test"].astype(np.int64),
    )


def load_mmmo(folder: str | Path | None = None) -> Modalities:
    """Load ICT-MMMO: 340 film reviews, as 20 steps of features each.

    Parameters
    ----------
    folder : str or Path, optional
        Where ``ict_mmmo.npz`` lies, itself or in ``multimodal`` below it; by default the
        environment's HALFSEEN_DATA. The file holds, for "train", "valid" and "test",
        ``audio_*`` (n, 20, 74), ``video_*`` (n, 20, 36) and ``y_*``, and ``text_*``
        (n, 20, 300) where that is known.

    Returns
    -------
    Modalities
        "audio" and "video", and "text" in the parts that have it, float32 (n, 20, p), in 220,
        40 and 80 rows; labels are ratings from 1 to 5.

    Raises
    ------
    FileNotFoundError
        When there is no local file.
    FileFormatError
        When the file does not hold these arrays.

    Notes
    -----
    Imputers take the parts as they are: every feature of every step is a column. Rows of "test"
    have the modality "text" besides, which a model of "train" does not know.

    Data of Woellmer et al. (2013), features of Zadeh et al. (2018). Where a voice feature could
    not be computed the file has -255; such cells are NaN here. ``text_train`` could not be
    obtained: a training part without it is returned without the key "text".

    Examples
    --------
    >>> reviews = load_mmmo()  # doctest: +SKIP
    >>> reviews.train["video"].shape, "text" in reviews.train  # doctest: +SKIP
    ((220, 20, 36), False)
    >>> from halfseen import MVAEImputer
    >>> imputer = MVAEImputer(random_state=0).fit(reviews.train)  # doctest: +SKIP
    >>> heard = {"audio": reviews.test["audio"], "video": None}  # doctest: +SKIP
    >>> imputer.transform(heard)["video"].shape  # doctest: +SKIP
    (80, 20, 36)
    """
    return _sequences("ict_mmmo", folder)


def load_youtube(folder: str | Path | None = None) -> Modalities:
    """Load the YouTube opinion corpus: 269 utterances, as 20 steps of features each.

    Parameters
    ----------
    folder : str or Path, optional
        Where ``youtube_opinion.npz`` lies; the file is like that of :func:`load_mmmo`.

    Returns
    -------
    Modalities
        "audio" and "video", and "text" in the parts that have it, float32 (n, 20, p), in 173,
        36 and 60 rows; labels are classes 0 to 2.

    Raises
    ------
    FileNotFoundError
        When there is no local file.
    FileFormatError
        When the file does not hold these arrays.

    Notes
    -----
    Data of Morency et al. (2011), features of Zadeh et al. (2018). ``text_train`` could not be
    obtained: a training part without it is returned without the key "text". Most steps are
    padding: zeros in every feature.

    Examples
    --------
    >>> load_youtube().test["text"].shape  # doctest: +SKIP
    (60, 20, 300)
    """
    return _sequences("youtube_opinion", folder)


def _sequences(name: str, folder: str | Path | None) -> Modalities:
    path, arrays = _arrays(name, folder)
    rows, labels = [], []
    for part in ("train", "valid", "test"):
        known = [m for m in MODALITIES if m != "text" or f"text_{part}" in arrays]
        rows.append(_part(arrays, part, known, path))
        y = arrays[f"y_{part}"]
        labels.append(y.astype(np.int64) if y.dtype.kind in "iu" else y)
    return Modalities(rows[0], rows[1], rows[2], *labels)


def _arrays(name: str, folder: str | Path | None) -> tuple[Path, dict[str, np.ndarray]]:
    root = data_folder(folder)
    path = local_file(root, "multimodal", f"{name}.npz")
    if path is None:
        raise FileNotFoundError(
            f"No {name}.npz in {root} or {root / 'multimodal'}. Set HALFSEEN_DATA to the folder "
            "that has it; it is not downloaded. The loader's docstring says what the file holds."
        )
    with np.load(path, allow_pickle=False) as file:
        return path, {key: file[key] for key in file.files}


def _part(
    arrays: Mapping[str, np.ndarray], part: str, names: tuple[str, ...] | list[str], path: Path
) -> dict[str, np.ndarray]:
    keys = [f"{name}_{part}" for name in names]
    _expect(arrays, [*keys, f"y_{part}"], path)
    rows = {name: arrays[key].astype(np.float32) for name, key in zip(names, keys, strict=True)}
    lengths = {key: len(arrays[key]) for key in [*keys, f"y_{part}"]}
    if len(set(lengths.values())) != 1:
        raise FileFormatError(f"Got rows {lengths} in {path}. Expected one number of rows.")
    for values in rows.values():
        values[values == FILL] = np.nan
    return rows


def _expect(arrays: Mapping[str, np.ndarray], keys: list[str], path: Path) -> None:
    absent = [key for key in keys if key not in arrays]
    if absent:
        raise FileFormatError(f"Got arrays {sorted(arrays)} in {path}. Expected {absent} too.")
