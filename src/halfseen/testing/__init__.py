"""Public checks: what every estimator of incomplete tables promises, for yours as well as ours."""

from __future__ import annotations

from halfseen.testing.checks import CHECKS
from halfseen.testing.running import check_incomplete_imputer, parametrize_incomplete_checks

__all__ = ["CHECKS", "check_incomplete_imputer", "parametrize_incomplete_checks"]
