"""Records as lines of a file: CSV if its name ends in ``.csv``, else JSON lines.

A record is a dictionary, and all records of a file have the same keys. Numbers that JSON lacks, NaN
and infinity, become null. A new format is one function more in `FORMATS`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Record = dict[str, Any]

LONGEST_LINE = 1 << 12
"""Bytes of a record at most."""


def json_line(record: Record, is_first: bool) -> str:
    """Return a record as a line of JSON."""
    return f"{json.dumps(finite(record), allow_nan=False)}\n"


def csv_lines(record: Record, is_first: bool) -> str:
    """Return a record as a line of CSV, with a line of the names above the first one."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    if is_first:
        rows.writerow(record)
    rows.writerow(finite(record).values())
    return text.getvalue()


FORMATS: dict[str, Callable[[Record, bool], str]] = {".csv": csv_lines, ".jsonl": json_line}
"""The formats by the end of a file's name; what ends otherwise has JSON lines."""


def line_of(path: str | Path) -> Callable[[Record, bool], str]:
    """Return what makes a line of a record for a file; it is told whether it is the first one."""
    return FORMATS.get(Path(path).suffix.lower(), json_line)


def first_keys(path: str | Path) -> list[str]:
    """Return the keys of the first record in a file, in order; none of an empty file.

    Of a file of another kind, they are whatever its first line makes.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with Path(path).open("rb") as file:
        line = file.readline(LONGEST_LINE)
    if not line:
        return []
    text = line.decode(errors="replace").rstrip("\r\n")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return text.split(",")
    return list(record) if isinstance(record, dict) else [text]


def read_records(path: str | Path, text: str) -> Iterator[Record]:
    """Yield the records of a file of that name, as `line_of` writes them.

    The values of CSV are numbers, or None where there is nothing. What follows the last end of a
    line was cut off while it was written, and is left out.

    Raises
    ------
    ValueError
        If it has something else.
    """
    whole = text[: text.rfind("\n") + 1]
    if Path(path).suffix.lower() != ".csv":
        yield from map(json.loads, whole.splitlines())
        return
    try:
        rows = list(csv.DictReader(io.StringIO(whole), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    for row in rows:
        yield {name: _number(cell) for name, cell in row.items()}


def _number(cell: Any) -> float | None:
    """Return the number in a cell of CSV; a whole one is an int."""
    if not isinstance(cell, str):
        raise ValueError("a row is too short, or too long")
    if not cell:
        return None
    return int(cell) if cell.isdecimal() else float(cell)


def finite(value: Any) -> Any:
    """Return a value as JSON can have it: NaN and infinity are None; and −0.0 is 0.0."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else None
    return value
