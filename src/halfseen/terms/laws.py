"""Laws p(x_j | z) of the columns of one kind: lean, stacked, with the few verbs that models need.

Shapes: parameters (members, K, B, c) for c columns; levels of a categorical law add an axis.
Every law can score a cell, give its mean features, draw, and offer nodes for quadrature.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from halfseen.core.noise import Noise
from halfseen.terms.intervals import log_interval

__all__ = [
    "GaussianLaw",
    "Law",
    "NodesLaw",
    "RoundedLogLaw",
    "SelectedGaussianLaw",
    "StudentLaw",
    "curve_nodes",
    "normal_nodes",
]

LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
# Beyond counts of e^9 an interval is too narrow for float32, and flat enough for its middle.
LOG_LARGE = 9.0
Curve = Callable[[Tensor], Tensor]


@lru_cache
def normal_nodes(n: int) -> tuple[Tensor, Tensor]:
    """Gauss-Hermite nodes and log-weights of a standard normal law, n points, float64."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return torch.from_numpy(nodes), torch.from_numpy(np.log(weights / weights.sum()))


def log_ndtr_ratio(t: Tensor) -> Tensor:
    """phi(t) / Phi(t), stable in both tails."""
    return math.sqrt(2 / math.pi) / torch.special.erfcx(-t / math.sqrt(2))


class Law(ABC):
    """Law of some columns given z."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density or log-probability per cell, x of shape (..., B, c)."""

    @abstractmethod
    def mean(self, curve: Curve | None = None) -> Tensor:
        """Mean features: E[curve(x)] of numeric columns, probabilities of categories."""

    @abstractmethod
    def draw(self, noise: Noise) -> Tensor:
        """One draw per cell, shape (members, K, B, c); reparameterised where possible."""

    def log_choice(self, x: Tensor) -> Tensor | None:
        """Log-probability of the choice in a draw x; None where draws are reparameterised."""
        return None

    def soft(self, x: Tensor, sampler: str, noise: Noise) -> Tensor | None:
        """Features in place of those of the choice in a draw x, through which a gradient passes.

        "mean" gives the mean; "straight-through" the draw with the gradient of the mean (Bengio
        et al. 2013); "relaxed" a Gumbel-softmax (Jang et al. 2017; Maddison et al. 2017). None
        where draws are reparameterised.
        """
        return None

    @abstractmethod
    def nodes(self, n: int = 32) -> tuple[Tensor, Tensor]:
        """Values and log-weights (..., c, n) that integrate functions of a cell."""

    @abstractmethod
    def select(self, index: list[int]) -> Law:
        """The law of some of the columns."""

    @abstractmethod
    def tempered(self, temperature: Tensor) -> Law:
        """The same law, wider: scales times, and logits over, a temperature of 1 or more."""


class GaussianLaw(Law):
    """Normal law with location ``mu`` and scale ``sigma``."""

    def __init__(self, mu: Tensor, sigma: Tensor) -> None:
        self.mu, self.sigma = mu, sigma

    def log_prob(self, x: Tensor) -> Tensor:
        """See :class:`Law`."""
        t = (x - self.mu) / self.sigma
        return -0.5 * t * t - torch.log(self.sigma) - LOG_SQRT_2PI

    def mean(self, curve: Curve | None = None) -> Tensor:
        """Mean: exact, or by 12 Gauss-Hermite nodes behind a curve."""
        return self.mu if curve is None else _node_mean(self, curve, 12)

    def draw(self, noise: Noise) -> Tensor:
        """Reparameterised draw."""
        return self.mu + self.sigma * noise.normal(self.mu.shape[-1])

    def nodes(self, n: int = 32) -> tuple[Tensor, Tensor]:
        """Gauss-Hermite nodes."""
        node, log_weight = (t.to(self.mu) for t in normal_nodes(n))
        values = self.mu[..., None] + self.sigma[..., None] * node
        return values, log_weight.expand(values.shape)

    def select(self, index: list[int]) -> GaussianLaw:
        """See :class:`Law`."""
        return GaussianLaw(self.mu[..., index], self.sigma[..., index])

    def tempered(self, temperature: Tensor) -> GaussianLaw:
        """See :class:`Law`."""
        return GaussianLaw(self.mu, self.sigma * temperature)


