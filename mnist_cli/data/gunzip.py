"""Gzip, unpacked as it is read, in as little memory as is asked for (RFC 1952).

Python's own reader takes a byte at a time from the header of a file, and any number of empty
members, both of which a file may have by the million.
"""

from __future__ import annotations

import io
import zlib
from typing import IO, cast

MAGIC = b"\x1f\x8b"
"""The first two bytes of a gzip file."""

LAYERS = 2
"""How often what is read may be packed, one time over the other."""

MEMBERS = 10_000
"""How many parts a file may have, one after the other; tools make one for each 64 kB."""

PADDING = 1 << 20
"""Zeros after the last part at most."""

CHUNK = 1 << 16
"""Bytes unpacked at a time."""


class Unpacked(io.RawIOBase):
    """What is in a gzip file.

    Parameters
    ----------
    packed : binary file

    Raises
    ------
    zlib.error
        When it is read, if it is damaged, or something else comes after it.
    EOFError
        If it ends in the middle.
    """

    def __init__(self, packed: IO[bytes]):
        self._packed = packed
        self._inflate: zlib._Decompress | None = None
        self._left = b""
        self._members = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Unpack into ``buffer``, and return how many bytes; 0 at the end."""
        while self._inflate or self._begin():
            assert self._inflate
            packed = self._left or self._packed.read(CHUNK)
            piece = self._inflate.decompress(packed, len(buffer))
            self._left = self._inflate.unconsumed_tail
            if self._inflate.eof:
                self._left, self._inflate = self._inflate.unused_data, None
            elif not packed and not piece:
                raise EOFError("it ends in the middle")
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)
        return 0

    def _begin(self) -> bool:
        """Begin the next part, if there is one; zeros may come after the last one."""
        padding = 0
        while True:
            packed = self._left or self._packed.read(CHUNK)
            self._left = packed.lstrip(b"\0") if self._members else packed
            padding += len(packed) - len(self._left)
            if self._left or not packed:
                break
            if padding > PADDING:
                raise zlib.error("too many zeros come after it")
        if not packed:
            return False
        if len(self._left) < 2:
            self._left += self._packed.read(CHUNK)
        if self._members and not self._left.startswith(MAGIC):
            raise zlib.error("something else comes after it")
        self._members += 1
        if self._members > MEMBERS:
            raise zlib.error("it has too many parts")
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return True


def unpack(file: io.BufferedReader) -> tuple[io.BufferedReader, int]:
    """Return what is in a file that may be packed, up to `LAYERS` times, and how often it was."""
    layers = 0
    while layers < LAYERS and file.peek(2)[:2] == MAGIC:
        file = io.BufferedReader(Unpacked(cast("IO[bytes]", file)), CHUNK)
        layers += 1
    return file, layers
