"""Imputers over one mixture of Gaussians for all rows, exact once it is fitted."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.factor_mixture import FactorMixture, LowRankMixture, Posterior
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.core.noise import new_generator
from halfseen.core.spec import DataSpec
from halfseen.core.stored import entries, member, number, numbers
from halfseen.errors import FileFormatError, SettingError, TrainingWarning
from halfseen.estimators.base import store
from halfseen.estimators.conditional_imputer import ConditionalImputer
from halfseen.estimators.factor_em import Prior, climb
from halfseen.estimators.factor_start import feature_moments, start_mixture
from halfseen.estimators.gaussian_choice import LADDER, Shape, choose_shape
from halfseen.estimators.stored_network import stored
from halfseen.training.loop import INTERRUPTED
from halfseen.training.progress import progress

__all__ = ["MixtureImputer"]

# A component has so many rows at least, where their number is left open.
ROWS_EACH, ROWS_EACH_IMAGE = 8, 100
# Tables of more rows have one start unless told otherwise.
MANY_ROWS = 4000
SHORT = (
    "EM stopped after max_iter={} steps, while they still gained more than tol={} nats per seen "
    "cell. Raise max_iter or tol, or take max_iter as a budget with tol=0."
)

SHARED = """n_components : int or None
        Gaussians in the mixture; None chooses by held-out cells for tables, and takes one for
        each hundred images, 50 at most.
    n_starts : int or None
        Mixtures that are fitted from starts of their own, and are then one mixture in equal
        parts. None takes 4 for tables of up to 4000 rows, and 1 for others and for images.
    start : {"clusters", "random"}
        Where components begin: at clusters of rows, with the principal components of these, or
        at rows drawn at random.
    prior_rows : float
        Rows that are added to each component in thought, with independent columns of the table's
        means and variances; 0 maximises the likelihood alone.
    noise_floor : float or "auto"
        Smallest scale of the noise, in standard deviations of a column (for images, of all
        pixels), and at least 1e-6 where covariances are full; "auto" ties it to each column's
        repetitions.
    skewed : bool
        Whether strongly skewed columns are bent to be less so (Yeo-Johnson). Answers in bent
        columns stay within what was seen.
    max_iter : int
        Most steps of EM from one start. A TrainingWarning says when these were not
        enough for ``tol``.
    tol : float
        EM stops when a step gains less than this, in nats per seen cell; 0 takes ``max_iter``
        steps, whatever they gain, without a warning.
    validation_fraction : float
        Share of the seen cells by which components and rank are chosen.
    calibrate : bool
        Whether the cells that choose components and rank also choose by what the spread of every
        conditional law is multiplied: what was fitted to cells is too sure of others.
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong, see :mod:`halfseen.tables`.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.
    random_state : int, Generator, RandomState or None
        Seed of starts, held-out cells and draws.
    device : str
        Where to compute, as torch names it.
    verbose : bool
        Whether to show progress on a terminal."""


class MixtureImputer(ConditionalImputer):
    """Base of the methods whose model is a :class:`FactorMixture`; a method lists its settings.

    A subclass says which shapes of mixtures there are to choose from, and makes the steps of EM.
    """

    n_components: int | None
    n_starts: int | None
    start: str
    prior_rows: float
    max_iter: int
    tol: float
    validation_fraction: float
    calibrate: bool

    #: Components of a mixture over images, where they are left open.
    image_components: ClassVar[int] = 50

    #: Whether laws are those of the public baseline, in methods that have the setting.
    released: bool = False

    model_: FactorMixture
    temperature_: float
    shape_: Shape

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Write the shared settings into the docstring."""
        super().__init_subclass__(**keywords)
        cls.__doc__ = (cls.__doc__ or "").replace("{shared}", SHARED)

    def __init__(
        self,
        *,
        n_components: int | None = None,
        n_starts: int | None = None,
        start: Literal["clusters", "random"] = "clusters",
        prior_rows: float = 0.3,
        noise_floor: float | Literal["auto"] = "auto",
        skewed: bool = True,
        max_iter: int = 100,
        tol: float = 1e-4,
        validation_fraction: float = 0.1,
        calibrate: bool = True,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())

    # ---- what a method says -------------------------------------------------------------

    @abstractmethod
    def _ranks(self, spec: DataSpec) -> list[int]:
        """Ranks to choose from."""

    @abstractmethod
    def _steps(self, x: Tensor, s: Tensor, floor: Tensor, prior: Prior) -> Any:
        """Steps of EM on features (n, F): a callable with ``fitting``, see :class:`FactorEM`."""

    # ---- fitting ------------------------------------------------------------------------

    def _check_settings(self) -> None:
        for name in ("n_components", "n_starts", "max_iter"):
            number = getattr(self, name)
            if number is not None and (not isinstance(number, (int, np.integer)) or number < 1):
                raise SettingError(f"Got {name}={number!r}. Expected a positive whole number.")
        if self.start not in ("clusters", "random"):
            raise SettingError(
                f"Got start={self.start!r}. Expected one of ('clusters', 'random')."
            )
        if not 0 <= self.prior_rows < np.inf:
            raise SettingError(f"Got prior_rows={self.prior_rows!r}. Expected 0 or more rows.")
        if not 0 <= self.tol < np.inf:
            raise SettingError(f"Got tol={self.tol!r}. Expected a small number, such as 1e-5.")
        if not 0 < self.validation_fraction < 1:
            raise SettingError(
                f"Got validation_fraction={self.validation_fraction!r}. Expected a share strictly "
                "between 0 and 1, such as 0.1."
            )

    def _learn(self, rows: Rows, spec: DataSpec) -> None:
        x, s = self._features(rows)
        center, _ = feature_moments(x, s)
        # Near 0, squares lose no digits.
        x = (x - center) * s
        self.shape_, self.temperature_ = self._choose(rows, x, s)
        few = spec.shape is None and len(rows) <= MANY_ROWS
        n_starts = self.n_starts or (4 if few else 1)
        if self.shape_.n_components == 1:
            n_starts = 1
        self.converged_ = True
        self.stopped_ = "steps"
        parts: list[FactorMixture] = []
        with progress(type(self).__name__, self.verbose) as watcher:

            def watch(step: int) -> None:
                watcher(step, self.max_iter, {})

            while len(parts) < n_starts and self.stopped_ != "interrupted":
                parts.append(self._fitted(x, s, self.shape_, len(parts), watch))
        mixture = FactorMixture.join(parts)
        law = mixture.law
        law = LowRankNormal(law.mean + center, law.factor, law.variance)
        self.model_ = FactorMixture(mixture.log_weights, law)

    def _fitted(
        self,
        x: Tensor,
        s: Tensor,
        shape: Shape,
        part: int = 0,
        watch: Callable[[int], None] | None = None,
    ) -> FactorMixture:
        """A mixture of a shape, after EM from one of the starts."""
        steps, start = self._begin(x, s, shape, part)
        mixture, path = climb(
            steps,
            start,
            float(s.sum()),
            max_iter=self.max_iter,
            tol=self.tol,
            watch=lambda step, value: None if watch is None else watch(step),
        )
        if path.interrupted:
            self._keep_interrupted(watch is not None and bool(path.objective))
            warnings.warn(INTERRUPTED, TrainingWarning, stacklevel=2)
        if watch is not None:
            self.history_ += [
                {"start": part, "step": step, "objective": value}
                for step, value in enumerate(path.objective)
            ]
            self.n_iter_ += len(path.objective)
            short = not path.converged and not path.interrupted and self.tol > 0
            if short and self.converged_:
                warnings.warn(SHORT.format(self.max_iter, self.tol), TrainingWarning, 2)
            self.converged_ &= path.converged
        return mixture

    def _begin(self, x: Tensor, s: Tensor, shape: Shape, part: int) -> tuple[Any, FactorMixture]:
        """Steps of EM, and one of the starts."""
        mean, variance = feature_moments(x, s)
        floor = torch.as_tensor(self._feature_floors() ** 2, dtype=x.dtype, device=x.device)
        steps = self._steps(x, s, floor, Prior(self.prior_rows, mean, variance))
        generator = new_generator(self.seed_, 10 + part, self.device)
        start = start_mixture(x, s, *shape, floor, generator, self.start)  # type: ignore[arg-type]
        return steps, steps.fitting(start)

    def _shapes(self, spec: DataSpec, n_rows: int) -> list[list[Shape]]:
        """Shapes to choose from, in walks of growing size that end when they stop gaining."""
        counts = [count for count in LADDER if count == 1 or ROWS_EACH * count <= n_rows]
        if self.n_components is not None:
            counts = [self.n_components]
        elif spec.shape is not None:
            counts = [max(1, min(self.image_components, n_rows // ROWS_EACH_IMAGE))]
        return [[Shape(count, rank) for count in counts] for rank in self._ranks(spec)]

    def _choose(self, rows: Rows, x: Tensor, s: Tensor) -> tuple[Shape, float]:
        """The shape that predicts held-out cells best where one is open, and a temperature."""
        walks = self._shapes(self.units_.spec, len(rows))
        self.choice_: list[dict[str, Any]] = []
        if sum(map(len, walks)) == 1:
            return walks[0][0], 1.0
        tried = choose_shape(
            lambda x, s, shape: self._fitted(x, s, shape),
            x,
            s,
            self._expand,
            rows.s,
            walks,
            self.validation_fraction,
            new_generator(self.seed_, 0),
        )
        self.choice_ = [candidate.to_json() for candidate in tried]
        if not tried:
            return walks[0][0], 1.0
        best = min(tried, key=lambda candidate: candidate.error)
        return best.shape, best.temperature if self.calibrate else 1.0

    def _keep_interrupted(self, begun: bool) -> None:
        """Note that a fit was interrupted, or pass that on where it has nothing to keep yet."""
        if not begun:
            raise KeyboardInterrupt
        self.stopped_ = "interrupted"

    # ---- answering ----------------------------------------------------------------------

    @property
    def _width(self) -> int:
        model = self.model_
        return model.n_components * self.units_.spec.n_features * (model.rank + 2)

    def _posterior(self, rows: Rows, scored: Tensor | None = None) -> Posterior:
        """Components and factors given what is seen, of features that a mask (F,) picks."""
        x, s = self._features(rows)
        return self.model_.posterior(x, s if scored is None else s * scored)

    def _mixture(self, rows: Rows) -> LowRankMixture:
        mixture = self.model_.conditional(self._posterior(rows))
        return replace(mixture, law=mixture.law.widened(self.temperature_**2))

    def _unconditional(self, empty: Rows) -> LowRankMixture:
        # Held-out cells tell how sure to be of cells given others, not of rows.
        return self.model_.conditional(self.model_.posterior(*self._features(empty)))

    def _mean(self, rows: Rows) -> Tensor:
        if self._is_plain():
            return self.model_.mean(self._posterior(rows))
        return super()._mean(rows)

    def _is_plain(self) -> bool:
        """Whether a mean needs no law of every cell."""
        return not self.units_.curved

    def _log_prob(self, rows: Rows, scored: Tensor) -> Tensor:
        return self._posterior(rows, scored).log_prob

    # ---- files --------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts, tensors = super()._state()
        if not hasattr(self, "model_"):
            return facts, tensors
        facts |= {"shape": list(self.shape_), "choice": self.choice_}
        facts |= {"converged": self.converged_, "temperature": self.temperature_}
        return facts, self.model_.tensors()

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        super()._set_state(facts, tensors)
        if not self._varying:
            return
        components, rank = numbers(facts, "shape", 2)
        self.shape_, self.choice_ = Shape(int(components), int(rank)), entries(facts, "choice")
        self.converged_ = bool(member(facts, "converged"))
        self.temperature_ = number(facts, "temperature", positive=True)
        weights = stored(tensors, "log_weights", None)
        mean = stored(tensors, "mean", len(weights), self.units_.spec.n_features)
        stored(tensors, "factor", *mean.shape, None)
        variance = stored(tensors, "variance", *mean.shape)
        if not len(weights) or (variance < 0).any():
            raise FileFormatError("The file's mixture has no component, or variances below 0.")
        model = FactorMixture.from_tensors(tensors)
        self.model_ = model.to(device=self.device, dtype=self._dtype)
