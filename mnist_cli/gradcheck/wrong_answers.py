"""The well-known wrong answers to "what is the gradient of softmax and cross-entropy?".

Each takes the logits (N, C) and labels as rows (N, C), and returns what somebody somewhere says
is the gradient to the logits of the mean cross-entropy. Each looks right, and most of them even
train. The gradient check refuses every one; that it does is the proof that it can say no.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mnist_cli.nn.layers import Array, Softmax
from mnist_cli.nn.losses import CrossEntropy


def _chain(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Return the probabilities, and cross-entropy's gradient to them, ``−t/(p·N)``."""
    s = Softmax().forward(logits)
    criterion = CrossEntropy()
    criterion.forward(s, labels)
    return s, criterion.backward()


def input_for_output(logits: Array, labels: Array) -> Array:
    """Take the softmax's derivative as ``value·(1 − input)``; it is a function of the value."""
    s, dout = _chain(logits, labels)
    return dout * s * (1 - logits)


def diagonal_only(logits: Array, labels: Array) -> Array:
    """Take ``s·(1 − s)`` alone; but s_i changes with every x_j, by ``−s_i·s_j``."""
    s, dout = _chain(logits, labels)
    return dout * s * (1 - s)


def softmax_twice(logits: Array, labels: Array) -> Array:
    """Pass ``(p − t)/N`` on to the softmax; it is the gradient behind the softmax already."""
    softmax = Softmax()
    s = softmax.forward(logits)
    return softmax.backward((s - labels) / len(logits))


def whole_batch(logits: Array, labels: Array) -> Array:
    """Divide by the sum over the whole batch; each row is a distribution of its own."""
    exponentials: Array = np.exp(logits - logits.real.max())
    total: float = exponentials.sum()
    return (exponentials / total - labels) / len(logits)


def batch_size_forgotten(logits: Array, labels: Array) -> Array:
    """Take ``p − t``, the gradient of the sum; that of the mean is one N-th of it."""
    return Softmax().forward(logits) - labels


def batch_size_twice(logits: Array, labels: Array) -> Array:
    """Divide by N in the loss's gradient, and once more in the layer's."""
    return (Softmax().forward(logits) - labels) / len(logits) ** 2


@dataclass(frozen=True)
class WrongAnswer:
    """A wrong gradient.

    Attributes
    ----------
    name, formula : str
    gradient : callable
    right_for_one : bool
        Whether it comes out right by chance where the batch is a single example.
    """

    name: str
    formula: str
    gradient: Callable[[Array, Array], Array]
    right_for_one: bool = False


WRONG_ANSWERS = (
    WrongAnswer("input for output", "dz = dout·s·(1 − z)", input_for_output),
    WrongAnswer("diagonal alone", "dz = dout·s·(1 − s)", diagonal_only),
    WrongAnswer("softmax twice", "dz = Jᵀ·(p − t)/N", softmax_twice),
    WrongAnswer("softmax over the batch", "p = exp(z)/ΣΣ exp(z)", whole_batch, right_for_one=True),
    WrongAnswer("batch size forgotten", "dz = p − t", batch_size_forgotten, right_for_one=True),
    WrongAnswer("batch size twice", "dz = (p − t)/N²", batch_size_twice, right_for_one=True),
)
