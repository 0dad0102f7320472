"""The mechanism term log p(s | x): collapsed where it can be, sampled otherwise.

A collapsed term integrates the missing cell out of the weight: with a decoder that factorises
over columns and a mechanism that looks at one column,

    p(s_j = 0 | z) = integral p(x_j | z) p(s_j = 0 | x_j) dx_j

is known in closed form (probit and Gaussian), by a finite sum (categories) or by quadrature.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.mechanisms.base import Mechanism
from halfseen.mechanisms.self_masking import SelfMasking
from halfseen.terms.completion import Completion, Term
from halfseen.terms.discrete_laws import AtomLaw, CategoricalLaw, GridLaw
from halfseen.terms.laws import GaussianLaw, Law, NodesLaw, RoundedLogLaw, SelectedGaussianLaw
from halfseen.terms.observation import Decoded, Head
from halfseen.terms.pixels import BernoulliLaw

__all__ = ["CollapsedTerm", "MechanismTerm", "SampledTerm", "hide"]


class MechanismTerm(Term):
    """log p(s | x) inside a weight, and what the missing cells are once it is there."""

    def __init__(self, mechanism: Mechanism) -> None:
        super().__init__()
        self.mechanism = mechanism


class SampledTerm(MechanismTerm):
    """Any mechanism, scored on sampled missing cells."""

    def forward(self, completion: Completion, batch: Batch) -> Tensor:
        """See :class:`Term`."""
        completion.in_weight = True
        return self.mechanism.log_prob(batch.s, completion.features)


class CollapsedTerm(MechanismTerm):
    """Self-masking with the missing cell integrated out."""

    mechanism: SelfMasking

    def __init__(self, mechanism: SelfMasking, heads: list[Head], incomplete: Tensor) -> None:
        super().__init__(mechanism)
        self.index = [
            [i for i, j in enumerate(head.columns) if bool(incomplete[j])] for head in heads
        ]

    def forward(self, completion: Completion, batch: Batch) -> Tensor:
        """See :class:`Term`; the laws given s = 0 are made when they are needed."""
        decoded = completion.decoded
        total = batch.x.new_zeros(())
        for head, law, index in zip(decoded.heads, decoded.laws, self.index, strict=True):
            if not index:
                continue
            columns = [head.columns[i] for i in index]
            seen = _observed(self.mechanism, head, index, batch.x[..., columns])
            gone = log_hidden(law.select(index), self.mechanism, head, index)
            total = total + torch.where(batch.s[..., columns] > 0, seen, gone).sum(-1)
        completion.laws = _Hidden(decoded, self)
        return total

    def complete(self, decoded: Decoded) -> Decoded:
        """Laws given s_j = 0; columns that never miss a cell keep theirs."""
        laws = []
        for head, law, index in zip(decoded.heads, decoded.laws, self.index, strict=True):
            everything = list(range(len(head.columns)))
            laws.append(hide(law, self.mechanism, head, everything) if index else law)
        return decoded.replaced(laws)


class _Hidden(Decoded):
    """Laws given s = 0, made at the first question: training without a label never asks."""

    def __init__(self, decoded: Decoded, term: CollapsedTerm) -> None:
        self.heads, self._decoded, self._term = decoded.heads, decoded, term

    @cached_property
    def laws(self) -> list[Law]:  # type: ignore[override]
        return self._term.complete(self._decoded).laws


def hide(law: Law, mechanism: SelfMasking, head: Head, index: list[int]) -> Law:
    """p(x_j | z, s_j = 0) for some columns of a head."""
    columns = [head.columns[i] for i in index]
    if isinstance(law, CategoricalLaw):
        log_p = law.log_p + _level_scores(mechanism, head, index, missing=True)
        return CategoricalLaw(log_p - torch.logsumexp(log_p, -1, keepdim=True), law.flat)
    if isinstance(law, GridLaw):
        log_p = _reweighted(law, mechanism, columns)[1]
        return GridLaw(log_p - torch.logsumexp(log_p, -1, keepdim=True), law.values)
    if isinstance(law, BernoulliLaw):
        zero, one = _reweighted(law, mechanism, columns)[1].unbind(-1)
        return BernoulliLaw(one - zero)
    if isinstance(law, AtomLaw):
        at_atom, elsewhere = _atom_scores(law, mechanism, head, index)
        rest = hide(law.rest, mechanism, head, index)
        return AtomLaw(law.logit + at_atom - elsewhere, rest, law.atom)
    if _closed_form(law, mechanism):
        assert isinstance(law, (GaussianLaw, RoundedLogLaw))
        return SelectedGaussianLaw(law.mu, law.sigma, *_coefficients(mechanism, columns))

    def finer(i: int) -> NodesLaw:
        return NodesLaw(*_reweighted(law.select([i]), mechanism, [columns[i]], 128))

    return NodesLaw(*_reweighted(law, mechanism, columns), finer)


def log_hidden(law: Law, mechanism: SelfMasking, head: Head, index: list[int]) -> Tensor:
    """Log p(s_j = 0 | z) for some columns of a head, shape (M, K, B, c)."""
    columns = [head.columns[i] for i in index]
    if isinstance(law, CategoricalLaw):
        scores = _level_scores(mechanism, head, index, missing=True)
        return torch.logsumexp(law.log_p + scores, -1)
    if isinstance(law, AtomLaw):
        at_atom, elsewhere = _atom_scores(law, mechanism, head, index)
        log_atom, log_rest = (nn.functional.logsigmoid(v) for v in (law.logit, -law.logit))
        return torch.logaddexp(log_atom + at_atom, log_rest + elsewhere)
    if _closed_form(law, mechanism):
        assert isinstance(law, (GaussianLaw, RoundedLogLaw))
        a, b = _coefficients(mechanism, columns)
        return SelectedGaussianLaw(law.mu, law.sigma, a, b).log_normalizer()
    return torch.logsumexp(_reweighted(law, mechanism, columns)[1], -1)


def _coefficients(mechanism: SelfMasking, columns: list[int]) -> tuple[Tensor, Tensor]:
    """Slopes and locations; slope 0 where fit saw no hole, as nothing was learned there."""
    a, b = mechanism.coefficients(columns)
    return a * mechanism.incomplete[columns], b


def _atom_scores(
    law: AtomLaw, mechanism: SelfMasking, head: Head, index: list[int]
) -> tuple[Tensor, Tensor]:
    """Log p(s_j = 0) at the atom, and away from it given z."""
    a, b = _coefficients(mechanism, [head.columns[i] for i in index])
    at_atom = mechanism.log_missing(a * (law.atom - b))
    return at_atom, log_hidden(law.rest, mechanism, head, index)


def _closed_form(law: Law, mechanism: SelfMasking) -> bool:
    return mechanism.link == "probit" and isinstance(law, (GaussianLaw, RoundedLogLaw))


def _reweighted(
    law: Law, mechanism: SelfMasking, columns: list[int], n: int = 32
) -> tuple[Tensor, Tensor]:
    values, log_weights = law.nodes(n)
    a, b = _coefficients(mechanism, columns)
    margin = a[..., None] * (values - b[..., None])
    return values, log_weights + mechanism.log_missing(margin)


def _level_scores(
    mechanism: SelfMasking, head: Head, index: list[int], *, missing: bool
) -> Tensor:
    """Mechanism's log-probabilities per category, padded like the head: (M, 1, 1, c, levels)."""
    logits = mechanism.level_logits[:, head.features]
    widths = [column.width for column in head.spec.columns]
    place = torch.zeros(len(widths), max(widths), dtype=torch.long)
    start = 0
    for i, width in enumerate(widths):
        place[i, :width] = torch.arange(start, start + width)
        start += width
    scores = nn.functional.logsigmoid(logits if missing else -logits)
    return scores[:, None, None, place[index]]


def _observed(mechanism: SelfMasking, head: Head, index: list[int], x: Tensor) -> Tensor:
    """Log p(s_j = 1 | x_j) of observed cells, shape (M, 1, B, c)."""
    if head.spec.columns[index[0]].categorical:
        scores = _level_scores(mechanism, head, index, missing=False)
        code = x.long().expand(scores.shape[0], 1, *x.shape)[..., None]
        return scores.expand(*code.shape[:-1], -1).gather(-1, code)[..., 0]
    columns = [head.columns[i] for i in index]
    return mechanism.log_observed(mechanism.margin(x, columns))
