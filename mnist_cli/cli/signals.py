"""Ctrl-C, SIGTERM and SIGHUP: as an exception, or as a request that work looks at when it can.

SIGHUP comes when a terminal is closed, or a connection to another machine breaks.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TERMINATING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What ends a program that somebody wants to be rid of."""


class StopRequest:
    """What has been asked for: a signal's number, or 0 while nothing has."""

    signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    @property
    def exit_status(self) -> int:
        """The status that a shell gives to what the signal has ended: 130, 143 or 129."""
        return 128 + self.signal


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catch the signals while the block lasts; a second one ends the program at once."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # signals come to the main thread alone
        return
    before = {
        number: handler
        for number in (signal.SIGINT, *TERMINATING)
        # In the background, a shell has Ctrl-C ignored; and nohup has SIGHUP.
        if (handler := signal.getsignal(number) or signal.SIG_DFL) != signal.SIG_IGN
    }

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        request.signal = number
        restore()

    for number in before:
        signal.signal(number, handle)
    try:
        yield request
    finally:
        restore()


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP has come.

    Parameters
    ----------
    number : int
        Which of them.
    """

    def __init__(self, number: int):
        super().__init__()
        self.exit_status = 128 + number


@contextmanager
def termination() -> Iterator[None]:
    """Raise `Terminated` when one of `TERMINATING` comes, as Ctrl-C raises KeyboardInterrupt."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise Terminated(number)

    is_main = threading.current_thread() is threading.main_thread()
    ours = [n for n in TERMINATING if is_main and signal.getsignal(n) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
