"""Whether a classifier can tell two samples apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binom
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from halfseen.core.noise import RandomState, seed_from
from halfseen.errors import SettingError
from halfseen.metrics.features import Features, feature_pair

__all__ = ["TwoSampleTest", "two_sample_test"]


@dataclass(frozen=True)
class TwoSampleTest:
    """What a classifier made of two samples.

    Parameters
    ----------
    accuracy : float
        Share of held-out rows whose sample was named correctly; near 0.5 if the samples cannot
        be told apart.
    p_value : float
        How probable this accuracy, or a better one, is for samples of one law.
    n_test : int
        Held-out rows.
    """

    accuracy: float
    p_value: float
    n_test: int


def two_sample_test(
    x: Any,
    y: Any,
    features: Features | None = None,
    classifier: Any = None,
    *,
    random_state: RandomState = 0,
    batch_size: int = 500,
) -> TwoSampleTest:
    r"""Test whether two samples have one law, by a classifier that tells held-out rows apart.

    .. math:: p = P(B \ge \hat c), \quad B \sim \mathrm{Binomial}(n_\mathrm{test}, \tfrac12)

    where :math:`\hat c` is the number of held-out rows that are named correctly.

    Parameters
    ----------
    x, y : array-like or Tensor of shape (n, ...) and (m, ...)
        Samples without holes: rows, or pictures. The longer one is cut to as many rows as the
        other has, by chance. Columns of two tables go by their names
        where all are text, and by their places otherwise.
    features : callable or Module, optional
        As in :func:`~halfseen.metrics.fid`; by default the cells themselves.
    classifier : scikit-learn classifier, optional
        A copy learns from half of the rows; by default the sqrt(n_train) nearest neighbours
        (made odd) of standardised features. A ``random_state`` that is None is drawn from the
        test's own.
    random_state : int, RandomState, Generator or None, default=0
        Same seed, same halves.
    batch_size : int, default=500
        How many rows go through ``features`` at a time.

    Returns
    -------
    TwoSampleTest
        ``accuracy``, ``p_value`` and ``n_test``.

    Raises
    ------
    SettingError
        When a sample has fewer than two rows, numbers of features or names of columns differ,
        or a value is NaN or beyond 1e100.

    Notes
    -----
    Lopez-Paz and Oquab (2017). Nearest neighbours see any difference of laws in few features;
    a linear classifier sees shifts only, but sees them in many. With tens of thousands of rows
    neighbours take minutes, and any difference becomes significant: read the accuracy then.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 300, 2))
    >>> two_sample_test(x, y).p_value > 0.05
    True
    >>> two_sample_test(x, y + 2.0).p_value < 1e-6
    True
    """
    first, second = feature_pair(x, y, features, batch_size)
    rng = np.random.default_rng(seed_from(random_state))
    n = min(len(first), len(second))
    rows = np.concatenate([rng.permutation(sample)[:n] for sample in (first, second)])
    labels = np.repeat([0, 1], n)
    # Halves of each sample, so that both are equally frequent in both.
    held_out = np.tile(np.arange(n) < n // 2, 2)
    model = _classifier(classifier, int(np.count_nonzero(~held_out)), rng)
    model.fit(rows[~held_out], labels[~held_out])
    right = int(np.count_nonzero(model.predict(rows[held_out]) == labels[held_out]))
    n_test = int(np.count_nonzero(held_out))
    return TwoSampleTest(right / n_test, float(binom.sf(right - 1, n_test, 0.5)), n_test)


def _classifier(given: Any, n_train: int, rng: np.random.Generator) -> Any:
    """A fresh classifier that leaves numpy's global random state alone."""
    if given is None:
        neighbours = int(np.sqrt(n_train))
        neighbours -= 1 - neighbours % 2
        return make_pipeline(StandardScaler(), KNeighborsClassifier(neighbours))
    if not (hasattr(given, "fit") and hasattr(given, "predict")):
        raise SettingError(
            f"Got classifier={given!r}. Expected a scikit-learn classifier, such as "
            "LogisticRegression()."
        )
    model = clone(given)
    unset = [
        name
        for name, value in sorted(model.get_params().items())
        if name.split("__")[-1] == "random_state" and value is None
    ]
    return model.set_params(**{name: int(rng.integers(2**31 - 1)) for name in unset})
