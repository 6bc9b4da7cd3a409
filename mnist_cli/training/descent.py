"""Gradient descent: the steps of an epoch.

The parts of the network meet twice a step, when all have given their share of the logits, and
when the gradient to the logits is there. `mnist_cli.nn.textbook` does the same in a dozen lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.dataset import Split
from mnist_cli.errors import TrainingDivergedError
from mnist_cli.nn.layers import Array, Dropout
from mnist_cli.nn.losses import soften
from mnist_cli.nn.mlp import CLASSES, MLP
from mnist_cli.nn.optimizers import Optimizer
from mnist_cli.nn.schedules import SCHEDULES
from mnist_cli.parallel import side_by_side, workers_for
from mnist_cli.parallel.shared_memory import shared_zeros
from mnist_cli.recipe import Recipe
from mnist_cli.training.batches import Batches
from mnist_cli.training.parts import Parts, count_parts
from mnist_cli.training.sampling import make_sampler


@dataclass(frozen=True)
class State:
    """All that a descent needs to continue, between two epochs.

    Attributes
    ----------
    parameters : array, shape (P,)
    memory : dict of arrays, shape (P,)
        What the optimizer remembers, in the order of the parameters.
    generators : list of dict
        The states of the random generators: that of the images' order, and one for each part.
    losses : array of float32, shape (N,), or None
        The remembered loss of each image, where they are drawn by it.
    """

    parameters: Array
    memory: dict[str, Array]
    generators: list[dict[str, Any]]
    losses: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Pass:
    """What one pass over the images gave: means over all of them, and the last learning rate."""

    loss: float
    accuracy: float
    learning_rate: float


@dataclass(frozen=True)
class Reached:
    """What a part of the network has come to at the end of an epoch, perhaps in another process."""

    parameters: Array
    optimizer: Optimizer
    stream: Mapping[str, Any]


class Descent:
    """A network on its way down.

    Parameters
    ----------
    recipe : Recipe
    network : MLP
        What is trained; `finish` brings it up to date.
    data : Split
        The images to learn from.
    rng : Generator
        Draws the order of the images.
    parts : int, optional
        How many the network has; as many as `count_parts` says, if not given.
    """

    batches_of = Batches
    """What gives the inputs of the steps."""

    def __init__(
        self,
        recipe: Recipe,
        network: MLP,
        data: Split,
        rng: np.random.Generator,
        parts: int | None = None,
    ):
        self.recipe = recipe
        self.labels = data.labels
        self.rng = rng
        self.streams = rng.spawn(parts or count_parts(recipe))
        self.batches = self.batches_of(recipe, data.images, self.streams)
        trained = self._stand_in(network)
        self.parts = Parts(recipe, trained, self.batches.inked, len(self.streams))
        if recipe.dropout:
            for part, stream in zip(self.parts.networks, self.streams, strict=True):
                part.dropout = Dropout(recipe.dropout, stream)
        self.workers = workers_for(len(self.parts), share_memory=True)
        self.sampler = make_sampler(recipe, len(data))
        dtype = network.parameters.dtype
        # What the parts tell each other in a step, wherever they work.
        rows = min(recipe.batch_size, len(data))
        self.shares = shared_zeros((len(self.parts), rows, CLASSES), dtype)
        self.delta2 = shared_zeros((rows, CLASSES), dtype)
        self.rows = soften(np.eye(CLASSES, dtype=dtype), recipe.label_smoothing)

    def epoch(self, number: int, advance: Callable[[float], object] = lambda loss: None) -> Pass:
        """Visit as many images as there are, each once or as the recipe's sampling says.

        Parameters
        ----------
        number : int
            Which epoch this is, from 1.
        advance : callable
            Is given in each step the mean loss of the epoch so far.

        Returns
        -------
        Pass
            Loss and accuracy are those before each step.

        Raises
        ------
        TrainingDivergedError
            If the loss or a weight is no longer a finite number.
        """
        order = self.sampler.draw(self.rng)
        batches = self.batches.cut(order)
        rates = [self._learning_rate(number - 1 + k / len(batches)) for k in range(len(batches))]
        parts, optimizers = self.parts.networks, self.parts.optimizers
        loss_sum, seen, correct = 0.0, 0.0, 0.0

        def work(member: int) -> Generator[None, None, Reached]:
            nonlocal loss_sum, seen, correct
            part, optimizer = parts[member], optimizers[member]
            for step, (batch, learning_rate) in enumerate(zip(batches, rates, strict=True), 1):
                shares, delta2 = self.shares[:, : len(batch)], self.delta2[: len(batch)]
                shares[member] = part.forward(self.batches.inputs(step - 1, len(batch)))
                yield
                if member == 0:
                    loss, right = self._loss(shares, batch)
                    check_finite(loss, "the loss", number, step, learning_rate)
                    delta2[:] = self.sampler.gradient()
                    self.sampler.remember(batch)
                    loss_sum += loss * len(batch)
                    seen += self.sampler.count(batch)
                    correct += right
                    advance(loss_sum / seen)
                self.batches.prepare(member, order, step)
                yield
                part.backward(delta2, overwrite=True)
                optimizer.step(part.parameters, part.gradients, learning_rate)
            return Reached(part.parameters, optimizer, self.streams[member].bit_generator.state)

        # What overflows is told by the loss, once.
        with np.errstate(over="ignore", invalid="ignore"):
            for member in range(len(parts)):
                self.batches.prepare(member, order, 0)
            self._take_over(side_by_side(work, len(parts), share_memory=True))
            self.parts.decay_blank(rates)
            # What the last step did is in no loss yet.
            inputs = self.batches.inputs(len(batches) - 1, len(batches[-1]))
            loss, _ = self._loss(np.stack([part.forward(inputs) for part in parts]), batches[-1])
            largest = self.parts.largest_weight()
        check_finite(loss, "the loss", number, len(batches), rates[-1])
        check_finite(largest, "the largest weight", number, len(batches), rates[-1])
        return Pass(loss_sum / seen, correct / seen, rates[-1])

    def finish(self) -> MLP:
        """Return the network as it is now, whole."""
        return self.parts.finish()

    def state(self) -> State:
        """Return a copy of all that `restore` needs, when `finish` has been called."""
        generators = [dict(rng.bit_generator.state) for rng in (self.rng, *self.streams)]
        parameters, losses = self.parts.network.parameters.copy(), self.sampler.losses
        kept = None if losses is None else losses.copy()
        return State(parameters, self.parts.memory(), generators, kept)

    def restore(self, state: State, epochs: int) -> None:
        """Go back to a state that a descent with the same recipe and data had after some epochs."""
        steps = epochs * math.ceil(len(self.labels) / self.recipe.batch_size)
        self.parts.restore(state.parameters, state.memory, steps)
        for rng, generator in zip((self.rng, *self.streams), state.generators, strict=True):
            rng.bit_generator.state = generator
        if self.sampler.losses is not None and state.losses is not None:
            self.sampler.losses[:] = state.losses

    def _stand_in(self, network: MLP) -> MLP:
        """Return what is trained in the network's place: itself."""
        return network

    def _take_over(self, reached: Sequence[Reached]) -> None:
        """Be where the parts are at the end of an epoch."""
        for member, its in enumerate(reached):
            self.parts.networks[member].parameters[:] = its.parameters
            self.parts.optimizers[member] = its.optimizer
            self.streams[member].bit_generator.state = its.stream

    def _loss(self, shares: Array, batch: NDArray[np.intp]) -> tuple[float, float]:
        """Return the loss of a batch by its logits, and how many of its images are read rightly."""
        logits: Array = sum(shares[1:], start=shares[0])
        labels = self.labels[batch]
        loss = self.sampler.loss(logits, self.rows[labels], batch)
        return loss, self.sampler.count(batch[logits.argmax(axis=1) == labels])

    def _learning_rate(self, epochs: float) -> float:
        """Return the learning rate after so many epochs."""
        schedule = SCHEDULES[self.recipe.schedule]
        return self.recipe.learning_rate * schedule(epochs / self.recipe.epochs)


def check_finite(value: float, what: str, epoch: int, step: int, learning_rate: float) -> None:
    """Raise TrainingDivergedError if a value is no finite number."""
    if not math.isfinite(value):
        raise TrainingDivergedError(
            f"Training diverged in epoch {epoch}, step {step}, at the learning rate "
            f"{learning_rate:.3g}: {what} is {value}; try a smaller `learning_rate`, or a smaller "
            "`weight_decay`."
        )
