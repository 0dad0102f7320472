"""Images of shape (n, channels, height, width) in and out; NaN is a missing pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from halfseen.core.spec import DataSpec
from halfseen.core.stored import numbers
from halfseen.errors import ColumnError, FileFormatError, SettingError
from halfseen.tables.codec import Encoded
from halfseen.tables.raw import Level
from halfseen.tables.stored_record import check_float

__all__ = ["ImageCodec"]

# Pixels of a picture that a file may ask for: each is a column.
MOST_PIXELS = 2**18

Shape = tuple[int, int, int]


class ImageCodec:
    """Encode images as rows of pixels, and put completed pixels back into the missing places.

    Every pixel is a continuous column, in the order of (channel, row, column). The grid is kept
    whole: a pixel that never varies in the images of fit (the border of a digit), and one that
    none of them shows, are modelled like any other.

    Attributes
    ----------
    spec : DataSpec
        The pixels, with their ``shape``.
    feature_names : None
        Pixels have no names that a user gave.
    levels : dict
        Empty: there are no categories.

    Examples
    --------
    >>> images = np.array([[[[0.5, np.nan]]], [[[1.0, 0.0]]]], dtype=np.float32)
    >>> codec = ImageCodec().fit(images)
    >>> codec.encode(images).values
    array([[0.5, nan],
           [1. , 0. ]])
    >>> codec.restore(images, np.full((2, 2), 0.25))[0]
    array([[[0.5 , 0.25]]], dtype=float32)
    """

    spec: DataSpec
    feature_names: None = None
    _record: Mapping[str, Any]

    def __init__(self) -> None:
        self.levels: dict[str, list[Level]] = {}

    def fit(
        self,
        images: Any,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
    ) -> ImageCodec:
        """Learn the shape of the images.

        Parameters
        ----------
        images : ndarray or Tensor of float, of shape (n, c, h, w)
            NaN is missing.
        kinds : None
            Kinds are for the columns of tables.
        keep_empty_features : bool
            Not used: pixels are kept even where no image shows them.

        Returns
        -------
        ImageCodec
            Itself.

        Raises
        ------
        SettingError
            When ``kinds`` are given.
        ColumnError
            When all pixels of all images are missing.
        TypeError, ValueError
            When the images have another type of numbers or another number of axes, are empty,
            or hold infinite pixels.
        """
        if kinds:
            raise SettingError(
                f"Got kinds={dict(kinds)!r} with images. Expected None: all pixels are numbers."
            )
        pixels = _pixels(images)
        if np.isnan(pixels).all():
            raise ColumnError(
                f"Got {len(pixels)} images of which no pixel is seen. Expected some that are."
            )
        self.spec = _spec(pixels.shape[1:])
        tensor = isinstance(images, Tensor)
        self._record = {"tensor": tensor, "dtype": str(images.dtype).removeprefix("torch.")}
        return self

    def encode(self, images: Any) -> Encoded:
        """Rows of pixels.

        Parameters
        ----------
        images : ndarray or Tensor of float, of shape (n, c, h, w)
            Of the channels, height and width of fit.

        Returns
        -------
        Encoded
            Values (n, c * h * w) in float64, and the mask of missing pixels.

        Raises
        ------
        ColumnError
            When channels, height or width differ from those of fit.
        TypeError, ValueError
            As in :meth:`fit`.
        """
        pixels = self._open(images)
        values = pixels.reshape(len(pixels), -1).astype(np.float64)
        return Encoded(values, np.isnan(values))

    def restore(self, images: Any, filled: np.ndarray) -> Any:
        """Copy of the images with their missing pixels, and no others, filled.

        Parameters
        ----------
        images : ndarray or Tensor of float, of shape (n, c, h, w)
            What was encoded; it is not changed.
        filled : array of shape (n, c * h * w)
            Completed pixels. Where it is NaN a missing pixel stays missing.

        Returns
        -------
        same as images
            Of the same type of numbers and, for a tensor, on the same device; seen pixels are
            bit-identical.
        """
        pixels = self._open(images)
        missing = np.isnan(pixels)
        filled = np.asarray(filled, dtype=np.float64)
        if filled.shape != (len(pixels), self.spec.n_columns):
            raise ValueError(
                f"Got filled pixels of shape {filled.shape}. Expected "
                f"{(len(pixels), self.spec.n_columns)}, a row per image."
            )
        answers = filled.reshape(pixels.shape)[missing]
        if np.isinf(answers).any():
            raise ValueError("Got infinite filled pixels. Expected finite ones.")
        if isinstance(images, Tensor):
            where = torch.from_numpy(missing).to(images.device)
            cells = torch.from_numpy(answers).to(images.device, images.dtype)
            return images.detach().clone().masked_scatter_(where, cells)
        out = np.array(images, copy=True)
        out[missing] = answers.astype(out.dtype)
        return out

    def template(self, n: int) -> Any:
        """``n`` images without a pixel, in an array or a tensor (on the CPU) as in fit.

        Examples
        --------
        >>> ImageCodec().fit(np.zeros((2, 1, 1, 2), dtype=np.float32)).template(1)
        array([[[[nan, nan]]]], dtype=float32)
        """
        assert self.spec.shape is not None
        shape, dtype = (n, *self.spec.shape), self._record["dtype"]
        if self._record["tensor"]:
            return torch.full(shape, torch.nan, dtype=getattr(torch, dtype))
        return np.full(shape, np.nan, dtype=dtype)

    def create(self, values: np.ndarray) -> Any:
        """Images of the kind seen in fit, from pixels (n, c * h * w)."""
        return self.restore(self.template(len(values)), values)

    def to_json(self) -> dict[str, Any]:
        """All that is needed to encode and restore new images, as plain values.

        Examples
        --------
        >>> codec = ImageCodec().fit(np.zeros((2, 1, 3, 3)))
        >>> codec.to_json()
        {'image_shape': [1, 3, 3], 'tensor': False, 'dtype': 'float64'}
        >>> ImageCodec.from_json(codec.to_json()).spec == codec.spec
        True
        """
        assert self.spec.shape is not None
        return {"image_shape": list(self.spec.shape), **self._record}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> ImageCodec:
        """Inverse of :meth:`to_json`."""
        codec = cls()
        shape = numbers(state, "image_shape", 3, positive=True)
        if shape.prod() > MOST_PIXELS or (shape % 1 > 0).any():
            raise FileFormatError(
                f"The file is for pictures of {shape.tolist()} pixels. Expected channels, height "
                f"and width, {MOST_PIXELS} pixels at most."
            )
        codec.spec = _spec(shape)
        default = {"tensor": False, "dtype": "float64"}
        codec._record = {key: state.get(key, default[key]) for key in default}
        check_float(codec._record["dtype"])
        return codec

    def _open(self, images: Any) -> np.ndarray:
        pixels = _pixels(images)
        if pixels.shape[1:] != self.spec.shape:
            raise ColumnError(
                f"Got images of shape {pixels.shape[1:]} (channels, height, width). Expected "
                f"{self.spec.shape}, as in fit: convert, crop or resize them."
            )
        return pixels


def _spec(shape: Any) -> DataSpec:
    channels, height, width = (int(size) for size in shape)
    return DataSpec.pixels((channels, height, width))


def _pixels(images: Any) -> np.ndarray:
    """The images as an array of floats without infinite pixels, not copied where possible."""
    if isinstance(images, np.ma.MaskedArray):
        raise TypeError(
            "Got a masked array. Expected NaN in missing pixels: pass array.filled(np.nan)."
        )
    floating = images.is_floating_point() if isinstance(images, Tensor) else _is_float(images)
    if not floating:
        raise TypeError(
            f"Got images of type {images.dtype}. Expected floats, in which NaN can stand for a "
            "missing pixel: divide by 255 and cast, as in (images / 255).astype('float32')."
        )
    if images.ndim != 4:
        raise ValueError(
            f"Got an array with {images.ndim} axes, of shape {tuple(images.shape)}. Expected "
            "images of shape (n, channels, height, width): "
            + (
                "add the channel axis, images[:, None]. Steps of features, (n, steps, d), are "
                "taken as a modality: pass {'name': array}."
                if images.ndim == 3
                else "reshape it."
            )
        )
    if 0 in images.shape:
        raise ValueError(
            f"Got images of shape {tuple(images.shape)}. Expected at least one image and one "
            "pixel."
        )
    pixels = _to_numpy(images) if isinstance(images, Tensor) else np.asarray(images)
    if np.isinf(pixels).any():
        raise ValueError(
            "Got infinite pixels. Expected finite ones, and NaN where a pixel is missing."
        )
    return pixels


def _is_float(images: Any) -> bool:
    return np.dtype(images.dtype).kind == "f"


def _to_numpy(images: Tensor) -> np.ndarray:
    plain = images.detach().cpu()
    # NumPy has no bfloat16.
    return (plain.float() if plain.dtype is torch.bfloat16 else plain).numpy()
