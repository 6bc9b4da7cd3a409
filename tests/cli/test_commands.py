"""The command line as a person or a script meets it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import numpy as np
import pytest
from conftest import Cli

from mnist_cli import __version__
from mnist_cli.cli.main import main
from mnist_cli.data import download
from mnist_cli.data.loading import load_split
from mnist_cli.data.sources import MNIST
from mnist_cli.evaluation import committee, measure
from mnist_cli.images.inputs import to_inputs
from mnist_cli.model import Model
from mnist_cli.nn.layers import ReLU, Softmax
from mnist_cli.training import run

COMMANDS = sorted(main.commands)


def every_option() -> Iterator[tuple[str, click.Option]]:
    for name, command in main.commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, parameter


@pytest.fixture
def model(cli: Cli, small_dir: Path) -> Path:
    """Return a model, of 900 images, with 100 held out."""
    result = cli(
        *("train", "--data-dir", small_dir, "--hidden", 16, "--epochs", 3, "--validation", 100),
        "-q",
    )
    assert result.exit_code == 0, result.stderr
    return Path("model.npz")


def test_there_are_five_commands() -> None:
    assert COMMANDS == ["download", "evaluate", "gradcheck", "show", "train"]


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_tells_of_every_option(command: list[str], flag: str, cli: Cli) -> None:
    result = cli(*command, flag)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: {' '.join(['mnist-cli', *command])}")


def test_every_command_and_option_has_a_help_text() -> None:
    assert all(command.help for command in main.commands.values())
    assert [option.name for _, option in every_option() if not option.help] == []


def test_every_option_has_its_environment_variable(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, small_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text("[train]\nhidden = 77\n")
    how = ("--hidden", 3, "--epochs", 1, "--data-dir", small_dir)
    assert cli("train", *how, "--checkpoint", tmp_path / "k").exit_code == 0
    samples = {
        "config": "c.toml",
        "resume": str(tmp_path / "k"),
        "download from": str(tmp_path),
        "train from": "model.npz",
        "mirror": "http://h/",
        "shape": "3,4",
    }
    for command, option in every_option():
        long_name = max(option.opts, key=len).removeprefix("--")
        value = samples.get(long_name) or samples.get(f"{command} {long_name}")
        if value is None:
            choices = getattr(option.type, "choices", None)
            value = "1" if option.is_flag else "0.125"
            if choices:
                value = next(choice for choice in choices if choice != option.default)
            value = "12" if "whole number" in option.type.name else value
        given: dict[str, object] = {}
        monkeypatch.setattr(main.commands[command], "callback", partial(dict.update, given))
        assert cli(command).exit_code == 0
        before = dict(given)
        variable = f"MNIST_CLI_{command}_{long_name}".upper().replace("-", "_")
        assert cli(command, **{variable: value}).exit_code == 0, variable
        assert given != before, variable


def test_the_version_is_told(cli: Cli) -> None:
    assert cli("--version").stdout == f"mnist-cli, version {__version__}\n"


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_load_neither_numpy_nor_requests(flag: str) -> None:
    code = (
        "import sys; from mnist_cli.cli.main import main\n"
        f"try: main(['{flag}'])\n"
        "except SystemExit as exit: assert not exit.code\n"
        "assert not {'numpy', 'requests', 'tqdm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_python_m_is_the_same_program(small_dir: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mnist_cli"]
    run = subprocess.run([*command, "--nonsense"], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith("Error: No such option")
    assert "mnist-cli --help" in run.stderr
    arguments = ["train", "--data-dir", str(small_dir), "--hidden", "4", "--epochs", "1", "--json"]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0
    assert json.loads(run.stdout)["hidden"] == 4
    assert "training accuracy" in run.stderr
    assert "\r" not in run.stderr, "a bar was drawn where there is no terminal"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nonsense"], ["--nonsense"]),
        (["trian"], ["trian"]),
        (["train", "--hiden", "3"], ["--hiden", "--hidden"]),
        (["train", "--hidden", "0"], ["--hidden", "at least 1"]),
        (["train", "--hidden", "many"], ["--hidden", "'many'"]),
        (["train", "--lr", "0"], ["--lr", "above 0"]),
        (["train", "--momentum", "1"], ["--momentum", "below 1"]),
        (["train", "--schedule", "linear"], ["--schedule", "one-cycle"]),
        (["train", "--patience", "2"], ["--patience 2", "--validation"]),
        (["train", "--out", "no/model.npz"], ["no/model.npz", "no folder"]),
        (["train", "--out", "."], ["--out", "directory"]),
        (["train", "--dataset", "synthetic", "-q", "--log", "no/l"], ["--log", "no/l"]),
        (["train", "--config", "nonsense"], ["nonsense", "default"]),
        (["train", "--config", "n" * 300], ["n" * 300, "default"]),
        (["train", "--lr", "nan"], ["--lr", "that is finite"]),
        (["train", "--weight-decay", "inf"], ["--weight-decay", "that is finite"]),
        (["train", "--data-dir", ""], ["--data-dir", "empty"]),
        (["train", "--log", "m", "--out", "m"], ["--log", "--out"]),
        (["train", "--dataset", "synthetic", "-q", "--hidden", "999999999"], ["memory"]),
        (["gradcheck", "--hidden", "999999999"], ["memory"]),
        (["gradcheck", "--tolerance", "nan"], ["--tolerance"]),
        (["evaluate", "--min-accuracy", "nan"], ["--min-accuracy"]),
        (["evaluate"], ["model.npz", "mnist-cli train"]),
        (["evaluate", "--min-accuracy", "98"], ["--min-accuracy", "0<=x<=1"]),
        (["gradcheck", "--batch-size", "0"], ["--batch-size"]),
        (["gradcheck", "extra"], ["extra"]),
        (["download", "--from", "missing"], ["--from", "missing"]),
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2(
    arguments: list[str], words: list[str], cli: Cli
) -> None:
    result = cli(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("Error: ")
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["evaluate", "--json"], 2),
        (["evaluate", "--json", "--no-such-option"], 2),
        (["evaluate", "--no-such-option", "--json"], 2),
        (["train", "--json", "--hidden", "many"], 2),
        (["train", "--json", "--resume", "nowhere"], 2),
        (["train", "--json", "--config", "nowhere"], 2),
        (["train", "--json", "--dataset", "synthetic", "--hidden", "999999999"], 2),
        (["download", "--json", "--from", "."], 2),
        (["gradcheck", "--json", "nowhere.py:X"], 2),
    ],
)
def test_with_json_a_failure_is_a_document_and_the_sentence(
    arguments: list[str], status: int, cli: Cli
) -> None:
    result = cli(*arguments)
    assert result.exit_code == status
    error = json.loads(result.stdout)["error"]
    assert result.stderr.endswith(f"Error: {error}\n")


def test_a_check_that_says_no_prints_its_one_document(
    cli: Cli, model: Path, small_dir: Path
) -> None:
    options = ("--data-dir", small_dir, "--json", "--min-accuracy", 1)
    result = cli("evaluate", model, *options)
    assert result.exit_code == 1
    assert "error" not in json.loads(result.stdout)
    diverged = cli("train", "--data-dir", small_dir, "--lr", 1e6, "--json", "--out", "d.npz")
    assert diverged.exit_code == 1
    assert "diverged" in json.loads(diverged.stdout)["error"]


def test_json_may_be_asked_for_by_the_environment(cli: Cli) -> None:
    result = cli("evaluate", MNIST_CLI_EVALUATE_JSON="1")
    assert json.loads(result.stdout)["error"]


def test_a_wrong_environment_variable_is_named(cli: Cli) -> None:
    for name in ("HIDDEN", "LR"):
        result = cli("train", **{f"MNIST_CLI_TRAIN_{name}": "many"})
        assert result.exit_code == 2
        assert f"MNIST_CLI_TRAIN_{name}" in result.stderr


def test_train_prints_the_result_on_stdout_and_epochs_on_stderr(cli: Cli, small_dir: Path) -> None:
    result = cli("train", "--data-dir", small_dir, "--hidden", 16, "--epochs", 2)
    assert result.exit_code == 0
    first, *epochs = result.stderr.splitlines()
    assert first == (
        "mnist: 1,000 images · 784-16-10, 12,730 parameters · sgd, one-cycle, lr 0.3 · seed 0"
    )
    assert [line.split("  ")[0] for line in epochs] == ["epoch 1/2", "epoch 2/2"]
    rows = [re.split("  +", line) for line in result.stdout.splitlines()]
    assert [name for name, _ in rows] == [
        *("test accuracy", "test loss", "test errors", "tested on", "model", "time"),
    ]
    assert dict(rows)["tested on"] == "the test images of mnist"
    assert dict(rows)["model"] == "model.npz"
    quiet = cli("train", "--data-dir", small_dir, "--hidden", 16, "--epochs", 2, "--quiet")
    assert quiet.stderr == ""
    assert quiet.stdout.splitlines()[:-1] == result.stdout.splitlines()[:-1]


def test_train_as_json(cli: Cli, small_dir: Path, tmp_path: Path) -> None:
    result = cli(
        *("train", "--data-dir", small_dir, "--epochs", 2, "--validation", 100, "--seed", 4),
        *("--out", "m.npz", "--log", "log.jsonl", "--json"),
    )
    document = json.loads(result.stdout)
    assert list(document) == [
        *("model", "dataset", "hidden", "parameters", "seed", "epochs", "train_seconds"),
        *("seconds", "test_images", "test_accuracy", "test_loss", "history"),
    ]
    assert document["model"] == "m.npz"
    assert document["dataset"] == "mnist"
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
    monkeypatch.setattr(download, "MNIST", nowhere)
    result = cli("train", "--data-dir", "data", "--quiet")
    assert result.exit_code == 2
    assert "--from" in result.stderr
    assert "--dataset synthetic" in result.stderr
    assert not (tmp_path / "model.npz").exists()


def test_evaluate_as_a_person_reads_it(cli: Cli, model: Path, small_dir: Path) -> None:
    result = cli("evaluate", "--data-dir", small_dir)
    assert result.exit_code == 0
    assert "200 of mnist, test" in result.stdout
    assert "precision" in result.stdout
    assert result.stderr == ""


def test_evaluate_as_json(cli: Cli, model: Path, small_dir: Path) -> None:
    result = cli("evaluate", model, "--data-dir", small_dir, "--json")
    document = json.loads(result.stdout)
    assert list(document) == [
        *("models", "dataset", "split", "views", "examples", "accuracy", "loss", "errors"),
        *("confusion_matrix", "per_class"),
    ]
    assert document["models"] == [{"path": "model.npz", "accuracy": document["accuracy"]}]
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
    assert json.loads(result.stdout)["examples"] == 10_000


def test_gradcheck_passes(cli: Cli) -> None:
    result = cli("gradcheck", "--hidden", 16)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("All 26 checks passed")
    assert result.stderr == ""


def test_gradcheck_as_json(cli: Cli) -> None:
    document = json.loads(cli("gradcheck", "--json").stdout)
    assert document["passed"] is True
    assert document["tolerance"] == 1e-10
    keys = ["name", "formula", "method", "elements", "max_relative_error", "passed", "diagnosis"]
    keys += ["worst", "explanation"]
    assert all(list(row) == keys for row in document["checks"] + document["wrong_answers"])
    assert all(row["passed"] for row in document["checks"])
    assert not any(row["passed"] for row in document["wrong_answers"])


def test_a_wrong_gradient_is_status_1(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Softmax, "backward", lambda self, dout: dout * self.s * (1 - self.s))
    result = cli("gradcheck", "--hidden", 4)
    assert result.exit_code == 1
    assert "FAIL" in result.stdout
    assert "checks failed: Softmax, to x" in result.stderr
    document = json.loads(cli("gradcheck", "--hidden", 4, "--json").stdout)
    assert document["passed"] is False


def test_an_error_that_is_not_a_number_is_still_json(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReLU, "backward", lambda self, dout: dout * float("nan"))
    result = cli("gradcheck", "--hidden", 4, "--json")
    assert result.exit_code == 1
    json.loads(result.stdout, parse_constant=pytest.fail)


def test_ctrl_c_is_status_130_without_a_traceback(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, small_dir: Path
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "train", interrupt)
    result = cli("train", "--data-dir", small_dir)
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr


def in_a_shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, in which mnist-cli is the program of this environment."""
    program = f'mnist-cli() {{ {sys.executable} -m mnist_cli "$@"; }}; set -o pipefail\n'
    return subprocess.run(
        ["bash", "-c", program + line],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        errors="replace",
    )


