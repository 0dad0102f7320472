"""Public checks: what every estimator of incomplete tables promises, for yours as well as ours."""

from __future__ import annotations

from halfseen.testing.checks import CHECKS
from halfseen.testing.label_checks import LABEL_CHECKS
from halfseen.testing.running import (
    check_incomplete_imputer,
    check_incomplete_predictor,
    parametrize_incomplete_checks,
    small_estimator,
)

__all__ = [
    "CHECKS",
    "LABEL_CHECKS",
    "check_incomplete_imputer",
    "check_incomplete_predictor",
    "parametrize_incomplete_checks",
    "small_estimator",
]
