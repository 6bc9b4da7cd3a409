"""The row of large inputs: what overflows at ±1000, and what is cut off between here and there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mnist_cli.gradcheck.checks.inspection import Inspection, skipped, verdict
from mnist_cli.gradcheck.comparison import ROUNDING, compare
from mnist_cli.gradcheck.mistakes.behaviour import (
    FAR_FROM_ZERO,
    OVERFLOW_ELEMENTWISE,
    OVERFLOW_OF_LOGARITHM,
    OVERFLOW_OF_ROWS,
    overflow_in_single,
    overflow_on_the_way,
    overflow_raises,
    rows_leak,
)
from mnist_cli.gradcheck.operation import Array, Arrays, Operation
from mnist_cli.gradcheck.point import SMALL, Point
from mnist_cli.gradcheck.reference import EPSILON
from mnist_cli.gradcheck.result import Check, Diagnosis
from mnist_cli.gradcheck.user_code import UserCodeError, overflows

LARGE = (30.0, 1000.0)
"""About how large the inputs are at which the derivative is looked at once more."""
BETWEEN = 15.0
"""Where a function may be cut off that is right at 4 and at 30."""
LARGE_IN_SINGLE = (100.0, 1000.0)
"""The same in float32, where exp overflows above 88."""
CERTAIN = 1e-7
"""How exact a derivative has to be there, in relation to the largest one at ordinary inputs."""
LOSS_INFINITE = (
    "At inputs of ±{:.0f} the loss is not finite, as it takes the logarithm of a probability that "
    "is rounded to 0; the gradients are."
)
LOSS_FLAT = (
    "At inputs of ±{:.0f} the loss is cut off, so its derivative is 0; backward gives that of the "
    "loss without the cut, which is usually meant."
)
FARTHEST = 1e6
"""Where exp overflows in any code that does not keep it from that."""
MARGIN = 10
"""By how much rounding may be larger than it seems in one direction."""
DIRECTIONS = 3
"""In how many directions that is looked at."""


def large_inputs(found: Inspection) -> Iterator[Check]:
    """Look at inputs of ±30 and ±1000: all must be finite there, and the derivative still right.

    What is infinite in float64 has to be so if it is infinite, or larger than float64 can hold, in
    extended precision too, as e¹⁰⁰⁰ is. Where a gradient is wrong already, or the code computes
    in float32, only that all is finite is asked.
    """
    is_compared = compares_derivative(found)
    name = "large inputs"
    formula = f"finite{' and right' if is_compared else ''} at ±30, ±1000"
    operation = found.operation
    if not operation.data:
        yield skipped(name, formula, "there are no examples")
        return
    if operation.domain == "positive":
        yield skipped(name, formula, "not finite at negative inputs, like a logarithm")
        return
    if operation.domain != "normal":
        yield from near_certain(found)
        return
    notes: list[str] = []
    error, diagnosis, elements = 0.0, None, 0
    for size in LARGE:
        if diagnosis is None:
            large = at_large(found, size, found.rng)
            elements += sum(large.at[n].size for n in large.data)
            diagnosis, far_off = of_large(found, large, notes, size)
            error = max(error, far_off)
    if diagnosis is None and is_compared:
        diagnosis = of_between(found)
    for size in LARGE_IN_SINGLE:
        if diagnosis is None:
            diagnosis = of_single_precision(found, at_large(found, size, found.rng), size)
    if diagnosis is None:
        diagnosis = of_overflow_on_the_way(found)
    looked_at = "derivative" if is_compared else "finite numbers"
    method = "; ".join([f"{looked_at}, float32 too", *dict.fromkeys(notes)])
    is_compared = is_compared and bool(np.isfinite(error))
    yield verdict(name, formula, method, elements, diagnosis, error if is_compared else None)


def compares_derivative(found: Inspection) -> bool:
    """Return whether the derivative is looked at, and not alone whether all is finite.

    Float32 has no digits left there that a difference could be made of.
    """
    return found.gradients_passed and found.point.epsilon == EPSILON


def at_large(found: Inspection, size: float, rng: np.random.Generator) -> Operation:
    """Return the operation at large inputs: one example all positive, the next all negative."""
    operation = found.operation
    at = dict(operation.at)
    for name in operation.data if operation.wide is None else operation.wide:
        shape = at[name].shape
        x = size * rng.choice([-1.0, 1.0], shape) + rng.standard_normal(shape)
        rows = operation.rows(x) if x.ndim else x
        if rows.ndim > 1 and len(rows) > 1 and operation.batch_axis is not None:
            rows[0], rows[1] = np.abs(rows[0]), -np.abs(rows[1])
        at[name] = x
    large = operation.moved_to(at)
    large.labels = with_least_likely(large)
    return large


def with_least_likely(operation: Operation) -> Array | None:
    """Return a loss's labels, but the surest example is labelled with its least likely class.

    Where the probability of that class is rounded to 0, the logarithm is infinite, and random
    labels may miss such a class. If a loss has weights, its inputs are not the scores of classes.
    """
    labels = operation.labels
    scores = operation.rows(operation.at[operation.data[0]])
    is_loss = operation.kind == "loss"  # the rows of a table that are looked up are no classes
    if labels is None or not is_loss or len(operation.at) > 1 or scores.ndim != 2:
        return labels
    surest = int(np.ptp(scores, axis=1).argmax())
    least = int(scores[surest].argmin())
    changed = labels.copy()
    if labels.dtype.kind == "i" and labels.shape == scores.shape[:1]:
        if labels.max() < scores.shape[1]:
            changed[surest] = least
    elif labels.ndim == 2 and operation.rows(labels).shape == scores.shape:
        rows = operation.rows(changed)
        if np.all(np.sort(rows)[:, :-1] == 0) and np.all(rows.sum(axis=1) == 1):
            rows[surest] = np.eye(scores.shape[1])[least]
    return changed


def of_large(
    found: Inspection, large: Operation, notes: list[str], size: float
) -> tuple[Diagnosis | None, float]:
    """Return what is wrong at large inputs, if anything is, and how far the derivative is off."""
    with np.errstate(all="ignore"):
        try:
            point = Point(large, found.rng)
        except UserCodeError as error:
            return overflow_raises(error.raised), 0.0
        bad_out = ~np.isfinite(point.out)
        is_bad = bad_out.any() or any(
            not np.all(np.isfinite(point.computed.get(name, 0.0))) for name in found.names
        )
        if is_bad and bad_out.any() and not np.isnan(point.out).any():
            is_bad = is_avoidable(point, bad_out)
            if not is_bad:
                notes.append(f"infinite at ±{size:.0f}, as it has to be")
                return None, 0.0
        if is_bad and is_loss_beside_gradients(found, point):
            found.remarks.append(LOSS_INFINITE.format(size))
            is_bad = False
        if is_bad:
            return of_overflow(found, point, bad_out), 0.0
        if not compares_derivative(found):
            return None, 0.0
        off = max((derivative_error(found, point, name) for name in found.names), default=0.0)
        if off <= max(CERTAIN, found.tolerance):
            return None, off
        if is_flat_loss(found, point):
            found.remarks.append(LOSS_FLAT.format(size))
            return None, 0.0
    return FAR_FROM_ZERO.diagnosis(), off


def of_between(found: Inspection) -> Diagnosis | None:
    """Return what is wrong with a derivative between ordinary inputs and large ones."""
    rng = np.random.default_rng(found.request.seed)  # what the other rows draw stays as it is
    try:
        point = Point(at_large(found, BETWEEN, rng), rng)
    except UserCodeError:
        return None
    off = max((derivative_error(found, point, name) for name in found.names), default=0.0)
    is_right = off <= max(CERTAIN, found.tolerance) or not np.all(np.isfinite(point.out))
    return None if is_right or is_flat_loss(found, point) else FAR_FROM_ZERO.diagnosis()


def is_flat_loss(found: Inspection, point: Point) -> bool:
    """Return whether a loss is cut off there, and backward is that of the loss without the cut.

    It is what people mean who keep a logarithm from infinity: without a slope, nothing is learned.
    Of some of the examples it may be, and of others not.
    """
    operation = point.operation
    if point.out.size != 1 or any(point.at[name].size > SMALL for name in found.names):
        return False
    if operation.batch_axis is None or operation.batch_size < 2:
        return cut_off(found, point) is not None
    alone = [Point(operation.alone(n), found.rng) for n in range(operation.batch_size)]
    are_cut_off = [cut_off(found, one) for one in alone]
    return None not in are_cut_off and any(are_cut_off)


def cut_off(found: Inspection, point: Point) -> bool | None:
    """Return whether the derivative is 0 where it is not what backward gives.

    False if it is what backward gives everywhere, and None if it is something else.
    """
    is_cut_off = False
    for name in found.names:
        comparison = compare(point.computed[name], point.exact(name), CERTAIN)
        if comparison.exact[comparison.wrong].any():
            return None
        is_cut_off |= bool(comparison.wrong.any())
    return is_cut_off


def is_loss_beside_gradients(found: Inspection, point: Point) -> bool:
    """Return whether only the loss is not finite, and nothing is computed from it.

    So it is where forward returns the probabilities or the gradients as well, and in a whole
    network, whose inputs are data.
    """
    operation = found.operation
    has_parameters = any(name not in operation.data for name in found.names)
    return (
        point.out.size == 1
        and (operation.returns_more or has_parameters)
        and has_log_of_zero(point)
    )


def derivative_error(found: Inspection, point: Point, name: str) -> float:
    """Return how far a derivative at large inputs is off, in a few directions.

    In relation to the largest one at ordinary inputs: where ``1 − tanh²`` is 0, and ``s·(1 − s)``
    has lost its digits, right code gives no more.
    """
    least = ROUNDING * point.upstream_size / found.tolerance
    ordinary = max(least, float(np.abs(found.point.computed[name]).max(initial=0)))
    computed, worst = point.computed[name], 0.0
    if computed.shape != point.at[name].shape:
        return np.inf
    derivative = point.derivative(name)
    for _ in range(DIRECTIONS):
        direction = point.rng.choice([-1.0, 1.0], computed.shape)
        claimed = float((computed * direction).sum())
        right, slack = float(derivative.along(direction)), derivative.uncertainty
        scale = max(ordinary, float(np.abs(computed).max(initial=0)), abs(right))
        if not np.isfinite(right):
            continue
        off = max(0.0, abs(claimed - right) - slack)
        if off > CERTAIN * scale:
            off = max(0.0, off - cancelled(point, name, direction, right))
        worst = max(worst, off / scale)
    return worst


def cancelled(point: Point, name: str, direction: Array, right: float) -> float:
    """Return how much of a derivative rounding in forward has taken, by extended precision.

    As in log(1 − s) where s is nearly 1: what is left of 1 − s has few digits, and so has its
    derivative.
    """
    try:
        long = point.along_in_extended(name, direction)
    except Exception:  # whatever it is, the code did not raise it for float64
        return 0.0
    return MARGIN * abs(right - long) if np.isfinite(long) else 0.0


def of_overflow(found: Inspection, point: Point, bad_out: Array) -> Diagnosis:
    """Return why something is not finite: a maximum over the whole batch, a logarithm, exp."""
    operation = point.operation
    is_of_rows = bad_out.ndim == 1 and bad_out.size == operation.batch_size
    rows = bad_out[:, None] if is_of_rows else operation.rows(bad_out) if bad_out.ndim else bad_out
    if operation.batch_axis is not None and operation.batch_size > 1:
        finite = [is_finite_alone(operation, n) for n in range(operation.batch_size)]
        if rows.ndim > 1:
            bad = np.unique(np.argwhere(rows)[:, 0]).tolist()
            mixed = [n for n in bad if n < len(finite) and finite[n]]
        else:
            mixed = [0] if bad_out.all() and all(finite) else []
        if mixed:
            return rows_leak(mixed[0])
    if found.point.is_elementwise:
        return OVERFLOW_ELEMENTWISE
    is_infinite = bool(np.isinf(point.out).any()) and not np.isnan(point.out).any()
    if point.out.size == 1 and (is_infinite or has_log_of_zero(point)):
        return OVERFLOW_OF_LOGARITHM
    return OVERFLOW_OF_ROWS


def has_log_of_zero(point: Point) -> bool:
    """Return whether a loss is not finite only where a probability has been rounded to 0.

    Then its gradient, which takes no logarithm, is finite all the same.
    """
    return all(np.all(np.isfinite(gradient)) for gradient in point.computed.values())


def is_finite_alone(operation: Operation, row: int) -> bool:
    """Return whether the output is finite for one of the examples alone."""
    try:
        alone = operation.alone(row)
        return bool(np.all(np.isfinite(np.asarray(alone.value(alone.at)))))
    except UserCodeError:
        return False


def is_avoidable(point: Point, bad: Array) -> bool:
    """Return whether the infinite outputs are finite numbers that float64 could hold."""
    wide = {n: point.at[n].astype(np.longdouble) for n in point.operation.data}
    try:
        out = np.asarray(point.operation.open(point.at | wide).forward(), np.longdouble)
    except Exception:
        return False
    limit = np.finfo(np.float64).max
    return bool(np.any(np.isfinite(out[bad]) & (np.abs(out[bad]) < limit)))


def of_single_precision(found: Inspection, large: Operation, size: float) -> Diagnosis | None:
    """Return what is wrong in float32 that is right in float64: an exp that overflows there."""
    limit = float(np.finfo(np.float32).max)
    narrow = {name: array.astype(np.float32) for name, array in large.at.items()}
    results = []
    with np.errstate(all="ignore"):
        for arrays in (large.at, narrow):
            session = large.open({n: a.copy() for n, a in arrays.items()})
            try:
                out = session.forward().copy()
                dout = np.resize(found.point.dout, out.shape).astype(arrays[large.data[0]].dtype)
                gradients = session.backward(dout)
            except UserCodeError:
                return None
            results.append([out, *(np.asarray(gradients[n]) for n in large.data if n in gradients)])
        is_beside = is_loss_beside_gradients(found, found.point)
        for wide, single in zip(*results, strict=False):
            if wide.shape != single.shape or (is_beside and single.size == 1):
                continue
            fits = np.isfinite(wide) & (np.abs(wide) < limit)
            if np.any(fits & ~np.isfinite(single)):
                _, (out, *to_inputs) = results
                return overflow_in_single(
                    size,
                    is_elementwise=found.point.is_elementwise,
                    is_of_logarithm=out.size == 1 and all(map(all_finite, to_inputs)),
                )
    return None


def all_finite(array: Array) -> bool:
    """Return whether no number of an array is infinite, or none."""
    return bool(np.all(np.isfinite(array)))


def of_overflow_on_the_way(found: Inspection) -> Diagnosis | None:
    """Return what is wrong with code that keeps exp finite in float64, and not in float32.

    As exp(clip(x, −600, 600)) does. Where a step is infinite in float64 as well, and what comes
    out is right all the same, as of 1/(1 + exp(−x)), nothing was to be kept from it.
    """
    size = LARGE_IN_SINGLE[-1]
    large = at_large(found, size, found.rng)
    narrow = {name: array.astype(np.float32) for name, array in large.at.items()}
    if not overflows_at(large, narrow):
        return None
    wider = at_large(found, FARTHEST, found.rng)
    if overflows_at(large, large.at) or overflows_at(wider, wider.at):
        return None
    return overflow_on_the_way(size)


def overflows_at(operation: Operation, arrays: Arrays) -> bool:
    """Return whether a step of forward gives infinity for finite numbers."""
    session = operation.open({n: a.copy() for n, a in arrays.items()})
    with overflows() as noticed:
        try:
            session.forward()
        except UserCodeError:
            return False
    return bool(noticed)


def near_certain(found: Inspection) -> Iterator[Check]:
    """Look at a loss of probabilities where they are nearly 0 and 1, and never beyond."""
    operation, name = found.operation, "large inputs"
    formula = "right at probabilities near 0 and 1"
    if not found.gradients_passed:
        yield skipped(name, formula, "a gradient is wrong already")
        return
    at = dict(operation.at)
    for array in operation.data:
        p = at[array]
        sharp = p**4 / (p**4).sum(axis=-1, keepdims=True) if operation.domain != "unit" else p**3
        at[array] = np.clip(sharp, 1e-3, 1 - 1e-3)
    point = Point(operation.moved_to(at), found.rng)
    off = max((derivative_error(found, point, n) for n in found.names), default=0.0)
    diagnosis = FAR_FROM_ZERO.diagnosis() if off > max(CERTAIN, found.tolerance) else None
    elements = sum(at[n].size for n in operation.data)
    yield verdict(name, formula, "derivative; a loss of probabilities", elements, diagnosis, off)
