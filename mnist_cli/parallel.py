"""Two threads that work side by side, and wait for each other where they must; or one in turns."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

Work = Callable[[int], Iterable[None] | None]
"""What a member does: each ``yield`` in it is a meeting; without any, it is a plain function."""

T = TypeVar("T")

BLAS_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OMP_NUM_THREADS",
)
"""The environment variables by which NumPy's matrix products are told their threads."""

SPINS = 100
"""How often a thread looks whether the other has come, before it goes to sleep until then."""

SWITCH_INTERVAL = 0.0002
"""Seconds that a thread waits for Python's global lock before it asks for it."""


def let_others_run() -> None:
    """Give the rest of this thread's time to whoever waits for the core, if anybody does."""
    if hasattr(os, "sched_yield"):
        os.sched_yield()
    else:
        time.sleep(0)


def leave_cores_to_us() -> None:
    """Have NumPy start no threads of its own, if it is not loaded yet: what the program does first.

    Where NumPy came first, `mnist_cli.blas.one_blas_thread` does it while we compute.
    """
    for name in BLAS_THREADS:
        os.environ[name] = "1"


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


_is_one_thread: ContextVar[bool] = ContextVar("_is_one_thread", default=False)


@contextmanager
def one_thread() -> Iterator[None]:
    """Have both members work on this thread, in turns, while the block lasts.

    Where many trainings run at once, as many as there are cores, this is faster than two threads of
    each that wait for each other; and the results are the same, bit for bit.
    """
    token = _is_one_thread.set(True)
    try:
        yield
    finally:
        _is_one_thread.reset(token)


def side_by_side(work: Work, members: int) -> None:
    """Call ``work(member)`` for each member at the same time, and return when all are done.

    Member 0 works on this thread, member 1 on another. NumPy lets go of Python's global lock
    while it computes, so two threads keep two cores busy. Where a member yields, it waits until
    the other has come to its ``yield`` as well, so that each sees all that the other did before.

    In a block of `one_thread`, and where no second thread is to be had, each works until its next
    meeting, and then the other does. As neither may look at what the other does between two
    meetings, that changes no bit.

    Parameters
    ----------
    work : callable
        All members have as many meetings.
    members : {1, 2}

    Raises
    ------
    BaseException
        Whatever one of the two raised, the first member before the other; the other ends at its
        next meeting.
    """
    if members == 1 or _is_one_thread.get():
        return _in_turns(work, members)
    # A queue of None takes 21 µs a meeting, where threading.Barrier takes 49.
    arrivals: list[SimpleQueue[bool]] = [SimpleQueue(), SimpleQueue()]
    failures: dict[int, BaseException] = {}

    def run(member: int) -> None:
        mine, theirs = arrivals[member], arrivals[1 - member]
        try:
            for _ in work(member) or ():
                theirs.put(True)
                # To sleep and be woken takes longer than the other is late: 8% of a step.
                for _ in range(SPINS):
                    if not mine.empty():
                        break
                    let_others_run()
                if not mine.get():
                    return  # the other has given up
        except BaseException as error:
            failures[member] = error
            theirs.put(False)

    # NumPy's treatment of what overflows, say, is the same on the other thread.
    other = Thread(target=copy_context().run, args=(run, 1), daemon=True)
    with _switch_interval.at(SWITCH_INTERVAL):  # 5% of a step, over the usual 5 ms
        if not started(other):
            return _in_turns(work, members)
        run(0)
        other.join()
    if failures:
        raise failures[min(failures)]
    return None


def _in_turns(work: Work, members: int) -> None:
    """Have the members work on this thread, each as far as its next meeting."""
    for _ in zip(*(work(member) or () for member in range(members)), strict=True):
        pass


def started(thread: Thread) -> bool:
    """Start a thread, and return whether there was one to be had."""
    try:
        thread.start()
    except (RuntimeError, MemoryError):  # a limit on processes, or on memory
        return False
    return True


def say_if_alone(remark: Callable[[str], object]) -> None:
    """Remark, once in a process, that there is no second thread to be had."""
    probe = Thread(target=int, daemon=True)
    if started(probe):
        probe.join()
    elif not _said:
        _said.append(
            "No second thread is to be had, for want of memory or by a limit on processes: working "
            "on one, which takes up to twice as long."
        )
        remark(_said[0])


_said: list[str] = []
