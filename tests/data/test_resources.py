"""What is far too large is refused by its size, type and shape: in little memory, and at once."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from conftest import copy_packed

from mnist_cli.data.mnist import STEMS
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP

pytestmark = pytest.mark.long

IMAGES, LABELS = STEMS["train"]

MEASURED = """
import resource, sys, time
from mnist_cli.cli.main import main
import mnist_cli.data.loading, mnist_cli.data.keras, mnist_cli.model, mnist_cli.training.run
import mnist_cli.evaluation, mnist_cli.data.packing
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.process_time(), time.perf_counter()
try:
    main(sys.argv[1:])
except SystemExit as error:
    status = error.code
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
theirs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # as of code that is checked
after = max(after, theirs)
print(status, after - before, time.process_time() - began[0], file=sys.stderr)
"""

MOST_KB = 100_000
MOST_SECONDS = 1.0


def refused(folder: Path, *arguments: str) -> str:
    """Return how a command refuses, after a look at what it took: kB, and seconds of work."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
    *said, measured = done.stderr.splitlines()
    status, memory, seconds = measured.split()
    assert status == "2", done.stderr
    assert int(memory) < MOST_KB, (memory, said)
    assert float(seconds) < MOST_SECONDS, (seconds, said)
    return said[-1]


def sparse(path: Path, size: int, start: bytes = b"", end: bytes = b"") -> None:
    """Write a file that takes no room: a start, a hole and an end."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
        file.seek(size - len(end))
        file.write(end)


def idx(kind: int, *sizes: int) -> bytes:
    return bytes([0, 0, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


def directory_end(count: int, size: int, at: int) -> bytes:
    """Return the last record of a zip archive, which says where its directory is."""
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, at, 0)


def npz_of_holes(path: Path) -> None:
    """Write an archive whose directory is said to have 4 GB."""
    size = 6 << 30
    sparse(path, size, b"PK\3\4", directory_end(9, 0xFFFF0000, 100))


def npz_of_entries(path: Path) -> None:
    """Write an archive of 400,000 entries that hold nothing, as fast as can be."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + b"%c" % (97 + number % 26) for number in range(400_000))
    end = directory_end(400_000 % 65536, len(directory), 0)
    path.write_bytes(directory + end)


