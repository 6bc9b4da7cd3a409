"""Workers as processes: they meet, they tell what came of it, and none is left over."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mnist_cli import parallel
from mnist_cli.errors import WorkerLostError
from mnist_cli.parallel import Workers, side_by_side, workers_for
from mnist_cli.parallel.processes import in_processes
from mnist_cli.parallel.shared_memory import shared_zeros

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64",
    reason="workers are processes on Linux and x86-64 alone",
)
ROUNDS = 300
SOON = 1.5
"""Seconds within which the end of one process must have ended the others."""

Run = Generator[None, None, Any]


def is_alive(process: int) -> bool:
    """Return whether there is such a process, and it is more than a name that nobody asked for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_after_a_meeting_each_sees_what_the_others_wrote_before(workers: int) -> None:
    written = shared_zeros((workers,), "int64")

    def work(worker: int) -> Run:
        read = 0
        for number in range(1, ROUNDS):
            written[worker] = number
            yield
            read += int(written.sum())
            yield
        return worker, os.getpid(), read

    results = in_processes(work, workers)
    assert results is not None
    assert [worker for worker, _, _ in results] == list(range(workers))
    assert results[0][1] == os.getpid()
    assert len({process for _, process, _ in results}) == workers
    assert {read for _, _, read in results} == {workers * ROUNDS * (ROUNDS - 1) // 2}


def test_a_result_may_be_larger_than_what_a_pipe_holds() -> None:
    def work(worker: int) -> Run:
        yield
        return bytes([worker]) * 5_000_000

    assert in_processes(work, 2) == [bytes(5_000_000), b"\1" * 5_000_000]


@pytest.mark.parametrize("failing", [0, 1, 2])
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_what_one_raises_is_raised_and_ends_all(failing: int, kind: type[BaseException]) -> None:
    others = shared_zeros((3,), "int64")

    def work(worker: int) -> Run:
        others[worker] = os.getpid()
        for number in range(ROUNDS):
            yield
            if worker == failing and number == 3:
                raise kind("enough")

    with pytest.raises(kind, match="enough") as caught:
        in_processes(work, 3)
    assert not any(is_alive(int(process)) for process in others[1:])
    if failing:
        assert f"In worker {failing}:" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGKILL, "A process of this training was ended by signal 9"),
        (signal.SIGSTOP, "A process of this training was stopped"),
    ],
)
@pytest.mark.parametrize("is_at_its_end", [False, True])
def test_one_that_is_ended_or_stopped_from_outside_ends_all_soon(
    number: int, said: str, is_at_its_end: bool
) -> None:
    pids, struck = shared_zeros((2,), "int64"), shared_zeros((1,), "float64")

    def work(worker: int) -> Run:
        pids[worker] = os.getpid()
        for _ in range(3):
            yield
        if worker == 1:
            struck[0] = time.monotonic()
            os.kill(os.getpid(), number)
        if not is_at_its_end:
            yield

    with pytest.raises(WorkerLostError, match=said):
        in_processes(work, 2)
    assert time.monotonic() - struck[0] < SOON
    assert not is_alive(int(pids[1]))


def test_one_that_is_ended_while_it_tells_its_result_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Torn:
        """What ends the process that pickles it, when some of it may have been written."""

        def __reduce__(self) -> Any:
            os.kill(os.getpid(), signal.SIGKILL)

    def work(worker: int) -> Run:
        yield
        return Torn() if worker else None

    with pytest.raises(WorkerLostError, match="signal 9"):
        in_processes(work, 2)
    whole = pickle.dumps((False, [1, 2, 3]))
    for end in range(len(whole)):
        monkeypatch.setattr(pickle, "dumps", lambda said, end=end: whole[:end])
        with pytest.raises(WorkerLostError, match="ended with status 0"):
            in_processes(lambda worker: iter([None]), 2)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_others_leave_the_signals_of_a_terminal_to_the_first(number: int) -> None:
    def work(worker: int) -> Run:
        yield
        if worker == 1:
            os.kill(os.getpid(), number)
        yield
        return worker

    assert in_processes(work, 2) == [0, 1]


def test_what_the_others_print_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    def work(worker: int) -> Run:
        yield
        os.write(1, f"{worker}".encode())

    in_processes(work, 2)
    assert capfd.readouterr().out == "0"


