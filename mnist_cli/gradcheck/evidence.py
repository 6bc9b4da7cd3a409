"""A gradient that is wrong, with all that may tell why: what a mistake is a function of."""

from __future__ import annotations

from functools import cached_property

from mnist_cli.gradcheck.comparison import Comparison
from mnist_cli.gradcheck.dense_chain import Dense, dense_chains
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.point import SMALL, Point


class Evidence:
    """A gradient that is wrong, with all that may tell why: what a mistake is a function of.

    Arrays of examples are given with one example in each row, however the code has them, so that
    a mistake is written once: ``evidence.dout * evidence.out * (1 - evidence.out)``.

    Attributes
    ----------
    point : Point
    name : str
        The array whose gradient it is.
    comparison : Comparison
    is_input : bool
        Whether that array is the examples, and not a parameter.
    """

    def __init__(self, point: Point, name: str, comparison: Comparison):
        self.point = point
        self.name = name
        self.comparison = comparison
        self.operation = point.operation
        self.is_input = name in self.operation.data
        self._as = self.operation.rows if self.is_input else (lambda array: array)

    @cached_property
    def computed(self) -> Array:
        """What the code gives."""
        return self._as(self.comparison.computed)

    @cached_property
    def exact(self) -> Array:
        """What is right; NaN where that is not known."""
        return self._as(self.comparison.exact)

    @cached_property
    def wrong(self) -> Array:
        """Where the two differ."""
        return self._as(self.comparison.wrong)

    @cached_property
    def value(self) -> Array:
        """The array that the gradient belongs to."""
        return self._as(self.point.at[self.name])

    @cached_property
    def is_small(self) -> bool:
        """Whether further gradients may be computed without taking long."""
        return self.value.size <= SMALL

    @property
    def x(self) -> Array:
        """The input; only where there is but one, as `has_x` tells."""
        return self.point.x

    @property
    def has_x(self) -> bool:
        """Whether there is one input."""
        return self.point.x_name is not None

    @cached_property
    def out(self) -> Array:
        """The output."""
        return self.operation.rows(self.point.out)

    @cached_property
    def dout(self) -> Array:
        """The gradient from above."""
        return self.operation.rows(self.point.dout)

    @cached_property
    def labels(self) -> Array | None:
        """The labels as they were given, with one example in each row."""
        labels = self.operation.labels
        return None if labels is None or labels.ndim < 2 else self.operation.rows(labels)

    @property
    def dense_chains(self) -> tuple[list[Dense], ...]:
        """The ways in which this is a parameter of a chain of dense layers; none if it is not."""
        return () if self.is_input or not self.is_small else dense_chains(self.point)

    @property
    def batch_size(self) -> int:
        """How many examples there are."""
        return self.operation.batch_size

    @property
    def upstream(self) -> float:
        """The gradient from above of an operation that gives one number."""
        return float(self.point.dout.ravel()[0]) if self.point.dout.size == 1 else 1.0

    def vjp(self, dout: Array, at: Array | None = None, name: str | None = None) -> Array:
        """Return the right gradient for another gradient from above, or at another place."""
        name = name or self.name
        given = self.operation.rows(dout).reshape(self.point.dout.shape)
        as_rows = self.operation.rows if name in self.operation.data else (lambda array: array)
        if at is not None:
            at = as_rows(at).reshape(self.point.at[name].shape)
        return as_rows(self.point.exact(name, given, at))
