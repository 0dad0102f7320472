"""What a fitted latent model answers: completions, quantiles, draws, densities, diagnostics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.draws import half_sample_mode
from halfseen.core.floats import near_one
from halfseen.core.memory import floats_at_once
from halfseen.core.spec import NUMERIC, DataSpec
from halfseen.core.units import Units
from halfseen.estimators.answers import Answers
from halfseen.estimators.base import BaseImputer, inner_share
from halfseen.estimators.generating import RowGenerator, latent_rows
from halfseen.estimators.quality import warn_of_diagnostics, warn_of_few
from halfseen.estimators.repeats import Repeats, log_units
from halfseen.terms.latent import LatentModel
from halfseen.terms.pixels import check_shares

__all__ = ["DECISIONS", "LatentAnswers"]

DECISIONS = ("mean", "median", "mode")
# Draws behind a median, a mode or another quantile, and how many numbers of them at a time.
N_RULE_DRAWS, DRAW_FLOATS = 400, 2**23


class LatentAnswers(RowGenerator, BaseImputer):
    """The half of :class:`LatentImputer` that answers, by samples weighted by importance."""

    n_importance_predict: int
    decision: str
    observation: str
    device: str
    #: A setting of methods that have it.
    importance_weights: bool = True

    model_: LatentModel
    units_: Units
    repeats_: Repeats
    range_: tuple[np.ndarray, np.ndarray]
    n_members_: int

    def _weighs(self) -> bool:
        """Whether answers weigh their samples."""
        return self.importance_weights

    def _answers(self) -> Answers:
        return Answers(
            self.model_,
            self.units_,
            self.n_members_,
            self.n_importance_predict,
            self.model_.observation.width,
            self.seed_,
            self._weighs(),
        )

    def _check_values(self, spec: DataSpec, values: np.ndarray) -> None:
        """Values that the law of the cells can score, in fit and afterwards."""
        if self.observation == "bernoulli":
            check_shares(spec, values)

    def _check_cells(self, values: np.ndarray) -> None:
        self._check_values(self.units_.spec, values)

    def _rows(self, values: np.ndarray) -> Rows:
        self._check_values(self.units_.spec, values)
        return Rows.from_values(self.units_.to_model(values), self.device)

    def _complete(self, values: np.ndarray) -> np.ndarray:
        return self._decide(values, self.decision)

    def _decide(self, values: np.ndarray, decision: str | float) -> np.ndarray:
        """Values of every cell under a decision rule; a number is a quantile."""
        answers, rows = self._answers(), self._rows(values)
        means = answers.means(rows)
        self._warn_of_few(means.effective, rows)
        out = self._from_features(means.mean)
        if decision != "mean":
            # Categories without an order keep the most probable one.
            columns = self.units_.spec.where(*NUMERIC)
            columns += self.units_.spec.where("ordered") if decision != "mode" else []
            size = max(1, floats_at_once(DRAW_FLOATS) // (N_RULE_DRAWS * values.shape[1]))
            for start in range(0, len(values), size):
                part = slice(start, start + size)
                some = Rows(rows.x[part], rows.s[part])
                draws = answers.draws(some, N_RULE_DRAWS, apart=False).values
                rule = self._rule(draws, decision)
                out[part, columns] = rule[:, columns]
        return out

    def _rule(self, draws: Tensor, decision: str | float) -> np.ndarray:
        """A summary of draws (R, n, p), in data units."""
        if decision != "mode":
            q = 0.5 if decision == "median" else float(decision)
            return self._to_data(draws.quantile(q, 0, interpolation="nearest"))
        unit, exponent = near_one(self._to_data(draws), axis=0)
        out = np.ldexp(half_sample_mode(torch.from_numpy(unit)).numpy(), exponent)
        common = self._to_data(draws.mode(0).values)
        for j in self.repeats_.grid:
            out[:, j] = common[:, j]
        return out

    def _warn_of_few(self, effective: Tensor, rows: Rows) -> None:
        """Warn if weights leave too few of the samples behind the answers for rows with holes."""
        if self._weighs():
            warn_of_few(effective, (rows.s == 0).any(-1), self.n_importance_predict)

    def _from_features(self, features: Tensor) -> np.ndarray:
        contract = self.model_.observation.expand.contract
        return self.units_.finish(contract(features).cpu().numpy())

    def _to_data(self, x: Tensor) -> np.ndarray:
        columns = list(range(x.shape[-1]))
        data = self.units_.finish(self.units_.natural(x, columns).cpu().numpy())
        return self.repeats_.snap(x.cpu().numpy(), data)

    def quantile(self, X: Any, q: float) -> Any:
        """Complete a table with a quantile of each missing cell's predictive law.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        q : float
            In (0, 1); unordered categories take the most probable one.

        Returns
        -------
        same as X

        Warns
        -----
        AnswerQualityWarning
            As ``transform`` does.
        """
        level = inner_share(q)
        return self._completed(X, lambda values: self._decide(values, level))

    def sample(
        self, X: Any, n_draws: int = 20, random_state: Any = None, *, noise: bool = True
    ) -> list[Any]:
        """Multiple imputation: several completed tables.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        n_draws : int, default=20
            How many.
        random_state : int, optional
            Seed of the draws; by default that of the fit.
        noise : bool, default=True
            Whether a cell is drawn from its law given the latents; otherwise it is the mean of
            that law, or the most probable category: pictures to look at, but no multiple
            imputation. Where the weight saw sampled cells, these are the draws in any case.

        Returns
        -------
        list of tables like X
            Observed cells are bit-identical in each.

        Warns
        -----
        AnswerQualityWarning
            As ``transform`` does.
        """

        def draw(values: np.ndarray, n_draws: int, seed: int) -> np.ndarray:
            rows = self._rows(values)
            drawn, effective = self._answers().draws(rows, n_draws, seed, noise=noise)
            self._warn_of_few(effective, rows)
            return self._to_data(drawn) if noise else self._from_features(drawn)

        return self._drawn_tables(X, n_draws, random_state, draw)

    def score_samples(self, X: Any) -> np.ndarray:
        """Importance-weighted bound on the log-density of each row, in data units.

        The bound is on log p(x_obs), or on log p(x_obs, s) for a model with a mechanism; the
        two are not comparable. Categories, counts and values that come back have
        probabilities. In a column with few distinct values any other one is as likely as the
        nearest of these times 1e-4 times a Cauchy density about them.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.

        Returns
        -------
        array of shape (n,)
        """
        return self._density(X, self.n_importance_predict)

    def _density(self, X: Any, n_importance: int) -> np.ndarray:
        """The bound with a number of samples."""
        values = self._encode(X).values[:, self._varying]
        if values.shape[1] == 0:
            return np.zeros(len(values))
        answers = replace(self._answers(), n_importance=n_importance)
        bound = answers.diagnose(self._rows(self.repeats_.nearest(values))).bound.cpu().numpy()
        return bound + log_units(self.units_, self.repeats_, values)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of :meth:`score_samples`."""
        return float(self.score_samples(X).mean())

    def diagnostics(self, X: Any) -> Any:
        """Whether the answers for each row can be trusted.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.

        Returns
        -------
        pandas.DataFrame with a row per row of X
            ``n_missing``; ``ess``, the effective sample size of the weights; ``pareto_k``,
            above 0.7 not to be trusted; ``outside``, the share of imputed numeric cells beyond
            the range seen in fit; ``disagreement``, the root mean square difference between
            members over missing numeric cells, in standard deviations of the columns.

        Warns
        -----
        AnswerQualityWarning
            When more than a tenth of the rows have Pareto k above 0.7 or fewer than 5
            effective samples, or when answers lie mostly outside what was seen.
        """
        import pandas as pd

        encoded = self._encode(X)
        values = encoded.values[:, self._varying]
        index = X.index if isinstance(X, pd.DataFrame) else None
        if values.shape[1] == 0:
            return pd.DataFrame({"n_missing": encoded.missing.sum(1)}, index=index)
        answers, rows = self._answers(), self._rows(values)
        diagnosis = answers.diagnose(rows)
        outside, disagreement = self._extrapolation(answers, rows)
        table = pd.DataFrame(
            {
                "n_missing": encoded.missing.sum(1),
                "ess": diagnosis.effective_sample_size.cpu().numpy(),
                "pareto_k": diagnosis.pareto_k.cpu().numpy(),
                "outside": outside,
                "disagreement": disagreement,
            },
            index=index,
        )
        if self._weighs():
            warn_of_diagnostics(table)
        return table

    def _extrapolation(self, answers: Answers, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Per row: share of imputed cells outside the seen range, and members' disagreement."""
        means, spread, _ = answers.means(rows)
        expand = self.model_.observation.expand
        numeric = expand.numeric.cpu().numpy()
        missing = (rows.s == 0).cpu().numpy()[:, numeric]
        count = np.maximum(missing.sum(1), 1)
        data = self._from_features(means)
        x = self.units_.to_model(data)[:, numeric]
        low, high = (bound[numeric] for bound in self.range_)
        beyond = missing & ((x < low - 1e-6) | (x > high + 1e-6))
        # Curved columns are averaged in data units: by the slope there to those of the others.
        slope, curved = np.zeros(data.shape), self.units_.curved
        slope[:, curved] = self.units_.log_jacobian(data, counts=True)[:, curved]
        slope = np.exp(slope[:, numeric].clip(-200, 200))
        gap = np.where(missing, spread[:, expand.numeric_at].cpu().numpy() * slope, 0.0)
        return beyond.sum(1) / count, np.sqrt((gap**2).sum(1) / count)

    def _new_rows(
        self, n_rows: int, seed: int, *, noise: bool, masks: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        return latent_rows(self, n_rows, seed, noise=noise, masks=masks)
