"""Pictures and pages that the program makes for people: it writes over its own alone.

Each bears `MARK`, where its format has a place for who made it.
"""

from __future__ import annotations

import os
from pathlib import Path

from mnist_cli.errors import ModelError, SettingsError
from mnist_cli.files.atomic import atomic_write
from mnist_cli.files.targets import check_writable

MARK = "mnist-cli, which may write over this file"

REACH = 1 << 16
"""Bytes at the beginning and at the end of a file in which its mark is looked for."""


def check_output(path: str | Path, force: bool = False) -> None:
    """Raise an error if a file cannot be written, or is one that this program did not make.

    Parameters
    ----------
    path : path
    force : bool
        Whether any file may be written over.

    Raises
    ------
    ModelError
        If it could not be written.
    SettingsError
        If there is another file, and no `force`.
    """
    check_writable(path)
    if not force and Path(path).exists() and not _is_ours(path):
        raise SettingsError(
            f"{path} is there already, and was not made by this command: name another `out`, or "
            "replace it with `force`."
        )


def _is_ours(path: str | Path) -> bool:
    """Return whether a file is empty or bears the mark."""
    try:
        with open(path, "rb") as file:
            start = file.read(REACH)
            file.seek(max(0, os.fstat(file.fileno()).st_size - REACH))
            end = file.read(REACH)
    except OSError:
        return False
    return not start or MARK.encode() in start or MARK.encode() in end


def write_output(path: str | Path, content: bytes) -> None:
    """Write a file, whole or not at all. A link stays, and what it points to is replaced.

    Raises
    ------
    ModelError
        If it cannot be written.
    """
    try:
        with atomic_write(path, follow=True) as file:
            file.write(content)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}.") from error
