"""Run the checks: all at once, or one by one under pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from unittest import SkipTest

from halfseen.errors import MissingDependencyError
from halfseen.testing.checks import CHECKS, SLOW_CHECKS

__all__ = ["check_incomplete_imputer", "parametrize_incomplete_checks"]

Expected = Callable[[Any], Mapping[str, str]]


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
    passed = []
    for check in CHECKS:
        if check in SLOW_CHECKS and not slow:
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

    Parameters
    ----------
    estimators : iterable of imputers
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
        for check in CHECKS:
            marks = [pytest.mark.slow] if check in SLOW_CHECKS else []
            if check.__name__ in failing:
                reason = failing[check.__name__]
                marks.append(pytest.mark.xfail(reason=reason, strict=True))
            name = f"{type(estimator).__name__}-{check.__name__}"
            cases.append(pytest.param(estimator, check, marks=marks, id=name))
    return pytest.mark.parametrize(("estimator", "check"), cases)
