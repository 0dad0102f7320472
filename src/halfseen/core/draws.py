"""Draws: weighted completions, and the decision rules that turn them into answers.

Every model ends in completions ``x (K, B, p)`` with log-weights ``log_w (K, B)``. Rules run as
a stream over chunks of K, so K = 10 000 costs the memory of one chunk; members (independent
starts, the leading axis M) are normalised one by one and then count equally.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from halfseen.core.pareto import pareto_k

__all__ = ["Draws", "Resample", "WeightSummary", "WeightedMean", "half_sample_mode"]


class WeightedMean:
    """Self-normalised mean of a value over a stream of chunks."""

    def __init__(self) -> None:
        self.top: Tensor | None = None

    def update(self, log_w: Tensor, value: Tensor) -> None:
        """Add a chunk: log_w (M, k, B), value (M, k, B, F)."""
        top = log_w.amax(1)
        if self.top is None:
            self.top = torch.full_like(top, -torch.inf)
            self.mass = torch.zeros_like(top)
            self.square = torch.zeros_like(top)
            self.sum = torch.zeros(*top.shape, value.shape[-1], dtype=value.dtype)
            self.sum = self.sum.to(value.device)
        new = torch.maximum(self.top, top)
        keep = torch.exp(self.top - new)
        w = torch.exp(log_w - new[:, None])
        self.mass = self.mass * keep + w.sum(1)
        self.square = self.square * keep**2 + (w * w).sum(1)
        self.sum = self.sum * keep[..., None] + torch.einsum("mkb,mkbf->mbf", w, value)
        self.top = new

    def per_member(self) -> Tensor:
        """Mean of each member, shape (M, B, F)."""
        return self.sum / self.mass[..., None]

    def result(self) -> Tensor:
        """Mean over members, shape (B, F)."""
        return self.per_member().mean(0)

    def effective_sample_size(self) -> Tensor:
        """(sum w)^2 / sum w^2, the smallest over members: shape (B,)."""
        return (self.mass**2 / self.square).amin(0)


class Resample:
    """Sampling importance resampling over a stream: R payloads per member and row.

    A chunk of total weight W' beside the W before it replaces each kept payload with
    probability W' / (W + W'); what is kept at the end is an exact multinomial resample.
    """

    def __init__(self, uniforms: list[Tensor]) -> None:
        # One pair of uniforms (M, R, B, 2) per chunk, made beforehand.
        self.uniforms = uniforms
        self.log_mass: Tensor | None = None
        self.calls = 0

    def update(self, log_w: Tensor, payload: Tensor) -> None:
        """Add a chunk: log_w (M, k, B), payload (M, k, B, d)."""
        u = self.uniforms[self.calls]
        self.calls += 1
        log_chunk, log_square = torch.logsumexp(log_w, 1), torch.logsumexp(2 * log_w, 1)
        picked = _pick(log_w, payload, u[..., 0])
        if self.log_mass is None:
            self.log_mass, self.log_square, self.kept = log_chunk, log_square, picked
            return
        total = torch.logaddexp(self.log_mass, log_chunk)
        replace = u[..., 1] < torch.exp(log_chunk - total)[:, None]
        self.kept = torch.where(replace[..., None], picked, self.kept)
        self.log_mass = total
        self.log_square = torch.logaddexp(self.log_square, log_square)

    def effective_sample_size(self) -> Tensor:
        """Of the weights that were resampled, the smallest over members: shape (B,)."""
        assert self.log_mass is not None
        return torch.exp(2 * self.log_mass - self.log_square).amin(0)


def _pick(log_w: Tensor, payload: Tensor, u: Tensor) -> Tensor:
    """Multinomial picks by inversion: log_w (M, k, B), u (M, R, B) -> (M, R, B, d)."""
    cumulative = torch.softmax(log_w, 1).cumsum(1).transpose(1, 2).contiguous()
    at = torch.searchsorted(cumulative, u.transpose(1, 2).contiguous())
    at = at.clamp(max=log_w.shape[1] - 1).transpose(1, 2)[..., None]
    return payload.gather(1, at.expand(*at.shape[:-1], payload.shape[-1]))


class WeightSummary:
    """Bound, effective sample size and Pareto k over a stream of chunks."""

    def __init__(self, n_importance: int) -> None:
        self.n = n_importance
        self.tail = max(5, min(n_importance // 5, int(3 * n_importance**0.5)))
        self.log_sum: Tensor | None = None
        self.log_square: Tensor
        self.top: Tensor

    def update(self, log_w: Tensor) -> None:
        """Add a chunk of log-weights (M, k, B)."""
        first, second = torch.logsumexp(log_w, 1), torch.logsumexp(2 * log_w, 1)
        if self.log_sum is None:
            self.log_sum, self.log_square, kept = first, second, log_w
        else:
            self.log_sum = torch.logaddexp(self.log_sum, first)
            self.log_square = torch.logaddexp(self.log_square, second)
            kept = torch.cat([self.top, log_w], 1)
        # One more than the tail: the largest weight below it is the threshold.
        self.top = kept.topk(min(self.tail + 1, kept.shape[1]), dim=1).values

    def bound(self) -> Tensor:
        """Log of the mean weight per row, the members being a mixture: shape (B,)."""
        assert self.log_sum is not None
        per_member = self.log_sum - torch.log(torch.tensor(float(self.n)))
        return torch.logsumexp(per_member, 0) - torch.log(torch.tensor(float(per_member.shape[0])))

    def effective_sample_size(self) -> Tensor:
        """(sum w)^2 / sum w^2 in [1, K], the smallest over members: shape (B,)."""
        assert self.log_sum is not None
        return torch.exp(2 * self.log_sum - self.log_square).clamp(1.0, float(self.n)).amin(0)

    def pareto_k(self) -> Tensor:
        """Shape of the weights' tail, the largest over members: shape (B,)."""
        return torch.stack([pareto_k(top) for top in self.top]).amax(0)


