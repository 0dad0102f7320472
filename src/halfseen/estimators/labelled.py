"""The scikit-learn facade of classifiers and regressors whose rows have holes."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from halfseen.core.noise import seed_from
from halfseen.core.stored import member, whole
from halfseen.errors import SettingError, TrainingError
from halfseen.estimators.base import TableEstimator
from halfseen.estimators.label_quantiles import mixture_quantiles, quantile_levels
from halfseen.estimators.label_scores import check_lengths, score_of_known
from halfseen.estimators.resuming import EVERY, resuming
from halfseen.estimators.targets import ClassTarget, NumberTarget, Target
from halfseen.tables.blocks import count_rows
from halfseen.tables.containers import holds_modalities
from halfseen.tables.strangers import to_array
from halfseen.training.settings import check_training

__all__ = ["IncompleteClassifier", "IncompleteRegressor", "LabelEstimator"]

# Completions whose mixture gives the quantiles of a number.
N_QUANTILE_DRAWS = 400


class LabelEstimator(TableEstimator):
    """Base of what predicts a label; subclasses implement the three hooks."""

    #: What kind of label it is.
    target_class: ClassVar[type[Target]]

    add_indicator: bool
    random_state: Any
    target_: Target
    indicated_: list[int]
    #: Name of y where it had one, as a column of a data frame has.
    target_name_: str | None

    @abstractmethod
    def _learn(self, X: Any, y: np.ndarray) -> None:
        """Fit from a table and encoded labels (n,), NaN where unknown; sets ``codec_``."""

    @abstractmethod
    def _averages(self, X: Any) -> np.ndarray:
        """Moments of the predictive law, shape (n, n_moments)."""

    @abstractmethod
    def _answers_of_draws(self, X: Any, n_draws: int, seed: int) -> np.ndarray:
        """Parameters of the law under resampled completions, (n_draws, n, n_answers)."""

    def _choose_indicators(self, values: np.ndarray) -> None:
        """Columns of the table (n, p) whose holes are shown beside the features.

        Those of columns in which only one value was ever seen count too: there a hole may be
        all that tells of the others.
        """
        holes = np.isnan(values).any(0) if self.add_indicator else np.zeros(0, bool)
        self.indicated_ = [int(j) for j in np.flatnonzero(holes)]

    def _fit_target(
        self, X: Any, y: Any, target: Target, checkpoint: str | Path | None, every: float
    ) -> Self:
        check_training(self.get_params(deep=False))
        numbers = target.fit(y).encode(y)
        check_lengths(_n_rows(X), len(numbers))
        self.target_ = target
        name = getattr(y, "name", None)
        self.target_name_ = name if isinstance(name, str) else None
        self.seed_ = seed_from(self.random_state)
        with resuming(self, X, numbers, checkpoint, every):
            self._learn(X, numbers)
        return self

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts = {"target": self.target_.to_json(), "target_name": self.target_name_}
        return {"seed": self.seed_, **facts}, {}

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        self.seed_ = whole(facts, "seed", 0, 2**63)
        self.target_ = self.target_class.from_json(member(facts, "target"))
        self.target_name_ = member(facts, "target_name")

    def _finite(self, answers: np.ndarray) -> np.ndarray:
        """The answers, once none of them is NaN."""
        if not np.isfinite(answers).all():
            raise TrainingError(
                "The model has no finite answer for some rows. Look for extreme values in X, "
                "lower lr, or fit again with another random_state."
            )
        return answers


class IncompleteClassifier(ClassifierMixin, LabelEstimator):
    """Class probabilities for rows with holes."""

    target_class: ClassVar[type[Target]] = ClassTarget
    class_weight: Any
    target_: ClassTarget

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = EVERY,
    ) -> Self:
        """Learn from a table with holes and its classes.

        Parameters
        ----------
        X : DataFrame (pandas, polars), pyarrow Table or array of shape (n, p)
            NaN or null is missing.
        y : array-like of shape (n,)
            Classes of any type; rows where it is NaN or None are learned from as unlabelled,
            by methods that can.
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
        SettingError
            When there is no label at all, or not one per row; when ``checkpoint`` holds another
            fit.
        ColumnError
            When a column cannot be used; the message names it and the remedy.
        """
        target = ClassTarget(self.class_weight)
        return self._fit_target(X, y, target, checkpoint, checkpoint_every)

    @property
    def classes_(self) -> np.ndarray:
        """The classes, in the order of the columns of ``predict_proba``."""
        if not hasattr(self, "target_"):
            raise AttributeError("classes_ is known after fit.")
        return self.target_.classes

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.

        Returns
        -------
        array of shape (n, n_classes)
            Averaged over completions in the space of probabilities.
        """
        check_is_fitted(self)
        p = self._finite(np.asarray(self._averages(X), dtype=float))
        return p / p.sum(1, keepdims=True)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of :meth:`predict_proba`, at least that of the smallest float32."""
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float32).tiny))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, shape (n,)."""
        p = self.predict_proba(X)
        return self.classes_[p.argmax(1)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy over the rows that have a label; those without are left out.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        y : array-like of shape (n,)
            Classes; NaN or None where unknown.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows.

        Returns
        -------
        float

        Raises
        ------
        SettingError
            When no row has a label, or there is not one per row.
        """
        from sklearn.metrics import accuracy_score

        check_is_fitted(self)
        return score_of_known(accuracy_score, self.target_, y, self.predict(X), sample_weight)


class IncompleteRegressor(RegressorMixin, LabelEstimator):
    """A predictive law of a number for rows with holes."""

    target_class: ClassVar[type[Target]] = NumberTarget
    target_: NumberTarget

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = EVERY,
    ) -> Self:
        """Learn from a table with holes and a number per row.

        Parameters
        ----------
        X : DataFrame (pandas, polars), pyarrow Table or array of shape (n, p)
            NaN or null is missing.
        y : array-like of shape (n,)
            Numbers; rows where it is NaN are learned from as unlabelled, by methods that can.
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
        SettingError
            When there is no number at all, or not one per row; when ``checkpoint`` holds another
            fit.
        ColumnError
            When a column cannot be used; the message names it and the remedy.
        """
        return self._fit_target(X, y, NumberTarget(), checkpoint, checkpoint_every)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Mean of the predictive law.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        return_std : bool, default=False
            Whether its standard deviation is returned too.

        Returns
        -------
        array of shape (n,), or a pair of them
            In the units of y.
        """
        check_is_fitted(self)
        first, second = self._finite(np.asarray(self._averages(X), dtype=float)).T
        mean = first * self.target_.scale + self.target_.shift
        if not return_std:
            return mean
        return mean, np.sqrt(np.maximum(second - first**2, 0.0)) * self.target_.scale

    def predict_quantile(self, X: Any, q: float | list[float]) -> np.ndarray:
        """Quantiles of the predictive law: a mixture over 400 resampled completions.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        q : float or list of float
            In (0, 1).

        Returns
        -------
        array of shape (n,) or (n, len(q))
            In the units of y.

        Raises
        ------
        SettingError
            When ``q`` is no such number or list of them.
        """
        check_is_fitted(self)
        levels = quantile_levels(q)
        answers = self._answers_of_draws(X, N_QUANTILE_DRAWS, self.seed_)
        standard = mixture_quantiles(answers[..., 0], answers[..., 1], levels)
        out = self._finite(standard) * self.target_.scale + self.target_.shift
        return out[:, 0] if np.ndim(q) == 0 else out

    def predict_interval(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Central interval of the predictive law.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        coverage : float, default=0.9
            Share of labels that are to lie within.

        Returns
        -------
        array of shape (n, 2)
            Lower and upper ends, in the units of y.
        """
        if not 0 < coverage < 1:
            raise SettingError(f"Got coverage={coverage!r}. Expected a number between 0 and 1.")
        return self.predict_quantile(X, [(1 - coverage) / 2, (1 + coverage) / 2])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R squared over the rows that have a label; those without are left out.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        y : array-like of shape (n,)
            Numbers; NaN or None where unknown.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows.

        Returns
        -------
        float

        Raises
        ------
        SettingError
            When no row has a label, or there is not one per row.
        """
        from sklearn.metrics import r2_score

        check_is_fitted(self)
        return score_of_known(r2_score, self.target_, y, self.predict(X), sample_weight)


def _n_rows(X: Any) -> int:
    """Rows of any table, or of modalities."""
    if holds_modalities(X):
        return count_rows(X)
    shape = getattr(X, "shape", None) or to_array(X).shape
    return int(shape[0]) if shape else 1


def as_numpy(tensor: Tensor) -> np.ndarray:
    """Answers on the processor, in float64."""
    return tensor.double().cpu().numpy()
