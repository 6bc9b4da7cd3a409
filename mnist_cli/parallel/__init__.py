"""Members that work side by side, and wait for each other where they must.

Who does it is decided here, in `workers_for`: processes, threads, or this thread alone, in turns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Thread
from typing import Any, Literal

from mnist_cli.parallel.processes import can_fork, in_processes
from mnist_cli.parallel.threads import in_threads, started

Work = Callable[[int], Generator[None, None, Any] | None]
"""What a member does: each ``yield`` in it is a meeting; without any, it is a plain function."""

BLAS_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OMP_NUM_THREADS",
)
"""The environment variables by which NumPy's matrix products are told their threads."""


def leave_cores_to_us() -> None:
    """Have NumPy start no threads of its own, if it is not loaded yet: what the program does first.

    Where NumPy came first, `mnist_cli.parallel.blas.one_blas_thread` does it while we compute.
    """
    for name in BLAS_THREADS:
        os.environ[name] = "1"


_is_one_thread: ContextVar[bool] = ContextVar("_is_one_thread", default=False)


@contextmanager
def one_thread() -> Iterator[None]:
    """Have all members work on this thread, in turns, while the block lasts.

    Where many trainings run at once, as many as there are cores, this is faster than two workers of
    each that wait for each other; and the results are the same, bit for bit.
    """
    token = _is_one_thread.set(True)
    try:
        yield
    finally:
        _is_one_thread.reset(token)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Workers:
    """Who does the work of several members.

    Attributes
    ----------
    number : int
    kind : {"turns", "threads", "processes"}
        One worker takes its members in turns.
    """

    number: int
    kind: Literal["turns", "threads", "processes"]


def workers_for(members: int, *, share_memory: bool = False) -> Workers:
    """Return who will do the work of so many members, here and now.

    Processes do not wait for Python's global lock, and are faster; but they see of each other only
    what lies in memory that they share, and not every program can be forked at any time:
    `can_fork` says when. Else the workers are threads. There are never more of them than cores, and
    one in a block of `one_thread`.
    """
    number = 1 if _is_one_thread.get() else min(members, cores())
    if number == 1:
        return Workers(1, "turns")
    return Workers(number, "processes" if share_memory and can_fork() else "threads")


def side_by_side(work: Work, members: int, *, share_memory: bool = False) -> list[Any]:
    """Do the work of all members at the same time, and return what each returned.

    Where a member yields, it waits until the others have come to their ``yield`` as well, so that
    each sees all that the others did before. As none may look at what the others do between two
    meetings, it changes no bit whether they work in processes, in threads, or in turns.

    Parameters
    ----------
    work : callable
        Is given a member's number. All members have as many meetings.
    members : int
    share_memory : bool
        Whether what the members exchange lies in `shared_memory`, or is returned: then they may be
        processes. Member 0 is with this one in any case.

    Raises
    ------
    WorkerLostError
        If a process was ended or stopped from outside.
    BaseException
        Whatever one of them raised, the first member before the others; these end at their next
        meeting at the latest.
    """
    workers = workers_for(members, share_memory=share_memory)

    def share(worker: int) -> Generator[None, None, list[Any]]:
        return _in_turns(work, range(worker, members, workers.number))

    results = None
    if workers.kind == "processes":
        results = in_processes(share, workers.number)
    if results is None and workers.kind != "turns":
        results = in_threads(share, workers.number)
    if results is None:
        return _alone(_in_turns(work, range(members)))
    return [results[member % workers.number][member // workers.number] for member in range(members)]


def _in_turns(work: Work, members: Sequence[int]) -> Generator[None, None, list[Any]]:
    """Do the work of several members, of each as far as its next meeting; and return what they do.

    Each ``yield`` is a meeting with those whose work is done by others.
    """
    results: list[Any] = [None] * len(members)
    running = [(place, iter(work(member) or ())) for place, member in enumerate(members)]
    while running:
        for place, run in list(running):
            try:
                next(run)
            except StopIteration as end:
                results[place] = end.value
                running.remove((place, run))
        if running:
            yield
    return results


def _alone(run: Generator[None, None, list[Any]]) -> list[Any]:
    """Do all of the work on this thread, and return what it returns."""
    while True:
        try:
            next(run)
        except StopIteration as end:
            results: list[Any] = end.value
            return results


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
