from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_cli.data.folder import default_data_dir
from mnist_cli.errors import DataError
from mnist_cli.files.atomic import atomic_write
from mnist_cli.files.folders import at_home, made


def test_folders_that_were_made_in_vain_are_removed_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    def in_vain(folder: Path, file: str = "") -> None:
        with made(folder):
            assert folder.is_dir()
            if file:
                (folder / file).touch()
            raise KeyboardInterrupt

    for folder in (tmp_path / "there" / "a" / "b", tmp_path / "there"):
        with pytest.raises(KeyboardInterrupt):
            in_vain(folder)
        assert list((tmp_path / "there").iterdir()) == []
    with pytest.raises(KeyboardInterrupt):
        in_vain(tmp_path / "c" / "d", "kept")
    assert (tmp_path / "c" / "d" / "kept").exists()


def test_folders_that_were_made_for_something_stay(tmp_path: Path) -> None:
    with made(tmp_path / "a" / "b"):
        pass
    assert (tmp_path / "a" / "b").is_dir()


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "a"):
        with pytest.raises(OSError, match=r"exists|Not a directory"), made(path):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_tilde_is_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert at_home("~") == "/home/me"
    assert at_home(Path("~/m")) == "/home/me/m"
    assert at_home("~nobody-of-this-name/m") == "~nobody-of-this-name/m"
    assert at_home("./~/m") == "./~/m"
    assert at_home("a/~") == "a/~"


@pytest.mark.parametrize("name", ["MNIST_CLI_DATA_DIR", "XDG_CACHE_HOME"])
def test_a_tilde_in_a_variable_is_a_home(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MNIST_CLI_DATA_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv(name, "~/m")
    assert str(default_data_dir()).startswith("/home/me/m")


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="needs a user without a home")
def test_a_tilde_without_a_home_is_refused() -> None:
    """In place of a folder that is called so."""
    code = (
        "import os; from mnist_cli.data.folder import default_data_dir\n"
        "os.setuid(54321); os.environ.pop('HOME', None)\n"
        "os.environ['MNIST_CLI_DATA_DIR'] = '~/m'\n"
        "default_data_dir()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert DataError.__name__ in done.stderr
    assert "MNIST_CLI_DATA_DIR is ~/m, but there is no home: write the folder out" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="POSIX folders")
def test_a_file_is_synced_and_renamed_and_then_its_folder_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that after a power cut the old file is there, or the new one."""
    path, seen = tmp_path / "a", []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        is_folder = os.path.samestat(os.fstat(descriptor), tmp_path.stat())
        seen.append(("folder" if is_folder else "file", path.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    with atomic_write(path) as file:
        file.write(b"whole")
    assert seen == [("file", False), ("folder", True)]
