"""What several test files need."""

from __future__ import annotations

from mnist_cli.parallel import leave_cores_to_us

leave_cores_to_us()  # as the program does, before NumPy is loaded

import contextlib
import gzip
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import settings
from numpy.typing import NDArray
from web import Web, web_server

from mnist_cli.cli.main import main
from mnist_cli.data import http, synthetic
from mnist_cli.data.dataset import Split
from mnist_cli.data.idx import write_idx
from mnist_cli.data.loading import load_split
from mnist_cli.data.mnist import STEMS
from mnist_cli.data.sources import SOURCES
from mnist_cli.data.synthetic import draw
from mnist_cli.gradcheck.reference import Derivative

Cli = Callable[..., Result]

NAMES = [f"{stem}.gz" for stems in STEMS.values() for stem in stems]

settings.register_profile("any machine", deadline=None)  # it may be busy
settings.load_profile("any machine")

# A shell starts what it puts in the background with Ctrl-C ignored, and nohup with SIGHUP; our
# programs would ignore them, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def gradient(f: Callable[[Any], Any], x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the derivative of ``f`` to every element of ``x``."""
    return Derivative(f, x, np.random.default_rng(0)).gradient()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def mnist_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with links to the real MNIST files, or skip."""
    named = os.environ.get("MNIST_CLI_TEST_DATA")
    if not named:
        pytest.skip("needs the real MNIST files: set MNIST_CLI_TEST_DATA to their folder")
    folder = tmp_path_factory.mktemp("mnist")
    for file in Path(named).resolve().glob("*-ubyte*"):
        (folder / file.name).symlink_to(file)
    return folder


@pytest.fixture(scope="session")
def small_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a data set in MNIST's format: 1,000 drawn digits, and 200 to test on."""
    folder = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(0)
    for split, size in (("train", 1000), ("test", 200)):
        labels = (np.arange(size) % 10).astype(np.uint8)
        images, names = STEMS[split]
        write_idx(folder / f"{images}.gz", draw(labels, rng))
        write_idx(folder / f"{names}.gz", labels)
    return folder


def patch_mnist(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Change what is known of MNIST's files."""
    source = SOURCES["mnist"]
    assert source.published
    changed = replace(source, published=replace(source.published, **changes))
    monkeypatch.setitem(SOURCES, "mnist", changed)


@pytest.fixture(scope="session")
def parts(small_dir: Path) -> dict[str, Split]:
    """Return both parts of the small data set."""
    return {split: load_split("mnist", split, small_dir) for split in STEMS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder for data."""
    folder = tmp_path / "d"
    folder.mkdir()
    return folder


@pytest.fixture
def files(small_dir: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return the contents of small files, which are what counts as MNIST in this test."""
    files = {name: (small_dir / name).read_bytes() for name in NAMES}
    unpacked = {name.removesuffix(".gz"): gzip.decompress(files[name]) for name in NAMES}
    sums = {
        name: (len(content), hashlib.sha256(content).hexdigest())
        for name, content in (files | unpacked).items()
    }
    patch_mnist(monkeypatch, sums=sums)
    return files


@pytest.fixture
def web(files: dict[str, bytes]) -> Iterator[Web]:
    with web_server(files) as web:
        yield web


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no proxy and no certificates of this machine in the environment; and do not wait."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith(("CA_BUNDLE", "SSL_CERT_FILE")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(http, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a function that runs ``mnist-cli`` with arguments, in an empty folder of its own.

    It draws 700 digits and not 70,000, which take 5 s.
    """
    monkeypatch.setattr(synthetic, "PARTS", {"train": (600, 0), "test": (100, 1)})
    for name in list(os.environ):
        if name.startswith("MNIST_CLI_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    return invoke


def invoke(*arguments: object, **environment: str | None) -> Result:
    return CliRunner().invoke(
        main, [str(argument) for argument in arguments], env=environment, prog_name="mnist-cli"
    )


@pytest.fixture(scope="session")
def trained_dir(small_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of 900 images, 100 held out, and its log: JSON lines and CSV."""
    folder = tmp_path_factory.mktemp("trained")
    how = ("--data-dir", small_dir, "--hidden", 16, "--epochs", 3, "--validation", 100, "-q")
    for log in ("run.jsonl", "run.csv"):
        files = ("--out", folder / "model.npz", "--log", folder / log)
        assert invoke("train", *how, *files, MNIST_CLI_TEST_DATA=None).exit_code == 0
    return folder


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def copy_packed(folder: Path, target: Path) -> Path:
    """Return a copy of a folder, without what has been unpacked in it."""
    return shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*ubyte"))


def on_a_terminal(
    arguments: list[str], folder: Path, interrupt: bytes | None = None, **environment: str
) -> tuple[int, bytes]:
    """Return the status of the program, and what a terminal shows of it, output and errors.

    Ctrl-C is typed when ``interrupt`` has been shown.
    """
    import fcntl
    import pty
    import struct
    import termios

    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "mnist_cli", *arguments],
        cwd=folder,
        env=os.environ | environment,
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(end, termios.TIOCSCTTY, 0),
    ) as process:
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal is gone when the program is
            while piece := os.read(terminal, 4096):
                shown += piece
                if interrupt and interrupt in shown:
                    os.write(terminal, b"\x03")
                    interrupt = None
    os.close(terminal)
    return process.returncode, shown


def on_screen(shown: bytes, columns: int) -> list[str]:
    """Return the lines that stand on a terminal of so many columns when all has been shown."""
    lines, row, column = [""], 0, 0
    for letter in shown.decode():
        if letter == "\r":
            column = 0
        elif letter == "\n":
            row += 1
        else:
            if column == columns:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            lines[row] = lines[row].ljust(column)[:column] + letter + lines[row][column + 1 :]
            column += 1
        lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines]
