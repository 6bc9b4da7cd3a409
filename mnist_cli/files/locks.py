"""One writer at a time, for files that a process keeps writing for as long as it works."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mnist_cli.errors import SettingsError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LONGEST_NAME = 200
"""Bytes of a name to which something can be added on any file system."""


def lock(descriptor: int, path: str | Path, name: str = "") -> None:
    """Lock an open file for as long as it is open, whatever becomes of this process.

    On a file system that knows no locks, nothing is done.

    Parameters
    ----------
    descriptor : int
    path : path
        What an error calls it.
    name : str
        The argument that names it, if it is a setting.

    Raises
    ------
    SettingsError
        If another program has it locked.
    """
    if not fcntl:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        what = f"`{name}` {path}" if name else path
        raise SettingsError(
            f"{what} is being written by another program that is still running: give another "
            "name, or wait until that has ended."
        ) from error
    except OSError:
        return


@contextmanager
def sole_writer(path: str | Path, name: str) -> Iterator[None]:
    """Keep every other process that asks, too, from writing ``path`` while the block lasts.

    What is locked is a file beside it, as ``path`` itself is replaced whenever it is written. It is
    removed in the end; where a killed process left it, it is locked by nobody, and taken over.

    Parameters
    ----------
    path : path
        By whatever spelling or link; its folder must exist.
    name : str
        The argument that names it.

    Raises
    ------
    SettingsError
        If another process, or another thread, writes it now.
    """
    beside = lock_file(path)
    descriptor = _locked(beside, path, name)
    if descriptor is None:
        yield
        return
    try:
        yield
    finally:
        if os.fstat(descriptor).st_size == 0:  # else somebody else's, of the same name
            beside.unlink(missing_ok=True)
        os.close(descriptor)


def lock_file(path: str | Path) -> Path:
    """Return the file that is locked while ``path`` is written."""
    target = Path(os.path.realpath(path))
    name = os.fsencode(target.name)
    if len(name) > LONGEST_NAME:
        return target.with_name(f".{hashlib.sha256(name).hexdigest()}.lock")
    return target.with_name(f".{target.name}.lock")


def _locked(beside: Path, path: str | Path, name: str) -> int | None:
    """Return the descriptor of a lock file that is ours now; None where there can be none."""
    if not fcntl:
        return None
    while True:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(beside, flags, 0o666)
        except OSError:
            return None
        try:
            lock(descriptor, path, name)
            if os.path.samestat(os.fstat(descriptor), os.lstat(beside)):
                return descriptor
        except FileNotFoundError:  # who had it before has just removed it
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
