"""Prior and proposal: laws of z before and after a row is looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise
from halfseen.nn.inputs import ZeroFill
from halfseen.nn.stacked import StackedLinear

__all__ = [
    "GaussianProposal",
    "MixturePrior",
    "PointProposal",
    "ProposalLaw",
    "StandardPrior",
    "log_prior",
]

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

    def sample(self, noise: Noise, n_latent: int) -> Tensor:
        """A draw (M, K, B, d) of z."""
        return self.transform(noise.normal(n_latent))

    def log_prob(self, z: Tensor) -> Tensor:
        """Log q(z), summed over the last axis."""
        t = (z - self.mean) * torch.exp(-self.log_scale)
        return (-0.5 * (t * t + LOG_2PI) - self.log_scale).sum(-1)

    def detach(self) -> ProposalLaw:
        """The same law as a constant."""
        return ProposalLaw(self.mean.detach(), self.log_scale.detach())

    def kl(self, prior: ProposalLaw) -> Tensor:
        """KL(q || p) to another diagonal Gaussian in closed form, summed over the last axis.

        Examples
        --------
        >>> one, other = torch.zeros(3), ProposalLaw(torch.ones(3), torch.zeros(3))
        >>> ProposalLaw(one, one).kl(other)
        tensor(1.5000)
        """
        gap = self.log_scale - prior.log_scale
        distance = (self.mean - prior.mean) * torch.exp(-prior.log_scale)
        return (0.5 * (torch.exp(2 * gap) + distance * distance - 1) - gap).sum(-1)


class StandardLaw(ProposalLaw):
    """N(0, I), without the arithmetic of a general mean and scale."""

    def log_prob(self, z: Tensor) -> Tensor:
        """See :class:`ProposalLaw`."""
        return log_prior(z)


class StandardPrior(nn.Module):
    """The prior N(0, I) of every row.

    Parameters
    ----------
    n_latent : int
        Dimension d of z.
    """

    zero: Tensor

    def __init__(self, n_latent: int) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(1, 1, 1, n_latent), persistent=False)

    def forward(self, batch: Batch) -> ProposalLaw:
        """The same law for any batch."""
        return StandardLaw(self.zero, self.zero)


@dataclass(frozen=True)
class MixtureLaw(ProposalLaw):
    """A mixture of Gaussians: means and log scales (M, 1, 1, C, d), log shares (M, 1, 1, C)."""

    log_share: Tensor

    def log_prob(self, z: Tensor) -> Tensor:
        """Log of the density, the components summed out."""
        each = super().log_prob(z[..., None, :])
        return torch.logsumexp(each + self.log_share, -1)

    def sample(self, noise: Noise, n_latent: int) -> Tensor:
        """A draw (M, K, B, d): a component, then z."""
        below = self.log_share.exp().cumsum(-1)
        component = (noise.uniform(1) > below[..., :-1]).sum(-1, keepdim=True)
        shape = (*component.shape[:-1], *self.mean.shape[-2:])
        at = component[..., None].expand(*component.shape, shape[-1])
        parts = (x.expand(shape).gather(-2, at)[..., 0, :] for x in (self.mean, self.log_scale))
        return ProposalLaw(*parts).sample(noise, n_latent)


class MixturePrior(nn.Module):
    """p(z): a learned mixture of Gaussians of unit scale, the same for every row.

    Parameters
    ----------
    n_members, n_components, n_latent : int
        M, C and d.
    generator : torch.Generator
        For the initial means, which are apart by about one unit.
    """

    def __init__(
        self, n_members: int, n_components: int, n_latent: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        shape = (n_members, 1, 1, n_components, n_latent)
        mean = torch.randn(shape, generator=generator, device=generator.device)
        self.mean = nn.Parameter(mean)
        self.share = nn.Parameter(torch.zeros(shape[:-1]))

    def forward(self, batch: Batch) -> ProposalLaw:
        """The same law for any batch."""
        return MixtureLaw(self.mean, torch.zeros_like(self.mean), self.share.log_softmax(-1))


class PointLaw(ProposalLaw):
    """All mass at the mean: the code of an autoencoder without noise, and without a density."""

    def transform(self, noise: Tensor) -> Tensor:
        """See :class:`ProposalLaw`."""
        return self.mean.expand(torch.broadcast_shapes(self.mean.shape, noise.shape))

    def log_prob(self, z: Tensor) -> Tensor:
        """Nothing to weigh: as if the prior were flat."""
        return log_prior(z)

    def detach(self) -> ProposalLaw:
        """See :class:`ProposalLaw`."""
        return PointLaw(self.mean.detach(), self.log_scale)

    def kl(self, prior: ProposalLaw) -> Tensor:
        """No divergence is charged for a code without noise."""
        return torch.zeros_like(self.mean[..., 0])


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

    def row(self, batch: Batch) -> Tensor:
        """What the encoder reads, shape (M, 1, B, inputs.n_out)."""
        return self.inputs(batch.x, batch.shown)

    def forward(self, batch: Batch) -> ProposalLaw:
        """The proposal of every row."""
        row = self.row(batch)
        out = self.out(self.body(row))
        if self.linear is not None:
            out = out + self.linear(row)
        mean, raw = out.chunk(2, -1)
        # Half a log-variance, clipped as in the published encoders.
        return ProposalLaw(mean, 0.5 * raw.clamp(-10.0, 10.0))


class PointProposal(nn.Module):
    """The mean of another proposal, without its noise.

    Parameters
    ----------
    proposal : Module
        From a batch to a :class:`ProposalLaw`.
    """

    def __init__(self, proposal: nn.Module) -> None:
        super().__init__()
        self.proposal = proposal

    def forward(self, batch: Batch) -> ProposalLaw:
        """The code of every row."""
        law = self.proposal(batch)
        return PointLaw(law.mean, torch.zeros_like(law.log_scale))
