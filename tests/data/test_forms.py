"""Data in the form that people have it: other names, other packings, Keras, Kaggle, other sets."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import NAMES, Cli, closed_port, copy_packed
from web import Web, body, web_server

from mnist_cli.data.dataset import Split
from mnist_cli.data.download import download
from mnist_cli.data.idx import write_idx
from mnist_cli.data.loading import load_data, load_split
from mnist_cli.data.mnist import STEMS
from mnist_cli.data.sources import EMNIST_STEMS, QMNIST_STEMS, SOURCES, Published, dotted
from mnist_cli.errors import DataError, DownloadError
from mnist_cli.model import Model
from mnist_cli.progress import Progress

ALL = [stem for stems in STEMS.values() for stem in stems]
FIRST = NAMES[0]
NOWHERE = ("--mirror", f"http://127.0.0.1:{closed_port()}/")


class Telling(Progress):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, sentence: str) -> None:
        self.remarks.append(sentence)


@pytest.fixture(scope="session")
def parts(small_dir: Path) -> dict[str, Split]:
    return {split: load_split("mnist", split, small_dir) for split in STEMS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "d"
    folder.mkdir()
    return folder


def same(found: Split, expected: Split) -> None:
    assert found.images.dtype == found.labels.dtype == np.uint8
    assert found.images.flags.c_contiguous
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.labels, expected.labels)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# Names and packings


def plain(packed: bytes) -> bytes:
    return gzip.decompress(packed)


PACKINGS: dict[str, Callable[[str, bytes], tuple[str, bytes]]] = {
    "plain": lambda stem, packed: (stem, plain(packed)),
    "with a dot": lambda stem, packed: (dotted(stem), plain(packed)),
    "with a dot, packed": lambda stem, packed: (f"{dotted(stem)}.gz", packed),
    "plain, called packed": lambda stem, packed: (f"{stem}.gz", plain(packed)),
    "packed, called plain": lambda stem, packed: (stem, packed),
    "packed, called plain, with a dot": lambda stem, packed: (dotted(stem), packed),
    "packed again": lambda stem, packed: (f"{stem}.gz", gzip.compress(packed)),
    "packed otherwise": lambda stem, packed: (f"{stem}.gz", gzip.compress(plain(packed), 1)),
    "packed twice otherwise": lambda stem, packed: (
        f"{stem}.gz",
        gzip.compress(gzip.compress(plain(packed), 1)),
    ),
    "in two members": lambda stem, packed: (
        f"{stem}.gz",
        gzip.compress(plain(packed)[:99]) + gzip.compress(plain(packed)[99:]),
    ),
}


@pytest.fixture(params=PACKINGS)
def packing(
    request: pytest.FixtureRequest, files: dict[str, bytes], folder: Path
) -> dict[str, bytes]:
    """Write right files in another packing, and return them."""
    for stem in ALL:
        name, content = PACKINGS[request.param](stem, files[f"{stem}.gz"])
        (folder / name).write_bytes(content)
    return contents(folder)


def test_right_files_in_another_packing_are_read(
    packing: dict[str, bytes], folder: Path, parts: dict[str, Split]
) -> None:
    data = load_data("mnist", folder)
    same(data.train, parts["train"])
    same(data.test, parts["test"])
    assert data.folder == ""  # it is known as what was published
    assert {name: contents(folder)[name] for name in packing} == packing


def test_right_files_in_another_packing_are_there_already(
    packing: dict[str, bytes], folder: Path, cli: Cli
) -> None:
    result = cli("download", "--data-dir", folder, "--json", *NOWHERE)
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)["files"]
    assert {entry["source"] for entry in told} == {"already there"}
    for entry in told:
        content = packing[entry["name"]]
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert contents(folder) == packing  # no second copy


def test_right_files_in_another_packing_are_taken_from_a_folder(
    packing: dict[str, bytes],
    folder: Path,
    cli: Cli,
    files: dict[str, bytes],
    parts: dict[str, Split],
) -> None:
    result = cli("download", "--data-dir", "e", "--from", folder)
    assert result.exit_code == 0, result.stderr
    arrived = contents(folder.parent / "e")
    assert len(arrived) == 4
    for name, content in arrived.items():  # as it was published, or plain
        assert content == (files[name] if name in files else plain(files[f"{name}.gz"]))
    same(load_split("mnist", "train", folder.parent / "e"), parts["train"])


@pytest.mark.parametrize("case", ["plain, called packed", "packed again", "packed otherwise"])
def test_right_files_in_another_packing_are_taken_from_a_mirror(
    case: str, web: Web, files: dict[str, bytes], folder: Path, parts: dict[str, Split]
) -> None:
    for stem in ALL:
        content = PACKINGS[case](stem, files[f"{stem}.gz"])[1]
        web.answers[f"{stem}.gz"] = [body(content, len(content))]
    download(folder, [web.url])
    web.requests.clear()
    assert {file.source for file in download(folder, [web.url])} == {"already there"}
    assert web.requests == []
    same(load_split("mnist", "test", folder), parts["test"])


def test_a_file_in_a_folder_of_its_own_name_is_found(
    files: dict[str, bytes], folder: Path, parts: dict[str, Split]
) -> None:
    for stem in ALL:
        (folder / dotted(stem)).mkdir()
        (folder / dotted(stem) / dotted(stem)).write_bytes(plain(files[f"{stem}.gz"]))
    same(load_split("mnist", "train", folder), parts["train"])


def test_the_same_data_are_the_same_packed_and_plain_and_in_other_forms(
    small_dir: Path, parts: dict[str, Split], folder: Path, cli: Cli, tmp_path: Path
) -> None:
    """A training is resumed, and a model replaced, whichever form its data have now."""
    packed = copy_packed(small_dir, tmp_path / "packed")
    options = ("--hidden", 4, "--checkpoint", "c")
    assert cli("train", "--data-dir", packed, "--epochs", 1, *options).exit_code == 0
    for form in (write_plain, write_archive, write_tables):
        for path in folder.iterdir():
            path.unlink()
        form(folder, parts)
        again = cli("train", "--data-dir", folder, "--resume", "c", "--epochs", 2)
        assert again.exit_code == 0, again.stderr
        assert cli("train", "--data-dir", folder, "--epochs", 2, "--hidden", 4).exit_code == 0
    write_idx(folder / STEMS["test"][1], (parts["test"].labels + 1) % 10)
    for split in STEMS:
        write_idx(folder / STEMS[split][0], parts[split].images)
    write_idx(folder / STEMS["train"][1], parts["train"].labels)
    other = cli("train", "--data-dir", folder, "--resume", "c", "--epochs", 3)
    assert other.exit_code == 2
    assert "not those" in other.stderr


def test_a_checkpoint_that_knows_the_packed_files_alone_is_resumed_with_plain_ones(
    files: dict[str, bytes], folder: Path
) -> None:
    """As an earlier version wrote it."""
    for name, content in files.items():
        (folder / name.removesuffix(".gz")).write_bytes(plain(content))
    published = SOURCES["mnist"].published
    assert published
    before = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert published.is_same(before, load_data("mnist", folder).sums)
    assert not published.is_same(before | {FIRST: "0"}, load_data("mnist", folder).sums)


# Keras


def write_plain(folder: Path, parts: dict[str, Split]) -> None:
    for split, (images, labels) in STEMS.items():
        write_idx(folder / images, parts[split].images)
        write_idx(folder / labels, parts[split].labels)


def arrays_of(parts: dict[str, Split]) -> dict[str, Any]:
    found = {f"x_{split}": part.images for split, part in parts.items()}
    return found | {f"y_{split}": part.labels for split, part in parts.items()}


def write_archive(folder: Path, parts: dict[str, Split]) -> None:
    np.savez_compressed(folder / "mnist.npz", **arrays_of(parts))


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
    "nothing": (b"", "has 1 columns"),
    "a page": (b"<!DOCTYPE html><html>", "has 1 columns"),
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


# Other published sets


def small_set(name: str, parts: dict[str, Split]) -> dict[str, Any]:
    """Return small arrays in the form in which a data set was published, by the names of files."""
    published = SOURCES[name].published
    assert published
    found: dict[str, Any] = {}
    for split, (images, labels) in published.stems.items():
        part = parts[split]
        found[images] = part.images.swapaxes(1, 2) if published.is_transposed else part.images
        found[labels] = part.labels
        if "idx2" in labels:
            rows = np.arange(8 * len(part), dtype=np.int32).reshape(-1, 8)
            rows[:, 0] = part.labels
            found[labels] = rows
    return found


OTHERS = [name for name, source in SOURCES.items() if source.published and name != "mnist"]


@pytest.fixture(params=OTHERS)
def other(
    request: pytest.FixtureRequest,
    parts: dict[str, Split],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[str, Web]]:
    """Serve small files that count as a published data set in this test."""
    name = request.param
    made = tmp_path / "made"
    made.mkdir()
    for stem, array in small_set(name, parts).items():
        write_idx(made / f"{stem}.gz", np.ascontiguousarray(array))
    served = contents(made)
    published = SOURCES[name].published
    assert published
    inside = {key: content for key, content in served.items() if key in published.sums}
    assert len(inside) == 4
    if published.mirrors[0].endswith(".zip"):
        with zipfile.ZipFile(made / "gzip.zip", "w") as archive:
            for key, content in served.items():
                archive.writestr(f"gzip/{key}", content)
        served = {"gzip.zip": (made / "gzip.zip").read_bytes()}
    sums = {
        key: (len(content), hashlib.sha256(content).hexdigest())
        for key, content in (served | inside).items()
    }
    with web_server(served) as web:
        ends = "/gzip.zip" if "gzip.zip" in served else ""
        changed = replace(published, sums=sums, mirrors=(web.url + ends,))
        monkeypatch.setitem(SOURCES, name, replace(SOURCES[name], published=changed))
        yield name, web


def test_each_published_set_is_fetched_by_its_name_and_read(
    other: tuple[str, Web], parts: dict[str, Split], cli: Cli, tmp_path: Path
) -> None:
    name, web = other
    told = Telling()
    data = load_data(name, tmp_path / "d", told)
    same(data.train, parts["train"])
    same(data.test, parts["test"])
    assert data.title == name
    assert any("put upright" in remark for remark in told.remarks) == (name == "emnist-digits")
    arguments = ("--dataset", name, "--data-dir", "d")
    result = cli("train", *arguments, "--hidden", 4, "--epochs", 1)
    assert result.exit_code == 0, result.stderr
    assert f"the test images of {name}" in result.stdout
    assert f"200 of {name}, test" in cli("evaluate", "--data-dir", "d").stdout
    asked = len(web.requests)
    assert asked == (1 if name == "emnist-digits" else 4)
    assert cli("download", *arguments, "--json").stdout.count("already there") == 4
    assert len(web.requests) == asked


def test_each_published_set_has_a_folder_of_its_own_in_the_cache(
    other: tuple[str, Web], cli: Cli, tmp_path: Path
) -> None:
    name, _ = other
    result = cli("download", "--dataset", name)
    assert result.exit_code == 0, result.stderr
    assert len(list((tmp_path / "cache" / "mnist-cli" / name).iterdir())) == 4


def test_what_a_mirror_serves_in_place_of_a_published_set_is_refused(
    other: tuple[str, Web], cli: Cli, tmp_path: Path
) -> None:
    name, _ = other
    published = SOURCES[name].published
    assert published
    write_idx(tmp_path / "other.gz", np.zeros((5, 28, 28), np.uint8))
    served = dict.fromkeys(
        [f"{n}.gz" for n in published.names], (tmp_path / "other.gz").read_bytes()
    )
    with web_server(served) as web:
        result = cli("download", "--dataset", name, "--data-dir", "x", "--mirror", web.url, "-q")
    assert result.exit_code == 2
    assert "ended after" in result.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["qmnist", "emnist-digits"])
def test_another_published_set_is_refused_by_its_name_with_the_option_that_reads_it(
    name: str, parts: dict[str, Split], folder: Path, cli: Cli
) -> None:
    for stem, array in small_set(name, parts).items():
        write_idx(folder / f"{stem}.gz", np.ascontiguousarray(array))
    before = contents(folder)
    train = ("train", "--data-dir", folder, "--hidden", 4, "--epochs", 1)
    for command in (train, ("download", "--data-dir", folder, *NOWHERE)):
        result = cli(*command)
        assert result.exit_code == 2
        assert f"--dataset {name}" in result.stderr
        assert contents(folder) == before
    assert cli(*train, "--dataset", name).exit_code == 0
    for other_name in {"qmnist", "emnist-digits", "kmnist"} - {name}:
        assert f"--dataset {name}" in cli(*train, "--dataset", other_name).stderr


def test_the_archive_of_emnist_is_taken_from_a_folder(
    parts: dict[str, Split], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    published = SOURCES["emnist-digits"].published
    assert published
    known = replace(published, sums={})
    monkeypatch.setitem(
        SOURCES, "emnist-digits", replace(SOURCES["emnist-digits"], published=known)
    )
    with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
        for stem, array in small_set("emnist-digits", parts).items():
            write_idx(tmp_path / "one.gz", np.ascontiguousarray(array))
            archive.writestr(f"gzip/{stem}.gz", (tmp_path / "one.gz").read_bytes())
    result = cli("download", "--dataset", "emnist-digits", "--data-dir", "e", "--from", folder)
    assert result.exit_code == 0, result.stderr
    same(load_split("emnist-digits", "test", tmp_path / "e"), parts["test"])


def test_a_file_of_which_no_sum_is_known_must_be_sound(
    parts: dict[str, Split], tmp_path: Path
) -> None:
    published = Published("Unknown", (), {})
    with (
        web_server(dict.fromkeys(NAMES, b"\x1f\x8b nonsense")) as web,
        pytest.raises(DownloadError, match="no file of Unknown"),
    ):
        download(tmp_path / "d", [web.url], published=published)
    assert not (tmp_path / "d").exists()


def test_letters_are_refused_as_the_network_has_ten_outputs(
    parts: dict[str, Split], folder: Path, cli: Cli
) -> None:
    for split, part in parts.items():
        labels = (1 + np.arange(len(part)) % 26).astype(np.uint8)
        for kind in ("letters", "digits"):
            images, digits = (stem.replace("digits", kind) for stem in EMNIST_STEMS[split])
            write_idx(folder / images, part.images)
            write_idx(folder / digits, labels)
    for name in ("emnist-digits", "mnist"):
        result = cli("train", "--data-dir", folder, "--dataset", name)
        assert result.exit_code == 2
        if name == "emnist-digits":
            assert "label 26, but labels are 0 to 9, as the network has ten" in result.stderr
        for stem in (s for stems in EMNIST_STEMS.values() for s in stems):
            (folder / stem).unlink(missing_ok=True)
    assert "letters of EMNIST" in result.stderr
    assert "ten outputs" in result.stderr


def test_a_label_of_qmnist_that_is_no_digit_is_refused(
    parts: dict[str, Split], folder: Path
) -> None:
    for stem, array in small_set("qmnist", parts).items():
        if stem == QMNIST_STEMS["train"][1]:
            array[3, 0] = -5
        write_idx(folder / stem, array)
    with pytest.raises(DataError, match="label -5"):
        load_data("qmnist", folder)


def test_the_sums_that_are_known_are_sums() -> None:
    for name in OTHERS:
        published = SOURCES[name].published
        assert published
        for stem in published.names:
            assert len(published.sums[f"{stem}.gz"][1]) == 64
        digests = [digest for _, digest in published.sums.values() if digest]
        assert all(set(digest) <= set("0123456789abcdef") for digest in digests)
        assert len(set(digests)) == len(digests)


# What else lies in a folder


def a_text(folder: Path) -> None:
    (folder / "thesis.txt").write_text("all my work")


def pictures(folder: Path) -> None:
    (folder / "7").mkdir()
    (folder / "7" / "seven.png").write_bytes(b"\x89PNG")


def a_picture(folder: Path) -> None:
    (folder / "scan.JPG").write_bytes(b"\xff\xd8\xff")


def an_archive(folder: Path) -> None:
    (folder / "archive.zip").write_bytes(b"PK\x03\x04")


def another_archive(folder: Path) -> None:
    np.savez(folder / "cifar.npz", x=np.zeros(3))


def half_a_set(folder: Path) -> None:
    write_idx(folder / f"{STEMS['train'][0]}.gz", np.zeros((3, 28, 28), np.uint8))


def the_other_half(folder: Path) -> None:
    write_idx(folder / STEMS["test"][1], np.zeros(3, np.uint8))


def half_tables(folder: Path) -> None:
    (folder / "mnist_test.csv").write_bytes(b"7" + b",0" * 784 + b"\n")


def letters(folder: Path) -> None:
    (folder / "emnist-letters-test-images-idx3-ubyte.gz").write_bytes(b"")


def of_torchvision(folder: Path) -> None:
    (folder / "FashionMNIST" / "raw").mkdir(parents=True)


IN_THE_WAY: dict[Callable[[Path], None], str] = {
    a_text: "thesis.txt",
    pictures: "mnist-cli pack",
    a_picture: "mnist-cli pack",
    an_archive: "unzip",
    another_archive: "cifar.npz",
    half_a_set: "not MNIST's",
    the_other_half: "not MNIST's",
    half_tables: "mnist_train.csv",
    letters: "ten outputs",
    of_torchvision: "--dataset fashion-mnist",
}


@pytest.mark.parametrize("fill", IN_THE_WAY)
def test_nothing_is_downloaded_into_a_folder_that_holds_something_else(
    fill: Callable[[Path], None], folder: Path, cli: Cli, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = SOURCES["mnist"].published
    assert published
    changed = replace(SOURCES["mnist"], published=replace(published, mirrors=(web.url,)))
    monkeypatch.setitem(SOURCES, "mnist", changed)
    fill(folder)
    before = sorted(folder.rglob("*"))
    commands: list[tuple[object, ...]] = [("train",)]
    if fill is not half_tables:  # which has images to look at
        commands.append(("predict", "--index", 0))
    if fill not in (a_text, another_archive):  # a person may want it there
        commands.append(("download",))
    assert cli("train", "--dataset", "synthetic", "--hidden", 4, "--epochs", 1).exit_code == 0
    for command in commands:
        extra = ("--dataset", "mnist") if command[0] == "predict" else ()
        result = cli(*command, "--data-dir", folder, *extra)
        assert result.exit_code == 2, result.stdout
        assert IN_THE_WAY[fill] in result.stderr
        assert sorted(folder.rglob("*")) == before
        assert web.requests == []


@pytest.mark.parametrize("name", ["README.md", "LICENSE", ".DS_Store", "fashion-mnist", ".hidden"])
def test_what_is_nobodys_data_is_in_nobodys_way(
    name: str, folder: Path, cli: Cli, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = SOURCES["mnist"].published
    assert published
    changed = replace(SOURCES["mnist"], published=replace(published, mirrors=(web.url,)))
    monkeypatch.setitem(SOURCES, "mnist", changed)
    if "." in name or name == "LICENSE":
        (folder / name).touch()
    else:
        (folder / name).mkdir()
    result = cli("train", "--data-dir", folder, "--hidden", 4, "--epochs", 1)
    assert result.exit_code == 0, result.stderr


# What is taken for data


PAGES = {
    "a page": (b"<!DOCTYPE html>\n<html>Sign in</html>", "a web page"),
    "a page without a type": (b"\n <HTML lang=en>Sign in</HTML>", "a web page"),
    "a pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9912422\n",
        "git lfs pull",
    ),
    "an error": (b"404: Not Found", "a text that begins with '404: Not Found'"),
    "an XML error": (b"<?xml version='1.0'?><Error/>", "an XML document"),
    "an archive": (b"PK\x03\x04 and so on", "unzip"),
    "nothing": (b"", "empty"),
}


@pytest.mark.parametrize("case", PAGES)
@pytest.mark.parametrize("stem", STEMS["train"])
def test_what_is_taken_for_data_is_told_by_what_it_is_and_mended_by_what_is_said(
    case: str, stem: str, small_dir: Path, cli: Cli, web: Web, tmp_path: Path
) -> None:
    content, sentence = PAGES[case]
    folder = copy_packed(small_dir, tmp_path / "d")
    (folder / f"{stem}.gz").write_bytes(content)
    train = ("train", "--data-dir", "d", "--hidden", 4, "--epochs", 1, "-q")
    for command in (train, ("download", "--data-dir", "e", "--from", "d", "-q")):
        result = cli(*command)
        assert result.exit_code == 2
        assert sentence in result.stderr
        assert len(result.stderr.splitlines()) == 1
    result = cli(*train)
    said = result.stderr.rpartition("'mnist-cli ")[2].partition("'")[0]
    assert said == "download --data-dir d"
    result = cli(*said.split(), "--mirror", web.url)
    assert result.exit_code == 0, result.stderr
    assert web.requests == [f"{stem}.gz"]
    assert cli(*train).exit_code == 0


@pytest.mark.parametrize("case", PAGES)
def test_a_mirror_that_serves_something_else_is_told_by_what_it_is(
    case: str, cli: Cli, web: Web
) -> None:
    content, sentence = PAGES[case]
    web.answers[FIRST] = [body(content, len(content))]
    result = cli("download", "--data-dir", "d", "--mirror", web.url, "-q")
    assert result.exit_code == 2
    assert sentence.replace("git lfs pull", "Git LFS").replace("unzip", "zip") in result.stderr


def test_a_file_that_is_packed_too_often_is_told_with_what_unpacks_it(
    small_dir: Path, tmp_path: Path
) -> None:
    folder = copy_packed(small_dir, tmp_path / "d")
    packed = gzip.compress(gzip.compress((folder / FIRST).read_bytes()))
    (folder / FIRST).write_bytes(packed)
    with pytest.raises(DataError, match="packed by gzip 3 times or more: unpack it with 'gunzip'"):
        load_data("mnist", folder)


# What the system does not allow


def test_a_folder_in_the_place_of_a_file_is_told_as_that(
    cli: Cli, web: Web, tmp_path: Path
) -> None:
    (tmp_path / "d" / FIRST).mkdir(parents=True)
    (tmp_path / "d" / FIRST / "inside").touch()
    result = cli("download", "--data-dir", "d", "--mirror", web.url, "-q")
    assert result.exit_code == 2
    assert "make room" not in result.stderr
    assert "move away" in result.stderr
    assert f"d/{FIRST}" in result.stderr


def test_a_file_in_the_place_of_the_folder_is_told_as_that(
    cli: Cli, web: Web, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    result = cli("download", "--data-dir", "file/d", "--mirror", web.url, "-q")
    assert result.exit_code == 2
    assert "make room" not in result.stderr
    assert "move away" in result.stderr


AS_NOBODY = """
import os, sys
from mnist_cli.cli.main import main
import mnist_cli.data.loading, mnist_cli.data.http, requests, mnist_cli.training.run
if os.geteuid() == 0:
    os.setuid(65534)  # root may do everything
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs another user")
def test_a_folder_of_somebody_else_is_told_as_that() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "d"
        folder.mkdir()
        Path(name).chmod(0o777)
        folder.chmod(0o755 if os.geteuid() == 0 else 0o555)
        for command in ("download", "train"):
            done = subprocess.run(
                [sys.executable, "-c", AS_NOBODY, command, "--data-dir", str(folder), "-q"],
                cwd=name,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 2, done.stderr
            assert f"{folder} cannot be written to (Permission denied)" in done.stderr
            assert "get leave to write there" in done.stderr
            assert "make room" not in done.stderr
            assert len(done.stderr.splitlines()) == 1
        folder.chmod(0o700)
