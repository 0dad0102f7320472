"""Pages of pictures: what was seen, the truth, and what a model makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.errors import MissingDependencyError, SettingError

__all__ = ["draw_modalities", "draw_page"]

HOLE = np.array([0.8, 0.2, 0.2])
Rows = Mapping[str, Any]


def draw_page(
    path: str | Path,
    imputations: Sequence[tuple[str, Rows]],
    generations: Sequence[tuple[str, Rows]] = (),
) -> None:
    """Draw rows of several modalities below each other, and generated ones below these.

    Parameters
    ----------
    path : str or Path
        File to write; its name says the format, such as ``pairs.png``.
    imputations : sequence of (str, mapping)
        Labels, such as "seen", "true" and "draw 1", with rows by modality: images
        (n, channels, height, width) in [0, 1], NaN where absent, or lists of texts, None where
        absent. All have the same modalities and n.
    generations : sequence of (str, mapping), default=()
        The same for rows that were made anew; their n may be another one.

    Raises
    ------
    SettingError
        When there is nothing to draw.
    MissingDependencyError
        When matplotlib is absent.
    """
    if not imputations and not generations:
        raise SettingError("Got no imputations and no generations. Expected some rows to draw.")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            "Pictures need matplotlib. Install it: pip install 'halfseen[plots]'."
        ) from error
    lines = [
        (f"{label}, {name}", rows[name])
        for label, rows in (*imputations, *generations)
        for name in rows
    ]
    width = max(len(cells) for _, cells in lines)
    figure = Figure(figsize=(1.5 + 0.6 * width, 0.6 * len(lines)))
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(lines), width, squeeze=False)
    for line, (label, cells) in zip(axes, lines, strict=True):
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=7)
        for i, axis in enumerate(line):
            _show(axis, cells[i] if i < len(cells) else None)
    figure.savefig(path, bbox_inches="tight", dpi=100)


def draw_modalities(
    imputer: Any,
    holed: Rows,
    truth: Rows,
    path: str | Path,
    *,
    n_draws: int = 4,
    n_generated: int = 0,
    random_state: int = 0,
) -> None:
    """Draw what is seen, the truth, completions, and rows that a model generates.

    Parameters
    ----------
    imputer : fitted imputer
        With ``transform`` and ``sample``, and ``generate`` if rows are to be generated.
    holed, truth : mapping of str to ndarray or list
        A few rows by modality, as the imputer takes them, and the complete ones.
    path : str or Path
        File to write.
    n_draws : int, default=4
        How many draws are shown beside the mean: each decodes one draw of the latent
        variables, without the noise of single pixels.
    n_generated : int, default=0
        How many rows are generated: means given latent variables that were drawn.
    random_state : int, default=0
        Of draws and generated rows.
    """
    draws = imputer.sample(holed, n_draws=n_draws, random_state=random_state, noise=False)
    lines = [
        ("seen", holed),
        ("true", truth),
        ("mean", imputer.transform(holed)),
        *((f"draw {i + 1}", draw) for i, draw in enumerate(draws)),
    ]
    made: list[tuple[str, Rows]] = []
    if n_generated:
        rows = imputer.generate(n_generated, noise=False, random_state=random_state)
        made = [("generated", rows)]
    draw_page(path, lines, made)


def _show(axis: Any, cell: Any) -> None:
    """One picture or text; holes are red, so that they cannot be taken for black or white."""
    axis.set_xticks([])
    axis.set_yticks([])
    if cell is None:
        for spine in axis.spines.values():
            spine.set_visible(False)
        return
    if isinstance(cell, str):
        axis.text(0.5, 0.5, cell, ha="center", va="center", fontsize=6, wrap=True)
        return
    colour = np.clip(np.moveaxis(np.asarray(cell, dtype=float), 0, -1), 0, 1)
    colour = np.broadcast_to(colour, (*colour.shape[:2], 3))
    axis.imshow(np.where(np.isnan(colour), HOLE, colour))
