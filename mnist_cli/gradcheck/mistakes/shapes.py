# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""Gradients of another shape than the array that they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mnist_cli.gradcheck.mistakes.likeness import alike, known
from mnist_cli.gradcheck.mistakes.registry import Claim, mistake

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

MATRICES = "Parr and Howard (2018), The Matrix Calculus You Need For Deep Learning"
NOTES = "CS231n (Stanford), notes 'Backpropagation, Intuitions', on vectorized operations"

# Shapes are compared as the code has them, and not with an example in each row.


@mistake(
    "bias-not-summed",
    stage="shape",
    formula="db = Σ_n dout_n",
    wrong="self.db = dout",
    right="self.db = dout.sum(axis=0)",
    source=NOTES,
)
def bias_not_summed(evidence: Evidence) -> Iterator[Claim]:
    """It was not summed over the batch.

    Every example went through the same numbers, so their gradients add up: sum over axis 0.
    """
    computed, exact = evidence.comparison.computed, evidence.comparison.exact
    for axis, word in ((0, "axis 0"), (-1, "axis 1")):
        summed = computed.sum(axis=axis) if computed.ndim else computed
        if summed.size != exact.size or computed.size == exact.size:
            continue
        if alike(summed.reshape(exact.shape), exact, known(exact)):
            yield (
                evidence.computed,
                "It was not summed over the batch; every example went through the same "
                f"numbers, so their gradients add up: sum over {word}.",
            )


@mistake(
    "bias-summed-to-one",
    stage="shape",
    formula="db_j = Σ_n dout_nj",
    wrong="self.db = dout.sum()",
    right="self.db = dout.sum(axis=0)",
    source=NOTES,
)
def bias_summed_to_one(evidence: Evidence) -> Iterator[Claim]:
    """It is summed to one number, but each entry has a gradient of its own: sum over axis 0 only.

    NumPy broadcasts the one number, so that all entries of the bias move alike.
    """
    computed, exact = evidence.comparison.computed, evidence.comparison.exact
    if computed.size == 1 < exact.size and _is(float(computed.sum()), float(exact.sum())):
        yield evidence.computed


@mistake(
    "summed-over-wrong-axis",
    stage="shape",
    formula="db_j = Σ_n dout_nj",
    wrong="self.db = dout.sum(axis=1)",
    right="self.db = dout.sum(axis=0)",
    source=NOTES,
)
def summed_over_wrong_axis(evidence: Evidence) -> Iterator[Claim]:
    """It is summed over the wrong axis: over the outputs, and not over the examples."""
    # Without a name there is but a comparison, and no dout.
    if evidence.is_input or not evidence.name or evidence.dout.ndim != 2:
        return
    wrong, computed = evidence.dout.sum(axis=1), evidence.comparison.computed
    if not alike(evidence.exact.ravel(), evidence.dout.sum(axis=0), None):
        return
    if computed.size == wrong.size and alike(computed.reshape(wrong.shape), wrong):
        yield evidence.computed


@mistake(
    "transposed",
    stage="shape",
    formula="dW = xᵀ·dout,  dx = dout·Wᵀ",
    wrong="self.dW = dout.T @ self.x",
    right="self.dW = self.x.T @ dout",
    source=NOTES,
)
def transposed(evidence: Evidence) -> Iterator[Claim]:
    """The numbers are right, but it is transposed."""
    computed, exact = evidence.comparison.computed, evidence.comparison.exact
    if computed.shape == exact.T.shape and alike(computed.T, exact, known(exact)):
        yield evidence.computed


@mistake(
    "wrong-shape",
    stage="shape",
    formula="the gradient to x has the shape of x",
    wrong="return dx.ravel()",
    right="return dx.reshape(x.shape)",
    source=MATRICES,
)
def wrong_shape(evidence: Evidence) -> Iterator[Claim]:
    """It does not have the shape of the array that it is the gradient to."""
    computed, exact = evidence.comparison.computed, evidence.comparison.exact
    if computed.size == exact.size and alike(computed.reshape(exact.shape), exact, known(exact)):
        yield evidence.computed, "The numbers are right: reshape it."
    yield evidence.computed, ""


def _is(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=1e-7, atol=0))
