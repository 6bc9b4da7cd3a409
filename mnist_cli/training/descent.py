"""Gradient descent: the steps of an epoch, on two cores where that is worth it.

The network is cut into two halves of the hidden units, and each half lives on a core of its own:
its weights, gradients and velocities never leave that core's cache. They meet twice a step, when
both have given their share of the logits, and when the gradient to the logits is there. How the
work is cut depends on the recipe and the data alone, so the same seed gives the same network on
any number of cores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.dataset import Split
from mnist_cli.errors import TrainingDivergedError
from mnist_cli.images.augmentation import Distorter, Strengths
from mnist_cli.images.inputs import to_inputs
from mnist_cli.nn.layers import Array, Dropout
from mnist_cli.nn.losses import SoftmaxCrossEntropy, soften
from mnist_cli.nn.mlp import CLASSES, MLP
from mnist_cli.nn.optimizers import SGD, Adam, Optimizer
from mnist_cli.nn.schedules import SCHEDULES
from mnist_cli.parallel import Meet, side_by_side
from mnist_cli.recipe import Recipe

WORTH_TWO = 9000
"""From so many hidden units times images a step on, two halves are faster than one whole."""

AHEAD = 8
"""Batches that are distorted in one go."""

SHARING = 4
"""Images that are distorted alike, as a rule in different batches: to find from where greys come
takes half of the time, and is then done for all of them at once."""


def count_parts(recipe: Recipe) -> int:
    """Return into how many parts the network is cut."""
    is_worth_two = recipe.hidden > 1 and recipe.hidden * recipe.batch_size >= WORTH_TWO
    return 2 if is_worth_two else 1


def make_optimizer(recipe: Recipe, network: MLP) -> Optimizer:
    """Return the optimiser that the recipe names, for the parameters of ``network``."""
    kinds: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam}
    return kinds[recipe.optimizer](network.parameters, recipe.momentum, recipe.weight_decay)


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
    return Distorter(
        Strengths(
            rotation=recipe.rotation,
            scale=recipe.scale,
            shear=recipe.shear,
            shift=recipe.shift,
            displacement=recipe.displacement if recipe.augment == "elastic" else 0.0,
            smoothness=recipe.smoothness,
        ),
        rng,
        pixels,
        SHARING,
    )


def take_columns(rows: NDArray[np.uint8], columns: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Return some columns of many rows, each half of the rows by a thread of its own."""
    taken = np.empty((len(rows), len(columns)), rows.dtype)
    middle = len(rows) // 2

    def work(member: int, meet: Meet) -> None:
        half = slice(middle) if member == 0 else slice(middle, None)
        np.take(rows[half], columns, axis=1, out=taken[half], mode="clip")

    side_by_side(work, 2)
    return taken


@dataclass(frozen=True)
class State:
    """What a descent goes on with, between two epochs.

    Attributes
    ----------
    parameters : array, shape (P,)
    memory : dict of arrays, shape (P,)
        What the optimiser remembers, in the order of the parameters.
    generators : list of dict
        The states of the random generators: that of the images' order, and one for each part.
    """

    parameters: Array
    memory: dict[str, Array]
    generators: list[dict[str, Any]]


