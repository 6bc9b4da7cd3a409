"""The IDX format, in which MNIST and its relatives are kept; gzip or plain.

A file is a magic number ``00 00 type ndim``, then ``ndim`` sizes (uint32), then the numbers, the
last dimension fastest; everything is big-endian (LeCun, Cortes and Burges 1998).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.gunzip import LAYERS, MAGIC, unpack
from mnist_cli.data.lookalikes import BEGINNING, recognise
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

FETCH_AGAIN = "fetch it again"
"""What to do about a broken file of which nothing else is known."""

DEFLATE_LIMIT = 1032
"""No deflate stream unpacks to more than this times its length: 258 bytes from 2 bits."""


@dataclass(frozen=True)
class Header:
    """What an IDX file says of the numbers in it: their type, big-endian, and their shape."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def length(self) -> int:
        """How many bytes the numbers have."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def described(self) -> str:
        """What to say of it."""
        return f"{self.dtype.name} of shape {told(self.shape)}"


Check = Callable[[Header], object]


def told(shape: tuple[int, ...]) -> str:
    """Return a shape as a text, of which a strange one may have too much."""
    sizes = [str(size) for size in shape]
    return f"({', '.join(sizes[:4] + ['…'] * (len(sizes) > 4))}{',' * (len(sizes) == 1)})"


def read_idx(
    path: str | Path, check: Check = lambda header: None, mend: str = FETCH_AGAIN
) -> NDArray[Any]:
    """Read an array from an IDX file, unpacking it if it is gzip.

    The header is believed only as far as the file can bear it out: nothing is allocated for
    numbers that are not there.

    Parameters
    ----------
    path : path
        Gzip is recognised by its first two bytes, whatever the name; it may be packed twice.
    check : callable
        Is given the header before any number is read, and may raise.
    mend : str
        What to do about a broken file.

    Returns
    -------
    array
        In the machine's byte order, of the shape and type that the header tells.

    Raises
    ------
    DataError
        If the file cannot be read, is no IDX file, or is longer or shorter than its header says.
    """
    with _opened(Path(path), mend) as source:
        header = source.header()
        check(header)
        return source.numbers(header)


def read_idx_header(path: str | Path, mend: str = FETCH_AGAIN) -> Header:
    """Read what an IDX file says of its numbers, and none of them.

    Raises
    ------
    DataError
        As `read_idx` does, as far as the header shows it.
    """
    with _opened(Path(path), mend) as source:
        return source.header()


def read_idx_item(
    file: IO[bytes], name: str, choose: Callable[[Header], int | None]
) -> NDArray[Any]:
    """Read one of the arrays along the first dimension of an IDX file, or all of it.

    Parameters
    ----------
    file : binary file that can seek
    name : str
        What an error calls it.
    choose : callable
        Is given the header, and returns the index, or None for all; or raises.

    Raises
    ------
    DataError
        As `read_idx` does.
    """
    stored = file.seek(0, os.SEEK_END)
    file.seek(0)
    path = Path(name)
    with _errors(path, FETCH_AGAIN):
        is_buffered = isinstance(file, io.BufferedReader)
        raw = file if is_buffered else io.BufferedReader(cast("io.RawIOBase", file))
        source = _Source(cast("io.BufferedReader", raw), stored, path, FETCH_AGAIN)
        header = source.header()
        index = choose(header)
        return source.numbers(header) if index is None else source.item(header, index)


@contextmanager
def _opened(path: Path, mend: str) -> Iterator[_Source]:
    """Open an IDX file, packed or not."""
    with _errors(path, mend):
        if os.path.exists(path) and not os.path.isfile(path):
            raise DataError(f"{path} cannot be read: it is a folder or a device.")
        with path.open("rb") as raw:
            yield _Source(raw, os.fstat(raw.fileno()).st_size, path, mend)


@contextmanager
def _errors(path: Path, mend: str) -> Iterator[None]:
    """Make one sentence of what is raised while a file is read."""
    try:
        yield
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} is a broken gzip file ({error}): {mend}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


class _Source:
    """An IDX file that is being read, from its header on."""

    def __init__(self, raw: io.BufferedReader, stored: int, path: Path, mend: str):
        if raw.peek(2)[:2] == MAGIC and stored > LARGEST:
            raise DataError(
                f"{path} has {stored:,} bytes, more than the {LARGEST:,} that can be read."
            )
        self._file, self._layers = unpack(raw)
        self._most = stored * DEFLATE_LIMIT**self._layers
        self._path = path
        self._mend = mend

    def header(self) -> Header:
        """Read the header, or raise DataError if it makes no sense."""
        beginning = self._file.peek(BEGINNING)[:BEGINNING]
        magic = self._file.read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
            raise DataError(f"{self._path} is not an IDX file, {self._what(beginning, magic)}.")
        dtype, dimensions = TYPES[magic[2]], magic[3]
        sizes = self._file.read(4 * dimensions)
        if len(sizes) < 4 * dimensions:
            raise DataError(f"{self._path} ends within its header: {self._mend}.")
        header = Header(dtype, tuple(int(size) for size in np.frombuffer(sizes, ">u4")))
        if header.length > self._most:
            raise DataError(f"{self._said(header)}, but is too short for that: {self._mend}.")
        if header.length > LARGEST:
            raise DataError(f"{self._said(header)}, more than the {LARGEST:,} that can be read.")
        if not self._layers and 4 + len(sizes) + header.length < self._most:
            raise DataError(f"{self._said(header)}, but more comes after them: {self._mend}.")
        return header

    def _what(self, beginning: bytes, magic: bytes) -> str:
        """Return what the file is instead, and what to do."""
        if beginning.startswith(MAGIC):
            return f"but packed by gzip {LAYERS + 1} times or more: unpack it with 'gunzip'"
        if found := recognise(beginning):
            cure = f"{found.cure}, or {self._mend}" if found.cure else self._mend
            return f"but {found.what}: {cure}"
        return (
            f"as it starts with the bytes {magic.hex(' ')}, where 00 00, a type and a number of "
            f"dimensions should be: {self._mend}"
        )

    def _said(self, header: Header) -> str:
        """Return what the header promises."""
        sizes = " x ".join([*map(str, header.shape[:4]), *["…"] * (len(header.shape) > 4)])
        length = f"{header.length:,}" if header.length < 10**30 else "far too many"
        return f"{self._path} should hold {sizes} numbers, {length} bytes"

    def numbers(self, header: Header) -> NDArray[Any]:
        """Read all the numbers."""
        numbers = self._read_up_to(header.length) if self._layers else self._read_at_once(header)
        self._check_end(header, len(numbers))
        return self._array(numbers, header, header.shape)

    def item(self, header: Header, index: int) -> NDArray[Any]:
        """Read the numbers of one index, and see that the others are there."""
        size = header.length // header.shape[0]
        skipped = self._skip(index * size)
        found = self._read_up_to(size)
        rest = self._skip(header.length - (index + 1) * size)
        self._check_end(header, skipped + len(found) + rest)
        return self._array(found, header, header.shape[1:])

    def _check_end(self, header: Header, read: int) -> None:
        """Raise DataError unless the file has all its numbers and nothing after them."""
        if read < header.length:
            raise DataError(f"{self._said(header)}, but has {read:,} bytes of them: {self._mend}.")
        if self._file.read(1):
            raise DataError(f"{self._said(header)}, but more comes after them: {self._mend}.")

    def _array(
        self, numbers: bytearray | NDArray[np.uint8], header: Header, shape: tuple[int, ...]
    ) -> NDArray[Any]:
        """Return numbers as an array in the machine's byte order."""
        try:
            array = np.frombuffer(numbers, header.dtype).reshape(shape)
        except ValueError as error:  # more dimensions than NumPy has, or sizes that overflow it
            raise DataError(f"{self._path} has a header that makes no array: {error}.") from error
        native: NDArray[Any] = array.astype(header.dtype.newbyteorder("="), copy=False)
        return native

    def _read_at_once(self, header: Header) -> NDArray[np.uint8]:
        """Read bytes that are there, in 10 ms for MNIST's, where piece by piece takes 28."""
        content = np.empty(header.length, np.uint8)
        return content[: self._file.readinto(content.data)]

    def _read_up_to(self, length: int) -> bytearray:
        """Read bytes, or as many as there are; the memory grows with what is there."""
        content = bytearray()
        while piece := self._file.read(min(PIECE, length - len(content))):
            content += piece
        return content

    def _skip(self, length: int) -> int:
        """Read bytes that nobody needs, and return how many there were."""
        done = 0
        while piece := self._file.read(min(PIECE, length - done)):
            done += len(piece)
        return done


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


def idx_sum(array: NDArray[Any]) -> str:
    """Return the SHA-256 of the IDX file that holds an array, as it is unpacked."""
    header, numbers = _encode(array)
    digest = hashlib.sha256(header)
    digest.update(numbers.data)
    return digest.hexdigest()


def _encode(array: NDArray[Any]) -> tuple[bytes, NDArray[Any]]:
    """Return the header of an IDX file, and its numbers, big-endian and in order."""
    dtype = array.dtype.newbyteorder(">")
    types = {known: code for code, known in TYPES.items()}
    if dtype not in types or array.ndim > 255 or max(array.shape, default=0) >= 2**32:
        raise DataError(f"IDX has no form for an array of {array.dtype}, shape {array.shape}.")
    if array.nbytes > LARGEST:
        raise DataError(f"{array.nbytes:,} bytes are more than the {LARGEST:,} that can be read.")
    header = bytes([0, 0, types[dtype], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header, np.ascontiguousarray(array, dtype)
