"""Data sets in MNIST's form: a folder with four IDX files, packed by gzip or not.

MNIST itself, and whatever was published in its image, as Fashion-MNIST and KMNIST.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.dataset import Split
from mnist_cli.data.idx import FETCH_AGAIN, Header, idx_sum, read_idx_header
from mnist_cli.data.sources import MNIST, Published, dotted
from mnist_cli.data.sources import STEMS as STEMS
from mnist_cli.data.unpacked import read_unpacking_once
from mnist_cli.errors import DataError
from mnist_cli.images.resampling import SIDE
from mnist_cli.nn.mlp import CLASSES

COLUMNS = 8
"""Numbers that QMNIST has for each image, of which the first is the digit."""


def find_file(data_dir: str | Path, stem: str, published: Published = MNIST) -> Path | None:
    """Return the file of that name in ``data_dir``, ``.gz`` or plain, or None.

    The name may have a dot before ``idx``, as 7-Zip and Kaggle have it, and there may be a folder
    of that name around it. The folders below it where other programs keep their files, as
    torchvision's ``MNIST/raw``, are looked at as well.
    """
    for path in idx_places(Path(data_dir), stem, published):
        if os.path.isfile(path):  # unlike Path's, it takes what may not be read for none
            return path
    return None


def idx_places(data_dir: Path, stem: str, published: Published) -> Iterator[Path]:
    """Yield where a file may lie."""
    for folder in (data_dir, *(data_dir / inner for inner in published.folders)):
        for name in (stem, dotted(stem)):
            yield folder / f"{name}.gz"
            yield folder / name
            yield folder / name / name


@dataclass(frozen=True)
class IdxPart:
    """One part of a data set, in two IDX files.

    Attributes
    ----------
    stems : tuple of str
        What the images and the labels are called, without ``.gz``.
    paths : tuple of Path
    published : Published
        What they are taken for.
    mend : str
        What to do about a broken file.
    """

    stems: tuple[str, str]
    paths: tuple[Path, Path]
    published: Published
    mend: str = FETCH_AGAIN
    remarks: tuple[str, ...] = ()
    _arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def look(self) -> None:
        """Raise DataError if a header shows that a file is not what it should be."""
        images = read_idx_header(self.paths[0], self.mend)
        self._check_images(images)
        self._check_labels(read_idx_header(self.paths[1], self.mend), images.shape[0])

    def read(self) -> Split:
        """Read the images and the labels.

        Raises
        ------
        DataError
            If a file is broken, or images and labels do not fit each other.
        """
        images = read_unpacking_once(self.paths[0], check=self._check_images, mend=self.mend)
        labels = read_unpacking_once(
            self.paths[1],
            self._check_digits,
            check=lambda header: self._check_labels(header, len(images)),
            mend=self.mend,
        )
        self._arrays.update(zip(self.stems, (images, labels), strict=True))
        if self.published.is_transposed:
            images = np.ascontiguousarray(images.swapaxes(1, 2))
        return Split(images, _digits_of(labels))

    def file_sums(self) -> dict[str, str]:
        """Return the SHA-256 of each file, as it lies there, by its name."""
        sums = {}
        for path in self.paths:
            with path.open("rb") as file:
                sums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
        return sums

    def plain_sums(self, sums: dict[str, str]) -> dict[str, str]:
        """Return the SHA-256 of what the files that have been read unpack to, by their names.

        Parameters
        ----------
        sums : dict
            What `file_sums` returned.
        """
        found = {}
        for stem, path in zip(self.stems, self.paths, strict=True):
            packed = self.published.sums.get(f"{stem}.gz", (0, ""))[1]
            plain = self.published.sums.get(stem, (0, ""))[1]
            is_known = plain and sums[path.name] in (packed, plain)
            found[stem] = plain if is_known else idx_sum(self._arrays[stem])
        return found

    def _check_images(self, header: Header) -> None:
        """Raise DataError unless a header is that of images as they should be."""
        count, *sides = header.shape or (0,)
        if header.dtype != np.uint8 or sides != [SIDE, SIDE] or not count:
            raise DataError(
                f"{self.paths[0]} holds {header.described}, but images are uint8 of shape "
                f"(N, {SIDE}, {SIDE}), at least one: name another `data_dir`."
            )

    def _check_labels(self, header: Header, count: int) -> None:
        """Raise DataError unless a header is that of the labels of so many images."""
        is_plain = header.dtype == np.uint8 and header.shape == (count,)
        is_long = header.dtype == np.dtype(">i4") and header.shape == (count, COLUMNS)
        if not is_plain and not is_long:
            raise DataError(
                f"{self.paths[1]} holds {header.described}, but {count:,} images need uint8 of "
                f"shape ({count},): name another `data_dir`."
            )

    def _check_digits(self, labels: NDArray[Any]) -> None:
        """Raise DataError unless labels are digits."""
        check_digits(str(self.paths[1]), labels if labels.ndim == 1 else labels[:, 0])


def _digits_of(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the digits of labels, which may be the first of several numbers."""
    digits = labels if labels.ndim == 1 else labels[:, 0]
    return np.ascontiguousarray(digits, np.uint8)


def check_digits(name: str, digits: NDArray[Any]) -> None:
    """Raise DataError unless labels are digits, from 0 to 9."""
    low, high = int(digits.min()), int(digits.max())
    if low < 0 or high >= CLASSES:
        raise DataError(
            f"{name} has the label {high if high >= CLASSES else low}, but labels are 0 to 9, as "
            "the network has ten outputs: name another `data_dir`."
        )


def find_idx_part(
    split: str, data_dir: Path, published: Published, mend: str = FETCH_AGAIN
) -> IdxPart | None:
    """Return the IDX files of one part, if both of them are there."""
    stems = published.stems[split]
    images, labels = (find_file(data_dir, stem, published) for stem in stems)
    return IdxPart(stems, (images, labels), published, mend) if images and labels else None


def read_part(split: str, data_dir: str | Path, published: Published = MNIST) -> Split:
    """Read the images and labels of one part, ``"train"`` or ``"test"``, from their files.

    Raises
    ------
    DataError
        If a file is missing or broken, or images and labels do not fit each other.
    """
    part = find_idx_part(split, Path(data_dir), published)
    if part is None:
        missing = [s for s in published.stems[split] if not find_file(data_dir, s, published)]
        raise DataError(
            f"{data_dir} has neither {missing[0]}.gz nor {missing[0]}: fetch it with 'mnist-cli "
            "download', or name another `data_dir`."
        )
    return part.read()


def file_sums(data_dir: str | Path, published: Published = MNIST) -> dict[str, str]:
    """Return the SHA-256 of each file of a data set, by its name."""
    sums: dict[str, str] = {}
    for split in published.stems:
        if part := find_idx_part(split, Path(data_dir), published):
            sums |= part.file_sums()
    return sums
