"""The notebook of the docs runs, cell by cell, as a reader would run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mnist_cli.gradcheck.report import Checks

NOTEBOOK = Path(__file__).parents[1] / "docs" / "first-look.ipynb"


def last_value(source: str, names: dict[str, Any]) -> Any:
    """Run a cell, and return what a notebook would show of it: the value of its last line."""
    *before, last = source.rstrip("\n").split("\n")
    try:
        shown = compile(last, "cell", "eval")
    except SyntaxError:
        exec(compile(source, "cell", "exec"), names)
        return None
    exec(compile("\n".join(before), "cell", "exec"), names)
    return eval(shown, names)


def test_the_notebook_runs_and_shows_what_it_says(
    small_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = pytest.importorskip("matplotlib.figure")
    monkeypatch.setenv("MNIST_CLI_DATA_DIR", str(small_dir))
    document = json.loads(NOTEBOOK.read_text("utf-8"))
    cells = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells), "outputs are the reader's"
    names: dict[str, Any] = {"__name__": "__main__"}
    values = [last_value("".join(cell["source"]), names) for cell in cells]
    wrong, right, accuracy, weights, errors = values
    assert isinstance(wrong, Checks)
    assert isinstance(right, Checks)
    assert not wrong.passed
    assert right.passed
    assert accuracy.endswith(" test images")
    for figure in (weights, errors):
        assert isinstance(figure, figures.Figure)
        assert figure._repr_svg_().startswith("<?xml")  # what a notebook shows
