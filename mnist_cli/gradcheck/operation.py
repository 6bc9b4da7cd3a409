"""What is checked, whatever it was written as: named arrays in, an array out, gradients back.

A layer, an activation, a loss, a pair of functions, a node of a graph, a whole network: an adapter
(`mnist_cli.gradcheck.adapters`) makes an `Operation` of it, and everything else sees only that.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]

UPSTREAM = -2.5
"""The gradient from above that a loss is asked with: neither 1 nor positive."""


@dataclass(frozen=True)
class Upstream:
    """A gradient from above that code may have had in mind which takes none.

    Attributes
    ----------
    dout : array
    meaning : str
        What it makes of the output: ``the mean of the losses``; empty where there is but one.
    """

    dout: Array
    meaning: str = ""


class Session(ABC):
    """A fresh copy of somebody's code with arrays in it, through which passes go.

    Attributes
    ----------
    arrays : dict of array
        What the code is given, by name: the very arrays, so that it shows afterwards whether they
        were written into. Those of `Operation.data`, and the labels, may be replaced between two
        passes.
    labels : array or None
    jacobian : array or None
        The Jacobian that backward has given, ``J_ij = ∂out_i/∂x_j``, of one example, or of each;
        None where it gives a product with one.
    second : dict of array or None
        Of gradients that the code has given twice, and that differ, the ones not in what backward
        returned here: kept beside what was returned, or kept under a second name.
    """

    arrays: Arrays
    labels: Array | None = None
    jacobian: Array | None = None
    second: Arrays | None = None

    @abstractmethod
    def forward(self) -> Array:
        """Run forward, and return what the code returned: the very array, not a copy."""

    @abstractmethod
    def backward(self, dout: Array) -> Arrays:
        """Run backward, and return the gradients that the code gives, by the arrays' names."""

    def clear(self) -> bool:
        """Clear gradients that add up, and return whether the code has a way to."""
        return False


@dataclass
class Operation(ABC):
    """Something with a gradient.

    Attributes
    ----------
    at : dict of array
        All that may be differentiated, by name, in float64: ``x, W, b``; ``a, b``; ``logits``.
    data : tuple of str
        Which of them are the examples: they are drawn anew for another batch size, and differ from
        pass to pass. The others are parameters.
    labels : array or None
        Class indices, rows, or other targets that have no gradient.
    kind : str
        What to call it: ``layer``, ``loss``, ``activation``, ``network``.
    takes_dout : bool
        Whether backward is given a gradient from above.
    is_scalar : bool
        Whether the output is one number.
    batch_axis : int or None
        Along which axis of the data the examples lie: 0, or −1 for columns; None for one example.
    domain : str
        What the examples are: ``normal``, from the normal distribution; ``positive``, where the
        code is finite at no other; ``probabilities``, rows that sum to one; ``unit``, 0 to 1.
    wide : tuple of str or None
        Which of the examples may be any numbers, however large; all of them if None.
    exempt : frozenset of str
        Arrays of which no gradient is asked where the code offers none, as a network's data.
    moved : frozenset of str
        Parameters that backward changes, as it is meant to.
    labels_names : tuple of str
        What the code calls its labels.
    arguments : frozenset of str or None
        The names of all arguments that the code takes; None where they are not known.
    uses : tuple of str
        Functions beside the code that are a part of what is checked, as a network's loss.
    returns_more : bool
        Whether forward returns something beside the output: its probabilities, or its gradients.
    methods : dict of str
        What else to say of how a gradient was found, by name: ``by what the update moved``.
    remarks : list of str
        What to say of how the code was read.
    """

    at: Arrays
    data: tuple[str, ...]
    labels: Array | None = None
    kind: str = "layer"
    takes_dout: bool = True
    is_scalar: bool = False
    batch_axis: int | None = 0
    domain: str = "normal"
    wide: tuple[str, ...] | None = None
    exempt: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()
    returns_more: bool = False
    labels_names: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    arguments: frozenset[str] | None = None
    methods: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @abstractmethod
    def open(self, arrays: Arrays, labels: Array | None = None) -> Session:
        """Return a fresh copy of the code, with these arrays in it; labels if not its own."""

    def value(self, arrays: Arrays) -> Array:
        """Return the output for these arrays, without a backward to come."""
        return self.open(arrays).forward()

    def resized(self, batch_size: int, rng: np.random.Generator) -> Operation | None:
        """Return the same with another number of examples, or None where it has one of its own."""
        return None

    def redrawn(self, rng: np.random.Generator) -> Operation:
        """Return the same with other examples, as many as before."""
        resized = self.resized(self.batch_size, rng)
        if resized is not None:
            return resized
        drawn = {name: rng.standard_normal(self.at[name].shape) for name in self.data}
        return self.moved_to(self.at | drawn)

    def alone(self, row: int) -> Operation:
        """Return the same with one example of those that there are."""
        axis = self.batch_axis
        assert axis is not None
        taken = {name: np.take(self.at[name], [row], axis=axis) for name in self.data}
        other = self.moved_to(self.at | taken)
        if self.labels is not None and self.labels.ndim:
            other.labels = np.take(self.labels, [row], axis=axis)
        return other

    def moved_to(self, at: Arrays) -> Operation:
        """Return the same at another point."""
        other = copy.copy(self)
        other.at = at
        return other

    def if_overwritten(self, name: str, exact: Array, dout: Array) -> Array | None:
        """Return the gradient that seems to come where code sets one that it must add to.

        So a node of a graph may, whose parents have other children; None where nothing adds up.
        """
        return None

    def upstreams(self, out: Array, rng: np.random.Generator) -> list[Upstream]:
        """Return the gradients from above to check with; several where the code takes none."""
        if self.takes_dout:
            if self.is_scalar:
                return [Upstream(np.full(out.shape, UPSTREAM))]
            return [Upstream(rng.standard_normal(out.shape))]
        if out.size == 1:
            return [Upstream(np.ones(out.shape))]
        ones = np.ones(out.shape)
        return [
            Upstream(ones / out.size, "of the mean of the losses"),
            Upstream(ones, "of the sum of the losses"),
        ]

    @property
    def batch_size(self) -> int:
        """How many examples there are."""
        array = self.at[self.data[0]] if self.data else self.labels
        if self.batch_axis is None or array is None:
            return 1
        return int(array.shape[self.batch_axis]) if array.ndim else 1

    def rows(self, array: Array) -> Array:
        """Return an array of examples with one example in each row, however the code has them."""
        if array.ndim == 1:
            return array[None, :]
        return array.T if self.batch_axis == -1 and array.ndim == 2 else array


def are_probabilities(rows: Array) -> bool:
    """Return whether the numbers of each row are at least 0, and sum to one."""
    return bool(rows.ndim > 1 and np.all(rows >= 0) and np.allclose(rows.sum(axis=-1), 1))
