"""What a function takes: its arguments, their defaults, and whether it takes any number."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.vocabulary import plain
from mnist_cli.gradcheck.source import tree_of

EMPTY = inspect.Parameter.empty


@dataclass(frozen=True)
class Argument:
    """An argument that may be given by its position.

    Attributes
    ----------
    name : str
    default : object
        `EMPTY` if it must be given.
    is_keyword : bool
        Whether it can be given by its name alone.
    """

    name: str
    default: Any = EMPTY
    is_keyword: bool = False

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is EMPTY


def arguments(function: Callable[..., Any]) -> list[Argument]:
    """Return the arguments of a function; of one without a signature, a single x."""
    if isinstance(function, np.vectorize):
        function = function.pyfunc
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [Argument("x")]
    return [
        Argument(p.name, p.default, p.kind is p.KEYWORD_ONLY)
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]


def returned_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return what a function calls the things that it returns; nothing if not all are names."""
    names = returned(function)
    return names if all(names) else ()


def returned(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return what a function calls the things that it returns, as ``""`` what has no name."""
    values = [node.value for node in ast.walk(tree_of(function)) if isinstance(node, ast.Return)]
    last = values[-1] if values else None
    parts = last.elts if isinstance(last, ast.Tuple) else [last]
    return tuple(part.id if isinstance(part, ast.Name) else "" for part in parts)


DERIVING = {
    *("derivative", "deriv", "derive", "prime", "grad", "gradient", "isderivative", "dx", "d"),
    *("diff", "der", "back", "backward", "backprop", "bprop"),
}
"""Arguments that make a function give its derivative."""


def derivative_flag(function: Callable[..., Any]) -> str | None:
    """Return the argument that makes a function its own derivative: ``tanh(x, deriv=True)``."""
    return next(
        (a.name for a in arguments(function) if a.default is False and plain(a.name) in DERIVING),
        None,
    )


def takes_any(function: Callable[..., Any]) -> bool:
    """Return whether a function takes any number of arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.kind is p.VAR_POSITIONAL for p in parameters)
