"""Laws of columns with probabilities: categories, few distinct numbers, an atom beside a law."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from halfseen.core.noise import Noise
from halfseen.terms.laws import Curve, Law, curve_nodes

__all__ = ["RELAXATION", "AtomLaw", "CategoricalLaw", "GridLaw", "ordered_log_probs"]

# Temperature of Gumbel-softmax draws.
RELAXATION = 0.5


class CategoricalLaw(Law):
    """Categories with log-probabilities ``log_p`` (..., c, levels); -inf pads short columns.

    ``flat`` (c * levels,) bool tells which padded places are features of the table.
    """

    def __init__(self, log_p: Tensor, flat: Tensor) -> None:
        self.log_p, self.flat = log_p, flat

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probability of the codes in x."""
        shape = torch.broadcast_shapes(x.shape, self.log_p.shape[:-1])
        code = x.long().expand(shape)[..., None]
        return self.log_p.expand(*shape, -1).gather(-1, code)[..., 0]

    def mean(self, curve: Curve | None = None) -> Tensor:
        """Probabilities of the categories as features."""
        return self.log_p.exp().flatten(-2)[..., self.flat]

    def draw(self, noise: Noise) -> Tensor:
        """Codes by inversion of the cumulative probabilities; no gradient."""
        c, levels = self.log_p.shape[-2:]
        cumulative = self.log_p.detach().exp().cumsum(-1)
        u = noise.uniform(c)[..., None] * cumulative[..., -1:]
        return (u > cumulative).sum(-1).clamp(max=levels - 1).to(self.log_p.dtype)

    def log_choice(self, x: Tensor) -> Tensor:
        """Log-probability of the category."""
        return self.log_prob(x)

    def soft(self, x: Tensor, sampler: str, noise: Noise) -> Tensor:
        """See :class:`Law`."""
        if sampler == "relaxed":
            return _relaxed(self.log_p, noise).flatten(-2)[..., self.flat]
        mean = self.mean()
        if sampler == "mean":
            return mean
        levels = self.log_p.shape[-1]
        hard = functional.one_hot(x.long(), levels).to(mean.dtype).flatten(-2)[..., self.flat]
        return hard + mean - mean.detach()

    def nodes(self, n: int = 32) -> tuple[Tensor, Tensor]:
        """The categories themselves."""
        levels = torch.arange(self.log_p.shape[-1]).to(self.log_p)
        return levels.expand(self.log_p.shape), self.log_p

    def select(self, index: list[int]) -> CategoricalLaw:
        """See :class:`Law`."""
        levels = self.log_p.shape[-1]
        flat = self.flat.view(-1, levels)[index].flatten()
        return CategoricalLaw(self.log_p[..., index, :], flat)

    def tempered(self, temperature: Tensor) -> CategoricalLaw:
        """See :class:`Law`."""
        return CategoricalLaw(_softened(self.log_p, temperature), self.flat)


