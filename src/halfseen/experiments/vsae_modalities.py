"""What the experiments on pictures, texts and features share: whole modalities are absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halfseen.datasets import Modalities
from halfseen.experiments.design import Row, Run
from halfseen.experiments.vsae_masks import mcar_mask
from halfseen.experiments.vsae_models import MODELS, OURS, Model, Outcome, outcome

__all__ = [
    "ModalTask",
    "Rows",
    "class_means",
    "errors_of",
    "fill",
    "hide",
    "make_modal_task",
    "means",
    "model_rows",
    "neighbours",
]

Rows = Mapping[str, Any]
N_NEIGHBOURS = 20


@dataclass(frozen=True, eq=False)
class ModalTask:
    """Rows of several modalities, some of them absent.

    Parameters
    ----------
    learn, test : mapping of str to ndarray or list
        Rows to learn from, those of validation last, and rows to complete. An absent modality
        is NaN in an array and None among texts.
    complete, truth : mapping of str to ndarray or list
        The same rows with nothing absent.
    s_learn, s_test : mapping of str to ndarray of bool of shape (n,)
        Where each modality is seen.
    y_learn, y_test : mapping of str to ndarray of shape (n,)
        The class of each modality, for oracles.
    settings : mapping
        Of models, where they are not the defaults.
    scales : mapping of str to ndarray of shape (p,)
        What features were divided by, 0 where a column does not vary.
    """

    learn: dict[str, Any]
    test: dict[str, Any]
    complete: dict[str, Any]
    truth: dict[str, Any]
    s_learn: dict[str, np.ndarray]
    s_test: dict[str, np.ndarray]
    y_learn: dict[str, np.ndarray]
    y_test: dict[str, np.ndarray]
    settings: Mapping[str, Any] = field(default_factory=dict)
    scales: Mapping[str, np.ndarray] = field(default_factory=dict)


def make_modal_task(
    data: Modalities, ratio: float, seed: int, settings: Mapping[str, Any]
) -> ModalTask:
    """Leave modalities out at random, once for all models.

    Parameters
    ----------
    data : Modalities
        Complete rows. Labels of shape (n, 2) are of the two modalities, those of shape (n,) of
        all of them.
    ratio : float
        Probability that a modality of a row is absent.
    seed : int
        Of the holes.
    settings : mapping
        Of models.

    Returns
    -------
    ModalTask
    """
    complete = {name: _joined(data.train[name], data.valid[name]) for name in data.train}
    names, y_learn = tuple(complete), np.concatenate([data.y_train, data.y_valid])
    truth = {name: data.test[name] for name in names}
    seen = mcar_mask(len(y_learn) + len(data.y_test), len(names), ratio, seed)
    s_learn, s_test = (
        {name: part[:, i] for i, name in enumerate(names)}
        for part in (seen[: len(y_learn)], seen[len(y_learn) :])
    )
    return ModalTask(
        hide(complete, s_learn),
        hide(truth, s_test),
        complete,
        truth,
        s_learn,
        s_test,
        _by_modality(names, y_learn),
        _by_modality(names, data.y_test),
        settings,
    )


def _joined(first: Any, second: Any) -> Any:
    return first + second if isinstance(first, list) else np.concatenate([first, second])


def _by_modality(names: tuple[str, ...], y: np.ndarray) -> dict[str, np.ndarray]:
    return {name: y[:, i] if y.ndim == 2 else y for i, name in enumerate(names)}


def hide(rows: Rows, s: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Rows whose absent modalities are NaN, or None where they are texts.

    Examples
    --------
    >>> hide({"t": ["a", "b"]}, {"t": np.array([True, False])})
    {'t': ['a', None]}
    """
    nothing = dict.fromkeys(rows)
    return fill(rows, nothing, s)


