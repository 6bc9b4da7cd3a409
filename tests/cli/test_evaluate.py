"""``mnist-cli evaluate`` as a person or a script meets it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from mnist_cli.data.loading import load_split
from mnist_cli.evaluation import committee, measure
from mnist_cli.images.inputs import to_inputs
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP


@pytest.fixture
def model(cli: Cli, trained_dir: Path) -> Path:
    """Return a model, of 900 images, with 100 held out."""
    return Path(shutil.copy(trained_dir / "model.npz", "."))


def test_evaluate_as_a_person_reads_it(cli: Cli, model: Path, small_dir: Path) -> None:
    result = cli("evaluate", "--data-dir", small_dir)
    assert result.exit_code == 0
    assert f"200 of {small_dir}, test" in result.stdout  # which is not what MNIST's files are
    assert "precision" in result.stdout
    assert result.stderr == ""


def test_evaluate_as_json(cli: Cli, model: Path, small_dir: Path) -> None:
    result = cli("evaluate", model, "--data-dir", small_dir, "--json")
    document = json.loads(result.stdout)
    assert list(document) == [
        *("models", "dataset", "title", "split", "views", "examples", "accuracy", "loss"),
        *("errors", "confusion_matrix", "per_class"),
        *("mean_grey", "better_than_guessing", "remarks"),
    ]
    assert (document["dataset"], document["title"]) == ("mnist", str(small_dir))
    assert document["models"] == [
        {"path": "model.npz", "accuracy": document["accuracy"], "same_data": True}
    ]
    assert document["examples"] == 200
    assert document["errors"] == round(200 * (1 - document["accuracy"]))
    matrix = document["confusion_matrix"]
    assert [sum(row) for row in matrix] == [20] * 10
    assert sum(matrix[i][i] for i in range(10)) == 200 - document["errors"]
    assert [list(digit) for digit in document["per_class"]] == [
        ["digit", "precision", "recall", "f1", "support"]
    ] * 10


def test_evaluate_measures_what_train_measured(cli: Cli, small_dir: Path) -> None:
    arguments = ("--data-dir", small_dir, "--json")
    trained = json.loads(cli("train", *arguments, "--epochs", 2, "--validation", 100).stdout)
    tested = json.loads(cli("evaluate", *arguments).stdout)
    validated = json.loads(cli("evaluate", *arguments, "--split", "validation").stdout)
    learned = json.loads(cli("evaluate", *arguments, "--split", "train").stdout)
    assert tested["accuracy"] == trained["test_accuracy"]
    assert tested["loss"] == trained["test_loss"]
    assert validated["accuracy"] == trained["history"][-1]["validation_accuracy"]
    assert (validated["examples"], learned["examples"]) == (100, 900)


def test_a_split_that_was_not_held_out_is_refused(cli: Cli, small_dir: Path) -> None:
    cli("train", "--data-dir", small_dir, "--hidden", 4, "--epochs", 1)
    result = cli("evaluate", "--data-dir", small_dir, "--split", "validation")
    assert result.exit_code == 2
    assert "--validation 10000" in result.stderr


def test_an_accuracy_below_the_floor_is_status_1(cli: Cli, model: Path, small_dir: Path) -> None:
    arguments = ("evaluate", model, "--data-dir", small_dir, "--json")
    accuracy = json.loads(cli(*arguments).stdout)["accuracy"]
    assert cli(*arguments, "--min-accuracy", accuracy).exit_code == 0
    result = cli(*arguments, "--min-accuracy", accuracy + 0.001)
    assert result.exit_code == 1
    assert "--min-accuracy" in result.stderr
    assert json.loads(result.stdout)["accuracy"] == accuracy


def test_evaluate_of_several_models_is_that_of_their_committee(cli: Cli, small_dir: Path) -> None:
    common = ("--data-dir", small_dir, "--hidden", 12, "--epochs", 2, "-q")
    paths = ["a.npz", "b.npz", "c.npz"]
    for seed, path in enumerate(paths):
        assert cli("train", *common, "--seed", seed, "--out", path).exit_code == 0
    document = json.loads(cli("evaluate", *paths, "--data-dir", small_dir, "--json").stdout)
    assert [model["path"] for model in document["models"]] == paths
    for path, model in zip(paths, document["models"], strict=True):
        alone = json.loads(cli("evaluate", path, "--data-dir", small_dir, "--json").stdout)
        assert alone["accuracy"] == model["accuracy"]
    test = load_split("mnist", "test", small_dir)
    x = to_inputs(test.images, np.dtype("f4"))
    p = np.mean([Model.load(path).network.probabilities(x) for path in paths], axis=0)
    assert document["accuracy"] == (p.argmax(axis=1) == test.labels).mean()
    assert document["loss"] == pytest.approx(-np.log(p[range(len(p)), test.labels]).mean())
    lines = cli("evaluate", *paths, "--data-dir", small_dir).stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["member", "member", "member", "committee"]
    assert lines[0].endswith("  a.npz")
    floor = cli("evaluate", *paths, "--data-dir", small_dir, "--min-accuracy", 1)
    assert floor.exit_code == 1
    assert "a.npz, b.npz, c.npz" in floor.stderr


def test_a_committee_of_models_that_do_not_fit_is_refused(cli: Cli, small_dir: Path) -> None:
    common = ("--hidden", 4, "--epochs", 1, "-q")
    data = ("--data-dir", small_dir)
    assert cli("train", *common, *data, "--out", "a.npz").exit_code == 0
    assert cli("train", *common, *data, "--out", "b.npz", "--validation", 100).exit_code == 0
    result = cli("evaluate", "a.npz", "b.npz", *data, "--split", "train")
    assert result.exit_code == 2
    assert "with 0 and 100 images held out" in result.stderr
    assert cli("evaluate", "a.npz", "b.npz", *data).exit_code == 0
    assert cli("train", *common, "--dataset", "synthetic", "--out", "c.npz").exit_code == 0
    result = cli("evaluate", "a.npz", "c.npz", *data)
    assert result.exit_code == 2
    assert "mnist and synthetic: name the one" in result.stderr


def test_evaluate_looks_at_each_image_in_as_many_views_as_asked_for(
    cli: Cli, model: Path, small_dir: Path
) -> None:
    other = ("train", "--data-dir", small_dir, "--hidden", 9, "--epochs", 2, "--out", "b.npz")
    assert cli(*other).exit_code == 0
    arguments = ("evaluate", model, "b.npz", "--data-dir", small_dir)
    document = json.loads(cli(*arguments, "--views", 4, "--json").stdout)
    assert document["views"] == 4
    test = load_split("mnist", "test", small_dir)
    members = [
        Model.load(path).log_probabilities(test.images, 4) for path in (model, Path("b.npz"))
    ]
    for member, told in zip(members, document["models"], strict=True):
        assert told["accuracy"] == measure(member, test.labels).accuracy
    assert document["loss"] == measure(committee(members), test.labels).loss
    assert re.search(r"\nviews +4 of each\n", cli(*arguments, "--views", 4).stdout)
    assert "views" not in cli(*arguments).stdout
    assert cli(*arguments, "--views", 0).exit_code == 2


def test_evaluate_takes_the_data_set_that_the_model_was_trained_on(cli: Cli) -> None:
    assert cli("train", "--dataset", "synthetic", "--hidden", 8, "--epochs", 1).exit_code == 0
    result = cli("evaluate", "--json")
    assert json.loads(result.stdout)["dataset"] == "synthetic"
    assert json.loads(result.stdout)["examples"] == 100
    assert "100 of synthetic, test" in cli("evaluate").stdout
    nowhere = cli("evaluate", "--data-dir", "anywhere")
    assert nowhere.exit_code == 2
    assert "--data-dir has no effect without --dataset mnist" in nowhere.stderr


def test_evaluate_calls_mnist_by_its_name_wherever_it_lies(cli: Cli, mnist_dir: Path) -> None:
    Model(MLP(4)).save("model.npz")
    assert "10,000 of mnist, test" in cli("evaluate", "--data-dir", mnist_dir).stdout


@pytest.mark.parametrize("split", ["test", "validation"])
def test_misread_images_are_listed(split: str, cli: Cli, model: Path, small_dir: Path) -> None:
    how = ("evaluate", model, "--data-dir", small_dir, "--split", split, "--json")
    result = cli(*how, "--errors", "e.jsonl")
    assert result.exit_code == 0, result.stderr
    listed = [json.loads(line) for line in Path("e.jsonl").read_text().splitlines()]
    assert len(listed) == json.loads(result.stdout)["errors"]
    images = load_split("mnist", "test" if split == "test" else "train", small_dir)
    reader = Model.load(model)
    for error in listed:
        index = error["index"]
        (probabilities,) = reader.probabilities(images.images[index : index + 1])
        assert error["label"] == images.labels[index]
        assert error["reading"] == probabilities.argmax() != error["label"]
        assert error["probability"] == pytest.approx(probabilities.max(), rel=1e-4)
    assert cli(*how, "--errors", "e.csv").exit_code == 0
    header, *rows = Path("e.csv").read_text().splitlines()
    assert header == "index,label,reading,probability"
    assert [row.split(",")[0] for row in rows] == [str(error["index"]) for error in listed]


def test_the_list_of_errors_does_not_replace_the_model(
    cli: Cli, model: Path, small_dir: Path
) -> None:
    before = model.read_bytes()
    result = cli("evaluate", model, "--data-dir", small_dir, "--errors", f"./{model}")
    assert result.exit_code == 2
    assert "is a model that is read" in result.stderr
    assert model.read_bytes() == before


def test_the_confusion_matrix_makes_its_errors_seen(cli: Cli, model: Path, small_dir: Path) -> None:
    how = ("evaluate", str(model), "--data-dir", small_dir)
    matrix = json.loads(cli(*how, "--json").stdout)["confusion_matrix"]
    rows = [line.split() for line in cli(*how).stdout.splitlines()[-10:]]
    assert rows == [
        [str(digit), *(str(count or ".") for count in row)] for digit, row in enumerate(matrix)
    ]
    coloured = cli(*how, FORCE_COLOR="1").stdout
    red = [int(number) for number in re.findall(r"\x1b\[31m\x1b\[1m *(\d+)", coloured)]
    errors = [n for i, row in enumerate(matrix) for j, n in enumerate(row) if n and i != j]
    assert red == errors
