"""Right files under other names and in other packings are the same data."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import NAMES, Cli, copy_packed
from web import Web, body
from writing import (
    NOWHERE,
    contents,
    same,
    write_archive,
    write_plain,
    write_tables,
)

from mnist_cli.data.dataset import Split
from mnist_cli.data.download import download
from mnist_cli.data.idx import write_idx
from mnist_cli.data.loading import load_data, load_split
from mnist_cli.data.mnist import STEMS
from mnist_cli.data.sources import SOURCES, dotted

ALL = [stem for stems in STEMS.values() for stem in stems]
FIRST = NAMES[0]


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
