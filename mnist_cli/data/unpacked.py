"""Gzip files that are unpacked once: what came out is kept beside them, and checked each time.

Unpacking MNIST takes 0.4 s; reading it unpacked and checking it, a tenth of that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mnist_cli.data.gunzip import MAGIC
from mnist_cli.data.idx import FETCH_AGAIN, Check, checksum, read_idx, write_idx
from mnist_cli.errors import DataError

TRAILER = 8
"""Bytes at the end of a gzip file: the CRC-32 of what is in it, and its length modulo 2³²."""


def read_unpacking_once(
    path: str | Path,
    accept: Callable[[NDArray[Any]], object] = lambda array: None,
    *,
    check: Check = lambda header: None,
    mend: str = FETCH_AGAIN,
) -> NDArray[Any]:
    """Read an IDX file; if it is ``NAME.gz``, by way of a file ``NAME`` beside it.

    That file is believed only if its length and its checksum are those which the gzip file ends
    with. It is made if it is not there, and can be; one that does not fit is left alone. A file
    that is called ``.gz`` and is not packed, or is packed twice, is read as it is.

    Parameters
    ----------
    path : path
    accept : callable
        Is given what has been read, and may raise: then nothing is kept.
    check, mend
        See `mnist_cli.data.idx.read_idx`.

    Raises
    ------
    DataError
        As `mnist_cli.data.idx.read_idx` does.
    """
    path = Path(path)
    plain = path.with_suffix("")
    is_packed = path.suffix == ".gz" and _is_packed(path)
    unpacked = _read_if_it_fits(plain, path, check) if is_packed else None
    array = read_idx(path, check, mend) if unpacked is None else unpacked
    accept(array)
    is_to_be_kept = is_packed and not os.path.lexists(plain) and _may_be_written_to(path.parent)
    if is_to_be_kept and _fits(array, path):
        with suppress(DataError):  # a full disk, or a folder that may not be written to
            write_idx(plain, array)
    return array


def _may_be_written_to(folder: Path) -> bool:
    """Return whether anybody may write to a folder: root could where its owner wants nobody to."""
    with suppress(OSError):
        return bool(folder.stat().st_mode & 0o222)
    return False


def _is_packed(path: Path) -> bool:
    """Return whether a file begins as gzip does."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(2) == MAGIC
    return False


def _read_if_it_fits(plain: Path, packed: Path, check: Check) -> NDArray[Any] | None:
    """Return what ``plain`` holds, if that is what ``packed`` unpacks to."""
    with suppress(DataError, OSError):
        if plain.stat().st_size % 2**32 == _trailer(packed)[1]:
            array = read_idx(plain, check)
            if _fits(array, packed):
                return array
    return None


def _fits(array: NDArray[Any], packed: Path) -> bool:
    """Return whether a gzip file ends with the checksum of an array, so that it holds that one."""
    with suppress(OSError):
        return checksum(array) == _trailer(packed)[0]
    return False


def _trailer(packed: Path) -> tuple[int, int]:
    """Return the checksum of what a gzip file unpacks to, and its length modulo 2³²."""
    with packed.open("rb") as file:
        file.seek(-TRAILER, os.SEEK_END)
        found, length = (int.from_bytes(file.read(4), "little") for _ in range(2))
    return found, length
