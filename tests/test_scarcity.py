"""Where there are no threads, or there is little memory: slower, or a sentence, never status 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, copy_packed
from web import web_server

from mnist_cli import parallel
from mnist_cli.cli.main import is_for_want_of_room
from mnist_cli.data.http import stream
from mnist_cli.gradcheck.isolation import NotJudgedError, check_apart
from mnist_cli.gradcheck.request import Request
from mnist_cli.parallel import side_by_side

resource = pytest.importorskip("resource", reason="POSIX limits")

PROGRAM = [sys.executable, "-m", "mnist_cli"]
REMARK = "No second thread is to be had"


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every thread fail as Python says it where a limit on processes is reached."""

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    monkeypatch.setattr(parallel, "_said", [])


def test_two_members_work_in_turn_on_one_thread(no_threads: None) -> None:
    done: list[tuple[int, int]] = []

    def work(member: int):  # type: ignore[no-untyped-def]
        for number in range(3):
            done.append((number, member))
            yield

    side_by_side(work, 2)
    assert done == [(number, member) for number in range(3) for member in range(2)]
    plain: list[int] = []
    side_by_side(plain.append, 2)
    assert plain == [0, 1]

    def fail(member: int):  # type: ignore[no-untyped-def]
        yield
        raise ValueError(f"{member} fails")

    with pytest.raises(ValueError, match="0 fails"):
        side_by_side(fail, 2)


def test_training_evaluation_and_prediction_end_with_the_same_bits_and_one_remark(
    cli: Cli, small_dir: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data = copy_packed(small_dir, tmp_path / "data")
    how = ("train", "--hidden", 160, "--augment", "elastic", "--dropout", 0.1, "--epochs", 2)
    two = cli(*how, "--data-dir", data, "--out", "two.npz")
    assert two.exit_code == 0, two.stderr
    assert REMARK not in two.stderr
    request.getfixturevalue("no_threads")
    one = cli(*how, "--data-dir", copy_packed(small_dir, tmp_path / "again"), "--out", "one.npz")
    assert one.exit_code == 0, one.stderr
    assert one.stderr.count(REMARK) == 1
    assert Path("one.npz").read_bytes() == Path("two.npz").read_bytes()
    measured = [cli("evaluate", name, "--data-dir", data).stdout for name in ("one.npz", "two.npz")]
    assert measured[0] == measured[1].replace("two.npz", "one.npz")
    read = cli("predict", "--model", "one.npz", "--index", 0, "--data-dir", data)
    assert read.exit_code == 0


def test_a_file_is_fetched_on_one_thread() -> None:
    with web_server({"file": b"content" * 10_000}) as web, pytest.MonkeyPatch.context() as patch:
        start = threading.Thread.start

        def fail(thread: threading.Thread) -> None:
            if "process_request" not in str(getattr(thread, "_target", "")):
                raise RuntimeError("can't start new thread")
            start(thread)  # the server's

        patch.setattr(threading.Thread, "start", fail)
        assert b"".join(stream(f"{web.url}/file")) == b"content" * 10_000


def test_a_check_of_a_file_that_cannot_be_watched_is_refused(
    no_threads: None, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("def f(x): return x\n")
    with pytest.raises(NotJudgedError, match="No thread can be started"):
        check_apart(str(tmp_path / "mine.py"), Request())


def test_a_sweep_without_room_for_its_processes_is_refused(
    no_threads: None, cli: Cli, small_dir: Path
) -> None:
    how = ("--hidden", 4, "--epochs", 1, "--vary", "seed=0,1", "--jobs", 2)
    result = cli("sweep", "--data-dir", small_dir, *how)
    assert result.exit_code == 2
    assert "There is no room for the processes of a sweep" in result.stderr
    assert "ask for fewer by --jobs" in result.stderr


@pytest.mark.long
@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "gradcheck"])
def test_in_little_memory_no_command_ends_as_a_check_that_said_no(
    command: str, cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    """NumPy cannot be loaded, or OpenBLAS ends the process by itself, or there is no thread.

    The OpenBLAS of a NumPy before 2.3 may wait without end for memory, be it at `import numpy`:
    such a run is ended from without, and says nothing of this program.
    """
    data = ("--data-dir", str(small_dir))
    assert cli("train", *data, "--epochs", 1, "--out", "m.npz").exit_code == 0
    words = {
        "train": ["train", *data, "--hidden", "128", "--epochs", "1"],
        "evaluate": ["evaluate", "m.npz", *data],
        "predict": ["predict", "--model", "m.npz", "--index", "0", *data],
        "gradcheck": ["gradcheck", "--hidden", "4"],
    }[command]
    waits = np.lib.NumpyVersion(np.__version__) < "2.3.0"
    ends = set()
    for megabytes in (40, 70, 100, 180, 240, 300, 1500):
        limit = megabytes << 20
        try:
            done = subprocess.run(
                [*PROGRAM, *words, "--json"],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=10 if waits else 60,
                preexec_fn=lambda limit=limit: resource.setrlimit(
                    resource.RLIMIT_AS, (limit, limit)
                ),
            )
        except subprocess.TimeoutExpired:
            assert waits, (megabytes, words)
            continue
        assert done.returncode in (0, 2), (megabytes, done.stderr)
        assert "Traceback" not in done.stderr
        ends.add(done.returncode)
        document = json.loads(done.stdout)
        assert ("error" in document) == (done.returncode == 2)
        if done.returncode == 2:
            assert "more memory than there is" in done.stderr
        (tmp_path / "model.npz").unlink(missing_ok=True)
    assert ends == {0, 2}


def test_a_fault_of_the_program_is_neither_a_no_nor_unusable_input(tmp_path: Path) -> None:
    code = (
        "import sys; from mnist_cli.cli import main, program\n"
        "def fail(**how): raise ZeroDivisionError\n"
        "main.main = fail; program.program()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 3
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.skipif(
    os.name != "posix" or os.getuid() == 0, reason="root may have any number of threads"
)
def test_under_a_limit_on_processes_training_works(small_dir: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "train", "--data-dir", str(small_dir), "--epochs", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1, 1)),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(REMARK) == 1
    assert np.load(tmp_path / "model.npz")["parameters"].size > 0


def test_a_library_for_which_there_is_no_memory_is_told_from_one_that_is_broken() -> None:
    beneath = ImportError("Importing the numpy C-extensions failed")
    beneath.__cause__ = MemoryError()
    assert is_for_want_of_room(beneath)
    assert is_for_want_of_room(ImportError("libopenblas.so: failed to map segment"))
    assert not is_for_want_of_room(ImportError("No module named 'tqdm'"))
