"""A folder of pictures, made into a data set in MNIST's form: four IDX files."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.dataset import Split
from mnist_cli.data.idx import LARGEST, write_idx
from mnist_cli.data.mnist import STEMS
from mnist_cli.data.pictures import read_picture
from mnist_cli.errors import DataError, PictureError, SettingsError
from mnist_cli.files.folders import made
from mnist_cli.files.locks import lock
from mnist_cli.files.targets import is_same
from mnist_cli.images.resampling import SIDE
from mnist_cli.nn.mlp import CLASSES
from mnist_cli.progress import SILENT, Bar, Progress
from mnist_cli.texts import shown

HEADERS = ("path", "file", "filename", "file_name", "image", "name")
"""What the first column of a CSV of labels may be called."""

LARGEST_LABELS = 16 << 20
"""Bytes of a CSV of labels at most: a quarter of a million pictures."""

Labelled = list[tuple[Path, int]]


@dataclass(frozen=True)
class Packed:
    """What became of a folder of pictures.

    Attributes
    ----------
    train, test : Split
    skipped : dict of str
        What was wrong with each picture that was left out, by its path.
    """

    train: Split
    test: Split
    skipped: dict[str, str]


def pack(
    folder: str | Path,
    out: str | Path,
    *,
    labels: str | Path | None = None,
    test: float = 1 / 7,
    as_is: bool = False,
    skip: bool = False,
    force: bool = False,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Packed:
    """Make the four files of a data set out of pictures, each framed as MNIST's digits were.

    Parameters
    ----------
    folder : path
        It has a subfolder for each digit, 0 to 9; or ``train`` and ``test``, which have those; or
        pictures that a CSV file labels.
    out : path
        The folder to write to; it is made if it is not there.
    labels : path, optional
        A CSV file of paths, seen from `folder`, and digits. ``labels.csv`` in `folder` is taken
        without being named.
    test : float
        Which share of each digit's pictures is kept for testing, chosen at random; where there are
        ``train`` and ``test``, they decide. MNIST's is 1/7.
    as_is : bool
        Whether pictures are 28×28 already, light ink on black, and are taken as they are.
    skip : bool
        Whether pictures that cannot be read are left out. Else nothing is written.
    force : bool
        Whether a data set that lies in `out` is replaced.
    seed : int
        Decides which pictures are kept for testing.
    progress : Progress

    Raises
    ------
    DataError
        If there are no pictures, or too few, or some cannot be read, or the files not written.
    SettingsError
        If there is a data set in `out` already.
    """
    out = Path(out)
    _check_free(out, force)
    parts = _find_parts(Path(folder), Path(labels) if labels else None, test, seed)
    total = sum(map(len, parts.values()))
    _check_room(parts, out, labels)
    skipped: dict[str, str] = {}
    packed = {}
    with progress.bar("packing", total, "picture") as bar:
        for part, labelled in parts.items():
            packed[part] = _read_all(labelled, as_is, skipped, bar)
    if skipped and not skip:
        path, said = next(iter(skipped.items()))
        raise DataError(
            f"{len(skipped):,} of {total:,} pictures cannot be read; {shown(path, 200)} "
            f"{said.rstrip('.')} "
            "(leave them all out with `skip`)."
        )
    for part, split in packed.items():
        if not len(split):
            raise DataError(f"{folder} has no pictures left to {part} on: add some to each digit.")
    try:
        with made(out), _alone_in(out):
            _check_free(out, force)
            _write(out, packed)
    except OSError as error:
        raise DataError(f"{out} cannot be made: {error.strerror}.") from error
    return Packed(packed["train"], packed["test"], skipped)


def _check_free(out: Path, force: bool) -> None:
    """Raise SettingsError if a data set would be written over, or ``out`` is a file."""
    if out.exists() and not out.is_dir():
        raise SettingsError(f"{out} is a file: name a folder to write the data set to.")
    stems = [stem for pair in STEMS.values() for stem in pair]
    there = [out / name for stem in stems for name in (f"{stem}.gz", stem)]
    there = [path for path in there if path.exists() or path.is_symlink()]
    if there and not force:
        raise SettingsError(
            f"{there[0]} is there already: name another folder, or replace it with `force`."
        )


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Keep another `pack` from writing to the same folder while the block lasts."""
    if os.name != "posix":
        yield
        return
    descriptor = os.open(out, os.O_RDONLY)
    try:
        lock(descriptor, out)
        yield
    finally:
        os.close(descriptor)


def _write(out: Path, packed: dict[str, Split]) -> None:
    """Write the four files; if one cannot be, remove those that were not there before."""
    done: list[Path] = []
    try:
        for part, split in packed.items():
            for stem, array in zip(STEMS[part], (split.images, split.labels), strict=True):
                path = out / f"{stem}.gz"
                is_new = not os.path.lexists(path)
                write_idx(path, array)
                done += [path] if is_new else []
    except BaseException:
        for path in done:
            path.unlink(missing_ok=True)
        raise


