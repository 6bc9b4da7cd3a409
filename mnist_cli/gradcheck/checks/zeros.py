"""Gradients at inputs of exactly 0, as a rectifier before gives them: x/x is no number there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mnist_cli.gradcheck.checks.inspection import Inspection, verdict
from mnist_cli.gradcheck.mistakes.behaviour import not_finite_at_zero
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.reference import EPSILON
from mnist_cli.gradcheck.result import Check
from mnist_cli.gradcheck.user_code import UserCodeError

STEPS = (1e-4, 1e-6)
"""How far from 0 a function is looked at, to see whether it has a derivative there."""
ALIKE = 1e-2
"""How far its slopes may be apart, in relation to their size, if it has."""


def at_zeros(found: Inspection) -> Iterator[Check]:
    """Yield a row for each gradient that is not finite at zeros at which there is a derivative.

    One number of each example is 0 at a time. Where the output is not finite, as of a logarithm,
    or has no derivative, as at a kink, nothing is asked.
    """
    operation = found.operation
    is_looked_at = found.gradients_passed and found.point.epsilon == EPSILON
    if not is_looked_at or operation.domain != "normal":
        return
    rng = np.random.default_rng(found.request.seed)  # what the other rows draw stays as it is
    names = operation.data if operation.wide is None else operation.wide
    for zeroed in (name for name in names if name in found.names and operation.at[name].size):
        x, places = with_zeros(operation.rows(operation.at[zeroed]))
        shape = operation.at[zeroed].shape
        x, places = (operation.rows(each).reshape(shape) for each in (x, places))
        try:
            point = Point(operation.moved_to(operation.at | {zeroed: x}), rng)
        except UserCodeError:
            continue
        bad = [n for n in found.names if not np.all(np.isfinite(point.computed.get(n, 0.0)))]
        if bad and np.all(np.isfinite(point.out)) and has_derivative(point, zeroed, places):
            for name in bad:
                label = found.label(name)
                yield verdict(
                    f"to {label}, where {found.label(zeroed)} is 0",
                    "finite, as there is a derivative",
                    "finite numbers",
                    point.computed[name].size,
                    not_finite_at_zero(found.label(zeroed)),
                )


def with_zeros(rows: Array) -> tuple[Array, Array]:
    """Return rows with a 0 in each, in one column after the other, and where these are."""
    places = np.zeros(rows.shape, bool)
    flat = places.reshape(len(places) if places.ndim else 1, -1)
    flat[np.arange(len(flat)), np.arange(len(flat)) % flat.shape[1]] = True
    return np.where(places, 0.0, rows), places


def has_derivative(point: Point, name: str, places: Array) -> bool:
    """Return whether the output has one derivative at each of some numbers of an array."""
    f, x = point.weighted(name), point.at[name]
    here = float(f(x))
    for index in np.argwhere(places):
        direction = np.zeros(x.shape)
        direction[tuple(index)] = 1
        slopes = [
            (float(f(x + step * direction)) - here) / step
            for size in STEPS
            for step in (size, -size)
        ]
        if not np.ptp(slopes) <= ALIKE * max(1.0, float(np.abs(slopes).max())):
            return False
    return True
