"""Method cards: what a method is, for lists, documents and the public checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MethodCard"]


@dataclass(frozen=True)
class MethodCard:
    """Facts about a method that lists and tests read.

    Parameters
    ----------
    name : str
        The name on the command line.
    summary : str
        One line.
    paper : str
        Where it comes from.
    task : {"imputation", "density", "classification", "regression"}
        What it is for.
    mechanism : {"MCAR", "MAR", "MNAR"}
        The weakest assumption about missingness under which it is meant to be right.
    draws : bool
        Whether ``sample`` gives multiple imputations.
    saves : bool
        Whether ``save`` can keep it in a safe file.
    check_params : mapping
        Tiny settings with which the public checks run in seconds.
    """

    name: str
    summary: str
    paper: str
    task: str = "imputation"
    mechanism: str = "MAR"
    draws: bool = True
    saves: bool = True
    check_params: Mapping[str, Any] = field(default_factory=dict)
