"""The network in parts, each with the optimizer that trains it.

The hidden units are cut into groups, and each group lives on a core of its own: its weights,
gradients and velocities never leave that core's cache. Where a step is too small for that to be
worth it, there is one part, the whole. How the network is cut depends on the recipe and the data
alone, so the same seed gives the same network on any number of cores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mnist_cli.nn.layers import Array
from mnist_cli.nn.mlp import MLP
from mnist_cli.nn.optimizers import OPTIMIZERS, Optimizer
from mnist_cli.recipe import Recipe

WORTH_TWO = 9000
"""From so many hidden units times images a step on, two parts are faster than one, be it by two
threads."""

UNITS = 100
"""From so many hidden units on, two parts are faster by two processes at any size of a batch: by a
third at 128 units and 32 images. One after another they take 5% longer there than the whole does;
with fewer units it would be 40%, and many small networks are trained so, a core each."""

UNITS_A_PART = 200
"""More parts than two have as many hidden units as this, so that four cores take less time than two
for a network of 800. On two cores, four parts take 2 to 8% longer there than two do."""

PARTS = 8
"""There are no more parts than these; a checkpoint that has more is broken."""


def count_parts(recipe: Recipe) -> int:
    """Return into how many parts the network is cut."""
    is_worth_two = recipe.hidden > 1 and recipe.hidden * recipe.batch_size >= WORTH_TWO
    if not is_worth_two and recipe.hidden < UNITS:
        return 1
    return min(max(2, recipe.hidden // UNITS_A_PART), PARTS)


def make_optimizer(recipe: Recipe, network: MLP) -> Optimizer:
    """Return the optimizer that the recipe names, for the parameters of ``network``."""
    make = OPTIMIZERS[recipe.optimizer]
    return make(network, recipe.momentum, recipe.weight_decay)


class Parts:
    """The parts of a network, which are trained in its place.

    Parameters
    ----------
    recipe : Recipe
    network : MLP
        What is trained: its parts are copies, and `finish` brings it up to date.
    inked : array of int
        The pixels that are not blank in all images. The weights from the others have no gradient,
        and only decay: without them a step takes 8% less, as MNIST has 67.
    parts : int
        How many.

    Attributes
    ----------
    networks : list of MLP
        The parts.
    optimizers : list of Optimizer
        What trains each.
    """

    def __init__(self, recipe: Recipe, network: MLP, inked: NDArray[np.intp], parts: int):
        self.network = network
        self.inked = inked
        self.blank = np.delete(np.arange(network.inputs), inked)
        self.weight_decay = recipe.weight_decay
        self.networks = network.cut(parts, inked)
        self.optimizers = [make_optimizer(recipe, part) for part in self.networks]
        self.decay = 1.0

    def __len__(self) -> int:
        return len(self.networks)

    def decay_blank(self, rates: Sequence[float]) -> None:
        """Note the decay of the weights from blank pixels, by steps with these learning rates."""
        self.decay *= math.prod(1 - rate * self.weight_decay for rate in rates)

    def finish(self) -> MLP:
        """Return the network as it is now, whole."""
        self.network.join(self.networks, self.inked)
        self.network.W1[self.blank] *= self.decay
        self.decay = 1.0
        return self.network

    def largest_weight(self) -> float:
        """Return the largest size of a parameter, those of blank pixels included."""
        blank = np.abs(self.network.W1[self.blank] * self.network.W1.dtype.type(self.decay))
        return float(np.max([blank.max(initial=0), *(largest(part) for part in self.networks)]))

    def memory(self) -> dict[str, Array]:
        """Return what the optimizer remembers, in the order of the whole network's parameters."""
        memories = [optimizer.memory for optimizer in self.optimizers]
        return {name: self._joined([memory[name] for memory in memories]) for name in memories[0]}

    def restore(self, parameters: Array, memory: dict[str, Array], steps: int) -> None:
        """Go back to where the parts were after so many steps."""
        self.network.parameters[:] = parameters
        for part, share in zip(self.networks, self._cut(parameters), strict=True):
            part.parameters[:] = share
        for name, vector in memory.items():
            for optimizer, share in zip(self.optimizers, self._cut(vector), strict=True):
                optimizer.memory[name][:] = share
        for optimizer in self.optimizers:
            optimizer.steps = steps

    def _joined(self, vectors: Sequence[Array]) -> Array:
        """Return a vector for the whole network, of those for its parts."""
        whole = MLP(self.network.hidden, self.network.parameters.dtype, self.network.inputs)
        twins = [MLP(part.hidden, whole.parameters.dtype, part.inputs) for part in self.networks]
        for twin, vector in zip(twins, vectors, strict=True):
            twin.parameters[:] = vector
        whole.join(twins, self.inked)
        return whole.parameters

    def _cut(self, vector: Array) -> list[Array]:
        """Return vectors for the parts of the network, of one for the whole."""
        whole = MLP(self.network.hidden, vector.dtype, self.network.inputs)
        whole.parameters[:] = vector
        return [part.parameters for part in whole.cut(len(self.networks), self.inked)]


def largest(part: MLP) -> float:
    """Return the largest size of a parameter; NaN if one is no number."""
    return float(np.abs(part.parameters).max())
