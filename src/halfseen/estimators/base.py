"""What every estimator shares: tables in, files; and what every imputer does: tables out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

import halfseen.estimators.parallel  # noqa: F401  (estimators are used in forked processes, too)
from halfseen.core.memory import reserving_table
from halfseen.core.noise import seed_from
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError, TrainingError
from halfseen.estimators.resuming import EVERY, resuming
from halfseen.tables.choice import Codec, codec_for
from halfseen.tables.codec import Encoded
from halfseen.training.settings import check_training

if TYPE_CHECKING:
    from halfseen.estimators.card import MethodCard

__all__ = ["BaseImputer", "TableEstimator", "inner_share", "positive_draws", "store"]


def store(estimator: BaseEstimator, arguments: dict[str, Any]) -> None:
    """Keep constructor arguments as attributes of the same name, and nothing else."""
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)


def positive_draws(n_draws: int) -> int:
    """The number of draws, once it is one."""
    if not isinstance(n_draws, (int, np.integer)) or n_draws < 1:
        raise SettingError(f"Got n_draws={n_draws!r}. Expected a positive whole number.")
    return int(n_draws)


def inner_share(q: Any) -> float:
    """The level of a quantile, once it is one."""
    if not isinstance(q, Real) or not 0 < float(q) < 1:
        raise SettingError(f"Got q={q!r}. Expected a number strictly between 0 and 1.")
    return float(q)


class TableEstimator(BaseEstimator, ABC):
    """An estimator that reads tables with holes, and can be kept in a file."""

    card: ClassVar[MethodCard]
    kinds: Any
    keep_empty_features: bool
    #: A setting of methods that have it: names of modalities and of their columns.
    blocks: Any = None

    codec_: Codec
    n_features_in_: int

    def _set_features(self) -> None:
        """Attributes that follow from the codec; also called after loading."""
        self.n_features_in_ = self.codec_.spec.n_columns
        if self.codec_.feature_names is not None:
            self.feature_names_in_ = np.asarray(self.codec_.feature_names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    @property
    def _spec(self) -> DataSpec:
        """The columns that vary, in the modalities that the user named."""
        return self.codec_.spec.with_blocks(self.blocks).subset(self._varying)

    @property
    def _varying(self) -> list[int]:
        """Places of the columns that vary; the others are filled with their constant."""
        columns = self.codec_.spec.columns
        return [j for j, column in enumerate(columns) if column.constant is None]

    def _encode(self, X: Any) -> Encoded:
        check_is_fitted(self, "codec_")
        return self.codec_.encode(X)

    def _full(self, varying: np.ndarray) -> np.ndarray:
        """Values of all columns from those of the columns that vary."""
        columns = self.codec_.spec.columns
        constants = [0.0 if c.constant is None else float(c.constant) for c in columns]
        out = np.tile(np.asarray(constants), (*varying.shape[:-1], 1))
        out[..., self._varying] = varying
        return out

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to one safetensors file, without pickle.

        Parameters
        ----------
        path : str or Path
            Where to; an existing file is replaced only once the new one is complete.
        """
        from halfseen.estimators.persistence import write_model

        check_is_fitted(self, "codec_")
        write_model(self, Path(path))

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a file must hold beside settings and codec: JSON facts and named tensors."""
        return {}, {}

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        """Inverse of :meth:`_state`."""

    def _parts(self) -> dict[str, TableEstimator]:
        """Fitted estimators inside this one; ``name_`` is the attribute that holds each."""
        return {}

    def __sklearn_tags__(self) -> Any:
        """Tags that tell scikit-learn that NaN is welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Whether fit has run."""
        return hasattr(self, "codec_")


class BaseImputer(TransformerMixin, TableEstimator):
    """A table with holes in, the same table completed out.

    Subclasses implement ``_fit_values`` and ``_complete`` on float64 arrays in data units in
    which columns that never vary are left out. Answers are asked for rows with holes alone.
    """

    seed_: int

    @abstractmethod
    def _fit_values(self, values: np.ndarray, spec: DataSpec) -> None:
        """Learn from values (n, p) with NaN where missing."""

    @abstractmethod
    def _complete(self, values: np.ndarray) -> np.ndarray:
        """Completed values of rows with holes (n, p), at least one of each."""

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = EVERY,
    ) -> Self:
        """Learn from a table with holes.

        Parameters
        ----------
        X : DataFrame (pandas, polars), pyarrow Table or array of shape (n, p)
            NaN or null is missing. Or images of shape (n, c, h, w), or a mapping from names to
            modalities of n rows each: tables, arrays, tensors, images, texts, and lists of
            arrays with None in rows where the modality is absent.
        y : ignored
            For scikit-learn's pipelines.
        checkpoint : str, Path or None, default=None
            A folder in which long training keeps its state, and from which a fit of the same
            data and settings that was killed goes on, to the same bits; needs a whole number as
            ``random_state``. Remove it when you have what you want.
        checkpoint_every : float, default=60
            Seconds of work that may be lost.

        Returns
        -------
        self

        Raises
        ------
        ColumnError
            When a column cannot be used; the message names it and the remedy.
        SettingError
            When ``checkpoint`` holds another fit, or a setting cannot be used.
        """
        check_training(self.get_params(deep=False))
        with resuming(self, X, None, checkpoint, checkpoint_every):
            self._fit_table(X)
        return self

    def _fit_table(self, X: Any) -> None:
        """Read the table, and learn from its cells."""
        codec = codec_for(X).fit(X, self.kinds, self.keep_empty_features)
        encoded = codec.encode(X)
        values, self.missing_share_ = encoded.values, encoded.missing.mean(0)
        self.codec_ = codec
        self._set_features()
        with reserving_table(*values.shape):
            self._fit_values(values[:, self._varying], self._spec)

    def transform(self, X: Any) -> Any:
        """Complete a table: one answer per missing cell.

        Parameters
        ----------
        X : DataFrame, pyarrow Table or array of shape (n, p), images, or modalities
            The columns of fit. A modality that no row has may be None.

        Returns
        -------
        same as X
            A new table; observed cells are bit-identical, and no NaN is left.

        Warns
        -----
        AnswerQualityWarning
            By methods that weigh importance samples: when the answers of more than a tenth of
            the rows with holes rest on fewer than 5 effective samples.
        """
        return self._completed(X, self._complete)

    def _completed(self, X: Any, complete: Callable[[np.ndarray], np.ndarray]) -> Any:
        """The table with what ``complete`` makes of the values (m, p) of its rows with holes."""
        encoded = self._encode(X)
        values = self._with_holes(encoded)
        return self._restored(X, encoded, complete(values) if values.size else values)

    def _drawn_tables(
        self,
        X: Any,
        n_draws: int,
        random_state: Any,
        draw: Callable[[np.ndarray, int, int], Iterable[np.ndarray]],
    ) -> list[Any]:
        """Several such tables; ``draw`` gets values, their number and a seed."""
        n_draws, encoded = positive_draws(n_draws), self._encode(X)
        values = self._with_holes(encoded)
        draws: Iterable[np.ndarray] = [values] * n_draws
        if values.size:
            seed = self.seed_ if random_state is None else seed_from(random_state)
            draws = draw(values, n_draws, seed)
        return [self._restored(X, encoded, drawn) for drawn in draws]

    def _with_holes(self, encoded: Encoded) -> np.ndarray:
        """Values of the rows with holes, in columns that vary; others are looked at, too."""
        values = encoded.values[:, self._varying]
        if values.size:
            self._check_cells(values)
        return values[encoded.missing.any(1)]

    def _check_cells(self, values: np.ndarray) -> None:
        """Refuse cells (n, p) that no row of the model could have."""

    def _restored(self, X: Any, encoded: Encoded, completed: np.ndarray) -> Any:
        """The table with the completed values of its rows with holes."""
        filled = self._full(encoded.values[:, self._varying])
        filled[encoded.missing.any(1)] = self._finite(self._full(completed))
        return self.codec_.restore(X, filled)

    def _finite(self, filled: np.ndarray) -> np.ndarray:
        """The values, once none of them is NaN: a hole must never pass for an answer."""
        broken = np.isnan(filled).any(0)
        if broken.any():
            names = [self.codec_.spec.names[j] for j in np.flatnonzero(broken)]
            raise TrainingError(
                f"The model has no finite answer for columns {names}. Expected numbers; look "
                "for extreme values there, lower lr, or fit again with another random_state."
            )
        return filled

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns, unchanged."""
        check_is_fitted(self, "codec_")
        from sklearn.utils.validation import _check_feature_names_in

        return _check_feature_names_in(self, input_features)

    def __sklearn_tags__(self) -> Any:
        """Tags that tell scikit-learn which types come back."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
