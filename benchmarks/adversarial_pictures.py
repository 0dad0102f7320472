"""Draw what MisGAN makes of digits of which most is missing, into docs/pictures.

Pages of completions: what is seen (holes are red), the truth, single draws and their mean; below,
generated digits and masks (white is seen). Under quadrants there is no imputer, as in Figure 6 of
the paper. The last page is its ablation (Figure 7): without a critic of masks, digits and masks
can trade places when a hole looks like a black pixel (tau 0), and masks can become all white when
it is grey (tau 0.5, which is tau 0 for pixels in [-1, 1]).

    OMP_NUM_THREADS=1 python benchmarks/adversarial_pictures.py --data FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from halfseen.datasets import load_images
from halfseen.experiments.misgan_images import draw_masks
from halfseen.experiments.pictures import draw_page
from halfseen.methods.ambient_gan import AmbientGAN
from halfseen.methods.misgan import MisGAN

HERE = Path(__file__).resolve().parent
N_DIGITS, N_COLUMNS, N_DRAWS = 10_000, 10, 4
# Grey and red.
N_COLOURS = 64
# The last state: as published, and the monitor looks at digits alone, which an ablation may lose.
WORDS: dict[str, Any] = {"n_critic": 3, "lr": 5e-4, "imputer_lr": 5e-4, "monitor": "none"}
# What hides a pixel from the critic: black, or grey.
TAUS = (0.0, 0.5)
Digits = dict[str, np.ndarray]


def main() -> None:
    """One page after the other."""
    pages = {
        "block": lambda: _completed("block-0.9", args),
        "dropout": lambda: _completed("dropout-0.8", args),
        "quadrants": lambda: _generated("quadrants", args),
        "ablation": lambda: _ablation("block-0.9", args),
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the pictures")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "pictures")
    parser.add_argument("--pages", nargs="*", choices=list(pages), default=list(pages))
    parser.add_argument("--max-steps", type=int, default=3000, help="rounds of training")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for page in args.pages:
        pages[page]()


def _completed(protocol: str, args: argparse.Namespace) -> None:
    truth, holed = _digits(protocol, args)
    model = MisGAN(**_words(args)).fit(holed)
    some = holed[:N_COLUMNS]
    draws = model.sample(some, N_DRAWS, random_state=args.seed)
    completions = [
        ("truth", truth),
        *((f"draw {i + 1}", draw) for i, draw in enumerate(draws)),
        ("mean of draws", model.transform(some)),
    ]
    lines = [(label, {"digits": digits}) for label, digits in completions]
    _draw(f"misgan-{protocol}", holed, [*lines, ("generated", _made(model, args))], args)


def _generated(protocol: str, args: argparse.Namespace) -> None:
    holed = _digits(protocol, args)[1]
    model = MisGAN(**_words(args), imputer="none").fit(holed)
    _draw(f"misgan-{protocol}", holed, [("generated", _made(model, args))], args)


def _ablation(protocol: str, args: argparse.Namespace) -> None:
    holed = _digits(protocol, args)[1]
    words, lines = _words(args) | {"imputer": "none"}, []
    for tau in TAUS:
        model = AmbientGAN(**words, masks="learned", fill=tau).fit(holed)
        lines.append((f"no mask critic, tau {tau:g}", _made(model, args)))
    lines.append(("MisGAN, tau 0", _made(MisGAN(**words).fit(holed), args)))
    _draw(f"ambient-{protocol}", holed, lines, args)


def _digits(protocol: str, args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    truth = load_images("mnist", args.data).x_train[:N_DIGITS]
    return truth, np.where(draw_masks(protocol, truth), truth, np.float32(np.nan))


def _words(args: argparse.Namespace) -> dict[str, Any]:
    return WORDS | {"max_steps": args.max_steps, "random_state": args.seed}


def _made(model: Any, args: argparse.Namespace) -> Digits:
    """Generated digits, the masks that come with them, and what these leave."""
    digits, masks = model.generate(N_COLUMNS, return_mask=True, random_state=args.seed)
    masks = masks.reshape(digits.shape)
    return {
        "digits": digits,
        "masks": masks.astype(float),
        "both": np.where(masks, digits, np.nan),
    }


def _draw(
    name: str, holed: np.ndarray, lines: list[tuple[str, Digits]], args: argparse.Namespace
) -> None:
    page = [
        (label, {what: digits[:N_COLUMNS] for what, digits in rows.items()})
        for label, rows in [("seen", {"digits": holed}), *lines]
    ]
    path = args.out / f"{name}.png"
    draw_page(path, page)
    # A palette: a third of the bytes.
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(N_COLOURS)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
