"""One check: numbers that code has computed, held against those that are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-10
"""The largest relative error that passes, unless another is asked for."""
WORST = 5
"""How many wrong entries a check shows."""


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
        See `relative_errors`; for random directions, see `mnist_cli.gradcheck.gradient`.
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
        return failed(name, formula, method, np.inf, comparison, diagnose)
    errors = relative_errors(computed, exact, least)
    worst = float(errors.max(initial=0))
    if worst <= tolerance:
        return Check(name, formula, method, computed.size, worst, True)
    comparison = Comparison(computed, exact, errors > tolerance)
    return failed(name, formula, method, worst, comparison, diagnose)


def failed(
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
