"""The files that are going to be written: whether they can be, before an hour of work is lost."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

from mnist_cli.errors import ModelError, SettingsError

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
"""What a path can be that is no file."""

STREAM = re.compile(r"/dev/std(in|out|err)$|/dev/fd/|/proc/[^/]+/fd/")
"""Paths of what is open: to replace the file there would leave an open file without a name."""


def check_writable(path: str | Path) -> None:
    """Raise ModelError if a file could not be written at ``path``: now, not after an hour."""
    if STREAM.match(os.path.abspath(path)):
        raise ModelError(f"{path} is an open stream: name a file.")
    try:
        target = Path(os.path.realpath(path))  # a link stays, and what it points to is written
        if target.is_symlink():
            raise ModelError(f"{path} is a link to itself: name a file.")
        if target.exists() and not target.is_file():
            mode = target.stat().st_mode
            kind = next((kind for is_kind, kind in KINDS if is_kind(mode)), "no file")
            raise ModelError(f"{path} is {kind}: name a file.")
        if not target.parent.is_dir():
            raise ModelError(
                f"{path} cannot be written, as there is no folder {target.parent}: make it."
            )
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}.") from error
    if not os.access(target.parent, os.W_OK):
        raise ModelError(f"{path} cannot be written: you may not write to {target.parent}.")
    if target.exists() and not os.access(target, os.W_OK):
        raise ModelError(f"{path} is write-protected: name another file.")


def is_same(path: str | Path, other: str | Path) -> bool:
    """Return whether two paths name one file: by other spellings, by links, or by hard links.

    Files that are not there yet are compared by their folders and names.
    """
    one, two = Path(os.path.realpath(path)), Path(os.path.realpath(other))
    try:
        if one.exists() and two.exists():
            return one.samefile(two)
        return one == two or (one.name == two.name and one.parent.samefile(two.parent))
    except OSError:
        return one == two


def check_distinct(paths: Mapping[str, str | Path | None]) -> None:
    """Raise SettingsError if two arguments name the same file, one of them to be written.

    Parameters
    ----------
    paths : dict
        The path of each argument, or None, by its name. A checkpoint may be the one that is
        resumed, and the model that is written the one that training started from.
    """
    updated = ({"checkpoint", "resume"}, {"out", "start"})
    named = {name: path for name, path in paths.items() if path}
    for (first, path), (second, other) in combinations(named.items(), 2):
        if {first, second} not in updated and is_same(path, other):
            both = f"both {path}" if str(path) == str(other) else f"one file, {other} and {path}"
            raise SettingsError(f"`{second}` and `{first}` are {both}: give them different names.")


def check_kept(
    written: Mapping[str, str | Path | None], read: Iterable[str | Path], what: str
) -> None:
    """Raise SettingsError if an argument would write over one of the files that are read.

    Parameters
    ----------
    written : dict
        The path of each argument, or None, by its name.
    read : iterable of paths
    what : str
        What those are: "a file of the data set".
    """
    read = list(read)
    for name, path in written.items():
        for other in read if path else ():
            assert path
            if is_same(path, other):
                raise SettingsError(f"`{name}` {path} is {what}: name another file.")
