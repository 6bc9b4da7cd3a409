"""Whether the gradients at a point are right, or nearly: what a reading is believed by."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mnist_cli.gradcheck.adapters.code import CodeOperation
from mnist_cli.gradcheck.operation import Arrays, Operation
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.reference import EPSILON
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.user_code import UserCodeError

ROUGHLY = 1e-6
"""How far a gradient may be from the right one for a reading to be believed."""


def at_random(operation: Operation, request: Request) -> Point:
    """Return the operation with a pass through it."""
    return Point(operation, np.random.default_rng([request.seed, 1]))


def agrees(point: Point, gradients: Arrays | None = None) -> bool:
    """Return whether all gradients are right along one direction each."""
    for name, computed in (gradients or point.computed).items():
        value = point.at[name]
        if computed.shape != value.shape or not np.all(np.isfinite(computed)):
            return False
        direction = point.rng.uniform(0.5, 1.5, value.shape) * point.rng.choice(
            [-1, 1], value.shape
        )
        claimed = float((computed * direction).sum())
        scale = float(np.abs(computed * direction).sum())
        derivative = point.derivative(name)
        right = float(derivative.along(direction))
        slack = 0.0 if point.epsilon == EPSILON else derivative.uncertainty
        if abs(claimed - right) > ROUGHLY * max(scale, abs(right)) + slack:
            return False
    return bool(point.computed)


def is_whole(point: Point, names: Iterable[str]) -> bool:
    """Return whether there is a gradient to each of the arguments, where one is asked for."""
    return all(name in point.computed or name in point.operation.exempt for name in names)


def is_multiple(point: Point, name: str) -> bool:
    """Return whether a gradient is right, or off by a factor, which two directions tell."""
    computed = point.computed[name]
    if computed.size < 2:
        return agrees(point, {name: computed})
    derivative = point.derivative(name)
    directions = point.rng.uniform(0.5, 1.5, (2, *computed.shape))
    directions *= point.rng.choice([-1, 1], directions.shape)
    (a, b), (c, d) = (
        (float((computed * each).sum()), float(derivative.along(each))) for each in directions
    )
    is_zero = min(abs(b), abs(d)) <= ROUGHLY * max(abs(a), abs(c))  # of which nothing is a multiple
    return not is_zero and abs(a * d - b * c) <= ROUGHLY * (abs(a * d) + abs(b * c))


def lacks_mean(point: Point) -> bool:
    """Return whether gradients are wrong by the number of examples alone."""
    size = point.operation.batch_size
    wrong = {n: g for n, g in point.computed.items() if not agrees(point, {n: g})}
    return size > 1 and bool(wrong) and agrees(point, {n: g / size for n, g in wrong.items()})


def is_mean_of_columns(point: Point) -> bool:
    """Return whether the gradients to the parameters are the mean over the columns.

    Then dout is that of each example's own loss, as a well-known course has it; all of them must
    be so, and the gradient to the input must be exact.
    """
    operation = point.operation
    names = [name for name in point.computed if name not in operation.data]
    size = operation.batch_size
    if operation.batch_axis != -1 or not names or not operation.takes_dout or size < 2:
        return False
    scaled = {name: size * point.computed[name] for name in names}
    inputs = {n: g for n, g in point.computed.items() if n in operation.data}
    return agrees(point, scaled | inputs)


def keeps_examples(point: Point) -> bool:
    """Return whether the gradients to all parameters have one for each example, along axis 0.

    That of a matrix must be among them: where there are biases and scales alone, somebody forgot
    the sum.
    """
    operation = point.operation
    names = [name for name in point.computed if name not in operation.data]
    each = (operation.batch_size,)
    return (
        operation.batch_axis == 0
        and operation.batch_size > 1
        and any(point.at[name].ndim > 1 for name in names)
        and all(point.computed[name].shape == each + point.at[name].shape for name in names)
    )


def is_degenerate(point: Point) -> bool:
    """Return whether there is so little at a point that most mistakes are right there.

    As where a softmax has one class alone, and all its gradients are 0.
    """
    has_zeros = any(computed.size and not computed.any() for computed in point.computed.values())
    return has_zeros or not all(point.is_felt(name) for name in point.operation.data)


def is_flat(point: Point) -> bool:
    """Return whether the output has no derivative but 0, as of numbers that are rounded."""
    draw = point.rng.standard_normal
    return not any(point.along(name, draw(point.at[name].shape)) for name in point.computed)


def is_symmetric(operation: CodeOperation) -> bool:
    """Return whether the input and the labels of a loss may change places.

    Of ``(x − t)²``, the gradient to t is that to x with its sign flipped: there the names of the
    arguments decide which is which.
    """
    (name, *others), labels = operation.data, operation.labels
    if labels is None or others or labels.shape != operation.at[name].shape:
        return False
    try:
        swapped = operation.open({**operation.at, name: labels.copy()}, operation.at[name].copy())
        out = swapped.forward()
    except UserCodeError:
        return False
    return bool(np.allclose(out, operation.value(operation.at)))
