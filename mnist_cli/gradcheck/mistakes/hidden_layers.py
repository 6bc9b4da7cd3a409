# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""The mistakes that people make between the layers of a network: with an activation's derivative.

    δₖ = (δₖ₊₁·Wₖ₊₁ᵀ) ⊙ f′(zₖ),   dWₖ = aₖᵀ·δₖ,   dbₖ = Σ δₖ

A wrong ``f′`` makes all gradients of the layers below wrong, and none of those above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mnist_cli.gradcheck.dense_chain import RELU, SIGMOID, TANH, Dense
from mnist_cli.gradcheck.mistakes.registry import Claim, also
from mnist_cli.gradcheck.operation import Array

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

OF_OUTPUT = (SIGMOID, TANH)
"""The activations whose derivative people write as a function of the output."""

Slope = Callable[[Dense], Array | None]
"""What is taken for the derivative of the activation behind a layer, if that could be."""


@also("not-differentiated", "special")
def hidden_layer_not_differentiated(evidence: Evidence) -> Iterator[Claim]:
    """The derivative of a hidden layer's activation is missing.

    What comes back through the weights of the next layer has to be multiplied by f′(z), as by
    a·(1 − a) for a sigmoid, and by z > 0 for a rectifier.
    """
    yield from _with_slope(evidence, lambda layer: np.ones_like(layer.delta))


@also("differentiated-twice", "special")
def hidden_layer_differentiated_twice(evidence: Evidence) -> Iterator[Claim]:
    """The derivative of a hidden layer's activation has been multiplied in twice: once is right."""

    def slope(layer: Dense) -> Array | None:
        return None if layer.slope is None else layer.slope**2

    yield from _with_slope(evidence, slope)


@also("input-for-output", "special")
def hidden_input_for_output(evidence: Evidence) -> Iterator[Claim]:
    """A hidden layer's activation has a derivative that is a function of its output a.

    It is a·(1 − a) for a sigmoid, and 1 − a² for a hyperbolic tangent; here it was given z.
    """

    def slope(layer: Dense) -> Array | None:
        if layer.z is None or layer.activation not in OF_OUTPUT:
            return None
        return layer.activation.slope(layer.z, layer.z)

    yield from _with_slope(evidence, slope)


@also("output-for-input", "special")
def hidden_output_for_input(evidence: Evidence) -> Iterator[Claim]:
    """The derivative of a hidden layer's activation is taken at a, its output.

    It should be taken at z, what goes into the activation.
    """

    def slope(layer: Dense) -> Array | None:
        if layer.z is None or layer.activation not in OF_OUTPUT:
            return None
        a = layer.activation.f(layer.z)
        return layer.activation.slope(a, layer.activation.f(a))

    yield from _with_slope(evidence, slope)


@also("wrong-mask", "special")
def hidden_mask_of_gradient(evidence: Evidence) -> Iterator[Claim]:
    """The mask of a hidden rectifier is taken from the gradient that comes back.

    It is z > 0, or a > 0: where the rectifier was open on the way forward.
    """

    def slope(layer: Dense) -> Array | None:
        if layer.above is None or layer.activation is not RELU:
            return None
        return RELU.slope(layer.above, layer.above)

    yield from _with_slope(evidence, slope)


@also("not-differentiated", "special")
def output_layer_not_differentiated(evidence: Evidence) -> Iterator[Claim]:
    """The derivative of the output's activation is missing.

    a − y is the whole gradient to z for a cross-entropy; for a squared error, it has to be
    multiplied by f′(z), as by a·(1 − a) for a sigmoid.
    """
    yield from _at_output(evidence, lambda z: 1 / SIGMOID.slope(z, SIGMOID.f(z)))
    yield from _at_output(evidence, lambda z: 1 / TANH.slope(z, TANH.f(z)))


@also("sigmoid-twice", "special")
def output_sigmoid_twice(evidence: Evidence) -> Iterator[Claim]:
    """The sigmoid of the output is differentiated twice.

    a − y is the gradient of the cross-entropy to z already, and has been multiplied by a·(1 − a)
    once more.
    """
    yield from _at_output(evidence, lambda z: SIGMOID.slope(z, SIGMOID.f(z)))


@also("softmax-twice", "special")
def output_softmax_twice(evidence: Evidence) -> Iterator[Claim]:
    """The softmax of the output is differentiated twice.

    p − y is the gradient of the cross-entropy to z already, and has been multiplied by p·(1 − p)
    once more.
    """

    def slope(z: Array) -> Array:
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        p = powers / powers.sum(axis=1, keepdims=True)
        return np.asarray(p * (1 - p))

    yield from _at_output(evidence, slope)


def _at_output(evidence: Evidence, factor: Callable[[Array], Array]) -> Iterator[Array]:
    """Yield the gradient if that to the last layer's output is multiplied by a function of it."""
    for layers in evidence.dense_chains:
        last = layers[-1]
        if last.z is not None:
            yield from _gradient(evidence, layers, len(layers) - 1, last.delta * factor(last.z))


def _with_slope(evidence: Evidence, wrong: Slope) -> Iterator[Array]:
    """Yield the gradient if all hidden layers have a wrong derivative, and if only one has."""
    for layers in evidence.dense_chains:
        slopes = [wrong(layer) for layer in layers[:-1]]
        delta = layers[-1].delta
        for k in reversed(range(len(slopes))):
            slope, above = slopes[k], layers[k].above
            if slope is None or above is None:
                break
            yield from _gradient(evidence, layers, k, above * slope)
            delta = (delta @ layers[k + 1].W.T) * slope
            yield from _own_gradient(evidence, layers[k], delta)


def _gradient(
    evidence: Evidence, layers: Sequence[Dense], at: int, delta: Array
) -> Iterator[Array]:
    """Yield the gradient to a parameter if delta is wrong at one layer, above it or its own."""
    yield from _own_gradient(evidence, layers[at], delta)
    for k in reversed(range(at)):
        slope = layers[k].slope
        assert slope is not None  # only the last layer has none
        delta = (delta @ layers[k + 1].W.T) * slope
        yield from _own_gradient(evidence, layers[k], delta)


def _own_gradient(evidence: Evidence, layer: Dense, delta: Array) -> Iterator[Array]:
    """Yield the gradient to a parameter of a layer if that to its output is ``delta``."""
    change = delta - layer.delta  # so that a regulariser's share stays
    if evidence.name == layer.bias:
        yield evidence.exact + change.sum(axis=0).reshape(evidence.exact.shape)
    elif evidence.name == layer.weight and layer.inputs is not None:
        dW = layer.inputs.T @ change
        yield evidence.exact + (dW.T if layer.is_turned else dW)
