"""The process in which somebody's code is run and judged; see `isolation` for the other side."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from mnist_cli.errors import MnistCliError
from mnist_cli.gradcheck.adapters.making import NEEDS
from mnist_cli.gradcheck.discovery import Candidate
from mnist_cli.gradcheck.outcome import LeftOut, Outcome
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.result import Group
from mnist_cli.gradcheck.target import find
from mnist_cli.gradcheck.user_code import OWN_FOLDER, UserCodeError, their_frames, told

Check = Callable[[Code, Request], Group]

MOST_LINES = 30
"""Lines of a traceback that are shown; the middle of a longer one, as of a recursion, is not."""


def main() -> None:
    """Read an order from stdin, carry it out, report it, and end this process."""
    order = json.loads(_line(0))
    # All of ours is loaded before anything of theirs, which may have modules of the same names.
    from mnist_cli.gradcheck.checking import check_code

    report = Reporter(order["nonce"])
    _settle()

    document: dict[str, Any]
    try:
        request = Request.from_dict(order["request"])
        document = judge(order["target"], request, check_code, report.at).as_dict()
    except BaseException as error:  # SystemExit and KeyboardInterrupt of theirs, too
        document = {"error": sentence(order["target"], error)}
    report.end(document)


class Reporter:
    """Writes to the parent, as this process alone and none that it was forked into.

    Parameters
    ----------
    nonce : str
        What the parent knows a report by.
    """

    def __init__(self, nonce: str):
        # The user's code may replace any of these in its modules.
        self._write, self._exit, self._getpid = os.write, os._exit, os.getpid
        self._dumps, self._fstat = json.dumps, os.fstat
        self._nonce = nonce
        self._process = os.getpid()
        self._pipe = os.dup(1)
        self._identity = self._which()

    def at(self, target: str) -> None:
        """Tell what is checked now, so that the parent can say at what the process ended."""
        if self._getpid() == self._process:
            self._send("at", target)

    def end(self, document: dict[str, Any]) -> None:
        """Report, and end the process before any of its exit handlers runs."""
        try:
            if self._getpid() == self._process:
                with suppress(BaseException):
                    sys.stdout.flush()
                with suppress(BaseException):
                    sys.stderr.flush()
                self._send("all", document)
        except Exception as error:  # what cannot be written down; a pipe that nobody reads
            with suppress(BaseException):
                self._send("all", {"error": f"The report cannot be made: {error}"})
        finally:
            self._exit(0)

    def _send(self, kind: str, document: Any) -> None:
        body = self._dumps(document, default=_number).encode()
        text = f"\n{self._nonce} {kind} {len(body)}\n".encode() + body
        # Code that closes all files may have opened one of its own under the same number.
        while text and self._which() == self._identity:
            text = text[self._write(self._pipe, text) :]

    def _which(self) -> tuple[int, int]:
        status = self._fstat(self._pipe)
        return status.st_dev, status.st_ino


def judge(
    target: str, request: Request, check: Check, at: Callable[[str], None] = lambda target: None
) -> Outcome:
    """Check what a target names.

    Parameters
    ----------
    target : str
    request : Request
    check : callable
        Checks one thing.
    at : callable
        Is told what is checked next.

    Raises
    ------
    UserCodeError
        If nothing could be checked.
    """
    at(target)
    found = find(target, tuple(filter(None, (request.forward, request.backward))))
    np.seterr(all="ignore")  # whatever the file has set
    if not found.is_whole:
        (candidate,) = found.candidates
        return Outcome([check(candidate.code, request)], found.remarks)
    groups: list[Group] = []
    checked: set[str] = set()
    left_out = list(found.left_out)
    for candidate in found.candidates:
        if candidate.instead_of in checked:
            continue  # its class was
        at(candidate.code.target)
        try:
            group = check(candidate.code, request)
        except Exception as error:
            left_out.append(_why_not(candidate, error))
            continue
        groups.append(group)
        checked.add(candidate.code.target)
        # An object that the file makes was checked in the place of its class; and what a network's
        # loss was taken from, with it.
        place = candidate.code.target.rpartition(":")[0]
        with_it = {candidate.instead_of, *(f"{place}:{name}" for name in group.uses)}
        left_out = [item for item in left_out if item.target not in with_it]
    if not groups:
        reasons = "".join(f"\n  {item.target}: {item.reason}" for item in left_out)
        raise UserCodeError(f"{target} has nothing to check.{reasons}")
    return Outcome(groups, found.remarks, left_out)


def _why_not(candidate: Candidate, error: Exception) -> LeftOut:
    """Return why something in a file could not be checked.

    It is broken where its own code raised something: then 0 would be said of what was not looked
    at. What lacks a method, or arguments to be made with, is only left out.
    """
    target = candidate.code.target
    is_broken = not isinstance(error, UserCodeError) or (
        error.where is not None and candidate.code.backward is None and not candidate.needs
    )
    reason = sentence(target, error).split("\n")[0].removeprefix(f"{target} ").rstrip(":")
    if candidate.needs and not is_broken:
        needs = f"needs arguments ({', '.join(candidate.needs)})"
        _, is_told, advice = reason.partition(f"{NEEDS}{', '.join(candidate.needs)}. ")
        reason = f"{needs}: {advice[:1].lower()}{advice[1:]}" if is_told else f"{needs}. {reason}"
    return LeftOut(target, reason, is_broken)


def sentence(target: str, error: BaseException) -> str:
    """Return what an exception comes to, in its own words; with the user's lines, none of ours."""
    if isinstance(error, MnistCliError):
        text = str(error)
    elif their_frames(error):
        text = str(told(error))
    else:
        what = "".join(traceback.format_exception_only(error)).strip()
        frames = traceback.extract_tb(error.__traceback__)
        last = next(
            (frame for frame in reversed(frames) if frame.filename.startswith(OWN_FOLDER)),
            frames[-1],
        )
        where = f"{os.path.basename(last.filename)}, line {last.lineno}"
        text = f"{target} cannot be checked, as this was raised: {what} (in {where})"
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        half = MOST_LINES // 2
        lines = [*lines[:half], f"  ({len(lines) - 2 * half} more lines)", *lines[-half:]]
    return "\n".join(lines)


def _line(descriptor: int) -> bytes:
    """Read the first line from a file that is kept open: its end is the parent's end."""
    text = b""
    while not text.endswith(b"\n"):
        more = os.read(descriptor, 2**16)
        if not more:
            os._exit(0)  # the parent has ended
        text += more
    return text


def _settle() -> None:
    """Make this process what somebody's code expects, and let it touch none of the pipes."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGCHLD"):
        if hasattr(signal, name):  # the shell may have had it ignored
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    _end_with_parent()
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    sys.argv = [""]  # a script at the top of which options are read finds none
    sys.dont_write_bytecode = True  # a file that is changed within the second is read anew
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory runs out, this process goes, and nothing else


def _end_with_parent() -> None:
    """Have this process killed when the parent is, which nobody can tell the parent about."""
    with suppress(ImportError, AttributeError, OSError):  # Linux alone
        import fcntl

        lifeline = os.dup(0)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _number(value: Any) -> Any:
    """Return a number of NumPy's as one of Python's."""
    return value.item() if isinstance(value, np.generic) else str(value)
