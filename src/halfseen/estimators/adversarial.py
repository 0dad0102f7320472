"""The imputer over an adversarial model: settings in, trained players inside, answers out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from halfseen.core.features import Features
from halfseen.core.memory import floats_at_once
from halfseen.core.noise import Noise, new_generator, seed_from
from halfseen.core.row_noise import RowNoise, row_keys
from halfseen.core.spec import DataSpec
from halfseen.core.stored import member, numbers, pair
from halfseen.core.units import Units
from halfseen.errors import FileFormatError
from halfseen.estimators.adversarial_settings import check_numbers, check_sizes, check_words
from halfseen.estimators.base import BaseImputer
from halfseen.estimators.dealing import Dealer, Held
from halfseen.estimators.mask_units import MaskUnits
from halfseen.estimators.players import CellImputer
from halfseen.estimators.ranges import bounded_units
from halfseen.estimators.stored_network import restore_network, set_common
from halfseen.training.loop import Phase, TrainConfig, train
from halfseen.training.progress import progress

__all__ = ["AdversarialImputer"]

DECISIONS = ("mean", "draw")
# Numbers of one activation that stay near the processor.
CHUNK_FLOATS = 2**22
# Rows to hold out, at least and at most.
FEWEST_HELD, MOST_HELD = 20, 2000
# Where a file keeps the masks of a known law.
KNOWN_MASKS = "masks.masks"
# A new row far outside of what was seen must not overflow a network.
FARTHEST = 2.0


class AdversarialImputer(BaseImputer):
    """Base of the imputers whose players are trained against each other.

    A method says who plays (``_make_game``), in which order they learn (``_learn``) and who
    completes rows (``_completer``).
    """

    n_members: int
    skewed: bool
    decision: str
    n_draws_predict: int
    validation_fraction: float
    max_steps: int | None
    batch_size: int
    schedule: str
    average: float
    clip_norm: float | None
    time_budget: float | None
    random_state: Any
    device: str
    verbose: bool
    #: A setting of methods that have it: see :func:`bounded_units`.
    scale: str = "standard"

    #: Fewest and most rounds when ``max_steps`` is left to the number of rows.
    step_range: ClassVar[tuple[int, int]] = (1500, 4000)

    game_: Any
    range_: tuple[np.ndarray, np.ndarray]

    # ---- what a method says -------------------------------------------------------------

    @abstractmethod
    def _make_game(self, spec: DataSpec, masks: Tensor, generator: torch.Generator) -> nn.Module:
        """All players, with fresh parameters; ``masks`` (n, U) are those of the table."""

    @abstractmethod
    def _learn(self, dealer: Dealer, held: Held | None) -> None:
        """Train the players."""

    @abstractmethod
    def _completer(self) -> CellImputer:
        """Who completes rows."""

    # ---- fitting ------------------------------------------------------------------------

    def _fit_values(self, values: np.ndarray, spec: DataSpec) -> None:
        self._check_settings()
        self.seed_ = seed_from(self.random_state)
        self.history_: list[dict[str, Any]] = []
        self.n_iter_, self.stopped_ = 0, "steps"
        if hasattr(self, "game_"):
            del self.game_
        if spec.n_columns == 0:
            return
        self.units_, low, high = bounded_units(spec, values, skewed=self.skewed, scale=self.scale)
        self.range_ = low, high
        x, s = self._tensors(values)
        self.mask_units_ = MaskUnits.of_rows(spec, s.cpu()).to(self.device)
        masks = self.mask_units_.of_columns(s)
        self._make(spec, masks)
        dealer, held = self._deal(x, masks)
        self._learn(dealer, held)
        self.game_.requires_grad_(False).eval()

    def _check_settings(self) -> None:
        check_words(self, {"decision": DECISIONS})
        check_sizes(self, ("n_members", "n_draws_predict"))
        check_numbers(self, {"a positive number": ("gumbel_temperature",)})

    def _make(self, spec: DataSpec, masks: Tensor) -> None:
        """Players with fresh parameters."""
        game = self._make_game(spec, masks, new_generator(self.seed_, 0))
        self.game_ = game.to(self.device, torch.float32)

    def _deal(self, x: Tensor, masks: Tensor) -> tuple[Dealer, Held | None]:
        """Rows to learn from, and others to watch by."""
        n, generator = len(masks), new_generator(self.seed_, 3, self.device)
        held = min(round(self.validation_fraction * n), MOST_HELD)
        if held < FEWEST_HELD:
            return Dealer(x, masks, self.batch_size, self.n_members, generator), None
        order = torch.randperm(n, generator=generator, device=masks.device)
        out, rest = order[:held], order[held:]
        dealer = Dealer(x[rest], masks[rest], self.batch_size, self.n_members, generator)
        return dealer, Held.from_rows(
            x[out], masks[out], new_generator(self.seed_, 4, self.device)
        )

    def _steps(self, n_rows: int) -> int:
        if self.max_steps is not None:
            return self.max_steps
        return int(np.clip(1500 * np.sqrt(n_rows / 1000), *self.step_range))

    def _play(
        self,
        label: str,
        phases: list[Phase],
        monitor: Callable[[], Tensor] | None,
        steps: int,
        dealer: Dealer,
        seconds: float | None,
    ) -> float:
        """Train some phases on what is dealt, and add to the history: the seconds it took.

        ``seconds`` are those that it may take; None is any.
        """
        config = TrainConfig(
            max_steps=steps,
            schedule=self.schedule,  # type: ignore[arg-type]
            check_every=max(1, min(250, steps // 10)),
            time_budget=seconds,
            clip_norm=self.clip_norm,
            average=self.average,
        )
        name = f"{type(self).__name__}: {label}"
        with progress(name, self.verbose) as watcher:
            sources, game = [dealer.deck], self.game_.train()
            history = train(game, phases, config, monitor, self.n_members, watcher, sources)
        self.history_ += [{"stage": label, **row} for row in history.rows]
        self.stopped_ = history.stopped
        last: dict[str, Any] = history.rows[-1] if history.rows else {"step": 0, "seconds": 0.0}
        self.n_iter_ += last["step"]
        return float(last["seconds"])

    # ---- answering ----------------------------------------------------------------------

    def _tensors(self, values: np.ndarray) -> tuple[Tensor, Tensor]:
        """Features (n, F), 0 where missing, and the mask of columns (n, p)."""
        seen = ~np.isnan(values)
        low, high = self.range_
        choices = [column.categorical for column in self.units_.spec.columns]
        beyond = np.where(choices, np.inf, FARTHEST * (high - low))
        cells = np.clip(self.units_.to_model(values), low - beyond, high + beyond)
        s = torch.as_tensor(seen, dtype=torch.float32, device=self.device)
        rows = torch.as_tensor(np.where(seen, cells, 0.0), dtype=torch.float32, device=self.device)
        expand = Features(self.units_.spec).to(self.device)
        return expand(rows) * expand.mask(s), s

    def _complete(self, values: np.ndarray) -> np.ndarray:
        if self.decision == "draw":
            return self._drawn(values, 1, self.seed_)[0]
        return self._means(values)

    @torch.no_grad()
    def _means(self, values: np.ndarray) -> np.ndarray:
        """Means of numbers over draws, most frequent categories; data units (n, p)."""
        imputer, expand = self._completer(), Features(self.units_.spec).to(self.device)
        parts = []
        for x, s, _ in self._chunks(values, self.n_draws_predict):
            # All rows share their noise: a row's answer is then its own.
            noise = Noise(
                new_generator(self.seed_, 1, self.device),
                (self.n_members, self.n_draws_predict, 1),
            )
            made = imputer.complete(x, expand.mask(s), noise, hard=True)
            natural = expand(self._natural(made))
            parts.append(expand.contract(natural.mean((0, 1))))
        return self.units_.finish(torch.cat(parts).cpu().numpy())

    @torch.no_grad()
    def _drawn(self, values: np.ndarray, n_draws: int, seed: int) -> np.ndarray:
        """Completions in data units, (n_draws, n, p)."""
        imputer, expand = self._completer(), Features(self.units_.spec).to(self.device)
        per_member, parts = -(-n_draws // self.n_members), []
        for x, s, keys in self._chunks(values, per_member, seed):
            noise = RowNoise(keys, self.n_members, per_member, self.device)
            made = self._natural(imputer.complete(x, expand.mask(s), noise, hard=True))
            # Interleaved, so that any first few draws come from all members.
            parts.append(made.transpose(0, 1).flatten(0, 1)[:n_draws])
        return self.units_.finish(torch.cat(parts, 1).cpu().numpy())

    def _natural(self, features: Tensor) -> Tensor:
        """Cells (..., p) of features, in units that may be averaged."""
        expand = Features(self.units_.spec).to(self.device)
        return self.units_.natural(
            expand.contract(features), list(range(self.units_.spec.n_columns))
        )

    def _chunks(
        self, values: np.ndarray, per_row: int, seed: int = 0
    ) -> Iterator[tuple[Tensor, Tensor, np.ndarray]]:
        """Features, masks and keys of some rows at a time."""
        x, s = self._tensors(values)
        keys = row_keys(x.cpu().numpy(), s.cpu().numpy(), seed)
        width = 4 * max(self.units_.spec.n_features, 128)
        size = max(1, floats_at_once(CHUNK_FLOATS) // (per_row * self.n_members * width))
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            yield x[part], s[part], keys[part]

    def sample(self, X: Any, n_draws: int = 20, random_state: Any = None) -> list[Any]:
        """Multiple imputation: several completed tables.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        n_draws : int, default=20
            How many.
        random_state : int, optional
            Seed of the draws; by default that of the fit.

        Returns
        -------
        list of tables like X
            Observed cells are bit-identical in each.
        """
        return self._drawn_tables(X, n_draws, random_state, self._drawn)

    # ---- files --------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts: dict[str, Any] = {
            "seed": self.seed_,
            "history": self.history_,
            "n_iter": self.n_iter_,
            "stopped": self.stopped_,
            "missing_share": self.missing_share_.tolist(),
        }
        if not hasattr(self, "game_"):
            return facts, {}
        facts["range"] = [bound.tolist() for bound in self.range_]
        facts["units"] = self.units_.to_json()
        facts["mask_units"] = self.mask_units_.unit.tolist()
        return facts, self.game_.state_dict()

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        set_common(self, facts)
        self.stopped_ = str(member(facts, "stopped"))
        if not self._varying:
            return
        spec, p = self._spec, self._spec.n_columns
        self.units_ = Units.from_json(spec, member(facts, "units"))
        self.range_ = pair(facts, "range", p)
        unit = torch.from_numpy(numbers(facts, "mask_units", p).astype(np.int64))
        if (unit < 0).any() or (unit >= p).any():
            raise FileFormatError("The file's 'mask_units' are not numbers of its columns.")
        self.mask_units_ = MaskUnits(spec, unit).to(self.device)
        self._make(spec, tensors.get(KNOWN_MASKS, torch.zeros(1, self.mask_units_.n_units)))
        restore_network(self.game_, tensors)

    def __sklearn_tags__(self) -> Any:
        """Tags for scikit-learn."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = False
        return tags
