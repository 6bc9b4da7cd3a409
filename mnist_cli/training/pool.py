"""A pool of processes for a sweep on one machine.

Each process begins anew ("spawn") and loads NumPy and the data once, in about a third of a second.
A fork would be faster, but takes over the locks of threads that it does not have: those of a bar, a
notebook, or a client of a cluster.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from threading import Event, Thread, current_thread, main_thread
from typing import ParamSpec, TypeVar

from mnist_cli.errors import SettingsError
from mnist_cli.parallel.threads import started

P = ParamSpec("P")
T = TypeVar("T")


class _Pool(ProcessPoolExecutor):
    """A pool whose processes ignore Ctrl-C from their first moment on."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit a call, for which a process may begin."""
        with _interrupts_ignored():
            return super().submit(function, *args, **kwargs)


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of so many processes, which end with the block, whichever way it ends.

    If it ends by an exception, they learn by `is_given_up` that nobody wants what they do any more.
    Ctrl-C is for this process alone; and if this process is killed, they end, too.

    Raises
    ------
    SettingsError
        If a limit on processes and threads leaves no room for them.
    """
    if not _has_room(OF_A_POOL + OF_A_PROCESS * min(count, MOST_PROBED)):
        raise SettingsError(
            f"A sweep in {count} processes meets a limit on processes and threads, as 'ulimit -u' "
            "or a container sets one: raise it, or ask for fewer processes by `jobs`."
        )
    context = get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    with (
        theirs,
        ours,
        _Pool(count, context, initializer=_begin, initargs=(theirs,)) as pool,
    ):
        try:
            yield pool
        except BaseException:
            ours.close()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


OF_A_POOL, OF_A_PROCESS = 3, 2
"""Threads and processes that a pool takes: two threads and a process of Python's, and for each of
its own processes that and a thread in it."""

MOST_PROBED = 32
"""Processes for which room is looked for, at most."""


def _has_room(tasks: int) -> bool:
    """Return whether so many threads can be started, which count as processes do.

    In a pool that has begun, Python fails on threads of its own where none can be started.
    """
    end = Event()
    threads = [Thread(target=end.wait, daemon=True) for _ in range(tasks)]
    begun = []
    try:
        for thread in threads:
            if not started(thread):
                return False
            begun.append(thread)
        return True
    finally:
        end.set()
        for thread in begun:
            thread.join()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C while the block lasts, and in all processes that begin in it."""
    if current_thread() is not main_thread():
        yield  # signals come to the main thread alone
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_given_up = Event()


def is_given_up() -> bool:
    """Return whether this is a process of a pool whose block has ended by an exception."""
    return _given_up.is_set()


def _begin(theirs: Connection) -> None:
    """Have this process learn when the other end of the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where a new process does not take that over
    Thread(target=_wait_for_the_end, args=(theirs,), daemon=True).start()


def _wait_for_the_end(theirs: Connection) -> None:
    with suppress(EOFError):
        theirs.recv()  # nothing is ever sent
    # The end of a process in the middle of sending a result would have the pool wait for the rest.
    _given_up.set()
    if parent := parent_process():
        parent.join()
        os._exit(1)
