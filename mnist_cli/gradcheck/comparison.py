"""The comparison of one gradient: entry by entry, or in random directions where it is large."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.reference import EPSILON, SINGLE, Derivative, Function, Sides
from mnist_cli.gradcheck.result import Entry

EACH_ELEMENT = 2000
"""Up to this many elements, each one is compared by itself; beyond, random directions are."""
PATIENCE = 1.0
"""How many seconds all elements may take; where they would take longer, directions are compared."""
DIRECTIONS = 16
EACH_WRONG_ELEMENT = 20_000
"""Up to this many, each one is compared by itself once a random direction has shown a mistake."""
SAMPLE = 200
"""How many elements of a still larger gradient are looked at to find out what is wrong."""
NEAR = 20
"""How many more of its row, and how many of its column."""
LEAST_ACCURACY = 1e-2
"""What differences may be off by, relatively, and still bear out a gradient."""
SINGLE_TOLERANCE = 1e-3
"""What a gradient may be off by, relatively, of code that computes in float32."""
ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""What rounding alone may do to a gradient, in relation to the gradient from above."""
TOGETHER = 64
"""How many entries are looked at together for a kink."""
WORST = 5
"""How many wrong entries are shown."""


@dataclass(frozen=True)
class Comparison:
    """A gradient beside the right one.

    Attributes
    ----------
    computed : array
        What the code says, of whatever shape it is.
    exact : array
        What is right; NaN where that is not known, in a large gradient.
    wrong : array of bool, in the shape of ``exact``
        Where the two differ; all False if their shapes do.
    error : float
        The largest relative error; see `relative_errors`.
    method : str
        How the right answer was found, and how exact that is where it is not rounding.
    passed : bool
    """

    computed: NDArray[Any]
    exact: NDArray[Any]
    wrong: NDArray[np.bool_]
    error: float
    method: str
    passed: bool

    @property
    def elements(self) -> int:
        """How many numbers were compared."""
        return int(self.computed.size)

    @property
    def worst(self) -> tuple[Entry, ...]:
        """The entries that are most wrong, the worst first."""
        if self.passed or not self.wrong.any():
            return ()
        with np.errstate(invalid="ignore"):
            difference = np.where(self.wrong, np.abs(self.computed - self.exact), -1.0)
        difference[self.wrong & np.isnan(difference)] = np.inf
        entries = []
        for flat in np.argsort(-difference, axis=None, kind="stable")[:WORST]:
            index = tuple(int(i) for i in np.unravel_index(flat, self.exact.shape))
            if self.wrong[index]:
                entries.append(Entry(index, float(self.computed[index]), float(self.exact[index])))
        return tuple(entries)


