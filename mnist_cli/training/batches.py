"""The batches of an epoch: which images each step sees, prepared as inputs ahead of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.images.augmentation import Distorter, Strengths
from mnist_cli.images.inputs import to_inputs
from mnist_cli.nn.layers import Array
from mnist_cli.parallel import side_by_side
from mnist_cli.parallel.shared_memory import shared_zeros
from mnist_cli.recipe import Recipe

BATCHES_AHEAD = 8
"""Batches that are distorted in one go."""

SHARING = 4
"""Images that are distorted alike, as a rule in different batches: to find from where greys come
takes half of the time, and is then done for all of them at once."""


class Batches:
    """The inputs of the steps of an epoch, prepared by those who train.

    While one batch is trained on, the next is prepared: or several, if they are distorted, as all
    the memory for that is then fetched into the cache less often.

    Parameters
    ----------
    recipe : Recipe
    images : array of uint8, shape (N, 28, 28)
    streams : sequence of Generator
        One for each part: those of its distortions.

    Attributes
    ----------
    inked : array of int
        The pixels that are not blank in all images, which the network's parts are given.
    """

    def __init__(
        self,
        recipe: Recipe,
        images: NDArray[np.uint8],
        streams: Sequence[np.random.Generator],
    ):
        self.size = recipe.batch_size
        self.members = len(streams)
        # What distortions move to a pixel that is blank in all images is left out.
        self.inked = self._find_inked(images)
        asked = self._distorted()
        self.distorters = [make_distorter(recipe, stream, asked) for stream in streams]
        is_distorted = recipe.augment != "none"
        self.pixels = images.reshape(len(images), -1) if is_distorted else self._undistorted(images)
        self.ahead = BATCHES_AHEAD if is_distorted else 1
        rows = min(self.ahead * self.size, len(images))
        self.buffers = shared_zeros((2, rows, len(self.inked)), recipe.dtype)

    def cut(self, order: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Return the indices of the images of each step."""
        return [order[start : start + self.size] for start in range(0, len(order), self.size)]

    def inputs(self, step: int, size: int) -> Array:
        """Return what the images of a step, from 0, have been prepared as."""
        buffer, place = divmod(step, self.ahead)
        begin = place * self.size
        inputs: Array = self.buffers[buffer % 2, begin : begin + size]
        return inputs

    def prepare(self, member: int, order: NDArray[np.intp], step: int) -> None:
        """Prepare a member's share of the inputs of a step, from 0, and of those that go with it.

        Distortions are worth sharing; else the last member does all, as the first has the loss.
        """
        buffer, place = divmod(step, self.ahead)
        if place:
            return
        start = step * self.size
        batch = order[start : start + self.ahead * self.size]
        distorter = self.distorters[member]
        if distorter:
            begin, end = (len(batch) * share // self.members for share in (member, member + 1))
        else:
            begin, end = 0 if member == self.members - 1 else len(batch), len(batch)
        if begin == end:
            return
        images = np.take(self.pixels, batch[begin:end], axis=0)
        self._put(images, distorter, self.buffers[buffer % 2, begin:end])

    def _find_inked(self, images: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Return the pixels that are not blank in all images."""
        return np.flatnonzero(images.reshape(len(images), -1).max(axis=0))

    def _distorted(self) -> NDArray[np.intp]:
        """Return the pixels of distorted images that are needed."""
        return self.inked

    def _undistorted(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return what is kept of images that are not distorted: a row of numbers for each."""
        return take_columns(images.reshape(len(images), -1), self.inked)

    def _put(self, images: NDArray[Any], distorter: Distorter | None, out: Array) -> None:
        """Put the inputs of images, or of what is kept of them, into ``out``."""
        if distorter:
            distorter.distort(images, out)
        else:
            to_inputs(images, out.dtype, out)


def make_distorter(
    recipe: Recipe, rng: np.random.Generator, pixels: NDArray[np.intp]
) -> Distorter | None:
    """Return what distorts the images as the recipe says, or None if nothing does.

    Parameters
    ----------
    recipe : Recipe
    rng : Generator
    pixels : array of int
        Those of the distorted images that are asked for.
    """
    if recipe.augment == "none":
        return None
    return Distorter(strengths_of(recipe), rng, pixels, SHARING)


def strengths_of(recipe: Recipe) -> Strengths:
    """Return how much a recipe that distorts the images distorts them."""
    return Strengths(
        rotation=recipe.rotation,
        scale=recipe.scale,
        shear=recipe.shear,
        shift=recipe.shift,
        displacement=recipe.displacement if recipe.augment == "elastic" else 0.0,
        smoothness=recipe.smoothness,
    )


def take_columns(rows: NDArray[np.uint8], columns: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Return some columns of many rows, each half of the rows by a thread of its own."""
    taken = np.empty((len(rows), len(columns)), rows.dtype)
    middle = len(rows) // 2

    def work(member: int) -> None:
        half = slice(middle) if member == 0 else slice(middle, None)
        np.take(rows[half], columns, axis=1, out=taken[half], mode="clip")

    side_by_side(work, 2)
    return taken
