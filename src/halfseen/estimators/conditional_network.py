"""The imputer over a network that says the law of missing cells: settings in, laws out."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.core.noise import new_generator
from halfseen.core.spec import DataSpec
from halfseen.core.stored import whole
from halfseen.errors import SettingError
from halfseen.estimators.conditional_design import NETWORKS, ConditionalDesign, make_hider
from halfseen.estimators.conditional_fitting import ConditionalFit
from halfseen.estimators.conditional_imputer import ConditionalImputer
from halfseen.estimators.conditional_start import pairwise_gaussian
from halfseen.estimators.stored_network import restore_network
from halfseen.nn.conditional_heads import HEADS
from halfseen.objectives.conditional import LIKELIHOODS, HiddenCells, Steps
from halfseen.terms.conditional_gaussian import ConditionalGaussian, LinearGuess
from halfseen.training.loop import TrainConfig
from halfseen.training.progress import progress

__all__ = ["ConditionalNetworkImputer"]

WHOLE = ("rank", "n_components", "last_channels")
SHARES = ("hide_rate", "mse_share")
WORDS = {
    "network": NETWORKS,
    "head": tuple(HEADS),
    "likelihood": LIKELIHOODS,
    "loss_per": ("cell", "row"),
    "keep": ("last", "best"),
}


class ConditionalNetworkImputer(ConditionalImputer):
    """Base of the methods whose network says the law of missing cells; they list settings."""

    rank: int
    n_components: int
    network: str
    hidden: Sequence[int] | None
    last_channels: int
    linear_rank: int | None
    head: str
    dropout: float
    likelihood: str
    quantum: float
    hide: Any
    hide_rate: float
    hide_area: tuple[float, float]
    loss_per: str
    mse_weight: float
    mse_share: float
    calibrate: bool
    keep: str
    n_members: int | None
    validation_fraction: float
    max_steps: int | None
    batch_size: int
    lr: float
    schedule: str
    patience: int | None
    weight_decay: float
    beta2: float
    average: float
    clip_norm: float | None
    time_budget: float | None

    model_: ConditionalGaussian

    # ---- fitting ------------------------------------------------------------------------

    def _check_settings(self) -> None:
        for name in WHOLE:
            _whole(name, getattr(self, name), 1)
        if self.linear_rank is not None:
            _whole("linear_rank", self.linear_rank, 0)
        for name in SHARES:
            _number(name, getattr(self, name), 0, 1)
        _number("mse_weight", self.mse_weight, 0)
        _number("quantum", self.quantum, 0)
        if self.quantum == 0:
            raise SettingError(
                f"Got quantum={self.quantum!r}. Expected the step of grey values, such as 1 / 255."
            )
        for name, allowed in WORDS.items():
            if getattr(self, name) not in allowed:
                raise SettingError(
                    f"Got {name}={getattr(self, name)!r}. Expected one of {allowed}."
                )

    def _learn(self, rows: Rows, spec: DataSpec) -> None:
        self.n_members_ = self.n_members or (3 if spec.shape is None else 1)
        start = None
        if self._linear_rank(spec):
            x, s = self._features(rows)
            start = pairwise_gaussian(x, s, self._linear_rank(spec))
        self._make(spec, start)
        steps = self.max_steps or _steps(len(rows))
        config = TrainConfig(
            max_steps=steps,
            lr=self.lr,
            schedule=self.schedule,  # type: ignore[arg-type]
            check_every=max(1, min(100, steps // 10)),
            patience=self.patience,
            time_budget=self.time_budget,
            clip_norm=self.clip_norm,
            average=self.average,
            restore_best=self.keep == "best",
        )
        with progress(type(self).__name__, self.verbose) as watcher:
            history = self._fit(rows, spec).run(config, watcher)
        self.history_, self.stopped_ = history.rows, history.stopped
        self.n_iter_ = history.rows[-1]["step"] if history.rows else 0
        self.model_.requires_grad_(False)

    def _linear_rank(self, spec: DataSpec) -> int:
        """Factors of the linear guess."""
        if self.linear_rank is None:
            return min(spec.n_features, 32) if spec.shape is None else 0
        return min(spec.n_features, self.linear_rank)

    def _make(self, spec: DataSpec, start: LowRankNormal | None) -> None:
        """A model that has not begun."""
        design = ConditionalDesign(
            self.n_members_,
            self.n_components,
            self.rank,
            self.network,
            self.hidden,
            self.last_channels,
            self.head,
            self.dropout,
        )
        guess = None if start is None else LinearGuess(start, self.n_members_)
        floor = torch.as_tensor(self._feature_floors(), dtype=torch.float32)
        generator = new_generator(self.seed_, 0)
        self.model_ = design.make(spec, floor, guess, generator).to(self.device, self._dtype)

    def _fit(self, rows: Rows, spec: DataSpec) -> ConditionalFit:
        has_holes = bool((rows.s == 0).any())
        return ConditionalFit(
            model=self.model_,
            rows=rows,
            expand=self._expand,
            hide=make_hider(self.hide, spec, self.hide_rate, self.hide_area, has_holes=has_holes),
            objective=HiddenCells(self.likelihood, self._grid(rows, spec), self.loss_per),
            batch_size=self.batch_size,
            validation_fraction=self.validation_fraction,
            mse_weight=self.mse_weight,
            mse_share=self.mse_share,
            weight_decay=self.weight_decay,
            betas=(0.9, self.beta2),
            calibrate=self.calibrate,
            seed=self.seed_,
        )

    def _grid(self, rows: Rows, spec: DataSpec) -> Steps | None:
        """The grid of grey values in model units, if likelihoods look at it."""
        if self.likelihood == "density":
            return None
        if spec.shape is None:
            raise SettingError(
                f"Got likelihood={self.likelihood!r} for a table. Expected 'density'; the others "
                "are for images whose grey values are steps of one size."
            )
        seen = rows.x[rows.s > 0]
        width = self.quantum / float(self.units_.scale[0])
        return Steps(width, float(seen.min()), float(seen.max()))

    # ---- answering ----------------------------------------------------------------------

    @property
    def _dtype(self) -> torch.dtype:
        return torch.float32

    @property
    def _width(self) -> int:
        return self.model_.width

    def _mixture(self, rows: Rows) -> LowRankMixture:
        return self.model_.mixture(*self._features(rows))

    def _log_prob(self, rows: Rows, scored: Tensor) -> Tensor:
        x, s = self._features(rows)
        nothing = self.model_.mixture(x[:1], torch.zeros_like(s[:1]))
        law = nothing.law.map(lambda part: part.double())
        alone = LowRankMixture(nothing.log_weights.double(), law)
        return alone.log_prob(x.double(), s.double() * scored)

    # ---- files --------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts, tensors = super()._state()
        if not hasattr(self, "model_"):
            return facts, tensors
        return facts | {"n_members": self.n_members_}, self.model_.state_dict()

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        super()._set_state(facts, tensors)
        if not self._varying:
            return
        self.n_members_ = whole(facts, "n_members", 1)
        spec = self._spec
        rank, width = self._linear_rank(spec), spec.n_features
        blank = torch.zeros(width), torch.zeros(width, rank), torch.ones(width)
        self._make(spec, LowRankNormal(*blank) if rank else None)
        restore_network(self.model_, tensors)


def _steps(n_rows: int) -> int:
    """More rows are worth more steps, within bounds."""
    return int(np.clip(3000 * np.sqrt(n_rows / 1000), 2000, 10_000))


def _whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, (int, np.integer)) or value < least:
        raise SettingError(f"Got {name}={value!r}. Expected a whole number, {least} at least.")


def _number(name: str, value: Any, least: float, most: float = np.inf) -> None:
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else np.nan
    if not np.isfinite(number) or not least <= number <= most:
        end = f"from {least:g} to {most:g}" if np.isfinite(most) else f"of {least:g} or more"
        raise SettingError(f"Got {name}={value!r}. Expected a number {end}.")
