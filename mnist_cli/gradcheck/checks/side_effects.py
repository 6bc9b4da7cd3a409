"""The rows of how code behaves: what it overwrites, remembers and loses, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mnist_cli.gradcheck.checks.inspection import Inspection, far, skipped, verdict
from mnist_cli.gradcheck.mistakes.behaviour import (
    READ_ONLY_DOUT_REFUSED,
    STAIRCASE,
    STRIDED_DOUT_REFUSED,
    gradients_grow,
    overwrites,
    remembered,
    wrong_type,
)
from mnist_cli.gradcheck.mistakes.registry import Mistake
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.point import copies
from mnist_cli.gradcheck.reference import EPSILON
from mnist_cli.gradcheck.result import Check
from mnist_cli.gradcheck.user_code import UserCodeError


def arguments_kept(found: Inspection) -> Iterator[Check]:
    """See whether either method wrote into the arrays that it was given."""
    point, operation = found.point, found.operation
    names = [*operation.at, *(["dout"] if operation.takes_dout else []), "out"]
    diagnosis = None
    if point.written:
        method, name = point.written[0]
        is_parameter = name in operation.at and name not in operation.data
        label = found.label(name) if name in operation.at else name
        diagnosis = overwrites(method, label, is_parameter=is_parameter)
    if operation.moved:
        names_moved = ", ".join(found.label(n) for n in operation.at if n in operation.moved)
        found.remarks.append(
            f"backward updates {names_moved} itself. That is the optimiser's job, and wrong if the "
            "layer is used twice in one pass."
        )
    elements = sum(array.size for array in operation.at.values()) + point.dout.size
    formula = f"{', '.join(found.label(n) if n in operation.at else n for n in names)} unchanged"
    method = "compared before and after"
    yield verdict("arguments kept", formula, method, elements, diagnosis)


def are_arguments_kept(found: Inspection) -> bool:
    """Return whether the code leaves alone what it is given."""
    return not found.point.written


def second_pass(found: Inspection) -> Iterator[Check]:
    """Let a pass with other numbers come first, and see whether it leaves traces."""
    point, operation = found.point, found.operation
    name, formula = "second pass", "like the first"
    if not found.names:
        yield skipped(name, formula, "there is no gradient to compare")
        return
    if not are_arguments_kept(found):
        yield skipped(name, formula, "arguments are changed")
        return
    if not point.is_repeatable:
        yield skipped(name, formula, "forward draws random numbers")
        return
    if operation.moved:
        yield skipped(name, formula, "backward changes the parameters")
        return
    other = operation.redrawn(found.rng)
    session = operation.open(copies(other.at), copied(other.labels))
    session.clear()
    shape = session.forward().shape
    dout = other.upstreams(np.zeros(shape), found.rng)[0].dout
    between = {n: np.array(g) for n, g in session.backward(dout).items()}
    can_clear = session.clear()
    session.arrays |= copies({n: operation.at[n] for n in operation.data})
    session.labels = copied(operation.labels)
    session.forward()
    second = {n: np.array(g) for n, g in session.backward(point.dout.copy()).items()}
    worst, diagnosis, elements = 0.0, None, 0
    for array in found.names:
        first = point.computed[array]
        got = second.get(array, np.zeros(()))
        elements += first.size
        if np.array_equal(got, first, equal_nan=True):
            continue
        error = far(got, first)
        worst = max(worst, error)
        if not error <= found.tolerance and diagnosis is None:
            if has_grown(first, got, between.get(array)):
                diagnosis = gradients_grow(found.label(array), can_clear=can_clear)
            else:
                earlier = {n: other.at[n] for n in operation.data}
                diagnosis = remembered(point, array, got, earlier)
    yield verdict(name, formula, "run twice", elements, diagnosis, worst)


def has_grown(first: Array, second: Array, between: Array | None) -> bool:
    """Return whether a second gradient is the first, and added to it what the pass between left."""
    if between is None or not first.shape == second.shape == between.shape:
        return False
    slack = 1e-9 * float(np.abs(first).max(initial=0))
    return bool(np.allclose(second, first + between, rtol=1e-6, atol=slack))


def copied(labels: Array | None) -> Array | None:
    """Return a copy of the labels, if there are any."""
    return None if labels is None else labels.copy()


def precision_kept(found: Inspection) -> Iterator[Check]:
    """See whether what came out is float64, as what went in was, and was so in between."""
    point = found.point
    results = {"the output": point.out} | {
        f"the gradient to {found.label(n)}": point.computed[n] for n in found.names
    }
    if found.operation.kind == "activation":
        results = {"the output": point.out}
    diagnosis = STAIRCASE if point.is_staircase else None
    for name, array in results.items():
        if diagnosis is None and array.dtype != np.float64:
            diagnosis = wrong_type(name, array.dtype)
    elements = sum(array.size for array in results.values())
    yield verdict("precision kept", "float64 in, float64 out", "types", elements, diagnosis)


def strided_dout(found: Inspection) -> Iterator[Check]:
    """Give backward a dout that is a view of every other number of a transposed array."""
    if found.has_own_dout:
        dout = found.point.dout
        # Neither contiguous nor the transpose of what is: no reshape of it is a view.
        strided = np.zeros((*dout.shape[::-1], 2))[..., 0].T
        strided[...] = dout
        yield from with_other_dout(found, "strided dout", strided, STRIDED_DOUT_REFUSED)


def read_only_dout(found: Inspection) -> Iterator[Check]:
    """Give backward a dout that cannot be written into."""
    if found.has_own_dout and ("backward", "dout") not in found.point.written:
        dout = found.point.dout.copy()
        dout.flags.writeable = False
        yield from with_other_dout(found, "read-only dout", dout, READ_ONLY_DOUT_REFUSED)


def with_other_dout(found: Inspection, name: str, dout: Array, mistake: Mistake) -> Iterator[Check]:
    """Yield the row that the same numbers in another array give the same gradients."""
    point = found.point
    formula, diagnosis = "like any other dout", None
    within = found.tolerance
    if point.epsilon != EPSILON:
        within = max(within, point.rerun_tolerance)
    session = point.opened()
    session.clear()
    try:
        session.forward()
        again = session.backward(dout)
    except UserCodeError as error:
        diagnosis = mistake.diagnosis(f"{mistake.sentence} ({error.raised})")
    else:
        for array in found.names:
            distance = far(np.asarray(again.get(array, ())), point.computed[array])
            if distance > within and point.is_repeatable and not point.draws_in_backward:
                diagnosis = mistake.diagnosis()
    yield verdict(name, formula, "run once more", dout.size, diagnosis)
