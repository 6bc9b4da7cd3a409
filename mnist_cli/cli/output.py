"""What a person reads, on stdout and stderr: documents, tables, bars and remarks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click

from mnist_cli.files.records import finite
from mnist_cli.progress import SILENT, Bar, Progress
from mnist_cli.texts import one_line, shortened

LONGEST_SENTENCE = 4000
"""Letters of an error or a remark that are shown; the middle of a longer one is left out."""


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
    return json.dumps(finite(document), indent=2, allow_nan=False)


def print_written(path: Path, content: bytes, as_json: bool, **more: Any) -> None:
    """Tell which file was written, and its size; with what else a script is told of it."""
    if as_json:
        print_json({"out": str(path), "bytes": len(content), **more})
    else:
        click.echo(f"{printable(str(path))}  {len(content) / 1000:,.0f} kB")


def printable(text: str) -> str:
    """Return a text in which nothing commands a terminal, wherever it came from."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text)


def table(
    rows: Sequence[Sequence[str]],
    align: str,
    style: Callable[[int, int, str], str] = lambda row, column, cell: cell,
) -> str:
    """Return the rows as lines of aligned columns, two spaces apart.

    Parameters
    ----------
    rows : sequence of rows of str
    align : str
        ``<`` or ``>`` for each column.
    style : callable
        Is given row, column and the padded cell; returns it with its colours.
    """
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            style(number, column, f"{cell:{side}{width}}")
            for column, (cell, side, width) in enumerate(zip(row, align, widths, strict=True))
        )
        for number, row in enumerate(rows)
    )
    return "\n".join(line.rstrip() for line in lines)


@contextmanager
def stdout_for_us() -> Iterator[None]:
    """Send to stderr what anybody writes to stdout in this block, a program that is called too."""
    with redirect_stdout(sys.stderr), ExitStack() as stack:
        with suppress(OSError):  # where one of the two is closed
            kept = os.dup(1)
            stack.callback(os.close, kept)
            os.dup2(2, 1)
            stack.callback(os.dup2, kept, 1)
            if sys.__stdout__:
                stack.callback(sys.__stdout__.flush)
        yield


def progress(quiet: bool) -> Progress:
    """Return what tells of the progress of long work: bars only where stderr is a terminal."""
    if quiet:
        return SILENT
    return Bars() if sys.stderr and sys.stderr.isatty() else Remarks()


class Remarks(Progress):
    """Remarks on stderr, and no bars."""

    def remark(self, sentence: str) -> None:
        """Print the sentence, if anybody reads it: the work is worth more than its remarks."""
        with suppress(OSError):
            click.echo(shortened(one_line(sentence), LONGEST_SENTENCE), err=True)


@cache
def _make_bar() -> Any:
    """Return tqdm's bar, as ours; it is imported when it is drawn for the first time."""
    import warnings

    from tqdm import TqdmWarning, tqdm

    warnings.filterwarnings("ignore", category=TqdmWarning)  # as of a colour that there is not

    class Described(tqdm):  # type: ignore[type-arg]
        """A bar with room beside it: the terminal writes ^C there, and a full line would wrap."""

        monitor_interval = 0  # no thread that looks after it

        @property
        def format_dict(self) -> Any:
            known: dict[str, Any] = dict(super().format_dict)
            if known["ncols"]:
                known["ncols"] = max(1, known["ncols"] - 2)
            return known

        def close(self) -> None:
            is_drawn, width = not self.disable, super().format_dict["ncols"] or 0
            super().close()
            if is_drawn:
                self.fp.write(f"\r{' ' * width}\r")
                self.fp.flush()

        def __del__(self) -> None:
            with suppress(Exception):  # where it was never made whole
                super().__del__()

    return Described


class SafeBar:
    """A bar of tqdm's that ends when anything goes wrong with it: the work is worth more.

    A terminal may have been closed; and tqdm takes its settings from variables, as
    ``TQDM_MININTERVAL``, which may be anything.

    Parameters
    ----------
    make : callable
        Makes tqdm's bar.
    """

    def __init__(self, make: Callable[[], Any]):
        self.drawn: Any = None
        self.drawn = self._tried(make)

    def _tried(self, draw: Callable[[], Any]) -> Any:
        try:
            return draw()
        except Exception:  # tqdm raises whatever it comes upon
            self.drawn = None

    def update(self, n: int, /) -> None:
        """Move on by ``n`` units."""
        if self.drawn is not None:
            self._tried(lambda: self.drawn.update(n))

    def describe(self, text: str, /) -> None:
        """Show this text beside the bar from now on."""
        if self.drawn is not None:
            self._tried(lambda: self.drawn.set_description_str(text, refresh=False))

    def __enter__(self) -> SafeBar:
        return self

    def __exit__(self, *raised: object) -> None:
        if self.drawn is not None:
            self._tried(self.drawn.close)


STEPS = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
"""How the bar of a training looks."""


class Bars(Remarks):
    """Bars and remarks on stderr."""

    def bar(
        self, description: str, total: int, unit: str, done: int = 0
    ) -> AbstractContextManager[Bar]:
        """Return a tqdm bar."""
        return SafeBar(
            lambda: _make_bar()(
                total=total,
                initial=done,
                desc=description,
                unit=unit,
                unit_scale=unit == "B",
                leave=False,
                dynamic_ncols=True,
                gui=False,
                # Of 4,690 steps, nobody wants to know the number.
                bar_format=STEPS if unit == "step" else None,
            )
        )

    def remark(self, sentence: str) -> None:
        """Print the sentence above any bar."""
        is_printed = False
        # tqdm raises whatever it comes upon.
        with suppress(Exception), _make_bar().external_write_mode(nolock=False):
            is_printed = True
            super().remark(sentence)
        if not is_printed:
            super().remark(sentence)