def relative_errors(
    computed: NDArray[Any], exact: NDArray[Any], least: float = 0.0
) -> NDArray[np.float64]:
    """Return ``|computed − exact| / max(|exact|, mean |exact|, least)`` of each entry.

    An entry far smaller than the others is a difference of numbers of their size, and can be no
    more exact than they are; so the mean bounds the scale from below.

    Parameters
    ----------
    computed, exact : array, of one shape
    least : float
        Bounds the scale from below where all entries are small, as a saturated softmax's are.

    Returns
    -------
    array, in the same shape
        Infinite where one of the two is not a finite number.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        scale = np.maximum(np.abs(exact), max(least, np.mean(np.abs(exact)) if exact.size else 0))
        errors = np.abs(computed - exact) / np.where(scale > 0, scale, 1)
    return np.where(np.isfinite(computed) & np.isfinite(exact), errors, np.inf)


def compare(
    computed: Any,
    exact: Any,
    tolerance: float,
    *,
    method: str = "complex step",
    least: float = 0.0,
) -> Comparison:
    """Compare ``computed`` with ``exact``, element by element."""
    computed, exact = np.asarray(computed), np.asarray(exact)
    if computed.shape != exact.shape:
        nowhere = np.zeros(exact.shape, bool)
        return Comparison(computed, exact, nowhere, float("inf"), method, passed=False)
    errors = relative_errors(computed, exact, least)
    worst = float(errors.max(initial=0))
    return Comparison(computed, exact, errors > tolerance, worst, method, worst <= tolerance)


def compare_gradient(
    computed: Any,
    f: Function,
    x: NDArray[Any],
    tolerance: float,
    rng: np.random.Generator,
    *,
    upstream: float = 1.0,
    least: float = 0.0,
    epsilon: float = EPSILON,
    is_brief: bool = False,
) -> Comparison:
    """Compare ``computed`` with the gradient of the number ``f(x)``.

    Up to `EACH_ELEMENT` elements, every entry is compared, if that does not take long. Beyond that,
    `DIRECTIONS` random directions ``d`` of entries 1 and −1 are: one evaluation gives ``f′(x)·d``,
    which every entry of the gradient has an equal part in, and which must be ``Σ computed ⊙ d``.
    The difference counts in relation to the mean entry, so that the relative error is the one
    which a single entry would have to have.

    Where ``f`` has a kink, as a rectifier at 0, any number between the derivatives on its two
    sides is right; that is seen entry by entry, and so up to `EACH_WRONG_ELEMENT` elements.

    Parameters
    ----------
    computed : array, in the shape of ``x``
    f : callable
        Returns a number; it should take a complex array.
    x : array of float64
    tolerance : float
        The largest relative error that passes; where ``f`` could only be differentiated by
        differences, their uncertainty takes its place if it is larger.
    rng : Generator
        Draws the directions.
    upstream : float
        The size of the gradients from above, which rounding is in relation to.
    least : float
        Bounds the scale from below; see `relative_errors`.
    epsilon : float
        How exact ``f`` computes; see `Derivative`.
    is_brief : bool
        Whether directions will do for fewer elements, too, as long as they pass.
    """
    computed = np.asarray(computed)
    right = Derivative(f, x, rng, epsilon)
    is_large = x.size > (DIRECTIONS if is_brief else EACH_ELEMENT)
    if computed.shape == x.shape and (is_large or _takes_long(right)):
        found = _compare_directions(computed, right, tolerance, rng, upstream)
        if found.passed or x.size > EACH_WRONG_ELEMENT:
            return found
    if x.size > EACH_WRONG_ELEMENT:
        exact = np.full(x.shape, np.nan)
        exact.flat[:SAMPLE] = [_entry(right, index) for index in range(SAMPLE)]
    else:
        exact = right.gradient()
    tolerance, method = _within_reach(right, float(np.nanmean(np.abs(exact))), tolerance)
    least = max(least, ROUNDING * upstream / tolerance)
    found = compare(computed, exact, tolerance, method=method, least=least)
    if found.passed or computed.shape != exact.shape:
        return found
    exact = _accept_kinks(right, computed, exact, found.wrong)
    return compare(computed, exact, tolerance, method=method, least=least)


def _takes_long(right: Derivative) -> bool:
    """Return whether all entries would take too long, one by one, as where code loops in Python."""
    if right.x.size <= DIRECTIONS:
        return False
    seconds = []
    for _ in range(3):  # a call may be slow by chance
        start = time.process_time()
        _entry(right, 0)
        seconds.append(time.process_time() - start)
    return min(seconds) * right.x.size > PATIENCE


def _compare_directions(
    computed: NDArray[Any],
    right: Derivative,
    tolerance: float,
    rng: np.random.Generator,
    upstream: float,
) -> Comparison:
    """Compare a large gradient in random directions; see `compare_gradient`."""
    shape = right.x.shape
    along, claimed = np.zeros(DIRECTIONS), np.zeros(DIRECTIONS)
    for k in range(DIRECTIONS):
        direction = rng.choice([-1.0, 1.0], shape)
        along[k], claimed[k] = right.along(direction), (computed * direction).sum()
    mean = float(np.mean(np.abs(computed)))
    # A gradient that is far too small is no measure of itself; by chance, signs make √size of it.
    mean = max(mean, float(np.mean(np.abs(along))) / float(np.sqrt(computed.size)) / 10)
    tolerance, method = _within_reach(right, mean, tolerance)
    method = f"{method}, {DIRECTIONS} directions"
    scale = max(mean, ROUNDING * upstream / tolerance)
    error = float(np.abs(claimed - along).max()) / scale if np.isfinite(mean) else float("inf")
    exact, wrong = np.full(shape, np.nan), np.zeros(shape, bool)
    if error <= tolerance:
        return Comparison(computed, exact, wrong, error, method, passed=True)
    known = _find_wrong(computed, right, tolerance * scale, rng)
    exact.flat[known] = [_entry(right, int(index)) for index in known]
    errors = relative_errors(computed.ravel()[known], exact.ravel()[known], scale)
    wrong.flat[known] = errors > tolerance
    return Comparison(computed, exact, wrong, error, method, passed=False)


def _find_wrong(
    computed: NDArray[Any], right: Derivative, least: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return flat indices of a large gradient to look at: a sample, a wrong one, and some near it.

    A direction that is zero outside a set of entries tells whether the set has a wrong entry; so
    halving the set, over and over, finds one among 100,000 in 17 steps. Others of its row and of
    its column show whether it is alone.
    """
    sample = rng.choice(computed.size, min(SAMPLE, computed.size), replace=False)
    finite = np.isfinite(computed)
    if not finite.all():
        return np.unique(np.append(sample, np.flatnonzero(~finite)[:SAMPLE]))
    signs = rng.choice([-1.0, 1.0], computed.shape)
    flat = np.arange(computed.size).reshape(computed.shape)
    low, high = 0, computed.size
    while high - low > 1:
        middle = (low + high) // 2
        direction = np.where((low <= flat) & (flat < middle), signs, 0)
        difference = float((computed * direction).sum()) - float(right.along(direction))
        if abs(difference) > least / 2:
            high = middle
        else:
            low = middle
    near = [sample, np.array([low])]
    for axis in range(computed.ndim):
        lines = np.moveaxis(flat, axis, -1).reshape(-1, computed.shape[axis])
        line = lines[(lines == low).any(axis=1)][0]
        near.append(rng.permutation(line)[:NEAR])
    return np.unique(np.concatenate(near))


