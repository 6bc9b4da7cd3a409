"""Loading data sets: one part, or both side by side."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mnist_cli.data.dataset import Dataset, Split
from mnist_cli.data.download import download_if_missing
from mnist_cli.data.folder import default_data_dir
from mnist_cli.data.sources import find_source
from mnist_cli.parallel import side_by_side
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
    if source.published:
        download_if_missing(folder, source.published, (split,), progress)
    return source.read(split, folder)


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
    if source.published:
        download_if_missing(folder, source.published, progress=progress)
    parts: dict[str, Split] = {}
    sums: dict[str, str] = {}

    def work(member: int) -> None:
        split = ("train", "test")[member]
        parts[split] = source.read(split, folder)
        if source.file_sums is None:
            sums[split] = hashlib.sha256(parts[split].images.data).hexdigest()
        elif split == "test":  # which is the smaller one
            sums.update(source.file_sums(folder))

    side_by_side(work, 2)
    sums = dict(sorted(sums.items()))
    other = "" if source.published is None or source.published.has(sums) else str(folder)
    return Dataset(name, parts["train"], parts["test"], sums, other)
