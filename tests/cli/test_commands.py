"""The command line as a person or a script meets it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import pytest
from conftest import Cli, on_a_terminal, on_screen

from mnist_cli import __version__
from mnist_cli import cli as cli_package
from mnist_cli.cli.commands import commands_of
from mnist_cli.cli.main import main
from mnist_cli.nn.layers import ReLU, Softmax
from mnist_cli.training import run


def every_command(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its name, those in groups too: plot curves, say."""
    for name, command in commands_of(group).items():
        yield before + name, command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{before}{name} ")


COMMANDS = dict(every_command(main))


def every_option() -> Iterator[tuple[str, click.Option]]:
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, parameter


@pytest.fixture
def model(cli: Cli, trained_dir: Path) -> Path:
    """Return a model, of 900 images, with 100 held out."""
    return Path(shutil.copy(trained_dir / "model.npz", "."))


def test_each_command_has_a_file_of_its_own() -> None:
    files = {file.stem for file in Path(cli_package.__file__).parent.glob("*.py")}
    assert {"train", "evaluate", "gradcheck"} <= set(commands_of(main)) <= files


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", [[], *(name.split() for name in COMMANDS)])
def test_help_tells_of_every_option(command: list[str], flag: str, cli: Cli) -> None:
    result = cli(*command, flag)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: {' '.join(['mnist-cli', *command])}")


def test_every_command_and_option_has_a_help_text() -> None:
    assert all(command.help for command in COMMANDS.values())
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
        "arg": "reg=0.1",
        "gradcheck skip": "large-inputs",
        "vary": "seed=0..1 hidden=4,8",
    }
    needed = {"pack": ("pictures", "out"), "plot curves": ("log",), "plot sweep": ("runs",)}
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
        monkeypatch.setattr(COMMANDS[command], "callback", partial(dict.update, given))
        arguments = needed.get(command, ())
        assert cli(*command.split(), *arguments).exit_code == 0
        before = dict(given)
        variable = f"MNIST_CLI_{command}_{long_name}".upper().replace("-", "_").replace(" ", "_")
        assert cli(*command.split(), *arguments, **{variable: value}).exit_code == 0, variable
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
    assert "mean accuracy" in run.stderr
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
        (["train", "--schedule", "wavy"], ["--schedule", "one-cycle"]),
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
        (["train", "--dataset", "synthetic", "--hidden", "999999999"], ["--hidden", "read again"]),
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


def test_gradcheck_passes(cli: Cli) -> None:
    result = cli("gradcheck", "--hidden", 16, GITHUB_ACTIONS="true")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("All 34 checks passed")
    assert result.stderr == "", "on GitHub, nothing is annotated"


def test_gradcheck_as_json(cli: Cli) -> None:
    document = json.loads(cli("gradcheck", "--hidden", 16, "--json").stdout)
    assert document["passed"] is True
    assert document["tolerance"] == 1e-10
    keys = ["name", "formula", "method", "elements", "max_relative_error", "passed", "diagnosis"]
    keys += ["worst", "argument", "kind", "target", "explanation"]
    assert all(list(row) == keys for row in document["checks"] + document["wrong_answers"])
    assert all(row["passed"] for row in document["checks"])
    assert not any(row["passed"] for row in document["wrong_answers"])


def test_a_wrong_gradient_is_status_1(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Softmax, "backward", lambda self, dout: dout * self.s * (1 - self.s))
    result = cli("gradcheck", "--hidden", 4)
    assert result.exit_code == 1
    assert "FAIL" in result.stdout
    assert "checks failed: Softmax, to x" in result.stderr


def test_an_error_that_is_not_a_number_is_still_json(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReLU, "backward", lambda self, dout: dout * float("nan"))
    result = cli("gradcheck", "--hidden", 4, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout, parse_constant=pytest.fail)["passed"] is False


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


@pytest.mark.long
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
        folder = tmp_path / "here"
        folder.mkdir()
        line = (
            f"mnist-cli train --data-dir {small_dir} --epochs 100000 2>../told &"
            " until grep -q ' 1/100000' ../told; do sleep 0.1; done;"
            " kill -INT $(pgrep -P $!); wait $!"
        )
        result = in_a_shell(f"set -m; {line}", folder)
        assert result.returncode == 130
        told = (tmp_path / "told").read_text()
        assert "\nError: Interrupted in epoch " in told
        assert "with --checkpoint FILE" in told
        assert "Traceback" not in told
        assert list(folder.iterdir()) == []

    def test_a_bar_is_drawn_on_a_terminal_and_nowhere_else(
        self, small_dir: Path, tmp_path: Path
    ) -> None:
        command = ["train", "--data-dir", str(small_dir), "--hidden", "64", "--epochs", "300"]
        status, shown = on_a_terminal([*command, "--json"], tmp_path)
        assert status == 0
        assert re.search(rb"epoch \d+ of 300, loss 0\.\d{4} +\d+%\|", shown)
        assert b"300/300" in shown
        program = [sys.executable, "-m", "mnist_cli", *command[:-1], "2", "--force"]
        quiet = subprocess.run(program, cwd=tmp_path, capture_output=True, check=True)
        assert b"epoch 1 of" not in quiet.stderr

    def test_colour_is_for_terminals_and_for_those_who_want_it(self, tmp_path: Path) -> None:
        (tmp_path / "mine.py").write_text("def same(x): return x\ndef same_prime(x): return 1.0\n")
        command = ["gradcheck", "mine.py:same,same_prime"]
        assert b"\x1b[32m" in on_a_terminal(command, tmp_path)[1]
        assert b"\x1b[" not in on_a_terminal(command, tmp_path, NO_COLOR="1")[1]
        assert b"\x1b[" not in on_a_terminal(command, tmp_path, NO_COLOR="1", FORCE_COLOR="1")[1]
        line = "mnist-cli gradcheck mine.py:same,same_prime"
        assert "\x1b[" not in in_a_shell(line, tmp_path).stdout
        assert "\x1b[32m" in in_a_shell(line, tmp_path, FORCE_COLOR="1").stdout

    def test_ctrl_c_leaves_no_bar_above_its_sentence(self, small_dir: Path, tmp_path: Path) -> None:
        """The terminal writes ^C beside the bar, which must not wrap."""
        command = ["train", "--data-dir", str(small_dir), "--hidden", "64", "--epochs", "100000"]
        status, shown = on_a_terminal(command, tmp_path, interrupt=b" 9/100000 ")
        assert status == 130
        lines = on_screen(shown, 80)
        assert any("Error: Interrupted in epoch" in line for line in lines)
        assert not [line for line in lines if "%|" in line]
