"""From a fitted latent model to answers: means, draws and diagnostics, streamed over K."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from halfseen.core.batch import Batch, Rows
from halfseen.core.draws import Resample, WeightedMean, WeightSummary
from halfseen.core.memory import floats_at_once
from halfseen.core.noise import new_generator
from halfseen.core.row_noise import RowNoise, row_keys
from halfseen.core.units import Units
from halfseen.terms.latent import LatentModel, Weighted

__all__ = ["Answers", "Diagnosis", "Means", "Resampled"]

# Floats of one chunk of hidden activations: 4 MB stay near the processor; an accelerator wants
# much work at a time.
CHUNK_FLOATS, DEVICE_CHUNK_FLOATS = 2**20, 2**27


@dataclass(frozen=True)
class Diagnosis:
    """Per-row facts about the importance weights, each of shape (n,)."""

    bound: Tensor
    effective_sample_size: Tensor
    pareto_k: Tensor


class Means(NamedTuple):
    """Weighted means of some rows.

    Parameters
    ----------
    mean, spread : Tensor of shape (n, F)
        Mean features in natural units, and their spread over members.
    effective : Tensor of shape (n,)
        Effective sample size behind each row.
    """

    mean: Tensor
    spread: Tensor
    effective: Tensor


class Resampled(NamedTuple):
    """Resampled completions of some rows.

    Parameters
    ----------
    values : Tensor of shape (n_draws, n, ...)
        The draws.
    effective : Tensor of shape (n,)
        Effective sample size of the weights by which each row's were resampled.
    """

    values: Tensor
    effective: Tensor


@dataclass(frozen=True)
class Answers:
    """How a fitted model answers.

    Parameters
    ----------
    model : LatentModel
        With ``n_members`` members.
    units : Units
        Of the model's columns.
    n_members, n_importance : int
        M, and K at answer time.
    width : int
        The widest activation, for sizing chunks.
    seed : int
        Same seed, same answer.
    weigh : bool, default=True
        Whether completions count by their importance weights, or all the same but for a label.
    """

    model: LatentModel
    units: Units
    n_members: int
    n_importance: int
    width: int
    seed: int
    weigh: bool = True

    @property
    def chunk(self) -> int:
        """Importance samples per chunk: never a function of the rows."""
        most = floats_at_once() // (self.width * self.n_members)
        return max(1, min(self.n_importance, 100, most))

    def parts(self, rows: Rows, per_row: int) -> Iterator[Batch]:
        """The rows in batches of which ``per_row`` copies stay near the processor."""
        floats = CHUNK_FLOATS if rows.x.device.type == "cpu" else DEVICE_CHUNK_FLOATS
        size = max(1, floats_at_once(floats) // (per_row * self.width * self.n_members))
        for start in range(0, len(rows), size):
            yield rows.take(slice(start, start + size))

    def stream(self, batch: Batch) -> Iterator[Weighted]:
        """Importance samples in chunks of K, the same for every batch."""
        generator = new_generator(self.seed, 1, batch.x.device)
        return self.model.stream(batch, self.n_importance, self.chunk, generator, self.n_members)

    @torch.no_grad()
    def means(self, rows: Rows) -> Means:
        """Means over the weighted samples of every row."""
        parts = []
        for batch in self.parts(rows, self.chunk):
            rule = WeightedMean()
            for weighted in self.stream(batch):
                value = weighted.completion.mean(self.units, self.units.spec.n_features)
                rule.update(self.log_w(weighted), value)
            member = rule.per_member()
            spread = member.double().std(0, correction=0)
            parts.append((member.mean(0), spread, rule.effective_sample_size()))
        return Means(*(torch.cat(column) for column in zip(*parts, strict=True)))

    @torch.no_grad()
    def draws(
        self,
        rows: Rows,
        n_draws: int,
        seed: int | None = None,
        *,
        apart: bool = True,
        noise: bool = True,
    ) -> Resampled:
        """Completions by resampling, in model units: values of shape (n_draws, n, p).

        Those of equal rows are independent if ``apart``, and equal otherwise. Without ``noise``
        they are the means of the laws at each resampled z: features in natural units,
        shape (n_draws, n, F).
        """
        seed = self.seed if seed is None else seed
        keys = row_keys(rows.x.cpu().numpy(), rows.s.cpu().numpy(), seed, apart=apart)
        out, effective, start = [], [], 0
        per_member = -(-n_draws // self.n_members)
        for batch in self.parts(rows, max(self.chunk, per_member)):
            source = RowNoise(
                keys[start : start + len(batch)], self.n_members, per_member, rows.x.device
            )
            x, size = self._resampled(batch, source, noise=noise)
            effective.append(size)
            # Interleave members, so that any first few draws come from all of them.
            out.append(x.transpose(0, 1).flatten(0, 1)[:n_draws])
            start += len(batch)
        return Resampled(torch.cat(out, 1), torch.cat(effective))

    def _resampled(self, batch: Batch, source: RowNoise, *, noise: bool) -> tuple[Tensor, Tensor]:
        """Draws (M, R, B, p or F) of the rows of a batch, and their effective sample size."""
        n_chunks = -(-self.n_importance // self.chunk)
        rule = Resample([source.uniform(2) for _ in range(n_chunks)])
        for weighted in self.stream(batch):
            completion = weighted.completion
            payload = completion.cells if completion.in_weight else weighted.z
            rule.update(self.log_w(weighted), payload)
        size = rule.effective_sample_size()
        if not completion.in_weight:
            laws = self.model.complete(rule.kept, batch)
            if not noise:
                return laws.mean(self.units, self.units.spec.n_features), size
            return laws.draw(source, batch.x.shape[-1]), size
        if noise:
            return rule.kept, size
        natural = self.units.natural(rule.kept, list(range(batch.x.shape[-1])))
        return self.model.observation.expand(natural), size

    def log_w(self, weighted: Weighted) -> Tensor:
        """Log-weights (M, K, B) by which samples count; what a label tells counts always."""
        if self.weigh:
            return weighted.log_w
        label = weighted.terms.get("label")
        return torch.zeros_like(weighted.log_w) if label is None else label

    @torch.no_grad()
    def diagnose(self, rows: Rows) -> Diagnosis:
        """Bound, effective sample size and Pareto k of every row."""
        parts = []
        for batch in self.parts(rows, self.chunk):
            summary = WeightSummary(self.n_importance)
            for weighted in self.stream(self.model.whole(batch)):
                summary.update(weighted.log_w)
            parts.append((summary.bound(), summary.effective_sample_size(), summary.pareto_k()))
        return Diagnosis(*(torch.cat(column) for column in zip(*parts, strict=True)))
