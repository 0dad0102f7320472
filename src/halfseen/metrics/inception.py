"""Features of Inception-v3, by which photographs are compared, when the user has its weights."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from halfseen.errors import FileFormatError, MissingDependencyError, SettingError

__all__ = ["InceptionFeatures", "inception_features"]

# What reading a file that holds something else ends in.
BROKEN = (
    SafetensorError,
    pickle.UnpicklingError,
    EOFError,
    RuntimeError,
    TypeError,
    ValueError,
)


class InceptionFeatures(nn.Module):
    """What Inception-v3 makes of pictures of any size, after its last pooling.

    Parameters
    ----------
    network : Module
        From normalised pictures (B, 3, 299, 299) to (B, 2048).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Features of images.

        Parameters
        ----------
        images : Tensor of shape (B, 3, h, w) or (B, 1, h, w)
            Values between 0 and 1; one channel is repeated.

        Returns
        -------
        Tensor of shape (B, 2048)

        Raises
        ------
        SettingError
            When images have another shape.
        """
        if images.dim() != 4 or images.shape[1] not in (1, 3):
            raise SettingError(
                f"Got images of shape {tuple(images.shape)}. Expected (B, 3, h, w) or "
                "(B, 1, h, w)."
            )
        colour = images.expand(-1, 3, -1, -1)
        large = functional.interpolate(colour, (299, 299), mode="bilinear", align_corners=False)
        return self.network(2 * large - 1)


def inception_features(weights: str | Path) -> InceptionFeatures:
    """Inception-v3 up to its last pooling, with weights of the user's.

    Parameters
    ----------
    weights : str or Path
        A state of torchvision's ``inception_v3``: ``.safetensors``, or any other name for a
        file of ``torch.save``, of which only tensors are read.

    Returns
    -------
    InceptionFeatures
        In evaluation mode, on the processor, without gradients for its weights; to be the
        ``features`` of :func:`~halfseen.metrics.fid`, which moves pictures to where it is.

    Raises
    ------
    MissingDependencyError
        When torchvision is absent.
    FileNotFoundError
        When there is no such file.
    FileFormatError
        When the file does not hold all weights of the network.

    Notes
    -----
    Pictures are resized to 299 x 299 by bilinear interpolation and brought to [-1, 1], which is
    what torchvision's weights were learned on. Distances differ by several units from those of
    the original network of TensorFlow: say which one was used. **Not tested with real weights**:
    the tests use a stand-in for torchvision.
    """
    try:
        from torchvision.models import inception_v3
    except ImportError as error:
        raise MissingDependencyError(
            "Features of Inception need torchvision. Install it: pip install torchvision, in the "
            "version that belongs to your torch."
        ) from error
    path = Path(weights)
    if not path.is_file():
        raise FileNotFoundError(
            f"No file {path}. Expected the weights of torchvision's inception_v3; they are not "
            "downloaded."
        )
    # Without values of its own first: these would be drawn from the user's global generator.
    with torch.device("meta"):
        network = inception_v3(weights=None, aux_logits=False, init_weights=False)
    network.fc = nn.Identity()
    state = {
        name: tensor
        for name, tensor in _read(path).items()
        if not name.startswith(("AuxLogits.", "fc."))
    }
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise FileFormatError(
            f"{path} does not hold the weights of torchvision's inception_v3: {error}"
        ) from error
    return InceptionFeatures(network).eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Any]:
    """Named tensors of a file."""
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except BROKEN as error:
        raise FileFormatError(
            f"{path} is no file of weights ({type(error).__name__}: {error}). Expected "
            "safetensors, or a state that torch.save wrote."
        ) from error
