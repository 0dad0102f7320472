"""A head of the user's own: any network from rows to scores, one copy per member."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from halfseen.errors import SettingError
from halfseen.nn.stacked import Copies

__all__ = ["OwnHead"]


class OwnHead(nn.Module):
    """A network of the user's, one copy per member; any architecture that maps rows to outputs.

    Parameters
    ----------
    network : Module
        Takes (N, F), or (N, c, h, w) for images, and gives (N, n_out). Lazy layers learn their
        widths from the first rows.
    n_members : int
        Copies, which start equal and are taught by different noise.
    n_in, n_out : int
        Features and outputs.
    shape : tuple (c, h, w), optional
        Of images.
    seed : int, default=0
        Of the initial values of lazy layers.

    Raises
    ------
    SettingError
        When the network does not take such rows, or gives something else.

    Examples
    --------
    >>> head = OwnHead(nn.LazyLinear(2), 3, 5, 2)
    >>> head(torch.zeros(1, 1, 4, 5)).shape
    torch.Size([3, 1, 4, 2])
    """

    def __init__(
        self,
        network: nn.Module,
        n_members: int,
        n_in: int,
        n_out: int,
        shape: tuple[int, int, int] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.width = n_in
        self.row = (n_in,) if shape is None else tuple(shape)
        self.n_out = n_out
        first = _copied(network).cpu().float()
        # It is tried before it is copied: only then do lazy layers have something to copy.
        self._try(first, seed)
        self.copies = Copies([first, *(copy.deepcopy(first) for _ in range(n_members - 1))])
        self.train()

    def _try(self, network: nn.Module, seed: int) -> None:
        """Run two rows of zeros through it: a wrong shape is to be found before training."""
        network.eval()
        rows = torch.zeros(2, *self.row, dtype=torch.float32)
        name = type(network).__name__
        try:
            # Lazy layers draw from the global state of the processor: lend it a seed, and give it
            # back. That of other devices stays as it is.
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                out = network(rows)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise SettingError(
                f"Head {name} cannot take rows of shape {self.row} ({error}). Expected a network "
                f"from (n, {', '.join(map(str, self.row))}) to (n, {self.n_out})."
            ) from error
        self._check(name, out)

    def _check(self, name: str, out: object) -> None:
        """Refuse what is no tensor of scores for two rows."""
        expected = (
            f"Expected (2, {self.n_out}): a score per class, or a mean and a raw scale of numbers."
        )
        if not isinstance(out, Tensor):
            raise SettingError(
                f"Head {name} gives a {type(out).__name__} for 2 rows, not a tensor. {expected} "
                "Wrap it in a Module whose forward gives that part of it alone."
            )
        if tuple(out.shape) != (2, self.n_out):
            raise SettingError(f"Head {name} gives {tuple(out.shape)} for 2 rows. {expected}")

    def forward(self, features: Tensor) -> Tensor:
        """(M or 1, K, B, F) to (M, K, B, n_out)."""
        x = features.expand(len(self.copies), *features.shape[1:])
        out = [
            network(rows.reshape(-1, *self.row)).view(*rows.shape[:-1], self.n_out)
            for network, rows in zip(self.copies, x, strict=True)
        ]
        return torch.stack(out)


def _copied(network: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(network)
    except (RuntimeError, ValueError) as error:
        raise SettingError(
            f"Head {type(network).__name__} cannot be copied ({error}). Expected a network that "
            "copy.deepcopy takes: run it once on a row if it has lazy normalisation."
        ) from error
