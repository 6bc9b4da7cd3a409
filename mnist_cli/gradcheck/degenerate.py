"""Points at which little is seen: factors of 1, weights that put all at a kink, lost digits."""

from __future__ import annotations

import numpy as np

from mnist_cli.gradcheck.operation import Operation
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.reference import EPSILON, Derivative

NUDGE = 1e-3
"""How far parameters are moved away from a kink."""

SURE = 1e-8
"""How uncertain, relatively, differences may be before they are taken elsewhere."""

SMALLER = (0.5, 0.25, 0.1)
"""By how much examples are made smaller where differences are not sure."""


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


def where_sure(point: Point) -> Point:
    """Return the point, or one with smaller examples where differences are not sure of theirs.

    ``log(1 − a)`` has few digits where a sigmoid ``a`` is nearly 1, as it is for large inputs, and
    none where it has rounded to it.
    """
    operation = point.operation
    names = operation.data if operation.wide is None else operation.wide
    for factor in SMALLER if operation.domain == "normal" else ():
        if _is_sure(point):
            break
        smaller = {name: factor * operation.at[name] for name in names}
        point = Point(operation.moved_to(operation.at | smaller), point.rng)
    return point


def _is_sure(point: Point) -> bool:
    rng = np.random.default_rng(0)  # of its own: what is drawn elsewhere stays as it is
    for name in point.computed:
        value = point.at[name]
        right = Derivative(point.weighted(name), value, rng, point.epsilon)
        if right.is_complex or point.epsilon != EPSILON:
            return True
        along = right.along(
            rng.choice([-1.0, 1.0], value.shape) * rng.uniform(0.5, 1.5, value.shape)
        )
        if right.uncertainty > SURE * abs(float(along)):
            return False
    return True
