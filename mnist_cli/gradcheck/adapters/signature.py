"""What a function takes: its arguments, their defaults, and whether it takes any number."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [Argument("x")]
    return [
        Argument(p.name, p.default, p.kind is p.KEYWORD_ONLY)
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]


def takes_any(function: Callable[..., Any]) -> bool:
    """Return whether a function takes any number of arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.kind is p.VAR_POSITIONAL for p in parameters)
