"""Whether this machine computes what it should: ten seconds of fits whose answers are known."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.datasets.simulated import LinearGaussian, linear_gaussian
from halfseen.errors import HalfseenError
from halfseen.methods import load
from halfseen.methods.mfa import MFAImputer
from halfseen.methods.miwae import MIWAEImputer
from halfseen.methods.not_miwae import NotMIWAEImputer
from halfseen.testing.tables import same_bits

__all__ = ["Finding", "self_test"]

ROWS, COLUMNS, RATE, SEED = 400, 6, 0.3, 0


@dataclass(frozen=True)
class Finding:
    """One thing that was tried.

    Attributes
    ----------
    name : str
        What.
    passed : bool
        Whether it is as it should be.
    said : str
        In numbers.
    seconds : float
        How long it took.
    """

    name: str
    passed: bool
    said: str
    seconds: float


@dataclass
class _Patient:
    """A table whose best answers are known, and a small model of it on one device."""

    device: str

    def __post_init__(self) -> None:
        self.law: LinearGaussian = linear_gaussian(ROWS, COLUMNS, 2, random_state=SEED)
        holes = np.random.default_rng(SEED).random(self.law.X.shape) < RATE
        self.table, self.holes = np.where(holes, np.nan, self.law.X), holes
        self.best = self.error(self.law.conditional_mean(self.table, ~holes))
        self.mean = self.error(np.where(holes, np.nanmean(self.table, 0), self.table))

    def error(self, filled: np.ndarray) -> float:
        return float(np.sqrt(np.square(filled - self.law.X)[self.holes].mean()))

    def small(self, **settings: Any) -> MIWAEImputer:
        return MIWAEImputer(
            **{"max_steps": 20, "hidden": (16,), "n_members": 1, **settings},
            random_state=SEED,
            device=self.device,
        )

    # ---- what is tried ------------------------------------------------------------------

    def closed_form(self) -> tuple[bool, str]:
        fitted = MFAImputer(n_components=1, rank=2, random_state=SEED, device=self.device)
        found = self.error(fitted.fit_transform(self.table))
        said = f"error {found:.3f}; of the true law {self.best:.3f}, of means {self.mean:.3f}"
        return self.best * 0.98 <= found <= self.best * 1.06, said

    def training(self) -> tuple[bool, str]:
        found = self.error(self.small(max_steps=300).fit_transform(self.table))
        said = f"error {found:.3f}; of the true law {self.best:.3f}, of means {self.mean:.3f}"
        return self.best * 0.98 <= found <= self.best + 0.3 * (self.mean - self.best), said

    def mechanism(self) -> tuple[bool, str]:
        """The half of a column above its median goes missing: its mean comes back in part."""
        x = self.law.X
        table = np.where(x > np.quantile(x, 0.7, axis=0), np.nan, x)
        table[:, COLUMNS // 2 :] = x[:, COLUMNS // 2 :]
        model = NotMIWAEImputer(
            direction="high",
            max_steps=150,
            hidden=(16,),
            n_members=1,
            random_state=SEED,
            device=self.device,
        )
        gap = np.isnan(table)
        seen = np.where(gap, np.nanmean(table, 0), table)
        errors = [
            float(np.sqrt(np.square(filled - x)[gap].mean()))
            for filled in (model.fit_transform(table), seen)
        ]
        return errors[0] < 0.6 * errors[1], f"error {errors[0]:.3f}, of means {errors[1]:.3f}"

    def repeats(self) -> tuple[bool, str]:
        answers = [self.small().fit_transform(self.table) for _ in range(2)]
        seen = ~self.holes
        kept = same_bits(answers[0][seen], self.table[seen])
        same = same_bits(*answers)
        return kept and same, f"seen cells kept: {kept}; same seed, same bits: {same}"

    def files(self) -> tuple[bool, str]:
        fitted = self.small().fit(self.table)
        with tempfile.TemporaryDirectory() as folder:
            fitted.save(Path(folder) / "model.halfseen")
            loaded = load(Path(folder) / "model.halfseen")
            size = (Path(folder) / "model.halfseen").stat().st_size
        same = same_bits(fitted.transform(self.table), loaded.transform(self.table))
        return same, f"{size / 1000:.0f} kB; a loaded model answers alike: {same}"

    def threads(self) -> tuple[bool, str]:
        fitted = self.small().fit(self.table)
        expected = fitted.transform(self.table)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(fitted.transform, [self.table] * 8))
        same = all(same_bits(answer, expected) for answer in answers)
        return same, f"8 calls in 4 threads answer alike: {same}"


def self_test(device: str = "cpu") -> Iterator[Finding]:
    """Try what the package is for on a small table, and say how it went.

    Parameters
    ----------
    device : str, default="cpu"
        Where to compute, as torch names it.

    Yields
    ------
    Finding
        One for each thing that is tried, as soon as it is known.
    """
    patient = _Patient(device)
    tried: dict[str, Callable[[], tuple[bool, str]]] = {
        "exact conditional means by EM": patient.closed_form,
        "a network learns (MIWAE)": patient.training,
        "holes that depend on values (not-MIWAE)": patient.mechanism,
        "same seed, same answer": patient.repeats,
        "models in files": patient.files,
        "threads": patient.threads,
    }
    for name, attempt in tried.items():
        start = time.perf_counter()
        try:
            passed, said = attempt()
        except (HalfseenError, RuntimeError, ValueError, OSError) as error:
            passed, said = False, f"{type(error).__name__}: {error}"
        yield Finding(f"{name} on {device}", passed, said, time.perf_counter() - start)
