"""The imputer over a latent model: settings in, a trained model inside, answers out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.noise import new_generator, seed_from
from halfseen.core.spec import DataSpec
from halfseen.core.stored import entries, flags, member, numbers, pair, whole
from halfseen.core.units import Units
from halfseen.errors import SettingError, TrainingWarning
from halfseen.estimators.assemble import Design, make_model
from halfseen.estimators.fitting import LatentFit
from halfseen.estimators.floors import noise_floors
from halfseen.estimators.latent_answers import DECISIONS, LatentAnswers
from halfseen.estimators.ranges import seen_range
from halfseen.estimators.recipes import MIWAE, Recipe
from halfseen.estimators.repeats import Repeats, find_repeats
from halfseen.estimators.search import choose_settings
from halfseen.estimators.stored_network import restore_network, set_common
from halfseen.mechanisms.base import Mechanism
from halfseen.nn.unimodal import BlockMask
from halfseen.objectives.evidence import Importance, Objective
from halfseen.terms.completion import Sampler
from halfseen.terms.latent import LatentModel
from halfseen.training.hiding import HideCells
from halfseen.training.loop import TrainConfig
from halfseen.training.progress import progress

__all__ = ["LatentImputer"]


class LatentImputer(LatentAnswers):
    """Base of the imputers whose model is a :class:`LatentModel`.

    A method file lists its settings and, where it has one, its mechanism; everything else is
    here, in the answers, and in the rooms below.
    """

    n_latent: int | None
    hidden: tuple[int, ...] | None
    network: str
    decoder: str
    encoder_input: str
    observation: str
    noise: str
    noise_floor: float | str
    repeats: str
    activation: str
    decoder_activation: str
    residual: bool
    encoder_linear: bool
    init: str
    gradient: str
    standardize: bool
    skewed: bool
    n_members: int
    n_importance: int
    hide_rate: float
    hide_share: float
    hide_pattern: str
    search: bool
    calibrate: bool
    validation: str
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
    random_state: Any
    verbose: bool
    #: Settings of methods that have them.
    binarize: bool = False
    normalize: bool = False
    decoder_hidden: tuple[int, ...] | None = None

    #: Hidden layers where ``hidden`` is None: widths, or channels of convolutions.
    default_hidden: ClassVar[dict[str, tuple[int, ...]]] = {
        "mlp": (128, 128, 128),
        "conv": (16, 32, 64),
    }
    #: Fewest and most steps when ``max_steps`` is left to the number of rows.
    step_range: ClassVar[tuple[int, int]] = (2500, 6000)

    # ---- what a method may change -------------------------------------------------------

    def _mechanism(self) -> Mechanism | None:
        """The mechanism of the model, None for MIWAE."""
        return None

    def _recipe(self) -> Recipe:
        """How the model's terms are made."""
        return MIWAE

    def _objective(self) -> Objective:
        """What training minimises."""
        return Importance()

    def _scores_mask(self) -> bool:
        """Whether the weight has a law of the mask, to which a held-out cell looks missing."""
        return self._mechanism() is not None

    def _n_samples(self) -> int:
        """Samples of z per row in training."""
        return self.n_importance

    def _hide_share(self) -> float:
        """Share of the rows in which training hides cells."""
        return self.hide_share

    def _latents(self, spec: DataSpec) -> int:
        """Dimension of z."""
        # Wide tables do not need a latent space of their own width.
        return self._setting("n_latent") or min(max(spec.n_columns, 2), 32)

    def _collapse(self) -> bool:
        """Whether a mechanism that can be integrated out is."""
        return True

    @property
    def _decodes_whole(self) -> bool:
        """Whether the decoder makes new rows as it makes those of which all is seen."""
        return False

    def _sampler(self) -> Sampler:
        """How sampled choices teach the decoder, where a mechanism looks at them."""
        return "score"

    def _choose_units(self, values: np.ndarray, spec: DataSpec) -> Units:
        """Units of the model's columns."""
        if self.observation == "bernoulli":
            return Units.identity(spec)
        return Units.fit(spec, values, standardize=self.standardize, skewed=self.skewed)

    def _log_prior(self, model: LatentModel) -> Tensor:
        """Log-density of priors on parameters, summed over members."""
        return next(model.parameters()).new_zeros(())

    # ---- fitting ------------------------------------------------------------------------

    def _design(self, spec: DataSpec, n_members: int) -> Design:
        return Design(
            n_latent=self._latents(spec),
            n_members=n_members,
            hidden=tuple(self._hidden),
            decoder_hidden=self.decoder_hidden,
            network=self.network,  # type: ignore[arg-type]
            decoder=self._decoder(spec),
            encoder_input=self.encoder_input,
            noise=self.noise,  # type: ignore[arg-type]
            observation=self.observation,  # type: ignore[arg-type]
            activation=self.activation,
            decoder_activation=self.decoder_activation,
            init=self.init,
            residual=self.residual,
            normalize=self.normalize,
            encoder_linear=self.encoder_linear,
            gradient=self.gradient,  # type: ignore[arg-type]
            sampler=self._sampler(),
        )

    def _decoder(self, spec: DataSpec) -> Any:
        return self._setting("decoder")

    @property
    def _hidden(self) -> Sequence[int]:
        return self.default_hidden.get(self.network, ()) if self.hidden is None else self.hidden

    def _setting(self, name: str) -> Any:
        """A setting, as the search chose it where there was one."""
        return self.search_[0][name] if self.search_ else getattr(self, name)

    def _steps(self, n_rows: int) -> int:
        """Training steps: more rows are worth more steps, within bounds."""
        if self.max_steps is not None:
            return self.max_steps
        return int(np.clip(2500 * np.sqrt(n_rows / 1000), *self.step_range))

    def _config(self, n_rows: int) -> TrainConfig:
        steps = self._steps(n_rows)
        return TrainConfig(
            max_steps=steps,
            lr=self.lr,
            schedule=self.schedule,  # type: ignore[arg-type]
            check_every=max(1, min(250, steps // 10)),
            patience=self.patience,
            time_budget=self.time_budget,
            clip_norm=self.clip_norm,
            average=self.average,
        )

    def _fit_values(self, values: np.ndarray, spec: DataSpec) -> None:
        self._check_settings()
        self.seed_ = seed_from(self.random_state)
        self.n_members_ = self.n_members
        self.n_iter_ = 0
        self.search_ = choose_settings(self, values, spec) if self.search else []
        if self.search_ and not np.isfinite(self.search_[0]["bound"]):
            self.search_ = []
            warnings.warn(
                f"Got {len(values)} rows, too few to hold some out: search=True chose nothing.",
                TrainingWarning,
                stacklevel=3,
            )
        if spec.n_columns == 0:
            self.history_: list[dict[str, Any]] = []
            return
        self._check_values(spec, values)
        self.units_ = self._choose_units(values, spec)
        x = self.units_.to_model(values)
        self.floor_ = noise_floors(x, spec, self.noise_floor)
        coins = self.observation == "bernoulli"
        self.repeats_ = find_repeats(x, values, spec, "none" if coins else self.repeats)
        self.incomplete_ = np.isnan(values).any(0)
        self.range_ = seen_range(x, spec)
        self._make(spec)
        self._train(x)

    def _check_settings(self) -> None:
        """Words and combinations that no other part looks at."""
        words = {
            "decision": DECISIONS,
            "validation": ("cells", "rows", "none"),
        }
        for name, allowed in words.items():
            if getattr(self, name) not in allowed:
                raise SettingError(
                    f"Got {name}={getattr(self, name)!r}. Expected one of {allowed}."
                )
        for name in ("n_importance", "n_importance_predict"):
            size = getattr(self, name)
            # None leaves the choice to a method that makes it.
            if size is not None and (not isinstance(size, (int, np.integer)) or size < 1):
                raise SettingError(f"Got {name}={size!r}. Expected a positive whole number.")
        if self.binarize and self.observation != "bernoulli":
            raise SettingError(
                f"Got binarize=True and observation={self.observation!r}. Expected "
                "observation='bernoulli': ones and zeros are no Gaussian numbers."
            )
        if self.patience is not None and self.validation == "none":
            raise SettingError(
                f"Got patience={self.patience} and validation='none'. Patience needs something "
                "held out: pass validation='cells' or 'rows'."
            )
        if self._scores_mask() and (self.calibrate or self.validation == "cells"):
            raise SettingError(
                "Got a law of the mask with calibrate=True or validation='cells'. A held-out cell "
                "would look like a missing one to it: use validation='rows' or 'none'."
            )

    def _make(self, spec: DataSpec) -> None:
        """A model with fresh parameters."""
        self.model_ = make_model(
            self._design(spec, self.n_members_),
            spec,
            self.units_,
            self.floor_,
            self.incomplete_,
            new_generator(self.seed_, 0),
            self._mechanism(),
            collapse=self._collapse(),
            repeats=self.repeats_,
            recipe=self._recipe(),
        ).to(self.device, torch.float32)

    def _train(self, x: np.ndarray) -> None:
        rows = Rows.from_values(x, self.device)
        enough = bool(rows.s.sum() >= 100 and len(rows) >= 20)
        validation = self.validation if enough else "none"
        fit = LatentFit(
            model=self.model_,
            rows=rows,
            n_members=self.n_members_,
            n_importance=self._n_samples(),
            batch_size=self.batch_size,
            hide=self._hide(),
            validation=validation,
            validation_fraction=self.validation_fraction,
            log_prior=self._log_prior,
            seed=self.seed_,
            calibrate=self.calibrate and enough,
            binarize=self.binarize,
            weight_decay=self._setting("weight_decay"),
            betas=(0.9, self.beta2),
            objective=self._objective(),
        )
        with progress(type(self).__name__, self.verbose) as watcher:
            history = fit.run(self._config(len(rows)), watcher)
        self.history_ = history.rows
        self.stopped_ = history.stopped
        self.n_iter_ = history.rows[-1]["step"] if history.rows else 0
        self.model_.requires_grad_(False)

    def _hide(self) -> HideCells:
        blocks = BlockMask(self.units_.spec).to(self.device)
        share = self._hide_share()
        return HideCells(self.hide_rate, share, self.hide_pattern, blocks)

    # ---- files --------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts: dict[str, Any] = {"seed": self.seed_, "n_members": self.n_members_}
        facts |= {"history": self.history_, "n_iter": self.n_iter_, "search": self.search_}
        facts["missing_share"] = self.missing_share_.tolist()
        if not hasattr(self, "model_"):
            return facts, {}
        facts |= {
            "units": self.units_.to_json(),
            "floor": self.floor_.tolist(),
            "repeats": self.repeats_.to_json(),
            "incomplete": self.incomplete_.tolist(),
            "range": [bound.tolist() for bound in self.range_],
        }
        return facts, self.model_.state_dict()

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        self.n_members_, self.search_ = whole(facts, "n_members", 1), entries(facts, "search")
        set_common(self, facts)
        if not self._varying:
            return
        spec, p = self._spec, self._spec.n_columns
        self.units_ = Units.from_json(spec, member(facts, "units"))
        self.floor_ = numbers(facts, "floor", p)
        self.repeats_ = Repeats.from_json(member(facts, "repeats"), p)
        self.incomplete_ = flags(facts, "incomplete", p)
        self.range_ = pair(facts, "range", p)
        self._make(spec)
        restore_network(self.model_, tensors)

    def __sklearn_tags__(self) -> Any:
        """Tags for scikit-learn."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = False
        return tags
