"""The recipe checks itself, in the words of its settings."""

from __future__ import annotations

import pickle
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_cli.cli.config import config_keys
from mnist_cli.cli.train import train
from mnist_cli.config import config_folder
from mnist_cli.errors import ConfigError, SettingsError
from mnist_cli.nn.optimizers import OPTIMIZERS
from mnist_cli.recipe import COMMAND_KEYS, LEARNING_RATES, SETTINGS, Recipe
from mnist_cli.settings import as_markdown

READY_MADE = sorted(file.stem for file in config_folder().glob("*.toml"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"dropout": 2.0}, "`dropout` is 2.0, but must be at least 0 and below 1."),
        ({"dropout": float("nan")}, "must be a number that is finite"),
        ({"dropout": "0.1"}, "must be a number"),
        ({"augment": "rubber"}, "`augment` is 'rubber', but must be one of none, affine, elastic."),
        ({"epochs": 0}, "`epochs` is 0, but must be at least 1"),
        ({"epochs": 2.0}, "`epochs` is 2.0, but must be a whole number"),
        ({"epochs": True}, "must be a whole number"),
        ({"optimizer": "rmsprop"}, "`optimizer` is 'rmsprop', but must be one of sgd, adam, muon."),
        ({"optimizer": None}, "`optimizer` is None, but must be one of sgd, adam, muon."),
        ({"hidden": -1}, "`hidden` is -1, but must be at least 1"),
        ({"learning_rate": 0}, "`learning_rate` is 0, but must be above 0"),
        ({"learning_rate": 10**400}, "must be a number that is finite"),
        ({"deskew": 1}, "`deskew` is 1, but must be true or false"),
        ({"digit_width": 29}, "at least 0 and at most 28"),
        ({"seed": -1}, "`seed` is -1"),
        ({"hidden": 10**5000}, "`hidden` is of type int, but must be at least 1 and at most"),
        ({"dropout": np.zeros((2, 2))}, "`dropout` is array([[0., 0.], [0., 0.]]), but must be"),
        ({"dropout": np.array("x")}, "must be a number that is finite"),
        ({"augment": "x" * 1000}, "x…, but must be one of none, affine, elastic."),
        ({"patience": 3}, "hold some out with `validation` 10000."),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_its_name(
    settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Recipe(**settings)
    assert sentence in str(caught.value)


def test_numbers_of_any_type_are_taken_and_kept_as_the_settings_own() -> None:
    recipe = Recipe(
        hidden=np.int64(5),  # type: ignore[arg-type]
        learning_rate=1,
        dropout=np.float32(0.5),  # type: ignore[arg-type]
        deskew=np.True_,  # type: ignore[arg-type]
    )
    assert [type(value) for value in recipe.to_dict().values()] == [
        setting.kind for setting in SETTINGS.values()
    ]
    assert recipe == Recipe(hidden=5, learning_rate=1.0, dropout=0.5, deskew=True)


def test_each_optimizer_has_a_learning_rate_of_its_own() -> None:
    assert list(LEARNING_RATES) == list(OPTIMIZERS)
    for optimizer, rate in LEARNING_RATES.items():
        assert Recipe(optimizer=optimizer).learning_rate == rate
    assert Recipe(optimizer="adam", learning_rate=0.5).learning_rate == 0.5


def test_every_field_is_a_setting_that_says_what_it_does() -> None:
    assert list(SETTINGS) == [field.name for field in fields(Recipe)]
    for setting in SETTINGS.values():
        assert setting.help.endswith(".")
        assert setting.group
        if setting.needs:
            other, values = setting.needs
            assert getattr(Recipe, other) not in values


def test_a_recipe_comes_back_from_a_dictionary_a_config_and_a_pickle(tmp_path: Path) -> None:
    recipe = Recipe(hidden=7, optimizer="adam", augment="elastic", learning_rate=1e-7, deskew=True)
    (tmp_path / "c.toml").write_text(recipe.to_toml())
    assert Recipe.from_toml(tmp_path / "c.toml") == recipe
    assert Recipe.from_toml(str(tmp_path / "c.toml")) == recipe
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert Recipe.from_dict({"hidden": 3}) == Recipe(hidden=3)


def test_an_unknown_setting_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(SettingsError, match="no setting 'hiden': did you mean `hidden`"):
        Recipe.from_dict({"hiden": 3})
    with pytest.raises(SettingsError, match="no setting 'zzz': there are hidden, epochs"):
        Recipe.from_dict({"zzz": 3})


def test_what_differs_from_the_default_is_told() -> None:
    assert Recipe().changed() == {}
    assert Recipe(optimizer="adam").changed() == {"optimizer": "adam"}
    assert Recipe(seed=3, learning_rate=1).changed() == {"seed": 3, "learning_rate": 1.0}


def test_a_config_is_read_without_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[train]\nhidden = 3\nlr = 1\ndata-dir = "d"\nlog = "l"\nquiet = true\n')
    assert Recipe.from_toml(path) == Recipe(hidden=3, learning_rate=1.0)
    path.write_text("[train]\nhiden = 3\n")
    with pytest.raises(ConfigError, match="did you mean 'hidden'"):
        Recipe.from_toml(path)
    path.write_text("[train]\ndropout = 3\n")
    with pytest.raises(SettingsError, match="`dropout` is 3"):
        Recipe.from_toml(path)


@pytest.mark.parametrize("name", READY_MADE)
def test_a_ready_made_config_is_read_by_its_name(name: str) -> None:
    table = tomllib.loads((config_folder() / f"{name}.toml").read_text())["train"]
    settings = Recipe.from_toml(name).to_dict()
    keys = {setting.key: setting.name for setting in SETTINGS.values()}
    assert {key: settings[keys[key]] for key in table} == table


def test_the_docs_have_every_setting() -> None:
    docs = Path(__file__).parents[1] / "docs" / "settings.md"
    _, _, table = docs.read_text("utf-8").partition("\n\n| ")
    assert f"| {table}" == as_markdown(SETTINGS.values())
    assert all(f"{rate}" in docs.read_text("utf-8") for rate in LEARNING_RATES.values())


def test_a_config_may_have_what_the_command_takes_and_nothing_else() -> None:
    assert set(config_keys(train)) == {s.key for s in SETTINGS.values()} | set(COMMAND_KEYS)