@dataclass(frozen=True)
class Draws:
    """Completions with weights, held in memory.

    Parameters
    ----------
    x : Tensor of shape (K, B, p)
        Completions whose observed cells are exact.
    log_w : Tensor of shape (K, B)
        Log-weights; zeros where a model samples exactly.

    Examples
    --------
    >>> draws = Draws(torch.tensor([[[0.0]], [[1.0]]]), torch.tensor([[0.0], [0.0]]))
    >>> draws.mean()
    tensor([[0.5000]])
    """

    x: Tensor
    log_w: Tensor

    @property
    def weights(self) -> Tensor:
        """Normalised weights (K, B)."""
        return torch.softmax(self.log_w, 0)

    def mean(self) -> Tensor:
        """Weighted mean (B, p): the answer under squared error."""
        return torch.einsum("kb,kbp->bp", self.weights, self.x)

    def quantile(self, q: float) -> Tensor:
        """Weighted quantile (B, p): the answer under pinball loss; q = 0.5 the median."""
        order = self.x.argsort(0)
        cumulative = self.weights[..., None].expand_as(self.x).gather(0, order).cumsum(0)
        at = (cumulative < q * cumulative[-1:]).sum(0, keepdim=True)
        return self.x.gather(0, order).gather(0, at.clamp(max=len(self.x) - 1))[0]

    def resample(self, n_draws: int, generator: torch.Generator) -> Tensor:
        """Multiple imputations (n_draws, B, p) by multinomial resampling."""
        u = torch.rand(1, n_draws, self.x.shape[1], generator=generator)
        return _pick(self.log_w[None], self.x[None], u)[0]

    def summary(self) -> WeightSummary:
        """Bound, effective sample size and Pareto k."""
        out = WeightSummary(len(self.x))
        out.update(self.log_w[None])
        return out


def half_sample_mode(draws: Tensor) -> Tensor:
    """Mode of equally weighted draws (R, ...) by repeated shortest halves (Bickel 2006)."""
    x = draws.sort(0).values
    while len(x) > 3:
        half = (len(x) + 1) // 2
        width = x[half - 1 :] - x[: len(x) - half + 1]
        start = width.argmin(0, keepdim=True)
        steps = torch.arange(half, device=x.device).view(-1, *[1] * (x.dim() - 1))
        x = x.gather(0, start + steps)
    return x.mean(0)
