"""One check: a gradient that code has computed, held against the derivative of what it computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.derivative import Derivative, Function

EACH_ELEMENT = 2000
"""Up to this many elements, each one is checked by itself; beyond, random directions are."""
DIRECTIONS = 16
EACH_WRONG_ELEMENT = 20_000
"""Up to this many, each one is checked by itself once a random direction has shown a mistake."""
SAMPLE = 200
"""How many elements of a still larger gradient are looked at to find out what is wrong."""
NEAR = 20
"""How many more of its row, and how many of its column."""
WORST = 5
"""How many wrong entries a check shows."""
ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""What rounding alone may do to a gradient, in relation to the gradient from above."""
ASIDE = 1e-9
"""How far from a point its two sides are looked at, to see whether there is a kink."""
KINK = 1e-3
"""The derivatives on the two sides of a kink differ by more than this, relatively."""


@dataclass(frozen=True)
class Entry:
    """An entry of a gradient: where it is, what the code says, and what is right."""

    index: tuple[int, ...]
    computed: float
    exact: float

    @property
    def ratio(self) -> float:
        """What the code says, over what is right."""
        return self.computed / self.exact if self.exact else float("inf")


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong: a name that scripts can rely on, and a sentence."""

    name: str
    explanation: str


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
        How many numbers were checked.
    max_relative_error : float
        See `relative_errors`; for random directions, see `check_gradient`.
    passed : bool
    diagnosis : Diagnosis or None
        What is wrong, for a check that failed.
    worst : tuple of Entry
        The entries that are most wrong, for a check that failed.
    """

    name: str
    formula: str
    method: str
    elements: int
    max_relative_error: float
    passed: bool
    diagnosis: Diagnosis | None = None
    worst: tuple[Entry, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the check as JSON has it, with the diagnosis as its name and its sentence."""
        return {
            **asdict(self),
            "diagnosis": self.diagnosis.name if self.diagnosis else None,
            "explanation": self.diagnosis.explanation if self.diagnosis else None,
            "worst": [{**asdict(entry), "ratio": entry.ratio} for entry in self.worst],
        }


@dataclass(frozen=True)
class Comparison:
    """A wrong gradient beside the right one, for a diagnosis.

    Attributes
    ----------
    computed : array
        What the code says, of whatever shape it is.
    exact : array
        What is right; NaN where that is not known, in a large gradient.
    wrong : array of bool, in the shape of ``exact``
        Where the two differ; all False if their shapes do.
    """

    computed: NDArray[Any]
    exact: NDArray[np.float64]
    wrong: NDArray[np.bool_]


Diagnose = Callable[[Comparison], Diagnosis]


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
    scale = np.maximum(np.abs(exact), max(least, np.mean(np.abs(exact)) if exact.size else 0))
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.abs(computed - exact) / np.where(scale > 0, scale, 1)
    return np.where(np.isfinite(computed) & np.isfinite(exact), errors, np.inf)


def compare(
    name: str,
    formula: str,
    computed: Any,
    exact: Any,
    tolerance: float,
    *,
    method: str = "complex step",
    least: float = 0.0,
    diagnose: Diagnose | None = None,
) -> Check:
    """Return the check that ``computed`` equals ``exact``, element by element."""
    computed, exact = np.asarray(computed), np.asarray(exact)
    if computed.shape != exact.shape:
        comparison = Comparison(computed, exact, np.zeros(exact.shape, bool))
        return _failed(name, formula, method, np.inf, comparison, diagnose)
    errors = relative_errors(computed, exact, least)
    worst = float(errors.max(initial=0))
    if worst <= tolerance:
        return Check(name, formula, method, computed.size, worst, True)
    comparison = Comparison(computed, exact, errors > tolerance)
    return _failed(name, formula, method, worst, comparison, diagnose)


def check_gradient(
    name: str,
    formula: str,
    computed: Any,
    f: Function,
    x: NDArray[Any],
    tolerance: float,
    rng: np.random.Generator,
    *,
    upstream: float = 1.0,
    diagnose: Diagnose | None = None,
) -> Check:
    """Check that ``computed`` is the gradient of the number ``f(x)``.

    Up to `EACH_ELEMENT` elements, every entry is compared. Beyond that, `DIRECTIONS` random
    directions ``d`` of entries 1 and −1 are: one evaluation gives ``f′(x)·d``, which every entry
    of the gradient has an equal part in, and which must be ``Σ computed ⊙ d``. The difference
    counts in relation to the mean entry, so that the relative error is the one which a single
    entry would have to have.

    Where ``f`` has a kink, as a rectifier at 0, any number between the derivatives on its two
    sides is right; that is seen entry by entry, and so up to `EACH_WRONG_ELEMENT` elements.

    Parameters
    ----------
    name, formula : str
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
    diagnose : callable, optional
        Finds out what is wrong.
    """
    computed = np.asarray(computed)
    right = Derivative(f, x, rng)
    if computed.shape == x.shape and x.size > EACH_ELEMENT:
        check = _check_directions(
            name, formula, computed, right, tolerance, rng, upstream=upstream, diagnose=diagnose
        )
        if check.passed or x.size > EACH_WRONG_ELEMENT:
            return check
    if x.size > EACH_WRONG_ELEMENT:
        exact = np.full(x.shape, np.nan)
        exact.flat[:SAMPLE] = [_entry(right, index) for index in range(SAMPLE)]
    else:
        exact = right.gradient()
    tolerance, method = _within_reach(right, float(np.nanmean(np.abs(exact))), tolerance)
    least = ROUNDING * upstream / tolerance
    check = compare(name, formula, computed, exact, tolerance, method=method, least=least)
    if check.passed:
        return check
    if computed.shape == exact.shape:
        errors = relative_errors(computed, exact, least)
        exact = _accept_kinks(right, computed, exact, errors > tolerance)
    return compare(
        name,
        formula,
        computed,
        exact,
        tolerance,
        method=method,
        least=least,
        diagnose=diagnose,
    )


def _check_directions(
    name: str,
    formula: str,
    computed: NDArray[Any],
    right: Derivative,
    tolerance: float,
    rng: np.random.Generator,
    *,
    upstream: float,
    diagnose: Diagnose | None,
) -> Check:
    """Check a large gradient in random directions; see `check_gradient`."""
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
    if error <= tolerance:
        return Check(name, formula, method, computed.size, error, True)
    known = _find_wrong(computed, right, tolerance * scale, rng)
    exact = np.full(shape, np.nan)
    exact.flat[known] = [_entry(right, int(index)) for index in known]
    wrong = np.zeros(shape, bool)
    errors = relative_errors(computed.ravel()[known], exact.ravel()[known], scale)
    wrong.flat[known] = errors > tolerance
    comparison = Comparison(computed, exact, wrong)
    return _failed(name, formula, method, error, comparison, diagnose)


def _find_wrong(
    computed: NDArray[Any], right: Derivative, least: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return flat indices of a large gradient to look at: a sample, a wrong one, and some near it.

    A direction that is zero outside a set of entries tells whether the set has a wrong entry; so
    halving the set, over and over, finds one among 100,000 in 17 steps. Others of its row and of
    its column show whether it is alone.
    """
    sample = rng.choice(computed.size, SAMPLE, replace=False)
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
    if right.is_complex:
        return tolerance, right.method
    accuracy = max(right.uncertainty / (mean or 1.0), 1e-12)
    return max(tolerance, accuracy), f"{right.method}, to {accuracy:.0e}"


def _accept_kinks(
    right: Derivative,
    computed: NDArray[Any],
    exact: NDArray[np.float64],
    wrong: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return ``exact`` with what the code says where that is right at a kink."""
    accepted = exact.copy()
    for index in np.argwhere(wrong):
        position = tuple(index)
        direction = np.zeros(right.x.shape)
        direction[position] = 1
        aside = ASIDE * max(1.0, abs(float(right.x[position])))
        sides = [right.beside(direction, side * aside) for side in (-1, 1)]
        gap = max(sides) - min(sides)
        # A difference to one side alone is less exact than one to both.
        slack = gap * (1e-6 if right.is_complex else 1e-3)
        between = min(sides) - slack <= computed[position] <= max(sides) + slack
        if gap > KINK * max(map(abs, sides)) and between:
            accepted[position] = computed[position]
    return accepted


def _failed(
    name: str,
    formula: str,
    method: str,
    error: float,
    comparison: Comparison,
    diagnose: Diagnose | None,
) -> Check:
    """Return a check that failed, with its worst entries and its diagnosis."""
    worst: list[Entry] = []
    if comparison.wrong.any():
        computed, exact = comparison.computed, comparison.exact
        with np.errstate(invalid="ignore"):
            difference = np.where(comparison.wrong, np.abs(computed - exact), -1.0)
        difference[comparison.wrong & np.isnan(difference)] = np.inf
        for flat in np.argsort(-difference, axis=None, kind="stable")[:WORST]:
            index = tuple(int(i) for i in np.unravel_index(flat, exact.shape))
            if comparison.wrong[index]:
                worst.append(Entry(index, float(computed[index]), float(exact[index])))
    diagnosis = diagnose(comparison) if diagnose else None
    elements = comparison.computed.size
    return Check(name, formula, method, elements, error, False, diagnosis, tuple(worst))
