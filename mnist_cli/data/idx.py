"""The IDX format, in which MNIST and its relatives are kept; gzip or plain.

A file is a magic number ``00 00 type ndim``, then ``ndim`` sizes (uint32), then the numbers, the
last dimension fastest; everything is big-endian (LeCun, Cortes and Burges 1998).
"""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from mnist_cli.errors import DataError
from mnist_cli.files.atomic import atomic_write

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
"""The type byte of the magic number, and what it stands for."""

PIECE = 1 << 20
"""Bytes read at a time."""

LARGEST = 640 << 20
"""Bytes of numbers that a file has at most; the largest part of EMNIST has 547 million."""

DEFLATE_LIMIT = 1032
"""No deflate stream unpacks to more than this times its length: 258 bytes from 2 bits."""


def read_idx(path: str | Path) -> NDArray[Any]:
    """Read an array from an IDX file, unpacking it if it is gzip.

    The header is believed only as far as the file can bear it out: nothing is allocated for
    numbers that are not there.

    Parameters
    ----------
    path : path
        Gzip is recognised by its first two bytes, whatever the name.

    Returns
    -------
    array
        In the machine's byte order, of the shape and type that the header tells.

    Raises
    ------
    DataError
        If the file cannot be read, is no IDX file, or is longer or shorter than its header says.
    """
    path = Path(path)
    try:
        with path.open("rb") as raw:
            stored = os.fstat(raw.fileno()).st_size
            is_gzip = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not is_gzip:
                return _read(raw, path, most=stored, is_there=True)
            with gzip.open(raw) as unpacked:
                return _read(cast("IO[bytes]", unpacked), path, most=stored * DEFLATE_LIMIT)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a broken gzip file ({error}): fetch it anew.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def parse_idx(content: bytes, name: str) -> NDArray[Any]:
    """Return the array of an IDX file that has been read already, packed or not.

    Parameters
    ----------
    content : bytes
    name : str
        What an error calls it.

    Raises
    ------
    DataError
        As `read_idx` does.
    """
    raw, path = io.BytesIO(content), Path(name)
    if content[:2] != b"\x1f\x8b":
        return _read(raw, path, most=len(content), is_there=True)
    try:
        with gzip.open(raw) as unpacked:
            return _read(cast("IO[bytes]", unpacked), path, most=len(content) * DEFLATE_LIMIT)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a broken gzip file ({error}): fetch it anew.") from error


def _read(file: IO[bytes], path: Path, most: int, *, is_there: bool = False) -> NDArray[Any]:
    """Read an array from ``file``, which holds at most ``most`` bytes, or certainly so many."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
        raise DataError(
            f"{path} is no IDX file: it starts with the bytes {magic.hex(' ') or '(none)'}, "
            "where 00 00, a type and a number of dimensions should be; fetch it anew."
        )
    dtype, dimensions = TYPES[magic[2]], magic[3]
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(f"{path} ends within its header: fetch it anew.")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    length = math.prod(shape) * dtype.itemsize
    described = f"{path} should hold {' x '.join(map(str, shape))} numbers, {length:,} bytes"
    if length > most:
        raise DataError(f"{described}, but is too short for that: fetch it anew.")
    if length > LARGEST:
        raise DataError(f"{described}, more than the {LARGEST:,} that are read.")
    numbers = _read_at_once(file, length) if is_there else _read_up_to(file, length)
    if len(numbers) < length:
        raise DataError(f"{described}, but has {len(numbers):,} bytes of them: fetch it anew.")
    if file.read(1):
        raise DataError(f"{described}, but goes on after them: fetch it anew.")
    try:
        array = np.frombuffer(numbers, dtype).reshape(shape)
    except ValueError as error:  # more dimensions than NumPy has, or sizes that overflow it
        raise DataError(f"{path} has a header that makes no array: {error}.") from error
    native: NDArray[Any] = array.astype(dtype.newbyteorder("="), copy=False)
    return native


def _read_at_once(file: IO[bytes], length: int) -> NDArray[np.uint8]:
    """Read ``length`` bytes that are there, in 10 ms for MNIST's, where piece by piece takes 28."""
    content = np.empty(length, np.uint8)
    return content[: cast("BufferedIOBase", file).readinto(content.data)]


def _read_up_to(file: IO[bytes], length: int) -> bytearray:
    """Read ``length`` bytes, or as many as there are; the memory grows with what is there."""
    content = bytearray()
    while piece := file.read(min(PIECE, length - len(content))):
        content += piece
    return content


def write_idx(path: str | Path, array: NDArray[Any]) -> None:
    """Write an array to an IDX file; packed by gzip if the name ends in ``.gz``.

    The same array gives the same bytes, as gzip's time stamp is left out.

    Parameters
    ----------
    path : path
    array : array of uint8, int8, int16, int32, float32 or float64

    Raises
    ------
    DataError
        If IDX has no such type, or the file cannot be written.
    """
    path = Path(path)
    header, numbers = _encode(array)
    pieces: list[bytes | memoryview] = [header, numbers.data]
    if path.suffix == ".gz":
        pieces = [gzip.compress(header + numbers.tobytes(), mtime=0)]
    try:
        with atomic_write(path) as file:
            for piece in pieces:
                file.write(piece)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}.") from error


def checksum(array: NDArray[Any]) -> int:
    """Return the CRC-32 of the IDX file that holds an array, as it is unpacked."""
    header, numbers = _encode(array)
    return zlib.crc32(numbers.data, zlib.crc32(header))


def _encode(array: NDArray[Any]) -> tuple[bytes, NDArray[Any]]:
    """Return the header of an IDX file, and its numbers, big-endian and in order."""
    dtype = array.dtype.newbyteorder(">")
    types = {known: code for code, known in TYPES.items()}
    if dtype not in types or array.ndim > 255 or max(array.shape, default=0) >= 2**32:
        raise DataError(f"IDX has no form for an array of {array.dtype}, shape {array.shape}.")
    if array.nbytes > LARGEST:
        raise DataError(f"{array.nbytes:,} bytes are more than the {LARGEST:,} that are read.")
    header = bytes([0, 0, types[dtype], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header, np.ascontiguousarray(array, dtype)
