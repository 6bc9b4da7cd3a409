"""A real Dask scheduler and real workers, on the loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAM = [sys.executable, "-m", "mnist_cli"]
DASK = [sys.executable, "-m", "dask"]


@contextmanager
def started(
    command: list[str], log: Path, ready: str, folder: Path, **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a program in a process group of its own; yield it, and what it said it was ready by."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        for _ in range(1200):
            if found := re.search(ready, log.read_text()):
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        else:
            raise AssertionError(log.read_text())
        yield process, found[1]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Loopback:
    """A scheduler, and what starts workers for it."""

    def __init__(self, stack: ExitStack, folder: Path, data_dir: Path, **environment: str):
        self.stack, self.folder, self.data_dir = stack, folder, data_dir
        command = [*DASK, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        log, ready = folder / "scheduler.log", r"Scheduler at: +(tcp://\S+)"
        _, self.address = stack.enter_context(started(command, log, ready, folder, **environment))

    def worker(self, name: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker of one thread, which has the data."""
        command = [*DASK, "worker", self.address, "--nthreads", "1", "--no-nanny"]
        command += ["--name", name, "--no-dashboard", *options]
        environment = {"MNIST_CLI_DATA_DIR": str(self.data_dir)} | environment
        log, ready = self.folder / f"{name}.log", r"Registered to: +(tcp://\S+)"
        return self.stack.enter_context(started(command, log, ready, self.folder, **environment))[0]

    def command(self, *options: object) -> list[str]:
        """Return a command that sweeps with it."""
        words = ["sweep", "--scheduler", self.address, "--out", self.folder / "runs", *options]
        return [*PROGRAM, *map(str, words)]

    def sweep(self, *options: object) -> subprocess.CompletedProcess[str]:
        """Sweep with it, and with the data of the client."""
        return subprocess.run(
            self.command(*options),
            cwd=self.folder,
            env={**os.environ, "MNIST_CLI_DATA_DIR": str(self.data_dir)},
            capture_output=True,
            text=True,
            timeout=300,
        )
