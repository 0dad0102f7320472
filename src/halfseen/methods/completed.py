"""Any scikit-learn classifier or regressor behind several completions of each row.

Multiple imputation for prediction: the estimator learns from draws of what missing cells may be,
and what it says of draws of a new row is averaged,

    p(y | x_obs) = E[p(y | x_obs, x_mis) | x_obs] ~ 1/R sum_r p(y | x_obs, x_mis,r).

This is supMIWAE's prediction with a frozen generator (Ipsen, Mattei and Frellsen, ICLR 2022) for
estimators that are no networks.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.utils.validation import check_is_fitted

from halfseen.core.masked import merge
from halfseen.errors import SettingError
from halfseen.estimators.base import positive_draws, store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.diagnosed import DiagnosedEstimator
from halfseen.estimators.labelled import IncompleteClassifier, IncompleteRegressor
from halfseen.estimators.latent import LatentImputer
from halfseen.methods import find_generator

__all__ = ["CompletedClassifier", "CompletedRegressor"]

CHECK_PARAMS = {"n_draws": 2}


class _Completed(DiagnosedEstimator):
    """What the classifier and the regressor share."""

    default_generator: ClassVar[str] = "miwae"

    estimator: Any
    n_draws: int

    def _new_generator(self, name: str) -> LatentImputer:
        return find_generator(name, self)

    @abstractmethod
    def _new_estimator(self) -> Any:
        """The estimator when none is given."""

    @abstractmethod
    def _constant(self) -> Any:
        """What stands for the estimator where all labels are equal."""

    @abstractmethod
    def _labels(self, y: np.ndarray) -> np.ndarray:
        """Encoded labels as the estimator is to see them."""

    def _learn(self, X: Any, y: np.ndarray) -> None:
        positive_draws(self.n_draws)
        self._fit_generator(X)
        values = self.codec_.encode(X).values
        self._choose_indicators(values)
        labelled = np.flatnonzero(~np.isnan(y))
        draws = self._draws(values[labelled], apart=True)
        labels = np.tile(self._labels(y[labelled]), len(draws))
        given = self._new_estimator() if self.estimator is None else clone(self.estimator)
        if len(np.unique(labels)) < 2:
            given = self._constant()
        if "random_state" in given.get_params() and given.get_params()["random_state"] is None:
            given.set_params(random_state=self.seed_)
        self.estimator_ = given.fit(np.concatenate(list(draws)), labels)

    def _draws(self, values: np.ndarray, *, apart: bool = False) -> np.ndarray:
        """Completed rows as features, and indicators: shape (n_draws, n, n_features).

        Equal rows have the same draws, unless they are ``apart`` to be learned from.
        """
        varying = values[:, self._varying]
        indicators = np.isnan(values[:, self.indicated_])
        shape = (self.n_draws, *indicators.shape)
        if not varying.shape[1]:
            return np.broadcast_to(indicators, shape).astype(float)
        source = self.generator_
        rows = source._rows(varying)
        answers = source._answers()
        draws, effective = answers.draws(rows, self.n_draws, self.seed_, apart=apart)
        source._warn_of_few(effective, rows)
        features = source.model_.observation.expand(merge(rows.x, draws, rows.s))
        numbers = features.double().cpu().numpy()
        return np.concatenate([numbers, np.broadcast_to(indicators, shape)], -1)

    def save(self, path: str | Path) -> None:
        """Refuse: a scikit-learn estimator cannot be kept in a file without pickle."""
        raise SettingError(
            f"{type(self).__name__} holds a scikit-learn estimator, which a safe file cannot "
            "keep. Save generator_ (an imputer), and keep estimator_ by a way that you trust."
        )


class CompletedClassifier(IncompleteClassifier, _Completed):
    """Any classifier, behind several completions of each row.

    Parameters
    ----------
    estimator : classifier or None
        With ``predict_proba``; it sees standardised numbers, indicators of categories, and
        which cells are missing. None takes gradient boosting.
    generator : str, path, imputer or None
        What completes rows, as in :class:`halfseen.SupMIWAEClassifier`; None takes "miwae".
        With a ``NotMIWAEImputer`` draws allow for why cells are missing.
    n_draws : int
        Completions of each row R, in fit and in prediction. The estimator learns from R times
        as many rows.
    add_indicator : bool
        Whether it is told which cells are missing.
    kinds : mapping or None
        Kinds of columns, for a generator that is made from a name.
    keep_empty_features : bool
        Whether columns without any observed value are kept, likewise.
    random_state : int, RandomState, Generator or None
        Same seed, same answer.
    device : str
        Where the generator's tensors live.
    verbose : bool
        Whether a progress bar is drawn on a terminal.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        In the order of ``predict_proba``.
    generator_, estimator_
        Fitted.

    Notes
    -----
    Rows without a label teach the generator alone. ``save`` is refused.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen import CompletedClassifier, MIWAEImputer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> y = np.where(X[:, 0] + X[:, 1] > 0, "high", "low")
    >>> X[::3, 1] = np.nan
    >>> imputer = MIWAEImputer(max_steps=50, n_members=1)
    >>> model = CompletedClassifier(generator=imputer, n_draws=3, random_state=0).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 2)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="completed",
        summary="Any classifier, averaged over several completions of each row.",
        paper="multiple imputation; prediction of Ipsen et al., ICLR 2022, with M2",
        task="classification",
        saves=False,
        check_params=CHECK_PARAMS,
    )

    class_weight = None

    def __init__(
        self,
        *,
        estimator: Any = None,
        generator: str | Path | LatentImputer | None = None,
        n_draws: int = 10,
        add_indicator: bool = True,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())

    def _new_estimator(self) -> Any:
        return HistGradientBoostingClassifier()

    def _constant(self) -> Any:
        return DummyClassifier()

    def _labels(self, y: np.ndarray) -> np.ndarray:
        return y.astype(int)

    def _averages(self, X: Any) -> np.ndarray:
        draws = self._draws(self._encode(X).values)
        seen = np.asarray(self.estimator_.classes_, dtype=int)
        out = np.zeros((draws.shape[1], len(self.classes_)))
        out[:, seen] = np.mean([self.estimator_.predict_proba(draw) for draw in draws], 0)
        return out

    def _answers_of_draws(self, X: Any, n_draws: int, seed: int) -> np.ndarray:
        draws = self._draws(self._encode(X).values)
        return np.stack([self.estimator_.predict_proba(draw) for draw in draws])


