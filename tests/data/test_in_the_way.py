"""What lies in the place of data: told as what it is, and kept."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import NAMES, Cli, copy_packed
from web import Web, body

from mnist_cli.data.idx import write_idx
from mnist_cli.data.loading import load_data
from mnist_cli.data.mnist import STEMS
from mnist_cli.data.sources import SOURCES
from mnist_cli.errors import DataError

FIRST = NAMES[0]


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
from mnist_cli.cli.commands import commands_of
from mnist_cli.cli.main import main
import mnist_cli.data.loading, mnist_cli.data.http, requests, mnist_cli.training.run
commands_of(main)  # loaded before the folder of the program may be closed to us
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
            assert "get permission to write there" in done.stderr
            assert "make room" not in done.stderr
            assert len(done.stderr.splitlines()) == 1
        folder.chmod(0o700)
