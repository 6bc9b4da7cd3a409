"""Data sets written in the forms that people have them, and what is looked at afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from conftest import closed_port

from mnist_cli.data.dataset import Split
from mnist_cli.data.idx import write_idx
from mnist_cli.data.mnist import STEMS
from mnist_cli.progress import Progress

NOWHERE = ("--mirror", f"http://127.0.0.1:{closed_port()}/")


class Telling(Progress):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, sentence: str) -> None:
        self.remarks.append(sentence)


def same(found: Split, expected: Split) -> None:
    assert found.images.dtype == found.labels.dtype == np.uint8
    assert found.images.flags.c_contiguous
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.labels, expected.labels)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def write_plain(folder: Path, parts: dict[str, Split]) -> None:
    for split, (images, labels) in STEMS.items():
        write_idx(folder / images, parts[split].images)
        write_idx(folder / labels, parts[split].labels)


def arrays_of(parts: dict[str, Split]) -> dict[str, Any]:
    found = {f"x_{split}": part.images for split, part in parts.items()}
    return found | {f"y_{split}": part.labels for split, part in parts.items()}


def write_archive(folder: Path, parts: dict[str, Split]) -> None:
    np.savez_compressed(folder / "mnist.npz", **arrays_of(parts))


def rows_of(part: Split) -> Any:
    return np.c_[part.labels, part.images.reshape(len(part), -1)]


def header(is_labelled: bool = True) -> str:
    return ",".join([*["label"] * is_labelled, *(f"pixel{number}" for number in range(784))])


def table(part: Split, head: str = "", end: str = "\n") -> bytes:
    lines = [head] * bool(head) + [",".join(map(str, row)) for row in rows_of(part).tolist()]
    return end.join([*lines, ""]).encode()


def write_tables(folder: Path, parts: dict[str, Split]) -> None:
    for split, part in parts.items():
        (folder / f"mnist_{split}.csv").write_bytes(table(part))
