"""Calling somebody's code: what it takes, what it returns, and what it raises.

What it raises is a `UserCodeError`, which shows that code's own lines and none of ours.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.errors import MnistCliError

OWN_FOLDER = str(Path(__file__).parent)


class UserCodeError(MnistCliError):
    """The code that was to be checked cannot be: it raised something, or lacks a method."""

    @property
    def raised(self) -> str:
        """What was raised, in a line."""
        return str(self).splitlines()[0].removeprefix("The code to check raised ")


def call(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call somebody's function; what it raises becomes a `UserCodeError` with its own lines."""
    try:
        with np.errstate(all="ignore"):
            return function(*arguments, **named)
    except (KeyboardInterrupt, UserCodeError):
        raise
    except BaseException as error:
        raise UserCodeError(tell(error)) from error


def tell(error: BaseException) -> str:
    """Return an exception as Python shows it, from the first line that is not ours on."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((OWN_FOLDER, "<frozen"))
    ]
    what = "".join(traceback.format_exception_only(error)).strip()
    if not frames:
        return f"The code to check cannot be called as it should be: {what}"
    lines = "".join(traceback.format_list(frames)).rstrip()
    return f"The code to check raised {what}\n{lines}"


def positional(function: Callable[..., Any]) -> int:
    """Return how many arguments a function can be given without names."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return 9
    return sum(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in parameters
    )


def names_of(function: Callable[..., Any]) -> list[str]:
    """Return what a function calls its arguments."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def required(function: Callable[..., Any]) -> int:
    """Return how many arguments a function must be given without names."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    return sum(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
        for parameter in parameters
    )


def numbers(value: Any, method: str) -> NDArray[Any]:
    """Return what a method returned as an array, or say that it is none."""
    try:
        array = np.array(None) if isinstance(value, tuple) else np.asarray(value)
    except Exception:
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        kind = type(value).__name__
        if isinstance(value, np.ndarray):
            kind = f"an array of {value.dtype}"
        raise UserCodeError(
            f"{method} returned {kind}, where an array of real numbers is expected: return the "
            "result."
        )
    return array
