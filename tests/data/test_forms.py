"""MNIST in other forms: Keras's archive, and Kaggle's tables."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli
from writing import (
    Telling,
    arrays_of,
    contents,
    header,
    rows_of,
    same,
    table,
    write_archive,
)

from mnist_cli.data.dataset import Split
from mnist_cli.data.loading import load_data
from mnist_cli.data.mnist import STEMS
from mnist_cli.errors import DataError
from mnist_cli.model import Model

# Keras


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("kind", [np.uint8, np.int64])
def test_mnist_as_keras_keeps_it_is_read(
    write: Callable[..., None], kind: type, folder: Path, parts: dict[str, Split], cli: Cli
) -> None:
    arrays = arrays_of(parts)
    for split in STEMS:
        arrays[f"y_{split}"] = arrays[f"y_{split}"].astype(kind)
    write(folder / "mnist.npz", **arrays)
    data = load_data("mnist", folder)
    same(data.train, parts["train"])
    same(data.test, parts["test"])
    result = cli("train", "--data-dir", folder, "--hidden", 4, "--epochs", 1)
    assert result.exit_code == 0, result.stderr
    assert list(contents(folder)) == ["mnist.npz"]
    assert "mnist.npz" in Model.load("model.npz").metadata["data"]


WRONG_ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "no labels": ({"y_train": None}, "should have one y_train"),
    "doubles": ({"x_train": np.zeros((1000, 28, 28))}, "holds float64 of shape"),
    "another shape": ({"x_test": np.zeros((200, 784), np.uint8)}, r"shape \(200, 784\)"),
    "no images": ({"x_test": np.zeros((0, 28, 28), np.uint8)}, "at least one"),
    "too few labels": ({"y_train": np.zeros(999, np.uint8)}, "1,000 images need"),
    "letters": ({"y_test": np.full(200, 26)}, "label 26, but labels are 0 to 9, as the network"),
    "less than nothing": ({"y_test": np.full(200, -1)}, "label -1"),
    "objects": ({"x_train": np.array([{}] * 1000, object)}, "broken one"),
    "fractions": ({"y_train": np.zeros(1000)}, "whole numbers"),
}


@pytest.mark.parametrize("case", WRONG_ARRAYS)
def test_an_archive_with_other_arrays_is_one_sentence(
    case: str, folder: Path, parts: dict[str, Split]
) -> None:
    changes, sentence = WRONG_ARRAYS[case]
    arrays = {k: v for k, v in (arrays_of(parts) | changes).items() if v is not None}
    np.savez(folder / "mnist.npz", **arrays)
    with pytest.raises(DataError, match=sentence) as caught:
        load_data("mnist", folder)
    assert str(folder / "mnist.npz") in str(caught.value)


def test_an_archive_with_an_array_twice_is_refused(folder: Path, parts: dict[str, Split]) -> None:
    write_archive(folder, parts)
    with (
        zipfile.ZipFile(folder / "mnist.npz", "a") as archive,
        pytest.warns(match="Duplicate"),
    ):
        archive.writestr("x_train.npy", b"")
    with pytest.raises(DataError, match="one x_train"):
        load_data("mnist", folder)


# Kaggle


QUOTED = '"label",' + ",".join(f'"{number}"' for number in range(784))

TABLES: dict[str, Callable[[Split], bytes]] = {
    "without a header": table,
    "with one": lambda part: table(part, header()),
    "with a quoted one": lambda part: table(part, QUOTED),
    "as Windows ends lines": lambda part: table(part, header(), "\r\n"),
    "with a mark": lambda part: b"\xef\xbb\xbf" + table(part),
    "with spaces": lambda part: table(part).replace(b",", b" , "),
    "without a last end": lambda part: table(part).rstrip(b"\n"),
    "with fractions": lambda part: table(part).replace(b",", b".0,"),
    "with empty lines": lambda part: table(part).replace(b"\n", b"\n\n"),
}


@pytest.mark.long
@pytest.mark.parametrize("case", TABLES)
@pytest.mark.parametrize("name", ["{}.csv", "mnist_{}.csv"])
def test_mnist_as_kaggle_has_it_is_read(
    case: str, name: str, folder: Path, parts: dict[str, Split]
) -> None:
    for split, part in parts.items():
        (folder / name.format(split)).write_bytes(TABLES[case](part))
    data = load_data("mnist", folder)
    same(data.train, parts["train"])
    same(data.test, parts["test"])
    assert len(contents(folder)) == 2


@pytest.mark.parametrize("has_test", [True, False])
def test_where_one_table_alone_has_labels_its_last_seventh_is_for_testing(
    has_test: bool, folder: Path, parts: dict[str, Split], cli: Cli
) -> None:
    (folder / "train.csv").write_bytes(table(parts["train"], header()))
    if has_test:
        lines = [",".join(map(str, row)) for row in rows_of(parts["test"])[:, 1:].tolist()]
        (folder / "test.csv").write_text("\n".join([header(False), *lines, ""]))
    told = Telling()
    data = load_data("mnist", folder, told)
    same(data.train, parts["train"][: 1000 - 142])
    same(data.test, parts["train"][1000 - 142 :])
    assert told.remarks == [
        f"{folder}/train.csv has the only labels: its last seventh is kept for testing."
    ]
    assert cli("train", "--data-dir", folder, "--hidden", 4, "--epochs", 1).exit_code == 0
    assert f"142 of {folder}, test" in cli("evaluate", "--data-dir", folder).stdout


def test_a_table_without_labels_is_not_learned_from(folder: Path, parts: dict[str, Split]) -> None:
    (folder / "test.csv").write_text(header(False) + "\n" + ",".join(["0"] * 784) + "\n")
    with pytest.raises(DataError, match=r"holds test\.csv, but no table with labels"):
        load_data("mnist", folder)


WRONG_TABLES: dict[str, tuple[bytes, str]] = {
    "another number of columns": (b"label,x,y\n1,2,3\n", "has 3 columns"),
    "labels at the end": ((header(False) + ",label\n").encode(), "labels in the last column"),
    "nothing": (b"", "is empty"),
    "a page": (b"<!DOCTYPE html><html>", "is a web page"),
    "semicolons": (b"label;1x1;1x2\n1;2;3\n", "is a text that begins with 'label;1x1;1x2'"),
    "packed": (gzip.compress(b"label,1x1,1x2\n"), "is packed by gzip, but a table"),
    "packed by another": (b"BZh91AY&SY,,,", "unpack it with 'bunzip2', or name another"),
    "no rows": ((header() + "\n").encode(), "no rows"),
    "a letter": (b"7" + b",x" * 784 + b"\n" + b"1" + b",0" * 784, "line 1|no rows|line 2"),
    "a grey of 256": (b"7" + b",256" * 784 + b"\n", "line 1"),
    "a long number": (b"7" + b",0" * 783 + b"," + b"9" * 50 + b"\n", "line 1"),
    "a negative one": (b"7" + b",0" * 784 + b"\n" + b"7" + b",-1" * 784 + b"\n", "line 2"),
    "an empty cell": (b"7" + b",0" * 783 + b",\n", "line 1"),
    "a fraction": (b"7" + b",0" * 784 + b"\n7" + b",0.5" * 784 + b"\n", "line 2"),
    "a short row": (b"7" + b",0" * 784 + b"\n" + b"7" + b",0" * 700 + b"\n", "line 2"),
    "a long row": (b"7" + b",0" * 784 + b"\n\n\n" + b"7" + b",0" * 9000 + b"\n", "line 4"),
    "a letter's label": (b"26" + b",0" * 784 + b"\n", "label 26, but labels are 0 to 9"),
    "too few rows": (b"6" + b",0" * 784 + b"\n", "too few to keep some"),
}


@pytest.mark.parametrize("case", WRONG_TABLES)
def test_a_table_with_something_else_is_one_sentence(case: str, folder: Path) -> None:
    content, sentence = WRONG_TABLES[case]
    (folder / "train.csv").write_bytes(content)
    with pytest.raises(DataError, match=sentence) as caught:
        load_data("mnist", folder)
    assert str(folder / "train.csv") in str(caught.value)
