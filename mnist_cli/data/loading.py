"""Loading data sets: one part, or both side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from mnist_cli.data.dataset import Dataset, Split
from mnist_cli.data.download import download_if_missing
from mnist_cli.data.folder import check_own, default_data_dir
from mnist_cli.data.forms import Part, find_parts, places, plain_sums
from mnist_cli.data.sources import SOURCES, STEMS, find_source
from mnist_cli.errors import DataError
from mnist_cli.parallel import say_if_alone, side_by_side
from mnist_cli.progress import SILENT, Progress


def load_split(
    name: str, split: str, data_dir: str | Path | None = None, progress: Progress = SILENT
) -> Split:
    """Load one part of a data set, and download it first if it can be and is not there.

    Parameters
    ----------
    name : str
        One of `mnist_cli.data.sources.SOURCES`; ``"mnist"`` stands for any data set in MNIST's
        format that ``data_dir`` holds.
    split : {"train", "test"}
    data_dir : path, optional
        Where the files are; `folder_of` if not given. The synthetic data set has none.
    progress : Progress
        Is told of a download.

    Raises
    ------
    DataError
        If a file is missing or broken, or images and labels do not fit each other.
    DownloadError
        If files are missing, and cannot be had.
    SettingsError
        If there is no data set of that name.
    """
    source = find_source(name)
    say_if_alone(progress.remark)
    if source.draw:
        return source.draw(split)
    part = _find(name, data_dir, (split,), progress)[split]
    read = part.read()
    _remark(name, [part], progress)
    return read


def part_sums(
    name: str, split: str, data: Split, data_dir: str | Path | None = None
) -> dict[str, str]:
    """Return the SHA-256 of what one part of a data set was read from, by name.

    Parameters
    ----------
    name, split, data_dir
        As in `load_split`.
    data : Split
        What that returned.
    """
    published = find_source(name).published
    if published is None:
        return {split: _image_sum(data)}
    part = find_parts(folder_of(name, data_dir), published, (split,)).get(split)
    return part.file_sums() if part else {}


def _image_sum(data: Split) -> str:
    return hashlib.sha256(data.images.data).hexdigest()


def data_files(name: str, data_dir: str | Path | None = None) -> list[Path]:
    """Return where each file of a data set may lie, whether it is there or not.

    Parameters are as in `load_split`.
    """
    published = find_source(name).published
    return list(places(folder_of(name, data_dir), published)) if published else []


def title_of(name: str, data_dir: str | Path | None = None) -> str:
    """Return what to call a data set, as `Dataset.title` does, of the files that are there.

    Parameters
    ----------
    name, data_dir
        As `load_split` takes them.

    Raises
    ------
    SettingsError
        If there is no data set of that name.
    """
    published = find_source(name).published
    if published is None:
        return name
    folder = folder_of(name, data_dir)
    try:
        parts = find_parts(folder, published, STEMS)
        sums = {file: sum for part in parts.values() for file, sum in part.file_sums().items()}
        if published.has(sums):
            return name
        for split, part in parts.items():  # in another form, it is known by what it unpacks to
            sums |= plain_sums(part, part.read(), published.stems[split], published, sums)
    except DataError:
        return str(folder)  # of one part, the other may be broken
    return name if published.has(sums) else str(folder)


def load_data(
    name: str = "mnist", data_dir: str | Path | None = None, progress: Progress = SILENT
) -> Dataset:
    """Load both parts of a data set, on two cores.

    Parameters
    ----------
    name, data_dir, progress
        As `load_split` takes them.

    Raises
    ------
    DataError, DownloadError, SettingsError
        As `load_split` does.
    """
    source = find_source(name)
    published = source.published
    say_if_alone(progress.remark)
    found = {} if source.draw else _find(name, data_dir, STEMS, progress)
    for part in found.values():
        part.look()  # before anything is hashed
    parts: dict[str, Split] = {}
    sums: dict[str, str] = {}

    def work(member: int) -> None:
        split = ("train", "test")[member]
        if source.draw:
            parts[split] = source.draw(split)
            sums[split] = _image_sum(parts[split])
            return
        parts[split] = found[split].read()
        if split == "test":  # which is the smaller one
            for part in found.values():
                sums.update(part.file_sums())

    side_by_side(work, 2)
    other = ""
    if published:
        _remark(name, found.values(), progress)
        for split, part in found.items():
            sums |= plain_sums(part, parts[split], published.stems[split], published, sums)
        if not published.has(sums):
            other = str(folder_of(name, data_dir))
            _tell_other_set(name, other, sums, progress)
    return Dataset(name, parts["train"], parts["test"], dict(sorted(sums.items())), other)


def folder_of(name: str, data_dir: str | Path | None) -> Path:
    """Return where the files of a data set are: in the folder that was named, or in the cache.

    In the cache, each data set but MNIST has a folder of its own, as their files are called alike.
    """
    if data_dir is not None:
        return Path(data_dir)
    return default_data_dir() if name == "mnist" else default_data_dir() / name


def _find(
    name: str, data_dir: str | Path | None, splits: Iterable[str], progress: Progress
) -> dict[str, Part]:
    """Return these parts of a published data set, which is downloaded if it is not there."""
    published = find_source(name).published
    assert published
    folder = folder_of(name, data_dir)
    for own in (folder, folder.parent):
        check_own(own)
    found = find_parts(folder, published, splits)
    if not found:
        download_if_missing(folder, published, splits, progress)
        found = find_parts(folder, published, splits)
    return found


def _remark(name: str, parts: Iterable[Part], progress: Progress) -> None:
    """Say what a person should know of data that have been read."""
    published = find_source(name).published
    if published and published.is_transposed:
        progress.remark(
            f"{published.title} are published lying on their side: they are turned upright."
        )
    for part in parts:
        for sentence in part.remarks:
            progress.remark(sentence)


def _tell_other_set(name: str, folder: str, sums: dict[str, str], progress: Progress) -> None:
    """Say so if the data are another published set than the one that was named."""
    for other, source in SOURCES.items():
        if other != name and source.published and source.published.has(sums):
            said = f"{folder} holds {source.published.title}"
            if name != "mnist":  # which stands for any data set in its format
                raise DataError(f"{said}: read it by `dataset` {other}.")
            progress.remark(f"{said}: with --dataset {other}, it would be known by that name.")
