"""The optimisers: how a vector of gradients changes the vector of parameters.

Weight decay is decoupled from the gradient in all: ``w ← w − η·λ·w``, before the step (after
Loshchilov and Hutter 2019, with the learning rate η as a factor). It acts on all parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from mnist_cli.nn.layers import Array
from mnist_cli.nn.mlp import MLP


class Optimizer(Protocol):
    """Anything that can take a step."""

    steps: int
    """How many have been taken."""

    squares: tuple[str, ...]
    """What of its memory is of squares of gradients."""

    def step(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        """Change ``parameters`` in place."""

    @property
    def memory(self) -> dict[str, Array]:
        """What it remembers of earlier gradients, by the formula's letters; not copies."""


FADED = 1e-20
"""What is remembered of a weight that no longer gets a gradient is set to 0 below this.

It cannot change a weight any more. If it went on to fade, it would come below 1e-38, to the
denormal numbers of float32, with which processors compute many times slower.
"""

FADING = 256
"""Steps between two searches for what has faded: in so many, 0.9 makes 1e-32 of 1e-20."""


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

    squares: tuple[str, ...] = ()

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
        self._remember(gradients)
        parameters *= 1 - learning_rate * self.weight_decay
        parameters -= learning_rate * self.v

    def _remember(self, gradients: Array) -> None:
        """Count a step, and let ``v`` be ``μ·v + g``."""
        self.steps += 1
        self.v *= self.momentum
        self.v += gradients
        if self.steps % FADING == 0:
            forget_faded(self.v)


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
    squares: tuple[str, ...] = ("v",)

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
        if self.steps % FADING == 0:
            forget_faded(self.m)
        parameters *= 1 - learning_rate * self.weight_decay
        # η·m̂/(√v̂ + ε) with both corrections in two numbers, which spares two passes.
        lacking = math.sqrt(1 - self.beta2**self.steps)
        rate = learning_rate * lacking / (1 - self.beta1**self.steps)
        parameters -= rate * self.m / (np.sqrt(self.v) + lacking * self.epsilon)


class Muon(SGD):
    """Muon: as `SGD`, but what is taken from ``W1`` has no direction that outweighs the others.

    The velocity ``V`` of some columns of ``W1`` is ``U·S·Rᵀ``, with orthonormal ``U`` and ``R``
    and a diagonal ``S``, in which a few directions, those that most images share, have by far the
    largest entries. Muon makes all of them about 1: ``W1 ← W1 − η/3·U·Rᵀ``, by `orthogonalized`
    (Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein 2024). That is the steepest descent
    where the size of a step is its largest singular value (Bernstein and Newhouse 2024). The other
    parameters take the steps of `SGD`.

    Parameters
    ----------
    parameters : array, shape (P,)
        What will be trained; only its shape and dtype are taken here.
    shape : pair of int
        That of ``W1``, with which the parameters begin.
    momentum : float
        μ, between 0 (none) and 1 (exclusive).
    weight_decay : float
        λ, at least 0.
    """

    columns = 32
    """So many columns are made orthonormal together: of 8, 16, 32, 64 and 128, the best."""

    share = 1 / 3
    """What ``W1`` takes of the learning rate, so that one rate is right for all parameters."""

    def __init__(
        self,
        parameters: Array,
        shape: tuple[int, int],
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, momentum, weight_decay)
        self.shape = shape

    def step(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        """Change ``parameters`` in place, by ``−η/3·U·Rᵀ`` and ``−η·v``, and the decay."""
        self._remember(gradients)
        parameters *= 1 - learning_rate * self.weight_decay
        end = math.prod(self.shape)
        W1, V = (vector[:end].reshape(self.shape) for vector in (parameters, self.v))
        for start in range(0, self.shape[1], self.columns):
            block = np.s_[:, start : start + self.columns]
            W1[block] -= self.share * learning_rate * orthogonalized(V[block])
        parameters[end:] -= learning_rate * self.v[end:]


def forget_faded(memory: Array) -> None:
    """Set to 0 what is smaller than `FADED`."""
    memory[np.abs(memory) < FADED] = 0


def orthogonalized(V: Array, steps: int = 3) -> Array:
    """Return about ``U·Rᵀ``, for ``V = U·S·Rᵀ`` of more rows than columns.

    By the Newton-Schulz iteration, from ``X = V/‖V‖``: ``X ← X·(a·I + b·A + c·A²)``, where
    ``A = Xᵀ·X``. It makes ``a·s + b·s³ + c·s⁵`` of every singular value ``s``, which soon comes
    near 1 and stays there. As ``X`` is ``V·P`` all the time, it is enough to find the small matrix
    ``P``, and ``A`` is ``Pᵀ·(Vᵀ·V)·P``.

    Parameters
    ----------
    V : array, shape (N, M)
    steps : int
        How often: 3 lift all from 0.02 of ``‖V‖`` on to about 1. Jordan and others take 5, which
        here made no fewer errors.

    Returns
    -------
    array, shape (N, M)
        Zero for a ``V`` of zeros.
    """
    a, b, c = 3.4445, -4.7750, 2.0315  # those of Jordan and others, for a steep start
    VV = V.T @ V
    identity = np.eye(len(VV), dtype=V.dtype)
    P = identity / math.sqrt(max(float(np.trace(VV)), float(np.finfo(V.dtype).tiny)))
    for _ in range(steps):
        A = P.T @ VV @ P
        P = P @ (a * identity + b * A + c * (A @ A))
    result: Array = V @ P
    return result


OPTIMIZERS: dict[str, Callable[[MLP, float, float], Optimizer]] = {
    "sgd": lambda network, momentum, decay: SGD(network.parameters, momentum, decay),
    "adam": lambda network, momentum, decay: Adam(network.parameters, momentum, decay),
    "muon": lambda network, momentum, decay: Muon(
        network.parameters, network.W1.shape, momentum, decay
    ),
}
"""What makes the optimizer of a network, by the names that recipes have for them."""
