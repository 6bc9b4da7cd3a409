# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""The mistakes with the activation that a dense layer has inside.

    out = f(z),  z = x·W + b:   dz = dout ⊙ f′(z),   dx = dz·Wᵀ,   dW = xᵀ·dz,   db = Σ dz

The gradients are those of a wrong ``dz``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mnist_cli.gradcheck.mistakes.likeness import ratio
from mnist_cli.gradcheck.mistakes.registry import Claim, also
from mnist_cli.gradcheck.operation import Array

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

MOST_OUTPUTS = 3
"""How many outputs are searched for an activation behind the weights."""


@also("not-differentiated", "special")
def activation_not_differentiated(evidence: Evidence) -> Iterator[Claim]:
    """The derivative of the layer's activation is missing.

    Multiply dout by f′(z) first, as by z > 0 for a rectifier and by 1 − a² for a hyperbolic
    tangent. The gradients to the weights, the bias and the input are made of that product.
    """
    if evidence.dout.ndim == 2:
        yield from _of(evidence, evidence.dout)


@also("wrong-mask", "special")
def activation_masked_by_gradient(evidence: Evidence) -> Iterator[Claim]:
    """The mask of the layer's rectifier is taken from dout, the gradient from above.

    It is z > 0, or a > 0: where the rectifier was open on the way forward.
    """
    if evidence.dout.ndim == 2:
        yield from _of(evidence, evidence.dout * (evidence.dout > 0))


def _of(evidence: Evidence, dz: Array) -> Iterator[Array]:
    """Yield the gradient that follows from a wrong gradient to z, if the code is such a layer."""
    operation = evidence.operation
    if not (operation.takes_dout and evidence.has_x and evidence.is_small):
        return
    x = evidence.x
    for weight, array in operation.at.items():
        if weight in operation.data or array.ndim != 2 or x.ndim != 2:
            continue
        for W in (array, array.T):
            if W.shape != (x.shape[1], dz.shape[1]):
                continue
            claim = _claim(evidence, x, W, dz, weight, is_turned=W is not array)
            is_alike = claim is not None and ratio(evidence.computed, claim) is not None
            if claim is not None and is_alike and _is_activated(evidence, W):
                yield claim


def _claim(
    evidence: Evidence, x: Array, W: Array, dz: Array, weight: str, *, is_turned: bool
) -> Array | None:
    """Return the gradient to x, W or b, whichever the evidence is about; None if it is none."""
    if evidence.is_input:
        return np.asarray(dz @ W.T)
    if evidence.name == weight:
        return np.asarray((dz.T @ x) if is_turned else (x.T @ dz))
    if evidence.exact.size == dz.shape[1]:
        return np.asarray(dz.sum(axis=0).reshape(evidence.exact.shape))
    return None


def _is_activated(evidence: Evidence, W: Array) -> bool:
    """Return whether each output is a nonlinear function of the product with a column of W.

    The gradient of an output to x is then a multiple of that column, and the factor varies.
    """
    name = evidence.operation.data[0]
    for j in range(min(MOST_OUTPUTS, W.shape[1])):
        dout = np.zeros_like(evidence.dout)
        dout[:, j] = 1
        gradient, column = evidence.vjp(dout, name=name), W[:, j]
        slopes = gradient @ column / (column @ column)
        if not np.allclose(gradient, np.outer(slopes, column)):
            return False
        if np.ptp(slopes):
            return True
    return False
