"""Folders: a user's home, those that are made for files, and those that belong to somebody else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mnist_cli.files.atomic import sync_folder


def at_home(path: str | Path) -> str:
    """Return a path in which ``~`` is the user's home, and ``~name`` that of another user.

    What begins with ``~`` and is nobody's home stays as it is.

    Raises
    ------
    ValueError
        If this user has no home.
    """
    text = os.fspath(os.path.expanduser(path))
    if text == "~" or text.startswith(("~/", f"~{os.sep}")):
        raise ValueError("there is no home: write the folder out")
    return text


@contextmanager
def made(folder: str | Path, *, is_private: bool = False) -> Iterator[None]:
    """Make a folder, and those above it, if they are not there; if the block raises, remove them.

    What was there before stays, and so does what is not empty in the end.

    Parameters
    ----------
    folder : path
    is_private : bool
        Whether nobody else may look into it, if it is made now.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    folder = Path(folder)
    missing = []
    above = folder
    while not above.exists() and above != above.parent:
        missing.append(above)
        above = above.parent
    done: list[Path] = []
    try:
        for path in reversed(missing):
            with suppress(FileExistsError):  # somebody else has just made it
                path.mkdir(0o700 if is_private else 0o777)
                done.append(path)
                sync_folder(path.parent)
        if not folder.is_dir():
            folder.mkdir()  # which says what is in the way
        yield
    except BaseException:
        for path in reversed(done):
            with suppress(OSError):  # it is not empty
                path.rmdir()
        raise


def is_ours_alone(folder: str | Path) -> bool:
    """Return whether a folder is this user's, is no link, and nobody else may write to it."""
    status = os.lstat(folder)
    is_own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return stat.S_ISDIR(status.st_mode) and is_own and not status.st_mode & 0o077
