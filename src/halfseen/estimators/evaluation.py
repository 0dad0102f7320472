"""How well an imputer does on a user's own table: hide seen cells, predict them, compare."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.base import clone

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.estimators.blanks import blank, blank_modalities
from halfseen.tables.blocks import BlockCodec
from halfseen.tables.choice import Codec, codec_for
from halfseen.tables.codec import TableCodec
from halfseen.tables.text import TextCodec

__all__ = ["ColumnScore", "averages", "evaluate"]

# With more features than this each one is regressed on some of the others only.
MOST_FEATURES = 50
# Regressions of the round robin: 10 rounds up to 1000 features. Beyond the larger number it would
# take minutes and gigabytes, for the correlations of all pairs.
MOST_REGRESSIONS, MOST_COMPARED = 10_000, 2000


@dataclass(frozen=True)
class ColumnScore:
    """Errors on the hidden cells of one column, of the imputer and of two simple rivals.

    Errors of numbers are root mean square errors in standard deviations of the column's seen
    cells; errors of categories are shares of wrong cells. All are NaN where no cell of the
    column was hidden.

    Parameters
    ----------
    name, kind : str
        The column.
    n_missing : int
        Cells that the table itself lacks.
    n_hidden : int
        Seen cells that were hidden and predicted.
    ours : float
        Error of the imputer.
    constant : float
        Error of the mean, or of the most frequent category.
    iterative : float
        Error of scikit-learn's ``IterativeImputer`` on standardised numbers and indicators of
        categories. NaN where these are more than 2000 features.
    """

    name: str
    kind: str
    n_missing: int
    n_hidden: int
    ours: float
    constant: float
    iterative: float

    @property
    def measure(self) -> str:
        """What the errors are: ``"error / sd"`` or ``"error rate"``."""
        return "error rate" if self.kind in ("binary", "nominal", "ordered") else "error / sd"

    @property
    def errors(self) -> tuple[float, float, float]:
        """The three errors: ours, constant, iterative."""
        return self.ours, self.constant, self.iterative


def evaluate(
    estimator: Any,
    table: Any,
    share: float = 0.1,
    random_state: int = 0,
    *,
    by: Literal["cell", "block"] = "cell",
) -> list[ColumnScore]:
    """Hide some seen cells of a table, predict them, and compare with two simple rivals.

    Parameters
    ----------
    estimator : imputer
        A copy of it is fitted; it stays as it is.
    table : table of shape (n, p), images of shape (n, c, h, w), or mapping of str to modality
        What its ``fit`` takes. NaN, null or None is missing.
    share : float, default=0.1
        Share of the seen cells that is hidden in every column that varies.
    random_state : int, default=0
        Which cells are hidden.
    by : {"cell", "block"}, default="cell"
        Whether cells are hidden one by one (of texts, the whole), or modalities as a whole: those
        of a mapping, or of the estimator's ``blocks``. ``share`` is then one of their rows.

    Returns
    -------
    list of ColumnScore
        One a column, in order.

    Notes
    -----
    Cells are hidden at random, so this tells how well cells *like the seen ones* are predicted.
    Where cells are missing because of their own value, the missing ones may be predicted
    better or worse than this, and a method that models the reason is not rewarded for it.

    Examples
    --------
    >>> from halfseen import MeanImputer
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 1))
    >>> [first, second] = evaluate(MeanImputer(), np.hstack([x, 2 * x]))
    >>> first.n_hidden, first.measure, first.ours == first.constant
    (20, 'error / sd', True)
    >>> first.iterative < 0.5 * first.constant
    True
    >>> data = {"left": x, "right": np.hstack([2 * x, -x])}
    >>> [score.name for score in evaluate(MeanImputer(), data, by="block")]
    ['left.x0', 'right.x0', 'right.x1']
    """
    if not 0 < share < 1:
        raise SettingError(f"Got share={share!r}. Expected a number strictly between 0 and 1.")
    if by not in ("cell", "block"):
        raise SettingError(f"Got by={by!r}. Expected 'cell' or 'block'.")
    codec = codec_for(table).fit(table, estimator.kinds, estimator.keep_empty_features)
    encoded, spec = codec.encode(table), codec.spec
    whole = spec.with_blocks(estimator.blocks) if by == "block" else None
    units = _texts_and_columns(codec) if whole is None else [b.columns for b in whole.modalities]
    hidden = _hidden(encoded.values, units, share, np.random.default_rng(random_state))
    scored = hidden & [column.constant is None for column in spec.columns]
    if not scored.any():
        raise SettingError(
            f"Got share={share!r}, of which no column has a whole seen cell to hide. Expected a "
            "larger share or a larger table."
        )
    holed = np.where(hidden, np.nan, encoded.values)
    answers = (
        _answer(estimator, codec, _without(codec, table, hidden)),
        _constant(holed, spec),
        _iterative(holed, spec, random_state),
    )
    return _scores(spec, encoded.values, encoded.missing, scored, answers)


def averages(scores: Sequence[ColumnScore]) -> list[ColumnScore]:
    """Mean errors over numeric columns and over categorical ones, where there are any.

    Parameters
    ----------
    scores : sequence of ColumnScore
        What :func:`evaluate` returned.

    Returns
    -------
    list of ColumnScore
        At most two, whose kinds are ``numeric`` and ``nominal``.
    """
    rows = []
    for label, kind, measure in (
        ("mean of numbers", "numeric", "error / sd"),
        ("mean of categories", "nominal", "error rate"),
    ):
        some = [s for s in scores if s.measure == measure and s.n_hidden]
        if some:
            means = np.mean([score.errors for score in some], 0).tolist()
            counts = sum(s.n_missing for s in some), sum(s.n_hidden for s in some)
            rows.append(ColumnScore(label, kind, *counts, *means))
    return rows


def _texts_and_columns(codec: Codec) -> list[Sequence[int]]:
    """What is hidden one by one: columns that vary, and the columns of each text together."""
    parts = codec.parts if isinstance(codec, BlockCodec) else {}
    texts = [codec.places(name) for name, part in parts.items() if isinstance(part, TextCodec)]  # type: ignore[union-attr]
    inside = {j for text in texts for j in text}
    columns = enumerate(codec.spec.columns)
    alone = [[j] for j, column in columns if column.constant is None and j not in inside]
    return [*alone, *texts]


def _hidden(
    values: np.ndarray, units: Sequence[Sequence[int]], share: float, rng: np.random.Generator
) -> np.ndarray:
    """Cells to hide, bool of shape (n, p): those of some rows of each unit that show it."""
    hidden = np.zeros(values.shape, dtype=bool)
    for columns in units:
        seen = np.flatnonzero(~np.isnan(values[:, columns]).all(1))
        most = max(0, min(round(share * len(seen)), len(seen) - 1))
        hidden[np.ix_(rng.choice(seen, most, replace=False), np.asarray(columns))] = True
    return hidden & ~np.isnan(values)


def _without(codec: Codec, data: Any, hidden: np.ndarray) -> Any:
    if isinstance(codec, BlockCodec):
        return blank_modalities(codec, data, hidden)
    return blank(data, hidden.reshape(-1, *(codec.spec.shape or hidden.shape[1:])))


def _answer(estimator: Any, codec: Codec, holed: Any) -> np.ndarray:
    """Completed values (n, p) of a fitted copy, whose columns have the kinds of the codec."""
    fitted = clone(estimator).set_params(
        kinds=_kinds(codec, estimator.kinds), keep_empty_features=True
    )
    completed = fitted.fit(holed).transform(holed)
    return codec.encode(completed).values


def _kinds(codec: Codec, said: Any) -> Any:
    """Kinds as a user would say them, so that hiding cells changes no column's kind."""
    if isinstance(codec, TableCodec):
        return _pinned(codec)
    if not isinstance(codec, BlockCodec):
        return said
    kinds = dict(said or {})
    for name, part in codec.parts.items():
        if isinstance(part, TableCodec):
            found = _pinned(part)
            kinds[name] = next(iter(found.values())) if codec.is_single(name) else found
    return kinds