class StudentLaw(Law):
    """Student-t law; ``df`` > 2, so that mean and variance exist."""

    def __init__(self, mu: Tensor, sigma: Tensor, df: Tensor) -> None:
        self.mu, self.sigma, self.df = mu, sigma, df

    def log_prob(self, x: Tensor) -> Tensor:
        """See :class:`Law`."""
        t = (x - self.mu) / self.sigma
        df = self.df
        constant = (
            torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - 0.5 * torch.log(df * math.pi)
        )
        return constant - torch.log(self.sigma) - (df + 1) / 2 * torch.log1p(t * t / df)

    def mean(self, curve: Curve | None = None) -> Tensor:
        """Mean: exact, or by nodes behind a curve."""
        return self.mu if curve is None else _node_mean(self, curve, 32)

    def draw(self, noise: Noise) -> Tensor:
        """Reparameterised draw by Bailey's polar method (1994), exact for any real df."""
        c = self.mu.shape[-1]
        u, angle = noise.uniform(c), noise.uniform(c)
        radius = torch.sqrt(self.df * torch.expm1(-2 / self.df * torch.log(u)))
        return self.mu + self.sigma * radius * torch.cos(2 * math.pi * angle)

    def nodes(self, n: int = 32) -> tuple[Tensor, Tensor]:
        """Nodes by the map t = sinh(y) and a Gauss-Legendre rule on a wide interval of y."""
        node, log_weight = (v.to(self.mu) for v in _legendre(n))
        reach = math.asinh(200.0)
        t = torch.sinh(reach * node)
        log_jacobian = math.log(reach) + torch.log(torch.cosh(reach * node))
        standard = StudentLaw(
            torch.zeros_like(self.df)[..., None],
            torch.ones_like(self.df)[..., None],
            self.df[..., None],
        )
        log_mass = standard.log_prob(t) + log_jacobian + log_weight
        log_mass = log_mass - torch.logsumexp(log_mass, -1, keepdim=True)
        values = self.mu[..., None] + self.sigma[..., None] * t
        return values, log_mass.expand(values.shape)

    def select(self, index: list[int]) -> StudentLaw:
        """See :class:`Law`."""
        return StudentLaw(self.mu[..., index], self.sigma[..., index], self.df[..., index])

    def tempered(self, temperature: Tensor) -> StudentLaw:
        """See :class:`Law`."""
        return StudentLaw(self.mu, self.sigma * temperature, self.df)


class RoundedLogLaw(Law):
    """Counts: a Gaussian on the log(1 + v) scale, rounded to whole numbers.

    ``shift`` and ``scale`` (c,) lead from model units to log(1 + v). The count v has the
    probability of the interval (v - 1/2, v + 1/2), open below for v = 0.
    """

    def __init__(self, mu: Tensor, sigma: Tensor, shift: Tensor, scale: Tensor) -> None:
        self.mu, self.sigma, self.shift, self.scale = mu, sigma, shift, scale

    def _edges(self, x: Tensor) -> tuple[Tensor, Tensor]:
        count = torch.expm1((x * self.scale + self.shift).clamp(max=60.0)).clamp_min(0.0).round()
        lower = (torch.log1p((count - 0.5).clamp_min(-0.5)) - self.shift) / self.scale
        upper = (torch.log1p(count + 0.5) - self.shift) / self.scale
        # Not -inf, whose quotient by a scale has no gradient.
        return torch.where(count > 0, lower, torch.full_like(lower, -1e6)), upper

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probability of the count; of a large one, the density times the width."""
        lower, upper = self._edges(x)
        dense = GaussianLaw(self.mu, self.sigma).log_prob(x) - self._log_gap(x)
        exact = log_interval(lower, upper, self.mu, self.sigma)
        return torch.where(x * self.scale + self.shift > LOG_LARGE, dense, exact)

    def _log_gap(self, x: Tensor) -> Tensor:
        """Minus the log of the width of a count's interval, in model units."""
        return x * self.scale + self.shift + torch.log(self.scale)

    def mean(self, curve: Curve | None = None) -> Tensor:
        """Mean of the rounded value."""
        return (
            self.mu if curve is None else _node_mean(GaussianLaw(self.mu, self.sigma), curve, 12)
        )

    def draw(self, noise: Noise) -> Tensor:
        """A draw of the Gaussian before rounding; rounding is left to the table."""
        return self.mu + self.sigma * noise.normal(self.mu.shape[-1])

    def nodes(self, n: int = 32) -> tuple[Tensor, Tensor]:
        """Gauss-Hermite nodes of the Gaussian before rounding."""
        return GaussianLaw(self.mu, self.sigma).nodes(n)

    def select(self, index: list[int]) -> RoundedLogLaw:
        """See :class:`Law`."""
        return RoundedLogLaw(
            self.mu[..., index], self.sigma[..., index], self.shift[index], self.scale[index]
        )

    def tempered(self, temperature: Tensor) -> RoundedLogLaw:
        """See :class:`Law`."""
        return RoundedLogLaw(self.mu, self.sigma * temperature, self.shift, self.scale)


