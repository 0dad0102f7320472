"""What the MisGAN paper says of all its generators: networks, rounds, rates."""

from __future__ import annotations

from typing import Any

from halfseen.errors import SettingError

__all__ = ["published_game"]


def published_game(data: str, imputer: str) -> dict[str, Any]:
    """Settings of the paper that models with and without a critic of masks share.

    Parameters
    ----------
    data : {"digits", "pictures"}
        28 x 28 digits with fully connected networks, or CelebA with convolutions.
    imputer : {"joint", "standalone", "none"}
        How the imputer learns, by which rounds go: 300 epochs of 60 000 digits or of 202 599
        faces; with a joint imputer 1000 of digits and 600 of faces.

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
    batches = 60_000 // 64 if digits else 202_599 // 256
    epochs = 300 if imputer != "joint" else 1000 if digits else 600
    return {
        "imputer": imputer,
        "network": "mlp" if digits else "conv",
        "imputer_network": "mlp" if digits else "unet",
        "imputer_hidden": (500, 500, 500) if digits else None,
        "imputer_sees_mask": False,
        "fill": 0.0,
        "batch_size": 64 if digits else 256,
        "max_steps": epochs * batches // 5,
        "decision": "draw",
        "monitor": "none",
        "validation_fraction": 0.0,
        "n_critic": 5,
        "one_sided": False,
        "lr": 1e-4,
        "imputer_lr": 2e-4,
        "schedule": "constant",
    }
