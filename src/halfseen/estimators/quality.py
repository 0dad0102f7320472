"""Warnings about answers that should not be trusted blindly."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from torch import Tensor

from halfseen.errors import AnswerQualityWarning

__all__ = ["warn_of_diagnostics", "warn_of_few"]

# Weighted samples that an answer needs, and the share of rows that may do without.
FEW, TOLERATED = 5, 0.1
# Above this shape of the weights' tail an average is not to be trusted.
PARETO_LIMIT = 0.7
ADVICE = "Raise n_importance_predict, and read these answers with care."


def warn_of_few(effective: Tensor, holed: Tensor, n_importance: int) -> None:
    """Warn if the answers of too many rows rest on a few of their importance samples.

    Parameters
    ----------
    effective : Tensor of shape (n,)
        Effective sample size of each row's weights.
    holed : bool Tensor of shape (n,)
        Rows with a missing cell; the answers of others need no samples.
    n_importance : int
        Samples of each row.

    Warns
    -----
    AnswerQualityWarning
        When more than a tenth of the rows with holes have fewer than 5 effective samples; once
        a call, in the name of the user's line.
    """
    n_holed, n_few = int(holed.sum()), int((holed & (effective < FEW)).sum())
    if n_few > TOLERATED * n_holed:
        _warn(
            f"The answers of {n_few} of {n_holed} rows with missing cells rest on fewer than "
            f"{FEW} effective samples, out of {n_importance} weighted ones"
        )


def warn_of_diagnostics(table: Any) -> None:
    """Warn if a table of diagnostics says that too many rows are not to be trusted.

    Parameters
    ----------
    table : DataFrame
        With columns ``n_missing``, ``pareto_k``, ``ess`` and ``outside``, a row per row.

    Warns
    -----
    AnswerQualityWarning
        When more than a tenth of the rows with holes share a trouble.
    """
    holes = table[table["n_missing"] > 0]
    if not len(holes):
        return
    troubles = {
        f"Pareto k above {PARETO_LIMIT}": (holes["pareto_k"] > PARETO_LIMIT).mean(),
        f"fewer than {FEW} effective samples": (holes["ess"] < FEW).mean(),
        "more than half of their imputed cells outside the seen range": (
            holes["outside"] > 0.5
        ).mean(),
    }
    said = [
        f"{share:.0%} of the rows have {what}"
        for what, share in troubles.items()
        if share > TOLERATED
    ]
    if said:
        _warn("; ".join(said))


def _warn(what: str) -> None:
    """A warning that points at the first line outside of this package and of scikit-learn."""
    level, frame = 1, sys._getframe()
    while frame is not None and _is_ours(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    warnings.warn(f"{what}. {ADVICE}", AnswerQualityWarning, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("halfseen", "sklearn")
