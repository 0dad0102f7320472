"""An imputer that reads its own completion again."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from halfseen.core.noise import Noise
from halfseen.estimators.players import CellImputer
from halfseen.nn.outputs import CellOutput

__all__ = ["RefiningImputer"]


class RefiningImputer(CellImputer):
    """A network that sees the mask, first with noise in holes, then with what it said of them.

    Which seen cell predicts a missing one best depends on what else is missing: a network that
    is shown noise has to know a rule for every pattern. Shown a completion, as chained equations
    are, it needs only the rule of a complete row.

    Parameters
    ----------
    network : Module
        From (M, B, 2 F) to (M, B, F).
    output : CellOutput
        What raw outputs become.
    noise_scale : float, default=1
        Noise in holes is uniform in (0, noise_scale).
    n_passes : int, default=1
        How often the network reads a row; once is GAIN.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.core.spec import DataSpec
    >>> class Half(nn.Module):
    ...     def forward(self, x):
    ...         return x[..., :1].expand(*x.shape[:-1], 1) / 2 + 1
    >>> output = CellOutput(DataSpec.continuous(1), np.zeros(1), np.full(1, 9.0), bound="clip")
    >>> imputer = RefiningImputer(Half(), output, noise_scale=0.0, n_passes=3)
    >>> noise = Noise(torch.Generator().manual_seed(0), (1, 1))
    >>> imputer.complete(torch.zeros(1, 1), torch.zeros(1, 1), noise)
    tensor([[[1.7500]]])
    """

    def __init__(
        self,
        network: nn.Module,
        output: CellOutput,
        *,
        noise_scale: float = 1.0,
        n_passes: int = 1,
    ) -> None:
        super().__init__(network, output, sees_mask=True, noise_scale=noise_scale)
        self.n_passes = n_passes

    @torch.no_grad()
    def before(self, x: Tensor, s: Tensor, noise: Noise, n_passes: int) -> Tensor:
        """What is in holes after some passes, (M, ..., B, F); nothing is learned through it."""
        inside = noise.uniform(x.shape[-1]) * self.noise_scale
        for _ in range(n_passes):
            inside = self.output(self.raw(x, s, inside), noise, hard=True)
        return inside

    def raw(self, x: Tensor, s: Tensor, inside: Tensor) -> Tensor:
        """What the network says of rows with ``inside`` (M, ..., B, F) in holes, raw."""
        shown = torch.where(s > 0.5, x, inside)
        shown = torch.cat([shown, s.expand_as(shown)], -1)
        return self.network(shown.flatten(1, -2)).unflatten(1, shown.shape[1:-1])

    def forward(self, x: Tensor, s: Tensor, noise: Noise, *, hard: bool = False) -> Tensor:
        """What the network says of every cell in its last pass, (M, ..., B, F).

        Parameters
        ----------
        x, s : Tensor of shape (..., B, F)
            Features and their mask; what ``x`` holds in holes does not matter.
        noise : Noise
            Its leading axes are those of the answer.
        hard : bool, default=False
            Whether it is an answer, see :class:`CellOutput`.
        """
        inside = self.before(x, s, noise, self.n_passes - 1)
        return self.output(self.raw(x, s, inside), noise, hard=hard)
