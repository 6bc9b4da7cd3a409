"""One check: a gradient that code has computed, held against the derivative of what it computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.derivative import Function, derivative, gradient

EACH_ELEMENT = 2000
"""Up to this many elements, each one is checked by itself; beyond, random directions are."""
DIRECTIONS = 16


@dataclass(frozen=True)
class Check:
    """What came of one check.

    Attributes
    ----------
    name : str
        What was checked.
    formula : str
    method : str
        How the right answer was found.
    elements : int
        How many numbers the gradient has.
    max_relative_error : float
        See `relative_error`.
    passed : bool
    diagnosis : str or None
        What is wrong, if that is known.
    """

    name: str
    formula: str
    method: str
    elements: int
    max_relative_error: float
    passed: bool
    diagnosis: str | None = None


def relative_error(computed: NDArray[Any], exact: NDArray[Any]) -> float:
    """Return ``max |computed − exact| / max(|exact|, mean |exact|)``.

    An entry far smaller than the others is a difference of numbers of their size, and can be no
    more exact than they are; so the mean bounds the scale from below.

    Returns
    -------
    float
        Infinite if the shapes differ, or something is not a finite number.
    """
    if computed.shape != exact.shape or not np.all(np.isfinite(computed)):
        return float("inf")
    scale = np.maximum(np.abs(exact), np.mean(np.abs(exact)))
    difference = np.abs(computed - exact)
    return float(np.max(difference / np.where(scale > 0, scale, 1), initial=0))


def compare(
    name: str,
    formula: str,
    computed: Any,
    exact: Any,
    tolerance: float,
    method: str = "complex step, each element",
) -> Check:
    """Return the check that ``computed`` equals ``exact``, element by element."""
    computed, exact = np.asarray(computed), np.asarray(exact)
    error = relative_error(computed, exact)
    return Check(name, formula, method, computed.size, error, error <= tolerance)


def check_gradient(
    name: str,
    formula: str,
    computed: NDArray[Any],
    f: Function,
    x: NDArray[Any],
    tolerance: float,
    rng: np.random.Generator,
) -> Check:
    """Check that ``computed`` is the gradient of the number ``f(x)``.

    Up to `EACH_ELEMENT` elements, every entry is compared; beyond, see `check_directions`.

    Parameters
    ----------
    name, formula : str
    computed : array, in the shape of ``x``
    f : callable
        Returns a number, and takes a complex array.
    x : array of float64
    tolerance : float
    rng : Generator
        Draws the directions.
    """
    if x.size > EACH_ELEMENT:
        return check_directions(name, formula, computed, f, x, tolerance, rng)
    return compare(name, formula, computed, gradient(f, x), tolerance)


def check_directions(
    name: str,
    formula: str,
    computed: NDArray[Any],
    f: Function,
    x: NDArray[Any],
    tolerance: float,
    rng: np.random.Generator,
) -> Check:
    """Check that ``computed`` is the gradient of ``f(x)`` in `DIRECTIONS` random directions.

    One evaluation gives ``f′(x)·d``, in which every entry of the gradient has a part, and which
    must be ``Σ computed ⊙ d``. The error counts in relation to the length of the gradient. The
    parameters are those of `check_gradient`.
    """
    method = f"complex step, {DIRECTIONS} directions"
    if computed.shape != x.shape:
        return Check(name, formula, method, computed.size, float("inf"), False)
    directions = rng.standard_normal((DIRECTIONS, *x.shape))
    exact = np.array([derivative(f, x, direction) for direction in directions])
    claimed = np.array([(computed * direction).sum() for direction in directions])
    # The length of a random direction's share is that of the gradient itself, on average.
    scale = max(float(np.linalg.norm(computed)), float(np.abs(exact).max())) or 1.0
    error = float(np.abs(claimed - exact).max()) / scale if np.isfinite(scale) else float("inf")
    return Check(name, formula, method, computed.size, error, error <= tolerance)
