"""Train what predicts labels: batches, held-out rows, the best state, a calibrated law."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch, Rows
from halfseen.core.masked import log_mean_exp
from halfseen.core.memory import floats_at_once
from halfseen.core.noise import Noise, new_generator
from halfseen.nn.inputs import LearnedConstant
from halfseen.objectives.importance import named_losses
from halfseen.terms.direct import DirectModel
from halfseen.terms.label import LabelLaw, LabelTerm
from halfseen.terms.latent import LatentModel
from halfseen.training.binarize import binarized
from halfseen.training.deck import Deck
from halfseen.training.hiding import HideCells
from halfseen.training.loop import History, Phase, TrainConfig, Watcher, train
from halfseen.training.parts import in_parts
from halfseen.training.resuming import GlobalRandomness, Source, own_randomness

__all__ = ["DirectObjective", "LabelFit", "LatentObjective", "Objective", "Outlook", "look"]

Cells = TypeVar("Cells", Rows, Batch)

# Rows that the monitor looks at, and floats of its widest layer.
MONITOR_ROWS, MONITOR_FLOATS = 2000, 2**24
# Samples of one look, and most of those behind the choice of a temperature: an average over few
# samples is sharper than one over many, and wants another temperature.
LOOK_SAMPLES, CALIBRATION_SAMPLES = 50, 200
# Fewest labelled rows of which some are held out.
ENOUGH = 60
TEMPERATURES = [0.25 * 1.06**i for i in range(44)]
# Spread of a normal prior on the log of the temperature: a few rows say little about it.
LOG_TEMPERATURE_SPREAD = 0.3


class Outlook(NamedTuple):
    """What a model says of some rows before it is told their labels.

    Parameters
    ----------
    log_weights : Tensor of shape (M, K, B)
        Not normalised.
    raw : Tensor of shape (M, K, B, n_raw)
        Outputs of the head.
    """

    log_weights: Tensor
    raw: Tensor

    def log_label(self, law: LabelLaw, y: Tensor) -> Tensor:
        """Log p(y | x_obs) = log sum_k w_k p(y | x_obs, x_mis,k) / sum_k w_k, shape (M, B)."""
        joint = torch.logsumexp(self.log_weights + law.log_prob(self.raw, y), 1)
        return joint - torch.logsumexp(self.log_weights, 1)

    @classmethod
    def join(cls, looks: Sequence[Outlook], axis: int) -> Outlook:
        """Looks beside each other: samples along axis 1, rows along axis 2."""
        return cls(*(torch.cat(column, axis) for column in zip(*looks, strict=True)))


@torch.no_grad()
def look(model: LatentModel, batch: Batch, noise: Noise, *, weigh: bool = True) -> Outlook:
    """Weights without the label, all the same unless ``weigh``; and the head's outputs."""
    term = model.terms["label"]
    assert isinstance(term, LabelTerm)
    blind = replace(batch, y=None, labelled=None)
    weighted = model(blind, noise)
    raw = term.raw(weighted.completion.features, blind)
    log_w = weighted.log_w
    return Outlook(log_w if weigh else torch.zeros_like(log_w), raw)


def with_coins(cells: Cells, generator: torch.Generator) -> Cells:
    """Rows or a batch whose seen grey pixels are ones and zeros."""
    x = torch.where(cells.s > 0, binarized(cells.x, generator), cells.x)
    return replace(cells, x=x)


