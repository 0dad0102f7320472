"""How wrong completed tables and probabilities are, by names that cannot be confused.

Everywhere ``s`` is the mask, 1 where a cell was seen; only missing cells are scored. "NRMSE"
alone is ambiguous between papers, so each version has its own function. Accuracies, log-losses,
Brier scores and calibration curves of classifiers are those of scikit-learn.
"""

from __future__ import annotations

from halfseen.metrics.distribution import (
    crps_draws,
    energy_distance,
    interval_coverage,
    interval_width,
)
from halfseen.metrics.modalities import mse_by_modality, rows_by_company
from halfseen.metrics.point import (
    error_rate,
    nrmse_by_feature,
    nrmse_pooled,
    nrmse_range,
    pfc,
    rmse,
)
from halfseen.metrics.probabilities import expected_calibration_error

__all__ = [
    "crps_draws",
    "energy_distance",
    "error_rate",
    "expected_calibration_error",
    "interval_coverage",
    "interval_width",
    "mse_by_modality",
    "nrmse_by_feature",
    "nrmse_pooled",
    "nrmse_range",
    "pfc",
    "rmse",
    "rows_by_company",
]
