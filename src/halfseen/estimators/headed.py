"""What estimators share whose label comes from a head: training it, and its direct answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from halfseen.core.batch import Rows
from halfseen.core.memory import reserving_table
from halfseen.core.noise import new_generator
from halfseen.core.spec import NUMERIC, DataSpec
from halfseen.core.stored import entries, numbers, whole
from halfseen.errors import SettingError
from halfseen.estimators.label_fitting import LabelFit
from halfseen.estimators.label_objectives import Objective
from halfseen.estimators.labelled import LabelEstimator, as_numpy
from halfseen.estimators.targets import Target
from halfseen.nn.heads import PiecewiseLinear, make_head
from halfseen.terms.direct import DirectModel
from halfseen.terms.label import LabelLaw
from halfseen.training.loop import TrainConfig
from halfseen.training.progress import progress

__all__ = ["HeadEstimator"]

# Rows at a time that a head answers which stands alone.
DIRECT_ROWS = 4096


class HeadEstimator(LabelEstimator):
    """Base of the classifiers and regressors with a head, a network of p(y | x).

    Where ``model_`` is a :class:`DirectModel`, the head behind an input layer, this class
    answers; subclasses add other ways.
    """

    head: Any
    n_bins: int
    hidden: Sequence[int]
    activation: str
    dropout: float
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

    model_: nn.Module
    n_members_: int
    edges_: np.ndarray

    # ---- what a subclass says -----------------------------------------------------------

    @abstractmethod
    def _rows(self, values: np.ndarray) -> Rows:
        """Rows as the model takes them, from data units (n, p)."""

    @abstractmethod
    def _make(self) -> None:
        """Set ``model_`` with fresh parameters; also called after loading."""

    # ---- fitting ------------------------------------------------------------------------

    def _fit_target(
        self, X: Any, y: Any, target: Target, checkpoint: str | Path | None, every: float
    ) -> Self:
        self._check_training()
        return super()._fit_target(X, y, target, checkpoint, every)

    def _check_training(self) -> None:
        """Settings that nothing else would refuse."""
        if self.patience is not None and self.validation_fraction == 0:
            raise SettingError(
                f"Got patience={self.patience} and validation_fraction=0. Patience needs rows "
                "that are held out."
            )

    def _table_rows(self, values: np.ndarray) -> Rows:
        """Rows as the model takes them, with indicators, from data units of all columns."""
        rows = self._rows(values[:, self._varying])
        if not self.indicated_:
            return rows
        return rows.with_extra(np.isnan(values[:, self.indicated_]))

    def _new_head(self, n_in: int, law: LabelLaw, shape: tuple[int, int, int] | None) -> nn.Module:
        if self.indicated_ and shape is not None and self.head not in ("mlp", "linear"):
            raise SettingError(
                f"Got add_indicator=True with images and head={self.head!r}. Expected head='mlp' "
                "or 'linear': indicators of pixels are no channel that a convolution can take."
            )
        return make_head(
            self.head,
            self.n_members_,
            n_in + len(self.indicated_),
            law.n_raw,
            new_generator(self.seed_, 7),
            hidden=self.hidden,
            activation=self.activation,
            dropout=self.dropout,
            shape=shape,
            encoding=self._encoding() if self._has_bins else None,
        )

    def _encoding(self) -> PiecewiseLinear | None:
        """Bins of the numeric columns; their features come first to the head in any order."""
        spec = self._spec
        at = [spec.offsets[j] for j in spec.where(*NUMERIC)]
        return PiecewiseLinear(torch.as_tensor(self.edges_, dtype=torch.float32), at)

    def _choose_bins(self, rows: Rows) -> None:
        """Edges of bins with equal shares of the seen cells, in model units: (c, n_bins + 1)."""
        numeric = self._spec.where(*NUMERIC) if self._has_bins else []
        self.edges_ = np.zeros((len(numeric), self.n_bins + 1))
        x, seen = rows.x.cpu().numpy(), (rows.s > 0).cpu().numpy()
        for i, j in enumerate(numeric):
            # A column that none of these rows shows has bins without a width.
            cells = x[seen[:, j], j] if seen[:, j].any() else np.zeros(1)
            self.edges_[i] = np.quantile(cells, np.linspace(0, 1, self.n_bins + 1))

    @property
    def _has_bins(self) -> bool:
        """Whether there are numbers that the head may see in bins: pixels are not."""
        spec = self._spec
        return self.n_bins > 0 and spec.shape is None and bool(spec.where(*NUMERIC))

    def _fit_head(self, objective: Objective, rows: Rows, unlabelled: bool) -> None:
        """Train what requires a gradient; rows without a label teach if ``unlabelled``."""
        parameters = [p for p in self.model_.parameters() if p.requires_grad]
        fit = LabelFit(
            objective=objective,
            parameters=parameters,
            rows=rows,
            unlabelled=unlabelled,
            batch_size=self.batch_size,
            validation_fraction=self.validation_fraction,
            calibrate=self.calibrate,
            seed=self.seed_,
            n_members=self.n_members_,
            weight_decay=self.weight_decay,
        )
        watching = progress(type(self).__name__, self.verbose)
        with reserving_table(*rows.x.shape), watching as watcher:
            history = fit.run(self._config(len(rows)), watcher)
        self.history_, self.stopped_ = history.rows, history.stopped
        self.n_iter_ = history.rows[-1]["step"] if history.rows else 0
        self.model_.requires_grad_(False)

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

    @property
    def _spec(self) -> DataSpec:
        """The columns that vary."""
        return self.codec_.spec.subset(self._varying)

    # ---- answering ----------------------------------------------------------------------

    def _encoded_rows(self, X: Any) -> Rows:
        return self._table_rows(self._encode(X).values)

    def _averages(self, X: Any) -> np.ndarray:
        return as_numpy(self._direct(self._encoded_rows(X), moments=True).mean(0))

    def _answers_of_draws(self, X: Any, n_draws: int, seed: int) -> np.ndarray:
        return as_numpy(self._direct(self._encoded_rows(X), moments=False))

    @torch.no_grad()
    def _direct(self, rows: Rows, moments: bool) -> Tensor:
        """Answers of a head that stands alone, (M, n, n_answers)."""
        assert isinstance(self.model_, DirectModel)
        parts = []
        for start in range(0, max(len(rows), 1), DIRECT_ROWS):
            answer = self.model_.answer(rows.take(slice(start, start + DIRECT_ROWS)))
            parts.append(self.model_.law.moments(answer) if moments else answer)
        return torch.cat(parts, 1)

    # ---- files --------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts, tensors = super()._state()
        facts |= {"history": self.history_, "n_iter": self.n_iter_}
        facts |= {"indicated": self.indicated_, "edges": self.edges_.tolist()}
        return facts, tensors

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        super()._set_state(facts, tensors)
        self.history_, self.n_iter_ = entries(facts, "history"), whole(facts, "n_iter", 0, 2**53)
        n = self.codec_.spec.n_columns
        places = numbers(facts, "indicated", None).astype(int).tolist()
        self.indicated_ = [whole({"indicated": j}, "indicated", 0, n - 1) for j in places]
        self.edges_ = numbers(facts, "edges", None, self.n_bins + 1).reshape(-1, self.n_bins + 1)
