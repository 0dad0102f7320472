"""How wrong completed tables and probabilities are, by names that cannot be confused.

Everywhere ``s`` is the mask, 1 where a cell was seen; only missing cells are scored. "NRMSE"
alone is ambiguous between papers, so each version has its own function. Accuracies, log-losses,
Brier scores and calibration curves of classifiers are those of scikit-learn.

Samples as a whole, such as generated rows, are compared by :func:`fid`, :func:`kid`,
:func:`two_sample_test`, :func:`sliced_wasserstein` and :func:`energy_distance`.
"""

from __future__ import annotations

from halfseen.metrics.distribution import (
    crps_draws,
    energy_distance,
    interval_coverage,
    interval_width,
)
from halfseen.metrics.frechet import Moments, fid, frechet_distance, moments
from halfseen.metrics.inception import InceptionFeatures, inception_features
from halfseen.metrics.kernel_distance import KernelDistance, kid, kid_with_error
from halfseen.metrics.lenet import LENET_SHA256, LeNet, lenet_features
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
from halfseen.metrics.sliced import sliced_wasserstein
from halfseen.metrics.two_sample import TwoSampleTest, two_sample_test

__all__ = [
    "LENET_SHA256",
    "InceptionFeatures",
    "KernelDistance",
    "LeNet",
    "Moments",
    "TwoSampleTest",
    "crps_draws",
    "energy_distance",
    "error_rate",
    "expected_calibration_error",
    "fid",
    "frechet_distance",
    "inception_features",
    "interval_coverage",
    "interval_width",
    "kid",
    "kid_with_error",
    "lenet_features",
    "moments",
    "mse_by_modality",
    "nrmse_by_feature",
    "nrmse_pooled",
    "nrmse_range",
    "pfc",
    "rmse",
    "rows_by_company",
    "sliced_wasserstein",
    "two_sample_test",
]
