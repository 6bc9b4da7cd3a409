"""Which methods of an object are its forward and its backward, and which only help these.

A layer may have ``activation`` and ``activation_prime`` beside ``forward`` and ``backward``, as
methods or as functions that it holds. That these two are right says nothing of its backward.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mnist_cli.gradcheck.adapters.places import attributes
from mnist_cli.gradcheck.adapters.vocabulary import (
    ACTIVATIONS,
    BACKWARDS,
    DERIVATIVES,
    FORWARDS,
    PASSES,
)
from mnist_cli.gradcheck.request import Request


def methods(thing: Any, names: Sequence[str], wanted: str | None) -> list[str]:
    """Return which of some methods an object has; the one that was asked for, if one was."""
    found = []
    for name in (wanted,) if wanted else names:
        try:
            method = getattr(thing, name, None)
        except Exception:
            continue
        if name == "__call__" and isinstance(thing, type) and not _makes_callables(thing):
            continue
        if callable(method) and not isinstance(method, type):
            found.append(name)
    return found


def _makes_callables(kind: type) -> bool:
    """Return whether the objects of a class can be called; the class itself always can."""
    return any("__call__" in vars(parent) for parent in kind.__mro__)


def passes(thing: Any, request: Request) -> tuple[list[str], list[str], list[str]]:
    """Return an object's methods that may be its forward, its backward, and its derivative.

    If its class defines such a pair, functions that the object holds in attributes do not count. If
    it has a forward and a backward, derivatives do not count. If it has another pair, neither do an
    activation and the derivative of that.
    """
    forwards = methods(thing, FORWARDS, request.forward)
    backwards = methods(thing, BACKWARDS, request.backward)
    derivatives = methods(thing, DERIVATIVES, None) if not request.backward else []
    held = attributes(thing)
    own = [[n for n in names if n not in held] for names in (forwards, backwards, derivatives)]
    if own[0] and (own[1] or own[2]):
        forwards, backwards, derivatives = own
    if backwards and any(name in PASSES for name in forwards):
        derivatives = []
    others = [name for name in forwards if name not in ACTIVATIONS]
    backs = [name for name in (*backwards, *derivatives) if name not in ACTIVATIONS]
    if others and backs:
        forwards, derivatives = others, [name for name in derivatives if name in backs]
    return forwards, backwards, derivatives
