"""A round of fully connected MisGAN: our loop against a plain script of the published recipe.

Times a step of the critics, a round (five of them, and one of the generators) and a round with the
imputer, on 28 x 28 pictures, batch 64, published widths; one thread and two, each in a process of
its own, in turn. That both compute the same losses is checked first. Prints and appends to a file
of JSON lines: milliseconds, medians over repetitions, of processor and wall.

    python benchmarks/adversarial.py

On a machine that others use, ``OMP_WAIT_POLICY=passive`` keeps two threads from waiting busily for
each other; wall times mean little there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from halfseen import MisGAN
from halfseen.core.noise import new_generator
from halfseen.estimators.dealing import Dealer
from halfseen.estimators.masked_game import MaskedGame
from halfseen.experiments.runner import append_line, machine, versions
from halfseen.nn.critics import MLPCritic
from halfseen.objectives.adversarial import critic_losses
from halfseen.training.loop import Phase, TrainConfig, train
from plain_misgan import PENALTY, PlainMisGAN, critic_loss

N_ROWS, SIDE, BATCH, N_CRITIC, MISSING = 2048, 28, 64, 5, 0.5
Record = dict[str, Any]
Work = Callable[[int], object]


def main() -> None:
    """Measure each number of threads in a process of its own, print and append."""
    args = _arguments()
    if args.child:
        torch.set_num_threads(args.threads[0])
        for record in measure(args):
            print(json.dumps(record), flush=True)
        return
    for threads in args.threads:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, __file__, "--child", "--threads", str(threads)]
        command += ["--rounds", str(args.rounds), "--repeats", str(args.repeats)]
        command += ["--seed", str(args.seed)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment
        ) as child:
            for line in child.stdout or ():
                append_line(args.out, json.loads(line))
                print(_sentence(json.loads(line)), flush=True)
        if child.returncode:
            raise SystemExit(child.returncode)


def measure(args: argparse.Namespace) -> Iterator[Record]:
    """A record for each kind of work."""
    for imputer in ("none", "joint"):
        game, dealer = _ours(imputer, args.seed)
        plain, bare = (
            PlainMisGAN(dealer.x, dealer.masks, loader=loader, imputer=imputer == "joint")
            for loader in (True, False)
        )
        _check_equal(game.data_critic, dealer)
        joint = imputer == "joint"
        phases = game.generation(dealer, joint=joint)
        whole = phases + game.imputation(dealer, joint=True) if joint else phases
        jobs = {
            "plain": _repeated(plain.round),
            "without_loader": _repeated(bare.round),
            "ours": _trained(game, whole),
        }
        if not joint:
            steps = {
                "plain": _repeated(plain.critics, N_CRITIC),
                "without_loader": _repeated(bare.critics, N_CRITIC),
                "ours": _trained(game, phases[:1]),
            }
            yield _record("step of both critics", steps, args, N_CRITIC)
        yield _record("round with an imputer" if joint else "round", jobs, args)


def _ours(imputer: str, seed: int) -> tuple[MaskedGame, Dealer]:
    """Published networks with fresh parameters, and pictures with holes."""
    rng = np.random.default_rng(seed)
    pictures = rng.random((N_ROWS, 1, SIDE, SIDE))
    pictures[rng.random(pictures.shape) < MISSING] = np.nan
    model = MisGAN.published(imputer=imputer, max_steps=1, random_state=seed).fit(pictures)
    x, s = model._tensors(pictures.reshape(N_ROWS, -1))
    dealer = Dealer(x, model.mask_units_.of_columns(s), BATCH, 1, new_generator(seed))
    return model.game_.requires_grad_(True).train(), dealer


def _check_equal(critic: MLPCritic, dealer: Dealer) -> None:
    """The losses and derivatives of a critic are those of a plain network of its weights."""
    linear = [nn.Linear(*layer.weight.shape[1:]) for layer in critic.layers]
    with torch.no_grad():
        for theirs, mine in zip(linear, critic.layers, strict=True):
            theirs.weight.copy_(mine.weight[0].T)
            theirs.bias.copy_(mine.bias[0, 0])
    parts = [part for layer in linear for part in (layer, nn.ReLU())][:-1]
    real, share = dealer.rows()[0], dealer.noise().uniform(1)
    fake = dealer.noise().uniform(real.shape[1])
    ours = sum(critic_losses(critic, real[None], fake, share, PENALTY))
    plain = critic_loss(nn.Sequential(*parts), real, fake[0], share[0])
    slopes = torch.autograd.grad(ours, [layer.weight for layer in critic.layers])
    others = torch.autograd.grad(plain, [layer.weight for layer in linear])
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)
    for mine, theirs in zip(slopes, others, strict=True):
        torch.testing.assert_close(mine[0], theirs.T, rtol=1e-3, atol=1e-4)


def _repeated(work: Callable[[], object], times: int = 1) -> Work:
    def repeat(rounds: int) -> None:
        for _ in range(times * rounds):
            work()

    return repeat


def _trained(game: MaskedGame, phases: list[Phase]) -> Work:
    def learn(rounds: int) -> None:
        train(game, phases, TrainConfig(rounds, schedule="constant", check_every=rounds))

    return learn


def _record(what: str, jobs: dict[str, Work], args: argparse.Namespace, parts: int = 1) -> Record:
    """Medians of repetitions in turn, so that what else runs meets all alike."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for work in jobs.values():
        work(2)
    for _ in range(args.repeats):
        for name, work in jobs.items():
            times[name].append(_seconds(work, args.rounds))
    scale = 1e3 / (args.rounds * parts)
    median = {name: np.median(pairs, 0) * scale for name, pairs in times.items()}
    cpu, wall = ({name: round(both[i], 3) for name, both in median.items()} for i in (0, 1))
    return {
        "what": what,
        "batch": BATCH,
        "unit": "ms",
        "cpu": cpu,
        "wall": wall,
        "ratio": {"cpu": cpu["plain"] / cpu["ours"], "wall": wall["plain"] / wall["ours"]},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": args.seed,
        # Other work on the machine: above the number of processors, times are too long.
        "load": round(os.getloadavg()[0], 1),
        "waiting": os.environ.get("OMP_WAIT_POLICY", "default"),
        "versions": versions(),
        "machine": machine(),
    }


def _seconds(work: Work, rounds: int) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work(rounds)
    return time.process_time() - cpu, time.perf_counter() - wall


def _sentence(record: Record) -> str:
    cpu, wall, ratio = record["cpu"], record["wall"], record["ratio"]
    return (
        f"{record['what']}, {record['machine']['threads']} threads: processor {cpu['plain']:.1f} "
        f"({cpu['without_loader']:.1f} without a DataLoader) against {cpu['ours']:.1f} ms, ratio "
        f"{ratio['cpu']:.2f}; wall {wall['plain']:.1f} ({wall['without_loader']:.1f}) against "
        f"{wall['ours']:.1f} ms, ratio {ratio['wall']:.2f}; load {record['load']}"
    )


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=10, help="rounds of a repetition")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=here / "results" / "adversarial.jsonl")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
