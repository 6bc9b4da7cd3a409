"""What is wrong with a wrong gradient: hypotheses, each held against the numbers.

A hypothesis, here a `Suspect`, is a mistake that people make, and the gradient which it would give
at this very point. It is named only if that is the gradient which the code gave.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.check import Comparison, Diagnosis

ALIKE = 1e-7
"""The relative difference up to which a gradient is that of a hypothesis."""
VERY_ALIKE = 1e-11
"""The same, where the hypothesis itself is nearly right."""


@dataclass(frozen=True)
class Suspect:
    """A mistake, the sentence that explains it, and the gradient that it gives."""

    name: str
    explanation: str
    gradient: NDArray[Any]


def diagnose(
    comparison: Comparison,
    batch_size: int,
    suspects: Iterable[Suspect] = (),
    otherwise: Diagnosis | None = None,
) -> Diagnosis:
    """Return what is wrong, by the first hypothesis that gives the numbers.

    Parameters
    ----------
    comparison : Comparison
    batch_size : int
    suspects : iterable of Suspect
        Mistakes that are possible here, the more special ones first.
    otherwise : Diagnosis, optional
        What is known to be wrong, if no mistake in the formula explains the numbers.
    """
    computed, exact = comparison.computed, comparison.exact
    if computed.shape != exact.shape:
        return _of_shape(computed, exact, suspects)
    if not np.all(np.isfinite(computed)):
        return Diagnosis(
            "not-finite",
            "The gradient has entries that are NaN or infinite, at an input where the right one "
            "is finite.",
        )
    known = np.isfinite(exact)
    if _is_single_precision(computed, exact, known):
        return Diagnosis(
            "precision-lost",
            "The gradient is right to the seven digits of float32 only: somewhere the numbers "
            "pass through float32, though float64 went in.",
        )
    if not computed.any():
        return Diagnosis(
            "gradient-missing", "The gradient is zero everywhere: it was never computed."
        )
    if _alike(computed, exact, known):
        # Most formulas are off by more than this, if they are wrong.
        for suspect in suspects:
            if _alike(computed, suspect.gradient, known, VERY_ALIKE):
                return Diagnosis(suspect.name, suspect.explanation)
        return _of_pattern(comparison, known) or otherwise or unknown()
    if computed.dtype.kind in "iub":
        return Diagnosis(
            "precision-lost",
            "The gradient is made of integers, where float64 went in: what follows the point is "
            "lost.",
        )
    suspects = list(suspects)
    for suspect in suspects:
        if _alike(computed, suspect.gradient, known):
            return Diagnosis(suspect.name, suspect.explanation)
    factor = _factor(computed, exact, known)
    if factor is not None:
        return _of_factor(factor, batch_size, exact.shape)
    for suspect in suspects:
        factor = _factor(computed, suspect.gradient, known)
        if factor is not None:
            also = _of_factor(factor, batch_size, exact.shape).explanation
            return Diagnosis(suspect.name, f"{suspect.explanation} And besides: {also}")
    # A few entries that are wrong are a mistake of their own; many are what else is known.
    few = 4 * comparison.wrong.sum() <= known.sum()
    pattern = _of_pattern(comparison, known)
    return (pattern if few else None) or otherwise or pattern or unknown()


def unknown() -> Diagnosis:
    """Return what is said if no hypothesis fits."""
    return Diagnosis(
        "unknown", "No mistake that this program knows gives these numbers; compare them by hand."
    )


def _alike(
    computed: NDArray[Any],
    other: NDArray[Any],
    known: NDArray[np.bool_],
    tolerance: float = ALIKE,
) -> bool:
    if computed.shape != other.shape or not np.all(np.isfinite(other[known])):
        return False
    computed, other = computed[known], other[known]
    scale = np.maximum(np.abs(other), np.mean(np.abs(other)))
    return bool(np.all(np.abs(computed - other) <= tolerance * scale)) and bool(other.any())


def _factor(computed: NDArray[Any], other: NDArray[Any], known: NDArray[np.bool_]) -> float | None:
    """Return the number by which ``other`` must be multiplied to give ``computed``, if any does.

    A single entry is proportional to everything, and so tells nothing.
    """
    if computed.shape != other.shape or np.count_nonzero(other[known]) < 2:
        return None
    a, b = computed[known].astype(np.float64), other[known].astype(np.float64)
    if not np.all(np.isfinite(b)):
        return None
    factor = float(a @ b / (b @ b))
    return factor if factor and _alike(computed, factor * other, known) else None


def _of_factor(factor: float, batch_size: int, shape: tuple[int, ...]) -> Diagnosis:
    """Return what a constant factor means."""
    size = abs(factor)

    def near(value: float) -> bool:
        return abs(size - value) <= 1e-5 * value

    sign = "its sign is flipped, and " if factor < 0 else ""
    if batch_size > 1 and near(batch_size):
        return Diagnosis(
            "batch-size-missing",
            f"Every entry is right but for a factor: {sign}it is {batch_size} times too large, "
            "which is the batch size; the loss is a mean over the batch, so divide by that.",
        )
    if batch_size > 1 and near(1 / batch_size):
        return Diagnosis(
            "batch-size-twice",
            f"Every entry is right but for a factor: {sign}it is {batch_size} times too small, "
            "which is the batch size; it has been divided by once too often: the loss alone does "
            "that, in its mean.",
        )
    if near(1):
        return Diagnosis("sign-flipped", "The sign is flipped: every entry is minus what is right.")
    if near(2):
        return Diagnosis(
            "factor-two", f"Every entry is right but for a factor: {sign}it is twice too large."
        )
    if near(0.5):
        return Diagnosis(
            "factor-half",
            f"Every entry is right but for a factor: {sign}it is half of what is right.",
        )
    columns = shape[-1] if shape else 1
    hint = ""
    for value, meaning in (
        (columns, "the number of columns"),
        (1 / columns, "one over the number of columns"),
        (batch_size * columns, "the batch size times the number of columns"),
        (1 / (batch_size * columns), "one over the batch size times the number of columns"),
    ):
        if near(value):
            hint = f", which is {meaning}"
    return Diagnosis("constant-factor", f"Every entry is {factor:.6g} times what is right{hint}.")


def _is_single_precision(
    computed: NDArray[Any], exact: NDArray[Any], known: NDArray[np.bool_]
) -> bool:
    a, b = computed[known].astype(np.float64), exact[known]
    scale = np.maximum(np.abs(b), np.mean(np.abs(b)))
    close = bool(np.all(np.abs(a - b) <= 1e-4 * scale))
    with np.errstate(over="ignore"):
        return close and bool(np.all(a.astype(np.float32) == a)) and bool(a.any())


def _of_shape(
    computed: NDArray[Any], exact: NDArray[Any], suspects: Iterable[Suspect]
) -> Diagnosis:
    """Return what a gradient of the wrong shape is."""
    told = f"The gradient has the shape {computed.shape}, where {exact.shape} is right"
    known = np.isfinite(exact)
    for suspect in suspects:
        if _alike(computed, suspect.gradient, np.isfinite(computed)):
            return Diagnosis(suspect.name, f"{told}: {suspect.explanation}")
    summed = computed.sum(axis=0) if computed.ndim else computed
    if summed.size == exact.size and _alike(summed.reshape(exact.shape), exact, known):
        return Diagnosis(
            "bias-not-summed",
            f"{told}: it was not summed over the batch; every example went through the same "
            "numbers, so their gradients add up: sum over axis 0.",
        )
    if computed.shape == exact.T.shape and _alike(computed.T, exact, known):
        return Diagnosis("transposed", f"{told}: it is transposed, and the numbers are right.")
    if computed.size == exact.size and _alike(computed.reshape(exact.shape), exact, known):
        return Diagnosis("wrong-shape", f"{told}; the numbers are right: reshape it.")
    return Diagnosis("wrong-shape", f"{told}.")


def _of_pattern(comparison: Comparison, known: NDArray[np.bool_]) -> Diagnosis | None:
    """Return where the wrong entries are, if they are together and others are right."""
    wrong = comparison.wrong
    places = np.argwhere(wrong)
    if len(places) == 0 or np.array_equal(wrong, known):
        return None
    if len(places) == 1:
        index = ", ".join(map(str, places[0]))
        return Diagnosis(
            "single-entry", f"Only one entry is wrong, the one at [{index}]; the others are right."
        )
    if wrong.ndim == 2:
        for axis, name, word in ((0, "wrong-rows", "rows"), (1, "wrong-columns", "columns")):
            lines = np.unique(places[:, axis])
            inside = np.zeros(wrong.shape, bool)
            inside[(lines, slice(None)) if axis == 0 else (slice(None), lines)] = True
            if len(lines) < wrong.shape[axis] and np.array_equal(wrong, inside & known):
                told = ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
                return Diagnosis(
                    name,
                    f"Only the {word} {told} are wrong, and those wholly; the others are right.",
                )
    low, high = places.min(axis=0), places.max(axis=0)
    box = np.zeros(wrong.shape, bool)
    corner = tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))
    box[corner] = True
    if np.array_equal(wrong, box & known):
        told = ", ".join(f"{a}:{b + 1}" for a, b in zip(low, high, strict=True))
        return Diagnosis(
            "wrong-block", f"Only the block [{told}] is wrong; the other entries are right."
        )
    return None
