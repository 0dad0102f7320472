"""Mixtures whose likelihood is raised by EM or along gradients, as a setting says."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor

from halfseen.core.factor_mixture import FactorMixture
from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.factor_gradient import FactorFit, FactorModel
from halfseen.estimators.gaussian_choice import Shape
from halfseen.estimators.mixture_imputer import MixtureImputer
from halfseen.estimators.signature import adds_to
from halfseen.training.loop import TrainConfig

__all__ = ["SolvedMixtureImputer"]

SOLVED = """solver : {"em", "gradient"}
        EM with exact conditionals, or steps along gradients of batches.
    max_steps, batch_size, lr : int or None, int, float
        Of ``solver="gradient"``; None takes 40 passes over the rows, and at least 500 steps."""

FEWEST_STEPS = 500


class SolvedMixtureImputer(MixtureImputer):
    """Base of the mixtures with a choice of solvers; a method lists its settings.

    A subclass says besides whether all features of a component share one noise.
    """

    solver: str
    max_steps: int | None
    batch_size: int
    lr: float

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Write the settings of solvers into the docstring."""
        super().__init_subclass__(**keywords)
        cls.__doc__ = (cls.__doc__ or "").replace("{solved}", SOLVED)

    @adds_to(MixtureImputer)
    def __init__(
        self,
        *,
        solver: Literal["em", "gradient"] = "em",
        max_steps: int | None = None,
        batch_size: int = 256,
        lr: float = 0.03,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        own = {"solver": solver, "max_steps": max_steps, "batch_size": batch_size, "lr": lr}
        store(self, own)

    @property
    @abstractmethod
    def _one_noise(self) -> bool:
        """Whether the features of a component share one variance of the noise."""

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.solver not in ("em", "gradient"):
            raise SettingError(f"Got solver={self.solver!r}. Expected one of ('em', 'gradient').")

    def _fitted(
        self,
        x: Tensor,
        s: Tensor,
        shape: Shape,
        part: int = 0,
        watch: Callable[[int], None] | None = None,
    ) -> FactorMixture:
        if self.solver == "em":
            return super()._fitted(x, s, shape, part, watch)
        steps, start = self._begin(x, s, shape, part)
        model = FactorModel(start, steps.floor, isotropic=self._one_noise)
        n_steps = self.max_steps or max(FEWEST_STEPS, 40 * len(x) // self.batch_size)
        config = TrainConfig(max_steps=n_steps, lr=self.lr, check_every=max(1, n_steps // 20))
        fit = FactorFit(steps, self.batch_size, self.seed_ + part)
        history = fit.run(model, config, lambda *_: None)
        if history.stopped == "interrupted":
            self._keep_interrupted(watch is not None and bool(history.rows))
        if watch is not None:
            watch(n_steps)
            self.history_ += [{"start": part, **row} for row in history.rows]
            self.n_iter_ += history.rows[-1]["step"]
            # Its steps are a budget: nothing says that more of them would gain little.
            self.converged_ = False
        return model.requires_grad_(False).mixture()
