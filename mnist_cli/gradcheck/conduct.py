"""How code conducts itself besides its numbers: what it overwrites, remembers, loses, overflows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.calling import UserCodeError
from mnist_cli.gradcheck.check import Check, Diagnosis, relative_errors

Arrays = Mapping[str, NDArray[Any]]
LARGE = 1000.0


def verdict(
    name: str, formula: str, method: str, elements: int, error: float, diagnosis: Diagnosis | None
) -> Check:
    """Return a check that fails if there is a diagnosis."""
    return Check(name, formula, method, elements, error, diagnosis is None, diagnosis)


def skipped(name: str, formula: str, why: str) -> Check:
    """Return a check that could not be made: one of no elements, with the reason as its method."""
    return Check(name, formula, why, 0, 0.0, True)


def check_arguments_kept(before: Arrays, after_forward: Arrays, after_backward: Arrays) -> Check:
    """Check that neither method wrote into the arrays that it was given."""
    diagnosis = None
    for name, kept in before.items():
        for method, after in (("forward", after_forward), ("backward", after_backward)):
            if diagnosis is None and not np.array_equal(after[name], kept, equal_nan=True):
                diagnosis = _overwrites(method, name)
    elements = sum(array.size for array in before.values())
    formula = f"{', '.join(before)} unchanged"
    return verdict("arguments kept", formula, "compared before and after", elements, 0.0, diagnosis)


def _overwrites(method: str, name: str) -> Diagnosis:
    if name == "out":
        return Diagnosis(
            "output-changed-in-place",
            f"{method} writes into the array that forward has returned, which its caller still "
            "has: work on a copy.",
        )
    if name not in ("x", "t", "dout"):
        return Diagnosis(
            "parameters-changed",
            f"{method} changes the parameter {name}: leave that to the optimiser, which does it "
            "once all gradients are there.",
        )
    return Diagnosis(
        "dout-changed-in-place" if name == "dout" else "input-changed-in-place",
        f"{method} writes into {name}, an array which its caller still needs: work on a copy, as "
        f"{name}.copy() or np.where give one.",
    )


def check_second_pass(first: Arrays, second: Arrays, tolerance: float, can_clear: bool) -> Check:
    """Check that a pass gives the same after another pass as it gives on a new object.

    Parameters
    ----------
    first, second : mapping
        The gradients of the two, by name.
    tolerance : float
    can_clear : bool
        Whether the gradients of parameters were cleared before.
    """
    worst, diagnosis = 0.0, None
    for name, expected in first.items():
        got = second[name]
        if np.array_equal(got, expected, equal_nan=True):
            continue
        if got.shape != expected.shape:
            error = float("inf")
        else:
            error = float(relative_errors(got, expected).max(initial=0))
        if not error <= tolerance and diagnosis is None:
            between = second[f"after {name}"]
            growing = got.shape == expected.shape and _grew(expected, got, between)
            diagnosis = _grows(name, can_clear) if growing else _stale(name)
        worst = max(worst, error)
    return verdict(
        "second pass",
        "as the first",
        "run twice",
        sum(array.size for array in first.values()),
        worst,
        diagnosis,
    )


def _grew(first: NDArray[Any], second: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether ``second`` is ``first`` and, added to it, what the pass in between left."""
    return bool(np.allclose(second, first + other, rtol=1e-6, atol=1e-9 * np.abs(first).max()))


def _grows(name: str, can_clear: bool) -> Diagnosis:
    advice = "" if can_clear else "; if that is meant, give it a method zero_gradients()"
    return Diagnosis(
        "gradients-grow",
        f"The gradient to {name} grows from call to call: backward adds to what the last call "
        f"left, and nothing has cleared it{advice}.",
    )


def _stale(name: str) -> Diagnosis:
    return Diagnosis(
        "stale-state",
        f"The gradient to {name} is not that of the last forward: something is remembered from an "
        "earlier one, where each forward must store its own.",
    )


STAIRCASE = Diagnosis(
    "precision-lost",
    "forward rounds to the seven digits of float32, so that it is a staircase: something in it "
    "converts the input, though float64 went in.",
)


def check_precision(results: Arrays, *, is_staircase: bool = False) -> Check:
    """Check that what came out is float64, as what went in was, and was so in between."""
    diagnosis = STAIRCASE if is_staircase else None
    for name, array in results.items():
        if diagnosis is None and array.dtype != np.float64:
            diagnosis = Diagnosis(
                "precision-lost",
                f"{name} is {array.dtype}, where float64 went in: something converts it, or a "
                "buffer of that type is filled.",
            )
    formula = "float64 in, float64 out"
    elements = sum(array.size for array in results.values())
    return verdict("precision kept", formula, "types", elements, 0.0, diagnosis)