def test_the_others_hold_no_file_of_the_first(tmp_path: Path) -> None:
    """A lock would else be there for as long as they are."""

    def work(worker: int) -> Run:
        yield
        return [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]

    with open(tmp_path / "locked", "w") as file:
        found = in_processes(work, 2)
    assert found is not None
    assert [file.name in files for files in found] == [True, False]


LONG = """
import os, sys, time
from mnist_cli.parallel.processes import in_processes

def work(worker):
    if worker:
        print(os.getpid(), file=sys.stderr, flush=True)
    for _ in range(3000):
        time.sleep(0.001)
        yield
    return worker

print(in_processes(work, 2))
"""


def test_none_outlives_the_first_process() -> None:
    with subprocess.Popen([sys.executable, "-c", LONG], stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr
        other = int(first.stderr.readline())
        assert is_alive(other)
        first.kill()
        first.wait()
        killed = time.monotonic()
        while is_alive(other):
            assert time.monotonic() - killed < SOON
            time.sleep(0.02)


def test_all_can_be_stopped_together_and_go_on() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LONG],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as first:
        assert first.stderr
        first.stderr.readline()
        for _ in range(2):
            os.killpg(first.pid, signal.SIGSTOP)
            time.sleep(1)
            os.killpg(first.pid, signal.SIGCONT)
            time.sleep(0.2)
        stdout, stderr = first.communicate(timeout=60)
    assert (stdout, stderr) == ("[0, 1]\n", "")


def test_where_no_process_is_to_be_had_threads_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/proc/self/fd"))
    calls = []

    def fork() -> int:
        calls.append(1)
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", fork)
    monkeypatch.setattr(parallel, "can_fork", lambda: True)
    monkeypatch.setattr(parallel, "cores", lambda: 2)

    def work(member: int) -> Run:
        yield
        return threading.current_thread().name

    names = side_by_side(work, 2, share_memory=True)
    assert calls == [1]
    assert len(set(names)) == 2
    assert len(os.listdir("/proc/self/fd")) == before


WHO = """
import signal, sys, threading
from mnist_cli import parallel

parallel.cores = lambda: 4
{before}
print(parallel.workers_for({members}, share_memory={share_memory}))
"""
ANOTHER_THREAD = "threading.Thread(target=threading.Event().wait, daemon=True).start()"
IN_A_THREAD = """
ask = parallel.workers_for
def workers_for(members, share_memory):
    found = []
    thread = threading.Thread(target=lambda: found.append(ask(members, share_memory=share_memory)))
    thread.start()
    thread.join()
    return found[0]
parallel.workers_for = workers_for
"""


@pytest.mark.parametrize(
    ("before", "members", "share_memory", "expected"),
    [
        ("", 2, True, Workers(2, "processes")),
        ("", 8, True, Workers(4, "processes")),
        ("", 1, True, Workers(1, "turns")),
        ("", 2, False, Workers(2, "threads")),
        ("parallel.cores = lambda: 1", 2, True, Workers(1, "turns")),
        (ANOTHER_THREAD, 2, True, Workers(2, "threads")),
        (IN_A_THREAD, 2, True, Workers(2, "threads")),
        ("signal.signal(signal.SIGCHLD, signal.SIG_IGN)", 2, True, Workers(2, "threads")),
        ("sys.platform = 'darwin'", 2, True, Workers(2, "threads")),
        ("sys._is_gil_enabled = lambda: False", 2, True, Workers(2, "threads")),
    ],
)
def test_workers_are_processes_where_a_fork_is_safe_and_of_use(
    before: str, members: int, share_memory: bool, expected: Workers
) -> None:
    script = WHO.format(before=before, members=members, share_memory=share_memory)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == f"{expected}\n", done.stderr


def test_one_thread_is_asked_for_by_a_block() -> None:
    with parallel.one_thread():
        assert workers_for(2, share_memory=True) == Workers(1, "turns")


def test_python_does_not_warn_of_openblas_threads() -> None:
    script = (
        "import warnings; warnings.simplefilter('error')\n"
        "import numpy as np; np.ones((500, 500)) @ np.ones((500, 500))\n"
        "from mnist_cli.parallel.processes import in_processes\n"
        "def work(worker):\n"
        "    yield\n"
        "    return float((np.ones((500, 500)) @ np.ones((500, 500))).sum())\n"
        "print(in_processes(work, 2))\n"
    )
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="4")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[125000000.0, 125000000.0]\n", "")
