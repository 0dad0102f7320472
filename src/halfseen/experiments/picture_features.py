"""What photographs are compared by: a small classifier of ours, or Inception where there is one.

A Frechet distance is called FID when the features are those of Inception, whose weights learned
from ImageNet; they are not ours to ship. Without them it is FID-c: the features of a classifier
that learns the labels of the complete training pictures within a minute, always from the same
seed. It tells methods apart on one set of pictures, and its values mean nothing beyond that.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.core.noise import new_generator
from halfseen.datasets import load_images
from halfseen.experiments.design import best_device
from halfseen.metrics import InceptionFeatures, inception_features
from halfseen.nn.image_layers import BatchNorm, started
from halfseen.training.loop import Phase, TrainConfig, train

__all__ = ["INCEPTION", "PictureNet", "classifier_features", "learn_labels", "user_inception"]

#: The environment's name of a file of weights, see :func:`halfseen.metrics.inception_features`.
INCEPTION = "HALFSEEN_INCEPTION"
CHANNELS, KERNEL, GRID, N_FEATURES = (24, 48, 64), 3, 4, 64
# Few rounds over few pictures, lest these be known by heart.
BATCH, MOST_STEPS, MOST_EPOCHS = 64, 1000, 20
RATE, DECAY, SEED = 2e-3, 1e-2, 0


class PictureNet(nn.Module):
    """A small convolutional classifier of pictures; called, it gives its last hidden features.

    Three times a convolution with batch normalisation, a rectifier and the largest value of
    2 x 2 pixels; then the means over a grid of 4 x 4, and a linear layer to 64 features.

    Parameters
    ----------
    n_channels, n_labels : int
        Channels of a picture, and numbers that are learned of it.
    generator : torch.Generator
        For the initial values.

    Examples
    --------
    >>> network = PictureNet(3, 10, torch.Generator().manual_seed(0))
    >>> network(torch.zeros(5, 3, 32, 32)).shape, network.logits(torch.zeros(5, 3, 32, 32)).shape
    (torch.Size([5, 64]), torch.Size([5, 10]))
    """

    def __init__(self, n_channels: int, n_labels: int, generator: torch.Generator) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in zip((n_channels, *CHANNELS), CHANNELS, strict=False):
            convolution = nn.Conv2d(a, b, KERNEL, padding=KERNEL // 2, bias=False, device="meta")
            layers += [
                started(convolution, generator),
                BatchNorm(b, generator.device),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        last = nn.Linear(CHANNELS[-1] * GRID**2, N_FEATURES, device="meta")
        layers += [nn.AdaptiveAvgPool2d(GRID), nn.Flatten(), started(last, generator)]
        self.body = nn.Sequential(*layers)
        self.head = started(nn.Linear(N_FEATURES, n_labels, device="meta"), generator)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 64), before the rectifier, of images (B, C, h, w) in [0, 1]."""
        found: Tensor = self.body(images - 0.5)
        return found

    def logits(self, images: Tensor) -> Tensor:
        """Unnormalised log-probabilities of classes, or log-odds of attributes, (B, n_labels)."""
        found: Tensor = self.head(torch.relu(self(images)))
        return found


def learn_labels(x: np.ndarray, y: np.ndarray, max_steps: int = MOST_STEPS) -> PictureNet:
    """A classifier of pictures, ready to be the ``features`` of a metric.

    Parameters
    ----------
    x : array of shape (n, c, h, w)
        Complete pictures in [0, 1].
    y : int array of shape (n,) or (n, attributes)
        Classes from 0, or attributes that are 0 or 1.
    max_steps : int, default=1000
        Steps, each with 64 pictures; no more than 20 rounds over all pictures.

    Returns
    -------
    PictureNet
        In evaluation mode, without gradients for its weights.
    """
    pictures, labels = torch.as_tensor(x), torch.as_tensor(y)
    classes = labels.dim() == 1
    n_labels = int(labels.max()) + 1 if classes else labels.shape[1]
    network = PictureNet(pictures.shape[1], n_labels, new_generator(SEED))
    generator = new_generator(SEED, 1)

    def loss() -> dict[str, Tensor]:
        some = torch.randint(len(pictures), (BATCH,), generator=generator)
        said, true = network.logits(pictures[some]), labels[some]
        if classes:
            return {"classes": functional.cross_entropy(said, true)}
        odds = functional.binary_cross_entropy_with_logits(said, true.to(said.dtype))
        return {"attributes": odds}

    steps = max(1, min(max_steps, MOST_EPOCHS * len(pictures) // BATCH))
    phase = Phase("labels", list(network.parameters()), loss, weight_decay=DECAY)
    train(network.train(), [phase], TrainConfig(steps, lr=RATE))
    return network.eval().requires_grad_(False)


@cache
def classifier_features(table: str, data: str | Path | None = None) -> PictureNet:
    """The classifier of a set of pictures, which learns once in a process.

    Parameters
    ----------
    table : str
        Which pictures, see :func:`halfseen.datasets.load_images`.
    data : str or Path, optional
        Folder of the pictures.

    Returns
    -------
    PictureNet
        Learned from all training pictures, however many a task has.
    """
    images = load_images(table, data)
    return learn_labels(images.x_train, images.y_train)


def user_inception() -> InceptionFeatures | None:
    """Inception with the weights that ``HALFSEEN_INCEPTION`` names; None where it names none.

    Returns
    -------
    InceptionFeatures or None
        On a GPU if there is one.

    Raises
    ------
    MissingDependencyError, FileNotFoundError, FileFormatError
        As :func:`halfseen.metrics.inception_features`.
    """
    path = os.environ.get(INCEPTION)
    if not path:
        return None
    return inception_features(path).to(best_device())
