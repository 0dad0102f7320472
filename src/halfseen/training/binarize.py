"""Dynamic binarisation: grey pixels become coins that are thrown anew in every batch.

Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders" (2016). The model never sees
one fixed set of zeros and ones, and so cannot learn it by heart.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["binarized"]


def binarized(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw ones and zeros whose means are the cells.

    Parameters
    ----------
    x : Tensor
        Cells in [0, 1]; a missing one, which is 0 in a batch, stays 0, and so do codes of
        categories what they are.
    generator : torch.Generator
        Source of the draws.

    Returns
    -------
    Tensor of the shape of ``x``

    Examples
    --------
    >>> binarized(torch.tensor([0.0, 1.0, 2.0]), torch.Generator().manual_seed(0))
    tensor([0., 1., 2.])
    """
    u = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return torch.where((x > 0) & (x < 1), (u < x).to(x.dtype), x)
