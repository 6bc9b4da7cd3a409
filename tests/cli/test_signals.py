"""Signals at awkward moments: at the very end, two at once, where nothing can be raised."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mnist_cli.cli import signals
from mnist_cli.cli.signals import Terminated, stop_request, termination
from mnist_cli.errors import DataError
from mnist_cli.training.checkpoint import Checkpoint

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

AT_EACH_LINE = """
import ctypes, gc, itertools, os, signal, sys
from mnist_cli.cli import main, program

number, command = int(sys.argv[1]), sys.argv[2]
sys.argv[1:] = sys.argv[2:]

def at(moment):
    '''Run the command, and have the signal come at a line after its work: at this one of them.'''
    left = None

    def trace(frame, event, argument):
        nonlocal left
        if left is None:
            if frame.f_code.co_name != command:
                return None
            if event == "return":
                left = moment
                while frame := frame.f_back:
                    frame.f_trace = trace
        elif event == "line":
            left -= 1
            if left == 0:
                os.write(told, b"sent")
                signal.raise_signal(number)
        return trace

    sys.settrace(trace)
    program.program()

gc.freeze()
statuses = set()
for moment in itertools.count(1):
    ours, told = os.pipe()
    if not os.fork():
        os.close(ours)
        at(moment)
    os.close(told)
    is_sent = os.read(ours, 4)
    os.close(ours)
    status = os.waitstatus_to_exitcode(os.wait()[1])
    if not is_sent:
        break
    statuses.add(status)
print(moment, *sorted(statuses), file=sys.stderr)
"""
"""Runs a command again and again, until a signal has come at each line that is run at its end."""


@pytest.mark.parametrize("name", [pytest.param("SIGINT", marks=pytest.mark.long), "SIGHUP"])
def test_a_signal_at_any_line_after_the_work_is_a_sentence_or_a_quiet_end(
    name: str, tmp_path: Path
) -> None:
    number = getattr(signal, name)
    done = subprocess.run(
        [sys.executable, "-c", AT_EACH_LINE, str(number), "completion", "zsh"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    *said, last = done.stderr.splitlines()
    sentence = "Error: Interrupted." if name == "SIGINT" else "Error: Terminated."
    assert set(said) == {"", sentence}
    lines, *statuses = map(int, last.split())
    assert lines > 30
    # By the signal itself where nothing is left to be told.
    assert set(statuses) == {-number, 128 + number}


class RaisesWhenDoneAwayWith:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGHUP)


@pytest.mark.parametrize("seconds", [60, 0])
def test_a_signal_that_comes_while_an_object_is_done_away_with_is_not_lost(
    seconds: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """It ends the work soon, or at its end: Python would print a traceback and go on."""

    def work() -> None:
        RaisesWhenDoneAwayWith()
        time.sleep(seconds)

    began = time.monotonic()
    with pytest.raises(Terminated) as raised, termination():
        work()
    assert raised.value.exit_status == 129
    assert time.monotonic() - began < 10
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("becomes", [ValueError, OSError, DataError, None])
def test_a_signal_of_which_a_library_makes_something_else_is_heeded_in_the_end(
    becomes: type[Exception] | None,
) -> None:
    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as error:
            if becomes:
                raise becomes("Invalid bounding box") from error

    with pytest.raises(Terminated) as raised, termination():
        work()
    assert raised.value.exit_status == 143


def test_two_signals_at_once_are_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """As from a terminal that is closed and its shell. A later one ends the program at once."""
    with stop_request() as request:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        assert request.exit_status == 143
        monkeypatch.setattr(signals, "AT_ONCE", -1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.long
@pytest.mark.parametrize("gap", [0, 0.01, 0.1])
def test_two_signals_at_once_keep_the_last_epoch(
    gap: float, small_dir: Path, tmp_path: Path
) -> None:
    how = ["--data-dir", str(small_dir), "--hidden", "4", "--epochs", "100000", "--checkpoint", "c"]
    with subprocess.Popen(
        [sys.executable, "-m", "mnist_cli", "train", *how, "--checkpoint-every", "100000"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        while "   50/100000" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        time.sleep(gap)
        process.send_signal(signal.SIGHUP)
        assert "Error: Interrupted in epoch" in process.stderr.read()
    assert process.returncode in (129, 143)
    assert len(Checkpoint.load(tmp_path / "c").history) >= 50