def fill(rows: Rows, guess: Rows, s: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Rows with a guess wherever a modality is absent; without one, with nothing.

    Parameters
    ----------
    rows : mapping of str to ndarray or list
        What is kept where a modality is seen.
    guess : mapping of str to array, list or None
        Of each modality, n rows.
    s : mapping of str to ndarray of bool of shape (n,)
        Where each is seen.
    """
    return {name: _either(values, guess[name], s[name]) for name, values in rows.items()}


def _either(values: Any, guess: Any, seen: np.ndarray) -> Any:
    if isinstance(values, list):
        spare = [None] * len(seen) if guess is None else guess
        return [a if keep else b for a, b, keep in zip(values, spare, seen, strict=True)]
    out = values.copy()
    out[~seen] = np.nan if guess is None else guess[~seen]
    return out


def errors_of(
    task: ModalTask, answer: Outcome, score: Callable[[ModalTask, Rows], dict[str, float]]
) -> dict[str, float]:
    """What a score says of several decodings and of one, without what it cannot say.

    Parameters
    ----------
    task : ModalTask
        With the truth.
    answer : Outcome
        Of a row.
    score : callable
        From the task and completed rows to errors by name.
    """
    found = score(task, answer.filled)
    if answer.single is not None:
        single = score(task, answer.single)
        found |= {f"{name}_single": value for name, value in single.items()}
    if answer.masks is not None:
        found["mask_rate"] = float(1 - answer.masks.mean())
    return {name: value for name, value in found.items() if not np.isnan(value)}


# ---- rows -------------------------------------------------------------------------------


def means(task: ModalTask, seed: int) -> Outcome:
    """The mean of each modality over the rows that show it; of texts the commonest one."""
    guess = {name: _repeat(_typical(rows, task.s_learn[name]), len(task.s_test[name]))
             for name, rows in task.learn.items()}  # fmt: skip
    return Outcome(fill(task.test, guess, task.s_test))


def _typical(rows: Any, chosen: np.ndarray) -> Any:
    """The mean of chosen rows, or their commonest text."""
    if isinstance(rows, list):
        texts = [rows[i] for i in np.flatnonzero(chosen)]
        return max(sorted(set(texts)), key=texts.count)
    return rows[chosen].mean(0, dtype=float).astype(rows.dtype)


def _repeat(value: Any, n: int) -> Any:
    return [value] * n if isinstance(value, str) else np.broadcast_to(value, (n, *value.shape))


def class_means(task: ModalTask, seed: int) -> Outcome:
    """The mean of each modality over complete rows of the true class: an oracle."""
    guess = {}
    for name, rows in task.complete.items():
        y = task.y_learn[name]
        typical = {label: _typical(rows, y == label) for label in np.unique(y)}
        chosen = [typical[label] for label in task.y_test[name]]
        guess[name] = chosen if isinstance(rows, list) else np.stack(chosen)
    return Outcome(fill(task.test, guess, task.s_test))


def neighbours(task: ModalTask, seed: int) -> Outcome:
    """The mean of the 20 nearest rows that show the absent modality beside the seen ones."""
    filled = dict(means(task, seed).filled)
    names = list(task.learn)
    seen = np.stack([task.s_test[name] for name in names], 1)
    for pattern in np.unique(seen[seen.any(1) & ~seen.all(1)], axis=0):
        rows = np.flatnonzero((seen == pattern).all(1))
        known = [name for name, there in zip(names, pattern, strict=True) if there]
        for name in names:
            if name not in known:
                _fill_nearest(task, filled, name, known, rows)
    return Outcome(filled)


def _fill_nearest(
    task: ModalTask, filled: dict[str, Any], name: str, known: list[str], rows: np.ndarray
) -> None:
    from sklearn.neighbors import NearestNeighbors

    donors = np.flatnonzero(np.all([task.s_learn[other] for other in [name, *known]], axis=0))
    if len(donors) < N_NEIGHBOURS:
        return
    scales = {other: _scale(task, other) for other in known}
    space = _points(task.learn, donors, scales)
    places = _points(task.test, rows, scales)
    search = NearestNeighbors(n_neighbors=N_NEIGHBOURS).fit(space)
    for row, near in zip(rows, search.kneighbors(places, return_distance=False), strict=True):
        chosen = np.zeros(len(task.s_learn[name]), dtype=bool)
        chosen[donors[near]] = True
        filled[name][row] = _typical(task.learn[name], chosen)


def _scale(task: ModalTask, name: str) -> Any:
    """The texts that occur; of numbers, one deviation for all of a picture, one a column else."""
    rows, seen = task.learn[name], task.s_learn[name]
    if isinstance(rows, list):
        return sorted({text for text in rows if text is not None})
    if rows.ndim > 2:
        return rows[seen].std()
    deviation = rows[seen].std(0)
    return np.where(deviation > 0, deviation, 1.0)


def _points(rows: Rows, places: np.ndarray, scales: Mapping[str, Any]) -> np.ndarray:
    """Some rows as points of one space, in which every modality counts by its own scale."""
    parts = [_flat(rows[name], places, scale) for name, scale in scales.items()]
    return np.concatenate(parts, 1)


def _flat(values: Any, places: np.ndarray, scale: Any) -> np.ndarray:
    if isinstance(values, list):
        return np.array([[values[i] == text for text in scale] for i in places], dtype=float)
    return (values[places] / scale).reshape(len(places), -1)


def model_rows(
    data: str, published: Callable[[str], Mapping[str, Mapping[str, float]]]
) -> tuple[Row, ...]:
    """A row for each model of the paper, and for those of ours.

    Parameters
    ----------
    data : {"numeric", "images"}
        What the paper's settings depend on.
    published : callable
        From the key of a model to its published values by metric.
    """
    theirs = (
        Row(model.key, model.title, _run(model, data), published=published(model.key))
        for model in MODELS
    )
    return (*theirs, *(Row(m.key, m.title, _run(m, data)) for m in OURS))


def _run(model: Model, data: str) -> Run:
    def run(task: ModalTask, seed: int) -> Outcome:
        rows = (task.learn, task.complete, task.test)
        return outcome(model, data, task.settings, rows, seed)

    return run
