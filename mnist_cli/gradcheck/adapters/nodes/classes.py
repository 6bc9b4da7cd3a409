"""What a class tells by its code alone: its methods, what they take, which names they use."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

from mnist_cli.gradcheck.adapters.signature import Argument, arguments
from mnist_cli.gradcheck.adapters.vocabulary import BACKWARDS


def vars_of_class(kind: type) -> dict[str, Any]:
    """Return what a class and its bases define, without what every object has."""
    found: dict[str, Any] = {}
    for each in reversed(kind.__mro__[:-1]):
        if each.__module__ not in ("abc", "typing", "builtins"):
            found |= vars(each)
    return found


def unwrapped(method: Any) -> Callable[..., Any]:
    """Return the function of a static or class method."""
    function: Callable[..., Any] = getattr(method, "__func__", method)
    return function


def wanted(method: Callable[..., Any]) -> list[Argument]:
    """Return the arguments that a method must be given, without the object."""
    return [argument for argument in arguments(method)[1:] if argument.is_required]


def takes_nothing(kind: type, name: str) -> bool:
    """Return whether a class has a method of this name that takes only the object."""
    method = vars_of_class(kind).get(name)
    return inspect.isfunction(method) and not wanted(method)


def names_in(function: Any) -> set[str]:
    """Return the names of attributes and variables in the code of a function."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    found: set[str] = set()
    waiting = [code] if code is not None else []
    while waiting:
        current = waiting.pop()
        found |= {*current.co_names, *current.co_freevars}
        waiting += [c for c in current.co_consts if isinstance(c, types.CodeType)]
    return found


def back_of(kind: type) -> str | None:
    """Return the method that goes back, of the class that is nearest.

    A base class may have a ``backward`` that starts at ones and calls each node's own ``_back``.
    """
    for each in kind.__mro__[:-1]:
        found = [name for name in BACKWARDS if inspect.isfunction(vars(each).get(name))]
        if found:
            return max(found, key=lambda name: name.startswith("_"))
    return None