class SelectedGaussianLaw(Law):
    r"""A Gaussian cell given that probit self-masking hid it: an extended skew normal.

    .. math:: p(x | z, s_j = 0) \propto N(x; \mu, \sigma^2) \Phi(a (x - b))

    With r = sqrt(1 + a^2 sigma^2) and t = a (mu - b) / r: the normaliser is Phi(t) and the mean
    mu + sigma^2 a / r * phi(t) / Phi(t).
    """

    def __init__(self, mu: Tensor, sigma: Tensor, a: Tensor, b: Tensor) -> None:
        self.mu, self.sigma, self.a, self.b = mu, sigma, a, b
        self.r = torch.sqrt(1 + (a * sigma) ** 2)
        self.t = a * (mu - b) / self.r

    def log_normalizer(self) -> Tensor:
        """Log p(s_j = 0 | z)."""
        return torch.special.log_ndtr(self.t)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of the hidden cell."""
        base = GaussianLaw(self.mu, self.sigma).log_prob(x)
        return base + torch.special.log_ndtr(self.a * (x - self.b)) - self.log_normalizer()

    def mean(self, curve: Curve | None = None) -> Tensor:
        """Mean: exact, or by nodes behind a curve."""
        if curve is not None:
            return _node_mean(self, curve, 24)
        return self.mu + self.sigma**2 * self.a / self.r * log_ndtr_ratio(self.t)

    def draw(self, noise: Noise) -> Tensor:
        """Exact draw: first the probit's latent, truncated to be positive, then x given it."""
        c = self.mu.shape[-1]
        latent = _truncated_normal(self.t, noise.uniform(c)) * self.r
        gain = self.sigma**2 * self.a / self.r**2
        mean = self.mu + gain * (latent - self.a * (self.mu - self.b))
        return mean + self.sigma / self.r * noise.normal(c)

    def nodes(self, n: int = 32) -> tuple[Tensor, Tensor]:
        """Gauss-Hermite nodes of the probit's latent, by inversion, times nodes of x given it."""
        outer, log_outer = (v.to(self.t) for v in normal_nodes(max(n // 2, 8)))
        inner, log_inner = (v.to(self.t) for v in normal_nodes(6))
        latent = _truncated_normal(self.t[..., None], torch.special.ndtr(outer))
        gain = (self.sigma**2 * self.a / self.r)[..., None]
        mean = self.mu[..., None] + gain * (latent - self.t[..., None])
        values = (mean[..., None] + (self.sigma / self.r)[..., None, None] * inner).flatten(-2)
        log_weight = (log_outer[:, None] + log_inner).flatten()
        return values, log_weight.expand(values.shape)

    def select(self, index: list[int]) -> SelectedGaussianLaw:
        """See :class:`Law`."""
        parts = (self.mu, self.sigma, self.a, self.b)
        return SelectedGaussianLaw(*(part[..., index] for part in parts))

    def tempered(self, temperature: Tensor) -> SelectedGaussianLaw:
        """See :class:`Law`."""
        return SelectedGaussianLaw(self.mu, self.sigma * temperature, self.a, self.b)


class NodesLaw(Law):
    """A law known by its nodes: what is left of another after reweighting by a mechanism.

    Few nodes integrate well but draw too widely; ``finer`` gives the law of one column, by its
    place, with enough nodes to draw from.
    """

    def __init__(
        self,
        values: Tensor,
        log_weights: Tensor,
        finer: Callable[[int], NodesLaw] | None = None,
    ) -> None:
        self.values, self.finer = values, finer
        self.log_weights = log_weights - torch.logsumexp(log_weights, -1, keepdim=True)

    def log_prob(self, x: Tensor) -> Tensor:
        """Not a density: nodes only integrate."""
        raise TypeError("NodesLaw integrates functions of a cell; it has no density.")

    def mean(self, curve: Curve | None = None) -> Tensor:
        """Mean over nodes."""
        values = self.values if curve is None else curve_nodes(curve, self.values)
        return (self.log_weights.exp() * values).sum(-1)

    def draw(self, noise: Noise) -> Tensor:
        """Inversion of the distribution function, linear between nodes."""
        if self.finer is not None:
            # Column by column, as many nodes for all of them at once would fill the memory.
            columns = range(self.values.shape[-2])
            return torch.cat([self.finer(i).draw(noise) for i in columns], -1)
        u = noise.uniform(self.values.shape[-2])[..., None]
        cumulative = self.log_weights.exp().cumsum(-1)
        middle = cumulative - 0.5 * self.log_weights.exp()
        right = (u > middle).sum(-1, keepdim=True).clamp(1, self.values.shape[-1] - 1)
        middle = middle.expand(*right.shape[:-1], -1)
        p0, p1 = middle.gather(-1, right - 1), middle.gather(-1, right)
        shape = right.shape
        x0 = self.values.expand(*shape[:-1], -1).gather(-1, right - 1)
        x1 = self.values.expand(*shape[:-1], -1).gather(-1, right)
        share = ((u - p0) / (p1 - p0).clamp_min(1e-12)).clamp(0.0, 1.0)
        return (x0 + share * (x1 - x0))[..., 0]

    def nodes(self, n: int = 32) -> tuple[Tensor, Tensor]:
        """The nodes themselves."""
        return self.values, self.log_weights

    def select(self, index: list[int]) -> NodesLaw:
        """See :class:`Law`."""
        finer = self.finer
        return NodesLaw(
            self.values[..., index, :],
            self.log_weights[..., index, :],
            None if finer is None else lambda i: finer(index[i]),
        )

    def tempered(self, temperature: Tensor) -> NodesLaw:
        """See :class:`Law`."""
        return NodesLaw(self.values, self.log_weights / temperature)


@lru_cache
def _legendre(n: int) -> tuple[Tensor, Tensor]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return torch.from_numpy(nodes), torch.from_numpy(np.log(weights))


def curve_nodes(curve: Curve, values: Tensor) -> Tensor:
    """Apply a curve that acts on columns (last axis) to nodes (last axis)."""
    return curve(values.movedim(-1, 0)).movedim(0, -1)


def _node_mean(law: Law, curve: Curve, n: int) -> Tensor:
    values, log_weights = law.nodes(n)
    return (log_weights.exp() * curve_nodes(curve, values)).sum(-1)


def _truncated_normal(t: Tensor, u: Tensor) -> Tensor:
    """A draw of N(t, 1) truncated to be positive, by inversion in the tail that is precise."""
    # P(N(t,1) > y) / Phi(t) = u  <=>  y = t - ndtri(u Phi(t))
    p = (u * torch.special.ndtr(t)).clamp_min(1e-37)
    direct = t - torch.special.ndtri(p)
    # For t << 0 the law is close to an exponential of rate |t|.
    tail = -torch.log(u) / t.abs().clamp_min(1.0)
    return torch.where(t > -6.0, direct, tail).clamp_min(0.0)
