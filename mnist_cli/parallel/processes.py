"""Members as processes: each has a Python of its own, and so none waits for another's global lock.

A process is forked for each worker but the first, which is this one. What they exchange lies in
memory that they share (`shared_memory`). They meet by counters in such memory: each
counts the meetings that it has come to, and looks until the others have come as far. On x86-64 a
core sees what another one wrote in the order in which it was written; so what was written before a
meeting is there after it. Not every machine promises that.

No worker is left over. Who waits for long looks after the others: the first process sees how they
end by their pipes, which close, and they see that it has gone by having another parent.
"""

from __future__ import annotations

import gc
import mmap
import os
import pickle
import platform
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from mnist_cli.errors import WorkerLostError

SPINS = 1000
"""How often a worker looks whether the others have come, before it sleeps between two looks: for
about half a millisecond, and whoever waits for the core has it meanwhile."""

NAPS = (0.0001, 0.05)
"""Seconds of the shortest sleep, and of the longest. Between them it is an eighth of the time that
the worker has waited: who sleeps for too long keeps the others waiting, and these then sleep for an
eighth of that, so that a delay dies out, and does not go back and forth between them."""

STOPPED = 8
"""At so many looks in a row, of the longest sleep, a worker may be found stopped before the work is
given up: Ctrl-Z stops all of them, and ``fg`` wakes them one after another."""

ENDING = {
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
}
"""The signals that ask a program to end."""

HEARD = 1 << 20
"""Bytes that are read from a pipe at once."""

LINE = 64
"""Bytes that a core fetches at once: two counters in one line would be fetched in turns."""

Work = Callable[[int], Generator[None, None, Any]]


def can_fork() -> bool:
    """Return whether workers can be processes, here and now.

    A fork copies the thread that calls it alone. If another thread held a lock, nobody in the copy
    would ever let go of it: so there must be none but this one, in Python. (OpenBLAS ends its idle
    threads before a fork, and starts them again when it needs them.) Where Python has no global
    lock, threads are as good. macOS forks, but its own libraries do not survive it. And where
    SIGCHLD is ignored, nobody can learn how a process ended.
    """
    is_alone = threading.active_count() == 1
    is_main = threading.current_thread() is threading.main_thread()
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    is_known = sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")
    if not (is_known and is_alone and is_main and has_lock):
        return False
    return signal.getsignal(signal.SIGCHLD) != signal.SIG_IGN


def in_processes(work: Work, workers: int) -> list[Any] | None:
    """Do the work of all workers at once, the first in this process and each other in its own.

    Parameters
    ----------
    work : callable
        Is given a worker's number. Each ``yield`` in it is a meeting. What it changes is seen by
        nobody else, but for what lies in shared memory, and for what it returns.
    workers : int

    Returns
    -------
    list or None
        What each of them returned; the others' results are pickled on their way. None where no
        other process is to be had; nothing has been done then.

    Raises
    ------
    WorkerLostError
        If one of the processes was ended or stopped from outside.
    BaseException
        Whatever one of them raised. All others are ended, wherever they are.
    """
    others: list[_Other] = []
    try:
        try:
            counters = mmap.mmap(-1, workers * LINE)
            for number in range(1, workers):
                others.append(_Other(work, number, counters))
        except OSError:  # a limit on processes, on open files, or on memory
            return None
        mine = _at_meetings(work, 0, counters, lambda nap: _look_after(others, nap))
        while not all(other.has_ended for other in others):
            _look_after(others, NAPS[1])
        return [mine, *(other.result() for other in others)]
    finally:
        for other in others:
            other.end()


def _at_meetings(
    work: Work, number: int, counters: mmap.mmap, look: Callable[[float], object]
) -> Any:
    """Do a worker's work, wait for the others at its meetings, and return what it returned.

    While it waits for long it calls ``look``, which sleeps for so many seconds, and sees whether
    the others are still there. There is a meeting before the work, too: nobody begins unless all
    are there.
    """
    whole = memoryview(counters)
    others = [whole[start : start + LINE].cast("q") for start in range(0, len(counters), LINE)]
    mine = others.pop(number)
    run = work(number)
    meeting = 0
    while True:
        meeting += 1
        mine[0] = meeting
        for theirs in others:
            # To sleep and be woken takes longer than the others are late, as a rule.
            for _ in range(SPINS):
                if theirs[0] >= meeting:
                    break
                os.sched_yield()
            waited, (shortest, longest) = 0.0, NAPS
            while theirs[0] < meeting:
                nap = min(max(shortest, waited / 8), longest)
                look(nap)
                waited += nap
        try:
            next(run)
        except StopIteration as end:
            return end.value


