"""Nodes of a graph: each is made of its parents, and leaves gradients with them, or by them."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.gradients import as_numbers
from mnist_cli.gradcheck.adapters.nodes.attributes import (
    GRADIENTS,
    VALUES,
    an_array,
    numbers_in,
    peek,
    value_name,
    vars_of,
)
from mnist_cli.gradcheck.adapters.nodes.classes import names_in, takes_nothing
from mnist_cli.gradcheck.adapters.nodes.parents import (
    BELOW,
    HANDED_ON,
    Leaf,
    StandIn,
    gradients_of,
    leave,
    quiet,
    usual_gradients,
)
from mnist_cli.gradcheck.adapters.nodes.passes import Kind, Pass, returned
from mnist_cli.gradcheck.adapters.signature import arguments, takes_any
from mnist_cli.gradcheck.adapters.vocabulary import DOUT, is_named
from mnist_cli.gradcheck.operation import Array, Arrays
from mnist_cli.gradcheck.user_code import UserCodeError, call

BY_PARENT = ("gradients", "grads", "grad", "gradient")
"""What nodes call the dictionary in which they keep a gradient for each parent."""
SHARE = 0.25
"""How much of the gradient from above the first of two children brings."""


class Graph(Kind):
    """Nodes that are made of their parents, and leave gradients with them, or by them.

    Parameters
    ----------
    kind : type
    names : list of str
    leaf : callable
    back : str
        The name of the method that goes back.
    literals : dict
        Arguments of the constructor that are no parents.

    Attributes
    ----------
    pulls : bool
        Whether it computes in a forward of its own, which takes nothing.
    has_children : bool
        Whether it reads the gradients of its children, and keeps one for each parent.
    reads_one_child : bool
        Whether it reads the gradient of its first child alone.
    """

    def __init__(
        self, kind: type, names: list[str], leaf: Leaf, back: str, literals: Mapping[str, Any]
    ):
        self.kind, self.names, self.leaf, self.back = kind, names, leaf, back
        self.literals = dict(literals)
        method = getattr(kind, back)
        self.used = names_in(method)
        self.wanted = arguments(method)[1:]
        self.takes_parents = takes_any(method) or bool(
            self.wanted and not is_named(self.wanted[0].name, DOUT)
        )
        self.pulls = takes_nothing(kind, "forward")
        self.has_children = self.reads_one_child = False
        self.hands_on: bool | None = None
        self.value = value_name(leaf(an_array()), an_array()) or VALUES[0]
        held = usual_gradients(leaf)
        used = [name for name in GRADIENTS if name in self.used]
        self.gradient = next(iter([*(n for n in held if n in used), *held, *used]), "grad")

    def build(self, arrays: Arrays) -> tuple[Any, Any, Sequence[Any]]:
        """Make the parents, and the node of them."""
        parents = [self.leaf(array) for array in arrays.values()]
        for name, parent in zip(arrays, parents, strict=True):
            held = peek(parent, self.value)
            if isinstance(held, np.ndarray) and held.dtype == arrays[name].dtype:
                arrays[name] = held  # where it would be overwritten
            if not isinstance(parent, StandIn):
                quiet(parent, self.back)
        by_name = dict(zip(self.names, parents, strict=True)) if self.literals else {}
        node = self.kind(*([] if by_name else parents), **by_name, **self.literals)
        if self.pulls:
            node.forward()
        return self.value_of(node), node, parents

    def value_of(self, node: Any) -> Any:
        """Return the numbers of a node: under its parents' name for them, or another."""
        found = (peek(node, name) for name in (self.value, *VALUES))
        return next((value for value in found if as_numbers(value) is not None), None)

    def backward(self, made: Pass, dout: Array, left: Arrays) -> Arrays:
        """Put the gradient from above where the node looks for it, and go back."""
        parents = dict(zip(self.names, made.parents, strict=True))
        self.has_children = self.dictionary_of(made.node) is not None
        if self.has_children:
            return self._by_parent(made.node, parents, dout, bool(left))
        self.adds = True
        shapes = {name: np.shape(peek(parent, self.value)) for name, parent in parents.items()}
        if self.hands_on is None:
            self.hands_on = self._adds_to_itself(made, dout)
        leave(parents, self.gradient, shapes, left)
        setattr(made.node, self.gradient, np.array(dout) * (0.0 if self.hands_on else 1.0))
        result = call(getattr(made.node, self.back), *self._given(made.parents, dout))
        if self.hands_on:
            self.adds = False
            handed = {n: peek(parent, HANDED_ON) for n, parent in parents.items()}
            return {n: np.asarray(g) for n, g in handed.items() if g is not None}
        found = gradients_of(parents, self.gradient)
        is_untouched = all(
            name in found and np.array_equal(found[name], left.get(name, 0.0 * found[name]))
            for name in self.names
        )
        if result is None or not is_untouched:
            return found
        self.adds = False
        return returned(result, shapes)

    def _adds_to_itself(self, made: Pass, dout: Array) -> bool:
        """Return whether a backward adds what it is given to its node's own gradient.

        Then it calls its parents' backward, each with a gradient of its own.
        """
        if self.takes_parents or not self.wanted:
            return False
        arrays = {
            name: np.array(numbers_in(parent))
            for name, parent in zip(self.names, made.parents, strict=True)
        }
        twin = self.forward(arrays)
        setattr(twin.node, self.gradient, np.array(dout))
        try:
            call(getattr(twin.node, self.back), *self._given(twin.parents, dout))
        except UserCodeError:
            return False
        after = numbers_in(peek(twin.node, self.gradient))
        is_called = any(peek(parent, HANDED_ON) is not None for parent in twin.parents)
        return is_called and after is not None and np.allclose(after, 2 * dout)

    def _given(self, parents: list[Any], dout: Array) -> list[Any]:
        if self.takes_parents:
            return parents
        return [dout] if self.wanted else []

    def dictionary_of(self, node: Any) -> str | None:
        """Return where a node keeps a dictionary of gradients, one for each parent, if it does."""
        kept = (name for name in BY_PARENT if isinstance(peek(node, name), dict))
        return next((name for name in kept if name in self.used), None)

    def _by_parent(
        self, node: Any, parents: Mapping[str, Any], dout: Array, has_two: bool
    ) -> Arrays:
        """Go back where the children keep the gradients: one child, or two that share it."""
        dictionary = self.dictionary_of(node)
        assert dictionary is not None
        shares = (SHARE, 1 - SHARE) if has_two and not self.reads_one_child else (1.0,)
        children = _children_of(node, self.used)
        if children is not None:
            children[:] = [
                types.SimpleNamespace(**{dictionary: {node: share * dout}}) for share in shares
            ]
        call(getattr(node, self.back))
        kept = peek(node, dictionary)
        if not isinstance(kept, dict):
            return {}
        found = {name: numbers_in(kept.get(parent)) for name, parent in parents.items()}
        return {name: array for name, array in found.items() if array is not None}

    def if_overwritten(self, exact: Array, left: Array) -> Array | None:
        """Return the gradient that a node seems to give that sets it where it must add.

        Of two children, it keeps the gradient that the second brings.
        """
        if self.has_children:
            return None if self.reads_one_child else (1 - SHARE) * exact
        return super().if_overwritten(exact, left)


def _children_of(node: Any, used: set[str]) -> list[Any] | None:
    """Return the list of a node's children that is in use."""
    for name, value in vars_of(node).items():
        if isinstance(value, list) and name in used and any(part in name for part in BELOW):
            return value
    return None
