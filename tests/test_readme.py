"""The commands of the README and of docs/ are run, and outputs compared: they cannot go stale."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from console import Files, blocks, compare, run

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TRAINED = {"README.md": 2, "docs/accuracy.md": 2, "docs/network.md": 1}
"""Documents whose commands are run on MNIST, and how many blocks of them there are."""

BLOCKS = blocks(README.read_text("utf-8"))
PYTHON = [block for block in BLOCKS if block.kind == "python"]
SOFTMAX = next(block for block in PYTHON if block.text.startswith("# layers.py"))
CI_SCRIPT = next(b.text for b in BLOCKS if b.kind == "sh" and "set -e" in b.text)


@pytest.mark.parametrize("name", TRAINED)
def test_every_output_is_what_the_command_prints(
    name: str, mnist_dir: Path, tmp_path: Path
) -> None:
    Files(tmp_path).write(SOFTMAX)
    shown = [b for b in blocks((ROOT / name).read_text("utf-8")) if b.kind == "console"]
    for block in shown:
        compare(block, tmp_path, MNIST_CLI_DATA_DIR=str(mnist_dir))
    assert len(shown) == TRAINED[name]


def test_the_fix_of_the_wrong_softmax_is_right(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write(SOFTMAX)
    files.write(next(block for block in PYTHON if block.text.startswith("    def backward")))
    result = run(["mnist-cli", "gradcheck", "layers.py:Softmax"], tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        ({"MNIST_CLI_TRAIN_EPOCHS": "4"}, 0),
        ({"MNIST_CLI_TRAIN_EPOCHS": "1", "MNIST_CLI_TRAIN_LR": "1e-9"}, 1),
        ({"MNIST_CLI_TRAIN_HIDDEN": "none"}, 2),
    ],
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
