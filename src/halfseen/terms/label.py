"""The label term log p(y | x): a head that looks at completed rows."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.core.batch import Batch
from halfseen.terms.completion import Completion, Term

__all__ = ["ClassLaw", "LabelLaw", "LabelTerm", "NumberLaw", "beside"]

LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class LabelLaw(nn.Module, ABC):
    """Law of a label given what a head's network says.

    Attributes
    ----------
    n_raw : int
        Outputs that the network must have.
    temperature : Tensor of shape ()
        Widening of the law, 1 until it is calibrated after training.
    """

    n_raw: int
    temperature: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("temperature", torch.ones(()))

    @abstractmethod
    def log_prob(self, raw: Tensor, y: Tensor) -> Tensor:
        """Log p(y | x) from raw outputs (..., B, n_raw) and labels (B,): shape (..., B)."""

    def count(self, y: Tensor) -> Tensor:
        """How often labels (B,) count in training, shape (B,); once each by default."""
        return torch.ones_like(y)

    @abstractmethod
    def answer(self, raw: Tensor) -> Tensor:
        """Parameters of the law, shape (..., n_answers)."""

    @abstractmethod
    def moments(self, answer: Tensor) -> Tensor:
        """What may be averaged over completions, shape (..., n_moments)."""


class ClassLaw(LabelLaw):
    """Classes by a softmax.

    Parameters
    ----------
    n_classes : int
        C.
    weight : Tensor of shape (C,), optional
        How often a label of each class counts as observed in training.

    Examples
    --------
    >>> law = ClassLaw(2)
    >>> law.answer(torch.zeros(1, 2))
    tensor([[0.5000, 0.5000]])
    """

    weight: Tensor

    def __init__(self, n_classes: int, weight: Tensor | None = None) -> None:
        super().__init__()
        self.n_raw = n_classes
        self.register_buffer("weight", torch.ones(n_classes) if weight is None else weight)

    def log_prob(self, raw: Tensor, y: Tensor) -> Tensor:
        """Log-probability of the classes with codes y."""
        log_p = torch.log_softmax(raw / self.temperature, -1)
        code = y.long().expand(raw.shape[:-1])[..., None]
        return log_p.gather(-1, code)[..., 0]

    def count(self, y: Tensor) -> Tensor:
        """Weights of the classes with codes y."""
        return self.weight[y.long()]

    def answer(self, raw: Tensor) -> Tensor:
        """Class probabilities (..., C)."""
        return torch.softmax(raw / self.temperature, -1)

    def moments(self, answer: Tensor) -> Tensor:
        """Class probabilities: they are averaged, not logits."""
        return answer


class NumberLaw(LabelLaw):
    """A standardised number by a Gaussian with a scale of its own.

    Parameters
    ----------
    floor : float
        Smallest scale, in standard deviations of the label.

    Examples
    --------
    >>> NumberLaw().answer(torch.zeros(1, 2)).shape
    torch.Size([1, 2])
    """

    def __init__(self, floor: float = 0.01) -> None:
        super().__init__()
        self.n_raw, self.floor = 2, floor

    def log_prob(self, raw: Tensor, y: Tensor) -> Tensor:
        """Log-density of y."""
        mu, sigma = self.answer(raw).unbind(-1)
        t = (y - mu) / sigma
        return -0.5 * t * t - torch.log(sigma) - LOG_SQRT_2PI

    def answer(self, raw: Tensor) -> Tensor:
        """Location and scale (..., 2)."""
        sigma = self.floor + functional.softplus(raw[..., 1])
        return torch.stack([raw[..., 0], sigma * self.temperature], -1)

    def moments(self, answer: Tensor) -> Tensor:
        """E y and E y^2 (..., 2)."""
        mu, sigma = answer.unbind(-1)
        return torch.stack([mu, mu * mu + sigma * sigma], -1)


class LabelTerm(Term):
    """log p(y | x_obs, x_mis,k) in a weight; in training times how often the label counts.

    Rows without a label add nothing. A weight of an answer holds every label once: what is
    known of a row does not grow with what its class is worth.

    Parameters
    ----------
    network : Module
        The head: features (M, K, B, F) to raw outputs (M, K, B, n_raw).
    law : LabelLaw
        What the outputs mean.
    """

    def __init__(self, network: nn.Module, law: LabelLaw) -> None:
        super().__init__()
        self.network, self.law = network, law

    def forward(self, completion: Completion, batch: Batch) -> Tensor | None:
        """See :class:`Term`; None for rows whose labels are not to be used, as in prediction."""
        if batch.y is None or batch.labelled is None:
            return None
        completion.in_weight = True
        log_p = self.law.log_prob(self.raw(completion.features, batch), batch.y)
        if self.training:
            log_p = log_p * self.law.count(batch.y)
        return torch.where(batch.labelled > 0, log_p, torch.zeros_like(log_p))

    def answer(self, completion: Completion) -> Tensor:
        """What the law says of each sample, (M, K, B, n_answers)."""
        return self.law.answer(self.raw(completion.features, completion.batch))

    def raw(self, features: Tensor, batch: Batch) -> Tensor:
        """Outputs of the head for features (M, K, B, F) and what it sees beside them."""
        return self.network(beside(features, batch.extra))


def beside(features: Tensor, extra: Tensor | None) -> Tensor:
    """Features (M, K, B, F) with further ones (B, e) of every row beside them."""
    if extra is None:
        return features
    return torch.cat([features, extra.expand(*features.shape[:-1], extra.shape[-1])], -1)
