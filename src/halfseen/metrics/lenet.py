"""Features of a small network of digits, by which pictures of digits are compared."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from halfseen.errors import FileFormatError, SettingError

__all__ = ["LENET_SHA256", "LeNet", "lenet_features"]

#: SHA-256 of the bundled weights: numbers made with other weights cannot be compared.
LENET_SHA256 = "3d35ccee562d4345b3189e04a022f8aa4936ff0fa0553c7bd7a9ab8cc623eb77"
WEIGHTS = Path(__file__).resolve().parent / "weights" / "lenet-mnist.safetensors"
# Mean and standard deviation of the grey values of the training digits.
MEAN, SCALE = 0.1307, 0.3081


class LeNet(nn.Module):
    """The small convolutional network of digits by which MisGAN's samples were scored.

    Two convolutions of 10 and 20 channels with windows of 5, each followed by the largest value
    of 2 x 2 and a rectifier, then linear layers from 320 to 50 to 10, with dropout before each
    rectifier of the second convolution and the last layer.

    Notes
    -----
    The network of PyTorch's example of MNIST, as in Li, Jiang and Marlin (2019). Called, it gives
    the 50 numbers before the rectifier, of images **as they are**; it learns classes of normalised
    images (:meth:`logits`). The paper's code does the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Features of images.

        Parameters
        ----------
        images : Tensor of shape (B, 1, 28, 28) or (B, 784)
            Grey values between 0 and 1.

        Returns
        -------
        Tensor of shape (B, 50)

        Raises
        ------
        SettingError
            When images have another shape.
        """
        if tuple(images.shape[1:]) not in ((1, 28, 28), (784,)):
            raise SettingError(
                f"Got images of shape {tuple(images.shape)}. Expected (B, 1, 28, 28) or (B, 784)."
            )
        x = images.reshape(-1, 1, 28, 28)
        x = functional.relu(functional.max_pool2d(self.conv1(x), 2))
        x = functional.dropout2d(self.conv2(x), training=self.training)
        x = functional.relu(functional.max_pool2d(x, 2))
        return self.fc1(x.flatten(1))

    def logits(self, images: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the ten digits.

        Parameters
        ----------
        images : Tensor of shape (B, 1, 28, 28) or (B, 784)
            Grey values between 0 and 1; they are normalised here, as in training.

        Returns
        -------
        Tensor of shape (B, 10)
        """
        hidden = functional.relu(self((images - MEAN) / SCALE))
        return self.fc2(functional.dropout(hidden, training=self.training))


def lenet_features() -> LeNet:
    """The network of digits with the bundled weights, ready to be the ``features`` of a metric.

    Returns
    -------
    LeNet
        In evaluation mode, on the processor, without gradients for its weights. It maps images
        (B, 1, 28, 28) or (B, 784) between 0 and 1 to (B, 50).

    Raises
    ------
    FileFormatError
        When the file is absent or its hash differs.

    Notes
    -----
    The weights were learned for this package (``benchmarks/lenet.py``; the file beside them says
    how). **Absolute values of a Frechet distance depend on them**: those of papers were made
    with weights that were not published, so only values made with this file can be compared.

    Examples
    --------
    >>> network = lenet_features()
    >>> network(torch.zeros(3, 784)).shape
    torch.Size([3, 50])
    """
    if not WEIGHTS.is_file():
        raise FileFormatError(
            f"No weights in {WEIGHTS}. Expected the file that comes with halfseen: install it "
            "again."
        )
    content = WEIGHTS.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != LENET_SHA256:
        raise FileFormatError(
            f"Got weights with the hash {found} in {WEIGHTS}. Expected {LENET_SHA256}: numbers "
            "made with other weights cannot be compared. Install halfseen again."
        )
    # Without values of its own first: these would be drawn from the user's global generator.
    with torch.device("meta"):
        network = LeNet()
    network.load_state_dict(load(content), assign=True)
    return network.eval().requires_grad_(False)
