"""Nothing that went wrong in training is called a model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli

from mnist_cli.data.dataset import Dataset, Split
from mnist_cli.data.idx import read_idx, write_idx
from mnist_cli.data.loading import load_data
from mnist_cli.data.mnist import STEMS
from mnist_cli.errors import ModelError, TrainingDivergedError
from mnist_cli.evaluation import committee, measure
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.recipe import Recipe
from mnist_cli.training.history import Epoch
from mnist_cli.training.run import run


def blank(folder: Path, columns: slice = slice(None)) -> None:
    """Write a data set of images whose columns are blank in training; not so the test images."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for (images, labels), size in zip(STEMS.values(), (200, 50), strict=True):
        pixels = rng.integers(0, 255, (size, 28, 28), np.uint8)
        if size == 200:
            pixels[:, :, columns] = 0
        write_idx(folder / f"{images}.gz", pixels)
        write_idx(folder / f"{labels}.gz", (np.arange(size) % 10).astype(np.uint8))


@pytest.mark.parametrize("columns", [slice(None), slice(14), slice(1)], ids=str)
@pytest.mark.parametrize(
    ("decay", "schedule"), [(50, "one-cycle"), (1000, "constant"), (1e30, "constant")]
)
def test_weights_of_blank_pixels_that_grow_without_end_are_told(
    decay: float, schedule: str, columns: slice, cli: Cli
) -> None:
    """They have no gradient, and only decay: by a factor below −1."""
    blank(Path("data"), columns)
    how = ("--weight-decay", decay, "--schedule", schedule, "--lr", 1, "--epochs", 40)
    result = cli("train", "--data-dir", "data", "--hidden", 3, "--batch-size", 10, *how)
    assert result.exit_code == 1
    assert "Training diverged in epoch" in result.stderr
    assert "smaller --weight-decay" in result.stderr
    assert "nan" not in result.stdout
    assert not Path("model.npz").exists()


def huge(data: Dataset, split: str) -> Dataset:
    """Return a data set in which one part has ink where the other parts have none."""
    from dataclasses import replace

    parts = {"train": data.train, "test": data.test}
    for name, part in parts.items():
        images = part.images.copy()
        images[:, :4] = 255 if name == split else 0
        parts[name] = Split(images, part.labels)
    return replace(data, **parts)  # type: ignore[arg-type]


def test_a_test_loss_that_is_no_number_is_no_result(small_dir: Path, tmp_path: Path) -> None:
    """As weights from pixels that are blank in training alone overflow when they have ink."""
    start = Model(MLP(4), Recipe(hidden=4))
    start.network.W1[:112] = 3e38
    start.network.W2[:] = np.arange(40).reshape(4, 10)
    data = huge(load_data("mnist", small_dir), "test")
    recipe = Recipe(hidden=4, epochs=1, weight_decay=0, learning_rate=1e-6)
    with pytest.raises(TrainingDivergedError, match=r"with a loss of (nan|inf) on the test images"):
        run(recipe, data, start=start, out=tmp_path / "m.npz")
    assert not (tmp_path / "m.npz").exists()


def test_a_validation_loss_that_is_no_number_ends_training(small_dir: Path, tmp_path: Path) -> None:
    start = Model(MLP(4), Recipe(hidden=4))
    start.network.W1[:112] = 3e38
    start.network.W2[:] = np.arange(40).reshape(4, 10)
    data = huge(load_data("mnist", small_dir), "none")
    data.train.images[-100:, :4] = 255
    recipe = Recipe(hidden=4, epochs=3, weight_decay=0, learning_rate=1e-6, validation=100)
    with pytest.raises(TrainingDivergedError, match="epoch 1 of 3: the validation loss is"):
        run(recipe, data, start=start, out=tmp_path / "m.npz", checkpoint=tmp_path / "c")
    assert not (tmp_path / "m.npz").exists()


def test_a_model_that_believes_nothing_reads_no_picture(
    cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    network = MLP(4)
    network.parameters[:] = 1e38
    Model(network, metadata={"dataset": "mnist"}).save("m.npz")
    picture = read_idx(small_dir / "t10k-images-idx3-ubyte.gz")[0]
    np.save("p.npy", picture)
    for how in (["p.npy"], ["--index", 0, "--data-dir", small_dir]):
        result = cli("predict", "--model", "m.npz", *how)
        assert result.exit_code == 2
        assert "m.npz gives no finite loss" in result.stderr
        assert "nan" not in result.stdout


def test_a_loss_of_nothing_has_no_sign() -> None:
    certain = np.log(np.eye(10, dtype=np.float32)[[3, 4]] + 1e-30)
    certain[certain > -1] = 0
    loss = measure(certain, np.array([3, 4], np.uint8)).loss
    assert str(loss) == "0.0"
    above = np.zeros((1, 10)) - 50
    above[0, 3] = 1e-17
    assert str(measure(committee([above, above]), np.array([3], np.uint8)).loss) == "0.0"
    assert np.isnan(measure(above * np.nan, np.array([3], np.uint8)).loss)


def test_no_command_shows_minus_nothing(cli: Cli, small_dir: Path) -> None:
    """A network that is certain of one digit, on images of that digit alone."""
    data = Path("data")
    data.mkdir()
    for images, labels in STEMS.values():
        write_idx(data / f"{images}.gz", read_idx(small_dir / f"{images}.gz")[:20])
        write_idx(data / f"{labels}.gz", np.full(20, 3, np.uint8))
    network = MLP(2)
    network.b2[3] = 1000
    Model(network, Recipe(hidden=2), metadata={"dataset": "mnist", "test_loss": -0.0}).save("m.npz")
    how = ("--data-dir", data)
    train = ("train", *how, "--from", "m.npz", "--epochs", 1, "--validation", 5, "--log", "l")
    for command in (
        ("evaluate", "m.npz", *how),
        ("evaluate", "m.npz", "m.npz", *how),
        ("evaluate", "m.npz", *how, "--views", 3),
        (*train, "--out", "n.npz"),
        ("show", "m.npz"),
        ("show", "n.npz"),
    ):
        for form in ([], ["--json"]):
            if "train" in command and form:
                continue
            result = cli(*command, *form)
            assert result.exit_code == 0, result.stderr
            assert not re.search(r"-0\.0+\b(?![1-9e])", result.output), result.output
    assert "-0.0" not in Path("l").read_text()


def document(path: Path) -> dict[str, Any]:
    with np.load(path) as arrays:
        return json.loads(str(arrays["metadata"]))  # type: ignore[no-any-return]


def test_a_model_is_not_saved_with_a_history_that_is_no_number(tmp_path: Path) -> None:
    history = [Epoch(1, float("nan"), 0.5, None, None, None, None)]
    with pytest.raises(ModelError, match="was not written, as its metadata or its history"):
        Model(MLP(2), Recipe(hidden=2), history).save(tmp_path / "m")
    with pytest.raises(ModelError, match="was not written, as its metadata or its history"):
        Model(MLP(2), metadata={"test_loss": float("inf")}).save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_file_in_which_a_loss_is_no_number_is_no_model(number: str, tmp_path: Path) -> None:
    history = [Epoch(1, 0.125, 0.5, None, None, None, None)]
    Model(MLP(2), Recipe(hidden=2), history).save(tmp_path / "m")
    with np.load(tmp_path / "m") as arrays:
        text, parameters = str(arrays["metadata"]), arrays["parameters"]
    with (tmp_path / "m").open("wb") as file:
        np.savez(file, parameters=parameters, metadata=text.replace("0.125", number))
    with pytest.raises(ModelError):
        Model.load(tmp_path / "m")
