"""Progress reporting: long-running code calls this interface; the command line implements it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Bar(Protocol):
    """A progress bar."""

    def update(self, n: int, /) -> object:
        """Move on by ``n`` units."""

    def describe(self, text: str, /) -> object:
        """Show this text beside the bar from now on."""


class _NoBar:
    def update(self, n: int, /) -> None:
        pass

    def describe(self, text: str, /) -> None:
        pass


class Progress:
    """Shows nothing; the command line's own subclass draws on the terminal."""

    def bar(
        self, description: str, total: int, unit: str, done: int = 0
    ) -> AbstractContextManager[Bar]:
        """Return a bar that is shown while its ``with`` block lasts, ``total`` units long.

        ``done`` units were done earlier: how long the rest takes is not judged by them.
        """
        return nullcontext(_NoBar())

    def remark(self, sentence: str) -> None:
        """Show a sentence on a line of its own."""


SILENT = Progress()
