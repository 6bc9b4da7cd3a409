"""What a person reads, on stdout and stderr: documents, tables, bars and remarks."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from mnist_cli.errors import SettingsError
from mnist_cli.progress import SILENT, Bar, Progress


@dataclass
class Document:
    """Whether a JSON document is asked for, and whether it has been printed: there is one."""

    is_wanted: bool = False
    is_printed: bool = False


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document on stdout; NaN and infinity, which JSON lacks, become null."""
    click.get_current_context().ensure_object(Document).is_printed = True
    click.echo(to_json(document))


def to_json(document: dict[str, Any]) -> str:
    """Return a document as a text."""
    return json.dumps(_finite(document), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def log_file(path: Path | None) -> Iterator[Callable[[dict[str, Any]], object]]:
    """Open a JSON Lines file, and yield what writes a document to it; without a path, nothing."""
    if path is None:
        yield lambda document: None
        return
    try:
        file = path.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        raise SettingsError(f"--log {path} cannot be written: {error.strerror}.") from error
    with file:
        yield lambda document: file.write(json.dumps(_finite(document)) + "\n")


def table(rows: Sequence[Sequence[str]], align: str) -> str:
    """Return the rows as lines of aligned columns, two spaces apart.

    Parameters
    ----------
    rows : sequence of rows of str
    align : str
        ``<`` or ``>`` for each column.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def progress(quiet: bool) -> Progress:
    """Return what tells of the progress of long work: bars only where stderr is a terminal."""
    if quiet:
        return SILENT
    return Bars() if sys.stderr.isatty() else Remarks()


class Remarks(Progress):
    """Remarks on stderr, and no bars."""

    def remark(self, sentence: str) -> None:
        """Print the sentence."""
        click.echo(sentence, err=True)


class Bars(Progress):
    """Bars and remarks on stderr."""

    def bar(self, description: str, total: int, unit: str) -> AbstractContextManager[Bar]:
        """Return a tqdm bar."""
        from tqdm import tqdm

        return tqdm(
            total=total,
            desc=description,
            unit=unit,
            unit_scale=unit == "B",
            leave=False,
            dynamic_ncols=True,
        )

    def remark(self, sentence: str) -> None:
        """Print the sentence above any bar."""
        from tqdm import tqdm

        with tqdm.external_write_mode(nolock=False):
            click.echo(sentence, err=True)
