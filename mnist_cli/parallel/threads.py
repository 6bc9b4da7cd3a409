"""Members as threads: the first works on the calling one, each other on one of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")

SPINS = 100
"""How often a thread looks whether the other has come, before it goes to sleep until then."""

SWITCH_INTERVAL = 0.0002
"""Seconds that a thread waits for Python's global lock before it asks for it."""


def in_threads(
    share: Callable[[int], Generator[None, None, list[Any]]], workers: int
) -> list[list[Any]] | None:
    """Have each worker do its share, the first on this thread, each other on one of its own.

    NumPy lets go of Python's global lock while it computes, so they keep as many cores busy.
    Returns None where no other thread is to be had; nothing has been done then.
    """
    # A queue of None takes 21 µs a meeting, where threading.Barrier takes 49.
    arrivals: list[list[SimpleQueue[bool]]]
    arrivals = [[SimpleQueue() for _ in range(workers)] for _ in range(workers)]
    failures: dict[int, BaseException] = {}
    results: list[list[Any]] = [[]] * workers

    def tell(worker: int, goes_on: bool) -> None:
        for other in range(workers):
            if other != worker:
                arrivals[other][worker].put(goes_on)

    def meet(worker: int) -> bool:
        tell(worker, True)
        for other in range(workers):
            if other == worker:
                continue
            theirs = arrivals[worker][other]
            # To sleep and be woken takes longer than the other is late: 8% of a step.
            for _ in range(SPINS):
                if not theirs.empty():
                    break
                let_others_run()
            if not theirs.get():
                return False  # the other has given up
        return True

    def run(worker: int) -> None:
        mine = share(worker)
        try:
            while meet(worker):  # before the work, too: nobody begins unless all are there
                try:
                    next(mine)
                except StopIteration as end:
                    results[worker] = end.value
                    return
        except BaseException as error:
            failures[worker] = error
            tell(worker, False)

    # NumPy's treatment of what overflows, say, is the same on the other threads.
    others = [
        Thread(target=copy_context().run, args=(run, worker), daemon=True)
        for worker in range(1, workers)
    ]
    with _switch_interval.at(SWITCH_INTERVAL):  # 5% of a step, over the usual 5 ms
        if not all(map(started, others)):
            tell(0, False)
            return None
        run(0)
        for other in others:
            other.join()
    if failures:
        raise failures[min(failures)]
    return results


def let_others_run() -> None:
    """Give the rest of this thread's time to whoever waits for the core, if anybody does."""
    if hasattr(os, "sched_yield"):
        os.sched_yield()
    else:
        time.sleep(0)


class ProcessWide(Generic[T]):
    """A value that the whole process has one of, and that blocks of code change while they last.

    Parameters
    ----------
    get, set : callable
        How it is read and written.
    """

    def __init__(self, get: Callable[[], T], set: Callable[[T], object]):
        self.get = get
        self.set = set
        self.lock = Lock()
        self.blocks = 0

    @contextmanager
    def at(self, value: T) -> Iterator[None]:
        """Set the value for as long as the block lasts.

        Where blocks overlap, in several threads, all must want the same; the last to end puts back
        what was there before the first.
        """
        with self.lock:
            if self.blocks == 0:
                self.before = self.get()
                self.set(value)
            self.blocks += 1
        try:
            yield
        finally:
            with self.lock:
                self.blocks -= 1
                if self.blocks == 0:
                    self.set(self.before)


_switch_interval = ProcessWide(sys.getswitchinterval, sys.setswitchinterval)


def started(thread: Thread) -> bool:
    """Start a thread, and return whether there was one to be had."""
    try:
        thread.start()
    except (RuntimeError, MemoryError):  # a limit on processes, or on memory
        return False
    return True