def on_a_terminal(arguments: list[str], folder: Path, **environment: str) -> tuple[int, bytes]:
    """Return the status of the program, and what a terminal shows of it, output and errors."""
    import fcntl
    import pty
    import struct
    import termios

    command = [sys.executable, "-m", "mnist_cli", *arguments]
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    variables = os.environ | environment
    with subprocess.Popen(command, cwd=folder, env=variables, stdout=end, stderr=end) as run:
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal is gone when the program is
            while piece := os.read(terminal, 4096):
                shown += piece
    os.close(terminal)
    return run.returncode, shown


@pytest.mark.skipif(os.name != "posix", reason="needs bash")
class TestInAShell:
    def test_a_closed_pipe_ends_quietly(self, tmp_path: Path) -> None:
        result = in_a_shell("mnist-cli gradcheck --hidden 4 | true", tmp_path)
        assert result.stderr == ""
        assert result.returncode in (0, 141)  # 0 if it was done before the reader was gone

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
    def test_a_full_disk_is_one_sentence(self, tmp_path: Path) -> None:
        result = in_a_shell("mnist-cli gradcheck --hidden 4 > /dev/full", tmp_path)
        assert result.returncode == 2
        assert result.stderr == "Error: The output cannot be written: No space left on device.\n"

    def test_an_encoding_without_our_symbols_is_no_obstacle(self, tmp_path: Path) -> None:
        result = in_a_shell("mnist-cli gradcheck --hidden 4", tmp_path, PYTHONIOENCODING="latin1")
        assert result.returncode == 0, result.stderr

    def test_ctrl_c_ends_training_with_its_status_and_no_model(
        self, small_dir: Path, tmp_path: Path
    ) -> None:
        line = (
            f"mnist-cli train --data-dir {small_dir} --epochs 100000 & sleep 2;"
            " kill -INT $(pgrep -P $!); wait $!"
        )
        result = in_a_shell(f"set -m; {line}", tmp_path)
        assert result.returncode == 130
        assert "\nError: Interrupted in epoch " in result.stderr
        assert "with --checkpoint FILE" in result.stderr
        assert "Traceback" not in result.stderr
        assert list(tmp_path.iterdir()) == []

    def test_a_bar_is_drawn_on_a_terminal_and_nowhere_else(
        self, small_dir: Path, tmp_path: Path
    ) -> None:
        command = ["train", "--data-dir", str(small_dir), "--hidden", "64", "--epochs", "300"]
        status, shown = on_a_terminal([*command, "--json"], tmp_path)
        assert status == 0
        assert re.search(rb"epoch \d+ of 300, loss 0\.\d{4} +\d+%\|", shown)
        assert b"epoch 300/300" in shown
        program = [sys.executable, "-m", "mnist_cli", *command[:-1], "2", "--force"]
        quiet = subprocess.run(program, cwd=tmp_path, capture_output=True, check=True)
        assert b"epoch 1 of" not in quiet.stderr

    def test_colour_is_for_terminals_and_for_those_who_want_it(self, tmp_path: Path) -> None:
        command = ["gradcheck", "--hidden", "4"]
        assert b"\x1b[32m" in on_a_terminal(command, tmp_path)[1]
        assert b"\x1b[" not in on_a_terminal(command, tmp_path, NO_COLOR="1")[1]
        assert "\x1b[" not in in_a_shell("mnist-cli gradcheck --hidden 4", tmp_path).stdout
