"""Data sets in MNIST's form: a folder with four IDX files, packed by gzip or not.

MNIST itself, and whatever was published in its image, as Fashion-MNIST and KMNIST.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.dataset import Split
from mnist_cli.data.unpacked import read_unpacking_once
from mnist_cli.errors import DataError
from mnist_cli.images.resampling import SIDE
from mnist_cli.nn.mlp import CLASSES

STEMS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
"""The names of each part's two files, without ``.gz``."""


def find_file(data_dir: str | Path, stem: str) -> Path | None:
    """Return the file of that name in ``data_dir``, ``.gz`` or plain, or None.

    The folder ``MNIST/raw`` below it, where torchvision keeps its files, is looked at as well.
    """
    for folder in (Path(data_dir), Path(data_dir, "MNIST", "raw")):
        for name in (f"{stem}.gz", stem):
            if (folder / name).is_file():
                return folder / name
    return None


def all_files(data_dir: str | Path) -> list[Path]:
    """Return where each file of a data set may lie in ``data_dir``, whether it is there or not."""
    return [
        folder / name
        for folder in (Path(data_dir), Path(data_dir, "MNIST", "raw"))
        for stems in STEMS.values()
        for stem in stems
        for name in (f"{stem}.gz", stem)
    ]


def read_part(split: str, data_dir: str | Path) -> Split:
    """Read the images and labels of one part, ``"train"`` or ``"test"``, from their files.

    Raises
    ------
    DataError
        If a file is missing or broken, or images and labels do not fit each other.
    """
    paths = []
    for stem in STEMS[split]:
        path = find_file(data_dir, stem)
        if path is None:
            raise DataError(
                f"{data_dir} has no {stem}.gz, nor the same without .gz: "
                "fetch it with 'mnist-cli download', or name another `data_dir`."
            )
        paths.append(path)
    images = read_unpacking_once(paths[0], partial(_check_images, paths[0]))
    labels = read_unpacking_once(paths[1], partial(_check_labels, paths[1], len(images)))
    return Split(images, labels)


def file_sums(data_dir: str | Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a data set, by its name."""
    sums = {}
    for stem in (stem for stems in STEMS.values() for stem in stems):
        path = find_file(data_dir, stem)
        if path:
            with path.open("rb") as file:
                sums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def _check_images(path: Path, images: NDArray[Any]) -> None:
    """Raise DataError unless a file holds images as they should be."""
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE) or len(images) == 0:
        raise DataError(
            f"{path} holds {images.dtype} of shape {images.shape}, "
            f"but images are uint8 of shape (N, {SIDE}, {SIDE}), at least one: "
            "name another `data_dir`."
        )


def _check_labels(path: Path, count: int, labels: NDArray[Any]) -> None:
    """Raise DataError unless a file holds the labels of so many images."""
    if labels.dtype != np.uint8 or labels.shape != (count,):
        raise DataError(
            f"{path} holds {labels.dtype} of shape {labels.shape}, "
            f"but {count:,} images need uint8 of shape ({count},): "
            "name another `data_dir`."
        )
    if labels.max() >= CLASSES:
        raise DataError(
            f"{path} has the label {labels.max()}, but labels are 0 to 9: name another `data_dir`."
        )
