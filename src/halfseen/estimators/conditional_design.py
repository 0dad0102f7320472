"""Which network says the law of hidden cells, and how cells are hidden from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.mechanisms import ImageMask
from halfseen.mechanisms.images import RectangleMask
from halfseen.nn.conditional_heads import HEADS
from halfseen.nn.conditional_networks import ConditionalMLP, ConditionalNetwork, RawShape
from halfseen.nn.conditional_pictures import DensePictures, FullyConvPictures
from halfseen.nn.conditional_shared import SharedPictures
from halfseen.terms.conditional_gaussian import ConditionalGaussian, LinearGuess
from halfseen.training.hidden_cells import (
    AllCells,
    Hider,
    ImageHoles,
    OtherMasks,
    Pattern,
    SomeCells,
)

__all__ = ["NETWORKS", "PATTERNS", "ConditionalDesign", "make_hider"]

NETWORKS = ("auto", "mlp", "shared", "dense", "full-conv")
PATTERNS = ("auto", "cells", "copy", "patches", "all")


@dataclass(frozen=True)
class ConditionalDesign:
    """Settings of a network, all but its weights.

    Parameters
    ----------
    n_members, n_components, rank : int
        M, C and l.
    network : str
        One of ``NETWORKS``.
    hidden : sequence of int or None
        Widths of the layers of ``"mlp"``, or channels of ``"shared"``.
    last_channels : int
        Of ``"dense"``.
    head : str
        One of ``HEADS``.
    dropout : float
        Of ``"mlp"``.
    """

    n_members: int
    n_components: int
    rank: int
    network: str
    hidden: Sequence[int] | None
    last_channels: int
    head: str
    dropout: float

    def make(
        self,
        spec: DataSpec,
        floor: torch.Tensor,
        guess: LinearGuess | None,
        generator: torch.Generator,
    ) -> ConditionalGaussian:
        """A model that has not begun.

        Parameters
        ----------
        spec : DataSpec
            The columns.
        floor : Tensor of shape (F,)
            Smallest scale of the noise of each feature.
        guess : LinearGuess or None
            What means are added to.
        generator : torch.Generator
            For the initial values.
        """
        network = self._network(spec, 2 if guess is None else 3, generator)
        return ConditionalGaussian(network, HEADS[self.head], floor, self.n_members, guess)

    def _network(
        self, spec: DataSpec, n_parts: int, generator: torch.Generator
    ) -> ConditionalNetwork:
        shape = RawShape(self.n_components, self.rank + 2, spec.n_features)
        sizes = self.n_members, n_parts, shape
        kind = self.network
        if kind == "auto":
            kind = "mlp" if spec.shape is None else "shared"
        if kind == "mlp":
            hidden = (128, 128, 128) if self.hidden is None else tuple(self.hidden)
            return ConditionalMLP(*sizes, hidden, generator, dropout=self.dropout)
        if spec.shape is None:
            raise SettingError(
                f"Got network={kind!r} for a table. Expected 'auto' or 'mlp'; the others are for "
                "images, arrays of shape (n, channels, height, width)."
            )
        if kind == "dense":
            last = self.last_channels
            return DensePictures(*sizes, spec.shape, generator, last_channels=last)
        if kind == "full-conv":
            return FullyConvPictures(*sizes, spec.shape, generator)
        channels = (32, 64) if self.hidden is None else tuple(self.hidden)
        return SharedPictures(*sizes, spec.shape, generator, channels=channels)


def make_hider(
    setting: Any, spec: DataSpec, rate: float, area: tuple[float, float], *, has_holes: bool
) -> Hider:
    """What hides cells in training.

    Parameters
    ----------
    setting : str, ImageMask or sequence of str
        One of ``PATTERNS``, several of them, each as often as it is named, or a mask of pictures.
    spec : DataSpec
        The columns.
    rate : float
        Largest share of independent cells.
    area : tuple of float
        Smallest and largest share of a picture that a rectangle has.
    has_holes : bool
        Whether cells of the table are missing, so that its masks say something.
    """
    if isinstance(setting, ImageMask):
        return Hider([ImageHoles(setting, _picture(spec, "a mask of pictures"))])
    names = [setting] if isinstance(setting, str) else setting
    if not isinstance(names, Sequence) or not names or any(name not in PATTERNS for name in names):
        raise SettingError(
            f"Got hide={setting!r}. Expected one of {PATTERNS}, several of them, or an ImageMask."
        )
    names = list(names)
    if "auto" in names:
        names = _automatic(spec, has_holes=has_holes)
    count = Counter(names)
    patterns = [_pattern(name, spec, rate, area) for name in count]
    return Hider(patterns, tuple(count.values()))


def _automatic(spec: DataSpec, *, has_holes: bool) -> list[str]:
    if spec.shape is None:
        return ["cells"]
    return ["patches"] * 4 + ["cells"] + ["copy"] * (5 if has_holes else 0)


def _pattern(name: str, spec: DataSpec, rate: float, area: tuple[float, float]) -> Pattern:
    if name == "copy":
        return OtherMasks()
    if name == "all":
        return AllCells()
    if name == "patches":
        return ImageHoles(RectangleMask(area), _picture(spec, "hide='patches'"))
    return SomeCells(rate, 1 if spec.shape is None else spec.shape[0])


def _picture(spec: DataSpec, what: str) -> tuple[int, int, int]:
    if spec.shape is None:
        raise SettingError(
            f"Got {what} for a table. Expected 'auto', 'cells', 'copy' or 'all': patches are for "
            "images, arrays of shape (n, channels, height, width)."
        )
    return spec.shape
