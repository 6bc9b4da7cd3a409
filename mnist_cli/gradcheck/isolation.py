"""Somebody's code is run in a process of its own, and only a whole report of that is believed.

The code may print, hang, crash, fork, or end its process with status 0: none of it is taken for
"all checks passed". This side needs no NumPy, so that the second process costs little.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import IO, Any

from mnist_cli.errors import MnistCliError
from mnist_cli.gradcheck.outcome import Outcome
from mnist_cli.gradcheck.request import Request
from mnist_cli.parallel.threads import started

BOOT = "import sys; sys.path[:] = sys.argv[1:]; from mnist_cli.gradcheck.child import main; main()"
"""What the child runs: it finds modules where this process does."""

GRACE = 0.5
"""Seconds to read what is left in the pipe of a child that has ended."""

LARGEST = 2**28
"""Bytes in which any honest report has room."""


class NotJudgedError(MnistCliError):
    """The code could not be judged, or its process ended without a whole report."""


def check_apart(target: str, request: Request, time_limit: float = 60.0) -> Outcome:
    """Check what a target names, in a process of its own, and return what came of it.

    Parameters
    ----------
    target : str
        See `mnist_cli.gradcheck.target`.
    request : Request
    time_limit : float
        Seconds after which the process is ended.

    Returns
    -------
    Outcome

    Raises
    ------
    NotJudgedError
        If the code cannot be judged, or its process ended, or was ended, before it could be.
    """
    # The child keeps it where the user's code does not look: neither an argument nor a variable.
    nonce = os.urandom(16).hex()
    order = {"nonce": nonce, "target": target, "request": request.as_dict()}
    with _stderr_for_them() as stderr, _started(stderr) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        reader = _Reader(process.stdout, nonce)
        with suppress(OSError):  # it has ended already
            process.stdin.write(f"{json.dumps(order)}\n".encode())
            process.stdin.flush()
        ended = _wait(process, reader, time.monotonic() + time_limit)
    if reader.document is None:
        raise NotJudgedError(_how_it_ended(reader.at or target, ended, time_limit))
    if "error" in reader.document:
        raise NotJudgedError(reader.document["error"])
    return Outcome.from_dict(reader.document)


@contextmanager
def _stderr_for_them() -> Iterator[Any]:
    """Yield where the child may print: our stderr, and never stdout, which is the report's."""
    try:
        yield sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # it is closed, or no file, as in a notebook
        if sys.stderr is None or sys.stderr.closed:
            yield subprocess.DEVNULL
            return
        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            sys.stderr.write(file.read().decode(errors="replace"))


@contextmanager
def _started(stderr: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start the child, and end it in the end, with all that it has started itself."""
    # In a session of its own, Ctrl-C reaches it through us alone, and it has no terminal to ask.
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", BOOT, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=os.environ | {"MPLBACKEND": "Agg"},
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise NotJudgedError(f"No process can be started for it: {error.strerror}.") from error
    try:
        yield process
    finally:
        if os.name == "posix":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


class _Reader:
    """Reads the child's reports from a pipe, into which its code may have written as well.

    A report is a line of the nonce, its kind and its length, then a document in JSON. There is one
    of kind ``at`` before each thing that is checked, and in the end one of kind ``all``.
    """

    def __init__(self, pipe: IO[bytes], nonce: str):
        self.pipe = pipe
        self.mark = f"\n{nonce} ".encode()
        self.document: Any = None
        self.at: str | None = None
        self.is_done = Event()
        if not started(Thread(target=self._read, daemon=True)):
            raise NotJudgedError("No thread can be started to read its report: allow more of them.")

    def _read(self) -> None:
        text = b""
        with suppress(OSError, ValueError):  # ValueError: what was there is no report
            while self.document is None and len(text) < LARGEST:
                more = os.read(self.pipe.fileno(), 2**16)
                if not more:
                    break
                text = self._take(text + more)
        self.is_done.set()

    def _take(self, text: bytes) -> bytes:
        """Take the whole reports from a text, and return what is left."""
        while True:
            start = text.find(self.mark)
            if start < 0:
                return text[-len(self.mark) :]
            head, line_end, body = text[start + len(self.mark) :].partition(b"\n")
            if not line_end:
                return text[start:]
            kind, length = head.split()
            if len(body) < int(length):
                return text[start:]
            document = json.loads(body[: int(length)])
            text = body[int(length) :]
            if kind == b"at":
                self.at = document
            else:
                self.document = document
                return b""


def _wait(process: subprocess.Popen[bytes], reader: _Reader, deadline: float) -> int | None:
    """Return when there is a whole report, with the status if the child ended; None if late."""
    while not reader.is_done.wait(0.02):
        if process.poll() is not None:
            # What it forked may keep the pipe open for ever.
            reader.is_done.wait(GRACE)
            return process.returncode
        if time.monotonic() > deadline:
            return None
    if reader.document is not None:
        return 0
    with suppress(subprocess.TimeoutExpired):  # it has closed the pipe, and goes on
        return process.wait(max(0.0, deadline - time.monotonic()))
    return None


def _how_it_ended(at: str, status: int | None, time_limit: float) -> str:
    """Return in one sentence why there is no report."""
    if status is None:
        return (
            f"{at} was not checked within {time_limit:g} s: give it longer with --time-limit, or "
            "keep what the file does when it is imported, as training, behind "
            '`if __name__ == "__main__":`.'
        )
    if status >= 0:
        return (
            f"The process of {at} ended with status {status} and without a report: the code must "
            "not end it, as os._exit does, or close files that are not its own."
        )
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGKILL":
        why = "as happens when memory runs out: use smaller numbers, such as a smaller --shape"
    else:
        why = "so nothing was reported: look for what crashes in it"
    return f"The process of {at} was ended by {name}, {why}."
