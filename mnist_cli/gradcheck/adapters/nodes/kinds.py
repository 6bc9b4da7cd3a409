"""Which classes are nodes, and in which ways their nodes may be made and run."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.nodes.attributes import GRADIENTS, VALUES
from mnist_cli.gradcheck.adapters.nodes.classes import (
    back_of,
    names_in,
    takes_nothing,
    unwrapped,
    vars_of_class,
    wanted,
)
from mnist_cli.gradcheck.adapters.nodes.functions import Called, WithContext
from mnist_cli.gradcheck.adapters.nodes.graph import Graph
from mnist_cli.gradcheck.adapters.nodes.parents import Leaf, StandIn, leaf_makers, usual_gradients
from mnist_cli.gradcheck.adapters.nodes.passes import Kind
from mnist_cli.gradcheck.adapters.signature import arguments, takes_any
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.user_code import UserCodeError, call, required

CONTEXTS = {"ctx", "context", "cx"}
"""What the context is called that remembers arrays."""
LONGEST = 3
"""How many parents a node is tried with that takes any number of them."""
A_NUMBER = 2.0
"""What an argument of the constructor is given that is a number, and no parent."""


def kinds_of(kind: type, module: Mapping[str, Any], request: Request) -> Iterator[Kind]:
    """Yield the ways in which a class may be a node."""
    own = vars_of_class(kind)
    forward = own.get("forward")
    if forward is not None and "backward" in own:
        given = arguments(unwrapped(forward))
        if given and given[0].name in CONTEXTS:
            for names in _names(unwrapped(forward), request):
                yield WithContext(kind, names)
            return
        leaf = _leaf_of_call(kind, own, module)
        if leaf is not None:
            for names in _names(unwrapped(forward), request):
                yield Called(kind, names, leaf)
            return
    if forward is not None and not required(kind):
        yield from _of_forward(kind, "forward", module, request)
    elif "__call__" in own and not required(kind):
        yield from _of_forward(kind, "__call__", module, request)
    else:
        yield from _of_graph(kind, own, module, request)


def _leaf_of_call(kind: type, own: Mapping[str, Any], module: Mapping[str, Any]) -> Leaf | None:
    """Return what makes the parents of a function whose call unpacks them for its forward."""
    calling = own.get("__call__")
    if calling is None or required(kind):
        return None
    if not {"forward", *VALUES[:3]} & names_in(calling) > {"forward"}:
        return None
    return next((leaf for leaf in leaf_makers((), module) if leaf is not StandIn), None)


def _of_forward(
    kind: type, ahead: str, module: Mapping[str, Any], request: Request
) -> Iterator[Kind]:
    """Yield the kind of nodes made of nothing, whose forward, or call, is given nodes."""
    forward, back = vars_of_class(kind)[ahead], back_of(kind)
    if not inspect.isfunction(forward) or not names_in(forward) & set(VALUES) or back is None:
        return
    for names in _names(forward, request):
        parents = [StandIn(_square()) for _ in names]
        # It may raise because of the shape: what matters is whether it has looked.
        with contextlib.suppress(UserCodeError):
            call(getattr(call(kind), ahead), *parents)
        if any(parent.was_read for parent in parents):
            yield Called(kind, names, _leaves(kind, back, module)[0], ahead, back)
            return


def _of_graph(
    kind: type, own: Mapping[str, Any], module: Mapping[str, Any], request: Request
) -> Iterator[Kind]:
    """Yield the kind of nodes that are made of their parents."""
    init, back = own.get("__init__"), back_of(kind)
    if request.backward and inspect.isfunction(own.get(request.backward)):
        back = request.backward
    if back is None or not inspect.isfunction(init) or not _is_graph(init, own, back):
        return
    taken = {argument.name for argument in arguments(init)}
    literals = {n: v for n, v in request.arguments.items() if n in taken}
    for names in _names(init, request):
        if takes_any(init) and not _takes(kind, len(names)):
            continue
        told = dict(literals)
        unread = _unread(kind, names, told)
        if len(unread) == len(names):
            continue
        as_numbers = told | dict.fromkeys(unread, A_NUMBER)
        if unread and _unread(kind, names, as_numbers) == unread:
            told = as_numbers
        names = [name for name in names if name not in told]
        for leaf in _leaves(kind, back, module):
            yield Graph(kind, names, leaf, back, told)
        return


def _takes(kind: type, count: int) -> bool:
    """Return whether a class that takes any number of parents computes with as many as these.

    What computes may name them: ``_forward(self, a, b)``.
    """
    try:
        call(kind, *(StandIn(_square()) for _ in range(count)))
    except UserCodeError as error:
        return "positional argument" not in error.raised and "unpack" not in error.raised
    return True


def _leaves(kind: type, back: str, module: Mapping[str, Any]) -> list[Leaf]:
    """Return what makes a parent, first those whose gradient is called as the code calls it."""
    used = names_in(vars_of_class(kind)[back]) & {*GRADIENTS}
    found = leaf_makers(kind.__mro__[1:-1], module)
    return sorted(found, key=lambda leaf: bool(used) and not used & {*usual_gradients(leaf)})


def _names(function: Callable[..., Any], request: Request) -> Iterator[list[str]]:
    """Yield what the parents are called; several numbers of them where any number is taken."""
    needed = [argument.name for argument in wanted(function)]
    if needed or not takes_any(function):
        yield [name for name in needed if name not in request.arguments]
        return
    for count in range(1, LONGEST + 1):
        yield ["x"] if count == 1 else [f"x{index}" for index in range(count)]


def _is_graph(init: Any, own: Mapping[str, Any], back: str) -> bool:
    """Return whether a class may be a node, to judge by its code alone."""
    if not (wanted(init) or takes_any(init)):
        return False
    forward = own.get("forward")
    if forward is None or not inspect.isfunction(forward):
        return bool(names_in(init) & set(VALUES))
    return not wanted(forward) and not wanted(own[back]) and bool(names_in(forward) & set(VALUES))


def _unread(kind: type, names: Sequence[str], literals: Mapping[str, Any]) -> list[str]:
    """Return the arguments whose numbers a class does not read when it is made, and computes.

    All of them, where it raises with these literals before it has read any.
    """
    parents = {n: StandIn(_square()) for n in names if n not in literals}
    init = vars_of_class(kind)["__init__"]
    given = {**parents, **literals}
    try:
        if takes_any(init):
            node = call(kind, *parents.values(), **literals)
        else:
            node = call(kind, **{a.name: given[a.name] for a in arguments(init) if a.name in given})
        if takes_nothing(kind, "forward"):
            call(node.forward)
    except UserCodeError:
        if any(name in literals for name in names):
            return list(names)  # that was no number
    return [n for n in names if n in literals or not parents[n].was_read]


def _square() -> Array:
    """Return an array of which any two can be multiplied as matrices."""
    return np.full((3, 3), 0.5)
