"""The sources of data: one entry for each data set that can be trained on.

Nothing here imports numpy until something is read, so that ``--help`` can list the data sets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_cli.errors import SettingsError

if TYPE_CHECKING:
    from mnist_cli.data.dataset import Split


@dataclass(frozen=True)
class Published:
    """A data set's files as they were published, and where they can be had.

    Attributes
    ----------
    title : str
        What a person calls it.
    mirrors : sequence of str
        The URLs of folders that serve the files, tried in this order.
    sums : dict
        The size in bytes and the SHA-256 of each file, packed and unpacked.
    """

    title: str
    mirrors: Sequence[str]
    sums: dict[str, tuple[int, str]]

    def has(self, sums: dict[str, str]) -> bool:
        """Return whether files with these SHA-256, by their names, are the published ones."""
        return all(self.sums.get(name, (0, ""))[1] == digest for name, digest in sums.items())


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    Attributes
    ----------
    read : callable
        Is given a part, ``"train"`` or ``"test"``, and the folder; returns a `Split`.
    help : str
        What it is, in a few words.
    caveat : str
        What must be said where its name is, beginning with a comma.
    file_sums : callable, optional
        Is given the folder; returns the SHA-256 of each file in it that was read, by name.
    published : Published, optional
        What is downloaded if it is not there.
    files : callable, optional
        Is given the folder; returns where each of its files may lie, whether it is there or not.
    """

    read: Callable[[str, Path], Split]
    help: str
    caveat: str = ""
    file_sums: Callable[[Path], dict[str, str]] | None = None
    published: Published | None = None
    files: Callable[[Path], list[Path]] | None = None


def _read_mnist(split: str, data_dir: Path) -> Split:
    from mnist_cli.data.mnist import read_part

    return read_part(split, data_dir)


def _mnist_sums(data_dir: Path) -> dict[str, str]:
    from mnist_cli.data.mnist import file_sums

    return file_sums(data_dir)


def _mnist_files(data_dir: Path) -> list[Path]:
    from mnist_cli.data.mnist import all_files

    return all_files(data_dir)


def _draw_synthetic(split: str, data_dir: Path) -> Split:
    from mnist_cli.data.synthetic import draw_part

    return draw_part(split)


MNIST = Published(
    title="MNIST",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    sums={
        "train-images-idx3-ubyte.gz": (
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        "train-labels-idx1-ubyte.gz": (
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        "t10k-images-idx3-ubyte.gz": (
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        "train-images-idx3-ubyte": (
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        "train-labels-idx1-ubyte": (
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        "t10k-images-idx3-ubyte": (
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        "t10k-labels-idx1-ubyte": (
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    },
)

SOURCES = {
    "mnist": Source(
        _read_mnist,
        help="MNIST, which is downloaded if it is not there",
        file_sums=_mnist_sums,
        published=MNIST,
        files=_mnist_files,
    ),
    "synthetic": Source(
        _draw_synthetic,
        help="digits drawn by the program itself",
        caveat=", drawn by the program, which are not MNIST's",
    ),
}
"""Every data set by its name; ``mnist`` stands for any in MNIST's format that a folder holds."""


def in_folders() -> list[str]:
    """Return the names of the data sets that are read from a folder."""
    return [name for name, source in SOURCES.items() if source.file_sums]


def find_source(name: str) -> Source:
    """Return the source of that name.

    Raises
    ------
    SettingsError
        If there is none.
    """
    if name not in SOURCES:
        raise SettingsError(f"`dataset` is {name!r}, but must be one of {', '.join(SOURCES)}.")
    return SOURCES[name]
