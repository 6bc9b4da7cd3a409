"""``mnist-cli train`` as a person or a script meets it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from mnist_cli.cli.train_report import Columns, opening_lines
from mnist_cli.data.dataset import Dataset, Split
from mnist_cli.data.sources import MNIST, SOURCES
from mnist_cli.model import Model
from mnist_cli.recipe import SETTINGS, Recipe
from mnist_cli.settings import Setting
from mnist_cli.training.history import Epoch


def test_train_prints_the_result_on_stdout_and_epochs_on_stderr(cli: Cli, small_dir: Path) -> None:
    result = cli("train", "--data-dir", small_dir, "--hidden", 16, "--epochs", 2)
    assert result.exit_code == 0
    data, how, columns, *epochs = result.stderr.splitlines()
    assert data == f"{small_dir}: 1,000 images"
    assert how == "784-16-10, 12,730 parameters · sgd, one-cycle, lr 0.3 · seed 0"
    # What is a mean over the epoch, and not of the network at its end, says so.
    assert columns == "epoch  mean loss  mean accuracy     time"
    assert [line.split()[0] for line in epochs] == ["1/2", "2/2"]
    rows = [re.split("  +", line) for line in result.stdout.splitlines()]
    assert [name for name, _ in rows] == [
        *("test accuracy", "test loss", "test errors", "tested on", "model", "time"),
    ]
    # It is not what was published as MNIST.
    assert dict(rows)["tested on"] == f"the test images of {small_dir}"
    assert dict(rows)["model"] == "model.npz"
    quiet = cli("train", "--data-dir", small_dir, "--hidden", 16, "--epochs", 2, "--quiet")
    assert quiet.stderr == ""
    assert quiet.stdout.splitlines()[:-1] == result.stdout.splitlines()[:-1]


def test_train_tells_how_many_epochs_see_coarse_images(cli: Cli, small_dir: Path) -> None:
    how = ("train", "--data-dir", small_dir, "--config", "quick", "--hidden", 4)
    for epochs, coarse in ((2, 2), (4, 3)):
        third = cli(*how, "--epochs", epochs, "--force").stderr.splitlines()[2]
        assert third == f"at 14×14 in {coarse} of {epochs} epochs"


def test_train_as_json(cli: Cli, small_dir: Path, tmp_path: Path) -> None:
    result = cli(
        *("train", "--data-dir", small_dir, "--epochs", 2, "--validation", 100, "--seed", 4),
        *("--out", "m.npz", "--log", "log.jsonl", "--json"),
    )
    document = json.loads(result.stdout)
    assert list(document) == [
        *("model", "dataset", "title", "hidden", "parameters", "seed", "epochs"),
        *("train_seconds", "seconds", "workers", "test_images", "test_accuracy", "test_loss"),
        *("mean_grey", "better_than_guessing", "remarks", "history"),
    ]
    assert document["model"] == "m.npz"
    assert document["dataset"] == "mnist"
    assert document["title"] == str(small_dir)
    assert document["hidden"] == 128
    assert document["parameters"] == 101770
    assert document["seed"] == 4
    assert document["epochs"] == len(document["history"]) == 2
    assert 0 < document["test_accuracy"] < 1
    assert 0 < document["train_seconds"] < document["seconds"]
    assert document["test_images"] == 200
    for number, epoch in enumerate(document["history"], 1):
        assert list(epoch) == [
            *("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
            *("learning_rate", "seconds"),
        ]
        assert epoch["epoch"] == number
    log = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in log] == document["history"]


def test_without_validation_its_accuracy_is_null(cli: Cli, small_dir: Path) -> None:
    result = cli("train", "--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "--json")
    assert json.loads(result.stdout)["history"][0]["validation_accuracy"] is None


def test_the_same_training_writes_the_same_file(cli: Cli, small_dir: Path, tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        arguments = ("--data-dir", small_dir, "--hidden", 8, "--epochs", 2, "--seed", 3)
        assert cli("train", *arguments, "--out", name).exit_code == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    "settings",
    [("--lr", "1e9"), ("--lr", "1e30", "--epochs", "1", "--batch-size", "1000")],
    ids=["on the way", "in the last step"],
)
def test_diverged_training_is_status_1_and_writes_no_model(
    settings: tuple[str, ...], cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    result = cli(
        *("train", "--data-dir", small_dir, "--hidden", 4, "--schedule", "constant", "-q"),
        *settings,
    )
    assert result.exit_code == 1
    assert "diverged" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "model.npz").exists()


def test_a_missing_mnist_is_fetched_or_it_is_said_what_else_there_is(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nowhere = replace(MNIST, mirrors=("http://127.0.0.1:9/",))
    monkeypatch.setitem(SOURCES, "mnist", replace(SOURCES["mnist"], published=nowhere))
    result = cli("train", "--data-dir", "data", "--quiet")
    assert result.exit_code == 2
    assert "--from" in result.stderr
    assert "--dataset synthetic" in result.stderr
    assert not (tmp_path / "model.npz").exists()


def test_settings_are_printed_as_a_config_that_gives_them_back(cli: Cli, tmp_path: Path) -> None:
    how = ("--hidden", 9, "--optimizer", "adam", "--augment", "affine", "--deskew")
    printed = cli("train", *how, "--seed", 7, "--dataset", "synthetic", "--print-config")
    assert (printed.exit_code, printed.stderr) == (0, "")
    (tmp_path / "c.toml").write_text(printed.stdout)
    expected = Recipe(hidden=9, optimizer="adam", augment="affine", deskew=True, seed=7)
    assert Recipe.from_toml(tmp_path / "c.toml") == expected
    assert cli("train", "--config", "c.toml", "--print-config").stdout == printed.stdout
    assert not Path("model.npz").exists()


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=list(SETTINGS))
def test_every_setting_comes_back_from_a_printed_config(setting: Setting, cli: Cli) -> None:
    ways: list[list[object]]
    if setting.kind is bool:
        ways = [[f"--{setting.key}"], [f"--no-{setting.key}"]]
    else:
        values = {int: (3, setting.most), float: (0.1, 0.30000000000000004)}
        ways = [[f"--{setting.key}", v] for v in setting.choices or values[setting.kind]]
    for way in ways:
        more = ["--augment", "elastic"] if setting.needs else ["--validation", 7]
        printed = cli("train", *more, *way, "--print-config")
        assert printed.exit_code == 0, printed.stderr
        Path("c.toml").write_text(printed.stdout, "utf-8")
        again = cli("train", "--config", "c.toml", "--print-config")
        assert (again.stdout, again.stderr) == (printed.stdout, "")
        if setting.kind is not bool:
            assert setting.check(way[1]) == getattr(Recipe.from_toml("c.toml"), setting.name)


def test_any_path_comes_back_from_a_printed_config(cli: Cli) -> None:
    how = ("--log", 'a\t\x7f "b" \\ ü 😀.csv', "--out", "é.npz", "--json", "--quiet")
    printed = cli("train", *how, "--print-config")
    Path("c.toml").write_text(printed.stdout, "utf-8")
    assert cli("train", "--config", "c.toml", "--print-config").stdout == printed.stdout
    no_text = cli("train", "--log", "\udcff.csv", "--print-config")
    assert no_text.exit_code == 2
    assert "is not text, and cannot be in a config" in no_text.stderr


def test_a_printed_config_has_the_options_of_files_that_were_given(
    cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'a "quoted" näme.npz'
    how = ("--data-dir", small_dir, "--hidden", 3, "--epochs", 1, "--out", out, "-q")
    (tmp_path / "c.toml").write_text(cli("train", *how, "--print-config").stdout, "utf-8")
    result = cli("train", "--config", "c.toml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert Model.load(out).network.hidden == 3


def test_what_is_printed_is_what_would_be_trained(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[train]\nhidden = 3\nlr = 1\n")
    printed = cli("train", "--config", "c.toml", "--lr", 2, "--print-config")
    (tmp_path / "d.toml").write_text(printed.stdout)
    assert Recipe.from_toml(tmp_path / "d.toml") == Recipe(hidden=3, learning_rate=2)


def test_a_model_of_another_recipe_is_replaced_by_force_alone(cli: Cli, small_dir: Path) -> None:
    how = ("train", "--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "-q")
    for _ in range(2):
        assert cli(*how).exit_code == 0
    before = Path("model.npz").read_bytes()
    refused = cli(*how, "--seed", 1)
    assert refused.exit_code == 2
    assert refused.stderr == (
        "Error: model.npz is a model of another recipe (--seed is 0 there and not 1): "
        "name another --out, or replace it with --force.\n"
    )
    assert Path("model.npz").read_bytes() == before
    assert cli(*how, "--seed", 1, "--force").exit_code == 0
    Path("thesis.txt").write_text("a thesis")
    refused = cli(*how, "--out", "thesis.txt")
    assert refused.exit_code == 2
    assert "thesis.txt exists and is not a model" in refused.stderr
    assert Path("thesis.txt").read_text() == "a thesis"


def test_training_starts_from_a_model_with_its_units_and_preprocessing(
    cli: Cli, small_dir: Path
) -> None:
    data = ("--data-dir", small_dir, "-q")
    how = ("--hidden", 5, "--epochs", 1, "--digit-width", 14)
    assert cli("train", *data, *how, "--out", "a.npz").exit_code == 0
    started = cli("train", *data, "--from", "a.npz", "--epochs", 2, "--out", "b.npz")
    assert started.exit_code == 0, started.stderr
    model = Model.load("b.npz")
    assert model.recipe == Recipe(hidden=5, epochs=2, digit_width=14)
    assert "start" in model.metadata
    agreed = cli("train", *data, "--from", "a.npz", "--hidden", 5, "--out", "c.npz")
    assert agreed.exit_code == 0
    refused = cli("train", *data, "--from", "a.npz", "--hidden", 6, "--out", "c.npz")
    assert refused.exit_code == 2
    assert "--hidden is 6, but the model to start from has 5" in refused.stderr
    Path("c.toml").write_text("[train]\nhidden = 6\n")
    assert cli("train", *data, "--config", "c.toml", "--from", "a.npz").exit_code == 2
    itself = cli("train", *data, "--from", "a.npz", "--epochs", 3, "--out", "a.npz")
    assert itself.exit_code == 0, itself.stderr
    assert "There is no model gone" in cli("train", *data, "--from", "gone").stderr


def test_a_resumed_training_may_have_more_epochs(cli: Cli, small_dir: Path) -> None:
    data = ("--data-dir", small_dir, "-q")
    assert cli("train", *data, "--hidden", 4, "--epochs", 2, "--checkpoint", "c").exit_code == 0
    longer = cli("train", *data, "--resume", "c", "--epochs", 4, "--json", "--log", "log.csv")
    assert longer.exit_code == 0, longer.stderr
    assert [epoch["epoch"] for epoch in json.loads(longer.stdout)["history"]] == [1, 2, 3, 4]
    header, *rows = Path("log.csv").read_text().splitlines()
    assert header.startswith("epoch,train_loss,train_accuracy")
    assert [row.split(",")[0] for row in rows] == ["1", "2", "3", "4"]
    shorter = cli("train", *data, "--resume", "c", "--epochs", 3)
    assert shorter.exit_code == 2
    assert "--epochs is 4 there and not 3" in shorter.stderr


def test_the_model_may_be_written_as_arrays(cli: Cli, small_dir: Path) -> None:
    how = ("train", "--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "-q")
    trained = json.loads(cli(*how, "--format", "arrays", "--json").stdout)
    with np.load("model.npz") as arrays:
        assert sorted(arrays) == ["W1", "W2", "b1", "b2"]
    measured = json.loads(cli("evaluate", "--data-dir", small_dir, "--json").stdout)
    assert measured["accuracy"] == trained["test_accuracy"]


def test_history_has_validation_loss_and_learning_rate(cli: Cli, small_dir: Path) -> None:
    how = ("--data-dir", small_dir, "--hidden", 8, "--epochs", 2, "--validation", 100)
    result = cli("train", *how, "--json", "--schedule", "constant", "--lr", 0.1)
    last = json.loads(result.stdout)["history"][-1]
    assert last["learning_rate"] == 0.1
    measured = cli("evaluate", "--data-dir", small_dir, "--split", "validation", "--json")
    assert json.loads(measured.stdout)["loss"] == last["validation_loss"]
    lines = result.stderr.splitlines()
    assert "100 of them held out" in lines[0]
    names, values = (re.split("  +", line.strip()) for line in lines[-3::2])
    epoch = dict(zip(names, values, strict=True))
    assert epoch["validation loss"] == f"{last['validation_loss']:.4f}"
    assert epoch["mean accuracy"] == f"{last['train_accuracy']:.2%}"


def test_what_is_told_of_a_training_fits_80_columns() -> None:
    recipe = Recipe(
        hidden=10000,
        optimizer="adam",
        augment="elastic",
        epochs=300,
        coarse_epochs=100,
        sampling="loss",
        validation=10000,
        seed=12345,
    )
    labels = np.zeros(240_000, np.uint8)
    digits = Split(np.broadcast_to(np.uint8(0), (240_000, 28, 28)), labels)
    data = Dataset("emnist-digits", digits, digits, {})
    columns = Columns(recipe)
    rows = [
        columns.row(Epoch(number, 12.5, 1.0, 10.25, 1.0, 0.004, seconds))
        for number, seconds in [(1, 0.5), (300, 99.99), (300, 1234.5)]
    ]
    opening = opening_lines(recipe, data)
    assert opening[2] == "at 14×14 in 100 of 300 epochs · images drawn by their loss"
    assert max(map(len, [*opening, columns.head(), *rows])) <= 80
    assert len({len(line) for line in (columns.head(), *rows)}) == 1


def test_what_was_measured_on_is_told(cli: Cli) -> None:
    result = cli("train", "--dataset", "synthetic", "--hidden", 2, "--epochs", 1)
    assert "tested on      the test images of synthetic, drawn by the program" in result.stdout
    assert result.stderr.startswith("synthetic: 600 images\n784-2-10, ")
