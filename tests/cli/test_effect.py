"""What would have no effect is refused: options, and variables that nobody reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Cli

from mnist_cli.errors import TrainingStoppedError
from mnist_cli.recipe import SETTINGS, Recipe
from mnist_cli.training.run import run


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--rotation", "5"], "--rotation has no effect without --augment affine or elastic"),
        (["--smoothness", "9"], "--smoothness has no effect without --augment elastic"),
        (
            ["--augment", "affine", "--displacement", "9"],
            "--displacement has no effect without --augment elastic",
        ),
        (["--checkpoint-every", "2"], "--checkpoint-every has no effect without --checkpoint"),
        (["--patience", "2"], "hold some out with --validation 10000"),
        (
            ["--dataset", "synthetic", "--data-dir", "."],
            "--data-dir has no effect without --dataset mnist",
        ),
    ],
)
def test_an_option_without_effect_is_refused_with_what_is_missing(
    options: list[str], sentence: str, cli: Cli
) -> None:
    result = cli("train", *options, "--print-config")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sentence in result.stderr


def test_every_strength_of_the_distortions_needs_them(cli: Cli) -> None:
    strengths = [setting for setting in SETTINGS.values() if setting.needs]
    assert len(strengths) == 6
    for strength in strengths:
        result = cli("train", f"--{strength.key}", "0.5", "--print-config")
        assert (result.exit_code, result.stdout) == (2, "")
        given = cli("train", f"--{strength.key}", "0.5", "--augment", "elastic", "--print-config")
        assert given.exit_code == 0


def test_a_variable_without_effect_is_refused_too(cli: Cli) -> None:
    result = cli("train", "--print-config", MNIST_CLI_TRAIN_ROTATION="5")
    assert result.exit_code == 2
    assert "--rotation has no effect" in result.stderr


def test_what_is_at_its_default_or_comes_from_a_config_is_not_refused(
    cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text("[train]\nrotation = 5.0\ncheckpoint-every = 3\n")
    assert cli("train", "--config", "c.toml", "--print-config").exit_code == 0
    (tmp_path / "d.toml").write_text('[train]\ndata-dir = "anywhere"\n')
    assert cli("train", "--config", "d.toml", "--dataset", "synthetic", "--out", "d").exit_code == 0
    default = ("--rotation", 12, "--checkpoint-every", 1, "--patience", 0)
    assert cli("train", *default, "--print-config").exit_code == 0
    how = ("--data-dir", small_dir, "--hidden", 2, "--epochs", 2, "-q")
    assert cli("train", *how, "--checkpoint", "c", "--checkpoint-every", 2).exit_code == 0
    again = cli("train", "--resume", "c", "--checkpoint-every", 2, *how)
    assert again.exit_code == 0, again.stderr


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("MNIST_CLI_TRAIN_HIDEN", "did you mean MNIST_CLI_TRAIN_HIDDEN?"),
        ("MNIST_CLI_TRAIN_BATCHSIZE", "did you mean MNIST_CLI_TRAIN_BATCH_SIZE?"),
        ("MNIST_CLI_DATADIR", "did you mean MNIST_CLI_DATA_DIR?"),
        (
            "MNIST_CLI_MOMENTUM",
            "did you mean MNIST_CLI_SWEEP_MOMENTUM or MNIST_CLI_TRAIN_MOMENTUM?",
        ),
        ("MNIST_CLI_GRADCHECK_TOLERANCES", "did you mean MNIST_CLI_GRADCHECK_TOLERANCE?"),
    ],
)
def test_a_variable_that_is_a_slip_is_refused_with_the_one_that_was_meant(
    variable: str, meant: str, cli: Cli
) -> None:
    result = cli("train", "--print-config", **{variable: "3"})
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == f"Error: No option is set by the variable {variable}: {meant}\n"


def test_other_variables_are_left_alone(cli: Cli) -> None:
    others = {"MNIST_CLI_TEST_DATA": "d", "MNIST_CLI_FAVOURITE": "7", "MNIST_CLI": "x"}
    result = cli("train", "--print-config", MNIST_CLI_TRAIN_HIDDEN="9", **others)
    assert result.exit_code == 0, result.stderr
    assert "hidden = 9\n" in result.stdout


def test_help_is_given_all_the_same(cli: Cli) -> None:
    assert cli("train", "--help", MNIST_CLI_TRAIN_HIDEN="3").exit_code == 0


def test_the_command_to_resume_with_has_no_option_without_effect(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[train]\ndata-dir = "anywhere"\n')
    told: list[object] = []
    with pytest.raises(TrainingStoppedError):
        run(
            *(Recipe(hidden=2, epochs=2), "synthetic"),
            checkpoint="c",
            watchers=[told.append],
            should_stop=lambda: bool(told),
        )
    unfinished = cli("train", "--config", "c.toml", "--dataset", "synthetic", "--checkpoint", "c")
    assert unfinished.exit_code == 2
    assert unfinished.stderr.endswith("with: mnist-cli train --resume c\n")
    assert cli("train", "--resume", "c").exit_code == 0
