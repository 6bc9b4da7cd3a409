"""``mnist-cli show``: what is in a model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import Cli

from mnist_cli.model import Model


@pytest.fixture
def model(cli: Cli, small_dir: Path) -> Path:
    how = ("--hidden", 4, "--epochs", 2, "--validation", 100, "--optimizer", "adam")
    result = cli("train", "--data-dir", small_dir, *how, "-q")
    assert result.exit_code == 0, result.stderr
    return Path("model.npz")


def test_layers_recipe_data_and_history_are_shown(cli: Cli, model: Path) -> None:
    result = cli("show")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [re.split(r" {2,}", line) for line in result.stdout.splitlines()]
    assert ["network", "784-4-10, 3,190 parameters"] in lines
    assert ["trained on", "data in the form of mnist"] in lines
    assert ["1, relu", "W1", "784 × 4", "3,136"] in lines
    assert ["", "b2", "10", "10"] in lines
    marked = {line[0]: line[2] for line in lines if len(line) == 3 and line[2].startswith("*")}
    assert marked == {
        "hidden": "* default 128",
        "epochs": "* default 10",
        "optimizer": "* default sgd",
        "validation": "* default 0",
    }
    assert ["lr", "0.004"] in lines
    digest = Model.load(model).metadata["data"]["train-images-idx3-ubyte.gz"]
    assert ["train-images-idx3-ubyte.gz", digest] in lines
    assert [line[1] for line in lines[-2:]] == ["1", "2"], "a row for each epoch"
    history = result.stdout.splitlines()[-3:]
    assert history[0].startswith("epoch")
    assert max(map(len, history)) <= 80


def test_a_script_gets_the_same_as_json(cli: Cli, model: Path) -> None:
    document = json.loads(cli("show", model, "--json").stdout)
    assert list(document) == [
        *("model", "parameters", "dtype", "layers", "recipe", "changed", "metadata", "history"),
    ]
    loaded = Model.load(model)
    assert loaded.recipe
    assert document["layers"] == {"W1": [784, 4], "b1": [4], "W2": [4, 10], "b2": [10]}
    assert document["recipe"] == loaded.recipe.to_dict()
    assert document["changed"] == loaded.recipe.changed()
    assert document["metadata"] == loaded.metadata
    assert document["history"] == [epoch.to_dict() for epoch in loaded.history]


def test_of_bare_arrays_no_recipe_is_known(cli: Cli, model: Path) -> None:
    Model.load(model).save("arrays.npz", format="arrays")
    result = cli("show", "arrays.npz")
    assert result.exit_code == 0
    assert "not known" in result.stdout
    assert json.loads(cli("show", "arrays.npz", "--json").stdout)["recipe"] is None


def test_what_is_no_model_is_one_sentence(cli: Cli) -> None:
    Path("x").write_text("x")
    result = cli("show", "x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: x is not a model")
