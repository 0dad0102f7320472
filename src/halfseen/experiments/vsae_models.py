"""The models of the VSAE paper, as rows that all of its experiments share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from halfseen.experiments.vsae_published import LABELS
from halfseen.methods.mvae import MVAEImputer
from halfseen.methods.vae import AEImputer, CVAEImputer, VAEImputer
from halfseen.methods.vaeac import VAEACImputer
from halfseen.methods.vsae import VSAEImputer

__all__ = ["MODELS", "N_DECODINGS", "OURS", "Model", "Outcome", "decoded", "outcome"]

N_DECODINGS = 20
GENERATED_ROWS = 10_000


@dataclass(frozen=True)
class Model:
    """A row of the paper's tables.

    Parameters
    ----------
    key : str
        As in :mod:`halfseen.experiments.vsae_published`.
    make : callable
        From "numeric", "categorical" or "images", and settings, to an imputer that takes tables
        and dicts of arrays.
    complete : bool, default=False
        Whether it learns from complete rows, as the paper has it for two models.
    masks : bool, default=False
        Whether it generates masks.
    label : str, default=""
        What the row is called where the paper has no name for it.
    """

    key: str
    make: Callable[..., Any]
    complete: bool = False
    masks: bool = False
    label: str = ""

    @property
    def title(self) -> str:
        """What the row is called."""
        return self.label or LABELS[self.key]


#: One line a model of the paper, in its settings; every experiment has a row for each.
MODELS: tuple[Model, ...] = (
    Model("ae", AEImputer.published),
    Model("vae", VAEImputer.published),
    Model("cvae-mask", CVAEImputer.published),
    Model("mvae", MVAEImputer.published),
    Model("vsae", VSAEImputer.published, masks=True),
    Model("cvae-data", partial(CVAEImputer.published, condition="data"), complete=True),
    Model("vaeac", VAEACImputer.published, complete=True),
)


def _ours(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method at its defaults, whatever the data are."""
    return lambda data, **settings: method(**settings)


#: The same methods at our defaults, all of which learn from incomplete rows.
OURS: tuple[Model, ...] = (
    Model("ours-ae", _ours(AEImputer), label="ours: AE"),
    Model("ours-vae", _ours(VAEImputer), label="ours: VAE"),
    Model("ours-mvae", _ours(MVAEImputer), label="ours: MVAE"),
    Model("ours-vsae", _ours(VSAEImputer), masks=True, label="ours: VSAE"),
    Model("ours-vaeac", _ours(VAEACImputer), label="ours: VAEAC"),
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Completed rows, by several decodings and by one; generated masks, a column a modality."""

    filled: Any
    single: Any = None
    masks: np.ndarray | None = None


def outcome(
    model: Model,
    data: str,
    settings: Mapping[str, Any],
    rows: tuple[Any, Any, Any],
    seed: int,
) -> Outcome:
    """Fit a model and let it answer.

    Parameters
    ----------
    model : Model
        A row.
    data : {"numeric", "categorical", "images"}
        What the paper's settings depend on.
    settings : mapping
        Those of this run.
    rows : tuple
        To learn from, the same without holes, and to complete.
    seed : int
        Of the fit.
    """
    holed, complete, test = rows
    imputer = model.make(data, **settings, random_state=seed)
    imputer.fit(complete if model.complete else holed)
    filled, single = (decoded(imputer, test, n) for n in (N_DECODINGS, 1))
    return Outcome(filled, single, _masks(imputer, seed) if model.masks else None)


def _masks(imputer: Any, seed: int) -> np.ndarray:
    """Generated masks, a column a modality."""
    masks = imputer.generate_masks(GENERATED_ROWS, random_state=seed)
    if isinstance(masks, dict):
        return np.stack([mask.reshape(len(mask), -1)[:, 0] for mask in masks.values()], 1)
    return masks


def decoded(imputer: Any, rows: Any, n_decodings: int) -> Any:
    """Rows completed by the mean of some decodings.

    Parameters
    ----------
    imputer : fitted imputer
        Whose setting ``n_importance_predict`` is the number of latent samples of an answer; it
        is left as it was.
    rows : table, array or dict of arrays
        With holes.
    n_decodings : int
        How many latent samples are decoded and averaged.

    Returns
    -------
    Completed rows, of the kind that came.
    """
    kept = imputer.n_importance_predict
    imputer.set_params(n_importance_predict=n_decodings)
    try:
        return imputer.transform(rows)
    finally:
        imputer.set_params(n_importance_predict=kept)
