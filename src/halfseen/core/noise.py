"""Seeds and noise: every random number comes from a generator that the caller's seed made."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

__all__ = ["Noise", "new_generator", "seed_from"]

RandomState = int | np.random.RandomState | np.random.Generator | None


def seed_from(random_state: RandomState) -> int:
    """A seed below 2**31 from whatever scikit-learn accepts, or a numpy Generator.

    Examples
    --------
    >>> seed_from(7) == seed_from(7)
    True
    """
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31 - 1))
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    if random_state is None:
        # scikit-learn reads None as numpy's global state; ours must stay untouched.
        return int(np.random.default_rng().integers(2**31 - 1))
    return int(check_random_state(random_state).randint(2**31 - 1))


def new_generator(
    seed: int, stream: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A private generator; each ``stream`` of one seed is independent of the others."""
    entropy = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0]
    return torch.Generator(device=device).manual_seed(int(entropy & (2**63 - 1)))


class Noise:
    """A source of noise of a given leading shape.

    Parameters
    ----------
    generator : torch.Generator
        Where the numbers come from; advanced by every call.
    shape : tuple of int
        Leading axes, usually (members, K, rows); rows is 1 when all rows share their noise,
        so that a row's answer does not depend on its neighbours.
    """

    def __init__(self, generator: torch.Generator, shape: tuple[int, ...]) -> None:
        self.generator, self.shape = generator, shape

    def normal(self, *size: int) -> Tensor:
        """Standard normal noise of shape (*shape, *size)."""
        # Said aloud, as the user's default dtype may be another.
        return torch.randn(
            *self.shape,
            *size,
            generator=self.generator,
            device=self.generator.device,
            dtype=torch.float32,
        )

    def uniform(self, *size: int) -> Tensor:
        """Uniform noise strictly inside (0, 1) of shape (*shape, *size)."""
        u = torch.rand(
            *self.shape,
            *size,
            generator=self.generator,
            device=self.generator.device,
            dtype=torch.float32,
        )
        return u.clamp(1e-7, 1 - 1e-7)
