"""Mixtures of factor analysers by gradient: the likelihood of seen cells, in batches of rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfseen.core.factor_mixture import FactorMixture
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.core.noise import new_generator
from halfseen.estimators.factor_em import FactorEM
from halfseen.estimators.gaussian_em import GaussianEM
from halfseen.training.deck import Deck
from halfseen.training.loop import History, Phase, TrainConfig, Watcher, train

__all__ = ["FactorFit", "FactorModel"]


class FactorModel(nn.Module):
    """A mixture whose parameters are free numbers.

    Parameters
    ----------
    start : FactorMixture
        Where they begin.
    floor : Tensor of shape (F,)
        What is added to every variance of the noise; the largest if they are one.
    isotropic : bool
        Whether the features of a component share one variance.
    """

    def __init__(self, start: FactorMixture, floor: Tensor, *, isotropic: bool) -> None:
        super().__init__()
        law = start.law
        floor = floor.max().expand_as(floor) if isotropic else floor
        variance = (law.variance - floor).clamp_min(1e-3 * law.variance)
        if isotropic:
            variance = variance.mean(-1, keepdim=True)
        self.logits = nn.Parameter(start.log_weights.clone())
        self.mean = nn.Parameter(law.mean.clone())
        self.factor = nn.Parameter(law.factor.clone())
        self.log_variance = nn.Parameter(variance.log())
        self.floor = floor

    def mixture(self) -> FactorMixture:
        """The mixture that the numbers stand for."""
        variance = (self.floor + self.log_variance.exp()).expand(self.mean.shape)
        law = LowRankNormal(self.mean, self.factor, variance)
        return FactorMixture(torch.log_softmax(self.logits, -1), law)


@dataclass
class FactorFit:
    """One fit by gradient.

    Parameters
    ----------
    steps : FactorEM or GaussianEM
        Rows and masks, and the log-density of the parameters: the objective is that of EM.
    batch_size, seed : int
        Rows per step, and the seed of their order.
    """

    steps: FactorEM | GaussianEM
    batch_size: int
    seed: int

    def run(self, model: FactorModel, config: TrainConfig, watcher: Watcher) -> History:
        """Train; the last state stays."""
        x, s = self.steps.x, self.steps.s
        rows = torch.arange(len(x), device=x.device)
        deck = Deck(rows, self.batch_size, new_generator(self.seed, 3, x.device))

        def loss() -> dict[str, Tensor]:
            at, mixture = deck.deal(), model.mixture()
            likelihood = -self.steps.posterior(mixture, x[at], s[at]).log_prob.mean()
            return {
                "likelihood": likelihood,
                "prior": -self.steps.log_prior(mixture) / len(x),
            }

        phase = Phase("mixture", list(model.parameters()), loss)
        return train(model, [phase], config, None, 1, watcher, [deck])
