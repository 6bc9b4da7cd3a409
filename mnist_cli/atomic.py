"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that becomes ``path`` when the block ends, and only if it ends well.

    The temporary file lies in the same folder, as renaming is atomic within a file system only.
    What was at ``path`` stays until the rename, and stays for good if the block raises.

    Parameters
    ----------
    path : Path
        The file to write; its folder must exist.

    Yields
    ------
    binary file, open for reading and writing

    Raises
    ------
    OSError
        If the folder cannot be written to, or the disk is full.
    """
    path = path.resolve()  # a link stays a link, and what it points to is written
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    temporary = Path(name)
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
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
