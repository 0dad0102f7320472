"""Input layers: how an incomplete row becomes a vector for the encoder."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from halfseen.core.features import Features
from halfseen.core.masked import merge
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError

__all__ = [
    "INPUTS",
    "CompletedRow",
    "ConstantChannels",
    "FixedConstant",
    "LearnedConstant",
    "MaskChannels",
    "SetEncoder",
    "ZeroFill",
    "make_input",
]


class ZeroFill(nn.Module):
    """Features with zeros in place of what is not shown."""

    def __init__(self, spec: DataSpec, n_members: int, generator: torch.Generator) -> None:
        super().__init__()
        self.features = Features(spec)
        self.n_members, self.n_out = n_members, spec.n_features

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Rows and masks (B, p) or (M, 1, B, p) to (M, 1, B, n_out)."""
        return self._members(self.features(x) * self.features.mask(shown))

    def _members(self, row: Tensor) -> Tensor:
        """Give rows (B, n) or (M, 1, B, n) their leading axes."""
        return row.expand(self.n_members, 1, *row.shape[-2:])


class CompletedRow(ZeroFill):
    """Features of rows that were completed: what was not seen is an answer, and shown as well."""

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Rows and masks (B, p) or (M, 1, B, p) to (M, 1, B, n_out)."""
        return self._members(self.features(x))


class MaskChannels(ZeroFill):
    """Zero-filled features beside the mask, so that a zero and a hole differ."""

    def __init__(self, spec: DataSpec, n_members: int, generator: torch.Generator) -> None:
        super().__init__(spec, n_members, generator)
        self.n_out = spec.n_features + spec.n_columns

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Rows and masks (B, p) or (M, 1, B, p) to (M, 1, B, n_out)."""
        filled = self.features(x) * self.features.mask(shown)
        return self._members(torch.cat([filled, shown], -1))


class FixedConstant(ZeroFill):
    """A given constant per feature in place of what is not shown.

    Parameters
    ----------
    constant : Tensor of shape (F,)
        Kept as a buffer.
    """

    constant: Tensor

    def __init__(self, spec: DataSpec, n_members: int, constant: Tensor) -> None:
        super().__init__(spec, n_members, torch.Generator())
        self.register_buffer("constant", constant)

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Rows and masks (B, p) or (M, 1, B, p) to (M, 1, B, n_out)."""
        filled = merge(self.features(x), self.constant, self.features.mask(shown))
        return self._members(filled)


class LearnedConstant(ZeroFill):
    """A learned constant per feature in place of what is not shown."""

    def __init__(self, spec: DataSpec, n_members: int, generator: torch.Generator) -> None:
        super().__init__(spec, n_members, generator)
        self.constant = nn.Parameter(torch.zeros(n_members, 1, 1, spec.n_features))

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Rows and masks (B, p) or (M, 1, B, p) to (M, 1, B, n_out)."""
        return merge(self.features(x), self.constant, self.features.mask(shown))


class ConstantChannels(LearnedConstant):
    """Zero-filled features, learned constants and the mask, each as wide as the features.

    The features of an image are its pixels, so these are three images on top of each other.
    """

    def __init__(self, spec: DataSpec, n_members: int, generator: torch.Generator) -> None:
        super().__init__(spec, n_members, generator)
        self.n_out = 3 * spec.n_features

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Rows and masks (B, p) or (M, 1, B, p) to (M, 1, B, n_out)."""
        mask = self.features.mask(shown)
        filled = self._members(self.features(x) * mask)
        return torch.cat([filled, self.constant.expand_as(filled), self._members(mask)], -1)


class SetEncoder(ZeroFill):
    """Permutation-invariant sum over what is shown (Ma et al., EDDI, 2019).

    Each feature has an embedding; the code of a shown feature is a shared layer of its value
    and its embedding times its value; the codes of shown features are added up.
    """

    def __init__(
        self,
        spec: DataSpec,
        n_members: int,
        generator: torch.Generator,
        embedding: int = 20,
        code: int = 64,
    ) -> None:
        super().__init__(spec, n_members, generator)
        shape = (n_members, 1, 1, spec.n_features, embedding)
        self.embedding = nn.Parameter(_normal(shape, 1.0, generator))
        self.weight = nn.Parameter(
            _normal((n_members, 1, embedding + 1, code), 1 / math.sqrt(embedding), generator)
        )
        self.bias = nn.Parameter(torch.zeros(n_members, 1, 1, 1, code))
        self.n_out = code

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Rows and masks (B, p) or (M, 1, B, p) to (M, 1, B, code)."""
        mask = self.features.mask(shown)[..., None]
        value = self.features(x)[..., None] * mask
        row = torch.cat([self.embedding * value, value.expand(self.n_members, 1, -1, -1, -1)], -1)
        code = torch.relu(row @ self.weight[:, :, None] + self.bias)
        # The root of the number of features keeps the sum near unit size.
        return (code * mask).sum(-2) / math.sqrt(max(1, mask.shape[-2]))


INPUTS: dict[str, type[ZeroFill]] = {
    "mask": MaskChannels,
    "zero": ZeroFill,
    "constant": LearnedConstant,
    "set": SetEncoder,
}


def make_input(name: str, spec: DataSpec, n_members: int, generator: torch.Generator) -> ZeroFill:
    """The input layer of a given name."""
    if name not in INPUTS:
        raise SettingError(f"Got encoder_input={name!r}. Expected one of {sorted(INPUTS)}.")
    return INPUTS[name](spec, n_members, generator)


def _normal(shape: tuple[int, ...], scale: float, generator: torch.Generator) -> Tensor:
    return scale * torch.randn(shape, generator=generator, device=generator.device)