def _check_room(parts: dict[str, Labelled], out: Path, labels: str | Path | None) -> None:
    """Raise an error if a part has more pictures than are read again, or one would be lost."""
    for part, labelled in parts.items():
        if len(labelled) * SIDE * SIDE > LARGEST:
            raise DataError(
                f"There are {len(labelled):,} pictures to {part} on, more than the "
                f"{LARGEST // SIDE**2:,} that are read from a file: leave some out."
            )
    read = [path for labelled in parts.values() for path, _ in labelled]
    written = [out / f"{stem}.gz" for stems in STEMS.values() for stem in stems]
    there = [path for path in written if path.exists()]
    for path in [*read, *([labels] if labels else [])]:
        if any(is_same(path, other) for other in there):
            raise SettingsError(f"{path} is read, and would be written over: name another folder.")


def _read_all(
    labelled: Sequence[tuple[Path, int]], as_is: bool, skipped: dict[str, str], bar: Bar
) -> Split:
    """Return the pictures as the network takes them; what cannot be read goes to ``skipped``."""
    images: list[NDArray[np.uint8]] = []
    digits: list[int] = []
    for path, digit in labelled:
        try:
            images.append(read_picture(path).prepared(is_as_is=as_is).image)
            digits.append(digit)
        except PictureError as error:
            skipped[str(path)] = error.said
        bar.update(1)
    stacked = np.array(images, np.uint8).reshape(-1, SIDE, SIDE)
    return Split(stacked, np.array(digits, np.uint8))


def _find_parts(folder: Path, labels: Path | None, test: float, seed: int) -> dict[str, Labelled]:
    """Return the pictures to train on and to test on, each with its digit."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: name one that has the pictures.")
    if labels is None and not _has_digits(folder):
        if all(_has_digits(folder / part) for part in STEMS):
            return {part: _of_subfolders(folder / part) for part in STEMS}
        labels = folder / "labels.csv"
        if not labels.exists():
            raise DataError(
                f"{folder} has neither subfolders 0 to 9 nor a labels.csv: sort the pictures into "
                "one subfolder a digit, or name a CSV file with `labels`."
            )
    labelled = _of_csv(folder, labels) if labels else _of_subfolders(folder)
    parts: dict[str, Labelled] = {"train": [], "test": []}
    rng = np.random.default_rng(seed)
    for digit in range(CLASSES):
        own = [pair for pair in labelled if pair[1] == digit]
        kept = set(rng.permutation(len(own))[: round(test * len(own))].tolist())
        for index, pair in enumerate(own):
            parts["test" if index in kept else "train"].append(pair)
    for part, found in parts.items():
        if not found:
            raise DataError(
                f"{folder} has too few pictures to {part} on, {len(labelled)} in all: add some, or "
                "choose another share with `test`."
            )
    return parts


def _has_digits(folder: Path) -> bool:
    """Return whether a folder has a subfolder that is named after a digit."""
    return any((folder / str(digit)).is_dir() for digit in range(CLASSES))


def _of_subfolders(folder: Path) -> Labelled:
    """Return the files in the subfolders 0 to 9; hidden ones and those of a system are none."""
    return [
        (path, digit)
        for digit in range(CLASSES)
        for path in sorted((folder / str(digit)).glob("*"))
        if path.is_file()
        and not path.name.startswith(".")
        and path.name.lower() not in ("thumbs.db", "desktop.ini")
    ]


def _of_csv(folder: Path, labels: Path) -> Labelled:
    """Return the files that a CSV file names, with the digits beside them."""
    labelled: Labelled = []
    digits: dict[Path, int] = {}
    try:
        with labels.open("rb") as file:
            content = file.read(LARGEST_LABELS + 1)  # a device has no size to ask for
        if len(content) > LARGEST_LABELS:
            raise DataError(f"{labels} has more than the {LARGEST_LABELS:,} bytes that are read.")
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        for number, row in enumerate(csv.reader(text), 1):
            if not row or (number == 1 and row[0].strip().lower() in HEADERS):
                continue
            if len(row) < 2 or row[1].strip() not in map(str, range(CLASSES)):
                raise DataError(
                    f"{labels} has no path and digit in line {number}: write them as "
                    "'picture.png,7'."
                )
            path, digit = folder / row[0].strip(), int(row[1])
            if digits.setdefault(path, digit) != digit:
                raise DataError(
                    f"{labels} calls {shown(row[0].strip())} {digit} in line {number}, and "
                    f"{digits[path]} before: correct it."
                )
            labelled.append((path, digit))
    except OSError as error:
        raise DataError(f"{labels} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{labels} is not a CSV file: save it as CSV, in UTF-8.") from error
    return labelled