class Objective(ABC):
    """What is minimised, and the score of held-out rows.

    Where it takes ones and zeros for grey pixels (``binarize``), those of held-out rows are drawn
    once, as those of the rows are which are to be predicted.
    """

    module: nn.Module
    law: LabelLaw
    binarize: bool = False

    @abstractmethod
    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Named losses of a batch."""

    @abstractmethod
    def look(self, batch: Batch, generator: torch.Generator) -> Outlook:
        """What is said of rows whose labels are held out."""

    @property
    def n_looks(self) -> int:
        """How many looks together are as good as an answer, for the choice of a temperature."""
        return 1

    def floats_per_row(self) -> int:
        """Size of the widest layer for one row of the monitor."""
        return 1024


@dataclass
class LatentObjective(Objective):
    """The joint importance-weighted bound of rows and labels (supMIWAE, Eq. 9).

    Parameters
    ----------
    module : LatentModel
        With a term "label".
    n_members, n_importance, n_importance_predict : int
        M, K in training and K of answers.
    everyone : Tensor of shape (n, p)
        Masks of all rows, for ``hide``.
    hide : HideCells
        Cells that the encoder is not shown in training.
    log_prior : callable
        Of parameters that are trained.
    n_rows : int
        Rows over which a prior counts.
    binarize : bool
        Whether grey pixels become ones and zeros anew in every batch.
    weigh : bool
        Whether samples of answers count by their weights.
    """

    module: LatentModel
    n_members: int
    n_importance: int
    n_importance_predict: int
    everyone: Tensor
    hide: HideCells
    log_prior: Callable[[LatentModel], Tensor]
    n_rows: int
    binarize: bool = False
    weigh: bool = True

    @property
    def law(self) -> LabelLaw:  # type: ignore[override]
        """The law of the label."""
        term = self.module.terms["label"]
        assert isinstance(term, LabelTerm)
        return term.law

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """See :class:`Objective`."""
        shown = self.hide(batch.s, self.everyone, generator)
        noise = Noise(generator, (self.n_members, self.n_importance, len(batch)))
        batch = with_coins(batch, generator) if self.binarize else batch
        weighted = self.module(replace(batch, shown=shown), noise)
        return named_losses(weighted, self.log_prior(self.module), self.n_rows)

    def look(self, batch: Batch, generator: torch.Generator) -> Outlook:
        """See :class:`Objective`."""
        noise = Noise(generator, (self.n_members, self._n_samples, 1))
        return look(self.module, batch, noise, weigh=self.weigh)

    @property
    def _n_samples(self) -> int:
        """Of one look."""
        return max(LOOK_SAMPLES, self.n_importance)

    @property
    def n_looks(self) -> int:
        """See :class:`Objective`."""
        samples = min(self.n_importance_predict, CALIBRATION_SAMPLES)
        return max(1, round(samples / self._n_samples))

    def floats_per_row(self) -> int:
        """See :class:`Objective`."""
        spec = self.module.observation.expand.spec
        return self.n_members * self._n_samples * max(2 * spec.n_features, 128)


@dataclass
class DirectObjective(Objective):
    """Minus log p(y | x_obs, s) of a network behind an input layer.

    Parameters
    ----------
    module : DirectModel
        The network.
    binarize : bool
        Whether grey pixels that are seen become ones and zeros anew in every batch; completions
        beside them stay what they are.
    """

    module: DirectModel
    binarize: bool = False

    @property
    def law(self) -> LabelLaw:  # type: ignore[override]
        """The law of the label."""
        return self.module.law

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """See :class:`Objective`."""
        batch = with_coins(batch, generator) if self.binarize else batch
        return {"label": -self.module.log_label(batch).mean(-1).sum()}

    @torch.no_grad()
    def look(self, batch: Batch, generator: torch.Generator) -> Outlook:
        """See :class:`Objective`."""
        raw = self.module(batch)
        return Outlook(raw.new_zeros(raw.shape[:-1]), raw)


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
            most = max(ENOUGH, MONITOR_FLOATS // self.objective.floats_per_row())
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

    def _look(self, n_looks: int = 1) -> Outlook:
        assert self.held is not None
        self.objective.module.eval()
        generator = new_generator(self.seed, 6, self.held.x.device)
        size = max(1, floats_at_once() // self.objective.floats_per_row())
        parts = []
        for start in range(0, len(self.held), size):
            part = self.held.take(slice(start, start + size))
            looks = [self.objective.look(part, generator) for _ in range(n_looks)]
            parts.append(Outlook.join(looks, 1))
        return Outlook.join(parts, 2)

    def _log_label(self, outlook: Outlook) -> Tensor:
        """Log p(y | x_obs) of held-out rows, (M, B)."""
        assert self.held is not None
        assert self.held.y is not None
        return outlook.log_label(self.objective.law, self.held.y)

    def _mean(self, log_p: Tensor) -> Tensor:
        """Mean of a score of held-out rows (..., B), each as often as its label counts."""
        assert self.held is not None
        assert self.held.y is not None
        count = self.objective.law.count(self.held.y)
        return (log_p * count).sum(-1) / count.sum().clamp_min(1e-12)

    def _score(self) -> Tensor:
        """Mean log p(y | x_obs) of held-out rows for each member."""
        return self._mean(self._log_label(self._look()))

    def _calibrate(self) -> None:
        """Choose the temperature that is most probable given held-out labels."""
        assert self.held is not None
        temperature = self.objective.law.temperature
        outlook = self._look(self.objective.n_looks)
        scores = []
        for candidate in TEMPERATURES:
            temperature.fill_(candidate)
            evidence = self._mean(log_mean_exp(self._log_label(outlook), 0)) * len(self.held)
            prior = -0.5 * (math.log(candidate) / LOG_TEMPERATURE_SPREAD) ** 2
            scores.append(evidence + prior)
        temperature.fill_(TEMPERATURES[int(torch.stack(scores).argmax())])
