"""Train what predicts labels: batches, held-out rows, the best state, a calibrated law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfseen.core.batch import Rows
from halfseen.core.masked import log_mean_exp
from halfseen.core.memory import floats_at_once
from halfseen.core.noise import new_generator
from halfseen.estimators.label_objectives import Objective, log_labels, with_coins
from halfseen.nn.inputs import LearnedConstant
from halfseen.training.deck import Deck
from halfseen.training.loop import History, Phase, TrainConfig, Watcher, train
from halfseen.training.parts import in_parts
from halfseen.training.resuming import GlobalRandomness, Source, own_randomness

__all__ = ["LabelFit"]

# Rows that the monitor looks at, and floats of its widest layer at once.
MONITOR_ROWS, MONITOR_FLOATS = 2000, 2**24
# Fewest labelled rows of which some are held out.
ENOUGH = 60
TEMPERATURES = [0.25 * 1.06**i for i in range(44)]
# Spread of a normal prior on the log of the temperature: a few rows say little about it.
LOG_TEMPERATURE_SPREAD = 0.3


@dataclass
class LabelFit:
    """Everything that one fit of labels needs.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    parameters : list of Parameter
        What moves.
    rows : Rows
        With labels.
    unlabelled : bool
        Whether rows without a label teach too.
    batch_size : int
        B.
    validation_fraction : float
        Share of the labelled rows that choose the best state and the temperature.
    calibrate : bool
        Whether the law's temperature is chosen on them.
    seed : int
        Of batches, noise and held-out rows.
    weight_decay : float
        Decoupled weight decay, of all but the learned constants of an input layer (Ipsen et al.
        2022): what stands in for a missing cell is not drawn to 0.
    """

    objective: Objective
    parameters: list[nn.Parameter]
    rows: Rows
    unlabelled: bool
    batch_size: int
    validation_fraction: float
    calibrate: bool
    seed: int
    n_members: int
    weight_decay: float = 0.0

    def run(self, config: TrainConfig, watcher: Watcher) -> History:
        """Train what can learn, restore the best state, calibrate."""
        self._split()
        # A head that its user froze, on a frozen generator, is kept as it is.
        history = self._train(config, watcher) if self.parameters else History()
        self.objective.module.eval()
        if self.calibrate and self.held is not None:
            self._calibrate()
        return history

    def _train(self, config: TrainConfig, watcher: Watcher) -> History:
        module = self.objective.module
        phase = Phase(
            "label",
            self.parameters,
            self._loss,
            betas=(0.9, 0.99),
            weight_decay=self.weight_decay,
            undecayed=self._constants(),
        )
        monitor = self._score if self.held is not None else None
        sources: list[Source] = [self.deck, GlobalRandomness()]
        with own_randomness(self.seed):
            return train(module, [phase], config, monitor, self.n_members, watcher, sources)

    def _constants(self) -> list[nn.Parameter]:
        """Learned constants among what moves."""
        layers = [m for m in self.objective.module.modules() if isinstance(m, LearnedConstant)]
        constants = {id(layer.constant) for layer in layers}
        return [p for p in self.parameters if id(p) in constants]

    def _split(self) -> None:
        device = self.rows.x.device
        assert self.rows.labelled is not None
        self.generator = new_generator(self.seed, 5, device)
        labelled = torch.nonzero(self.rows.labelled)[:, 0]
        order = labelled[torch.randperm(len(labelled), generator=self.generator, device=device)]
        n_held = round(self.validation_fraction * len(labelled))
        self.held: Rows | None = None
        if len(labelled) >= ENOUGH and n_held:
            most = max(ENOUGH, MONITOR_FLOATS // self.objective.inner_floats())
            held = self.rows.part(order[:n_held][: min(MONITOR_ROWS, most)])
            coins = new_generator(self.seed, 9, device)
            self.held = with_coins(held, coins) if self.objective.binarize else held
            order = order[n_held:]
        others = torch.nonzero(self.rows.labelled == 0)[:, 0]
        train_at = torch.cat([order, others]) if self.unlabelled else order
        self.deck = Deck(train_at, self.batch_size, self.generator)

    def _loss(self) -> dict[str, Tensor]:
        self.objective.module.train()
        index = self.deck.deal()

        def losses_of(part: slice) -> dict[str, Tensor]:
            return self.objective.losses(self.rows.take(index[part]), self.generator)

        width = self.objective.floats_per_row()
        return in_parts(losses_of, len(index), width, self.generator, self.objective.module)

    def _log_labels(self, temperatures: Sequence[float], n_looks: int = 1) -> Tensor:
        """Log p(y | x_obs) of held-out rows under each temperature, (T, M, B).

        The law is left with the last one. Outputs of the head are those of one look at some rows.
        """
        assert self.held is not None
        objective = self.objective
        objective.module.eval()
        size = max(1, floats_at_once(MONITOR_FLOATS) // objective.floats_per_row())
        parts = []
        for start in range(0, len(self.held), size):
            part = self.held.take(slice(start, start + size))
            # Rows of all parts share their noise.
            generator = new_generator(self.seed, 6, self.held.x.device)
            looks = (objective.look(part, generator) for _ in range(n_looks))
            parts.append(log_labels(looks, objective.law, part, temperatures))
        return torch.cat(parts, -1)

    def _mean(self, log_p: Tensor) -> Tensor:
        """Mean of a score of held-out rows (..., B), each as often as its label counts."""
        assert self.held is not None
        assert self.held.y is not None
        count = self.objective.law.count(self.held.y)
        return (log_p * count).sum(-1) / count.sum().clamp_min(1e-12)

    def _score(self) -> Tensor:
        """Mean log p(y | x_obs) of held-out rows for each member."""
        return self._mean(self._log_labels([float(self.objective.law.temperature)])[0])

    def _calibrate(self) -> None:
        """Choose the temperature that is most probable given held-out labels."""
        assert self.held is not None
        log_labels = self._log_labels(TEMPERATURES, self.objective.n_looks)
        evidence = self._mean(log_mean_exp(log_labels, 1)) * len(self.held)
        logs = torch.tensor(TEMPERATURES, device=evidence.device, dtype=torch.float32).log()
        scores = evidence - 0.5 * (logs / LOG_TEMPERATURE_SPREAD) ** 2
        self.objective.law.temperature.fill_(TEMPERATURES[int(scores.argmax())])
