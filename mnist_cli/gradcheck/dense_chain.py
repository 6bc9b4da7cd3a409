"""A network's dense layers, one after the other, as far as its parameters and its loss tell them.

    a₀ = x,   zₖ = aₖ·Wₖ + bₖ,   aₖ₊₁ = f(zₖ)

How the network computes need not be known: of one example, the exact gradient to ``bₖ`` is that to
``zₖ``, and from layer to layer it tells ``f′``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.point import Point

MOST_UNITS = 200
"""Up to how many units in all layers together a network is taken apart."""
SAME = 1e-6
"""How far two gradients may be apart that are the same."""


@dataclass(frozen=True)
class Activation:
    """A usual activation, and its derivative, a function of what goes in and of what comes out."""

    f: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]


SIGMOID = Activation(lambda z: 1 / (1 + np.exp(-z)), lambda z, a: a * (1 - a))
TANH = Activation(np.tanh, lambda z, a: 1 - a**2)
RELU = Activation(lambda z: np.maximum(0, z), lambda z, a: (z > 0) * 1.0)
LEAKY = Activation(lambda z: np.where(z > 0, z, 0.01 * z), lambda z, a: np.where(z > 0, 1, 0.01))
ACTIVATIONS = (SIGMOID, TANH, RELU, LEAKY)


@dataclass
class Dense:
    """A dense layer at a point; arrays of examples have one in each row.

    Attributes
    ----------
    weight, bias : str
        The names of its parameters.
    is_turned : bool
        Whether the code has an output in each row of the weights.
    W : array
        The weights, with an input in each row.
    delta : array
        The exact gradient to z, what comes out.
    inputs, z : array or None
        What goes in and what comes out; None behind an activation that is none of the usual ones.
    above : array or None
        The gradient to the output of the activation behind it; None for the last layer.
    slope : array or None
        The derivative of that activation.
    activation : Activation or None
    """

    weight: str
    bias: str
    is_turned: bool
    W: Array
    delta: Array
    inputs: Array | None = None
    z: Array | None = None
    above: Array | None = None
    slope: Array | None = None
    activation: Activation | None = None


@lru_cache(1)
def dense_chains(point: Point) -> tuple[list[Dense], ...]:
    """Return the ways in which a network may be a chain of dense layers, the first layer first.

    Those of one point are kept, as each of its parameters may have a wrong gradient.
    """
    return tuple(_chains(point))


def _chains(point: Point) -> Iterator[list[Dense]]:
    operation = point.operation
    names = [n for n, a in operation.at.items() if n not in operation.data and a.ndim]
    if point.x_name is None:
        return
    x = point.x.reshape(1, -1) if operation.batch_axis is None else point.x
    if x.ndim != 2:
        return
    for pairs in _pairs(names):
        for is_turned in (False, True):
            if _fit(point, pairs, x.shape[1], is_turned=is_turned):
                layers = _layers(point, pairs, x, is_turned=is_turned)
                if layers:
                    yield layers


def _pairs(names: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    """Yield how parameters may be weights and biases: in turns, or all of the one first."""
    half, rest = divmod(len(names), 2)
    if half < 2 or rest:
        return
    yield list(zip(names[::2], names[1::2], strict=True))
    yield list(zip(names[:half], names[half:], strict=True))
    yield list(zip(names[half:], names[:half], strict=True))


def _fit(point: Point, pairs: Sequence[tuple[str, str]], width: int, *, is_turned: bool) -> bool:
    """Return whether each layer takes as many numbers as the one before it gives."""
    units = 0
    for weight, bias in pairs:
        shape = point.at[weight].shape
        if len(shape) != 2 or shape[is_turned] != width:
            return False
        width = shape[not is_turned]
        units += width
        if point.at[bias].size != width:
            return False
    return units <= MOST_UNITS


def _layers(
    point: Point, pairs: Sequence[tuple[str, str]], x: Array, *, is_turned: bool
) -> list[Dense]:
    """Return the layers with what goes through them; none if the loss is no mean and no sum."""
    examples = list(_alone(point))
    layers: list[Dense] = []
    for weight, bias in pairs:
        delta = np.array([one.exact(bias).ravel() for one in examples])
        exact, total = point.exact(bias).ravel(), delta.sum(axis=0)
        share = next((s for s in (1.0, 1 / len(delta)) if _are_same(s * total, exact)), None)
        if share is None:
            return []
        W = point.at[weight].T if is_turned else point.at[weight]
        layers.append(Dense(weight, bias, is_turned, W, share * delta))
    for layer, following in pairwise(layers):
        layer.above = following.delta @ following.W.T
        layer.slope = np.zeros_like(layer.delta)
        np.divide(layer.delta, layer.above, out=layer.slope, where=layer.above != 0)
    inputs: Array | None = x
    for layer in layers:
        if inputs is None:
            break
        layer.inputs, layer.z = inputs, inputs @ layer.W + point.at[layer.bias].ravel()
        inputs = _through_activation(layer)
    return layers


def _through_activation(layer: Dense) -> Array | None:
    """Note which activation is behind a layer, and return what that gives."""
    if layer.z is None or layer.slope is None:
        return None
    for activation in ACTIVATIONS:
        a = activation.f(layer.z)
        if _are_same(activation.slope(layer.z, a), layer.slope):
            layer.activation = activation
            return a
    return None


def _are_same(a: Array, b: Array) -> bool:
    return bool(np.all(np.abs(a - b) <= SAME * np.abs(b).max()))


def _alone(point: Point) -> Iterator[Point]:
    """Yield the point with each of its examples alone."""
    operation = point.operation
    if operation.batch_axis is None:
        yield point
        return
    for row in range(operation.batch_size):
        one = copy.copy(point)
        one.operation = operation.alone(row)
        if point.dout.size > 1:
            one.dout = np.take(point.dout, [row], axis=operation.batch_axis)
        yield one
