"""Train a network that says the law of hidden cells, on rows that have holes themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.features import Features
from halfseen.core.memory import floats_at_once
from halfseen.core.noise import Noise, new_generator
from halfseen.objectives.conditional import HiddenCells
from halfseen.terms.conditional_gaussian import ConditionalGaussian
from halfseen.training.deck import Deck
from halfseen.training.hidden_cells import Hider
from halfseen.training.loop import History, Phase, TrainConfig, Watcher, train
from halfseen.training.parts import in_parts
from halfseen.training.resuming import GlobalRandomness, Source, own_randomness

__all__ = ["ConditionalFit"]

# Most rows that are held out, fewest of which some are, and floats of one part of them.
MOST_HELD, ENOUGH, CHUNK_FLOATS = 1000, 50, 2**22
# Temperatures that calibration tries.
TEMPERATURES = [0.5 + 0.1 * i for i in range(46)]
# Masks under which each held-out row of a small table is scored.
MONITOR_MASKS = 4


@dataclass
class ConditionalFit:
    """Everything that one fit of a conditional network needs.

    Cells that are missing are neither shown nor scored: their place in ``x`` holds 0 and has no
    weight.

    Parameters
    ----------
    model : ConditionalGaussian
        With M members.
    rows : Rows
        The table on the device, in columns.
    expand : Features
        From columns to features.
    hide : Hider
        Which seen cells are hidden.
    objective : HiddenCells
        How they are scored.
    batch_size : int
        Rows per step; members hide other cells of them.
    validation_fraction : float
        Share of the rows that training does not see; no more than 1000 are held out.
    mse_weight, mse_share : float
        What a squared error counts, and in which first share of the steps.
    weight_decay : float
        Decoupled weight decay.
    betas : tuple of float
        Adam's moment decays.
    calibrate : bool
        Whether held-out rows choose a temperature at the end.
    seed : int
        Of batches, holes, noise and held-out rows.
    """

    model: ConditionalGaussian
    rows: Rows
    expand: Features
    hide: Hider
    objective: HiddenCells
    batch_size: int
    validation_fraction: float
    mse_weight: float
    mse_share: float
    weight_decay: float
    betas: tuple[float, float]
    calibrate: bool
    seed: int

    def run(self, config: TrainConfig, watcher: Watcher) -> History:
        """Train, and restore the best state."""
        device = self.rows.x.device
        self.generator = new_generator(self.seed, 3, device)
        # A row without a seen cell has nothing to hide.
        useful = torch.nonzero(self.rows.s.sum(1) > 0)[:, 0]
        n = len(useful)
        order = useful[torch.randperm(n, generator=self.generator, device=device)]
        n_held = min(round(self.validation_fraction * n), MOST_HELD) if n >= ENOUGH else 0
        self.held = order[:n_held]
        self.deck = Deck(order[n_held:], self.batch_size, self.generator)
        self.mse_calls = round(self.mse_share * config.max_steps)
        phase = Phase(
            "model",
            list(self.model.parameters()),
            self._loss,
            betas=self.betas,
            weight_decay=self.weight_decay,
        )
        monitor = self._monitor if n_held else None
        if monitor is not None:
            self._hide_held()
        members = self.model.n_members
        sources: list[Source] = [self.deck, GlobalRandomness()]
        with own_randomness(self.seed):
            history = train(self.model, [phase], config, monitor, members, watcher, sources)
        self.model.eval()
        if self.calibrate and monitor is not None:
            self._calibrate()
        return history

    def _calibrate(self) -> None:
        """Choose the temperature under which hidden cells of held-out rows are most probable.

        A network fits the rows it has seen more closely than others; one number mends the spread
        of all laws (Guo et al. 2017 do so for classifiers).
        """
        scores = self._held_scores(TEMPERATURES).mean(-1)
        self.model.temperature.fill_(TEMPERATURES[int(scores.argmax())])

    def _shown(self, s: Tensor, generator: torch.Generator) -> Tensor:
        """What each member is shown of rows, (M, B, p)."""
        everyone = s.expand(self.model.n_members, *s.shape).flatten(0, 1)
        return self.hide(everyone, self.rows.s, generator).view(-1, *s.shape)

    def _loss(self) -> dict[str, Tensor]:
        """Minus the log-likelihood of hidden cells of a batch, summed over members."""
        index = self.deck.deal()
        shown = self._shown(self.rows.s[index], self.generator)
        weight = self.mse_weight if self.deck.n_dealt <= self.mse_calls else 0.0
        self.model.train()

        def losses_of(part: slice) -> dict[str, Tensor]:
            x, seen, some = self._features(index[part], shown[:, part])
            noise = self._noise(len(x), self.generator)
            return self.objective(self.model(x, some), x, seen - some, noise, weight)

        width = self.model.n_members * self.model.width
        return in_parts(losses_of, len(index), width, self.generator, self.model)

    def _features(self, index: Tensor, shown: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (B, F), and the masks of those that were seen and are shown."""
        s = self.expand.mask(self.rows.s[index])
        return self.expand(self.rows.x[index]) * s, s, self.expand.mask(shown)

    def _noise(self, n_rows: int, generator: torch.Generator) -> Noise:
        shape = self.model.n_members, n_rows, self.model.n_components
        return Noise(generator, shape)

    def _hide_held(self) -> None:
        """Holes of held-out rows, the same at every check."""
        copies = max(1, min(MONITOR_MASKS, MOST_HELD // len(self.held)))
        self.held = self.held.repeat(copies)
        s = self.rows.s[self.held]
        self.held_shown = self.hide(s, self.rows.s, new_generator(self.seed, 4, s.device))

    def _parts(self) -> Iterator[slice]:
        size = max(1, floats_at_once(CHUNK_FLOATS) // self.model.width)
        for start in range(0, len(self.held), size):
            yield slice(start, start + size)

    def _monitor(self) -> Tensor:
        """Mean log-likelihood of a hidden cell of held-out rows under each member, (M,)."""
        return self._held_scores([1.0])[0]

    @torch.no_grad()
    def _held_scores(self, temperatures: Sequence[float]) -> Tensor:
        """The same under several temperatures, (temperatures, M)."""
        self.model.eval()
        size = len(temperatures), self.model.n_members
        total, count = torch.zeros(size, dtype=torch.float64, device=self.held.device), 0.0
        for part in self._parts():
            x, seen, shown = self._features(self.held[part], self.held_shown[part])
            mixture = self.model(x, shown)
            hidden = (seen - shown).expand(self.model.n_members, *x.shape)
            for i, temperature in enumerate(temperatures):
                law = self.model.widened(mixture.law, temperature)
                noise = self._noise(len(x), new_generator(self.seed, 5, x.device))
                tempered = LowRankMixture(mixture.log_weights, law)
                total[i] += self.objective.log_prob(tempered, x, hidden, noise).sum(-1)
            count += float(hidden[0].sum())
        return total / max(count, 1.0)
