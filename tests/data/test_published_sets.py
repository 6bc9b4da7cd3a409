"""Published data sets other than MNIST: fetched by their names, and refused by them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import NAMES, Cli
from web import Web, web_server
from writing import (
    NOWHERE,
    Telling,
    contents,
    same,
)

from mnist_cli.data.dataset import Split
from mnist_cli.data.download import download
from mnist_cli.data.idx import write_idx
from mnist_cli.data.loading import load_data, load_split
from mnist_cli.data.sources import EMNIST_STEMS, QMNIST_STEMS, SOURCES, Published
from mnist_cli.errors import DataError, DownloadError


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


@pytest.fixture(scope="session", params=OTHERS)
def made(
    request: pytest.FixtureRequest,
    parts: dict[str, Split],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, dict[str, bytes], dict[str, bytes]]:
    """Return the name of a set, its small files, and what is served: those, or an archive."""
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    for stem, array in small_set(name, parts).items():
        write_idx(folder / f"{stem}.gz", np.ascontiguousarray(array))
    files = contents(folder)
    published = SOURCES[name].published
    assert published
    if not published.mirrors[0].endswith(".zip"):
        return name, files, files
    with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
        for key, content in files.items():
            archive.writestr(f"gzip/{key}", content)
    return name, files, {"gzip.zip": (folder / "gzip.zip").read_bytes()}


@pytest.fixture
def other(
    made: tuple[str, dict[str, bytes], dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Web]]:
    """Serve small files that count as a published data set in this test."""
    name, files, served = made
    published = SOURCES[name].published
    assert published
    inside = {key: content for key, content in files.items() if key in published.sums}
    assert len(inside) == 4
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
    assert any("turned upright" in remark for remark in told.remarks) == (name == "emnist-digits")
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


@pytest.mark.parametrize("made", ["emnist-digits"], indirect=True)
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda archive: archive + b"?", "is longer than"),
        (lambda archive: archive[:-1], "ended after"),
        (lambda archive: archive[:-1] + b"?", "is another archive, as its SHA-256 differs"),
    ],
)
def test_an_archive_that_is_not_the_published_one_is_refused_and_leaves_nothing(
    change: Callable[[bytes], bytes],
    sentence: str,
    made: tuple[str, dict[str, bytes], dict[str, bytes]],
    other: tuple[str, Web],
    cli: Cli,
    tmp_path: Path,
) -> None:
    (name, _), (*_, served) = other, made
    with web_server({"gzip.zip": change(served["gzip.zip"])}) as web:
        mirror = f"{web.url}/gzip.zip"
        result = cli("download", "--dataset", name, "--data-dir", "x", "--mirror", mirror, "-q")
    assert result.exit_code == 2
    assert sentence in result.stderr
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
        pytest.raises(DownloadError, match="not a file of Unknown"),
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