class CompletedRegressor(IncompleteRegressor, _Completed):
    """Any regressor, behind several completions of each row.

    Parameters
    ----------
    estimator : regressor or None
        It sees standardised numbers, indicators of categories, and which cells are missing,
        and predicts a standardised number. None takes gradient boosting.
    generator, n_draws, add_indicator, kinds, keep_empty_features, random_state, device, verbose
        As in :class:`CompletedClassifier`.

    Attributes
    ----------
    generator_, estimator_
        Fitted.
    residual_ : float
        Standard deviation of what the estimator leaves unexplained of rows held out of a fit, in
        standard deviations of the label; intervals are Gaussian with it.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen import CompletedRegressor, MIWAEImputer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> y = X.sum(1)
    >>> X[::3, 1] = np.nan
    >>> imputer = MIWAEImputer(max_steps=50, n_members=1)
    >>> model = CompletedRegressor(generator=imputer, n_draws=3, random_state=0).fit(X, y)
    >>> model.predict(X[:2]).shape
    (2,)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="completed",
        summary="Any regressor, averaged over several completions of each row.",
        paper="multiple imputation; prediction of Ipsen et al., ICLR 2022, with M2",
        task="regression",
        saves=False,
        check_params=CHECK_PARAMS,
    )

    def __init__(
        self,
        *,
        estimator: Any = None,
        generator: str | Path | LatentImputer | None = None,
        n_draws: int = 10,
        add_indicator: bool = True,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())

    def _new_estimator(self) -> Any:
        return HistGradientBoostingRegressor()

    def _constant(self) -> Any:
        return DummyRegressor()

    def _labels(self, y: np.ndarray) -> np.ndarray:
        return y

    def _learn(self, X: Any, y: np.ndarray) -> None:
        super()._learn(X, y)
        self.residual_ = self._held_out_residual(X, y)

    def _held_out_residual(self, X: Any, y: np.ndarray) -> float:
        """From a fit to four fifths of the labelled rows, by what it says of the others."""
        values = self.codec_.encode(X).values
        order = np.random.default_rng(self.seed_).permutation(np.flatnonzero(~np.isnan(y)))
        held, rest = np.split(order, [len(order) // 5])
        if not len(held) or len(np.unique(y[rest])) < 2:
            return 1.0
        draws = self._draws(values[rest], apart=True)
        model = clone(self.estimator_)
        model.fit(np.concatenate(list(draws)), np.tile(y[rest], len(draws)))
        predicted = np.mean([model.predict(draw) for draw in self._draws(values[held])], 0)
        return float(np.sqrt(np.mean((predicted - y[held]) ** 2)))

    def _averages(self, X: Any) -> np.ndarray:
        mu = self._answers_of_draws(X, self.n_draws, self.seed_)[..., 0].mean(0)
        return np.stack([mu, mu**2 + self.residual_**2], -1)

    def _answers_of_draws(self, X: Any, n_draws: int, seed: int) -> np.ndarray:
        check_is_fitted(self)
        mu = self._predicted(X)
        # The held-out residual is that of the mean over draws: it holds their spread already.
        mean = np.broadcast_to(mu.mean(0), mu.shape)
        return np.stack([mean, np.full(mu.shape, self.residual_)], -1)

    def _predicted(self, X: Any) -> np.ndarray:
        """What the estimator says of each draw, (n_draws, n)."""
        draws = self._draws(self._encode(X).values)
        return np.stack([self.estimator_.predict(draw) for draw in draws])
