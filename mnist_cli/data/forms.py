"""The forms in which a data set lies in a folder: IDX files, Keras's archive, Kaggle's tables.

Which of them is there is found by names, and what is in it is read by the form's own file.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from mnist_cli.data.dataset import Split
from mnist_cli.data.idx import idx_sum
from mnist_cli.data.keras import KerasPart
from mnist_cli.data.mnist import IdxPart, find_idx_part, idx_places
from mnist_cli.data.sources import Published, name_of
from mnist_cli.data.table import find_tables


class Part(Protocol):
    """One part of a data set, in some form."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know."""

    def look(self) -> None:
        """Raise DataError if a header shows that it is not what it should be."""

    def read(self) -> Split:
        """Read the images and the labels."""

    def file_sums(self) -> dict[str, str]:
        """Return the SHA-256 of each file, as it lies there, by its name."""


def find_parts(folder: Path, published: Published, splits: Iterable[str]) -> dict[str, Part]:
    """Return these parts of a data set, all in the first form that has them all; or nothing.

    Raises
    ------
    DataError
        If a file that bears the name of one cannot be looked into.
    """
    splits = tuple(splits)
    mend = f"fetch it again with '{download_command(published, folder)}'"
    idx = {split: find_idx_part(split, folder, published, mend) for split in splits}
    if all(idx.values()):
        return {split: part for split, part in idx.items() if part}
    if published.archive and os.path.isfile(folder / published.archive):
        return {split: KerasPart(folder / published.archive, split) for split in splits}
    if published.tables:
        names = {part: tuple(names) for part, names in published.tables.items()}
        tables = find_tables(folder, names, published.is_transposed)
        if set(splits) <= set(tables):
            return {split: tables[split] for split in splits}
    return {}


def places(folder: Path, published: Published) -> Iterator[Path]:
    """Yield where each file of a data set may lie, in any form, whether it is there or not."""
    for stem in published.names:
        yield from idx_places(folder, stem, published)
    if published.archive:
        yield folder / published.archive
    for names in published.tables.values():
        yield from (folder / name for name in names)


def plain_sums(
    part: Part, split: Split, stems: tuple[str, str], published: Published, sums: dict[str, str]
) -> dict[str, str]:
    """Return the SHA-256 of the IDX files of a part that has been read, plain, by their names.

    So the same data are known as the same, whatever form they lie in.
    """
    if isinstance(part, IdxPart):
        return part.plain_sums(sums)
    images = split.images.swapaxes(1, 2) if published.is_transposed else split.images
    return {stems[0]: idx_sum(images), stems[1]: idx_sum(split.labels)}


def download_command(published: Published, folder: Path) -> str:
    """Return the command that fetches a data set into a folder."""
    words = ["mnist-cli", "download"]
    if (name := name_of(published)) != "mnist":
        words += ["--dataset", name]
    return shlex.join([*words, "--data-dir", str(folder)])