class _Other:
    """Another process, which does the work of one worker.

    Signals that end a program are blocked in it: who is at the terminal speaks to the first
    process, which ends the others.
    """

    said = b""
    """What it has said so far: at its end, what its work returned, or raised."""

    has_ended = False
    looks = 0
    """At how many looks in a row it was stopped."""

    def __init__(self, work: Work, number: int, counters: mmap.mmap):
        self.pipe, theirs = os.pipe()
        parent = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            with warnings.catch_warnings():
                # Python 3.12 and later warn if there is any other thread, even OpenBLAS's, which
                # do no harm: see `can_fork`.
                warnings.simplefilter("ignore", DeprecationWarning)
                self.pid = os.fork()
            if not self.pid:
                _live(work, number, counters, parent, theirs)
        except OSError:
            os.close(self.pipe)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(theirs)

    def hear(self) -> None:
        """Take in what it says, of which there is some, or its end."""
        part = os.read(self.pipe, HEARD)
        self.said += part
        self.has_ended = not part

    def result(self) -> Any:
        """Return what its work returned, or raise what it raised, when it has ended."""
        try:
            has_failed, value = pickle.loads(self.said)
        except (EOFError, pickle.UnpicklingError) as error:
            raise WorkerLostError(f"A process of this training {self._ending()}") from error
        if has_failed:
            raise value
        return value

    def check_running(self) -> None:
        """Raise `WorkerLostError` if it has been stopped for several looks in a row."""
        flags = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
        state = os.waitid(os.P_PID, self.pid, flags)
        is_stopped = state is not None and state.si_code == os.CLD_STOPPED
        self.looks = self.looks + 1 if is_stopped else 0
        if self.looks > STOPPED:
            raise WorkerLostError("A process of this training was stopped")

    def end(self) -> None:
        """End it, if it has not ended yet."""
        os.close(self.pipe)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def _ending(self) -> str:
        """Return how it ended."""
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        if ended is None or ended.si_code == os.CLD_EXITED:
            return f"ended with status {ended and ended.si_status}"
        return f"was ended by signal {ended.si_status}"


def _look_after(others: Sequence[_Other], nap: float) -> None:
    """Sleep, unless one of the others says something; raise what it raised, or if it was lost."""
    poll = select.poll()
    running = {other.pipe: other for other in others if not other.has_ended}
    for pipe in running:
        poll.register(pipe, select.POLLIN)
    milliseconds = int(1000 * nap)
    if not milliseconds:  # poll() counts in whole ones
        time.sleep(nap)
    for pipe, _ in poll.poll(milliseconds):
        running[pipe].hear()
        if running[pipe].has_ended:
            running[pipe].result()
    if nap == NAPS[1]:
        for other in running.values():
            other.check_running()


def _live(work: Work, number: int, counters: mmap.mmap, parent: int, pipe: int) -> NoReturn:
    """Be another process: do the work, tell the first process what came of it, and end."""

    def look(nap: float) -> None:
        time.sleep(nap)
        if os.getppid() != parent:
            os._exit(1)

    status = 1
    try:
        gc.disable()  # what else the program left to be collected is not ours to end
        _let_go_of_files(pipe)
        try:
            said = pickle.dumps((False, _at_meetings(work, number, counters, look)))
        except BaseException as error:
            error.add_note(f"In worker {number}:\n{traceback.format_exc()}")
            said = pickle.dumps((True, error))
        with open(pipe, "wb") as told:
            told.write(said)
        status = 0
    finally:
        os._exit(status)


def _let_go_of_files(kept: int) -> None:
    """Close all files but one and stderr: a lock on one would outlive the process that took it."""
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number not in (0, 2, kept):
            with suppress(OSError):  # that of the list itself
                os.close(number)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # the report is the first process's alone
