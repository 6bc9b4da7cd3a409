"""Which convention somebody's code is written in: each is tried, and what was tried is told."""

from __future__ import annotations

from collections.abc import Iterable

from mnist_cli.gradcheck.adapters import backprop, nodes, tensors
from mnist_cli.gradcheck.adapters.advice import why_not
from mnist_cli.gradcheck.adapters.agreement import (
    agrees,
    at_random,
)
from mnist_cli.gradcheck.adapters.modes import OTHER, has_default, mode_of
from mnist_cli.gradcheck.adapters.otherwise import wrong_otherwise
from mnist_cli.gradcheck.adapters.places import is_own
from mnist_cli.gradcheck.adapters.search import searched
from mnist_cli.gradcheck.operation import Arrays, Operation
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError

ADAPTERS = (nodes, tensors, backprop)
"""Conventions that are told by a class alone; everything else is an object or a function."""


def recognise(
    code: Code, request: Request, given: Arrays | None = None
) -> list[tuple[str, Operation]]:
    """Return the operations that somebody's code is: one, or one for each operator of a class.

    Where it can be read in several ways, it is the first in which its gradients are right; else
    the first that runs. A wrong gradient is right in another reading by no chance, but for a
    forgotten 1/N, which one example does not show: then several are taken. Where two readings
    differ only in a sign, as of ``(x − t)²``, the names of the arguments decide.

    Returns
    -------
    list of (str, Operation)
        With the name of each part, empty where there is but one.

    Raises
    ------
    UserCodeError
        If it runs in none: what was tried, why each failed, and what would make it checkable.
    """
    refuse_what_is_no_code(code)
    is_graph = any(a.applies(code.thing, code.module) for a in (nodes, tensors))
    mode = None if is_graph else mode_of(code, request)
    if mode is not None:
        return in_each_mode(code, mode, request, given)
    for adapter in ADAPTERS:
        if adapter.applies(code.thing, code.module):
            return best_of_each(adapter.operations(code, request), request)
    search = searched(code, request, given)
    if search.found is None:
        raise UserCodeError(why_not(code, search.refused, request))
    parts = [("", search.found)]
    if search.is_certain:
        parts += wrong_otherwise(code, search.found, request, given)
    return parts


def refuse_what_is_no_code(code: Code) -> None:
    """Raise UserCodeError for an object of NumPy's or of Python's, as a generator is."""
    kind = type(code.thing)
    home = str(getattr(kind, "__module__", "")).partition(".")[0]
    if not callable(code.thing) and (home == "numpy" or not is_own(code.thing)):
        raise UserCodeError(
            f"{code.target} is an object of {kind.__name__}, which has no gradient: name a class "
            "or a function of your own."
        )


def in_each_mode(
    code: Code, mode: tuple[str, list[str | None]], request: Request, given: Arrays | None
) -> list[tuple[str, Operation]]:
    """Return the operations that code is with each text that selects what it computes.

    With its default, it must be understood. A remark names the texts with which it is not.
    """
    name, values = mode
    parts: list[tuple[str, Operation]] = []
    refused: list[str] = []
    for value in values:
        told = request.told(name, value)
        try:
            found = recognise(code, told, given)
        except UserCodeError:
            if value != OTHER and not (parts and has_default(code, name)):
                raise
            refused += [str(value)] if value != OTHER else []
            continue
        labels = (f"{name}={value}, {part}" if part else f"{name}={value}" for part, _ in found)
        parts += zip(labels, (operation for _, operation in found), strict=True)
    if refused:
        remark = f"With {name}={' or '.join(refused)} it is not understood, and not checked."
        parts[0][1].remarks.append(remark)
    return parts if len(parts) > 1 else [("", parts[0][1])]


def best_of_each(
    operations: Iterable[tuple[str, Operation]], request: Request
) -> list[tuple[str, Operation]]:
    """Return for each part the first operation whose gradients are right, else the first."""
    found: dict[str, Operation] = {}
    certain: set[str] = set()
    for label, operation in operations:
        if label in certain:
            continue
        if agrees(at_random(operation, request)):
            found[label] = operation
            certain.add(label)
        found.setdefault(label, operation)
    return list(found.items())
