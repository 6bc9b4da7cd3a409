"""``mnist-cli draw``, as a person and as a script meet it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import Cli


@pytest.fixture
def model(cli: Cli, trained_dir: Path) -> Path:
    return Path(shutil.copy(trained_dir / "model.npz", "."))


def test_a_page_is_made_of_a_model(cli: Cli, model: Path) -> None:
    result = cli("draw")
    assert (result.exit_code, result.stderr) == (0, "")
    page = Path("draw.html")
    assert result.stdout == f"draw.html  {page.stat().st_size / 1000:.0f} kB\n"
    first = page.read_bytes()
    assert b"784-16-10 units, trained on data in the form of mnist" in first
    document = json.loads(cli("draw", model, "--out", "other.html", "--json").stdout)
    assert document == {"out": "other.html", "bytes": len(first), "model": "model.npz"}
    assert Path("other.html").read_bytes() == first, "the same model makes the same page"


def test_a_page_is_written_over_and_nothing_else(cli: Cli, model: Path) -> None:
    assert cli("draw").exit_code == 0
    assert cli("draw").exit_code == 0
    Path("essay.html").write_text("mine")
    result = cli("draw", "--out", "essay.html")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: essay.html is there already, and was not made by this command: name another --out, "
        "or replace it with --force.\n"
    )
    assert Path("essay.html").read_text() == "mine"
    assert cli("draw", "--out", "essay.html", "--force").exit_code == 0
    before = model.read_bytes()
    assert cli("draw", "--out", "model.npz", "--force").exit_code == 2
    assert model.read_bytes() == before


def test_bad_input_is_one_sentence_and_status_2(cli: Cli, model: Path) -> None:
    Path("folder").mkdir()
    Path("text.npz").write_text("no model")
    for arguments, sentence in (
        (("none.npz",), "There is no model none.npz"),
        (("text.npz",), "text.npz is not a model"),
        (("folder",), "folder is not a model"),
        (("--out", "folder"), "'folder' is a directory"),
        (("--out", "none/page.html"), "none/page.html cannot be written"),
    ):
        result = cli("draw", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert sentence in result.stderr
        assert result.stderr.count("\n") == 1
    assert not Path("draw.html").exists()
