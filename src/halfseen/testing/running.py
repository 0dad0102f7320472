"""Run the checks: all at once, or one by one under pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from unittest import SkipTest

from sklearn.base import is_classifier, is_regressor

from halfseen.errors import MissingDependencyError
from halfseen.methods import method_by_name
from halfseen.testing.checks import CHECKS, SLOW_CHECKS
from halfseen.testing.label_checks import LABEL_CHECKS, SLOW_LABEL_CHECKS

__all__ = [
    "check_incomplete_imputer",
    "check_incomplete_predictor",
    "parametrize_incomplete_checks",
    "small_estimator",
]

Expected = Callable[[Any], Mapping[str, str]]
Check = Callable[[Any], None]
SLOW = SLOW_CHECKS | SLOW_LABEL_CHECKS
FORGIVEN = "ignore::halfseen.errors.AnswerQualityWarning"


def small_estimator(method: type, **settings: Any) -> Any:
    """An unfitted estimator of this package that fits in well under a second.

    Parameters
    ----------
    method : class
        One of :func:`halfseen.all_methods`.
    **settings
        On top of those on its card, and of a generator that is smaller still.

    Examples
    --------
    >>> from halfseen import SupMIWAEClassifier
    >>> small_estimator(SupMIWAEClassifier, strategy="frozen").generator
    MIWAEImputer(hidden=(16,), max_steps=10, ...)
    """
    small = dict(method.card.check_params)  # type: ignore[attr-defined]
    name = getattr(method, "default_generator", None)
    if name is not None and "generator" not in settings:
        small["generator"] = small_estimator(method_by_name(name), max_steps=10)
    return method(**{**small, **settings})


def check_incomplete_imputer(estimator: Any, *, slow: bool = True) -> list[str]:
    """Check that an imputer keeps the promises that every method here makes.

    scikit-learn's own checks feed complete tables; these feed holes.

    Parameters
    ----------
    estimator : imputer
        Unfitted, with settings under which it fits in well under a second. It is not changed.
    slow : bool, default=True
        Whether the checks that take seconds run too.

    Returns
    -------
    list of str
        Names of the checks that passed; the others do not apply.

    Raises
    ------
    AssertionError
        At the first promise that is broken, with the name of its check.

    Examples
    --------
    >>> from halfseen import MeanImputer
    >>> passed = check_incomplete_imputer(MeanImputer(), slow=False)
    >>> "check_empty_rows" in passed
    True
    """
    return _run(estimator, CHECKS, slow)


def check_incomplete_predictor(estimator: Any, *, slow: bool = True) -> list[str]:
    """Check that a classifier or regressor of rows with holes keeps its promises.

    Parameters
    ----------
    estimator : classifier or regressor
        Unfitted, with settings under which it fits in well under a second. It is not changed.
    slow : bool, default=True
        Whether the checks that take seconds run too.

    Returns
    -------
    list of str
        Names of the checks that passed; the others do not apply.

    Raises
    ------
    AssertionError
        At the first promise that is broken, with the name of its check.

    Examples
    --------
    >>> from halfseen.methods.filled import FilledRegressor
    >>> model = small_estimator(FilledRegressor)
    >>> "check_unlabelled_rows" in check_incomplete_predictor(model, slow=False)
    True
    """
    return _run(estimator, LABEL_CHECKS, slow)


def _run(estimator: Any, checks: Iterable[Check], slow: bool) -> list[str]:
    passed = []
    for check in checks:
        if check in SLOW and not slow:
            continue
        try:
            check(estimator)
        except SkipTest:
            continue
        except AssertionError as error:
            error.add_note(f"{check.__name__} of {estimator!r}")
            raise
        passed.append(check.__name__)
    return passed


def parametrize_incomplete_checks(
    estimators: Iterable[Any], *, expected_failed_checks: Expected | None = None
) -> Any:
    """Pytest decorator: one test per estimator and check, slow ones marked ``slow``.

    Tiny estimators weigh few samples: warnings of the quality of their answers fail no check.

    Parameters
    ----------
    estimators : iterable of imputers, classifiers and regressors
        Unfitted.
    expected_failed_checks : callable, optional
        From an estimator to a mapping of names of checks to the reason why they fail; these
        become strict expected failures.

    Examples
    --------
    >>> from halfseen import MeanImputer
    >>> @parametrize_incomplete_checks([MeanImputer()])
    ... def test_promises(estimator, check):
    ...     check(estimator)
    """
    try:
        import pytest
    except ImportError as error:
        raise MissingDependencyError(
            "parametrize_incomplete_checks needs pytest; install halfseen[dev]."
        ) from error
    cases = []
    for estimator in estimators:
        failing = {} if expected_failed_checks is None else expected_failed_checks(estimator)
        predicts = is_classifier(estimator) or is_regressor(estimator)
        for check in LABEL_CHECKS if predicts else CHECKS:
            marks = [pytest.mark.filterwarnings(FORGIVEN)]
            if check in SLOW:
                marks.append(pytest.mark.slow)
            if check.__name__ in failing:
                reason = failing[check.__name__]
                marks.append(pytest.mark.xfail(reason=reason, strict=True))
            name = f"{type(estimator).__name__}-{check.__name__}"
            cases.append(pytest.param(estimator, check, marks=marks, id=name))
    return pytest.mark.parametrize(("estimator", "check"), cases)
