"""The README's commands are run, and its outputs compared, so that they cannot go stale."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
CONSOLE = [block for kind, block in BLOCKS if kind == "console"]
PYTHON = [block for kind, block in BLOCKS if kind == "python"]
SOFTMAX = next(block for block in PYTHON if block.startswith("# layers.py"))
CI_SCRIPT = next(block for kind, block in BLOCKS if kind == "sh" and "set -e" in block)


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a shell would find it after an installation."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MNIST_CLI_")}
    return subprocess.run(
        command,
        cwd=folder,
        env=clean | {"PATH": path, "XDG_CACHE_HOME": str(folder / "cache")} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def without_numbers(text: str, command: str) -> list[str]:
    """Return the words of a text, with the numbers alike that differ from machine to machine.

    Training ends a little differently where additions are done in another order; of a gradient
    check, only the rounding errors do.
    """
    fractions = r"-?\d+\.\d+(e[+-]\d+)?|\d+e[+-]\d+"
    measured = fractions if "gradcheck" in command else rf"{fractions}|\d+"
    words = re.sub(measured, "0", text).split()
    # In the confusion matrix, no error is a dot.
    return ["0" if word == "." else word for word in words]


def test_every_output_in_the_readme_is_what_the_command_prints(
    mnist_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "layers.py").write_text(SOFTMAX)
    for block in CONSOLE:
        first, _, output = block.partition("\n")
        command = shlex.split(first.removeprefix("$ "))
        result = run(command, tmp_path, MNIST_CLI_DATA_DIR=str(mnist_dir))
        assert result.returncode == (1 if "Error:" in output else 0)
        assert without_numbers(result.stdout, first) == without_numbers(output, first)
    assert len(CONSOLE) == 4


def test_the_fix_of_the_wrong_softmax_is_right(tmp_path: Path) -> None:
    fix = next(block for block in PYTHON if block.startswith("    def backward"))
    head, _, _ = SOFTMAX.partition("    def backward")
    (tmp_path / "layers.py").write_text(head + fix)
    result = run(["mnist-cli", "gradcheck", "layers.py:Softmax"], tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("environment", "status"),
    [({}, 0), ({"MNIST_CLI_TRAIN_LR": "1e-9"}, 1), ({"MNIST_CLI_TRAIN_HIDDEN": "none"}, 2)],
    ids=["trained", "below the floor", "wrong usage"],
)
def test_the_script_for_ci_ends_with_the_status_that_it_should(
    environment: dict[str, str], status: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    script = (
        CI_SCRIPT.replace("--hidden 128", "")
        if "MNIST_CLI_TRAIN_HIDDEN" in environment
        else CI_SCRIPT
    )
    (tmp_path / "check.sh").write_text(script)
    data = {"MNIST_CLI_TRAIN_DATASET": "synthetic"}
    if os.environ.get("MNIST_CLI_TEST_DATA"):
        data = {"MNIST_CLI_DATA_DIR": str(request.getfixturevalue("mnist_dir"))}
    result = run(["sh", "check.sh"], tmp_path, **data, **environment)
    assert result.returncode == status, result.stdout


def test_the_set_up_commands_are_single_lines_that_make_their_own_environment() -> None:
    lines = [line for line in README.read_text("utf-8").splitlines() if line.startswith("python3")]
    assert len(lines) == 2
    assert all(line.startswith("python3 -m venv .venv && .venv/bin/pip install") for line in lines)
