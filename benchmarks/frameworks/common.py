"""What all sides of the comparison share: the data, the first weights, the recipe, the report.

It knows NumPy only, so that each side pays for its own framework and for no other.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

INPUTS, CLASSES = 784, 10
PEAK, MOMENTUM, DECAY = 0.3, 0.9, 0.003


def read_mnist(folder: Path, part: str) -> tuple[Any, Any]:
    """Return the images, uint8 of shape (N, 784), and the labels of a part."""
    images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, INPUTS),
        np.frombuffer(labels, np.uint8, offset=8),
    )


def first_weights(hidden: int) -> list[Any]:
    """Return W1, b1, W2, b2 as every side starts with them."""
    rng = np.random.default_rng(0)
    shapes = (INPUTS, hidden), (hidden,), (hidden, CLASSES), (CLASSES,)
    return [
        rng.normal(0, math.sqrt(2 / shape[0]), shape).astype(np.float32)
        if len(shape) == 2
        else np.zeros(shape, np.float32)
        for shape in shapes
    ]


def rate(progress: float) -> float:
    """Return the learning rate of a one-cycle schedule, as ``mnist-cli train`` has it."""
    if progress < 0.3:
        return PEAK * (1 / 25 + 24 / 25 * (1 - math.cos(math.pi * progress / 0.3)) / 2)
    return PEAK * (1 + math.cos(math.pi * (progress - 0.3) / 0.7)) / 2


class Side:
    """A framework's way to train 784-hidden-10."""

    def __init__(self, hidden: int, batch_size: int, smoothing: float, images: Any, labels: Any):
        raise NotImplementedError

    def gradients(self, batch: Any) -> tuple[float, list[Any]]:
        """Return the loss of a batch, and its gradients to W1, b1, W2, b2."""
        raise NotImplementedError

    def epoch(self, order: Any, rates: Any) -> None:
        """Train on the images in this order, with a learning rate a step."""
        raise NotImplementedError

    def accuracy(self, images: Any, labels: Any) -> float:
        """Return the share of the images that are read rightly."""
        raise NotImplementedError

    def save(self, path: str) -> None:
        """Save the model."""
        raise NotImplementedError


def run(make: Callable[..., Side]) -> None:
    """Do what the command line asks for, and print a JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["step", "epochs", "whole"])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--hidden", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--label-smoothing", type=float, default=0.0)
    parser.add_argument("--out", default="model")
    arguments = parser.parse_args()
    images, labels = read_mnist(arguments.data_dir, "train")
    settings = arguments.hidden, arguments.batch_size, arguments.label_smoothing
    side = make(*settings, images, labels)
    rng = np.random.default_rng(1)
    if arguments.what == "step":
        loss, gradients = side.gradients(rng.permutation(len(labels))[: arguments.batch_size])
        np.savez(arguments.out, loss=loss, **{f"g{i}": g for i, g in enumerate(gradients)})
        return
    steps = math.ceil(len(labels) / arguments.batch_size)
    seconds = []
    for number in range(arguments.epochs):
        started = time.perf_counter()
        progress = (number + np.arange(steps) / steps) / arguments.epochs
        rates = np.array([rate(share) for share in progress], np.float32)
        side.epoch(rng.permutation(len(labels)), rates)
        seconds.append(time.perf_counter() - started)
    document: dict[str, Any] = {"seconds": seconds}
    if arguments.what == "whole":
        document["accuracy"] = side.accuracy(*read_mnist(arguments.data_dir, "t10k"))
        side.save(arguments.out)
    print(json.dumps(document))
