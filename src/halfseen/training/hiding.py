"""Training masks: hide seen cells from the encoder while they are still scored.

The encoder then learns to work from less than a row shows, which is what it has to do with the
cells that are really missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from halfseen.errors import SettingError
from halfseen.nn.unimodal import BlockMask

__all__ = ["HideCells"]


@dataclass(frozen=True)
class HideCells:
    """Which seen cells the encoder is shown in a training step.

    Parameters
    ----------
    rate : float
        With ``"bernoulli"``, each hidden row draws its rate from U(0, rate).
    share : float, default=0.5
        Share of the rows that have cells hidden; the others are shown as they are.
    pattern : {"bernoulli", "blocks", "copy"}
        Independent cells, modalities as a whole, or the holes of another row of the table.
    blocks : BlockMask or None
        The modalities, for ``"blocks"``.
    """

    rate: float = 0.5
    share: float = 0.5
    pattern: str = "bernoulli"
    blocks: BlockMask | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1 or not 0 <= self.share <= 1:
            raise SettingError(
                f"Got rate={self.rate}, share={self.share}. Expected numbers in [0, 1]."
            )
        if self.pattern not in ("bernoulli", "blocks", "copy"):
            raise SettingError(
                f"Got pattern={self.pattern!r}. Expected 'bernoulli', 'blocks' or 'copy'."
            )

    def __call__(self, s: Tensor, everyone: Tensor, generator: torch.Generator) -> Tensor:
        """What the encoder is shown, (B, p), at most ``s``; ``everyone`` is the whole mask."""
        if self.share == 0 or (self.rate == 0 and self.pattern != "copy"):
            return s
        u = torch.rand(len(s), 2, 1, generator=generator, device=s.device)
        chosen = u[:, 0] < self.share
        if self.pattern == "copy":
            at = torch.randint(len(everyone), (len(s),), generator=generator, device=s.device)
            keep = everyone[at]
        elif self.pattern == "blocks":
            assert self.blocks is not None
            size = (len(s), self.blocks.n_blocks)
            draws = torch.rand(size, generator=generator, device=s.device)
            keep = self.blocks.cells((draws >= u[:, 1] * self.rate).to(s.dtype))
        else:
            cells = torch.rand(s.shape, generator=generator, device=s.device)
            keep = (cells >= u[:, 1] * self.rate).to(s.dtype)
        return torch.where(chosen, s * keep, s)
