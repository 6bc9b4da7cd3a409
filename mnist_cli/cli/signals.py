"""Ctrl-C and SIGTERM: as an exception, or as a request that work looks at when it is ready."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """What has been asked for: a signal's number, or 0 while nothing has."""

    signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    @property
    def exit_status(self) -> int:
        """The status that a shell gives to what the signal has ended: 130, or 143."""
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
        for number in (signal.SIGINT, signal.SIGTERM)
        # In the background, a shell has Ctrl-C ignored.
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
    """SIGTERM has come."""


@contextmanager
def termination() -> Iterator[None]:
    """Raise `Terminated` when SIGTERM comes in this block, as Ctrl-C raises KeyboardInterrupt."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise Terminated

    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )
    if is_ours:
        signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
