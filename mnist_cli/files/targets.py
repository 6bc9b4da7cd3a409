"""The files that are going to be written: whether they can be, before an hour of work is lost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from mnist_cli.errors import ModelError, SettingsError


def check_writable(path: str | Path) -> None:
    """Raise ModelError if a file could not be written at ``path``: now, not after an hour."""
    try:
        target = Path(os.path.realpath(path))  # a link stays, and what it points to is written
        if target.is_symlink():
            raise ModelError(f"{path} is a link to itself: name a file.")
        if target.exists() and not target.is_file():
            raise ModelError(f"{path} is a folder or a device: name a file.")
        if not target.parent.is_dir():
            raise ModelError(
                f"{path} cannot be written, as there is no folder {target.parent}: make it."
            )
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}.") from error
    if not os.access(target.parent, os.W_OK):
        raise ModelError(f"{path} cannot be written: you may not write to {target.parent}.")


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
        if os.path.realpath(path) == os.path.realpath(other) and {first, second} not in updated:
            raise SettingsError(
                f"`{second}` and `{first}` are both {path}: give them different names."
            )