def npz_that_is_large(path: Path) -> None:
    """Write a sound archive of one array of zeros, 700 MB of a hole."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", b"\x93NUMPY")
    os.truncate(path, 700 << 20)


ARCHIVES: dict[str, Callable[[Path], None]] = {
    "holes": npz_of_holes,
    "entries": npz_of_entries,
    "large": npz_that_is_large,
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_is_judged_by_its_size_and_its_directory(case: str, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    ARCHIVES[case](path)
    for command in (
        ("evaluate", "mnist.npz", "--data-dir", "."),
        ("show", "mnist.npz", "--json"),
        ("predict", "--model", "mnist.npz", "mnist.npz"),
        ("train", "--from", "mnist.npz", "--dataset", "synthetic"),
        ("train", "--resume", "mnist.npz", "--dataset", "synthetic"),
        ("train", "--data-dir", "."),
    ):
        assert "mnist.npz" in refused(tmp_path, *command)


@pytest.fixture
def folder(small_dir: Path, tmp_path: Path) -> Path:
    return copy_packed(small_dir, tmp_path / "d")


@cache
def packed_doubles(layers: int) -> bytes:
    """Return 500 MB of float64 in one layer of gzip or more."""
    content = idx(0x0E, 80_000, 28, 28) + bytes(8 * 784 * 80_000)
    for _ in range(layers):
        content = gzip.compress(content, 1)
    return content


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("stem", STEMS["train"])
def test_packed_numbers_of_another_type_are_refused_by_it(
    stem: str, layers: int, folder: Path, tmp_path: Path
) -> None:
    (folder / f"{stem}.gz").write_bytes(packed_doubles(layers))
    assert "float64" in refused(tmp_path, "train", "--data-dir", "d")


HOLES = {
    "a sparse file": (idx(8, 25_000_000, 28, 28), 16 + 784 * 25_000_000),
    "one that goes on": (idx(8, 1000, 28, 28), 19_600_000_016),
    "one of another type": (idx(0x0E, 100_000, 28, 28), 16 + 8 * 784 * 100_000),
    "one of another shape": (idx(8, 600_000_000), 8 + 600_000_000),
    "nothing but zeros": (b"", 19_600_000_016),
}


@pytest.mark.parametrize("case", HOLES)
@pytest.mark.parametrize("stem", STEMS["train"])
def test_a_sparse_file_is_refused_before_it_is_hashed(
    case: str, stem: str, folder: Path, tmp_path: Path
) -> None:
    (folder / f"{stem}.gz").unlink()
    start, size = HOLES[case]
    sparse(folder / stem, size, start)
    assert stem in refused(tmp_path, "train", "--data-dir", "d")
    if stem == IMAGES:
        assert stem in refused(tmp_path, "download", "--data-dir", "e", "--from", "d")


def test_packed_data_with_a_hole_after_them_are_refused(folder: Path, tmp_path: Path) -> None:
    os.truncate(folder / f"{IMAGES}.gz", 6 << 30)
    assert IMAGES in refused(tmp_path, "train", "--data-dir", "d")
    assert IMAGES in refused(tmp_path, "download", "--data-dir", "e", "--from", "d")


def name_without_end(size: int) -> bytes:
    """Return the header of a gzip file that has a name of so many letters."""
    return b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * size


HARD: dict[str, Callable[[], bytes]] = {
    "a name without an end": lambda: name_without_end(30_000_000),
    "a packed name without an end": lambda: gzip.compress(name_without_end(300_000_000), 1),
    "a million empty parts": lambda: gzip.compress(b"") * 1_000_000,
    "a million packed empty parts": lambda: gzip.compress(gzip.compress(b"") * 1_000_000),
    "zeros after its end": lambda: gzip.compress(idx(8, 1) + b"\1") + bytes(30_000_000),
    "packed zeros after its end": lambda: gzip.compress(
        gzip.compress(idx(8, 1) + b"\1") + bytes(300_000_000), 1
    ),
}


@pytest.mark.parametrize("case", HARD)
def test_gzip_that_is_made_to_take_long_is_refused(case: str, folder: Path, tmp_path: Path) -> None:
    (folder / f"{LABELS}.gz").write_bytes(HARD[case]())
    assert LABELS in refused(tmp_path, "train", "--data-dir", "d")


def test_pictures_are_judged_by_their_size(tmp_path: Path) -> None:
    Model(MLP(2)).save(tmp_path / "model.npz", "arrays")
    sparse(tmp_path / "hole.npy", 6 << 30, b"\x93NUMPY")
    (tmp_path / "doubles.gz").write_bytes(packed_doubles(1))
    (tmp_path / "twice.gz").write_bytes(packed_doubles(2))
    sparse(tmp_path / "images", 16 + 784 * 300_000, idx(8, 300_000, 28, 28))
    for name in ("hole.npy", "doubles.gz", "twice.gz", "images"):
        assert name in refused(tmp_path, "predict", name)


def test_tables_are_judged_by_their_size_and_their_first_line(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    for size, start in (
        (6 << 30, b""),
        (900 << 20, b""),
        (900 << 20, b"label" + b",0" * 784 + b"\n"),
    ):
        sparse(folder / "train.csv", size, start)
        assert "train.csv" in refused(tmp_path, "train", "--data-dir", "d")


def test_labels_of_pictures_are_judged_by_their_size(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    sparse(folder / "labels.csv", 6 << 30)
    assert "labels.csv" in refused(tmp_path, "pack", "pictures", "out")
    assert "/dev/zero" in refused(tmp_path, "pack", "pictures", "out", "--labels", "/dev/zero")


@pytest.mark.parametrize("name", ["code.py", "code.ipynb"])
def test_code_is_judged_by_its_size(name: str, tmp_path: Path) -> None:
    sparse(tmp_path / name, 6 << 30)
    assert f"{name} has more than" in refused(tmp_path, "gradcheck", name)
    assert f"{name} has more than" in refused(tmp_path, "gradcheck", f"{name}:Softmax")
