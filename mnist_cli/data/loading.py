"""Loading data sets: one part, or both side by side."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mnist_cli.data.dataset import Dataset, Split
from mnist_cli.data.download import download_if_missing
from mnist_cli.data.folder import check_own, default_data_dir
from mnist_cli.data.mnist import STEMS
from mnist_cli.data.sources import find_source
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
        Where the files are; `default_data_dir` if not given. The synthetic data set has none.
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
    folder = Path(data_dir) if data_dir is not None else default_data_dir()
    check_own(folder)
    say_if_alone(progress.remark)
    if source.published:
        download_if_missing(folder, source.published, (split,), progress)
    return source.read(split, folder)


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
    source = find_source(name)
    if source.file_sums is None:
        return {split: _image_sum(data)}
    folder = Path(data_dir) if data_dir is not None else default_data_dir()
    stems = STEMS[split]
    return {file: sum for file, sum in source.file_sums(folder).items() if file.startswith(stems)}


def _image_sum(data: Split) -> str:
    return hashlib.sha256(data.images.data).hexdigest()


def data_files(name: str, data_dir: str | Path | None = None) -> list[Path]:
    """Return where each file of a data set may lie, whether it is there or not.

    Parameters are as in `load_split`.
    """
    files = find_source(name).files
    return files(Path(data_dir) if data_dir is not None else default_data_dir()) if files else []


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
    folder = Path(data_dir) if data_dir is not None else default_data_dir()
    check_own(folder)
    say_if_alone(progress.remark)
    if source.published:
        download_if_missing(folder, source.published, progress=progress)
    parts: dict[str, Split] = {}
    sums: dict[str, str] = {}

    def work(member: int) -> None:
        split = ("train", "test")[member]
        parts[split] = source.read(split, folder)
        if source.file_sums is None:
            sums[split] = _image_sum(parts[split])
        elif split == "test":  # which is the smaller one
            sums.update(source.file_sums(folder))

    side_by_side(work, 2)
    sums = dict(sorted(sums.items()))
    other = "" if source.published is None or source.published.has(sums) else str(folder)
    return Dataset(name, parts["train"], parts["test"], sums, other)


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
    source = find_source(name)
    folder = Path(data_dir) if data_dir is not None else default_data_dir()
    is_other = (
        source.published and source.file_sums and not source.published.has(source.file_sums(folder))
    )
    return str(folder) if is_other else name
