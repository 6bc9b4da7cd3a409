"""Archives of arrays, ``.npz``, that may come from anywhere.

NumPy's own reader believes what a header says, and unpacks whatever is packed. This one takes
only what `write_archive` writes: plain arrays, not compressed, whose bytes are all in the file.
So no more memory is asked for than twice what the file is long.
"""

from __future__ import annotations

import errno
import io
import math
import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mnist_cli.files.atomic import atomic_write

DIRECTORY = 1 << 17
"""Bytes of an archive's directory at most: a thousand entries."""

LARGEST = 1 << 29
"""Bytes of an archive that is read or written at most: a network of 160,000 hidden units."""

HEADERS = 1 << 10
"""Bytes of an array's headers in an archive, at most."""


def write_archive(path: str | Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write an archive, whole or not at all.

    A link at ``path`` stays, and the file that it points to is replaced.

    Raises
    ------
    OSError
        If the file cannot be written, or would be larger than what is read; what was at ``path`` is
        then still there.
    """
    if sum(array.nbytes + HEADERS for array in arrays.values()) > LARGEST:
        raise OSError(errno.EFBIG, f"it would be larger than the {LARGEST >> 20} MB that are read")
    # Not np.savez, which leaves an archive open when the disk is full.
    with atomic_write(path, follow=True) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, array, version=(1, 0), allow_pickle=False)


def read_archive(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read an archive, and return its arrays by their names.

    Raises
    ------
    FileNotFoundError
        If there is nothing at ``path``.
    ValueError
        If it is no such archive.
    OSError
        If the file cannot be read.
    """
    try:
        # Of a strange header, NumPy and Python's own parser warn before they fail.
        with warnings.catch_warnings(action="ignore"), open_archive(path, LARGEST) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > Path(path).stat().st_size:
                raise ValueError("more than is in the file")
            names = [member.filename for member in members]
            # Of two arrays of one name, NumPy may read another one than we do.
            if len(set(names)) < len(names) or not all(name.endswith(".npy") for name in names):
                raise ValueError("an array twice, or no array")
            return {
                member.filename.removesuffix(".npy"): _read_member(archive, member)
                for member in members
            }
    except (OSError, ValueError):
        raise
    except Exception as error:
        # Of a damaged file, zipfile and NumPy raise whatever they come upon.
        raise ValueError(str(error)) from error


@contextmanager
def open_archive(path: str | Path | IO[bytes], largest: int) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive that may come from anywhere, and be of any size.

    Parameters
    ----------
    path : path, or an open file
    largest : int
        Bytes of it at most.

    Raises
    ------
    FileNotFoundError
        If there is nothing at ``path``.
    ValueError
        If it is not a file, or too large, or has more entries than anybody needs.
    zipfile.BadZipFile, OSError
        If it cannot be read.
    """
    if isinstance(path, (str, Path)):
        if not Path(path).exists():
            raise FileNotFoundError(path)
        if not Path(path).is_file():
            raise ValueError("not a file")
        opened = _Frugal(path)
    else:
        opened = _Frugal(path.fileno(), closefd=False)
    with opened as file:
        if os.fstat(file.fileno()).st_size > largest:
            raise ValueError("larger than any that is read")
        with zipfile.ZipFile(cast("IO[bytes]", file)) as archive:
            file.is_read = True
            yield archive


class _Frugal(io.FileIO):
    """A file that gives no more than `DIRECTORY` bytes at once until its directory is read.

    For the directory of an archive, zipfile reads as many bytes as the file says, whatever that is.
    """

    is_read = False

    def read(self, size: int | None = -1) -> bytes:
        """Read bytes, or raise ValueError where more are wanted than a directory has."""
        if self.is_read:
            return super().read(size)
        size = DIRECTORY + 1 if size is None or size < 0 else size
        content = super().read(min(size, DIRECTORY + 1))
        if len(content) > DIRECTORY:
            raise ValueError("a directory that is too long")
        return content


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Read one array, after a look at how many bytes it has."""
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError("compressed")
    with archive.open(member) as file:
        shape, is_fortran, dtype = _read_header(file)
        if dtype.hasobject or is_fortran:
            raise ValueError("an array of another kind")
        size = math.prod(shape) * dtype.itemsize
        if size == 0 or min(shape, default=1) < 0 or size != member.file_size - file.tell():
            raise ValueError("another number of bytes than its shape says")
        return np.frombuffer(file.read(), dtype).reshape(shape)


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read what stands before the numbers of an array: shape, order and dtype."""
    version = npy.read_magic(file)
    if version != (1, 0):
        raise ValueError("a header that is too long")
    return npy.read_array_header_1_0(file)
