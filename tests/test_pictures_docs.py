"""What docs/pictures.md says is there, is there, and its Python is run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from mnist_cli.images import picture

DOCS = (Path(__file__).parents[1] / "docs" / "pictures.md").read_text("utf-8")


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
    (script,) = re.findall(r"^```python\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)
    exec(compile(script, "docs/pictures.md", "exec"), {})
    told = capsys.readouterr().out
    assert "centred by its mass" in told
    assert re.search(r"\[\d\]$", told)
