from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import Cli, copy_packed

from mnist_cli.cli.config import config_keys
from mnist_cli.cli.train import train
from mnist_cli.config import config_folder, find_config, read_config
from mnist_cli.errors import ConfigError
from mnist_cli.model import Model
from mnist_cli.recipe import Recipe

Trained = Callable[..., dict[str, object]]
READY_MADE = sorted(config_folder().glob("*.toml"))


@pytest.fixture
def trained(cli: Cli, small_dir: Path) -> Trained:
    """Return a function that trains as it is told, and returns the recipe in the model file."""

    def run(*arguments: object, **environment: str) -> dict[str, object]:
        result = cli("train", "--data-dir", small_dir, "-q", "--force", *arguments, **environment)
        assert result.exit_code == 0, result.stderr
        recipe = Model.load("model.npz").recipe
        assert recipe
        return recipe.to_dict()

    return run


def test_a_flag_beats_the_environment_beats_the_config_beats_the_default(
    trained: Trained, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text("[train]\nhidden = 3\nepochs = 1\n")
    config = ("--config", "c.toml")
    environment = {"MNIST_CLI_TRAIN_HIDDEN": "4"}
    assert trained("--epochs", 1)["hidden"] == 128
    assert trained(*config)["hidden"] == 3
    assert trained(*config, **environment)["hidden"] == 4
    assert trained(*config, "--hidden", 5, **environment)["hidden"] == 5
    assert trained(*config)["epochs"] == 1


def test_what_a_config_switches_on_a_flag_switches_off(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[train]\nhidden = 3\nepochs = 1\ndeskew = true\n")
    assert trained("--config", "c.toml")["deskew"] is True
    assert trained("--config", "c.toml", "--no-deskew")["deskew"] is False
    assert trained("--config", "c.toml", MNIST_CLI_TRAIN_DESKEW="no")["deskew"] is False


def test_every_option_of_training_is_a_key_with_hyphens_or_underscores(tmp_path: Path) -> None:
    keys = config_keys(train)
    examples = {bool: "true", int: "3", float: "1", str: '"x"'}
    for joined in "-", "_":
        lines = [f"{k.replace('-', joined)} = {examples[kind]}" for k, (_, kind) in keys.items()]
        (tmp_path / "c.toml").write_text("\n".join(["[train]", *lines]))
        values = read_config(tmp_path / "c.toml", keys)
        assert {name for name, _ in keys.values()} == set(values)
        assert (values["weight_decay"], values["data_dir"], values["seed"]) == (1, "x", 3)


def test_the_default_config_is_what_is_built_in() -> None:
    table = tomllib.loads(find_config("default").read_text())["train"]
    built_in = {field.name: getattr(Recipe(), field.name) for field in fields(Recipe)}
    names = {"lr": "learning_rate"}
    assert table
    for key, value in table.items():
        assert value == built_in[names.get(key, key.replace("-", "_"))], key


@pytest.mark.parametrize("path", READY_MADE, ids=lambda path: path.stem)
def test_a_ready_made_config_can_be_used_by_its_name(path: Path, cli: Cli, small_dir: Path) -> None:
    result = cli(
        "train", "--config", path.stem, "--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "-q"
    )
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[train]\nhiden = 3\n", ["'hiden'", "'hidden'"]),
        ("[train]\nlearning_rate = 0.1\n", ["'learning_rate'", "did you mean 'lr'"]),
        ("[train]\nbatchsize = 3\n", ["'batchsize'", "'batch-size'"]),
        ("[train]\nconfig = 'other'\n", ["'config'", "the keys are dataset, data-dir"]),
        ("[train]\nbatch-size = 3\nbatch_size = 4\n", ["twice"]),
        ("[train]\nlr = nan\n", ["--lr", "that is finite"]),
        ("[[train]]\nhidden = 3\n", ["one table, [train]"]),
        ("hidden = 3\n", ["'hidden' at the top", "[train]"]),
        ("[evaluate]\nsplit = 'test'\n", ["'evaluate' at the top"]),
        ("train = 3\n", ["'train' at the top"]),
        ("[train]\nhidden = '3'\n", ["hidden = '3'", "a whole number"]),
        ("[train]\nhidden = 3.0\n", ["a whole number"]),
        ("[train]\nhidden = true\n", ["a whole number"]),
        ("[train]\nlr = true\n", ["a number"]),
        ("[train]\noptimizer = 1\n", ["a string in quotes"]),
        ("[train]\nquiet = 1\n", ["true or false"]),
        ("[train]\nhidden = [3]\n", ["a whole number"]),
        ("[train]\nhidden = 0\n", ["--hidden", "at least 1", "c.toml"]),
        ("[train]\noptimizer = 'sdg'\n", ["--optimizer", "'sdg'", "c.toml"]),
        ("[train\n", ["not valid TOML"]),
        ("\xff", ["not valid TOML"]),
        ("[train]\nout = 'a\\u0000b'\n".replace("'", '"'), ["out with a null character"]),
        (f"[train]\nlr = 1{'0' * 400}\n", ["lr of more than 64 bits"]),
        (f"[train]\nout = 0x1{'0' * 5000}\n", ["out of more than 64 bits"]),
        (f"[train]\nseed = 1{'0' * 5000}\n", ["not valid TOML"]),
        (f"[train]\n{'.'.join('a' * 20_000)} = 1\n", ["longer than 8,192 bytes"]),
    ],
)
def test_a_config_that_is_wrong_is_one_sentence_that_names_it(
    text: str, words: list[str], cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_bytes(text.encode("latin-1"))
    result = cli("train", "--config", "c.toml", "--data-dir", small_dir)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    for word in [*words, "c.toml"]:
        assert word in result.stderr
    assert result.stdout == ""


def test_a_config_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no config nonsense.*\bdefault\b"):
        find_config("nonsense")


def test_a_tilde_is_a_home_in_an_option_a_variable_and_a_config(
    cli: Cli, small_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shell leaves it alone there; and no folder is made that is called so."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    copy_packed(small_dir, home / "m")
    (home / "t.toml").write_text(
        '[train]\ndata-dir = "~/m"\nout = "~/c.npz"\nlog = "~/l"\ncheckpoint = "~/c"\nepochs = 1\n'
    )
    short = ("--hidden", 2, "--epochs", 1)
    runs: list[tuple[tuple[object, ...], dict[str, str]]] = [
        (("train", *short, "--data-dir=~/m", "--out=~/o.npz"), {}),
        (("train", *short), {"MNIST_CLI_TRAIN_DATA_DIR": "~/m", "MNIST_CLI_TRAIN_OUT": "~/v.npz"}),
        (("train", *short, "--out=~/d.npz"), {"MNIST_CLI_DATA_DIR": "~/m"}),
        (("train", "--hidden", 2, "--config=~/t.toml"), {}),
        (("train", "--data-dir=~/m", "--resume=~/c", "--out=~/r.npz"), {}),
        (("train", *short, "--data-dir=~/m", "--from=~/o.npz", "--out=~/f.npz"), {}),
        (("evaluate", "~/o.npz", "--data-dir=~/m", "--errors=~/e.csv"), {}),
        (("predict", "--model=~/o.npz", "--index=0", "--data-dir=~/m"), {}),
        (("show", "~/o.npz"), {}),
    ]
    for arguments, variables in runs:
        result = cli(*arguments, **variables)
        assert result.exit_code == 0, result.stderr
    made = {"o.npz", "v.npz", "d.npz", "c.npz", "l", "c", "r.npz", "f.npz", "e.csv"}
    assert made <= {path.name for path in home.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
