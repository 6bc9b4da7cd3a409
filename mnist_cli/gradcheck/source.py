"""What the source of the user's code says: read and parsed once, however often it is asked for."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import lru_cache
from typing import Any

KEPT = 64
"""Of how many functions and classes the source is kept: of a piece of code, these are a few."""


def text_of(code: Any) -> str:
    """Return the source of a function, a method or a class; nothing if there is none."""
    try:
        code = inspect.unwrap(code)
        return _text_of(getattr(code, "__func__", code))
    except Exception:  # written nowhere, or an object of theirs that raises whatever is asked
        return ""


def tree_of(code: Any) -> ast.Module:
    """Return the syntax of a function, a method or a class; an empty module if there is none."""
    return _tree_of(text_of(code))


def methods_of(kind: type) -> list[Any]:
    """Return the methods of a class, also those that a base class defines.

    Python finds the source of a function by its line; for that of a class it parses the whole file.
    """
    members = [member for base in kind.__mro__[:-1] for member in vars(base).values()]
    functions = [getattr(m, "fget", getattr(m, "__func__", m)) for m in members]
    return [function for function in functions if inspect.isroutine(function)]


@lru_cache(KEPT)
def _text_of(code: Any) -> str:
    return textwrap.dedent(inspect.getsource(code))


@lru_cache(KEPT)
def _tree_of(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:  # a line of a larger expression, as a lambda is
        return ast.parse("")
