"""The network 784-hidden-10 of the textbook, its parameters in one vector.

Forwards ``z1, a1, z2``, backwards ``delta2, delta1``; and because the parameters are one vector
and their gradients another, whoever updates, saves or checks them needs no loop over names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mnist_cli.nn.layers import Array, Dropout, Linear, ReLU, Softmax

INPUTS = 784
CLASSES = 10


def parameter_count(hidden: int, inputs: int = INPUTS) -> int:
    """Return how many numbers W1, b1, W2 and b2 hold together: 101,770 for 128 hidden units."""
    return (inputs + 1) * hidden + (hidden + 1) * CLASSES


class MLP:
    """A multi-layer perceptron with one hidden layer of rectifiers.

    Forwards, for a batch ``x`` of shape (N, 784)::

        z1 = x·W1 + b1        (N, hidden)
        a1 = relu(z1)         (N, hidden)
        z2 = a1·W2 + b2       (N, 10)       the logits
        a2 = softmax(z2)      (N, 10)       the probabilities

    Backwards, from ``delta2 = ∂L/∂z2``, which the loss gives::

        dW2 = a1ᵀ·delta2      db2 = 1ᵀ·delta2
        delta1 = (delta2·W2ᵀ) ⊙ [z1 > 0]
        dW1 = xᵀ·delta1       db1 = 1ᵀ·delta1

    Parameters
    ----------
    hidden : int
        The number of hidden units.
    dtype : dtype
        float32 to train, float64 to study, complex128 to differentiate by the complex step.
    inputs : int
        784, but for a coarse network, or a part that `cut` has made.

    Attributes
    ----------
    parameters, gradients : array, shape ((784 + 1)·hidden + (hidden + 1)·10,)
        One vector each; W1, b1, W2, b2 and dW1, db1, dW2, db2 are views of them, in this order.
        All zero at first.
    dropout : Dropout or None
        What training may put between ``a1`` and ``W2``.
    """

    def __init__(self, hidden: int, dtype: DTypeLike = np.float32, inputs: int = INPUTS):
        self.hidden = hidden
        self.inputs = inputs
        self.parameters = np.zeros(parameter_count(hidden, inputs), dtype)
        self.gradients = np.zeros_like(self.parameters)
        self.relu = ReLU()
        self.dropout: Dropout | None = None
        self.softmax = Softmax()
        self._make_views()

    def _make_views(self) -> None:
        """Make the matrices and biases that are views of the two vectors, and their layers."""
        self.W1, self.b1, self.W2, self.b2 = self._views(self.parameters)
        self.dW1, self.db1, self.dW2, self.db2 = self._views(self.gradients)
        self.linear1 = Linear(self.W1, self.b1, self.dW1, self.db1)
        self.linear2 = Linear(self.W2, self.b2, self.dW2, self.db2)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A copy, or what comes out of a pickle, has arrays of its own where there were views.
        self.__dict__.update(state)
        layers = self.linear1, self.linear2
        self._make_views()
        for layer, before in zip((self.linear1, self.linear2), layers, strict=True):
            if hasattr(before, "x"):
                layer.x = before.x

    def _views(self, vector: Array) -> tuple[Array, Array, Array, Array]:
        """Return the parts of ``vector`` that belong to W1, b1, W2 and b2, in their shapes."""
        inputs, hidden = self.inputs, self.hidden
        ends = np.cumsum([inputs * hidden, hidden, hidden * CLASSES])
        W1, b1, W2, b2 = np.split(vector, ends)
        return W1.reshape(inputs, hidden), b1, W2.reshape(hidden, CLASSES), b2

    def initialize(self, rng: np.random.Generator) -> None:
        """Draw the weights from N(0, 2/fan_in), and set the biases to zero.

        A rectifier passes half of what it is given, and the 2 makes up for that half: ``z`` keeps
        its variance from layer to layer (He, Zhang, Ren and Sun 2015).
        """
        self.parameters[:] = 0
        for W in (self.W1, self.W2):
            W[:] = rng.normal(0, np.sqrt(2 / len(W)), W.shape)

    def forward(self, x: Array) -> Array:
        """Return the logits ``z2``, shape (N, 10), of a batch ``x`` of shape (N, 784)."""
        self.z1 = self.linear1.forward(x)
        self.a1 = self.relu.forward(self.z1)
        if self.dropout:
            self.a1 = self.dropout.forward(self.a1)
        self.z2 = self.linear2.forward(self.a1)
        return self.z2

    def probabilities(self, x: Array) -> Array:
        """Return ``a2 = softmax(z2)``, shape (N, 10): what the network believes of each image."""
        self.a2 = self.softmax.forward(self.forward(x))
        return self.a2

    def backward(self, delta2: Array, *, overwrite: bool = False) -> None:
        """Add the gradients of all parameters to ``gradients``, given ``delta2 = ∂L/∂z2``.

        The gradient to the images is not computed, as nothing in training asks for it. With
        ``overwrite``, ``gradients`` counts as zero, and is replaced.
        """
        self.delta2 = delta2
        dout = self.linear2.backward(delta2, overwrite=overwrite)
        if self.dropout:
            dout = self.dropout.backward(dout)
        self.delta1 = self.relu.backward(dout)
        self.linear1.accumulate(self.delta1, overwrite=overwrite)

    def zero_gradients(self) -> None:
        """Set ``gradients`` to zero, as before each new pass."""
        self.gradients[:] = 0

    def cut(self, parts: int, inputs: NDArray[np.intp]) -> list[MLP]:
        """Return copies of groups of the hidden units, as networks side by side.

        Each unit adds its own share to the logits, so ``z2`` is the sum of what the parts give,
        and ``delta2`` goes back to each part alike. The output's bias is with the first part; in
        the others it stays zero, as its gradient there goes nowhere.

        Parameters
        ----------
        parts : int
        inputs : array of int
            The inputs that the parts have; the others must be zero in all that they are given.
        """
        networks = []
        for units in np.array_split(np.arange(self.hidden), parts):
            part = MLP(len(units), self.parameters.dtype, len(inputs))
            part.W1[:], part.b1[:] = self.W1[np.ix_(inputs, units)], self.b1[units]
            part.W2[:] = self.W2[units]
            networks.append(part)
        networks[0].b2[:] = self.b2
        for part in networks[1:]:
            part.linear2.db = np.zeros_like(part.db2)
        return networks

    def join(self, networks: Sequence[MLP], inputs: NDArray[np.intp]) -> None:
        """Take over the parameters of the networks that `cut` has made."""
        self.W1[inputs] = np.concatenate([part.W1 for part in networks], axis=1)
        self.b1[:] = np.concatenate([part.b1 for part in networks])
        self.W2[:] = np.concatenate([part.W2 for part in networks])
        self.b2[:] = networks[0].b2
