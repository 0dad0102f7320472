"""sup-not-MIWAE: learn a label from rows whose cells are missing because of what they are.

supMIWAE with a model of why cells are missing: log w_k holds both log p(s | x) and, while
learning, log p(y | x). Where the mechanism is integrated out the head looks at cells drawn from
the exact p(x_j | z, s_j = 0), so that no sample is wasted on values that would have been seen.
"""

from __future__ import annotations

from typing import Any, ClassVar

from halfseen.errors import SettingError
from halfseen.estimators.card import MethodCard
from halfseen.estimators.generated import GeneratorEstimator
from halfseen.estimators.latent_labelled import LatentClassifier, LatentRegressor
from halfseen.methods import find_generator

__all__ = ["SupNotMIWAEClassifier", "SupNotMIWAERegressor"]

PAPER = "Ipsen, Mattei and Frellsen, ICLR 2021 and 2022"
CHECK_PARAMS = {
    "hidden": (16,),
    "max_steps": 25,
    "lr": 0.05,
    "average": 0.0,
    "n_importance": 4,
    "n_importance_predict": 20,
}


class _WithMechanism(GeneratorEstimator):
    """What the classifier and the regressor share: why cells are missing is in the weight."""

    def _check_generator(self, given: Any) -> None:
        super()._check_generator(given)
        if not given._scores_mask():
            own = type(self).__name__
            raise SettingError(
                f"Got generator={given!r}, whose weights hold no law of the mask. Expected one "
                "that models why cells are missing, such as NotMIWAEImputer(); take "
                f"{own.replace('SupNot', 'Sup')} for this one."
            )


class SupNotMIWAEClassifier(_WithMechanism, LatentClassifier):
    r"""Classify rows whose cells are missing because of what they are.

    .. math:: w_k = \frac{p(x_{obs} | z_k) p(s | x_{obs}, z_k) p(z_k)}{q(z_k | x_{obs}, s)},
        \quad x_{mis,k} \sim p(x_{mis} | z_k, s), \quad
        L_K = E \log \frac1K \sum_k w_k p(y | x_{obs}, x_{mis,k})

    Parameters
    ----------
    generator : str, path, imputer or None
        What completes rows; None takes "not-miwae" with its defaults. Pass
        ``NotMIWAEImputer(direction="high")`` if you know which values go missing. One without
        a law of the mask is refused.
    strategy, head, n_bins, add_indicator, hidden, activation, dropout, sampler, n_importance, \
n_importance_predict, class_weight, calibrate, validation_fraction, max_steps, batch_size, lr, \
schedule, patience, weight_decay, average, clip_norm, time_budget, kinds, \
keep_empty_features, random_state, device, verbose
        As in :class:`halfseen.SupMIWAEClassifier`.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        In the order of ``predict_proba``.
    generator_ : NotMIWAEImputer
        Fitted; ``generator_.mechanism_.summary()`` tells what was learned of the mechanism.
    history_ : list of dict
        One row per check of the head's training.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen import NotMIWAEImputer, SupNotMIWAEClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 1)) + 0.5 * rng.normal(size=(200, 2))
    >>> y = np.where(X.sum(1) > 0, "high", "low")
    >>> X[X[:, 0] > 0.5, 0] = np.nan
    >>> imputer = NotMIWAEImputer(direction="high", max_steps=50, n_members=1)
    >>> model = SupNotMIWAEClassifier(generator=imputer, max_steps=50, random_state=0).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 2)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="sup-not-miwae",
        summary="A classifier averaged over completions of not-MIWAE.",
        paper=PAPER,
        task="classification",
        mechanism="MNAR",
        check_params=CHECK_PARAMS,
    )

    default_generator: ClassVar[str] = "not-miwae"

    def _new_generator(self, name: str) -> Any:
        return find_generator(name, self)


class SupNotMIWAERegressor(_WithMechanism, LatentRegressor):
    r"""Predict a number for rows whose cells are missing because of what they are.

    See :class:`SupNotMIWAEClassifier` for the objective; p(y | x) is a Gaussian.

    Parameters
    ----------
    generator : str, path, imputer or None
        What completes rows; None takes "not-miwae" with its defaults. Pass
        ``NotMIWAEImputer(direction="high")`` if you know which values go missing. One without
        a law of the mask is refused.
    strategy, head, n_bins, add_indicator, hidden, activation, dropout, sampler, n_importance, \
n_importance_predict, calibrate, validation_fraction, max_steps, batch_size, lr, schedule, \
patience, weight_decay, average, clip_norm, time_budget, kinds, keep_empty_features, \
random_state, device, verbose
        As in :class:`halfseen.SupMIWAERegressor`.

    Attributes
    ----------
    generator_ : NotMIWAEImputer
        Fitted; ``generator_.mechanism_.summary()`` tells what was learned of the mechanism.
    history_ : list of dict
        One row per check of the head's training.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen import NotMIWAEImputer, SupNotMIWAERegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 1)) + 0.5 * rng.normal(size=(200, 2))
    >>> y = X.sum(1)
    >>> X[X[:, 0] > 0.5, 0] = np.nan
    >>> imputer = NotMIWAEImputer(direction="high", max_steps=50, n_members=1)
    >>> model = SupNotMIWAERegressor(generator=imputer, max_steps=50, random_state=0).fit(X, y)
    >>> model.predict(X[:2]).shape
    (2,)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="sup-not-miwae",
        summary="A regressor averaged over completions of not-MIWAE.",
        paper=PAPER,
        task="regression",
        mechanism="MNAR",
        check_params=CHECK_PARAMS,
    )

    default_generator: ClassVar[str] = "not-miwae"

    def _new_generator(self, name: str) -> Any:
        return find_generator(name, self)
