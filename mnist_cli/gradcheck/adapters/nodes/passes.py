"""A pass through a node: it is made of its parents and computes, and goes back once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from mnist_cli.gradcheck.adapters.gradients import assigned, leaves
from mnist_cli.gradcheck.adapters.nodes.attributes import VALUES, numbers_in
from mnist_cli.gradcheck.operation import Array, Arrays
from mnist_cli.gradcheck.user_code import UserCodeError, call


class Pass:
    """A node that was made and has computed: what is needed to go back through it.

    Attributes
    ----------
    out : array
        The numbers of the node.
    node : object
    parents : list

    Raises
    ------
    UserCodeError
        If the node holds no numbers.
    """

    def __init__(self, out: Any, node: Any, parents: Sequence[Any] = ()):
        array = numbers_in(out)
        if array is None or array.dtype.kind not in "fiuc":
            raise UserCodeError(
                f"The node holds {type(out).__name__} after forward, where an array of numbers "
                f"is expected: leave the result in self.{VALUES[0]} or self.{VALUES[1]}."
            )
        self.out, self.node, self.parents = array, node, list(parents)


class Kind(ABC):
    """A way in which nodes are made and run.

    Attributes
    ----------
    names : list of str
        What the parents are called.
    adds : bool
        Whether gradients are added to what another child has left with the parents.
    """

    names: list[str]
    adds = False

    def forward(self, arrays: Arrays) -> Pass:
        """Make a node with these numbers in its parents, and compute."""
        return Pass(*call(self.build, arrays))

    @abstractmethod
    def build(self, arrays: Arrays) -> tuple[Any, Any, Sequence[Any]]:
        """Return what a node with these numbers in its parents has computed, itself, and they.

        In one unguarded call, as it is made thousands of times.
        """

    @abstractmethod
    def backward(self, made: Pass, dout: Array, left: Arrays) -> Arrays:
        """Go back, with this in the parents' gradients, and return what is there afterwards."""

    def if_overwritten(self, exact: Array, left: Array) -> Array | None:
        """Return the gradient that a node seems to give that sets it where it must add."""
        return exact - left if self.adds else None


def returned(result: Any, shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    """Return the gradients that a backward returned, by the names of the parents.

    Parameters
    ----------
    result : object
    shapes : mapping
        Those of the parents.
    """
    return assigned(leaves(result, shapes.values()), shapes)