class GridLaw(Law):
    """A numeric column with few distinct values: a probability for each of them.

    ``log_p`` (..., c, L) and ``values`` (c, L) in model units; -inf pads short columns. A cell
    between two values is read as the nearest one.
    """

    def __init__(self, log_p: Tensor, values: Tensor) -> None:
        self.log_p, self.values = log_p, values

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probability of the nearest value."""
        at = (x[..., None] - self.values).abs().argmin(-1, keepdim=True)
        shape = torch.broadcast_shapes(at.shape[:-1], self.log_p.shape[:-1])
        return self.log_p.expand(*shape, -1).gather(-1, at.expand(*shape, 1))[..., 0]

    def mean(self, curve: Curve | None = None) -> Tensor:
        """Sum of probability times value."""
        values = self.values if curve is None else curve_nodes(curve, self.values)
        return (self.log_p.exp() * values).sum(-1)

    def draw(self, noise: Noise) -> Tensor:
        """Values by inversion of the cumulative probabilities; no gradient."""
        c, levels = self.log_p.shape[-2:]
        cumulative = self.log_p.detach().exp().cumsum(-1)
        u = noise.uniform(c)[..., None] * cumulative[..., -1:]
        at = (u > cumulative).sum(-1, keepdim=True).clamp(max=levels - 1)
        return self.values.expand(*at.shape[:-1], levels).gather(-1, at)[..., 0]

    def log_choice(self, x: Tensor) -> Tensor:
        """Log-probability of the value."""
        return self.log_prob(x)

    def soft(self, x: Tensor, sampler: str, noise: Noise) -> Tensor:
        """See :class:`Law`."""
        if sampler == "relaxed":
            return (_relaxed(self.log_p, noise) * self.values).sum(-1)
        mean = self.mean()
        return mean if sampler == "mean" else x + mean - mean.detach()

    def nodes(self, n: int = 32) -> tuple[Tensor, Tensor]:
        """The values themselves."""
        return self.values.expand(self.log_p.shape), self.log_p

    def select(self, index: list[int]) -> GridLaw:
        """See :class:`Law`."""
        return GridLaw(self.log_p[..., index, :], self.values[index])

    def tempered(self, temperature: Tensor) -> GridLaw:
        """See :class:`Law`."""
        return GridLaw(_softened(self.log_p, temperature), self.values)


class AtomLaw(Law):
    """A numeric column in which one value comes back often: an atom beside another law.

    ``logit`` is that of the atom's probability, ``rest`` the law of all other values, a
    Gaussian unless a mechanism changed it, and ``atom`` (c,) the place of the atom, in model
    units.
    """

    def __init__(self, logit: Tensor, rest: Law, atom: Tensor) -> None:
        self.logit, self.rest, self.atom = logit, rest, atom

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probability at the atom, log-density elsewhere."""
        spread = functional.logsigmoid(-self.logit) + self.rest.log_prob(x)
        return torch.where((x - self.atom).abs() < 1e-5, functional.logsigmoid(self.logit), spread)

    def mean(self, curve: Curve | None = None) -> Tensor:
        """Mixture of the atom and the mean of the rest."""
        share = torch.sigmoid(self.logit)
        atom = self.atom if curve is None else curve(self.atom)
        return share * atom + (1 - share) * self.rest.mean(curve)

    def draw(self, noise: Noise) -> Tensor:
        """The atom or the rest; reparameterised in the rest only."""
        at_atom = noise.uniform(self.logit.shape[-1]) < torch.sigmoid(self.logit)
        return torch.where(at_atom, self.atom, self.rest.draw(noise))

    def log_choice(self, x: Tensor) -> Tensor:
        """Log-probability of the atom, or of the rest: its values are reparameterised."""
        at_atom = (x - self.atom).abs() < 1e-5
        return functional.logsigmoid(torch.where(at_atom, self.logit, -self.logit))

    def soft(self, x: Tensor, sampler: str, noise: Noise) -> Tensor:
        """See :class:`Law`."""
        share, rest = torch.sigmoid(self.logit), self.rest.draw(noise)
        if sampler == "relaxed":
            u = noise.uniform(self.logit.shape[-1])
            share = torch.sigmoid((self.logit + torch.logit(u)) / RELAXATION)
        if sampler != "straight-through":
            return share * self.atom + (1 - share) * rest
        # Only the choice needs a stand-in: where x is a draw of the rest it has its gradient.
        mean = share * self.atom + (1 - share) * rest.detach()
        return x + mean - mean.detach()

    def nodes(self, n: int = 32) -> tuple[Tensor, Tensor]:
        """Nodes of the rest and the atom."""
        values, log_weights = self.rest.nodes(n - 1)
        atom = self.atom[:, None].expand(*values.shape[:-1], 1)
        log_atom = functional.logsigmoid(self.logit)[..., None]
        log_rest = functional.logsigmoid(-self.logit)[..., None] + log_weights
        return torch.cat([values, atom], -1), torch.cat([log_rest, log_atom], -1)

    def select(self, index: list[int]) -> AtomLaw:
        """See :class:`Law`."""
        return AtomLaw(self.logit[..., index], self.rest.select(index), self.atom[index])

    def tempered(self, temperature: Tensor) -> AtomLaw:
        """See :class:`Law`."""
        return AtomLaw(self.logit / temperature, self.rest.tempered(temperature), self.atom)


def ordered_log_probs(eta: Tensor, thresholds: Tensor) -> Tensor:
    """Log-probabilities of ordered levels from cumulative logits.

    Parameters
    ----------
    eta : Tensor of shape (..., c)
        The linear predictor.
    thresholds : Tensor of shape (..., c, levels - 1)
        Increasing cut points; +inf pads short columns.
    """
    t = thresholds - eta[..., None]
    low = functional.pad(functional.logsigmoid(t), (0, 1), value=0.0)
    # log(sigmoid(t_l) - sigmoid(t_{l-1})) = log sigmoid(t_l) + log(1 - exp(difference))
    previous = functional.pad(functional.logsigmoid(t), (1, 0), value=-60.0)
    return low + torch.log1p(-torch.exp((previous - low).clamp(max=-1e-6)))


def _softened(log_p: Tensor, temperature: Tensor) -> Tensor:
    """Log-probabilities over a temperature, summing to one again."""
    return torch.log_softmax(log_p / temperature, -1)


def _relaxed(log_p: Tensor, noise: Noise) -> Tensor:
    """A Gumbel-softmax draw over the last axis; padded levels keep no mass."""
    gumbel = -torch.log(-torch.log(noise.uniform(*log_p.shape[-2:])))
    return torch.softmax((log_p + gumbel) / RELAXATION, -1)
