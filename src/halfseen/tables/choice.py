"""Which codec reads an input: a mapping is modalities, images have four axes, else a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from halfseen.tables.blocks import BlockCodec
from halfseen.tables.codec import TableCodec
from halfseen.tables.containers import holds_modalities
from halfseen.tables.images import ImageCodec
from halfseen.tables.parts import part_from_json
from halfseen.tables.text import TextCodec

__all__ = ["Codec", "codec_for", "codec_from_json"]

Codec = TableCodec | ImageCodec | TextCodec | BlockCodec


def codec_for(data: Any) -> Codec:
    """An unfitted codec for some data.

    Parameters
    ----------
    data : table, array or Tensor of shape (n, c, h, w), or mapping of str to modality
        What an estimator was given. An array of three axes goes to the codec of images, which
        says what it lacks.

    Returns
    -------
    TableCodec, ImageCodec or BlockCodec

    Examples
    --------
    >>> import numpy as np
    >>> type(codec_for(np.zeros((5, 1, 8, 8)))).__name__
    'ImageCodec'
    >>> type(codec_for([[1.0, 2.0]])).__name__
    'TableCodec'
    >>> type(codec_for({"lab": [[1.0, 2.0]], "note": ["a cat"]})).__name__
    'BlockCodec'
    """
    if holds_modalities(data):
        return BlockCodec()
    return ImageCodec() if getattr(data, "ndim", 2) in (3, 4) else TableCodec()


def codec_from_json(state: Mapping[str, Any]) -> Codec:
    """The codec that wrote a state with ``to_json``.

    Examples
    --------
    >>> codec_from_json({"image_shape": [1, 4, 4]}).spec.shape
    (1, 4, 4)
    """
    return BlockCodec.from_json(state) if "blocks" in state else part_from_json(state)
