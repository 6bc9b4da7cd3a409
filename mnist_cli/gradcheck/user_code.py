"""Calling somebody's code: what it takes, what it returns, and what it raises.

What it raises is a `UserCodeError`, which shows that code's own lines and none of ours.
"""

from __future__ import annotations

import inspect
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from mnist_cli.errors import MnistCliError

OWN_FOLDER = str(Path(__file__).parent)
NOT_THEIRS = (OWN_FOLDER, *dict.fromkeys(sysconfig.get_path(k) for k in ("stdlib", "platstdlib")))
NOT_THEIRS = (*NOT_THEIRS, "<frozen", "<__array_function__", "numpy/")
"""How the files begin of which no line is shown: ours, and those of Python and NumPy."""


class UserCodeError(MnistCliError):
    """The code that was to be checked cannot be: it raised something, or lacks a method.

    Parameters
    ----------
    sentence : str
    what : str, optional
        What the code raised, in its own words.
    where : str, optional
        The function in which it did, where that is one of the user's.
    """

    def __init__(self, sentence: str, what: str | None = None, where: str | None = None):
        super().__init__(sentence)
        self.what = what
        self.where = where

    @property
    def raised(self) -> str:
        """What was raised, in a line."""
        return self.what or str(self).splitlines()[0]


def call(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call somebody's function; what it raises becomes a `UserCodeError` with its own lines."""
    try:
        with np.errstate(all="ignore", over="ignore" if not _watching else "call"):
            return function(*arguments, **named)
    except (KeyboardInterrupt, UserCodeError):
        raise
    except BaseException as error:
        raise told(error) from error


_watching: list[list[str]] = []


@contextmanager
def overflows() -> Iterator[list[str]]:
    """Yield a list, which has an entry for each step of somebody's code that overflows."""
    noticed: list[str] = []
    before = np.seterrcall(lambda kind, flag: noticed.append(kind))
    _watching.append(noticed)
    try:
        yield noticed
    finally:
        _watching.pop()
        np.seterrcall(before)


def told(error: BaseException) -> UserCodeError:
    """Return what somebody's code raised, in one sentence with the line of theirs that did."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        what = f"{type(error).__name__}: {error.msg}"
        place = f"{shown(error.filename)}:{error.lineno}"
        line = (error.text or "").strip()
        return UserCodeError(_sentence(what, place, line), what)
    what = " ".join("".join(traceback.format_exception_only(error)).split())
    frames = their_frames(error)
    if not frames:
        return UserCodeError(f"The code to check cannot be called as it should be: {what}", what)
    last = frames[-1]
    place = f"{shown(last.filename)}:{last.lineno}"
    return UserCodeError(_sentence(what, place, (last.line or "").strip()), what, last.name)


def _sentence(what: str, place: str, line: str) -> str:
    return f"The code to check raised {what} at {place}{f', `{line}`' if line else ''}."


def their_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the frames of an exception that are neither ours nor the libraries'."""
    return [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(NOT_THEIRS) and not _is_library(frame.filename)
    ]


def _is_library(filename: str) -> bool:
    parts = Path(filename).parts
    return "site-packages" in parts or "dist-packages" in parts or filename.endswith(".pyx")


def shown(filename: str) -> str:
    """Return the path of a file, from the current folder on if it is there."""
    with suppress(ValueError, OSError):
        return str(Path(filename).relative_to(Path.cwd()))
    return filename


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
