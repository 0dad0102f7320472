"""What training a head minimises, and what held-out rows hear of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch, Rows
from halfseen.core.noise import Noise
from halfseen.objectives.importance import named_losses
from halfseen.terms.direct import DirectModel
from halfseen.terms.label import LabelLaw, LabelTerm
from halfseen.terms.latent import LatentModel
from halfseen.training.binarize import binarized
from halfseen.training.hiding import HideCells

__all__ = [
    "DirectObjective",
    "LatentObjective",
    "Objective",
    "Outlook",
    "log_labels",
    "look",
    "with_coins",
]

Cells = TypeVar("Cells", Rows, Batch)

# Samples of one look, and most of those behind the choice of a temperature: an average over few
# samples is sharper than one over many, and wants another temperature.
LOOK_SAMPLES, CALIBRATION_SAMPLES = 50, 200


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


def log_labels(
    looks: Iterable[Outlook], law: LabelLaw, batch: Batch, temperatures: Sequence[float]
) -> Tensor:
    r"""What is said of labels by all samples of some looks, under each of some temperatures.

    .. math:: \log p(y | x_{obs}) = \log \sum_k w_k p(y | x_{obs}, x_{mis,k}) - \log \sum_k w_k

    Parameters
    ----------
    looks : iterable of Outlook
        At the batch; one is kept at a time.
    law : LabelLaw
        Left with the last of the temperatures.
    batch : Batch
        With labels.
    temperatures : sequence of float
        T of them.

    Returns
    -------
    Tensor of shape (T, M, B)
    """
    assert batch.y is not None
    joints, weights = [], []
    for seen in looks:
        told = []
        for temperature in temperatures:
            law.temperature.fill_(temperature)
            log_joint = seen.log_weights + law.log_prob(seen.raw, batch.y)
            told.append(torch.logsumexp(log_joint, 1))
        joints.append(torch.stack(told))
        weights.append(torch.logsumexp(seen.log_weights, 1))
    return torch.logsumexp(torch.stack(joints), 0) - torch.logsumexp(torch.stack(weights), 0)


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

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """How often the head answers for one row of a look, over members and samples."""

    def inner_floats(self) -> int:
        """Size of the widest layer for one row of the monitor, the head's last one aside."""
        return 1024

    def floats_per_row(self) -> int:
        """Size of the widest layer for one row of the monitor."""
        return max(self.inner_floats(), self.n_outputs * self.law.n_raw)


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

    @property
    def n_outputs(self) -> int:
        """See :class:`Objective`."""
        return self.n_members * self._n_samples

    def inner_floats(self) -> int:
        """See :class:`Objective`."""
        spec = self.module.observation.expand.spec
        return self.n_outputs * max(2 * spec.n_features, 128)


@dataclass
class DirectObjective(Objective):
    """Minus log p(y | x_obs, s) of a network behind an input layer.

    Parameters
    ----------
    module : DirectModel
        The network.
    n_members : int
        M.
    binarize : bool
        Whether grey pixels that are seen become ones and zeros anew in every batch; completions
        beside them stay what they are.
    """

    module: DirectModel
    n_members: int
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

    @property
    def n_outputs(self) -> int:
        """See :class:`Objective`."""
        return self.n_members
