"""Pictures of which most is missing: what the experiments of the MisGAN paper share.

Li, Jiang and Marlin, "MisGAN: Learning from Incomplete Data with Generative Adversarial Networks"
(ICLR 2019). All training pictures are completed and compared with the originals, as there: the
Frechet distance (FID) asks whether completed pictures look like pictures, the root mean square
error whether they are right. The two disagree, and a model that draws is no worse for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from halfseen.errors import SettingError
from halfseen.mechanisms.images import BlockMask, DropoutMask, ImageMask
from halfseen.metrics import fid, moments

__all__ = [
    "ImageTask",
    "Made",
    "draw_masks",
    "from_imputer",
    "image_scores",
    "quadrants",
    "rectangles",
]

# Fixed holes, whatever the seed, as in the released loaders.
MASK_SEED = 0
# Pictures whose mean answers are scored: each costs many draws.
N_MEANS = 2_000


@dataclass(frozen=True, eq=False)
class ImageTask:
    """Pictures with holes, and what scores them.

    Parameters
    ----------
    truth, holed : array of shape (n, c, h, w)
        Complete pictures in [0, 1], and the same with NaN where missing.
    features : callable
        From pictures to what the Frechet distance compares.
    settings : dict
        Budgets by row.
    """

    truth: np.ndarray
    holed: np.ndarray
    features: Callable[[torch.Tensor], torch.Tensor]
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Made:
    """What a method makes of a task; None where it does not make it.

    Parameters
    ----------
    drawn, mean : array of shape (n, c, h, w), (m, c, h, w) or None
        Completed pictures: one draw of each, and means of draws of the first m.
    generated : array of shape (n, c, h, w) or None
        New pictures.
    masks : bool array of shape (n, c, h, w) or None
        New masks.
    """

    drawn: np.ndarray | None = None
    mean: np.ndarray | None = None
    generated: np.ndarray | None = None
    masks: np.ndarray | None = None


def quadrants(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Masks that show one of the four quarters of a picture, each as likely (Figure 6).

    Parameters
    ----------
    shape : tuple of int
        Pictures, channels, height and width.
    generator : torch.Generator
        Source of the choice.

    Examples
    --------
    >>> s = quadrants((1, 1, 2, 2), torch.Generator().manual_seed(0))
    >>> float(s.sum())
    1.0
    """
    n, _, height, width = shape
    corner = torch.randint(4, (n, 1, 1, 1), generator=generator)
    below = torch.arange(height)[:, None] >= height // 2
    right = torch.arange(width) >= width // 2
    return ((2 * below + right) == corner).float().expand(shape)


def rectangles(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Masks that show a rectangle whose sides are 25 to 75 % of the picture's, both included.

    Parameters
    ----------
    shape, generator
        As in :func:`quadrants`.

    Examples
    --------
    >>> s = rectangles((1000, 1, 28, 28), torch.Generator().manual_seed(0))
    >>> round(float(s.mean()), 2)
    0.25
    """
    n, _, height, width = shape
    sides = []
    for size in (height, width):
        least, most = round(0.25 * size), round(0.75 * size)
        side = torch.randint(least, most + 1, (n, 1), generator=generator)
        start = torch.rand((n, 1), generator=generator) * (size - side + 1)
        place = torch.arange(size)
        sides.append((place >= start.floor()) & (place < start.floor() + side))
    tall, wide = sides
    return (tall[:, None, :, None] & wide[:, None, None, :]).float().expand(shape)


def draw_masks(protocol: str, images: np.ndarray) -> np.ndarray:
    """Masks of a protocol, True where a pixel is seen.

    Parameters
    ----------
    protocol : str
        "block-0.9" (all but a square is missing), "dropout-0.9" (independent pixels),
        "rectangles" (all but a rectangle) or "quadrants".
    images : array of shape (n, c, h, w)
        The pictures.
    """
    generator = torch.Generator().manual_seed(MASK_SEED)
    pixels = torch.as_tensor(images)
    name, _, rate = protocol.partition("-")
    laws: dict[str, Callable[[], ImageMask]] = {
        "block": lambda: BlockMask(rate=float(rate)),
        "dropout": lambda: DropoutMask(float(rate)),
    }
    if name in laws:
        return laws[name]().sample(pixels, generator).numpy() > 0.5
    if protocol == "quadrants":
        return quadrants(tuple(pixels.shape), generator).numpy() > 0.5
    if protocol == "rectangles":
        return rectangles(tuple(pixels.shape), generator).numpy() > 0.5
    raise SettingError(
        f"Got protocol={protocol!r}. Expected 'block-0.9', 'dropout-0.9' or such, 'rectangles' "
        "or 'quadrants'."
    )


def from_imputer(imputer: Any, task: ImageTask, seed: int, *, masks: bool = False) -> Made:
    """Everything that a fitted imputer makes of a task; ``masks`` where it has a law of them."""
    n = len(task.truth)
    drawn = np.asarray(imputer.sample(task.holed, 1, random_state=seed)[0])
    mean = np.asarray(imputer.transform(task.holed[:N_MEANS]))
    if not hasattr(imputer, "generate"):
        return Made(drawn, mean)
    if not masks:
        return Made(drawn, mean, np.asarray(imputer.generate(n, random_state=seed)))
    rows, seen = imputer.generate(n, return_mask=True, random_state=seed)
    return Made(drawn, mean, np.asarray(rows), np.asarray(seen).reshape(task.truth.shape))


def image_scores(task: ImageTask, made: Made) -> dict[str, float]:
    """Frechet distances and errors over missing pixels."""
    found: dict[str, float] = {}
    missing = np.isnan(task.holed)
    real = moments(task.truth, task.features)
    if made.drawn is not None:
        found["fid"] = fid(made.drawn, real, task.features)
        found["rmse"] = _rmse(task.truth, made.drawn, missing)
    if made.mean is not None:
        m = len(made.mean)
        found["rmse_mean"] = _rmse(task.truth[:m], made.mean, missing[:m])
    if made.generated is not None:
        found["fid_generated"] = fid(made.generated, real, task.features)
    if made.masks is not None:
        found["mask_rate"] = float(1 - made.masks.mean())
        found["mask_rate_miss"] = float(np.abs(made.masks.mean(0) - 1 + missing.mean(0)).max())
    return found


def _rmse(truth: np.ndarray, answer: np.ndarray, missing: np.ndarray) -> float:
    gap = (answer - truth)[missing]
    return float(np.sqrt(np.mean(np.square(gap, dtype=float))))
