"""From a fitted latent model with a head to answers about labels, streamed over K."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from halfseen.core.batch import Batch, Rows
from halfseen.core.draws import Resample, WeightedMean
from halfseen.core.noise import Noise
from halfseen.core.row_noise import RowNoise, row_keys
from halfseen.estimators.answers import Answers, Resampled
from halfseen.estimators.parallel import each_batch
from halfseen.terms.label import LabelTerm

__all__ = ["LabelAnswers"]


@dataclass(frozen=True)
class LabelAnswers:
    r"""How a fitted head answers.

    .. math:: p(y | x_{obs}) = \sum_k \bar w_k p(y | x_{obs}, x_{mis,k})

    The weights do not hold the label, and are those of the imputations: all the same where the
    generator does not weigh. Rows without a hole need no samples.

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
    def averages(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """The law's moments, averaged over completions and members, and what they rest on.

        Returns
        -------
        tuple of Tensor
            Moments (n, n_moments); and effective sample sizes (n,), infinite for rows without
            a hole.
        """
        rows = replace(rows, y=None, labelled=None)
        whole = (rows.s > 0).all(-1)
        out: Tensor | None = None
        effective = torch.full_like(rows.x.sum(-1), torch.inf)
        for index, part in ((whole, self._exact), (~whole, self._sampled)):
            at = torch.nonzero(index)[:, 0]
            if len(at):
                found, effective[at] = part(rows.part(at))
                out = found.new_zeros(len(rows), found.shape[-1]) if out is None else out
                out[at] = found
        if out is None:
            return rows.x.new_zeros(0, self.term.law.n_raw), effective
        return out, effective

    def _exact(self, rows: Rows) -> tuple[Tensor, float]:
        """Rows without a hole: the head says the same of every sample."""
        parts = []
        for batch in self.answers.parts(rows, 1):
            features = self.answers.model.observation.expand(batch.x)[None, None]
            answer = self.term.law.answer(self.term.raw(features, batch))
            parts.append(self.term.law.moments(answer)[:, 0].mean(0))
        return torch.cat(parts), torch.inf

    def _sampled(self, rows: Rows) -> tuple[Tensor, Tensor]:
        batches = self.answers.parts(rows, self.answers.chunk)
        averages, effective = zip(*each_batch(self._average, batches), strict=True)
        return torch.cat(averages), torch.cat(effective)

    def _average(self, batch: Batch) -> tuple[Tensor, Tensor]:
        rule = WeightedMean()
        for weighted in self.answers.stream(batch):
            answer = self.term.answer(weighted.completion)
            rule.update(self.answers.log_w(weighted), self.term.law.moments(answer))
        return rule.result(), rule.effective_sample_size()

    @torch.no_grad()
    def draws(self, rows: Rows, n_draws: int, seed: int) -> Resampled:
        """The law's answers under resampled completions, values (n_draws, n, n_answers).

        Rows without a hole have an infinite effective sample size.
        """
        keys = row_keys(rows.x.cpu().numpy(), rows.s.cpu().numpy(), seed, apart=False)
        members = self.answers.n_members
        per_member = -(-n_draws // members)
        out, effective, start = [], [], 0
        rows = replace(rows, y=None, labelled=None)
        for batch in self.answers.parts(rows, max(self.answers.chunk, per_member)):
            some = keys[start : start + len(batch)]
            noise = RowNoise(some, members, per_member, rows.x.device)
            rule = self._resampled(batch, noise)
            out.append(rule.kept.transpose(0, 1).flatten(0, 1)[:n_draws])
            whole = (batch.s > 0).all(-1)
            effective.append(rule.effective_sample_size().masked_fill(whole, torch.inf))
            start += len(batch)
        return Resampled(torch.cat(out, 1), torch.cat(effective))

    def _resampled(self, batch: Batch, noise: Noise) -> Resample:
        n_chunks = -(-self.answers.n_importance // self.answers.chunk)
        rule = Resample([noise.uniform(2) for _ in range(n_chunks)])
        for weighted in self.answers.stream(batch):
            rule.update(self.answers.log_w(weighted), self.term.answer(weighted.completion))
        return rule
