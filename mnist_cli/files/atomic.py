"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]


@contextmanager
def atomic_write(path: str | Path, *, follow: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file that becomes ``path`` when the block ends, and only if it ends well.

    The temporary file lies in the same folder, as renaming is atomic within a file system only.
    What was at ``path`` stays until the rename, and stays for good if the block raises. What a
    writer left behind that was killed is removed by the next one. File and folder are synced, so
    that a power cut, too, leaves the old file or the new one.

    A link at ``path`` is replaced, and what it points to stays as it is: somebody else may have
    laid it there. Another name of the same file, a hard link, keeps the old content.

    Parameters
    ----------
    path : path
        The file to write; its folder must exist.
    follow : bool
        Whether a link at ``path`` stays, and the file that it points to is replaced: for paths that
        the user has named.

    Yields
    ------
    binary file, open for reading and writing

    Raises
    ------
    OSError
        If the folder cannot be written to, or the disk is full.
    """
    path = Path(os.path.realpath(path) if follow else path)
    _remove_abandoned(path)
    descriptor, temporary = _make_temporary(path)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            # mkstemp's files are private; a result is as readable as any other new file.
            umask = os.umask(0)
            os.umask(umask)
            with suppress(PermissionError):  # as on some network drives
                temporary.chmod(0o666 & ~umask)
            if fcntl:  # while it is locked
                temporary.replace(path)
        if not fcntl:
            temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: str | Path) -> None:
    """Have the names in a folder written to the disk, where the system can do that."""
    with suppress(OSError):  # as on Windows, and on some network drives
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _make_temporary(path: Path) -> tuple[int, Path]:
    """Return a new file beside ``path``, open, and locked for as long as it is open."""
    while True:
        prefix = _prefix(path)
        descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=".part", dir=path.parent)
        if fcntl:
            with suppress(OSError):  # as on some network drives
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink == 0:
                os.close(descriptor)  # somebody took it for abandoned before it was locked
                continue
        return descriptor, Path(name)


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files for ``path`` that nobody has locked any more."""
    if not fcntl:
        return
    for left in path.parent.glob(f"{escape(_prefix(path))}*.part"):
        with suppress(OSError):
            # Whatever else has such a name is left alone: to open a pipe could take for ever.
            if stat.S_ISREG(left.lstat().st_mode):
                with left.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    left.unlink()


def _prefix(path: Path) -> str:
    """Return how the names of the temporary files for ``path`` begin: in 100 bytes at most."""
    return f".{os.fsencode(path.name)[:100].decode(errors='ignore')}."
