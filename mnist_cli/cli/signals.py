"""Ctrl-C, SIGTERM and SIGHUP: as an exception, or as a request that work looks at when it can.

SIGHUP comes when a terminal is closed, or a connection to another machine breaks.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mnist_cli.errors import TrainingStoppedError

ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What asks a program to end."""

AT_ONCE = 1.0
"""Seconds within which several signals are one request: a terminal that is closed, and the shell in
it, send SIGHUP each; and a service manager sends SIGTERM and SIGHUP."""

AGAIN = 0.01
"""Seconds until an exception is raised again that came where nobody can catch it."""


class StopRequest:
    """What has been asked for: a signal's number, or 0 while nothing has."""

    signal = 0
    came = 0.0

    def __bool__(self) -> bool:
        return self.signal != 0

    @property
    def exit_status(self) -> int:
        """The status that a shell gives to what the signal has ended: 130, 143 or 129."""
        return 128 + self.signal

    def is_first(self, number: int) -> bool:
        """Return whether this signal is the first one, and remember it then."""
        if self:
            return False
        self.signal, self.came = number, time.monotonic()
        return True

    def is_over(self) -> bool:
        """Return whether a signal that comes now is another request than the first one."""
        return time.monotonic() - self.came > AT_ONCE


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catch the signals while the block lasts; a second request ends the program at once."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # signals come to the main thread alone
        return
    before = {
        number: handler
        for number in ENDING
        # In the background, a shell has Ctrl-C ignored; and nohup has SIGHUP.
        if (handler := signal.getsignal(number) or signal.SIG_DFL) != signal.SIG_IGN
    }

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        if not request.is_first(number) and request.is_over():
            restore()
            signal.raise_signal(number)

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


def end_quietly() -> None:
    """Have Ctrl-C end this process as it ends any other program, and not with a traceback."""
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def termination() -> Iterator[None]:
    """Raise KeyboardInterrupt when Ctrl-C comes, and `Terminated` when another of `ENDING` does.

    One that came where nothing can be raised is raised a moment later. Where a library, as
    Matplotlib does, goes on, or raises something else, it is raised when the block ends. A second
    request ends the program at once, and so does any after the block.
    """
    request = StopRequest()
    is_main = threading.current_thread() is threading.main_thread()
    ours = [n for n in ENDING if is_main and signal.getsignal(n) == signal.SIG_DFL]
    hook = sys.unraisablehook

    def restore() -> None:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)

    def stop() -> None:
        raise KeyboardInterrupt if request.signal == signal.SIGINT else Terminated(request.signal)

    def handle(number: int, frame: FrameType | None) -> None:
        if request.is_first(number):
            stop()
        if request.is_over():
            restore()
            signal.raise_signal(number)

    def stop_again(unraisable: Any) -> None:
        """Where an object is done away with, Python prints an exception, and goes on."""
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            hook(unraisable)
        elif hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, lambda number, frame: stop())
            signal.setitimer(signal.ITIMER_REAL, AGAIN)

    for number in ours:
        signal.signal(number, handle)
    if ours:
        sys.unraisablehook = stop_again
    try:
        yield
    except Exception as error:
        if request and not isinstance(error, TrainingStoppedError):
            stop()
        raise
    finally:
        restore()
        sys.unraisablehook = hook
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
    if request:
        stop()
