"""The latent model: a sum of named log-terms per importance sample.

log w_k = log p(z_k) - log q(z_k | x_obs, s) + sum_j s_j log p(x_j | z_k) + log p(s | x, z_k)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise
from halfseen.terms.mechanism import MechanismTerm, SampledCompletion
from halfseen.terms.observation import Decoded, Observation
from halfseen.terms.proposal import GaussianProposal, log_prior

__all__ = ["Gradient", "LatentModel", "Weighted"]

Gradient = Literal["total", "stl", "dreg"]


@dataclass
class Weighted:
    """Importance samples of some rows.

    Parameters
    ----------
    terms : dict of str to Tensor of shape (M, K, B)
        The named addends of the log-weights.
    z : Tensor of shape (M, K, B, d)
        The samples.
    completion : Decoded or SampledCompletion
        What the missing cells are given each sample.
    """

    terms: dict[str, Tensor]
    z: Tensor
    completion: Decoded | SampledCompletion

    @property
    def log_w(self) -> Tensor:
        """Log-weights (M, K, B)."""
        total = next(iter(self.terms.values())).new_zeros(())
        for term in self.terms.values():
            total = total + term
        return total


class LatentModel(nn.Module):
    """z ~ N(0, I), an amortised proposal, an observation term and an optional mechanism term.

    Parameters
    ----------
    n_latent : int
        Dimension d of z.
    proposal, observation, mechanism
        The terms; ``mechanism=None`` gives MIWAE, a mechanism not-MIWAE.
    gradient : {"total", "stl", "dreg"}
        How the proposal learns: the total derivative; without the score term of the proposal
        ("sticking the landing", Roeder et al. 2017); or doubly reparameterised (Tucker et al.
        2019).
    """

    def __init__(
        self,
        n_latent: int,
        proposal: GaussianProposal,
        observation: Observation,
        mechanism: MechanismTerm | None = None,
        gradient: Gradient = "total",
    ) -> None:
        super().__init__()
        self.n_latent = n_latent
        self.proposal = proposal
        self.observation = observation
        self.mechanism = mechanism
        self.gradient = gradient

    def forward(self, batch: Batch, noise: Noise) -> Weighted:
        """Draw z and weigh it; ``noise`` has leading shape (M, K, B or 1)."""
        law = self.proposal(batch)
        z = law.transform(noise.normal(self.n_latent))
        reference = law if self.gradient == "total" else law.detach()
        decoded = self.observation(z)
        terms = {
            "prior": log_prior(z),
            "proposal": -reference.log_prob(z),
            "observation": decoded.log_prob(batch.x, batch.s),
        }
        completion: Decoded | SampledCompletion = decoded
        if self.mechanism is not None:
            terms["mechanism"], completion = self.mechanism(decoded, batch, noise)
        out = Weighted(terms, z, completion)
        if self.gradient == "dreg" and z.requires_grad:
            share = torch.softmax(out.log_w.detach(), 1)[..., None]
            z.register_hook(lambda g: g * share)
        return out

    @property
    def keeps_cells(self) -> bool:
        """Whether weights saw sampled cells, so that draws must reuse them."""
        return self.mechanism is not None and self.mechanism.sees_samples

    def complete(self, z: Tensor) -> Decoded:
        """Laws of missing cells given z, for fresh draws at resampled z."""
        decoded = self.observation(z)
        return decoded if self.mechanism is None else self.mechanism.complete(decoded)

    def stream(
        self, batch: Batch, n_importance: int, chunk: int, generator: torch.Generator, members: int
    ) -> Iterator[Weighted]:
        """Importance samples in chunks of K, with noise shared by all rows.

        The chunk does not depend on the rows, so neither does the noise: a row's answer does
        not depend on its neighbours, and memory is that of one chunk for any K.
        """
        done = 0
        while done < n_importance:
            k = min(chunk, n_importance - done)
            yield self(batch, Noise(generator, (members, k, 1)))
            done += k
