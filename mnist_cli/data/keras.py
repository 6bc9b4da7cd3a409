"""MNIST as Keras keeps it: one ``mnist.npz`` with x_train, y_train, x_test and y_test."""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mnist_cli.data.dataset import Split
from mnist_cli.data.idx import LARGEST, told
from mnist_cli.data.mnist import check_digits
from mnist_cli.data.network import printable
from mnist_cli.errors import DataError
from mnist_cli.files.archive import open_archive
from mnist_cli.images.resampling import SIDE


@dataclass(frozen=True)
class KerasPart:
    """One part of ``mnist.npz``.

    Attributes
    ----------
    path : Path
    split : {"train", "test"}
    """

    path: Path
    split: str
    remarks: tuple[str, ...] = ()

    def look(self) -> None:
        """Raise DataError if a header shows that an array is not what it should be."""
        with _archive(self.path) as archive:
            self._check(archive)

    def read(self) -> Split:
        """Read the images and the labels.

        Raises
        ------
        DataError
            If the file is broken, or has other arrays.
        """
        with _archive(self.path) as archive:
            self._check(archive)
            images = _read(archive, f"x_{self.split}.npy")
            labels = _read(archive, f"y_{self.split}.npy")
        check_digits(f"y_{self.split} of {self.path}", labels)
        return Split(np.ascontiguousarray(images), labels.astype(np.uint8))

    def file_sums(self) -> dict[str, str]:
        """Return the SHA-256 of the file, by its name."""
        with self.path.open("rb") as file:
            return {self.path.name: file_digest(file, "sha256").hexdigest()}

    def _check(self, archive: zipfile.ZipFile) -> None:
        """Raise DataError unless the headers are those of images and of their labels."""
        names = archive.namelist()
        found = []
        for name in (f"x_{self.split}", f"y_{self.split}"):
            if names.count(f"{name}.npy") != 1:
                there = printable(", ".join(names[:4]), 80) or "none"
                raise DataError(
                    f"{self.path} should have one {name}, as Keras has it, but has {there}: name "
                    "another `data_dir`."
                )
            info = archive.getinfo(f"{name}.npy")
            with archive.open(info) as file:
                shape, dtype = _header(file)[:2]
                length = math.prod(shape) * dtype.itemsize
                if dtype.hasobject or length != info.file_size - file.tell():
                    raise ValueError("another number of bytes than its shape says")
            if length > LARGEST:
                raise DataError(
                    f"{self.path} holds {length:,} bytes of {name}, more than the {LARGEST:,} that "
                    "can be read."
                )
            found.append((shape, dtype))
        (images, kind), (labels, label_kind) = found
        if kind != np.uint8 or images[1:] != (SIDE, SIDE) or not images[0]:
            raise DataError(
                f"{self.path} holds {kind} of shape {told(images)}, but images are uint8 of shape "
                f"(N, {SIDE}, {SIDE}), at least one: name another `data_dir`."
            )
        if label_kind.kind not in "ui" or labels != images[:1]:
            raise DataError(
                f"{self.path} holds {label_kind} of shape {told(labels)}, but {images[0]:,} images "
                f"need whole numbers of shape ({images[0]},): name another `data_dir`."
            )


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive, and make one sentence of what is raised while it is read."""
    try:
        with warnings.catch_warnings(action="ignore"), open_archive(path, LARGEST) as archive:
            yield archive
    except (DataError, MemoryError):
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except Exception as error:
        # Of a damaged file, zipfile and NumPy raise whatever they come upon.
        raise DataError(
            f"{path} is not a file of Keras's, or is a broken one: fetch it again."
        ) from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Read what stands before the numbers: shape, dtype, and whether the first index is fastest."""
    version = npy.read_magic(file)
    if version != (1, 0):
        raise ValueError("a header that is too long")
    shape, is_fortran, dtype = npy.read_array_header_1_0(file)
    if min(shape, default=1) < 0:
        raise ValueError("a negative size")
    return shape, dtype, is_fortran


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read one array, of which the header has been checked."""
    with archive.open(name) as file:
        shape, dtype, is_fortran = _header(file)
        content = file.read(math.prod(shape) * dtype.itemsize + 1)
    numbers: NDArray[Any] = np.frombuffer(content, dtype)
    return numbers.reshape(shape[::-1]).T if is_fortran else numbers.reshape(shape)
