"""``--log``: each epoch of a training, or each run of a sweep, as a line of a file, as it ends."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnist_cli.errors import SettingsError
from mnist_cli.files.locks import lock
from mnist_cli.files.records import first_keys, line_of


class Log:
    """A log that is open, and ours alone.

    Parameters
    ----------
    path : Path
    descriptor : int
    remark : callable
        Is told, once, when nothing more can be written: then the log ends, and the work goes on.
    """

    def __init__(self, path: Path, descriptor: int, remark: Callable[[str], object]):
        self.path = path
        self.descriptor = descriptor
        self.remark = remark
        self.line = line_of(path)
        self.is_first, self.is_whole = True, True

    def begin(self) -> None:
        """Empty the file: until now, what was in it is still there."""
        if stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            os.ftruncate(self.descriptor, 0)

    def write(self, record: dict[str, Any]) -> None:
        """Write a record as a line."""
        if not self.is_whole:
            return
        try:
            text = self.line(record, self.is_first).encode()
            while text:
                text = text[os.write(self.descriptor, text) :]
            self.is_first = False
        except OSError as error:
            self.is_whole = False
            self.remark(
                f"--log {self.path} cannot be written ({error.strerror}): continuing without it."
            )


@contextmanager
def open_log(
    path: Path,
    remark: Callable[[str], object],
    force: bool,
    is_ours: Callable[[list[str]], bool],
) -> Iterator[Log]:
    """Open a log, and keep others from writing it while the block lasts.

    A link is followed. A device is written to, and a pipe when somebody reads it.

    Parameters
    ----------
    path : Path
    remark : callable
        As `Log` takes it.
    force : bool
        Whether what is no log of this kind is replaced.
    is_ours : callable
        Is given the keys of the first record of what is there, and says whether it is such a log.

    Raises
    ------
    SettingsError
        If it cannot be written, another program writes it, or it holds something that is no log,
        which is replaced only with ``force``.
    """
    descriptor, is_new = _opened(path, force, is_ours)
    try:
        yield Log(path, descriptor, remark)
    finally:
        if is_new and os.fstat(descriptor).st_size == 0:
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _opened(path: Path, force: bool, is_ours: Callable[[list[str]], bool]) -> tuple[int, bool]:
    """Return the descriptor of a log, and whether the file has been made just now."""
    while True:
        is_new = not path.exists()
        is_plain = is_new or path.is_file()
        try:
            # A pipe that is open for reading, too, is never closed by those who read it.
            flags = os.O_RDWR | os.O_CREAT if is_plain else os.O_WRONLY
            descriptor = os.open(path, flags, 0o666)
        except OSError as error:
            raise SettingsError(f"--log {path} cannot be written: {error.strerror}.") from error
        try:
            if is_plain:
                lock(descriptor, path, "log")
                if os.fstat(descriptor).st_nlink == 0:  # whoever had it has just removed it
                    os.close(descriptor)
                    continue
                if not force and (keys := first_keys(path)) and not is_ours(keys):
                    raise SettingsError(
                        f"--log {path} is there already, and is not a log: name another file, or "
                        "replace it with --force."
                    )
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, is_new