def large_inputs(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return inputs of about ±1000: the first row all positive, the second all negative."""
    x = LARGE * rng.choice([-1.0, 1.0], shape) + rng.standard_normal(shape)
    if x.ndim > 1 and len(x) > 1:
        x[0], x[1] = np.abs(x[0]), -np.abs(x[1])
    return x


def large_inputs_skipped(
    why: str = "not finite at negative inputs, as a logarithm",
) -> Check:
    """Return the row of a check that would not be fair."""
    return skipped("large inputs", f"finite at ±{LARGE:.0f}", why)


def check_large_inputs(
    x: NDArray[np.float64],
    forward: Callable[[NDArray[Any]], Any],
    backward: Callable[[NDArray[Any]], Any],
    alone: Callable[[int], Any],
    *,
    is_elementwise: bool = False,
) -> Check:
    """Check that nothing becomes NaN or infinite at inputs of ±1000, unless it has to.

    What is infinite in float64 has to be so if it is infinite or larger than float64 can hold in
    extended precision too, as e¹⁰⁰⁰ is.

    Parameters
    ----------
    x : array
    forward, backward : callable
        Return the output, and the gradient to the input.
    alone : callable
        Returns the output for one row of ``x``, without the others.
    """
    diagnosis = None
    with np.errstate(all="ignore"):
        try:
            out, dx = np.asarray(forward(x)), np.asarray(backward(x))
        except UserCodeError as error:
            raised = str(error).splitlines()[0].removeprefix("The code to check raised ")
            diagnosis = Diagnosis("overflow", f"Inputs of ±{LARGE:.0f} raise {raised}.")
            return _large(x, diagnosis)
        bad_out = ~np.isfinite(out)
        bad = bool(bad_out.any()) or not bool(np.all(np.isfinite(dx)))
        if bad and bad_out.any() and not np.isnan(out).any():
            bad = _avoidable(x, bad_out, forward)
        if bad:
            finite = [bool(np.all(np.isfinite(np.asarray(alone(row))))) for row in range(len(x))]
            if bad_out.ndim:
                rows = np.unique(np.argwhere(bad_out)[:, 0]).tolist()
                mixed = [row for row in rows if row < len(x) and finite[row]]
            else:
                mixed = [0] if bad_out and all(finite) else []
            overflow = OVERFLOW_ELEMENTWISE if is_elementwise else OVERFLOW
            diagnosis = _rows_leak(mixed[0]) if mixed else overflow
    return _large(x, diagnosis)


def _large(x: NDArray[Any], diagnosis: Diagnosis | None) -> Check:
    error = float("inf") if diagnosis else 0.0
    return verdict("large inputs", f"finite at ±{LARGE:.0f}", "evaluated", x.size, error, diagnosis)


OVERFLOW_ELEMENTWISE = Diagnosis(
    "overflow",
    f"Inputs of ±{LARGE:.0f} give NaN or infinity. If that is exp, which overflows above 709: "
    "write it so that exp is only taken of what is at most 0, by np.where, np.tanh or "
    "np.logaddexp.",
)
OVERFLOW = Diagnosis(
    "overflow",
    f"Inputs of ±{LARGE:.0f} give NaN or infinity: exp overflows above 709, and where it has "
    "rounded to 0, its logarithm is infinite. Subtract the maximum of the row first, which changes "
    "no ratio, and take the logarithm of a softmax as x − max − log Σ exp(x − max).",
)


def _rows_leak(row: int) -> Diagnosis:
    return Diagnosis(
        "rows-leak",
        f"Row {row} of the batch gives NaN or infinity beside the others, and not alone: a maximum "
        "or a sum is taken over the whole batch, where each row needs its own (axis=-1, "
        "keepdims=True).",
    )


def _avoidable(
    x: NDArray[np.float64], bad: NDArray[np.bool_], forward: Callable[[NDArray[Any]], Any]
) -> bool:
    """Return whether the infinite outputs are finite numbers that float64 could hold."""
    try:
        wide = np.asarray(forward(x.astype(np.longdouble)), np.longdouble)
    except Exception:
        return False
    limit = np.finfo(np.float64).max
    return bool(np.any(np.isfinite(wide[bad]) & (np.abs(wide[bad]) < limit)))
