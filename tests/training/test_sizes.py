"""What is written can be read again: the limits are the same, and known before training begins."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli
from numpy.typing import NDArray

from mnist_cli.config import LONGEST
from mnist_cli.data import idx, packing
from mnist_cli.data.idx import read_idx, write_idx
from mnist_cli.data.loading import load_data
from mnist_cli.errors import DataError, ModelError, SettingsError
from mnist_cli.files import archive
from mnist_cli.files.archive import read_archive, write_archive
from mnist_cli.model import Format, Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.recipe import Recipe
from mnist_cli.training import sizes
from mnist_cli.training.checkpoint import Checkpoint
from mnist_cli.training.history import LARGEST_LOG, Epoch
from mnist_cli.training.run import run
from mnist_cli.training.sizes import check_sizes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--hidden", 60_000, "--checkpoint", "c"),
            ("--hidden is 60000", "leave --checkpoint out"),
        ),
        (("--hidden", 170_000), ("--hidden is 170000", "makes a model")),
        (("--hidden", 90_000, "--dtype", "float64"), ("--hidden is 90000", "makes a model")),
        (
            ("--hidden", 45_000, "--optimizer", "adam", "--checkpoint", "c"),
            ("--hidden is 45000", "makes a checkpoint"),
        ),
        (("--epochs", 10**9), ("--epochs is 1000000000", "at most")),
        (("--epochs", 10**6, "--checkpoint", "c"), ("--epochs is 1000000", "at most")),
    ],
    ids=str,
)
def test_a_training_whose_files_could_not_be_read_is_refused_before_it_begins(
    options: tuple[object, ...], words: tuple[str, ...], cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    started = time.monotonic()
    result = cli("train", "--data-dir", small_dir, *options)
    assert result.exit_code == 2
    assert "of more than the 512 MB that can be read again" in result.stderr
    for word in words:
        assert word in result.stderr
    assert time.monotonic() - started < 20
    assert not {path.name for path in tmp_path.iterdir()} & {"c", "model.npz"}


def test_a_sweep_of_which_a_model_could_not_be_read_is_refused_before_it_begins(
    cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    how = ("--data-dir", small_dir, "--vary", "hidden=4,170000", "--out", "s")
    result = cli("sweep", *how)
    assert result.exit_code == 2
    assert "--hidden is 170000, which makes a model of more than the 512 MB" in result.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("limit", [1 << 20, (1 << 20) + 12_345])
def test_up_to_the_limit_what_is_written_is_read_and_beyond_it_nothing_is_trained(
    limit: int,
    dtype: str,
    optimizer: str,
    small_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a limit that is smaller, as is the room for all but the vectors."""
    monkeypatch.setattr(archive, "LARGEST", limit)
    monkeypatch.setattr(sizes, "LARGEST", limit)
    monkeypatch.setattr(sizes, "REST", 1 << 16)
    data = load_data("mnist", small_dir)
    how: dict[str, Any] = {"dtype": dtype, "optimizer": optimizer, "epochs": 2}

    def fits(hidden: int, is_checkpoint: bool) -> bool:
        try:
            check_sizes(Recipe(hidden=hidden, **how), True, is_checkpoint)
        except SettingsError:
            return False
        return True

    for is_checkpoint in (False, True):
        largest = max(hidden for hidden in range(1, 400) if fits(hidden, is_checkpoint))
        out, file = tmp_path / f"{is_checkpoint}.npz", tmp_path / "c"
        files = {"out": out, "checkpoint": file if is_checkpoint else None}
        with pytest.raises(SettingsError, match=f"use {largest:,} at most"):
            run(Recipe(hidden=largest + 1, **how), data, **files)  # type: ignore[arg-type]
        run(Recipe(hidden=largest, **how), data, **files)  # type: ignore[arg-type]
        assert Model.load(out).network.hidden == largest
        if is_checkpoint:
            assert len(Checkpoint.load(file).history) == 2


def test_an_epoch_in_a_file_is_no_longer_than_it_is_counted() -> None:
    import json

    number = -1.2345678901234567e-100
    epoch = Epoch(10**9, *[number] * 6)
    assert 4 * len(json.dumps(epoch.to_dict()) + ", ") <= sizes.EPOCH


def test_a_log_of_as_many_epochs_as_a_model_may_have_can_be_read() -> None:
    epochs = (archive.LARGEST - sizes.REST) // sizes.EPOCH
    assert epochs * sizes.EPOCH // 4 <= LARGEST_LOG


