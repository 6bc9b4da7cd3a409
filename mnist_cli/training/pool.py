"""A pool of processes for a sweep on one machine.

Each process begins anew ("spawn") and loads NumPy and the data once, in about a third of a second.
A fork would be faster, but takes over the locks of threads that it does not have: those of a bar, a
notebook, or a client of a cluster.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from threading import Event, Thread, current_thread, main_thread
from typing import ParamSpec, TypeVar

from mnist_cli.errors import SettingsError

P = ParamSpec("P")
T = TypeVar("T")


OF_A_POOL, OF_A_PROCESS = 3, 2
"""Threads and processes that a pool takes: two threads and a process of Python's, and for each of
its own processes that and a thread in it."""

MOST_PROBED = 32
"""Processes for which room is looked for, at most."""

PROBE = """
import sys, threading
threading.stack_size(1 << 18)
end = threading.Event()
try:
    for _ in range(int(sys.argv[1])):
        threading.Thread(target=end.wait, daemon=True).start()
except RuntimeError:
    sys.exit(1)
"""
"""A program that ends with 0 if it could start so many threads at once."""


NO_ROOM = (
    "There is no room for the processes of a sweep, for want of memory or by a limit on processes, "
    "such as that of a container: allow more, or ask for fewer by `jobs`."
)


class _Pool(ProcessPoolExecutor):
    """A pool whose processes ignore Ctrl-C from their first moment on."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit a call, for which a process may begin."""
        try:
            with _interrupts_ignored():
                return super().submit(function, *args, **kwargs)
        except (RuntimeError, BlockingIOError) as error:
            if isinstance(error, BrokenExecutor) or "after shutdown" in str(error):
                raise
            raise SettingsError(NO_ROOM) from error

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End, whether a thread that is joined then could be started or not."""
        try:
            super().shutdown(wait, cancel_futures=cancel_futures)
        except RuntimeError as error:
            if "before it is started" not in str(error):
                raise


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of so many processes, which end with the block, whichever way it ends.

    If it ends by an exception, they learn by `is_given_up` that nobody wants what they do any more.
    Ctrl-C is for this process alone; and if this process is killed, they end, too.

    Raises
    ------
    SettingsError
        If a limit on memory, or on processes and threads, leaves no room for them.
    """
    if not _has_room(OF_A_POOL + OF_A_PROCESS * min(count, MOST_PROBED)):
        raise SettingsError(NO_ROOM)
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


def _has_room(tasks: int) -> bool:
    """Return whether the limits on processes and threads, which count alike, have room for so many.

    It is tried in a process of its own, which is one of them: in a pool that has begun, Python
    fails on threads of its own where none can be started.
    """
    if os.name != "posix":
        return True
    command = [sys.executable, "-I", "-c", PROBE, str(tasks - 1)]
    frugal = os.environ | {"MALLOC_ARENA_MAX": "1"}  # glibc's take memory for each thread
    try:
        tried = subprocess.run(command, env=frugal, stdin=subprocess.DEVNULL, capture_output=True)
        return tried.returncode == 0
    except OSError:
        return False


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
