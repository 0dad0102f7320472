"""A head on completions: what the latent classifiers and regressors share."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from halfseen.core.batch import Rows
from halfseen.core.noise import new_generator
from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.diagnosed import DiagnosedEstimator
from halfseen.estimators.headed import HeadEstimator
from halfseen.estimators.label_answers import LabelAnswers
from halfseen.estimators.label_objectives import DirectObjective, LatentObjective, Objective
from halfseen.estimators.label_scores import check_lengths
from halfseen.estimators.labelled import (
    IncompleteClassifier,
    IncompleteRegressor,
    as_numpy,
)
from halfseen.estimators.latent import LatentImputer
from halfseen.estimators.quality import warn_of_few
from halfseen.estimators.stored_network import restore_network
from halfseen.nn.inputs import CompletedRow
from halfseen.terms.completion import SAMPLERS, Sampler
from halfseen.terms.direct import DirectModel
from halfseen.terms.label import LabelTerm
from halfseen.terms.latent import LatentModel
from halfseen.training.binarize import binarized
from halfseen.training.hiding import HideCells

__all__ = ["LatentClassifier", "LatentLabelEstimator", "LatentRegressor"]

STRATEGIES = ("joint", "frozen", "single")


class LatentLabelEstimator(HeadEstimator, DiagnosedEstimator):
    """Base of the classifiers and regressors that look at completions of a latent model.

    A generator, which is an imputer over a latent model, is fitted or given; a head is put on
    its completions; one objective trains the head, and with ``strategy="joint"`` both.
    """

    strategy: str
    sampler: Sampler | None
    n_importance: int
    n_importance_predict: int
    #: Whether prior and weights are the generator's. In earlier versions labels were averaged, and
    #: temperatures chosen, by importance weights under N(0, I) over every generator.
    as_generated_: bool

    # ---- fitting ------------------------------------------------------------------------

    def _learn(self, X: Any, y: np.ndarray) -> None:
        self._check_settings()
        self._fit_generator(X)
        self.as_generated_ = True
        values = self.codec_.encode(X).values
        self._choose_indicators(values)
        rows = self._rows_to_learn(values).with_labels(y)
        self._choose_bins(self._unfilled(values))
        self._make()
        self._train(rows)

    def _check_settings(self) -> None:
        for name, allowed in {"strategy": STRATEGIES, "sampler": (None, *SAMPLERS)}.items():
            if getattr(self, name) not in allowed:
                raise SettingError(
                    f"Got {name}={getattr(self, name)!r}. Expected one of {allowed}."
                )
        for name in ("n_importance", "n_importance_predict"):
            size = getattr(self, name)
            if not isinstance(size, (int, np.integer)) or size < 1:
                raise SettingError(f"Got {name}={size!r}. Expected a positive whole number.")

    def _rows(self, values: np.ndarray) -> Rows:
        """Rows as the head's model takes them.

        With ``strategy="single"`` they are completed first; the mask still says what was seen.
        """
        if not values.shape[1]:
            return Rows.from_values(values, self.device)
        rows = self.generator_._rows(values)
        if self.strategy != "single":
            return rows
        completed = self.generator_._complete(values)
        whole = self._finite(np.where(np.isnan(values), completed, values))
        return replace(rows, x=self.generator_._rows(whole).x)

    def _rows_to_learn(self, values: np.ndarray) -> Rows:
        """Rows as the head's model takes them; grey pixels stay grey where it draws them anew.

        Single completions are then those of ones and zeros, drawn once: no other rows are met
        when it predicts.
        """
        if self.strategy != "single" or not self.generator_.binarize:
            return self._table_rows(values)
        generator = new_generator(self.generator_.seed_, 10)
        drawn = self._table_rows(binarized(torch.as_tensor(values), generator).numpy())
        grey = self.generator_._rows(values[:, self._varying])
        return replace(drawn, x=torch.where(drawn.s > 0, grey.x, drawn.x))

    def _unfilled(self, values: np.ndarray) -> Rows:
        """Rows with their holes, in the units of the head."""
        varying = values[:, self._varying]
        if not varying.shape[1]:
            return Rows.from_values(varying)
        return Rows.from_values(self.generator_.units_.to_model(varying))

    def _make(self) -> None:
        """A head with fresh parameters, on the generator's terms or straight behind its cells."""
        spec, law = self._spec, self.target_.law()
        self.n_members_ = self.generator_.n_members_
        network = self._new_head(spec.n_features, law, spec.shape)
        if self._is_direct:
            inputs = CompletedRow(spec, self.n_members_, torch.Generator())
            self.model_ = DirectModel(inputs, network, law)
        else:
            base = self.generator_.model_
            terms = {**dict(base.terms.items()), "label": LabelTerm(network, law)}
            self.model_ = LatentModel(
                base.n_latent,
                base.proposal,
                base.observation,
                terms,  # type: ignore[arg-type]
                base.gradient,
                self._sampler(),
                base.prior if self.as_generated_ else None,
                conditional=base.conditional and self.as_generated_,
            )
        self.model_.to(self.device, torch.float32)

    def _sampler(self) -> Sampler:
        """How choices teach: over hundreds of pixels means had the lowest error (choices.md)."""
        if self.sampler is not None:
            return self.sampler
        return "mean" if self.generator_.units_.spec.images else "score"

    @property
    def _is_direct(self) -> bool:
        """Whether the head stands alone: on single completions, or where nothing varies."""
        return self.strategy == "single" or not self._varying

    def _train(self, rows: Rows) -> None:
        joint = self.strategy == "joint" and not self._is_direct
        if not self._is_direct:
            # The head is left alone: layers of it that its user froze stay so.
            self.generator_.model_.requires_grad_(joint)
        self._fit_head(self._objective(rows, joint), rows, unlabelled=joint)

    def _objective(self, rows: Rows, joint: bool) -> Objective:
        if isinstance(self.model_, DirectModel):
            return DirectObjective(self.model_, self.n_members_, self.generator_.binarize)
        assert isinstance(self.model_, LatentModel)
        source = self.generator_
        hide = source._hide()
        return LatentObjective(
            self.model_,
            self.n_members_,
            self.n_importance,
            self.n_importance_predict,
            rows.s,
            hide if joint else HideCells(0.0, 0.0),
            source._log_prior if joint else _no_prior,
            len(rows),
            source.binarize,
            self._weighs(),
        )

    def _weighs(self) -> bool:
        """Whether samples behind a label count by their weights."""
        return self.generator_._weighs() or not self.as_generated_

    # ---- answering ----------------------------------------------------------------------

    def _label_answers(self) -> LabelAnswers:
        assert isinstance(self.model_, LatentModel)
        answers = replace(self.generator_._answers(), model=self.model_, weigh=self._weighs())
        term = self.model_.terms["label"]
        assert isinstance(term, LabelTerm)
        width = max(answers.width, int(term.network.width))  # type: ignore[arg-type]
        return LabelAnswers(replace(answers, n_importance=self.n_importance_predict, width=width))

    def _averages(self, X: Any) -> np.ndarray:
        if self._is_direct:
            return super()._averages(X)
        averages, effective = self._label_answers().averages(self._encoded_rows(X))
        self._warn_of_few(effective)
        return as_numpy(averages)

    def _answers_of_draws(self, X: Any, n_draws: int, seed: int) -> np.ndarray:
        if self._is_direct:
            return super()._answers_of_draws(X, n_draws, seed)
        draws, effective = self._label_answers().draws(self._encoded_rows(X), n_draws, seed)
        self._warn_of_few(effective)
        return as_numpy(draws)

    def _warn_of_few(self, effective: Tensor) -> None:
        """Warn if too few samples are behind labels; rows without a hole need none."""
        if self._weighs():
            warn_of_few(effective, torch.isfinite(effective), self.n_importance_predict)

    def _weigher(self) -> LatentImputer:
        source = copy.copy(self.generator_)
        if not self._is_direct:
            source.set_params(n_importance_predict=self.n_importance_predict)
        return source

    def impute(self, X: Any, y: Any = None) -> Any:
        """Complete a table, with what the labels tell where they are given.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        y : array-like of shape (n,), optional
            Labels, NaN or None where unknown. With them the weights hold log p(y | x), and the
            answers are averages of ``n_importance_predict`` sampled cells, whatever the
            generator's ``decision``. Rows without a label are completed as if none were given;
            with ``strategy="single"`` there are no weights, and labels change nothing.

        Returns
        -------
        same as X
            Observed cells are bit-identical.

        Warns
        -----
        AnswerQualityWarning
            When more than a tenth of the rows with holes have fewer than 5 effective samples.
        """
        check_is_fitted(self)
        if y is None or self._is_direct:
            return self.generator_.transform(X)
        source = self.generator_
        encoded, labels = source._encode(X), self.target_.encode(y)
        check_lengths(len(encoded.values), len(labels))
        rows = self._table_rows(encoded.values).with_labels(labels)
        answers = replace(self._label_answers().answers, weigh=source._weighs())
        means = answers.means(rows)
        known = ~np.isnan(labels)
        holed = (rows.s == 0).any(-1) & torch.as_tensor(known, device=rows.s.device)
        warn_of_few(means.effective, holed, self.n_importance_predict)
        filled = source._from_features(means.mean)
        if not known.all():
            filled[~known] = source._complete(encoded.values[~known][:, source._varying])
        return source.codec_.restore(X, source._finite(source._full(filled)))

    # ---- files --------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts, _ = super()._state()
        facts["as_generated"] = self.as_generated_
        return facts, _own_tensors(self.model_)

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        super()._set_state(facts, tensors)
        self.codec_ = self.generator_.codec_
        self.as_generated_ = bool(facts.get("as_generated", False))
        self._make()
        restore_network(self.model_, tensors, _own_tensors(self.model_))


class LatentClassifier(IncompleteClassifier, LatentLabelEstimator):
    """Base of the classifiers; the settings are those of :class:`SupMIWAEClassifier`."""

    def __init__(
        self,
        *,
        generator: str | Path | LatentImputer | None = None,
        strategy: Literal["joint", "frozen", "single"] = "joint",
        head: str | nn.Module = "mlp",
        n_bins: int = 0,
        add_indicator: bool = False,
        hidden: Sequence[int] = (128, 128),
        activation: str = "silu",
        dropout: float = 0.0,
        sampler: Sampler | None = None,
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
        n_bins: int = 0,
        add_indicator: bool = False,
        hidden: Sequence[int] = (128, 128),
        activation: str = "silu",
        dropout: float = 0.0,
        sampler: Sampler | None = None,
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