class Descent:
    """A network on its way down.

    Parameters
    ----------
    recipe : Recipe
    network : MLP
        What is trained: copies of its parts are, and `network` is brought up to date by `finish`.
    data : Split
        The images to learn from.
    rng : Generator
        Draws the order of the images.
    """

    def __init__(self, recipe: Recipe, network: MLP, data: Split, rng: np.random.Generator):
        self.recipe = recipe
        self.network = network
        self.labels = data.labels
        self.rng = rng
        self.schedule = SCHEDULES[recipe.schedule]
        # MNIST leaves 67 pixels blank in all images. The weights from there have no gradient, and
        # only decay; without them a step takes 8% less. What distortions move there is left out.
        self.pixels = data.images.reshape(len(data), -1)
        self.inked = np.flatnonzero(self.pixels.max(axis=0))
        self.blank = np.delete(np.arange(self.pixels.shape[1]), self.inked)
        self.parts = network.cut(count_parts(recipe), self.inked)
        self.optimizers = [make_optimizer(recipe, part) for part in self.parts]
        self.streams = rng.spawn(len(self.parts))
        self.distorters = [make_distorter(recipe, stream, self.inked) for stream in self.streams]
        if recipe.augment == "none":
            self.pixels = take_columns(self.pixels, self.inked)
        if recipe.dropout:
            for part, stream in zip(self.parts, self.streams, strict=True):
                part.dropout = Dropout(recipe.dropout, stream)
        self.criterion = SoftmaxCrossEntropy()
        dtype = network.parameters.dtype
        self.rows = soften(np.eye(CLASSES, dtype=dtype), recipe.label_smoothing)
        # While one batch is trained on, the next is prepared: or several, if they are distorted, as
        # all the memory for that is then fetched into the cache less often.
        self.ahead = AHEAD if recipe.augment != "none" else 1
        rows = min(self.ahead * recipe.batch_size, len(data))
        self.inputs = np.empty((2, rows, len(self.inked)), dtype)
        self.decay = 1.0

    def epoch(
        self, number: int, advance: Callable[[int], object] = lambda steps: None
    ) -> tuple[float, float]:
        """Visit every image once, and return the means of loss and accuracy before each step.

        Raises
        ------
        TrainingDivergedError
            If the loss or a weight is no longer a finite number.
        """
        size = self.recipe.batch_size
        order = self.rng.permutation(len(self.labels))
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        rates = [self._learning_rate(number - 1 + k / len(batches)) for k in range(len(batches))]
        shares: list[Array] = [np.empty(0)] * len(self.parts)
        delta2 = shares[0]
        with np.errstate(over="ignore", invalid="ignore"):
            for member in range(len(self.parts)):
                self._prepare(member, order, 0)
        loss_sum, correct = 0.0, 0

        def work(member: int, meet: Meet) -> None:
            nonlocal delta2, loss_sum, correct
            part, optimizer = self.parts[member], self.optimizers[member]
            for step, (batch, learning_rate) in enumerate(zip(batches, rates, strict=True), 1):
                shares[member] = part.forward(self._inputs(step - 1, len(batch)))
                meet()
                if member == 0:
                    loss, right = self._loss(shares, batch)
                    self._check(loss, number, step, learning_rate)
                    delta2 = self.criterion.backward()
                    loss_sum += loss * len(batch)
                    correct += right
                    advance(1)
                self._prepare(member, order, step)
                meet()
                part.backward(delta2, overwrite=True)
                optimizer.step(part.parameters, part.gradients, learning_rate)

        def quietly(member: int, meet: Meet) -> None:
            # What overflows is told by the loss, once.
            with np.errstate(over="ignore", invalid="ignore"):
                work(member, meet)

        side_by_side(quietly, len(self.parts))
        self.decay *= math.prod(1 - rate * self.recipe.weight_decay for rate in rates)
        # What the last step did is in no loss yet.
        with np.errstate(over="ignore", invalid="ignore"):
            inputs = self._inputs(len(batches) - 1, len(batches[-1]))
            loss, _ = self._loss([part.forward(inputs) for part in self.parts], batches[-1])
            largest = float(np.max([np.abs(part.parameters).max() for part in self.parts]))
        self._check(loss, number, len(batches), rates[-1])
        self._check(largest, number, len(batches), rates[-1], "the largest weight")
        return loss_sum / len(order), correct / len(order)

    def _loss(self, shares: Sequence[Array], batch: NDArray[np.intp]) -> tuple[float, int]:
        """Return the loss of a batch by its logits, and how many of its images are read rightly."""
        logits = sum(shares[1:], start=shares[0])
        labels = self.labels[batch]
        loss = float(self.criterion.forward(logits, self.rows[labels]))
        return loss, int((logits.argmax(axis=1) == labels).sum())

    def _check(
        self, value: float, epoch: int, step: int, learning_rate: float, what: str = "the loss"
    ) -> None:
        """Raise TrainingDivergedError if a value is no finite number."""
        if not math.isfinite(value):
            raise TrainingDivergedError(
                f"Training diverged in epoch {epoch}, step {step}, at the learning rate "
                f"{learning_rate:.3g}: {what} is {value}; try a smaller `learning_rate`."
            )

    def finish(self) -> MLP:
        """Return the network as it is now, whole."""
        self.network.join(self.parts, self.inked)
        self.network.W1[self.blank] *= self.decay
        self.decay = 1.0
        return self.network

    def state(self) -> State:
        """Return a copy of all that `restore` needs, when `finish` has been called."""
        memories = [optimizer.memory for optimizer in self.optimizers]
        memory = {name: self._joined([memory[name] for memory in memories]) for name in memories[0]}
        generators = [dict(rng.bit_generator.state) for rng in (self.rng, *self.streams)]
        return State(self.network.parameters.copy(), memory, generators)

    def restore(self, state: State, epochs: int) -> None:
        """Go back to a state that a descent with the same recipe and data had after some epochs."""
        self.network.parameters[:] = state.parameters
        for part, parameters in zip(self.parts, self._cut(state.parameters), strict=True):
            part.parameters[:] = parameters
        for name, vector in state.memory.items():
            for optimizer, share in zip(self.optimizers, self._cut(vector), strict=True):
                optimizer.memory[name][:] = share
        for optimizer in self.optimizers:
            optimizer.steps = epochs * math.ceil(len(self.labels) / self.recipe.batch_size)
        for rng, generator in zip((self.rng, *self.streams), state.generators, strict=True):
            rng.bit_generator.state = generator

    def _joined(self, vectors: Sequence[Array]) -> Array:
        """Return a vector for the whole network, of those for its parts."""
        whole = MLP(self.network.hidden, self.network.parameters.dtype)
        halves = [MLP(part.hidden, whole.parameters.dtype, part.inputs) for part in self.parts]
        for half, vector in zip(halves, vectors, strict=True):
            half.parameters[:] = vector
        whole.join(halves, self.inked)
        return whole.parameters

    def _cut(self, vector: Array) -> list[Array]:
        """Return vectors for the parts of the network, of one for the whole."""
        whole = MLP(self.network.hidden, vector.dtype)
        whole.parameters[:] = vector
        return [part.parameters for part in whole.cut(len(self.parts), self.inked)]

    def _learning_rate(self, epochs: float) -> float:
        """Return the learning rate after so many epochs."""
        return self.recipe.learning_rate * self.schedule(epochs / self.recipe.epochs)

    def _inputs(self, step: int, size: int) -> Array:
        """Return what the images of a step, from 0, have been prepared as."""
        buffer, place = divmod(step, self.ahead)
        begin = place * self.recipe.batch_size
        return self.inputs[buffer % 2, begin : begin + size]

    def _prepare(self, member: int, order: NDArray[np.intp], step: int) -> None:
        """Prepare a member's share of the inputs of a step, from 0, and of those that go with it.

        Distortions are worth sharing; else the last member does all, as the first has the loss.
        """
        buffer, place = divmod(step, self.ahead)
        if place:
            return
        start = step * self.recipe.batch_size
        batch = order[start : start + self.ahead * self.recipe.batch_size]
        members = len(self.parts)
        distorter = self.distorters[member]
        if distorter:
            begin, end = (len(batch) * share // members for share in (member, member + 1))
        else:
            begin, end = 0 if member == members - 1 else len(batch), len(batch)
        if begin == end:
            return
        images = np.take(self.pixels, batch[begin:end], axis=0)
        out = self.inputs[buffer % 2, begin:end]
        if distorter:
            distorter.distort(images, out)
        else:
            to_inputs(images, out.dtype, out)
