"""Prior and proposal: z ~ N(0, I) and an amortised Gaussian q(z | x_obs, s)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.nn.inputs import ZeroFill
from halfseen.nn.stacked import StackedLinear

__all__ = ["GaussianProposal", "ProposalLaw", "log_prior"]

LOG_2PI = math.log(2 * math.pi)


def log_prior(z: Tensor) -> Tensor:
    """Log-density of N(0, I), summed over the last axis."""
    return -0.5 * (z * z + LOG_2PI).sum(-1)


@dataclass(frozen=True)
class ProposalLaw:
    """A diagonal Gaussian: mean and log scale of shape (M, 1, B, d)."""

    mean: Tensor
    log_scale: Tensor

    def transform(self, noise: Tensor) -> Tensor:
        """Standard normal noise (M, K, B or 1, d) to z."""
        return self.mean + torch.exp(self.log_scale) * noise

    def log_prob(self, z: Tensor) -> Tensor:
        """Log q(z), summed over the last axis."""
        t = (z - self.mean) * torch.exp(-self.log_scale)
        return (-0.5 * (t * t + LOG_2PI) - self.log_scale).sum(-1)

    def detach(self) -> ProposalLaw:
        """The same law as a constant."""
        return ProposalLaw(self.mean.detach(), self.log_scale.detach())


class GaussianProposal(nn.Module):
    """Encoder network from an incomplete row to a :class:`ProposalLaw`.

    Parameters
    ----------
    inputs : ZeroFill
        Input layer, see :mod:`halfseen.nn.inputs`.
    body : Module
        Network from (M, 1, B, inputs.n_out) to (M, 1, B, body.n_out).
    n_latent : int
        Dimension d of z.
    generator : torch.Generator
        For the initial values of the last layer.
    init : str, default="torch"
        See :class:`StackedLinear`.
    linear : bool, default=False
        Whether a linear map of the input is added.
    """

    def __init__(
        self,
        inputs: ZeroFill,
        body: nn.Module,
        n_latent: int,
        generator: torch.Generator,
        *,
        init: str = "torch",
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.body = body
        m, n_out, n_body = inputs.n_members, 2 * n_latent, int(body.n_out)  # type: ignore[arg-type]
        self.out = StackedLinear(m, n_body, n_out, generator, init)
        self.linear = StackedLinear(m, inputs.n_out, n_out, generator, init) if linear else None

    def forward(self, batch: Batch) -> ProposalLaw:
        """The proposal of every row."""
        row = self.inputs(batch.x, batch.shown)
        out = self.out(self.body(row))
        if self.linear is not None:
            out = out + self.linear(row)
        mean, raw = out.chunk(2, -1)
        # Half a log-variance, clipped as in the published encoders.
        return ProposalLaw(mean, 0.5 * raw.clamp(-10.0, 10.0))