def _pinned(codec: TableCodec) -> dict[str, Any]:
    """The kind of every column of a table."""
    kinds: dict[str, Any] = {}
    for column in codec.spec.columns:
        said: dict[str, Any] = {"kind": column.kind}
        if column.categorical:
            said["levels"] = codec.levels[column.name]
        if column.kind == "bounded":
            said |= {"lower": column.lower, "upper": column.upper}
        kinds[column.name] = said
    return kinds


def _constant(holed: np.ndarray, spec: DataSpec) -> np.ndarray:
    """Mean or most frequent category in every hole."""
    out = holed.copy()
    for j, column in enumerate(spec.columns):
        seen = holed[~np.isnan(holed[:, j]), j]
        if column.categorical:
            fill = float(np.bincount(seen.astype(int), minlength=1).argmax())
        else:
            fill = _rounded(_moments(seen)[0], column.integer)
        out[np.isnan(out[:, j]), j] = fill
    return out


def _iterative(holed: np.ndarray, spec: DataSpec, seed: int) -> np.ndarray:
    """scikit-learn's round robin of ridge regressions on standardised numbers and indicators."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    blocks = [
        _indicators(holed[:, j], column.width) if column.categorical else _standard(holed[:, j])
        for j, column in enumerate(spec.columns)
    ]
    features = np.hstack(blocks)
    if features.shape[1] > MOST_COMPARED:
        return np.full_like(holed, np.nan)
    imputer = IterativeImputer(
        max_iter=min(10, MOST_REGRESSIONS // features.shape[1]),
        random_state=seed,
        keep_empty_features=True,
        n_nearest_features=MOST_FEATURES if features.shape[1] > MOST_FEATURES else None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        filled = imputer.fit_transform(features)
    return _read_back(filled, holed, spec)


def _read_back(features: np.ndarray, holed: np.ndarray, spec: DataSpec) -> np.ndarray:
    """From completed features to values and codes."""
    out = holed.copy()
    for j, column in enumerate(spec.columns):
        width = column.width - 1 if column.categorical else 1
        block, features = features[:, :width], features[:, width:]
        if column.categorical:
            answer: np.ndarray = np.column_stack([1 - block.sum(1), block]).argmax(1)
        else:
            mean, sd = _moments(holed[:, j])
            answer = _rounded(block[:, 0] * sd + mean, column.integer)
        out[:, j] = np.where(np.isnan(holed[:, j]), answer, holed[:, j])
    return out


def _indicators(codes: np.ndarray, width: int) -> np.ndarray:
    """One column a category but the first, all NaN where the cell is missing.

    With the first one each indicator would be one minus the others, and a round robin that
    predicts them from each other could never leave its first guess.
    """
    return np.where(np.isnan(codes)[:, None], np.nan, codes[:, None] == np.arange(1, width))


def _standard(values: np.ndarray) -> np.ndarray:
    mean, sd = _moments(values)
    # Differences of the largest floats would be infinite.
    return (values / sd - mean / sd)[:, None]


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the seen cells; 0 and 1 where these say nothing."""
    seen = values[~np.isnan(values)]
    if not len(seen):
        return 0.0, 1.0
    # In units of a power of two, an exact change, squares neither overflow nor vanish.
    unit = np.ldexp(1.0, int(np.frexp(np.abs(seen).max())[1]) - 1)
    return float(unit * (seen / unit).mean()), float(unit * (seen / unit).std()) or 1.0


def _rounded(values: Any, integer: bool) -> Any:
    return np.rint(values) if integer else values


def _scores(
    spec: DataSpec,
    truth: np.ndarray,
    missing: np.ndarray,
    hidden: np.ndarray,
    answers: Sequence[np.ndarray],
) -> list[ColumnScore]:
    scores = []
    for j, column in enumerate(spec.columns):
        where = hidden[:, j]
        errors = [
            _error(truth[:, j], answer[:, j], where, column.categorical) for answer in answers
        ]
        counts = int(missing[:, j].sum()), int(where.sum())
        scores.append(ColumnScore(column.name, column.kind, *counts, *errors))
    return scores


def _error(truth: np.ndarray, answer: np.ndarray, where: np.ndarray, categorical: bool) -> float:
    if not where.any():
        return float("nan")
    if categorical:
        return float((answer[where] != truth[where]).mean())
    sd = _moments(truth)[1]
    gap = answer[where] / sd - truth[where] / sd
    return float(np.sqrt((gap**2).mean()))
