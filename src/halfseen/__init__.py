"""Learning from data that is only half seen.

Tables with holes in, completed tables, calibrated uncertainty and honest scores out.

>>> import pandas as pd
>>> from halfseen import MeanImputer
>>> MeanImputer().fit_transform(pd.DataFrame({"age": [30.0, None, 50.0]}))
    age
0  30.0
1  40.0
2  50.0
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from halfseen.core.version import VERSION as __version__

if TYPE_CHECKING:
    from halfseen.core.memory import limit_memory
    from halfseen.estimators.amputation import ampute
    from halfseen.methods import all_methods, load, method_by_name
    from halfseen.methods.ambient_gan import AmbientGAN
    from halfseen.methods.completed import CompletedClassifier, CompletedRegressor
    from halfseen.methods.constant import MeanImputer, MedianImputer, ModeImputer, ZeroImputer
    from halfseen.methods.convac import ConvAC
    from halfseen.methods.copula import GaussianCopulaImputer
    from halfseen.methods.dmfa import DMFADensity, DMFAImputer
    from halfseen.methods.expected import ExpectedClassifier, ExpectedRegressor
    from halfseen.methods.filled import FilledClassifier, FilledRegressor
    from halfseen.methods.gain import GAINImputer
    from halfseen.methods.gmm import GaussianImputer, GMMDensity, GMMImputer
    from halfseen.methods.hivae import HIVAEImputer
    from halfseen.methods.matrix_factorization import MatrixFactorizationImputer
    from halfseen.methods.mfa import MFADensity, MFAImputer
    from halfseen.methods.misgan import MisGAN
    from halfseen.methods.miwae import MIWAEImputer
    from halfseen.methods.mvae import MVAEImputer
    from halfseen.methods.not_miwae import NotMIWAEImputer
    from halfseen.methods.sup_miwae import SupMIWAEClassifier, SupMIWAERegressor
    from halfseen.methods.sup_not_miwae import SupNotMIWAEClassifier, SupNotMIWAERegressor
    from halfseen.methods.vae import AEImputer, CVAEImputer, VAEImputer
    from halfseen.methods.vaeac import VAEACImputer
    from halfseen.methods.vsae import VSAEImputer

__all__ = [
    "AEImputer",
    "AmbientGAN",
    "CVAEImputer",
    "CompletedClassifier",
    "CompletedRegressor",
    "ConvAC",
    "DMFADensity",
    "DMFAImputer",
    "ExpectedClassifier",
    "ExpectedRegressor",
    "FilledClassifier",
    "FilledRegressor",
    "GAINImputer",
    "GMMDensity",
    "GMMImputer",
    "GaussianCopulaImputer",
    "GaussianImputer",
    "HIVAEImputer",
    "MFADensity",
    "MFAImputer",
    "MIWAEImputer",
    "MVAEImputer",
    "MatrixFactorizationImputer",
    "MeanImputer",
    "MedianImputer",
    "MisGAN",
    "ModeImputer",
    "NotMIWAEImputer",
    "SupMIWAEClassifier",
    "SupMIWAERegressor",
    "SupNotMIWAEClassifier",
    "SupNotMIWAERegressor",
    "VAEACImputer",
    "VAEImputer",
    "VSAEImputer",
    "ZeroImputer",
    "__version__",
    "all_methods",
    "ampute",
    "limit_memory",
    "load",
    "method_by_name",
]


# Public names and where they live; loaded when asked for, so that importing is quick.
_HOMES = {
    "AEImputer": "halfseen.methods.vae",
    "AmbientGAN": "halfseen.methods.ambient_gan",
    "CVAEImputer": "halfseen.methods.vae",
    "CompletedClassifier": "halfseen.methods.completed",
    "CompletedRegressor": "halfseen.methods.completed",
    "ConvAC": "halfseen.methods.convac",
    "DMFADensity": "halfseen.methods.dmfa",
    "DMFAImputer": "halfseen.methods.dmfa",
    "ExpectedClassifier": "halfseen.methods.expected",
    "ExpectedRegressor": "halfseen.methods.expected",
    "FilledClassifier": "halfseen.methods.filled",
    "FilledRegressor": "halfseen.methods.filled",
    "GAINImputer": "halfseen.methods.gain",
    "GMMDensity": "halfseen.methods.gmm",
    "GMMImputer": "halfseen.methods.gmm",
    "GaussianCopulaImputer": "halfseen.methods.copula",
    "GaussianImputer": "halfseen.methods.gmm",
    "HIVAEImputer": "halfseen.methods.hivae",
    "MFADensity": "halfseen.methods.mfa",
    "MFAImputer": "halfseen.methods.mfa",
    "MIWAEImputer": "halfseen.methods.miwae",
    "MVAEImputer": "halfseen.methods.mvae",
    "MatrixFactorizationImputer": "halfseen.methods.matrix_factorization",
    "MeanImputer": "halfseen.methods.constant",
    "MedianImputer": "halfseen.methods.constant",
    "MisGAN": "halfseen.methods.misgan",
    "ModeImputer": "halfseen.methods.constant",
    "NotMIWAEImputer": "halfseen.methods.not_miwae",
    "SupMIWAEClassifier": "halfseen.methods.sup_miwae",
    "SupMIWAERegressor": "halfseen.methods.sup_miwae",
    "SupNotMIWAEClassifier": "halfseen.methods.sup_not_miwae",
    "SupNotMIWAERegressor": "halfseen.methods.sup_not_miwae",
    "VAEACImputer": "halfseen.methods.vaeac",
    "VAEImputer": "halfseen.methods.vae",
    "VSAEImputer": "halfseen.methods.vsae",
    "ZeroImputer": "halfseen.methods.constant",
    "all_methods": "halfseen.methods",
    "ampute": "halfseen.estimators.amputation",
    "limit_memory": "halfseen.core.memory",
    "load": "halfseen.methods",
    "method_by_name": "halfseen.methods",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'halfseen' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
