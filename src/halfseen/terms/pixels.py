"""Bernoulli pixels: cells in [0, 1] whose law given z is a coin."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from halfseen.core.noise import Noise
from halfseen.core.spec import NUMERIC, DataSpec
from halfseen.errors import ColumnError
from halfseen.terms.discrete_laws import RELAXATION
from halfseen.terms.laws import Curve, Law
from halfseen.terms.observation import Head

__all__ = ["BernoulliHead", "BernoulliLaw", "check_shares"]


class BernoulliLaw(Law):
    """Ones and zeros with log-odds ``logits`` (members, K, B, c).

    A cell x strictly between 0 and 1 is read as a grey level, the share of ones: its
    "log-probability" x log p + (1 - x) log(1 - p) is minus the cross-entropy, the mean over
    x ~ Bernoulli(grey level), and no density.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probability of a one or a zero, minus the cross-entropy of a grey level."""
        return x * self.logits - functional.softplus(self.logits)

    def mean(self, curve: Curve | None = None) -> Tensor:
        """Probability of a one; behind a curve, the mean over both values."""
        share = torch.sigmoid(self.logits)
        if curve is None:
            return share
        zero, one = curve(torch.zeros_like(share)), curve(torch.ones_like(share))
        return share * one + (1 - share) * zero

    def draw(self, noise: Noise) -> Tensor:
        """Ones and zeros; no gradient."""
        share = torch.sigmoid(self.logits.detach())
        return (noise.uniform(self.logits.shape[-1]) < share).to(share.dtype)

    def log_choice(self, x: Tensor) -> Tensor:
        """Log-probability of the value."""
        return self.log_prob(x)

    def soft(self, x: Tensor, sampler: str, noise: Noise) -> Tensor:
        """See :class:`Law`."""
        if sampler == "relaxed":
            u = noise.uniform(self.logits.shape[-1])
            return torch.sigmoid((self.logits + torch.logit(u)) / RELAXATION)
        mean = self.mean()
        return mean if sampler == "mean" else x + mean - mean.detach()

    def nodes(self, n: int = 32) -> tuple[Tensor, Tensor]:
        """Zero and one."""
        log_p = torch.stack([-self.logits, self.logits], -1)
        values = torch.arange(2).to(log_p)
        return values.expand(log_p.shape), functional.logsigmoid(log_p)

    def select(self, index: list[int]) -> BernoulliLaw:
        """See :class:`Law`."""
        return BernoulliLaw(self.logits[..., index])

    def tempered(self, temperature: Tensor) -> BernoulliLaw:
        """See :class:`Law`."""
        return BernoulliLaw(self.logits / temperature)


class BernoulliHead(Head):
    """Columns of numbers in [0, 1], each with one logit; their units are the identity."""

    def __init__(self, spec: DataSpec, columns: list[int]) -> None:
        super().__init__(spec, columns)
        self.n_raw = len(columns)

    def law(self, raw: Tensor) -> Law:
        """See :class:`Head`."""
        return BernoulliLaw(raw)


def check_shares(
    spec: DataSpec,
    values: np.ndarray,
    setting: str = "observation='bernoulli'",
    remedy: str = "choose observation='gaussian'",
) -> None:
    """Refuse numbers outside [0, 1], which are no shares of ones.

    Parameters
    ----------
    spec : DataSpec
        The p columns.
    values : array of shape (n, p)
        Data units, NaN where missing.
    setting, remedy : str
        What asks for shares, and what else to do, for the message.

    Raises
    ------
    ColumnError
        Which names the first numeric column with such a value.

    Examples
    --------
    >>> check_shares(DataSpec.continuous(1), np.array([[0.0], [np.nan], [1.0]]))
    """
    numeric = np.array([column.kind in NUMERIC for column in spec.columns], dtype=bool)
    outside = ((values < 0) | (values > 1)) & numeric
    if not outside.any():
        return
    row, j = (int(place) for place in np.argwhere(outside)[0])
    raise ColumnError(
        f"Column {spec.columns[j].name!r} holds {values[row, j]:g}, and {setting}. "
        "Expected values in [0, 1]: divide by the largest possible value (255 for grey levels of "
        f"8 bits), or {remedy}."
    )
