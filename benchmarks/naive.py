"""The published not-MIWAE recipe in plain PyTorch, as one writes it first: the speed reference.

Ipsen, Mattei and Frellsen (ICLR 2021), self-masking with known sign: tanh networks of 128-128,
latent D - 1, K = 20, batch 16, Adam at 1e-3, zero-filled input, no floors, last iterate, one row
at a time when imputing. ``torch.distributions`` and eager mode throughout.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal
from torch.nn import functional

__all__ = ["NaiveNotMIWAE"]


class NaiveNotMIWAE(nn.Module):
    """A table (n, p) with NaN in, completed numbers out."""

    def __init__(self, n_columns: int, hidden: int = 128, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        d = n_columns - 1
        self.encoder = _mlp(n_columns, hidden, 2 * d)
        self.decoder = _mlp(d, hidden, 2 * n_columns)
        limit = math.sqrt(6 / (1 + n_columns))
        self.slope = nn.Parameter(torch.empty(n_columns).uniform_(-limit, limit))
        self.location = nn.Parameter(torch.empty(n_columns).uniform_(-limit, limit))

    def fit(self, values: np.ndarray, steps: int, batch_size: int = 16, k: int = 20) -> None:
        """Train for a number of steps."""
        x, s = _tensors(values)
        optimiser = torch.optim.Adam(self.parameters(), lr=1e-3)
        order, place = torch.randperm(len(x)), 0
        for _ in range(steps):
            if place + batch_size > len(x):
                order, place = torch.randperm(len(x)), 0
            rows = order[place : place + batch_size]
            place += batch_size
            optimiser.zero_grad()
            loss = -self.log_weights(x[rows], s[rows], k)[0].logsumexp(0).mean()
            loss.backward()
            optimiser.step()

    def log_weights(
        self, x: Tensor, s: Tensor, k: int, columns: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights (K, B), sampled cells and decoder means (K, B, p).

        As published, columns that never miss a cell have a factor of p(s | x) too; ``columns``
        (1 or 0 for each) leaves some out.
        """
        mu, log_var = self.encoder(x).chunk(2, -1)
        proposal = Normal(mu, torch.exp(0.5 * log_var.clamp(-10, 10)))
        z = proposal.rsample((k,))
        mean, raw = self.decoder(z).chunk(2, -1)
        observation = Normal(mean, functional.softplus(raw))
        filled = x * s + observation.rsample() * (1 - s)
        logits = -functional.softplus(self.slope) * (filled - self.location)
        log_mask = Bernoulli(logits=logits).log_prob(s.expand_as(logits))
        log_mask = log_mask if columns is None else log_mask * columns
        log_w = (
            (observation.log_prob(x) * s).sum(-1)
            + log_mask.sum(-1)
            + Normal(0.0, 1.0).log_prob(z).sum(-1)
            - proposal.log_prob(z).sum(-1)
        )
        return log_w, filled, mean

    @torch.no_grad()
    def impute(self, values: np.ndarray, k: int, means: bool = True) -> np.ndarray:
        """Complete a table, averaging decoder means (as the public code does) or the samples."""
        x, s = _tensors(values)
        out = []
        for row in range(len(x)):
            log_w, filled, mean = self.log_weights(x[row : row + 1], s[row : row + 1], k)
            weight = log_w.softmax(0)[..., None]
            out.append((weight * (mean if means else filled)).sum(0))
        return np.where(np.isnan(values), torch.cat(out).numpy(), values)

    @torch.no_grad()
    def bound(self, values: np.ndarray, k: int = 1000) -> float:
        """Mean over rows of the importance bound on log p(x_obs, s), s of incomplete columns."""
        x, s = _tensors(values)
        columns = (s.amin(0) == 0).float()
        parts = zip(x.split(100), s.split(100), strict=True)
        log_w = [self.log_weights(a, b, k, columns)[0] for a, b in parts]
        return float(torch.cat([w.logsumexp(0) for w in log_w]).mean() - math.log(k))


def _mlp(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    layers = [nn.Linear(n_in, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, n_out)]
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


def _tensors(values: np.ndarray) -> tuple[Tensor, Tensor]:
    x = torch.from_numpy(np.nan_to_num(values, nan=0.0)).float()
    return x, torch.from_numpy(~np.isnan(values)).float()
