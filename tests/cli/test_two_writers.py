"""Two programs that would write the same file at the same time: the second one is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import Cli

from mnist_cli.data.packing import pack
from mnist_cli.errors import SettingsError
from mnist_cli.files.locks import lock_file, sole_writer
from mnist_cli.recipe import Recipe
from mnist_cli.training.checkpoint import Checkpoint
from mnist_cli.training.run import run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX locks")

Training = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def training(small_dir: Path, tmp_path: Path) -> Iterator[Training]:
    """Return what starts a training that takes long, and returns when it has begun."""
    with ExitStack() as stack:

        def start(*options: str) -> subprocess.Popen[str]:
            how = ["--data-dir", str(small_dir), "--hidden", "4", "--epochs", "100000"]
            process = subprocess.Popen(
                [sys.executable, "-m", "mnist_cli", "train", *how, *options],
                cwd=tmp_path,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.wait)
            stack.callback(process.stderr.close)  # type: ignore[union-attr]
            stack.callback(process.kill)
            assert process.stderr
            for line in process.stderr:
                if "1/100000" in line:
                    break
            return process

        yield start


SHORT = ("--hidden", 4, "--epochs", 1, "-q")


@pytest.mark.parametrize("option", ["--checkpoint", "--log", "--out"])
def test_two_trainings_do_not_write_one_file_by_whatever_name(
    option: str, training: Training, cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    first = {"--checkpoint": "c", "--log": "l", "--out": "model.npz"} | {option: "file"}
    process = training(*[word for pair in first.items() for word in pair])
    before = (tmp_path / "file").read_bytes() if option != "--out" else b""
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").symlink_to(".")
    for other in ("file", f"{tmp_path}/file", "link", "folder/file"):
        words = ["--out", "other.npz", option, other]
        result = cli("train", "--data-dir", small_dir, *SHORT, *words)
        assert result.exit_code == 2
        assert result.stderr == (
            f"Error: {option} {other} is being written by another program that is still running: "
            "give another name, or wait until that has ended.\n"
        )
    process.kill()
    process.wait()
    if option == "--log":
        assert (tmp_path / "file").read_bytes().startswith(before)
    elif option == "--checkpoint":
        assert Checkpoint.load(tmp_path / "file").recipe.epochs == 100_000
        assert cli("train", "--data-dir", small_dir, *SHORT, *words).exit_code == 2  # it can go on
        (tmp_path / "file").unlink()
    # What a killed training had locked is free.
    assert cli("train", "--data-dir", small_dir, *SHORT, *words).exit_code == 0


def test_a_hard_link_of_a_log_is_the_same_log(
    training: Training, cli: Cli, small_dir: Path
) -> None:
    training("--log", "l")
    os.link("l", "other")
    result = cli("train", "--data-dir", small_dir, *SHORT, "--out", "n.npz", "--log", "other")
    assert result.exit_code == 2
    assert "--log other is being written by another program" in result.stderr


def test_a_checkpoint_that_is_written_is_not_resumed_by_another(
    training: Training, cli: Cli, small_dir: Path
) -> None:
    training("--checkpoint", "c")
    result = cli("train", "--data-dir", small_dir, "--resume", "c", "--out", "n.npz")
    assert result.exit_code == 2
    assert "--checkpoint c is being written by another program" in result.stderr


def test_trainings_with_files_of_their_own_do_not_disturb_each_other(
    training: Training, cli: Cli, small_dir: Path
) -> None:
    training("--checkpoint", "c", "--log", "l", "--out", "m.npz")
    own = ("--checkpoint", "d", "--log", "k", "--out", "n.npz")
    assert cli("train", "--data-dir", small_dir, *SHORT, *own).exit_code == 0
    # A device is nobody's own.
    for _ in range(2):
        training("--log", "/dev/null", "--out", f"{time.monotonic_ns()}.npz")


def test_nothing_is_left_of_the_locks(cli: Cli, small_dir: Path, tmp_path: Path) -> None:
    files = ("--checkpoint", "c", "--log", "l")
    assert cli("train", "--data-dir", small_dir, *SHORT, *files).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"c", "l", "model.npz"}


def test_two_runs_from_python_do_not_write_one_file(small_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    with sole_writer(file, "checkpoint"):
        for how in ({"checkpoint": file}, {"out": file}):
            with pytest.raises(SettingsError, match="is being written by another program"):
                run(Recipe(hidden=4, epochs=1), "mnist", small_dir, **how)  # type: ignore[arg-type]
    run(Recipe(hidden=4, epochs=1), "mnist", small_dir, checkpoint=file)


@pytest.mark.parametrize("name", ["a", "é" * 120, "x" * 255])
def test_names_of_any_length_are_locked(name: str, tmp_path: Path) -> None:
    with sole_writer(tmp_path / name, "out"):
        assert len(list(tmp_path.iterdir())) == 1
        with pytest.raises(SettingsError), sole_writer(tmp_path / name, "out"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_user_that_is_called_as_a_lock_is_kept(tmp_path: Path) -> None:
    lock_file(tmp_path / "m").write_text("thesis")
    with sole_writer(tmp_path / "m", "out"):
        pass
    assert lock_file(tmp_path / "m").read_text() == "thesis"


def test_two_data_sets_are_not_packed_into_one_folder(tmp_path: Path) -> None:
    import fcntl

    import numpy as np

    for digit in range(10):
        folder = tmp_path / "pictures" / str(digit)
        folder.mkdir(parents=True)
        for number in range(2):
            np.save(folder / f"{number}.npy", np.full((28, 28), digit, np.uint8))
    out = tmp_path / "set"
    out.mkdir()
    descriptor = os.open(out, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(SettingsError, match="is being written by another program"):
        pack(tmp_path / "pictures", out, as_is=True, test=0.5)
    os.close(descriptor)
    assert list(out.iterdir()) == []
    pack(tmp_path / "pictures", out, as_is=True, test=0.5)
