"""Gzip files that are unpacked once: what came out is kept beside them, and checked each time.

Unpacking MNIST takes 0.4 s; reading it unpacked and checking it, a tenth of that.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mnist_cli.data.idx import checksum, read_idx, write_idx
from mnist_cli.errors import DataError

TRAILER = 8
"""Bytes at the end of a gzip file: the CRC-32 of what is in it, and its length modulo 2³²."""


def read_unpacking_once(path: Path) -> NDArray[Any]:
    """Read an IDX file; if it is ``NAME.gz``, by way of a file ``NAME`` beside it.

    That file is believed only if its length and its checksum are those which the gzip file ends
    with. It is made if it is not there, and can be; one that does not fit is left alone.

    Raises
    ------
    DataError
        As `mnist_cli.data.idx.read_idx` does.
    """
    plain = path.with_suffix("")
    if path.suffix != ".gz":
        return read_idx(path)
    with suppress(DataError, OSError):
        expected, length = _trailer(path)
        if plain.stat().st_size % 2**32 == length:
            array = read_idx(plain)
            if checksum(array) == expected:
                return array
    array = read_idx(path)
    if not os.path.lexists(plain):
        with suppress(DataError):  # a full disk, or a folder that may not be written to
            write_idx(plain, array)
    return array


def _trailer(packed: Path) -> tuple[int, int]:
    """Return the checksum of what a gzip file unpacks to, and its length modulo 2³²."""
    with packed.open("rb") as file:
        file.seek(-TRAILER, os.SEEK_END)
        found, length = (int.from_bytes(file.read(4), "little") for _ in range(2))
    return found, length
