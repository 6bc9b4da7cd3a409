"""The optimisers: how a vector of gradients changes the vector of parameters.

Weight decay is decoupled from the gradient in both: ``w ← w − η·λ·w``, before the step (after
Loshchilov and Hutter 2019, with the learning rate η as a factor). It acts on all parameters.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from mnist_cli.nn.layers import Array


class Optimizer(Protocol):
    """Anything that can take a step."""

    steps: int
    """How many have been taken."""

    def step(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        """Change ``parameters`` in place."""

    @property
    def memory(self) -> dict[str, Array]:
        """What it remembers of earlier gradients, by the formula's letters; not copies."""


class SGD:
    """Stochastic gradient descent with momentum: ``v ← μ·v + g``, ``w ← w − η·v``.

    The velocity ``v`` averages the noise of the batches away, and gathers speed where they agree
    (Polyak 1964; Sutskever, Martens, Dahl and Hinton 2013).

    Parameters
    ----------
    parameters : array, shape (P,)
        What will be trained; only its shape and dtype are taken here.
    momentum : float
        μ, between 0 (none) and 1 (exclusive).
    weight_decay : float
        λ, at least 0.
    """

    def __init__(self, parameters: Array, momentum: float = 0.9, weight_decay: float = 0.0):
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.steps = 0
        self.v = np.zeros_like(parameters)

    @property
    def memory(self) -> dict[str, Array]:
        """The velocity ``v``."""
        return {"v": self.v}

    def step(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        """Change ``parameters`` in place, by ``−η·v`` and the decay."""
        self.steps += 1
        self.v *= self.momentum
        self.v += gradients
        parameters *= 1 - learning_rate * self.weight_decay
        parameters -= learning_rate * self.v


class Adam:
    """Adam: every parameter's step is scaled by how large its gradients have been.

    ``m ← β₁·m + (1 − β₁)·g`` and ``v ← β₂·v + (1 − β₂)·g²`` start at zero, so both are divided by
    what they lack, ``1 − βᵗ``; then ``w ← w − η·m̂/(√v̂ + ε)`` (Kingma and Ba 2015).

    Parameters
    ----------
    parameters : array, shape (P,)
        What will be trained; only its shape and dtype are taken here.
    beta1 : float
        β₁, which stands where momentum does in `SGD`.
    weight_decay : float
        λ, at least 0.
    """

    beta2 = 0.999
    epsilon = 1e-8

    def __init__(self, parameters: Array, beta1: float = 0.9, weight_decay: float = 0.0):
        self.beta1 = beta1
        self.weight_decay = weight_decay
        self.steps = 0
        self.m = np.zeros_like(parameters)
        self.v = np.zeros_like(parameters)

    @property
    def memory(self) -> dict[str, Array]:
        """The means ``m`` of the gradients, and ``v`` of their squares."""
        return {"m": self.m, "v": self.v}

    def step(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        """Change ``parameters`` in place, by ``−η·m̂/(√v̂ + ε)`` and the decay."""
        self.steps += 1
        self.m *= self.beta1
        self.m += (1 - self.beta1) * gradients
        self.v *= self.beta2
        self.v += (1 - self.beta2) * gradients**2
        parameters *= 1 - learning_rate * self.weight_decay
        # η·m̂/(√v̂ + ε) with both corrections in two numbers, which spares two passes.
        lacking = math.sqrt(1 - self.beta2**self.steps)
        rate = learning_rate * lacking / (1 - self.beta1**self.steps)
        parameters -= rate * self.m / (np.sqrt(self.v) + lacking * self.epsilon)


OPTIMIZERS: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam}
"""The optimizers by the names that recipes have for them."""
