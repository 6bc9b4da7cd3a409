"""An operation that is looked at, what was found so far, and what a row is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mnist_cli.gradcheck.adapters.gradients import short
from mnist_cli.gradcheck.comparison import Comparison, relative_errors
from mnist_cli.gradcheck.degenerate import perturbed_if_degenerate, where_sure
from mnist_cli.gradcheck.operation import Array, Operation
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.result import Check, Diagnosis


@dataclass
class Inspection:
    """An operation that is looked at, and what was found so far.

    Attributes
    ----------
    operation : Operation
    request : Request
    checks : list of Check
        The rows that have been made, which later rows may look at.
    remarks : list of str
    """

    operation: Operation
    request: Request
    checks: list[Check] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.request.seed, 1])
        first = Point(self.operation, self.rng)
        moved = perturbed_if_degenerate(first)
        self.point = where_sure(first if moved is first.operation else Point(moved, self.rng))
        self.operation = self.point.operation

    @property
    def tolerance(self) -> float:
        """The largest relative error that passes."""
        return self.request.tolerance

    @property
    def gradients_passed(self) -> bool:
        """Whether no gradient was found to be wrong: what is, need not be told twice."""
        kinds = ("gradient", "wider-inputs")
        return all(c.passed or c.is_unchecked for c in self.checks if c.kind in kinds)

    @cached_property
    def names(self) -> list[str]:
        """The arrays whose gradients are compared: the examples first, then the parameters."""
        operation = self.operation
        constants = self.request.constants
        return [
            name
            for name in (*operation.data, *(n for n in operation.at if n not in operation.data))
            if name in self.point.computed
            and not {name, short(name)} & constants
            and not self.is_left_out(name)
        ]

    def is_left_out(self, name: str) -> bool:
        """Return whether ``--skip`` names the row of an array's gradient."""
        return f"to-{self.label(name)}" in self.request.skip

    def label(self, name: str) -> str:
        """Return what an array is called in the report: in short, where that is its name alone."""
        names = [short(other) for other in self.operation.at]
        return short(name) if names.count(short(name)) == 1 else name

    @property
    def has_own_dout(self) -> bool:
        """Whether the code is given an array from above."""
        return self.operation.takes_dout and self.point.dout.ndim > 0


def skipped(name: str, formula: str, why: str, kind: str = "gradient") -> Check:
    """Return a row that could not be made: of no elements, with the reason as its method."""
    return Check(name, formula, why, 0, None, True, kind=kind)


def verdict(
    name: str,
    formula: str,
    method: str,
    elements: int,
    diagnosis: Diagnosis | None,
    error: float | None = None,
) -> Check:
    """Return a row that fails if there is a diagnosis."""
    return Check(name, formula, method, elements, error, diagnosis is None, diagnosis)


def of_comparison(
    comparison: Comparison,
    name: str,
    formula: str,
    *,
    method: str = "",
    diagnosis: Diagnosis | None = None,
    argument: str | None = None,
) -> Check:
    """Return the row of a comparison."""
    return Check(
        name,
        formula,
        f"{comparison.method}{method}",
        comparison.elements,
        comparison.error,
        comparison.passed,
        diagnosis,
        comparison.worst,
        argument,
    )


def far(got: Array, expected: Array, least: float = 0.0) -> float:
    """Return the largest relative error; infinite where the shapes differ."""
    if got.shape != expected.shape:
        return float("inf")
    if np.array_equal(got, expected, equal_nan=True):
        return 0.0
    return float(relative_errors(got, expected, least).max(initial=0))
