"""The latent model: a sum of named log-terms per importance sample.

log w_k = log p(z_k) - log q(z_k | x_obs, s) + sum_j s_j log p(x_j | z_k)
          + log p(s | x, z_k) + log p(y | x) + ...

A conditional model is of what is hidden given what is shown: prior and decoder see the cells
that are shown, and those are not scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise
from halfseen.terms.completion import Completion, Sampler, Term
from halfseen.terms.mechanism import MechanismTerm
from halfseen.terms.observation import Decoded, Observation
from halfseen.terms.proposal import ProposalLaw, StandardPrior

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
    completion : Completion
        What the missing cells are given each sample.
    law, prior : ProposalLaw
        The laws of z: the proposal's and the prior's.
    log_choice : Tensor of shape (M, K, B) or None
        Log-probability of sampled choices whose gradient is to be estimated by their score.
    """

    terms: dict[str, Tensor]
    z: Tensor
    completion: Completion
    law: ProposalLaw
    prior: ProposalLaw
    log_choice: Tensor | None = None

    @property
    def log_w(self) -> Tensor:
        """Log-weights (M, K, B)."""
        total = next(iter(self.terms.values())).new_zeros(())
        for term in self.terms.values():
            total = total + term
        return total

    def kl(self) -> Tensor:
        """KL(q || p) of the laws of z in closed form, shape (M, 1, B)."""
        return self.law.kl(self.prior)


class LatentModel(nn.Module):
    """A prior, an amortised proposal, an observation term and further named terms.

    Parameters
    ----------
    n_latent : int
        Dimension d of z.
    proposal, observation
        The terms that every model has. A proposal is a module from a batch to a
        :class:`ProposalLaw`.
    terms : mapping of str to Term
        Further addends in the order in which they look: none gives MIWAE, a mechanism gives
        not-MIWAE, a label supMIWAE, both sup-not-MIWAE. A term that integrates cells out comes
        before those that look at samples, which are then drawn from p(x_j | z, s_j = 0).
    gradient : {"total", "stl", "dreg"}
        How the proposal learns: the total derivative; without the score term of the proposal
        ("sticking the landing", Roeder et al. 2017); or doubly reparameterised (Tucker et al.
        2019), but for weights that saw sampled choices under ``sampler="score"``, which take
        the total derivative.
    sampler : {"score", "dropped", "straight-through", "relaxed", "mean"}
        How terms that look at sampled choices (categories, pixels, repeated values) teach the
        decoder: by the score function with a leave-one-out baseline, which is unbiased; not at
        all but through the weights, as in the released code; by the gradient of the mean, or
        of a Gumbel-softmax, as if it were that of the sample; or with means in place of
        samples, which changes the model.
    prior : Module or None, default=None
        From a batch to the law of z before the row's targets are seen; None is N(0, I).
    conditional : bool, default=False
        Whether the model is of the cells that are seen but not shown, given those shown.
    """

    def __init__(
        self,
        n_latent: int,
        proposal: nn.Module,
        observation: Observation,
        terms: Mapping[str, Term] | None = None,
        gradient: Gradient = "total",
        sampler: Sampler = "score",
        prior: nn.Module | None = None,
        *,
        conditional: bool = False,
    ) -> None:
        super().__init__()
        self.n_latent = n_latent
        self.prior = StandardPrior(n_latent) if prior is None else prior
        self.proposal = proposal
        self.observation = observation
        self.terms = nn.ModuleDict(dict(terms or {}))
        self.gradient, self.sampler, self.conditional = gradient, sampler, conditional

    @property
    def mechanism(self) -> MechanismTerm | None:
        """The term that models why cells are missing, if there is one."""
        term = dict(self.terms.items()).get("mechanism")
        assert term is None or isinstance(term, MechanismTerm)
        return term

    def forward(self, batch: Batch, noise: Noise, law: ProposalLaw | None = None) -> Weighted:
        """Draw z and weigh it; ``noise`` has leading shape (M, K, B or 1).

        An objective that knows a better ``law`` of z than the proposal's may give it.
        """
        law = self.proposal(batch) if law is None else law
        prior = self.prior(batch)
        z = law.transform(noise.normal(self.n_latent))
        reference = law if self.gradient == "total" else law.detach()
        decoded = self.observation(z, batch)
        addends = {
            "prior": prior.log_prob(z),
            "proposal": -reference.log_prob(z),
            "observation": decoded.log_prob(batch.x, self.scored(batch)),
        }
        completion = Completion(decoded, batch, noise, self.observation.expand, self.sampler, z)
        for name, term in self.terms.items():
            addend: Tensor | None = term(completion, batch)
            if addend is not None:
                addends[name] = addend
        out = Weighted(addends, z, completion, law, prior)
        if self.sampler == "score" and completion.in_weight and torch.is_grad_enabled():
            out.log_choice = completion.log_choice()
        if self.gradient == "dreg" and out.log_choice is not None:
            # Its second step needs all that a weight saw to be a smooth function of z.
            addends["proposal"] = -law.log_prob(z)
        elif self.gradient == "dreg" and z.requires_grad:
            share = torch.softmax(out.log_w.detach(), 1)[..., None]
            z.register_hook(lambda g: g * share)
        return out

    def scored(self, batch: Batch) -> Tensor:
        """The mask of the cells whose log-density is in the weight."""
        return batch.s - batch.shown if self.conditional else batch.s

    def whole(self, batch: Batch) -> Batch:
        """The batch under which weights are those of log p(x_obs), whatever the model."""
        return replace(batch, shown=torch.zeros_like(batch.s)) if self.conditional else batch

    def complete(self, z: Tensor, batch: Batch) -> Decoded:
        """Laws of missing cells given z, for fresh draws at resampled z."""
        decoded = self.observation(z, batch)
        for term in self.terms.values():
            assert isinstance(term, Term)
            decoded = term.complete(decoded)
        return decoded

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
