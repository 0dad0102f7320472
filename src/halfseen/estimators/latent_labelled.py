"""A head on completions: what the latent classifiers and regressors share."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor, nn

from halfseen.core.batch import Rows
from halfseen.core.noise import new_generator
from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.label_answers import LabelAnswers
from halfseen.estimators.label_fitting import (
    DirectObjective,
    LabelFit,
    LatentObjective,
    Objective,
)
from halfseen.estimators.labelled import (
    IncompleteClassifier,
    IncompleteRegressor,
    LabelEstimator,
    as_numpy,
)
from halfseen.estimators.latent import LatentImputer
from halfseen.nn.heads import make_head
from halfseen.nn.inputs import ZeroFill
from halfseen.terms.completion import SAMPLERS
from halfseen.terms.direct import DirectModel
from halfseen.terms.label import LabelTerm
from halfseen.terms.latent import LatentModel
from halfseen.training.hiding import HideCells
from halfseen.training.loop import TrainConfig
from halfseen.training.progress import progress

__all__ = ["LatentClassifier", "LatentLabelEstimator", "LatentRegressor"]

STRATEGIES = ("joint", "frozen", "single")


class LatentLabelEstimator(LabelEstimator):
    """Base of the classifiers and regressors that look at completions of a latent model.

    A generator, which is an imputer over a latent model, is fitted or given; a head is put on
    its completions; one objective trains the head, and with ``strategy="joint"`` both.
    """

    #: Name of the method that completes rows where ``generator`` is None.
    default_generator: ClassVar[str]

    generator: Any
    strategy: str
    head: Any
    hidden: Sequence[int]
    activation: str
    dropout: float
    sampler: str
    n_importance: int
    n_importance_predict: int
    calibrate: bool
    validation_fraction: float
    max_steps: int | None
    batch_size: int
    lr: float
    schedule: str
    patience: int | None
    weight_decay: float
    average: float
    clip_norm: float | None
    time_budget: float | None
    device: str
    verbose: bool

    generator_: LatentImputer

    # ---- what a method says -------------------------------------------------------------

    @abstractmethod
    def _new_generator(self, name: str) -> LatentImputer:
        """An unfitted generator by the name on its card, or a fitted one from a file."""

    # ---- fitting ------------------------------------------------------------------------

    def _learn(self, X: Any, y: np.ndarray) -> None:
        self._check_settings()
        self.generator_ = self._fitted_generator(X)
        self.codec_ = self.generator_.codec_
        self._set_features()
        values = self.codec_.encode(X).values[:, self._varying]
        rows = self._rows(values).with_labels(y)
        self._make()
        self._train(rows)

    def _check_settings(self) -> None:
        for name, allowed in {"strategy": STRATEGIES, "sampler": SAMPLERS}.items():
            if getattr(self, name) not in allowed:
                raise SettingError(
                    f"Got {name}={getattr(self, name)!r}. Expected one of {allowed}."
                )

    def _fitted_generator(self, X: Any) -> LatentImputer:
        """The generator: a fitted one is copied and used as it is, any other is fitted."""
        given = self.generator
        if type(given).__name__ == "FrozenEstimator":
            given = given.estimator
        if given is None or isinstance(given, (str, Path)):
            given = self._new_generator(str(given or self.default_generator))
        if not isinstance(given, LatentImputer):
            raise SettingError(
                f"Got generator={given!r}. Expected 'miwae', 'not-miwae', an imputer such as "
                "MIWAEImputer(), or the path of a saved one."
            )
        if hasattr(given, "codec_"):
            return copy.deepcopy(given)
        generator = clone(given)
        if generator.random_state is None:
            generator.set_params(random_state=self.seed_)
        return generator.fit(X)

    def _rows(self, values: np.ndarray) -> Rows:
        """Rows as the head's model takes them: completed first where ``strategy="single"``."""
        if self.strategy == "single" and values.shape[1]:
            values = np.where(np.isnan(values), self.generator_._complete(values), values)
        if not values.shape[1]:
            return Rows.from_values(values, self.device)
        return self.generator_._rows(values)

    def _make(self) -> None:
        """A head with fresh parameters, on the generator's terms or straight behind its cells."""
        spec = self.codec_.spec.subset(self._varying)
        self.n_members_ = self.generator_.n_members_
        generator = new_generator(self.seed_, 7)
        law = self.target_.law()
        network = make_head(
            self.head,
            self.n_members_,
            spec.n_features,
            law.n_raw,
            generator,
            hidden=self.hidden,
            activation=self.activation,
            dropout=self.dropout,
            shape=getattr(spec, "shape", None),
        )
        if self._is_direct:
            inputs = ZeroFill(spec, self.n_members_, generator)
            self.model_: nn.Module = DirectModel(inputs, network, law)
        else:
            base = self.generator_.model_
            terms = {**dict(base.terms.items()), "label": LabelTerm(network, law)}
            self.model_ = LatentModel(
                base.n_latent,
                base.proposal,
                base.observation,
                terms,  # type: ignore[arg-type]
                base.gradient,
                self.sampler,  # type: ignore[arg-type]
            )
        self.model_.to(self.device, torch.float32)

    @property
    def _is_direct(self) -> bool:
        """Whether the head stands alone: on single completions, or where nothing varies."""
        return self.strategy == "single" or not self._varying

    def _train(self, rows: Rows) -> None:
        joint = self.strategy == "joint" and not self._is_direct
        self.model_.requires_grad_(joint)
        for parameter in self._head_parameters():
            parameter.requires_grad_(True)
        parameters = [p for p in self.model_.parameters() if p.requires_grad]
        fit = LabelFit(
            objective=self._objective(rows, joint),
            parameters=parameters,
            rows=rows,
            unlabelled=joint,
            batch_size=self.batch_size,
            validation_fraction=self.validation_fraction,
            calibrate=self.calibrate,
            seed=self.seed_,
            n_members=self.n_members_,
            weight_decay=self.weight_decay,
        )
        with progress(type(self).__name__, self.verbose) as watcher:
            history = fit.run(self._config(len(rows)), watcher)
        self.history_, self.stopped_ = history.rows, history.stopped
        self.n_iter_ = history.rows[-1]["step"] if history.rows else 0
        self.model_.requires_grad_(False)

    def _head_parameters(self) -> list[nn.Parameter]:
        model = self.model_
        head = model.terms["label"] if isinstance(model, LatentModel) else model
        return list(head.parameters())

    def _objective(self, rows: Rows, joint: bool) -> Objective:
        if isinstance(self.model_, DirectModel):
            return DirectObjective(self.model_)
        assert isinstance(self.model_, LatentModel)
        source = self.generator_
        hide = HideCells(source.hide_rate, source.hide_share, source.hide_pattern)
        return LatentObjective(
            self.model_,
            self.n_members_,
            self.n_importance,
            rows.s,
            hide if joint else HideCells(0.0, 0.0),
            source._log_prior if joint else _no_prior,
            len(rows),
        )

    def _config(self, n_rows: int) -> TrainConfig:
        steps = self.max_steps
        if steps is None:
            steps = int(np.clip(2000 * np.sqrt(n_rows / 1000), 1500, 6000))
        return TrainConfig(
            max_steps=steps,
            lr=self.lr,
            schedule=self.schedule,  # type: ignore[arg-type]
            check_every=max(1, min(100, steps // 20)),
            patience=self.patience,
            time_budget=self.time_budget,
            clip_norm=self.clip_norm,
            average=self.average,
        )

    # ---- answering ----------------------------------------------------------------------

    def _label_answers(self) -> LabelAnswers:
        assert isinstance(self.model_, LatentModel)
        answers = self.generator_._answers()
        width = max(answers.width, *self.hidden) if self.hidden else answers.width
        return LabelAnswers(
            replace(
                answers, model=self.model_, n_importance=self.n_importance_predict, width=width
            )
        )

    def _encoded_rows(self, X: Any) -> Rows:
        return self._rows(self._encode(X).values[:, self._varying])

    def _averages(self, X: Any) -> np.ndarray:
        rows = self._encoded_rows(X)
        if isinstance(self.model_, DirectModel):
            return as_numpy(self._direct(rows, moments=True).mean(0))
        return as_numpy(self._label_answers().averages(rows))

    def _answers_of_draws(self, X: Any, n_draws: int, seed: int) -> np.ndarray:
        rows = self._encoded_rows(X)
        if isinstance(self.model_, DirectModel):
            return as_numpy(self._direct(rows, moments=False))
        return as_numpy(self._label_answers().draws(rows, n_draws, seed))

    @torch.no_grad()
    def _direct(self, rows: Rows, moments: bool) -> Tensor:
        """Answers of a head that stands alone, (M, n, n_answers)."""
        assert isinstance(self.model_, DirectModel)
        parts = []
        for start in range(0, max(len(rows), 1), 4096):
            answer = self.model_.answer(rows.take(slice(start, start + 4096)))
            parts.append(self.model_.law.moments(answer) if moments else answer)
        return torch.cat(parts, 1)

    def impute(self, X: Any, y: Any = None) -> Any:
        """Complete a table, with what the labels tell where they are given.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        y : array-like of shape (n,), optional
            Labels, NaN or None where unknown. With them the weights hold log p(y | x), and the
            answers are averages of sampled cells.

        Returns
        -------
        same as X
            Observed cells are bit-identical.
        """
        if y is None or self._is_direct:
            return self.generator_.transform(X)
        source = self.generator_
        encoded = source._encode(X)
        rows = self._rows(encoded.values[:, self._varying]).with_labels(self.target_.encode(y))
        means = self._label_answers().answers.means(rows)[0]
        filled = source._full(source._from_features(means))
        return source.codec_.restore(X, source._finite(filled))

    # ---- files --------------------------------------------------------------------------

    def _parts(self) -> dict[str, Any]:
        return {"generator": self.generator_}

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts, _ = super()._state()
        facts |= {"history": self.history_, "n_iter": self.n_iter_}
        return facts, _own_tensors(self.model_)

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        super()._set_state(facts, tensors)
        self.history_, self.n_iter_ = facts["history"], facts["n_iter"]
        self.codec_ = self.generator_.codec_
        self._make()
        missing, unexpected = self.model_.load_state_dict(tensors, strict=False)
        known = set(_own_tensors(self.model_))
        if unexpected or known & set(missing):
            raise ValueError(f"tensors {sorted(known & set(missing)) + unexpected} do not fit")
        self.model_.requires_grad_(False).eval()


class LatentClassifier(IncompleteClassifier, LatentLabelEstimator):
    """Base of the classifiers; the settings are those of :class:`SupMIWAEClassifier`."""

    def __init__(
        self,
        *,
        generator: str | Path | LatentImputer | None = None,
        strategy: Literal["joint", "frozen", "single"] = "joint",
        head: str | nn.Module = "mlp",
        hidden: Sequence[int] = (128, 128),
        activation: str = "silu",
        dropout: float = 0.0,
        sampler: Literal["score", "dropped", "straight-through", "relaxed", "mean"] = "score",
        n_importance: int = 10,
        n_importance_predict: int = 1000,
        class_weight: str | Mapping[Any, float] | None = None,
        calibrate: bool = True,
        validation_fraction: float = 0.1,
        max_steps: int | None = None,
        batch_size: int = 128,
        lr: float = 2e-3,
        schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle",
        patience: int | None = None,
        weight_decay: float = 0.01,
        average: float = 0.99,
        clip_norm: float | None = 5.0,
        time_budget: float | None = None,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())


class LatentRegressor(IncompleteRegressor, LatentLabelEstimator):
    """Base of the regressors; the settings are those of :class:`SupMIWAERegressor`."""

    def __init__(
        self,
        *,
        generator: str | Path | LatentImputer | None = None,
        strategy: Literal["joint", "frozen", "single"] = "joint",
        head: str | nn.Module = "mlp",
        hidden: Sequence[int] = (128, 128),
        activation: str = "silu",
        dropout: float = 0.0,
        sampler: Literal["score", "dropped", "straight-through", "relaxed", "mean"] = "score",
        n_importance: int = 10,
        n_importance_predict: int = 1000,
        calibrate: bool = True,
        validation_fraction: float = 0.1,
        max_steps: int | None = None,
        batch_size: int = 128,
        lr: float = 2e-3,
        schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle",
        patience: int | None = None,
        weight_decay: float = 0.01,
        average: float = 0.99,
        clip_norm: float | None = 5.0,
        time_budget: float | None = None,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())


def _own_tensors(model: nn.Module) -> dict[str, Tensor]:
    """State of a model less that of its generator, which is kept as a part."""
    state = model.state_dict()
    if isinstance(model, DirectModel):
        return state
    return {name: tensor for name, tensor in state.items() if name.startswith("terms.label.")}


def _no_prior(model: LatentModel) -> Tensor:
    """Frozen parameters have no say."""
    return torch.zeros((), device=next(model.parameters()).device)
