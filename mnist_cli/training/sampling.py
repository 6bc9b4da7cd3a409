"""Which images the steps of an epoch see: each once, or those more often that are read badly.

Late in training most images are read so well that they teach nothing: of the loss of all, nearly
all comes from a few. `ByLoss` remembers the loss of each image and draws it in proportion to the
root of that (importance sampling, as in Katharopoulos and Fleuret 2018, who bound the gradient's
norm where this uses the loss). As it is drawn ``e`` times an epoch on average, its gradient counts
``1/e``: what a step expects is the gradient of the mean loss, as before, with less noise.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mnist_cli.nn.layers import Array
from mnist_cli.nn.losses import SoftmaxCrossEntropy, WeightedCrossEntropy
from mnist_cli.nn.mlp import CLASSES
from mnist_cli.parallel.shared_memory import shared_zeros
from mnist_cli.recipe import Recipe

FLOOR = 0.1
"""No image is drawn less often than this, against the mean: its loss may have grown meanwhile."""

NEWS = 0.5
"""What a new loss counts against all that is remembered: one distortion may be easy by chance."""


class Sampler(Protocol):
    """What draws the images of an epoch, and has the loss that goes with it."""

    @property
    def losses(self) -> NDArray[np.float32] | None:
        """What is remembered from one epoch to the next: the loss of each image."""

    def draw(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Return the images of an epoch, in the order in which they are seen."""

    def loss(self, logits: Array, rows: Array, batch: NDArray[np.intp]) -> float:
        """Return the mean loss of a batch; `gradient` is then that to its logits."""

    def gradient(self) -> Array:
        """Return ``delta2``, the gradient of the mean loss of the batch to its logits."""

    def remember(self, batch: NDArray[np.intp]) -> None:
        """Remember the losses of a batch, those that `loss` has found."""

    def count(self, batch: NDArray[np.intp]) -> float:
        """Return how many images those of a batch, or some of them, stand for."""


class Uniform:
    """Each image once, in a random order; see `Sampler`.

    Parameters
    ----------
    images : int
        How many there are.
    """

    losses: NDArray[np.float32] | None = None

    def __init__(self, images: int):
        self.images = images
        self.criterion = SoftmaxCrossEntropy()

    def draw(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Return all images."""
        return rng.permutation(self.images)

    def loss(self, logits: Array, rows: Array, batch: NDArray[np.intp]) -> float:
        """Return the mean loss of a batch."""
        return float(self.criterion.forward(logits, rows))

    def gradient(self) -> Array:
        """Return the gradient of the last loss."""
        return self.criterion.backward()

    def remember(self, batch: NDArray[np.intp]) -> None:
        """Remember nothing."""

    def count(self, batch: NDArray[np.intp]) -> float:
        """Return how many there are: each stands for itself."""
        return len(batch)


class ByLoss:
    """As many images, drawn in proportion to the root of their remembered loss; see `Sampler`.

    Before they have been seen, all have the loss of a guess, log 10: so the first epoch sees each
    of them once.

    Parameters
    ----------
    images : int
        How many there are.
    """

    def __init__(self, images: int):
        self.criterion = WeightedCrossEntropy()
        # One part of the network computes the loss, perhaps in another process.
        self.losses: NDArray[np.float32] = shared_zeros((images,), np.float32)
        self.losses[:] = math.log(CLASSES)
        self.weights = np.ones(images, np.float32)

    def draw(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Return as many images as there are, some of them several times, and others not at all.

        On a line on which each image has a length ``e``, its expected number of draws, the marks
        ``u, u + 1, u + 2, …`` hit it that often, to the integer below or above; with a random ``u``
        below 1. So the number that is drawn has the least noise (systematic sampling).
        """
        images = len(self.losses)
        roots = np.sqrt(self.losses, dtype=np.float64)
        sizes = np.maximum(roots, FLOOR * roots.mean())
        expected = sizes * (images / sizes.sum())
        self.weights[:] = 1 / expected
        marks = np.arange(images) + rng.random()
        order = np.searchsorted(np.cumsum(expected), marks, side="right")
        order = np.minimum(order, images - 1)  # where the sum has rounded to less
        rng.shuffle(order)
        return order

    def loss(self, logits: Array, rows: Array, batch: NDArray[np.intp]) -> float:
        """Return the mean loss of a batch, in which each image has its weight ``1/e``."""
        return float(self.criterion.forward(logits, rows, self.weights[batch]))

    def gradient(self) -> Array:
        """Return the gradient of the last loss."""
        return self.criterion.backward()

    def remember(self, batch: NDArray[np.intp]) -> None:
        """Remember the mean of the new losses and of what was remembered."""
        before = self.losses[batch]
        self.losses[batch] = before + NEWS * (self.criterion.losses - before)

    def count(self, batch: NDArray[np.intp]) -> float:
        """Return the sum of their weights."""
        return float(self.weights[batch].sum())


def make_sampler(recipe: Recipe, images: int) -> Sampler:
    """Return what draws the images of an epoch as the recipe says."""
    return ByLoss(images) if recipe.sampling == "loss" else Uniform(images)
