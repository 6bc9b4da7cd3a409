"""Formats that grow: a file of an earlier version is upgraded, step by step, when it is read.

A format is a number, and a list of steps: the first makes format 2 of format 1, and so on. A new
format is one function more in that list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mnist_cli.texts import shown

Step = Callable[[dict[str, Any]], dict[str, Any]]


class NewerFormatError(Exception):
    """A file is of a format that only a later version knows."""


def newest(steps: Sequence[Step]) -> int:
    """Return the number of the newest format."""
    return 1 + len(steps)


def upgraded(document: dict[str, Any], key: str, steps: Sequence[Step]) -> dict[str, Any]:
    """Return a document in the newest format.

    Parameters
    ----------
    document : dict
    key : str
        Where it has the number of its format.
    steps : sequence of functions
        Each makes a document of the next format.

    Raises
    ------
    NewerFormatError
        If the format is newer than the newest that is known.
    ValueError
        If it has no number of a format.
    """
    version = document[key]
    if type(version) is not int or version < 1:
        raise ValueError(key)
    if version > newest(steps):
        raise NewerFormatError(f"format {shown(version)}, and this version knows {newest(steps)}")
    for step in steps[version - 1 :]:
        document = step(document)
    return document | {key: newest(steps)}
