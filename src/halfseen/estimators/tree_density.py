"""The imputer over a tree of mixtures: settings in, exact answers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.features import Features
from halfseen.core.noise import Noise, new_generator, seed_from
from halfseen.core.spec import DataSpec
from halfseen.core.stored import entries, member, numbers, whole
from halfseen.core.units import Units
from halfseen.errors import FileFormatError, SettingError
from halfseen.estimators.floors import noise_floors
from halfseen.estimators.repeats import Repeats, find_repeats, log_units
from halfseen.estimators.row_drawer import RowDrawer
from halfseen.estimators.stored_network import restore_network, set_common
from halfseen.estimators.tree_design import TreeDesign, column_order, make_tree
from halfseen.estimators.tree_fitting import CHUNK_FLOATS, TreeFit, row_parts
from halfseen.estimators.tree_start import start_leaves, start_tree
from halfseen.training.loop import TrainConfig
from halfseen.training.progress import progress

__all__ = ["TreeDensity"]


class TreeDensity(RowDrawer):
    """Base of the imputers whose model is a :class:`TreeModel`; a method lists its settings."""

    n_components: int
    channels: Sequence[int] | None
    patch: int
    tied: bool
    start: str
    train_components: bool
    noise_floor: float | str
    repeats: str
    n_members: int | None
    validation_fraction: float
    max_steps: int | None
    batch_size: int
    lr: float
    schedule: str
    patience: int | None
    beta2: float
    average: float
    time_budget: float | None
    random_state: Any
    verbose: bool
    _chunk_floats: ClassVar[int] = CHUNK_FLOATS

    # ---- fitting ------------------------------------------------------------------------

    def _fit_values(self, values: np.ndarray, spec: DataSpec) -> None:
        self._check_settings()
        self.seed_ = seed_from(self.random_state)
        self.n_members_ = self.n_members or (3 if spec.shape is None else 1)
        self.history_: list[dict[str, Any]] = []
        self.n_iter_ = 0
        if spec.n_columns == 0:
            return
        self.units_ = Units.fit(spec, values)
        x = self.units_.to_model(values)
        self.floor_ = noise_floors(x, spec, self.noise_floor)
        self.repeats_ = find_repeats(x, values, spec, self.repeats)
        self.order_ = [] if spec.shape is not None else column_order(spec, x)
        self._make(spec)
        rows = Rows.from_values(x, self.device)
        generator = new_generator(self.seed_, 7, self.device)
        start_leaves(self.model_.leaves, rows, generator)
        if self.start == "clusters":
            start_tree(self.model_, rows, generator)
        self._train(rows)

    def _check_settings(self) -> None:
        sizes: dict[str, Any] = {"channels": self._channels(image=False)}
        for name in ("n_components", "patch"):
            sizes[name] = (getattr(self, name),)
        for name, given in sizes.items():
            if not all(isinstance(v, (int, np.integer)) and v > 0 for v in given) or not given:
                raise SettingError(
                    f"Got {name}={getattr(self, name)!r}. Expected positive whole numbers."
                )
        if self.start not in ("clusters", "random"):
            raise SettingError(
                f"Got start={self.start!r}. Expected one of ('clusters', 'random')."
            )

    def _channels(self, *, image: bool) -> tuple[int, ...]:
        if self.channels is not None:
            return tuple(self.channels)
        return (64, 128, 256, 512) if image else (64,)

    def _make(self, spec: DataSpec) -> None:
        """A model whose leaves have not begun."""
        channels = self._channels(image=spec.shape is not None)
        sizes = (self.n_members_, self.n_components, channels)
        self.model_ = make_tree(
            TreeDesign(*sizes, self.patch, self.tied),
            spec,
            self.units_,
            self.floor_,
            self.repeats_,
            self.order_,
            new_generator(self.seed_, 0),
        ).to(self.device, torch.float32)

    def _train(self, rows: Rows) -> None:
        # More rows are worth more steps, within bounds.
        steps = int(np.clip(600 * np.sqrt(len(rows) / 1000), 500, 4000))
        steps = steps if self.max_steps is None else self.max_steps
        config = TrainConfig(
            max_steps=steps,
            lr=self.lr,
            schedule=self.schedule,  # type: ignore[arg-type]
            check_every=max(1, min(100, steps // 10)),
            patience=self.patience,
            time_budget=self.time_budget,
            average=self.average,
        )
        fit = TreeFit(
            model=self.model_,
            rows=rows,
            n_members=self.n_members_,
            batch_size=self.batch_size,
            validation_fraction=self.validation_fraction,
            train_components=self.train_components,
            beta2=self.beta2,
            seed=self.seed_,
        )
        with progress(type(self).__name__, self.verbose) as watcher:
            history = fit.run(config, watcher)
        self.history_, self.stopped_ = history.rows, history.stopped
        self.n_iter_ = history.rows[-1]["step"] if history.rows else 0
        self.model_.requires_grad_(False)

    # ---- answering ----------------------------------------------------------------------

    @property
    def _width(self) -> int:
        return self.model_.width

    def _rows(self, values: np.ndarray) -> Rows:
        return Rows.from_values(self.units_.to_model(values), self.device)

    def _from_features(self, features: Tensor) -> np.ndarray:
        """Mean features (..., F) in natural units as values (..., p) in data units."""
        contract = Features(self.units_.spec).to(features.device).contract
        return self.units_.finish(contract(features).cpu().numpy())

    def _to_data(self, x: Tensor) -> np.ndarray:
        """Drawn cells (..., p) in data units; values that come back as they stand in the table."""
        natural = self.units_.natural(x, list(range(x.shape[-1])))
        return self.repeats_.snap(x.cpu().numpy(), self.units_.finish(natural.cpu().numpy()))

    @torch.no_grad()
    def _complete(self, values: np.ndarray) -> np.ndarray:
        """Conditional means of numbers, most probable categories."""
        parts = row_parts(self._rows(values), self.model_.width)
        return self._from_features(
            torch.cat([self.model_.mean(batch, self.units_) for batch in parts])
        )

    @torch.no_grad()
    def _drawn(self, rows: Rows, source: Noise, *, noise: bool) -> np.ndarray:
        batch = rows.take(slice(None))
        if noise:
            return self._to_data(self.model_.draw(batch, source))
        return self._from_features(self.model_.centers(batch, source, self.units_))

    @torch.no_grad()
    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of the seen cells of each row, exact and in data units.

        Cells of categories, counts and values that come back count their probability. In a
        column with few distinct values any other one is as likely as the nearest of these times
        1e-4 times a Cauchy density about them.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.

        Returns
        -------
        array of shape (n,)
            0 where nothing is seen.
        """
        values = self._encode(X).values[:, self._varying]
        if values.shape[1] == 0:
            return np.zeros(len(values))
        parts = row_parts(self._rows(self.repeats_.nearest(values)), self.model_.width)
        log_p = torch.cat([self.model_.log_prob(batch) for batch in parts]).cpu().numpy()
        return log_p + log_units(self.units_, self.repeats_, values)

    # ---- files --------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts: dict[str, Any] = {"seed": self.seed_, "n_members": self.n_members_}
        facts |= {"history": self.history_, "n_iter": self.n_iter_}
        facts["missing_share"] = self.missing_share_.tolist()
        if not hasattr(self, "model_"):
            return facts, {}
        facts |= {
            "units": self.units_.to_json(),
            "floor": self.floor_.tolist(),
            "repeats": self.repeats_.to_json(),
            "order": self.order_,
        }
        return facts, self.model_.state_dict()

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        self.n_members_ = whole(facts, "n_members", 1)
        set_common(self, facts)
        if not self._varying:
            return
        spec, p = self._spec, self._spec.n_columns
        self.units_ = Units.from_json(spec, member(facts, "units"))
        self.floor_, self.order_ = numbers(facts, "floor", p), entries(facts, "order")
        if sorted(self.order_) != list(range(p if spec.shape is None else 0)):
            raise FileFormatError("The file's 'order' is not one of its columns.")
        self.repeats_ = Repeats.from_json(member(facts, "repeats"), p)
        self._make(spec)
        restore_network(self.model_, tensors)
