"""The code of docs/python.md is run, and its models are those of the command."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import Cli

from mnist_cli import Recipe, errors
from mnist_cli.model import Model
from mnist_cli.nn import textbook

DOCS = Path(__file__).parents[1] / "docs" / "python.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", DOCS.read_text("utf-8"), re.DOTALL | re.MULTILINE)
SCRIPT = next(code for kind, code in BLOCKS if kind == "python" and "__main__" in code)


def test_the_ten_lines_give_the_models_of_the_command(
    cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    result = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=os.environ | {"MNIST_CLI_DATA_DIR": str(small_dir)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    data = ("--data-dir", small_dir, "-q", "--epochs", 2)
    for seed in (0, 1):
        out = f"command{seed}.npz"
        assert cli("train", *data, "--seed", seed, "--out", out).exit_code == 0
        assert Path(out).read_bytes() == Path(f"{seed}.npz").read_bytes()
    assert Path("model.npz").read_bytes() == Path("0.npz").read_bytes()
    assert cli("train", *data, "--checkpoint", "c", "--out", "two.npz").exit_code == 0
    resumed = cli("train", *data[:-2], "--resume", "c", "--epochs", 3, "--out", "three.npz")
    assert resumed.exit_code == 0, resumed.stderr
    assert Path("longer.npz").read_bytes() == Path("three.npz").read_bytes()
    accuracy = Model.load("model.npz").metadata["test_accuracy"]
    assert result.stdout.startswith(f"{accuracy:.2%} [")
    assert f"[{accuracy}, " in result.stdout.splitlines()[-1]


def test_the_sweep_in_the_docs_is_that_of_the_command(
    cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    script = next(code for kind, code in BLOCKS if kind == "python" and "plan(" in code)
    (tmp_path / "script.py").write_text(script)
    result = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=os.environ | {"MNIST_CLI_DATA_DIR": str(small_dir)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("{'hidden': 16} ")
    how = ("--data-dir", small_dir, "--epochs", 2, "--validation", 100)
    grid = ("--vary", "hidden=4,16", "--vary", "seed=0..1")
    assert "4 runs, 4 done already" in cli("sweep", *how, *grid).stderr


def test_the_script_has_ten_lines() -> None:
    lines = [line for line in SCRIPT.splitlines() if line.strip()]
    assert len([line for line in lines if not line.startswith(("from", "if"))]) <= 10


def test_the_textbook_in_the_docs_is_that_in_the_code() -> None:
    shown = next(code for kind, code in BLOCKS if kind == "python" and "optimizer.step" in code)
    assert textwrap.indent(shown, "    ") in inspect.getsource(textbook.train)


def test_the_error_in_the_docs_is_the_one_that_is_raised() -> None:
    with pytest.raises(errors.SettingsError) as caught:
        Recipe(dropout=2.0)
    assert f"mnist_cli.errors.SettingsError: {caught.value}\n" in DOCS.read_text("utf-8")
