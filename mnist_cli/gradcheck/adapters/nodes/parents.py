"""What a node is made of: a leaf of the user's own class, or a stand-in for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.nodes.attributes import (
    GRADIENTS,
    VALUES,
    an_array,
    numbers_in,
    peek,
    value_name,
    vars_of,
)
from mnist_cli.gradcheck.adapters.vocabulary import BACKWARDS
from mnist_cli.gradcheck.operation import Array, Arrays
from mnist_cli.gradcheck.user_code import UserCodeError, call, required

ABOVE = ("inbound", "parent", "input", "prev", "inp", "operand", "args")
BELOW = ("outbound", "child", "consumer", "output", "next", "succ", "outs")
"""What is in the names of the lists of a node's parents, and of its children."""
HANDED_ON = "_handed_on"
"""Where a parent has the gradients that its backward was called with."""
NOBODYS = ("builtins", "numpy", "abc", "typing")
"""The modules whose classes are nobody's parents."""

Leaf = Callable[[Array], Any]
"""Makes a parent that holds an array."""


class StandIn:
    """In the place of a parent whose class nobody wrote down: has the attributes in use.

    Its numbers go by any name of `VALUES`, their gradient by any of `GRADIENTS`.
    """

    def __init__(self, array: Array):
        self.__dict__["held"] = array
        self.__dict__["left"] = np.zeros(np.shape(array))
        self.__dict__["was_read"] = False

    def __getattr__(self, name: str) -> Any:
        if name in VALUES:
            self.__dict__["was_read"] = True
            return self.__dict__["held"]
        if name in GRADIENTS:
            return self.__dict__["left"]
        if name in ("shape", "ndim", "size", "dtype"):
            return getattr(self.__dict__["held"], name)
        if name == "requires_grad":
            return True
        if name in BACKWARDS:
            return self._note
        if not name.startswith("__") and any(part in name for part in (*ABOVE, *BELOW)):
            return self.__dict__.setdefault(name, [])
        raise AttributeError(f"a parent has no attribute {name!r}")

    def _note(self, *given: Any, **named: Any) -> None:
        """Note the gradient that a node hands on by calling its parents' backward."""
        note(self.__dict__, given)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in VALUES:
            name = "held"
        elif name in GRADIENTS:
            name = "left"
        self.__dict__[name] = value


def leaf_makers(kinds: Sequence[Any], module: Mapping[str, Any]) -> Iterator[Leaf]:
    """Yield what makes a parent of an array: a base class, a class beside it, a stand-in.

    Parameters
    ----------
    kinds : sequence of type
        The classes to try first.
    module : mapping
        The names beside them.
    """
    classes = [*kinds, *(v for v in module.values() if isinstance(v, type) and v not in kinds)]
    for kind in classes:
        if getattr(kind, "__module__", "builtins") not in NOBODYS:
            yield from _working(_makers(kind))
    yield StandIn


def _makers(kind: type) -> list[Leaf]:
    """Return the ways to make an object with an array in it: of that, or by setting it later."""

    def of_array(array: Array) -> Any:
        return kind(array)

    def set_later(array: Array) -> Any:
        node: Any = kind()
        setattr(node, next(name for name in VALUES if hasattr(node, name)), array)
        return node

    makers: list[Leaf] = [of_array, set_later]
    return makers[: max(0, 2 - required(kind))]


def _working(makers: Sequence[Leaf]) -> Iterator[Leaf]:
    """Yield the first of some makers whose objects hold the array that they are made of."""
    for maker in makers:
        try:
            node = call(maker, an_array())
        except UserCodeError:
            continue
        if value_name(node, an_array()) is not None:
            yield maker
            return


def usual_gradients(leaf: Leaf) -> list[str]:
    """Return the attributes of a leaf that may be its gradient; all, of a stand-in."""
    made = leaf(an_array())
    held = GRADIENTS if isinstance(made, StandIn) else vars_of(made)
    return [name for name in GRADIENTS if name in held]


def leave(
    parents: Mapping[str, Any], gradient: str, shapes: Mapping[str, tuple[int, ...]], left: Arrays
) -> None:
    """Put into parents' gradients what another child has left there, or zeros."""
    for name, parent in parents.items():
        setattr(parent, gradient, left[name].copy() if name in left else np.zeros(shapes[name]))


def gradients_of(parents: Mapping[str, Any], gradient: str) -> Arrays:
    """Return the gradients that parents hold, of those that hold one."""
    found = {name: numbers_in(peek(parent, gradient)) for name, parent in parents.items()}
    return {name: array for name, array in found.items() if array is not None}


def note(attributes: dict[str, Any], given: Sequence[Any]) -> None:
    """Add up the gradients that a parent's backward is called with."""
    gradient = numbers_in(given[0]) if given else None
    if gradient is not None:
        attributes[HANDED_ON] = attributes.get(HANDED_ON, 0.0) + gradient


def quiet(parent: Any, back: str) -> None:
    """Let a parent have nothing behind it, so that going back ends there."""
    try:
        setattr(parent, back, lambda *given, **named: note(vars(parent), given))
    except Exception:
        return
