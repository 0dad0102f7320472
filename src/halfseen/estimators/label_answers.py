"""From a fitted latent model with a head to answers about labels, streamed over K."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from halfseen.core.batch import Batch, Rows
from halfseen.core.draws import Resample, WeightedMean
from halfseen.core.noise import Noise
from halfseen.core.row_noise import RowNoise, row_keys
from halfseen.estimators.answers import Answers
from halfseen.estimators.parallel import each_batch
from halfseen.terms.label import LabelTerm

__all__ = ["LabelAnswers"]


@dataclass(frozen=True)
class LabelAnswers:
    r"""How a fitted head answers.

    .. math:: p(y | x_{obs}) = \sum_k \bar w_k p(y | x_{obs}, x_{mis,k})

    The weights do not hold the label. Rows without a hole need no samples.

    Parameters
    ----------
    answers : Answers
        Of a latent model with a term "label".
    """

    answers: Answers

    @property
    def term(self) -> LabelTerm:
        """The head."""
        term = self.answers.model.terms["label"]
        assert isinstance(term, LabelTerm)
        return term

    @torch.no_grad()
    def averages(self, rows: Rows) -> Tensor:
        """The law's moments, averaged over completions and members: shape (n, n_moments)."""
        rows = replace(rows, y=None, labelled=None)
        whole = (rows.s > 0).all(-1)
        out: Tensor | None = None
        for index, part in ((whole, self._exact), (~whole, self._sampled)):
            at = torch.nonzero(index)[:, 0]
            if len(at):
                found = part(rows.part(at))
                out = found.new_zeros(len(rows), found.shape[-1]) if out is None else out
                out[at] = found
        if out is None:
            return rows.x.new_zeros(0, self.term.law.n_raw)
        return out

    def _exact(self, rows: Rows) -> Tensor:
        """Rows without a hole: the head says the same of every sample."""
        parts = []
        for batch in self.answers.parts(rows, 1):
            features = self.answers.model.observation.expand(batch.x)[None, None]
            answer = self.term.law.answer(self.term.raw(features, batch))
            parts.append(self.term.law.moments(answer)[:, 0].mean(0))
        return torch.cat(parts)

    def _sampled(self, rows: Rows) -> Tensor:
        batches = self.answers.parts(rows, self.answers.chunk)
        return torch.cat(each_batch(self._average, batches))

    def _average(self, batch: Batch) -> Tensor:
        rule = WeightedMean()
        for weighted in self.answers.stream(batch):
            answer = self.term.answer(weighted.completion)
            rule.update(weighted.log_w, self.term.law.moments(answer))
        return rule.result()

    @torch.no_grad()
    def draws(self, rows: Rows, n_draws: int, seed: int) -> Tensor:
        """The law's answers under resampled completions, (n_draws, n, n_answers)."""
        keys = row_keys(rows.x.cpu().numpy(), rows.s.cpu().numpy(), seed, apart=False)
        members = self.answers.n_members
        per_member = -(-n_draws // members)
        out, start = [], 0
        rows = replace(rows, y=None, labelled=None)
        for batch in self.answers.parts(rows, max(self.answers.chunk, per_member)):
            some = keys[start : start + len(batch)]
            noise = RowNoise(some, members, per_member, rows.x.device)
            kept = self._resampled(batch, noise)
            out.append(kept.transpose(0, 1).flatten(0, 1)[:n_draws])
            start += len(batch)
        return torch.cat(out, 1)

    def _resampled(self, batch: Batch, noise: Noise) -> Tensor:
        n_chunks = -(-self.answers.n_importance // self.answers.chunk)
        rule = Resample([noise.uniform(2) for _ in range(n_chunks)])
        for weighted in self.answers.stream(batch):
            rule.update(weighted.log_w, self.term.answer(weighted.completion))
        return rule.kept