def test_where_training_may_end_early_its_epochs_are_not_counted() -> None:
    check_sizes(Recipe(epochs=10**9, patience=2, validation=10), True, True)


def test_a_history_that_has_grown_too_long_keeps_the_last_good_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(MLP(2))
    model.save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()
    monkeypatch.setattr(archive, "LARGEST", 1 << 16)
    model.history = [Epoch(n + 1, 0.5, 0.5, None, None, 0.1, None) for n in range(200)]
    with pytest.raises(ModelError, match="m cannot be written: it would be larger than"):
        model.save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_an_archive_has_the_same_limit_both_ways(
    over: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST", 1 << 16)
    room = (1 << 16) - 2 * archive.HEADERS - 16
    arrays: dict[str, NDArray[Any]] = {"a": np.ones(room + over, np.uint8), "b": np.ones(2)}
    if over > 0:
        with pytest.raises(OSError, match="larger"):
            write_archive(tmp_path / "a", arrays)
    else:
        write_archive(tmp_path / "a", arrays)
        assert read_archive(tmp_path / "a")["a"].size == arrays["a"].size


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_with_a_weight_that_is_no_number_is_not_written(
    value: float, tmp_path: Path
) -> None:
    model = Model(MLP(2))
    formats: list[Format] = ["model", "arrays"]
    for format in formats:
        model.save(tmp_path / "m", format)
        before = (tmp_path / "m").read_bytes()
        model.network.parameters[3] = value
        with pytest.raises(ModelError, match="was not written, as a weight is infinite"):
            model.save(tmp_path / "m", format)
        assert (tmp_path / "m").read_bytes() == before
        model.network.parameters[:] = 0


def test_a_data_set_of_another_name_is_refused_before_training(small_dir: Path) -> None:
    from dataclasses import replace

    data = replace(load_data("mnist", small_dir), name="mine")
    with pytest.raises(SettingsError, match="`dataset` is 'mine', but must be one of"):
        run(Recipe(hidden=2, epochs=1), data)


def test_images_have_the_same_limit_both_ways(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx, "LARGEST", 20 * 784)
    monkeypatch.setattr(packing, "LARGEST", 20 * 784)
    write_idx(tmp_path / "file", np.zeros((20, 28, 28), np.uint8))
    assert len(read_idx(tmp_path / "file")) == 20
    with pytest.raises(DataError, match=r"16,464 bytes are more than the 15,680 that can be read"):
        write_idx(tmp_path / "file", np.zeros((21, 28, 28), np.uint8))
    assert len(read_idx(tmp_path / "file")) == 20
    for digit in range(10):
        folder = tmp_path / "pictures" / str(digit)
        folder.mkdir(parents=True)
        for number in range(3):
            np.save(folder / f"{number}.npy", np.full((28, 28), digit, np.uint8))
    assert cli("pack", "pictures", "set", "--as-is", "--test", 0.4).exit_code == 0
    for digit in range(10):
        np.save(tmp_path / "pictures" / str(digit) / "4.npy", np.ones((28, 28), np.uint8))
    result = cli("pack", "pictures", "other", "--as-is", "--test", 0.2)
    assert result.exit_code == 2
    assert "30 pictures to train on, more than the 20 that are read" in result.stderr
    assert not Path("other").exists()


@pytest.mark.parametrize("name", ['a\\b"c', "ü\x7f", "x" * 200, "a\nb\tc", " ", "~name"])
def test_a_config_that_is_printed_can_be_read(name: str, cli: Cli, tmp_path: Path) -> None:
    how = ("--data-dir", f"./{name}", "--checkpoint", f"./{name}.c", "--seed", 3)
    printed = cli("train", *how, "--print-config")
    assert printed.exit_code == 0, printed.stderr
    (tmp_path / "t.toml").write_text(printed.stdout, "utf-8")
    again = cli("train", "--config", "t.toml", "--print-config")
    assert again.stdout == printed.stdout


def test_a_config_that_could_not_be_read_is_not_printed(cli: Cli, tmp_path: Path) -> None:
    long = "/".join(["x" * 200] * 15)
    names = ("--out", "--checkpoint", "--log", "--data-dir")
    words = [word for name in names for word in (name, f"{name[2:]}/{long}")]
    result = cli("train", *words, "--print-config")
    assert result.exit_code == 2
    assert f"more than the {LONGEST:,} bytes that can be read" in result.stderr
    odd = cli("train", "--data-dir", "\udcff", "--print-config")
    assert odd.exit_code == 2
    assert "is not text, and cannot be in a config" in odd.stderr
