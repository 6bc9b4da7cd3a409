"""How long work tells of itself: who does the work calls this, who watches implements it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Bar(Protocol):
    """A progress bar."""

    def update(self, n: int, /) -> object:
        """Move on by ``n`` units."""


class _NoBar:
    def update(self, n: int, /) -> None:
        pass


class Progress:
    """Tells nothing; the command line's own subclass draws on the terminal."""

    def bar(
        self, description: str, total: int, unit: str, done: int = 0
    ) -> AbstractContextManager[Bar]:
        """Return a bar that is shown while its ``with`` block lasts, ``total`` units long.

        What was ``done`` before says nothing of how long the rest will take.
        """
        return nullcontext(_NoBar())

    def remark(self, sentence: str) -> None:
        """Tell something on a line of its own."""


SILENT = Progress()
