"""The data sets that can be trained on, and where their files are.

MNIST is four IDX files in a folder; any other data set in that form is used by naming its folder.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.resampling import SIDE
from mnist_cli.data.synthetic import draw
from mnist_cli.data.unpacked import read_unpacking_once
from mnist_cli.errors import DataError
from mnist_cli.nn.mlp import CLASSES
from mnist_cli.parallel import Meet, side_by_side

STEMS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
"""The names of each part's two files, without ``.gz``."""

SYNTHETIC_SEED = 0
SYNTHETIC = {"train": (60_000, 0), "test": (10_000, 1)}
"""The size of each part, and the stream of random numbers it is drawn from."""


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    Attributes
    ----------
    images : array of uint8, shape (N, 28, 28)
        Grey levels from 0 (paper) to 255 (ink).
    labels : array of uint8, shape (N,)
        The digits, 0 to 9.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice) -> Split:
        return Split(self.images[rows], self.labels[rows])


def default_data_dir() -> Path:
    """Return ``$MNIST_CLI_DATA_DIR``, or else a folder in the user's cache.

    The cache is ``$XDG_CACHE_HOME`` where that is set, else ``~/.cache`` on Linux,
    ``~/Library/Caches`` on macOS and ``%LOCALAPPDATA%`` on Windows.
    """
    if named := os.environ.get("MNIST_CLI_DATA_DIR"):
        return Path(named)
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        cache = Path(xdg)
    else:
        try:
            cache = _home_cache(Path.home())
        except RuntimeError:  # a user without a home, as in some containers
            cache = Path(tempfile.gettempdir())
    return cache / "mnist-cli"


def _home_cache(home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    return home / ".cache"


def find_file(data_dir: Path, stem: str) -> Path | None:
    """Return the file of that name in ``data_dir``, ``.gz`` or plain, or None.

    The folder ``MNIST/raw`` below it, where torchvision keeps its files, is looked at as well.
    """
    for folder in (data_dir, data_dir / "MNIST" / "raw"):
        for name in (f"{stem}.gz", stem):
            if (folder / name).is_file():
                return folder / name
    return None


def load_split(dataset: str, split: str, data_dir: Path) -> Split:
    """Load one part of a data set.

    Parameters
    ----------
    dataset : {"mnist", "synthetic"}
        ``"mnist"`` stands for any data set in MNIST's format that ``data_dir`` holds.
    split : {"train", "test"}
    data_dir : Path
        Where the files are; the synthetic data set has none.

    Raises
    ------
    DataError
        If a file is missing or broken, or images and labels do not fit each other.
    """
    return _draw(split) if dataset == "synthetic" else _read(split, data_dir)


def _read(split: str, data_dir: Path) -> Split:
    """Read the images and labels of one part from their files."""
    paths = []
    for stem in STEMS[split]:
        path = find_file(data_dir, stem)
        if path is None:
            raise DataError(
                f"{data_dir} has no {stem}.gz, nor the same without .gz: "
                "fetch it with 'mnist-cli download', or name another --data-dir."
            )
        paths.append(path)
    images = read_unpacking_once(paths[0], partial(_check_images, paths[0]))
    labels = read_unpacking_once(paths[1], partial(_check_labels, paths[1], len(images)))
    return Split(images, labels)


def _check_images(path: Path, images: NDArray[Any]) -> None:
    """Raise DataError unless a file holds images as they should be."""
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE) or len(images) == 0:
        raise DataError(
            f"{path} holds {images.dtype} of shape {images.shape}, "
            f"but images are uint8 of shape (N, {SIDE}, {SIDE}), at least one: "
            "name another --data-dir."
        )


def _check_labels(path: Path, count: int, labels: NDArray[Any]) -> None:
    """Raise DataError unless a file holds the labels of so many images."""
    if labels.dtype != np.uint8 or labels.shape != (count,):
        raise DataError(
            f"{path} holds {labels.dtype} of shape {labels.shape}, "
            f"but {count:,} images need uint8 of shape ({count},): "
            "name another --data-dir."
        )
    if labels.max() >= CLASSES:
        raise DataError(
            f"{path} has the label {labels.max()}, but labels are 0 to 9: name another --data-dir."
        )


def _draw(split: str) -> Split:
    """Draw one part of the synthetic data set, the same on every call.

    Each part has a generator of its own, and every digit is equally frequent in both.
    """
    size, stream = SYNTHETIC[split]
    rng = np.random.default_rng([SYNTHETIC_SEED, stream])
    labels = rng.permutation(np.arange(size) % CLASSES).astype(np.uint8)
    return Split(draw(labels, rng), labels)


@dataclass(frozen=True)
class Dataset:
    """Both parts of a data set.

    Attributes
    ----------
    train, test : Split
    sums : dict of str
        The SHA-256 of what it was read from, by name: of the files as they lie there. The
        synthetic data set has no files, and the sums are those of the images of its parts.
    """

    train: Split
    test: Split
    sums: dict[str, str]


def load(dataset: str, data_dir: Path) -> Dataset:
    """Load both parts of a data set, on two cores, as `load_split` does.

    Raises
    ------
    DataError
        If a file is missing or broken, or images and labels do not fit each other.
    """
    parts: dict[str, Split] = {}
    sums: dict[str, str] = {}

    def work(member: int, meet: Meet) -> None:
        split = ("train", "test")[member]
        parts[split] = load_split(dataset, split, data_dir)
        if dataset == "synthetic":
            sums[split] = hashlib.sha256(parts[split].images.data).hexdigest()
        elif split == "test":  # which is the smaller one
            sums.update(_file_sums(data_dir))

    side_by_side(work, 2)
    return Dataset(parts["train"], parts["test"], dict(sorted(sums.items())))


def _file_sums(data_dir: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a data set."""
    sums = {}
    for stem in (stem for stems in STEMS.values() for stem in stems):
        path = find_file(data_dir, stem)
        if path:
            with path.open("rb") as file:
                sums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def to_inputs(
    images: NDArray[Any], dtype: np.dtype[np.floating], out: NDArray[Any] | None = None
) -> NDArray[np.floating]:
    """Return greys from 0 to 255 as the network's input: rows of numbers from 0 to 1.

    Parameters
    ----------
    images : array, shape (N, 28, 28), or (N, pixels) for some of their pixels
    dtype : dtype
    out : array, shape (N, pixels), optional
        Where to put the rows.
    """
    rows = images.reshape(len(images), math.prod(images.shape[1:]))
    inputs: NDArray[np.floating] = np.multiply(rows, 1 / 255, out=out, dtype=dtype)
    return inputs
