"""Train the small network of digits whose features compare pictures, and write its weights.

Stochastic gradient descent with rate 0.01 and momentum 0.5 on batches of 64, as in PyTorch's
example of MNIST. HALFSEEN_DATA is the folder of the data. A new file of weights has a new hash,
which belongs into ``halfseen/metrics/lenet.py``; all distances made before it are then void.

    OMP_NUM_THREADS=1 python benchmarks/lenet.py
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from halfseen.core.noise import new_generator
from halfseen.datasets import load_images
from halfseen.experiments.runner import machine, versions
from halfseen.metrics.lenet import WEIGHTS, LeNet

BATCH, RATE, MOMENTUM = 64, 0.01, 0.5


def train(x: Tensor, y: Tensor, epochs: int, seed: int) -> LeNet:
    """Fit the network; its initial values and dropout come from a fork of the global generator."""
    order = new_generator(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LeNet()
        optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM)
        for epoch in range(epochs):
            total = torch.zeros(())
            for rows in torch.randperm(len(x), generator=order).split(BATCH):
                optimizer.zero_grad()
                loss = functional.cross_entropy(network.logits(x[rows]), y[rows])
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(rows)
            sys.stdout.write(f"epoch {epoch + 1}: mean loss {total.item() / len(x):.4f}\n")
            sys.stdout.flush()
    return network.eval()


@torch.no_grad()
def accuracy(network: LeNet, x: Tensor, y: Tensor) -> float:
    """Share of digits that are named correctly."""
    right = [
        (network.logits(images).argmax(1) == labels).float()
        for images, labels in zip(x.split(1000), y.split(1000), strict=True)
    ]
    return float(torch.cat(right).mean())


def write(network: LeNet, facts: dict[str, Any], seconds: float, path: Path) -> None:
    """Write weights with what they were made by, and the same beside them with their hash."""
    # One entry only: the order of several is not the same from run to run, nor is then the hash.
    content = save(dict(network.state_dict()), metadata={"halfseen": json.dumps(facts)})
    path.write_bytes(content)
    beside = facts | {
        "sha256": hashlib.sha256(content).hexdigest(),
        "seconds": round(seconds, 1),
        "machine": machine(),
    }
    path.with_suffix(".json").write_text(json.dumps(beside, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"LENET_SHA256 = {beside['sha256']!r}\n")


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=70)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    digits = load_images("mnist", options.data)
    x, y, x_test, y_test = (
        torch.from_numpy(np.ascontiguousarray(array))
        for array in (digits.x_train, digits.y_train, digits.x_test, digits.y_test)
    )
    start = time.perf_counter()
    network = train(x, y, options.epochs, options.seed)
    facts = {
        "network": "LeNet",
        "data": "mnist, 60 000 training digits, normalised",
        "epochs": options.epochs,
        "batch": BATCH,
        "rate": RATE,
        "momentum": MOMENTUM,
        "seed": options.seed,
        "train_accuracy": round(accuracy(network, x, y), 5),
        "test_accuracy": round(accuracy(network, x_test, y_test), 5),
        "versions": versions(),
    }
    write(network, facts, time.perf_counter() - start, options.out)


if __name__ == "__main__":
    main()
