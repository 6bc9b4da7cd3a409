"""Images as rows of a CSV file, as Kaggle has them: a label, then 784 greys.

A table without labels, as the one that Kaggle wants readings of, cannot be measured on. Where there
is no other, the last seventh of the labelled one is kept for testing, as MNIST's share is.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.dataset import Split
from mnist_cli.data.gunzip import MAGIC
from mnist_cli.data.lookalikes import Lookalike, recognise
from mnist_cli.data.mnist import check_digits
from mnist_cli.errors import DataError
from mnist_cli.images.resampling import SIDE

PIXELS = SIDE * SIDE

LARGEST = 1 << 30
"""Bytes of a table at most; that of EMNIST's digits has 440 million."""

BLOCK = 1 << 20
"""Bytes parsed at a time."""

LONGEST = 1 << 14
"""Bytes of a line at most."""

KEPT = 7
"""One of so many images is kept for testing, where nothing else is."""

GZIP = Lookalike("packed by gzip", "unpack it with 'gunzip'")


@dataclass
class Table:
    """A CSV file of images.

    Attributes
    ----------
    path : Path
    is_transposed : bool
        Whether rows and columns of the images are exchanged.
    """

    path: Path
    is_transposed: bool = False
    _split: Split | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def columns(self) -> int:
        """Return how many columns there are, after a look at the first line.

        Raises
        ------
        DataError
            If it is no table of images.
        """
        with self._opened() as file:
            return self._first(file)[0]

    @property
    def is_labelled(self) -> bool:
        """Whether there is a label in each row."""
        return self.columns() == 1 + PIXELS

    def read(self) -> Split:
        """Read all rows, once.

        Raises
        ------
        DataError
            If a row is not a label and 784 greys.
        """
        with self._lock:  # both parts may be in one table, and are read side by side
            if self._split is None:
                rows = self._rows()
                images = rows[:, 1:].reshape(-1, SIDE, SIDE)
                if self.is_transposed:
                    images = images.swapaxes(1, 2)
                check_digits(str(self.path), rows[:, 0])
                self._split = Split(np.ascontiguousarray(images), rows[:, 0].copy())
            return self._split

    def _opened(self) -> IO[bytes]:
        """Open the file, if it is one of a size that is read."""
        try:
            size = self.path.stat().st_size
            if size > LARGEST:
                raise DataError(
                    f"{self.path} has {size:,} bytes, more than the {LARGEST:,} that can be read."
                )
            return self.path.open("rb")
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror or error}.") from error

    def _first(self, file: IO[bytes]) -> tuple[int, bool]:
        """Return how many columns the first line has, and whether it is a header."""
        line = file.readline(LONGEST)
        is_whole = line.endswith(b"\n") or len(line) < LONGEST
        cells = line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n").split(b",")
        is_header = not cells[0].strip(b" \"'")[:1].isdigit()
        if not is_whole or len(cells) not in (PIXELS, 1 + PIXELS):
            what = GZIP if line.startswith(MAGIC) else recognise(line)
            said, advice = f"has {len(cells):,} columns", "save it so"
            if what and (what.cure or len(cells) == 1):
                said, advice = f"is {what.what}", what.cure or advice
            raise DataError(
                f"{self.path} {said}, but a table of images has a label and {PIXELS} greys in each "
                f"row, with commas between: {advice}, or name another `data_dir`."
            )
        names = [cell.strip(b" \"'").lower() for cell in cells]
        if (
            is_header
            and len(cells) > PIXELS
            and re.match(rb"label|class|target|digit|y$", names[-1])
        ):
            raise DataError(
                f"{self.path} has its labels in the last column, but they belong in the first one: "
                "move them."
            )
        return len(cells), is_header

    def _rows(self) -> NDArray[np.uint8]:
        """Read the label and the greys of each row: an array (N, 785)."""
        blocks: list[NDArray[np.uint8]] = []
        number = 1
        with self._opened() as file:
            columns, is_header = self._first(file)
            if columns == PIXELS:
                raise DataError(
                    f"{self.path} has no labels, as its images are for others to read: name a "
                    "folder with a table that has them."
                )
            if not is_header:
                file.seek(0)
                if file.read(3) != b"\xef\xbb\xbf":
                    file.seek(0)
            number += is_header
            rest = b""
            while piece := file.read(BLOCK):
                lines, mark, rest = (rest + piece).rpartition(b"\n")
                if len(rest) > LONGEST:
                    raise self._wrong(number + lines.count(b"\n"))
                if mark:
                    blocks.append(self._parsed(lines, number))
                    number += 1 + lines.count(b"\n")
            blocks.append(self._parsed(rest, number))
        rows = np.concatenate(blocks)
        if not len(rows):
            raise DataError(f"{self.path} has no rows: name another `data_dir`.")
        return rows

    def _parsed(self, text: bytes, first: int) -> NDArray[np.uint8]:
        """Return the numbers of some lines, of which the first has the number ``first``."""
        lines = [line for line in text.replace(b"\r", b"").split(b"\n") if line.strip()]
        numbers = _numbers(lines)
        if numbers is None:
            for number, line in enumerate(text.split(b"\n"), first):
                if line.strip() and _numbers([line.strip()]) is None:
                    raise self._wrong(number)
            raise self._wrong(first)
        return numbers

    def _wrong(self, number: int) -> DataError:
        return DataError(
            f"{self.path} has a line {number:,} that is not a label and {PIXELS} greys from 0 to "
            "255: save it again."
        )