def _entry(right: Derivative, index: int) -> float:
    direction = np.zeros(right.x.shape)
    direction.flat[index] = 1
    return float(right.along(direction))


def _within_reach(right: Derivative, mean: float, tolerance: float) -> tuple[float, str]:
    """Return the tolerance that the method can bear out, and the method with its accuracy."""
    if right.epsilon == SINGLE:
        tolerance = max(tolerance, SINGLE_TOLERANCE)
    if right.is_complex:
        return tolerance, right.method
    accuracy = max(right.uncertainty / (mean or 1.0), 1e-12)
    return max(tolerance, min(accuracy, LEAST_ACCURACY)), f"{right.method}, to {accuracy:.0e}"


def _accept_kinks(
    right: Derivative,
    computed: NDArray[Any],
    exact: NDArray[np.float64],
    wrong: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return ``exact`` with what the code says where that is right at a kink.

    A few entries at a time, which are looked at one by one only if there is a kink among them: of a
    gradient that is wrong throughout, that takes 3% of the time.
    """
    accepted = exact.copy()
    uneven = np.random.default_rng(0)
    indices = np.flatnonzero(wrong)
    for few in np.split(indices, range(TOGETHER, len(indices), TOGETHER)):
        sides = _sides(right, few, uneven.uniform(0.5, 1.5, len(few)))
        for index in few if sides.is_kink else ():
            sides = _sides(right, index, 1.0)
            if sides.is_kink and sides.have_between(float(computed.flat[index])):
                accepted.flat[index] = computed.flat[index]
    return accepted


def _sides(right: Derivative, indices: Any, weights: Any) -> Sides:
    """Return the derivatives on the two sides, where some entries move."""
    direction = np.zeros(right.x.shape)
    direction.flat[indices] = weights
    return right.sides(direction, size=float(np.max(np.abs(right.x.flat[indices]))))
