"""Functions that are given nodes, or arrays and a context to remember them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.backwards import SURELY_OUTPUT
from mnist_cli.gradcheck.adapters.nodes.attributes import numbers_in
from mnist_cli.gradcheck.adapters.nodes.classes import unwrapped, vars_of_class
from mnist_cli.gradcheck.adapters.nodes.parents import Leaf, gradients_of, leave, usual_gradients
from mnist_cli.gradcheck.adapters.nodes.passes import Kind, Pass, returned
from mnist_cli.gradcheck.adapters.signature import arguments
from mnist_cli.gradcheck.adapters.vocabulary import is_named
from mnist_cli.gradcheck.operation import Array, Arrays
from mnist_cli.gradcheck.user_code import UserCodeError, call


class Called(Kind):
    """A function that is given nodes; its backward returns the gradients, or leaves them there.

    Parameters
    ----------
    kind : type
    names : list of str
    leaf : callable
    ahead, back : str
        The names of the method that is given the nodes, and of the one that goes back.
    """

    def __init__(
        self,
        kind: type,
        names: list[str],
        leaf: Leaf,
        ahead: str = "__call__",
        back: str = "backward",
    ):
        self.kind, self.names, self.leaf, self.ahead, self.back = kind, names, leaf, ahead, back
        self.gradient = next(iter(usual_gradients(leaf)), None)

    def build(self, arrays: Arrays) -> tuple[Any, Any, Sequence[Any]]:
        """Make the nodes and the function, and call it with them."""
        parents = [self.leaf(array) for array in arrays.values()]
        function: Any = self.kind()
        out = getattr(function, self.ahead)(*parents)
        if isinstance(out, tuple | list) and len(out) == 1:
            out = out[0]
        # The function may hold its output weakly.
        return out, function, [*parents, out]

    def backward(self, made: Pass, dout: Array, left: Arrays) -> Arrays:
        """Give backward the gradient from above, as an array or as a node."""
        parents = dict(zip(self.names, made.parents, strict=False))
        shapes = {n: np.asarray(numbers_in(parent)).shape for n, parent in parents.items()}
        if self.gradient is not None:
            leave(parents, self.gradient, shapes, left)
        result = self._back(made, dout)
        self.adds = result is None
        if not self.adds or self.gradient is None:
            return returned(result, shapes)
        return gradients_of(parents, self.gradient)

    def _back(self, made: Pass, dout: Array) -> Any:
        """Go back from an array, from a node, or from the gradient of what was made."""
        method = getattr(made.node, self.back)
        wanted = [a for a in arguments(method) if a.is_required]
        if len(wanted) == 1 and is_named(wanted[0].name, {*SURELY_OUTPUT, "a", "s"}):
            return dout * numbers_in(call(method, made.out))  # the derivative, by the output
        if self.gradient is not None and all(argument.name in self.names for argument in wanted):
            if hasattr(made.parents[-1], "__dict__"):  # a loss may be a number
                setattr(made.parents[-1], self.gradient, np.array(dout))
            return call(method, *made.parents[: len(wanted)])
        try:
            return call(method, dout)
        except UserCodeError as error:
            try:
                return call(method, self.leaf(dout))
            except UserCodeError:
                raise error from None


class Context:
    """In the place of a context that remembers arrays between forward and backward."""

    def __init__(self) -> None:
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *arrays: Any) -> None:
        """Remember some arrays."""
        self.saved_tensors = (*self.saved_tensors, *arrays)

    @property
    def saved_values(self) -> tuple[Any, ...]:
        """The arrays, by another name in use."""
        return self.saved_tensors

    saved_variables = saved_values
    needs_input_grad = (True,) * 9


class WithContext(Kind):
    """Two static methods, with a context between them."""

    def __init__(self, kind: type, names: list[str]):
        self.kind, self.names = kind, names
        own = vars_of_class(kind)
        self.ahead, self.back = unwrapped(own["forward"]), unwrapped(own["backward"])

    def build(self, arrays: Arrays) -> tuple[Any, Any, Sequence[Any]]:
        """Call forward with an empty context."""
        context, inputs = Context(), list(arrays.values())
        return self.ahead(context, *inputs), context, inputs

    def backward(self, made: Pass, dout: Array, left: Arrays) -> Arrays:
        """Call backward with the same context."""
        result = call(self.back, made.node, dout)
        return returned(
            result, {n: np.shape(a) for n, a in zip(self.names, made.parents, strict=True)}
        )
