"""The losses: each maps a batch and its labels to one number, and that number's gradient back.

Labels are class indices, shape (N,), or rows of probabilities, shape (N, C), which sum to one.
``dout`` is the gradient that comes from above, ∂L/∂loss: 1 where the loss is the last thing
computed, and every gradient is proportional to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.nn.layers import Array, log_softmax

Labels = NDArray[Any]


def label_rows(labels: Labels, like: Array) -> Array:
    """Return the labels as rows of probabilities: class 2 of 4 is ``0 0 1 0``.

    Parameters
    ----------
    labels : array of integers, shape (N,), or of numbers, shape (N, C)
    like : array, shape (N, C)
        What the labels are for; the new rows have its shape and its real dtype.

    Raises
    ------
    ValueError
        If the labels fit the batch neither as indices nor as rows, or an index is no class.
    """
    dtype = like.real.dtype
    if like.ndim == 2 and labels.shape == like.shape:
        # Complex labels are being differentiated; any others take the type of the batch.
        return labels if labels.dtype.kind == "c" else labels.astype(dtype, copy=False)
    if like.ndim != 2 or labels.shape != like.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels of shape {labels.shape} and type {labels.dtype} fit a batch of shape "
            f"{like.shape} neither as class indices nor as rows of probabilities"
        )
    count, classes = like.shape
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels from {labels.min()} to {labels.max()} for {classes} classes")
    rows = np.zeros(like.shape, dtype)
    rows[np.arange(count), labels] = 1
    return rows


def soften(rows: Array, smoothing: float) -> Array:
    """Return ``(1 − ε)·rows + ε/C``: labels of which a share ε is spread over all C classes.

    With labels of 0 and 1 the logits would have to be infinite; with these they need not (Szegedy,
    Vanhoucke, Ioffe, Shlens and Wojna 2016).

    Parameters
    ----------
    rows : array, shape (N, C)
    smoothing : float
        ε, at least 0 and below 1.
    """
    softened: Array = (1 - smoothing) * rows + smoothing / rows.shape[-1]
    return softened


class CrossEntropy:
    """The loss ``−(1/N)·Σ t·log p`` of probabilities ``p``, as a node of its own.

    Behind a `Softmax` it is right, but not safe: a probability that has rounded to 0 makes the
    loss infinite and its gradient useless. `SoftmaxCrossEntropy` is both.
    """

    def forward(self, probabilities: Array, labels: Labels) -> Any:
        """Return the mean loss of the batch: a number, infinite where ``p = 0`` and ``t > 0``."""
        self.probabilities = probabilities
        self.labels = label_rows(labels, probabilities)
        logarithms = np.zeros_like(probabilities)
        with np.errstate(divide="ignore"):
            # 0·log 0 is 0, as its limit; log 0 is minus infinity and the loss says so.
            np.log(probabilities, out=logarithms, where=self.labels != 0)
        return -(self.labels * logarithms).sum() / len(probabilities)

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient to the probabilities, ``−t / (p·N)·dout``, shape (N, C).

        Not ``p − t``: that is the gradient to the logits, with the softmax already
        differentiated. Passed on to a softmax node, it would be differentiated twice.
        """
        ratios = np.zeros_like(self.probabilities)
        with np.errstate(divide="ignore"):
            np.divide(self.labels, self.probabilities, out=ratios, where=self.labels != 0)
        return -ratios * (dout / len(ratios))


class SoftmaxCrossEntropy:
    """Softmax and cross-entropy in one, on logits ``z``: ``−(1/N)·Σ t·log softmax(z)``.

    As the labels of a row sum to one, this is ``mean(logsumexp(z) − Σ t·z)``. Chained, the
    gradient ``−t/(p·N)`` of the cross-entropy goes through the softmax's
    ``s ⊙ (dout − Σ dout ⊙ s)``; with ``s = p`` the ``p`` below the line cancels, and what is left
    is ``(p − t)/N``: no division, no Jacobian, nothing that could overflow (Bridle 1990).
    """

    def forward(self, logits: Array, labels: Labels) -> Any:
        """Return the mean loss of the batch: a number, finite for any logits but the very largest.

        Only where two logits of a row are farther apart than the largest number of their dtype,
        3e38 in float32, does their distance overflow.
        """
        self.labels = label_rows(labels, logits)
        self.log_probabilities = log_softmax(logits)
        return -(self.labels * self.log_probabilities).sum() / len(logits)

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient to the logits, ``(softmax − labels)/N·dout``, shape (N, C).

        The division by N is that of the mean: each example is one N-th of the loss.
        """
        softmax = np.exp(self.log_probabilities)
        return (softmax - self.labels) * (dout / len(softmax))

    def backward_labels(self, dout: float = 1.0) -> Array:
        """Return the gradient to the labels, ``−log softmax / N·dout``, shape (N, C).

        It matters where the labels are themselves computed, as in distillation.
        """
        return -self.log_probabilities * (dout / len(self.log_probabilities))


class WeightedCrossEntropy:
    """`SoftmaxCrossEntropy` with a weight for each example: ``−(1/N)·Σ w·Σ t·log softmax(z)``.

    The weights are given, as those of examples that were drawn more or less often than others.

    Attributes
    ----------
    losses : array, shape (N,)
        ``−Σ t·log softmax(z)`` of each example, without its weight.
    """

    def __init__(self) -> None:
        self.unweighted = SoftmaxCrossEntropy()

    def forward(self, logits: Array, labels: Labels, weights: Array) -> Any:
        """Return the weighted mean loss of the batch: a number, finite where the loss itself is."""
        self.unweighted.forward(logits, labels)
        logarithms = self.unweighted.log_probabilities
        self.losses = -(self.unweighted.labels * logarithms).sum(axis=1)
        self.weights = weights
        return weights @ self.losses / len(logits)

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient to the logits, ``w·(softmax − labels)/N·dout``, shape (N, C)."""
        return self.weights[:, np.newaxis] * self.unweighted.backward(dout)
