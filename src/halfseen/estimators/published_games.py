"""What the MisGAN paper and its code say of all generators: networks, rounds, rates."""

from __future__ import annotations

from typing import Any

from halfseen.errors import SettingError

__all__ = ["published_game"]


# Epochs, and rows in a batch, without and with a joint imputer.
PAPER = {"digits": ((300, 64), (1000, 64)), "pictures": ((300, 256), (600, 256))}
RELEASED = {"digits": ((500, 64), (1000, 64)), "pictures": ((600, 256), (800, 512))}
N_IMAGES = {"digits": 60_000, "pictures": 202_599}


def published_game(data: str, imputer: str, *, released: bool = False) -> dict[str, Any]:
    """Settings of the paper that models with and without a critic of masks share.

    Parameters
    ----------
    data : {"digits", "pictures"}
        28 x 28 digits with fully connected networks, or CelebA with convolutions.
    imputer : {"joint", "standalone", "none"}
        How the imputer learns, by which rounds go: 300 epochs of 60 000 digits or of 202 599
        faces; with a joint imputer 1000 of digits and 600 of faces.
    released : bool, default=False
        Whether rounds and batches are those of the released scripts: 500 epochs of digits and
        600 of faces; with a joint imputer 1000 of digits, and 800 of faces in batches of 512.

    Raises
    ------
    SettingError
        When ``data`` is another word.

    Examples
    --------
    >>> published_game("digits", "none")["max_steps"]
    56220
    """
    if data not in ("digits", "pictures"):
        raise SettingError(f"Got data={data!r}. Expected 'digits' or 'pictures'.")
    digits = data == "digits"
    epochs, batch_size = (RELEASED if released else PAPER)[data][imputer == "joint"]
    return {
        "imputer": imputer,
        "network": "mlp" if digits else "conv",
        "imputer_network": "mlp" if digits else "unet",
        "imputer_hidden": (500, 500, 500) if digits else None,
        "imputer_sees_mask": False,
        "fill": 0.0,
        "batch_size": batch_size,
        "max_steps": epochs * (N_IMAGES[data] // batch_size) // 5,
        "decision": "draw",
        "monitor": "none",
        "validation_fraction": 0.0,
        "n_critic": 5,
        "one_sided": False,
        "lr": 1e-4,
        "imputer_lr": 2e-4,
        "schedule": "constant",
    }
