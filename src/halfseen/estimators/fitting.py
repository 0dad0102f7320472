"""Train a latent model on a table: batches, training masks, held-out cells or rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from halfseen.core.batch import Batch, Rows
from halfseen.core.memory import floats_at_once
from halfseen.core.noise import Noise, new_generator
from halfseen.objectives.evidence import Importance, Objective
from halfseen.terms.latent import LatentModel
from halfseen.training.binarize import binarized
from halfseen.training.deck import Deck
from halfseen.training.hiding import HideCells
from halfseen.training.loop import History, Phase, TrainConfig, Watcher, train
from halfseen.training.monitors import held_out_bound, held_out_cells
from halfseen.training.parts import in_parts

__all__ = ["LatentFit"]

# Rows that a monitor looks at: enough for a steady score, few enough to be cheap.
MONITOR_ROWS, MONITOR_FLOATS = 1000, 2**24
# Temperatures that calibration tries.
TEMPERATURES = [1.0 + 0.1 * i for i in range(21)]
COARSE = (1.0, 1.5, 2.0, 3.0)


@dataclass
class LatentFit:
    """Everything that one fit of a latent model needs.

    Parameters
    ----------
    model : LatentModel
        With ``n_members`` members.
    rows : Rows
        The table on the device.
    n_members, n_importance, batch_size : int
        M, K and B.
    hide : HideCells
        Training masks.
    validation : {"cells", "rows", "none"}
        What is held out: a share of the seen cells (another one for each member), a share of
        the rows, or nothing.
    validation_fraction : float
        That share.
    calibrate : bool
        Whether a share of the seen cells is held out to choose a temperature at the end.
    binarize : bool
        Whether every batch draws ones and zeros whose means are the seen cells.
    log_prior : callable
        Log-density of priors on parameters, summed over members.
    seed : int
        Of batches, noise and held-out data.
    objective : Objective
        What is minimised.
    """

    model: LatentModel
    rows: Rows
    n_members: int
    n_importance: int
    batch_size: int
    hide: HideCells
    validation: str
    validation_fraction: float
    log_prior: Callable[[LatentModel], Tensor]
    seed: int
    calibrate: bool = False
    binarize: bool = False
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    objective: Objective = field(default_factory=Importance)

    def run(self, config: TrainConfig, watcher: Watcher) -> History:
        """Train, and restore the best state."""
        self._hold_out()
        self.max_calls = config.max_steps
        parameters = list(self.model.parameters())
        phase = Phase(
            "model", parameters, self._loss, betas=self.betas, weight_decay=self.weight_decay
        )
        monitor = self._monitor()
        sources = [self.deck]
        history = train(self.model, [phase], config, monitor, self.n_members, watcher, sources)
        self.model.eval()
        if self.calibrate:
            self._calibrate()
        return history

    def _calibrate(self) -> None:
        """Choose the temperature under which held-out cells are most probable.

        A network fits the cells it was shown more closely than those it was not; one number
        mends the spread of all laws (Guo et al. 2017 do so for classifiers).
        """
        monitor = self._cell_monitor()
        if monitor is None:
            return
        scores = self._tempered(monitor, TEMPERATURES).mean(-1)
        self.model.observation.temperature.fill_(TEMPERATURES[int(scores.argmax())])

    def _tempered(self, monitor: Callable[[], Tensor], candidates: Sequence[float]) -> Tensor:
        """Held-out scores under several temperatures, shape (temperatures, M)."""
        temperature, scores = self.model.observation.temperature, []
        for candidate in candidates:
            temperature.fill_(candidate)
            scores.append(monitor())
        temperature.fill_(1.0)
        return torch.stack(scores)

    def _hold_out(self) -> None:
        device, n = self.rows.x.device, len(self.rows)
        self.generator = new_generator(self.seed, 3, device)
        s = self.rows.s
        self.train_at = torch.arange(n, device=device)
        self.train_s: Tensor = s
        self.hidden: Tensor | None = None
        self.held_rows: Tensor | None = None
        share = self.validation_fraction
        if (self.validation == "cells" or self.calibrate) and share > 0:
            # Members share the held-out cells of a large table, to keep memory flat.
            sets = self.n_members if s.numel() < 2**22 else 1
            u = torch.rand(s.shape, generator=self.generator, device=device)
            low = torch.arange(sets, device=device)[:, None, None] * share
            self.hidden = s * ((u - low) % 1.0 < share)
            self.train_s = s - self.hidden
        if self.validation == "rows" and share > 0:
            order = torch.randperm(n, generator=self.generator, device=device)
            held = round(share * n)
            self.held_rows, self.train_at = order[:held], order[held:]
        self.deck = Deck(self.train_at, self.batch_size, self.generator)

    def _masks(self, index: Tensor) -> Tensor:
        """Scored cells of some rows: (B, p), or (M, 1, B, p) where members differ."""
        if self.train_s.dim() == 2:
            return self.train_s[index]
        return self.train_s[:, None, index]

    def _loss(self) -> dict[str, Tensor]:
        index, progress = self.deck.deal(), (self.deck.n_dealt - 1) / self.max_calls
        s = self._masks(index)
        shown = s * self.hide(self.rows.s[index], self.rows.s, self.generator)
        x = self.rows.x[index]
        x = binarized(x, self.generator) if self.binarize else x
        self.model.train()

        def losses_of(part: slice) -> dict[str, Tensor]:
            batch = Batch(x[part], s[..., part, :], shown[..., part, :])
            return self.objective(self.model, batch, self._noise, progress)

        losses = in_parts(losses_of, len(x), self._width, self.generator, self.model)
        prior = self.log_prior(self.model).sum() / len(self.train_at)
        return losses | {"parameter_prior": -prior}

    @property
    def _width(self) -> int:
        """Floats of the widest activation of one row of a batch."""
        return self.n_members * self.n_importance * max(self.model.observation.width, 64)

    def _noise(self, batch: Batch) -> Noise:
        return Noise(self.generator, (self.n_members, self.n_importance, len(batch)))

    def _monitor(self) -> Callable[[], Tensor] | None:
        """What training is watched by."""
        if self.validation == "rows":
            return self._row_monitor()
        cells = self._cell_monitor() if self.validation == "cells" else None
        if cells is None or not self.calibrate:
            return cells
        # States are compared as they will be used: each under its best temperature.
        return lambda: self._tempered(cells, COARSE).amax(0)

    def _some(self, rows: Tensor) -> Tensor:
        """Some of the rows at random: as many as a monitor can look at in one piece."""
        width = max(self.model.observation.width, 64)
        most = floats_at_once(MONITOR_FLOATS) // (self.n_members * self._monitor_k * width)
        generator = new_generator(self.seed, 4, rows.device)
        order = torch.randperm(len(rows), generator=generator, device=rows.device)
        return rows[order[: max(1, min(MONITOR_ROWS, most))]]

    @property
    def _monitor_k(self) -> int:
        return max(30, self.n_importance)

    def _cell_monitor(self) -> Callable[[], Tensor] | None:
        if self.hidden is None or not self.hidden.any():
            return None
        at = self._some(torch.nonzero(self.hidden.sum((0, 2)))[:, 0])
        s, hidden = self.train_s[:, None, at], self.hidden[:, None, at]
        batch = Batch(self.rows.x[at], s, s)

        def score() -> Tensor:
            model = self.model.eval()
            return held_out_cells(model, batch, hidden, self._monitor_k, self.seed, self.n_members)

        return score

    def _row_monitor(self) -> Callable[[], Tensor] | None:
        if self.held_rows is None or not len(self.held_rows):
            return None
        rows = self.rows.take(self._some(self.held_rows))

        def score() -> Tensor:
            model = self.model.eval()
            return held_out_bound(model, rows, self._monitor_k, self.seed, self.n_members)

        return score
