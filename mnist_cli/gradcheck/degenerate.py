"""Points at which a mistake does not show: factors of 1, and weights that put all at a kink."""

from __future__ import annotations

import numpy as np

from mnist_cli.gradcheck.operation import Operation
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.reference import Derivative

NUDGE = 1e-3
"""How far parameters are moved away from a kink."""


def perturbed_if_degenerate(point: Point) -> Operation:
    """Return the operation, with other parameters where its own would hide a mistake.

    A factor that is 1 everywhere, as a scale is at first, can be forgotten without a trace, and so
    can the transposition of weights that are the identity. And with weights of zero before a
    rectifier, every example is at a kink of its own, and what backward may say of their sum is not
    between the sum's two sides.
    """
    operation, rng = point.operation, point.rng
    parameters = {n: v for n, v in operation.at.items() if n not in operation.data}
    moved = {
        name: v * rng.uniform(0.7, 1.3, v.shape)
        for name, v in parameters.items()
        if v.min() == v.max() != 0 and (v.size > 1 or abs(v.max()) == 1)
    }
    for name, v in parameters.items():
        if v.ndim == 2 and len(v) > 1 and np.array_equal(v, np.eye(*v.shape)):
            moved[name] = v + rng.uniform(-0.3, 0.3, v.shape)
    if any(_is_at_kink(point, name) for name in parameters if name in point.computed):
        for name, v in parameters.items():
            moved[name] = moved.get(name, v) + NUDGE * rng.standard_normal(v.shape)
    return operation.moved_to(operation.at | moved) if moved else operation


def _is_at_kink(point: Point, name: str) -> bool:
    value = point.at[name]
    right = Derivative(point.weighted(name), value, point.rng, point.epsilon)
    direction = point.rng.standard_normal(value.shape)
    return right.sides(direction, size=float(np.abs(value).max(initial=0))).is_kink