def _numbers(lines: list[bytes]) -> NDArray[np.uint8] | None:
    """Return the numbers of lines as rows, or None if they are not 785 from 0 to 255 each.

    They may stand in quotes, between spaces, and have a fraction of zeros.
    """
    if any(line.count(b",") != PIXELS for line in lines):
        return None
    text = b",".join([*lines, b""]).replace(b'"', b"")
    if b" " in text or b"\t" in text:
        text = re.sub(rb"[ \t]*,[ \t]*", b",", text.lstrip())
    if b"." in text:
        text = re.sub(rb"\.0*,", b",", text)
    if text.translate(None, b"0123456789,"):
        return None
    # All numbers of a block at once, by where they end.
    letters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(letters == ord(","))
    lengths = np.diff(ends, prepend=-1) - 1
    if not len(ends) or lengths.min() < 1 or lengths.max() > 3:
        return np.empty((0, 1 + PIXELS), np.uint8) if not len(ends) else None
    digits = letters - np.uint8(ord("0"))
    numbers = digits[ends - 1].astype(np.uint16)
    for place, worth in ((2, 10), (3, 100)):
        has = lengths >= place
        numbers[has] += np.uint16(worth) * digits[ends[has] - place]
    if numbers.max() > 255:
        return None
    return numbers.astype(np.uint8).reshape(-1, 1 + PIXELS)


@dataclass(frozen=True)
class TablePart:
    """One part of a data set, in a table, or in a piece of one.

    Attributes
    ----------
    table : Table
    split : str
        ``"train"`` or ``"test"``.
    is_shared : bool
        Whether both parts are in this table.
    """

    table: Table
    split: str
    is_shared: bool = False

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know."""
        if not self.is_shared or self.split == "train":
            return ()
        return (f"{self.table.path} has the only labels: its last seventh is kept for testing.",)

    def look(self) -> None:
        """Raise DataError if the first line shows that it is no table of images with labels."""
        if not self.table.is_labelled:
            raise DataError(
                f"{self.table.path} has no labels, as its images are for others to read: name a "
                "folder with a table that has them."
            )

    def read(self) -> Split:
        """Read the images and the labels.

        Raises
        ------
        DataError
            If a row is not a label and 784 greys.
        """
        whole = self.table.read()
        if not self.is_shared:
            return whole
        kept = len(whole) // KEPT
        if not kept:
            raise DataError(
                f"{self.table.path} has {len(whole)} rows, too few to keep some for testing: add "
                "a table to test on."
            )
        return whole[len(whole) - kept :] if self.split == "test" else whole[: len(whole) - kept]

    def file_sums(self) -> dict[str, str]:
        """Return the SHA-256 of the file, by its name."""
        with self.table.path.open("rb") as file:
            return {self.table.path.name: file_digest(file, "sha256").hexdigest()}


def find_tables(
    data_dir: Path, names: dict[str, tuple[str, ...]], is_transposed: bool
) -> dict[str, TablePart]:
    """Return each part that the tables in a folder hold; a table's names are tried in order.

    Raises
    ------
    DataError
        If what bears the name of a table is none.
    """
    for train, test in zip(names.get("train", ()), names.get("test", ()), strict=True):
        there = [
            Table(data_dir / name, is_transposed) if os.path.isfile(data_dir / name) else None
            for name in (train, test)
        ]
        if there[1] and not there[1].is_labelled:
            there[1] = None
        if there[0] and there[0].is_labelled:
            if there[1]:
                return {"train": TablePart(there[0], "train"), "test": TablePart(there[1], "test")}
            return {split: TablePart(there[0], split, is_shared=True) for split in names}
        if there[1]:
            return {"test": TablePart(there[1], "test")}
    return {}
