"""What docs/pictures.md says is there, is there, and its commands and its Python are run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from mnist_cli.images import picture

pytestmark = pytest.mark.long

FOLDER = Path(__file__).parents[1] / "docs"
DOCS = (FOLDER / "pictures.md").read_text("utf-8")
SCRIPTS = re.findall(r"^```python\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^```sh\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)[0].splitlines()


def test_every_step_in_the_table_is_a_function_that_says_what_it_does() -> None:
    table = DOCS.partition("| step |")[2].partition("\n\n")[0]
    names = re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)
    assert len(names) == 10
    assert all(getattr(picture, name).__doc__ for name in names)


def test_the_python_in_the_docs_reads_a_picture(
    cli: Cli, small_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image_module = pytest.importorskip("PIL.Image")
    how = ("--hidden", 8, "--epochs", 1)
    assert cli("train", "--data-dir", small_dir, *how, "-q").exit_code == 0
    grey = np.full((200, 150), 240, np.uint8)
    grey[40:160, 70:82] = 30
    image_module.fromarray(grey).save("seven.jpg")
    exec(compile(SCRIPTS[0], "docs/pictures.md", "exec"), {})
    told = capsys.readouterr().out
    assert "centred by its mass" in told
    assert re.search(r"\[\d\]$", told)


def test_the_commands_in_the_docs_make_its_pictures(
    cli: Cli, small_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    for command in COMMANDS:
        program, *arguments = command.replace("10000", "100").split()
        assert program == "mnist-cli"
        result = cli(*arguments, MNIST_CLI_DATA_DIR=str(small_dir))
        assert result.exit_code == 0, result.stderr
    for image in re.findall(r"\]\(images/(\w+)\.(svg|png)\)", DOCS):
        name, kind = image
        assert (FOLDER / "images" / f"{name}.{kind}").exists()
        assert Path(f"{name}.{'svg' if kind == 'svg' else 'html'}").exists()
    capsys.readouterr()
    exec(compile(SCRIPTS[1], "docs/pictures.md", "exec"), {})
    assert re.fullmatch(r"(\d{4,} ?){3}\n", capsys.readouterr().out)


def test_the_pictures_in_the_docs_are_shown_and_small() -> None:
    shown = {f"{name}.{kind}" for name, kind in re.findall(r"images/(\w+)\.(svg|png)\)", DOCS)}
    there = {path.name: path.stat().st_size for path in (FOLDER / "images").iterdir()}
    assert set(there) == shown
    assert all(size < 400_000 for size in there.values())
