"""Mechanisms p(s | x): why cells are missing.

A mechanism has two uses. It can :meth:`~Mechanism.sample` masks, to make holes in complete data
(``ampute``), and it scores masks with :meth:`~Mechanism.log_prob` inside a model that learns
from incomplete data. Masks ``s`` are 1 where a cell is seen. *Features* are the complete row:
one standardised number per numeric column, one indicator per category.

================== ===================================================== ================
class              a cell goes missing ...                               made for
================== ===================================================== ================
MCAR               always with the same probability                      making holes
MAR                depending on columns that are always seen             making holes
SelfMasking        depending on its own value, softly                    both
HardSelfMasking    exactly when it is above its mean or a quantile       making holes
MNARLogistic       depending on the whole row, random coefficients       making holes
LinearMechanism    depending on the whole row, linear logits             learning
MLPMechanism       depending on the whole row, a network                 learning
================== ===================================================== ================

A mechanism of your own is a subclass of :class:`Mechanism` with two methods. Features have
shape (..., F): whatever stands before the last axis, it need not know of. Here the probability
that a cell is missing is a known curve of its value, for a table of numeric columns:

>>> import torch
>>> from torch.nn.functional import logsigmoid
>>> class TooLoud(Mechanism):
...     def logits(self, features):                  # of a cell that is seen, (..., p)
...         return -3.0 * (features - 1.0)
...     def sample(self, features, generator):
...         p = torch.sigmoid(self.logits(features))
...         return (torch.rand(p.shape, generator=generator) < p).to(p.dtype)
...     def log_prob(self, s, features):
...         logits = self.logits(features)
...         return logsigmoid(torch.where(s > 0, logits, -logits)).sum(-1)

It makes holes in complete rows, and scores them for any number of leading axes:

>>> x = torch.tensor([[-2.0, 0.0], [4.0, 0.0]])
>>> s = TooLoud().sample(x, torch.Generator().manual_seed(0))
>>> s[:, 0]
tensor([1., 0.])
>>> TooLoud().log_prob(s, x.expand(3, 5, 2, 2)).shape
torch.Size([3, 5, 2])

Parameters to be learned are ``torch.nn.Parameter`` objects, made in ``__init__`` or, where they
depend on the table, in :meth:`~Mechanism.bind`.

Masks of pictures see pixels on their grid, arrays of shape (n, c, h, w) in data units, and make
holes only; one of your own is a subclass of :class:`ImageMask` with the method ``sample``:

============== =============================================================
class          missing is ...
============== =============================================================
DropoutMask    each pixel, or each channel of each pixel, independently
SquareMask     a square
BlockMask      all but a square
RectangleMask  a rectangle of random height and width
ClippingMask   each bright value, around a threshold
============== =============================================================
"""

from __future__ import annotations

from halfseen.mechanisms.amputation import MAR, MCAR, MNARLogistic
from halfseen.mechanisms.base import LogitMechanism, Mechanism
from halfseen.mechanisms.calibration import Calibrates
from halfseen.mechanisms.hard import HardSelfMasking
from halfseen.mechanisms.images import (
    BlockMask,
    ClippingMask,
    DropoutMask,
    ImageMask,
    RectangleMask,
    SquareMask,
)
from halfseen.mechanisms.network import LinearMechanism, MLPMechanism
from halfseen.mechanisms.self_masking import Direction, SelfMasking

__all__ = [
    "MAR",
    "MCAR",
    "BlockMask",
    "Calibrates",
    "ClippingMask",
    "Direction",
    "DropoutMask",
    "HardSelfMasking",
    "ImageMask",
    "LinearMechanism",
    "LogitMechanism",
    "MLPMechanism",
    "MNARLogistic",
    "Mechanism",
    "RectangleMask",
    "SelfMasking",
    "SquareMask",
]
