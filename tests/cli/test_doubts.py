"""What makes a result doubtful is remarked, and stands in the document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from conftest import Cli, copy_packed

from mnist_cli import doubts
from mnist_cli.data.idx import read_idx, write_idx
from mnist_cli.data.mnist import STEMS
from mnist_cli.data.sources import MNIST
from mnist_cli.evaluation import Evaluation
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP

TRAIN = ("--hidden", 16, "--epochs", 3)


def changed(folder: Path, target: Path, how: Any) -> Path:
    """Return a copy of a data set with other images."""
    copy_packed(folder, target)
    for images, _ in STEMS.values():
        path = target / f"{images}.gz"
        write_idx(path, how(read_idx(path)))
    return target


def both(cli: Cli, *arguments: object) -> tuple[Result, dict[str, Any]]:
    """Return what a command says to a person, and to a script."""
    force = ("--force",) if arguments[0] == "train" else ()
    told, document = cli(*arguments, *force), cli(*arguments, "--json", *force)
    assert told.exit_code == document.exit_code == 0, told.stderr
    found = json.loads(document.stdout)
    for remark in found["remarks"]:
        assert remark in told.stderr
        assert cli(*arguments, *force, "-q").stderr == ""
    return told, found


def test_a_model_is_measured_on_other_files_than_it_was_trained_on(
    cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    assert cli("train", "--data-dir", small_dir, *TRAIN).exit_code == 0
    moved = copy_packed(small_dir, tmp_path / "moved")
    other = changed(small_dir, tmp_path / "other", lambda images: images[:, ::-1])
    for split in ("test", "train"):
        how = ("evaluate", "--split", split, "--data-dir")
        for same in (small_dir, moved):
            _, document = both(cli, *how, same)
            assert document["models"][0]["same_data"] is True
            assert document["remarks"] == []
        _, document = both(cli, *how, other)
        assert document["models"][0]["same_data"] is False
        assert document["remarks"][0] == (
            f"model.npz was trained on other data in MNIST's form, and is measured on {other}."
        )


def test_a_model_is_measured_on_another_data_set(cli: Cli, small_dir: Path) -> None:
    assert cli("train", "--dataset", "synthetic", *TRAIN, "--out", "s.npz").exit_code == 0
    assert cli("train", "--data-dir", small_dir, *TRAIN, "--out", "m.npz").exit_code == 0
    how = ("evaluate", "--dataset", "synthetic")
    for split in ("test", "train"):
        _, document = both(cli, *how, "m.npz", "--split", split)
        assert [model["same_data"] for model in document["models"]] == [False]
        assert document["remarks"][0] == "m.npz was trained on mnist, and is measured on synthetic."
    _, document = both(cli, *how, "s.npz", "m.npz")
    assert [model["same_data"] for model in document["models"]] == [True, False]
    assert cli("evaluate", "s.npz").stderr == ""


def test_where_a_model_says_nothing_of_its_data_nothing_is_said(cli: Cli, small_dir: Path) -> None:
    how = ("train", "--data-dir", small_dir, *TRAIN, "--format", "arrays")
    assert cli(*how).exit_code == 0
    _, document = both(cli, "evaluate", "--data-dir", small_dir)
    assert document["models"][0]["same_data"] is None
    assert document["remarks"] == []


def test_the_same_files_packed_and_plain_are_the_same_data() -> None:
    def sums(end: str) -> dict[str, str]:
        return {name: found[1] for name, found in MNIST.sums.items() if name.endswith(end)}

    packed = Model(MLP(1), metadata={"dataset": "mnist", "data": sums(".gz")})
    assert doubts.is_same_data(packed, "mnist", sums("ubyte")) is True
    mine = dict.fromkeys(sums("ubyte"), "0" * 64)
    assert doubts.is_same_data(packed, "mnist", mine) is False
    other = Model(MLP(1), metadata={"dataset": "mnist", "data": {"a.gz": "1"}})
    assert doubts.is_same_data(other, "mnist", mine) is None


@pytest.mark.parametrize(
    ("how", "is_light"),
    [
        (lambda images: 255 - images, True),
        (lambda images: 150 - images // 2, True),
        (lambda images: images, False),
        (lambda images: 100 - images // 3, False),
    ],
)
def test_dark_ink_on_light_paper_is_remarked(
    how: Any, is_light: bool, cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    data = changed(small_dir, tmp_path / "data", how)
    sentence = f"{data} has dark ink on light paper, to judge by its mean grey of"
    trained, document = both(cli, "train", "--data-dir", data, *TRAIN)
    assert (sentence in trained.stderr) == is_light
    images = read_idx(data / "train-images-idx3-ubyte.gz")
    assert document["mean_grey"] == pytest.approx(images.mean())
    measured, document = both(cli, "evaluate", "--data-dir", data)
    assert ("has dark ink on light paper" in measured.stderr) == is_light
    assert (document["mean_grey"] > 127.5) == is_light
    for result in (trained, measured):
        assert result.stderr.count("has dark ink") == is_light


def test_a_picture_that_is_taken_as_it_is_on_light_paper_is_remarked(
    cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    assert cli("train", "--data-dir", small_dir, *TRAIN).exit_code == 0
    image = read_idx(small_dir / "t10k-images-idx3-ubyte.gz")[0]
    np.save("light.npy", 255 - image)
    np.save("dark.npy", image)
    said = "is dark ink on light paper, where MNIST's are light ink on black"
    assert f"light.npy {said}" in cli("predict", "light.npy", "--as-is").stderr
    assert said not in cli("predict", "dark.npy", "--as-is").stderr
    assert said not in cli("predict", "light.npy").stderr
    for digit in range(10):
        folder = tmp_path / "pictures" / str(digit)
        folder.mkdir(parents=True)
        for number in range(2):
            np.save(folder / f"{number}.npy", 255 - image)
    packed = cli("pack", "pictures", "set", "--as-is", "--test", 0.5)
    assert packed.exit_code == 0
    assert "set has dark ink on light paper" in packed.stderr
    assert "set has dark ink" not in cli("pack", "pictures", "other", "--test", 0.5).stderr


def test_a_network_that_has_learned_nothing_is_remarked(cli: Cli, small_dir: Path) -> None:
    """Its loss is finite, and no error tells of it."""
    how = ("--data-dir", small_dir, *TRAIN)
    trained, document = both(cli, "train", *how, "--lr", 1e-30, "--out", "m.npz")
    assert "which is no better than guessing: 10.00% are of one digit" in trained.stderr
    assert "it has learned nothing; try a smaller --lr" in trained.stderr
    assert document["better_than_guessing"] is False
    Model(MLP(4), metadata={"dataset": "mnist"}).save("dead.npz")
    measured, document = both(cli, "evaluate", "dead.npz", "--data-dir", small_dir)
    assert "It reads 10.00% of the images correctly, all of them as 0" in measured.stderr
    assert document["better_than_guessing"] is False
    assert document["loss"] == pytest.approx(np.log(10))
    _, document = both(cli, "train", *how, "--out", "good.npz")
    assert document["better_than_guessing"] is True
    assert document["remarks"] == []


@pytest.mark.parametrize(
    ("matrix", "is_better"),
    [
        (np.diag([0, 0, 0, 5, 0, 0, 0, 0, 0, 0]), True),  # all right, of one digit
        (np.diag([1] * 10), True),
        (np.eye(10)[[0] * 10].astype(int), False),  # all read as 0
        (np.ones((10, 10), int), False),
        (np.ones((10, 10), int) + np.diag([1] * 10), True),
        (np.diag([90, 0, 1, 1, 0, 0, 0, 0, 0, 0]) + np.eye(10, dtype=int)[[3] * 10], True),
    ],
)
def test_no_better_than_naming_the_most_frequent_digit(matrix: Any, is_better: bool) -> None:
    assert Evaluation(2.3, np.asarray(matrix)).is_better_than_guessing == is_better
