"""The rows that look farther: at wider inputs, other batch sizes, other gradients from above."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mnist_cli.gradcheck.checks.gradients import formula
from mnist_cli.gradcheck.checks.inspection import (
    Inspection,
    far,
    of_comparison,
    skipped,
    verdict,
)
from mnist_cli.gradcheck.comparison import ROUNDING, Comparison, compare_gradient
from mnist_cli.gradcheck.degenerate import NUDGE, where_sure
from mnist_cli.gradcheck.diagnosis import diagnose_comparison
from mnist_cli.gradcheck.mistakes.behaviour import (
    FAR_FROM_ZERO,
    ZERO_FOR_ONE_EXAMPLE,
    batch_size_fixed,
    not_linear_in_dout,
)
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.result import Check, Diagnosis
from mnist_cli.gradcheck.user_code import UserCodeError

WIDER = 4
"""How much farther from 0 an elementwise function is looked at once more."""
BATCH_SIZES = (1, 3, 9)
"""At how many examples the gradients are compared besides."""
FACTORS = (1e6, 1e-6)
"""By what dout is multiplied, to see whether the gradients follow."""


def wider_inputs(found: Inspection) -> Iterator[Check]:
    """Compare where a function that is cut off at 3 or 6 has its other side."""
    point, name = found.point, found.point.x_name
    if not found.gradients_passed or name not in found.names or is_restricted(found):
        return
    assert name is not None
    if point.out.shape != point.at[name].shape or not point.out.ndim:
        return
    at = found.operation.at | {name: beside_kinks(found, WIDER * point.at[name])}
    wider = Point(found.operation.moved_to(at), found.rng)
    comparison = wider.compare(name, found.tolerance)
    label = found.label(name)
    is_activation = found.operation.kind == "activation"
    yield of_comparison(
        comparison,
        f"derivative at {WIDER} times {label}"
        if is_activation
        else f"to {label}, at {WIDER} times {label}",
        formula(found, name),
        diagnosis=None if comparison.passed else of_wider(comparison, found.operation.batch_size),
        argument=label,
    )


def beside_kinks(found: Inspection, x: Array) -> Array:
    """Return an input a little aside: zeros and ties have been looked at, and take long."""
    return x + NUDGE * found.rng.standard_normal(x.shape) if x.dtype.kind == "f" else x


def of_wider(comparison: Comparison, batch_size: int) -> Diagnosis:
    """Return what is wrong farther from 0, where near to it all was right."""
    diagnosis = diagnose_comparison(comparison, batch_size)
    return FAR_FROM_ZERO.diagnosis() if diagnosis.name == "unknown" else diagnosis


def is_restricted(found: Inspection) -> bool:
    """Return whether the code is defined for some inputs only, as a logarithm is."""
    return found.operation.domain != "normal"


def batch_sizes(found: Inspection) -> Iterator[Check]:
    """Compare the gradients for other numbers of examples, one of them 1."""
    name, formula = "batch sizes", "right for any number of examples"
    operation = found.operation
    if not found.gradients_passed or not found.names:
        return
    if operation.batch_axis is None:
        yield skipped(name, formula, "made for one example")
        return
    compared: list[int] = []
    refused: list[int] = []
    elements, worst = 0, 0.0
    for size in BATCH_SIZES:
        if size == operation.batch_size:
            continue
        point = at_batch_size(found, size)
        if point is None:
            refused.append(size)
            continue
        compared.append(size)
        for array in found.names:
            comparison = compare_with(found, point, array)
            elements += comparison.elements
            if comparison.passed:
                worst = max(worst, comparison.error)
                continue
            diagnosis = batch_size_fixed(operation.batch_size, size)
            if size == 1 and not comparison.computed.any():
                diagnosis = ZERO_FOR_ONE_EXAMPLE.diagnosis()
            method = f"at {size}"
            yield of_comparison(
                comparison, name, formula, method=f", {method}", diagnosis=diagnosis
            )
            return
    if not compared:
        yield skipped(name, formula, "the code takes no other number of examples")
        return
    method = f"at {', '.join(map(str, compared))}"
    if refused:
        method += f"; not defined at {', '.join(map(str, refused))}"
    yield verdict(name, formula, method, elements, None, worst)


def at_batch_size(found: Inspection, size: int) -> Point | None:
    """Return the operation with another number of examples; None where it is not defined."""
    resized = found.operation.resized(size, found.rng)
    if resized is None:
        return None
    if resized.domain == "normal":
        names = resized.data if resized.wide is None else resized.wide
        aside = {name: beside_kinks(found, resized.at[name]) for name in names}
        resized = resized.moved_to(resized.at | aside)
    try:
        point = where_sure(Point(resized, found.rng))
    except UserCodeError:
        return None
    return point if np.all(np.isfinite(point.out)) else None


def compare_with(found: Inspection, point: Point, name: str) -> Comparison:
    """Compare a gradient elsewhere, on the scale that it has at the first point, too."""
    least = float(np.mean(np.abs(found.point.computed[name])))
    return compare_gradient(
        point.computed.get(name, np.zeros(())),
        point.weighted(name),
        point.at[name],
        found.tolerance,
        found.rng,
        upstream=point.upstream_size,
        epsilon=point.epsilon,
        least=least if np.isfinite(least) else 0.0,
        is_brief=True,
    )


def linear_in_dout(found: Inspection) -> Iterator[Check]:
    """Compare the gradients for a dout that is a million times larger, and smaller."""
    point, operation = found.point, found.operation
    if not operation.takes_dout or not found.gradients_passed or not found.names:
        return
    elements, worst, diagnosis = 0, 0.0, None
    for factor in FACTORS:
        again = point.again(factor * point.dout)
        for name in found.names:
            if factor < 1 and name in operation.moved:
                continue  # a small move of a weight is lost in its rounding
            expected, got = factor * point.computed[name], again[name]
            least = ROUNDING * factor * point.upstream_size / found.tolerance
            error = far(got, expected, least)
            elements += expected.size
            worst = max(worst, error)
            if error > max(found.tolerance, point.rerun_tolerance) and diagnosis is None:
                diagnosis = not_linear_in_dout(point, name, got if factor > 1 else expected)
    formula = "c·dout in, c times the gradients out"
    yield verdict("linear in dout", formula, "run at c = 1e6, 1e-6", elements, diagnosis, worst)
