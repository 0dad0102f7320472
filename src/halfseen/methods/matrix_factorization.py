"""Matrix factorisation: a table is a low-rank matrix and noise, and so are its holes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.features import Features
from halfseen.core.noise import new_generator, seed_from
from halfseen.core.spec import DataSpec
from halfseen.core.stored import entries, member, number, pair, whole
from halfseen.core.units import Units
from halfseen.errors import SettingError, TrainingWarning
from halfseen.estimators.base import BaseImputer, positive_draws, store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.low_rank import LowRank, descend, fit_low_rank, noise_level
from halfseen.estimators.low_rank_choice import (
    RANKS,
    RIDGES,
    choose_low_rank,
    hold_out,
)
from halfseen.estimators.ranges import seen_range
from halfseen.estimators.stored_network import stored
from halfseen.training.loop import INTERRUPTED
from halfseen.training.progress import progress

__all__ = ["MatrixFactorizationImputer"]

# Cells, seen or not, by which rank and ridge are chosen, and rows that are completed at a time.
CHOICE_CELLS, CHUNK_ROWS = 2**22, 4096


class MatrixFactorizationImputer(BaseImputer):
    """Complete a table by a matrix of low rank, fitted to its seen cells.

    Numbers are standardised, each category is an indicator, and

        1/2 sum_ij s_ij (x_ij - offset_j - a_i . b_j)^2 + penalty / 2 (|A|^2 + |B|^2)

    is minimised by alternating between ridge regressions of all rows and of all columns. A row,
    of the table of fit or a new one, is completed by its own regression on the loadings of the
    features that are seen in it.

    Parameters
    ----------
    rank : int or None, default=None
        Number of factors, at most that of rows or features. None chooses it by the error of
        held-out cells, up to 64.
    ridge : float or None, default=None
        Standard deviation of the noise that the penalty would shrink to nothing, where a column
        has 1; above 0. None chooses it by the error of held-out cells.
    clip : bool, default=True
        Whether answers stay within the range that was seen of their column. Pixels of an image
        share theirs.
    validation_fraction : float, default=0.05
        Share of the seen cells by which rank and ridge are chosen.
    max_iter : int, default=100
        Most sweeps over rows and columns.
    tol : float, default=1e-4
        Stop when a sweep lowers the objective by less than this share of it.
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong, see :mod:`halfseen.tables`.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.
    random_state : int, Generator, RandomState or None
        Seed of the held-out cells and of the first loadings.
    device : str, default="cpu"
        Where to compute.
    verbose : bool, default=False
        Whether to draw a progress bar on a terminal.

    Attributes
    ----------
    rank_, ridge_ : int, float
        What was used.
    choice_ : list of dict
        ``rank``, ``ridge`` and ``error`` (root mean square, in standard deviations) of each
        pair that was tried; empty where nothing was left to choose.
    objective_ : list of float
        The objective per seen cell after each sweep; it never rises.
    n_iter_ : int
        Number of sweeps.

    Notes
    -----
    The minimum is that of nuclear-norm regularisation, truncated to ``rank`` (Theorem 3 of the
    paper), so its penalty is no ratio of variances and the model has no predictive law:
    :meth:`sample` gives equal tables. Columns of a kind with a curved change of units
    (``positive``, ``count``, ``bounded``) are completed on that scale, which is nearer to a
    median than to a mean. Beyond four million cells, some of the rows choose rank and ridge.

    References
    ----------
    Hastie, Mazumder, Lee and Zadeh (2015), Matrix Completion and Low-Rank SVD via Fast
    Alternating Least Squares, Journal of Machine Learning Research 16.

    Examples
    --------
    >>> table = np.outer(np.arange(1.0, 9.0), [1.0, 2.0, -1.0])
    >>> table[2, 1] = np.nan
    >>> imputer = MatrixFactorizationImputer(rank=1, ridge=1e-3, random_state=0)
    >>> imputer.fit_transform(table)[2].round(1)
    array([ 3.,  6., -3.])
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="matrix-factorization",
        summary="Low-rank factors by alternating ridge regressions on the seen cells.",
        paper="Hastie, Mazumder, Lee and Zadeh (2015), softImpute-ALS",
        mechanism="MCAR",
        draws=False,
    )

    rank_: int
    ridge_: float
    n_iter_: int

    def __init__(
        self,
        *,
        rank: int | None = None,
        ridge: float | None = None,
        clip: bool = True,
        validation_fraction: float = 0.05,
        max_iter: int = 100,
        tol: float = 1e-4,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())

    # ---- fitting ------------------------------------------------------------------------

    def _fit_values(self, values: np.ndarray, spec: DataSpec) -> None:
        self._check_settings()
        self.seed_ = seed_from(self.random_state)
        self.choice_: list[dict[str, Any]] = []
        self.objective_: list[float] = []
        self.rank_, self.ridge_, self.n_iter_ = self.rank or 1, self.ridge or 1.0, 0
        if spec.n_columns == 0:
            return
        self.units_ = Units.fit(spec, values)
        x = self.units_.to_model(values)
        self.range_ = seen_range(x, spec)
        rows = Rows.from_values(x, self.device)
        self._train(rows, self._choose(rows))

    def _check_settings(self) -> None:
        for name in ("rank", "max_iter"):
            number = getattr(self, name)
            if number is not None and (not isinstance(number, (int, np.integer)) or number < 1):
                raise SettingError(f"Got {name}={number!r}. Expected a positive whole number.")
        if self.ridge is not None and not 0 < self.ridge < np.inf:
            raise SettingError(
                f"Got ridge={self.ridge!r}. Expected a number above 0, such as 0.25; a small one "
                "hardly shrinks."
            )
        if not 0 <= self.tol < 1:
            raise SettingError(f"Got tol={self.tol!r}. Expected a small share, such as 1e-4.")
        if not 0 < self.validation_fraction < 1:
            raise SettingError(
                f"Got validation_fraction={self.validation_fraction!r}. Expected a share strictly "
                "between 0 and 1, such as 0.05."
            )

    def _choose(self, rows: Rows) -> LowRank | None:
        """Set rank and ridge where the user left them open; a start, where one was found."""
        most = min(len(rows), self._expand.spec.n_features)
        ranks = [k for k in RANKS if k <= most] if self.rank is None else [min(self.rank, most)]
        ridges = RIDGES if self.ridge is None else (self.ridge,)
        self.rank_, self.ridge_ = ranks[0], ridges[0]
        if len(ranks) == len(ridges) == 1:
            return None
        generator = new_generator(self.seed_, 0)
        n_some = max(1, CHOICE_CELLS // self._expand.spec.n_features)
        some = rows.part(torch.randperm(len(rows), generator=generator)[:n_some])
        hidden = hold_out(some.s, self._expand, self.validation_fraction, generator)
        if not hidden:
            return None
        x, s = self._features(some)
        with progress(f"{type(self).__name__}: rank and ridge", self.verbose) as watcher:
            tried = choose_low_rank(
                x, s, hidden, ranks, ridges, generator, lambda k, n: watcher(k, n, {})
            )
        self.choice_ = [{"rank": c.rank, "ridge": c.ridge, "error": c.error} for c in tried]
        best = min(tried, key=lambda candidate: candidate.error)
        self.rank_, self.ridge_ = best.rank, best.ridge
        return best.model

    def _train(self, rows: Rows, start: LowRank | None) -> None:
        x, s = self._features(rows)
        if start is None:
            generator = new_generator(self.seed_, 1)
            start = next(descend(x, s, self.rank_, (self.ridge_,), generator))
        with progress(type(self).__name__, self.verbose) as watcher:
            self.model_, path = fit_low_rank(
                x,
                s,
                start,
                self.ridge_ * noise_level(s),
                max_iter=self.max_iter,
                tol=self.tol,
                watch=lambda sweep: watcher(sweep, self.max_iter, {}),
            )
        if path.interrupted:
            warnings.warn(INTERRUPTED, TrainingWarning, stacklevel=2)
        self.objective_ = path.objective
        self.n_iter_ = len(path.objective)

    # ---- answering ----------------------------------------------------------------------

    @property
    def _expand(self) -> Features:
        return Features(self.units_.spec).to(self.device)

    def _features(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Features (n, F), 0 where missing, and their mask."""
        s = self._expand.mask(rows.s)
        return self._expand(rows.x) * s, s

    def _complete(self, values: np.ndarray) -> np.ndarray:
        # A product of other sizes is rounded otherwise: in float64, and then to float32, a row
        # alone has the bits that it has among others.
        model, out = self.model_.to(torch.float64), np.empty(values.shape)
        for start in range(0, len(values), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            cells = self.units_.to_model(values[part])
            x, s = self._features(Rows.from_values(cells, self.device, torch.float64))
            fitted = self._expand.contract(model.fitted(x, s).float()).cpu().numpy()
            out[part] = self._to_data(fitted.astype(float))
        return out

    def _to_data(self, x: np.ndarray) -> np.ndarray:
        """From model units (n, p), within the range that was seen if that is asked for."""
        return self.units_.to_data(np.clip(x, *self.range_) if self.clip else x)

    def sample(self, X: Any, n_draws: int = 20, random_state: Any = None) -> list[Any]:
        """Several completed tables, all equal: the model has no predictive law.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        n_draws : int, default=20
            How many.
        random_state : ignored
            For uniformity with the methods that draw.

        Returns
        -------
        list of tables like X
        """
        return [self.transform(X) for _ in range(positive_draws(n_draws))]

    # ---- files --------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts: dict[str, Any] = {
            "seed": self.seed_,
            "rank": self.rank_,
            "ridge": self.ridge_,
            "choice": self.choice_,
            "objective": self.objective_,
        }
        if not self._varying:
            return facts, {}
        facts |= {
            "units": self.units_.to_json(),
            "range": [bound.tolist() for bound in self.range_],
            "penalty": self.model_.penalty,
        }
        return facts, {"offset": self.model_.offset, "loadings": self.model_.loadings}

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        self.seed_ = whole(facts, "seed", 0, 2**63)
        self.rank_, self.ridge_ = member(facts, "rank"), member(facts, "ridge")
        self.choice_, self.objective_ = entries(facts, "choice"), entries(facts, "objective")
        self.n_iter_ = len(self.objective_)
        if not self._varying:
            return
        spec = self._spec
        self.units_ = Units.from_json(spec, member(facts, "units"))
        self.range_ = pair(facts, "range", spec.n_columns)
        model = LowRank(
            stored(tensors, "offset", spec.n_features),
            stored(tensors, "loadings", spec.n_features, None),
            number(facts, "penalty", positive=True),
        )
        self.model_ = model.to(self.device)
