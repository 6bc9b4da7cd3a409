"""``mnist-cli report``, as a person and as a script meet it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Cli

from mnist_cli.model import Model

pytest.importorskip("matplotlib")


@pytest.fixture
def model(cli: Cli, trained_dir: Path) -> Path:
    return Path(shutil.copy(trained_dir / "model.npz", "."))


def test_a_report_is_made_of_a_model_and_data(cli: Cli, model: Path, small_dir: Path) -> None:
    result = cli("report", "--data-dir", small_dir)
    assert (result.exit_code, result.stderr) == (0, "")
    page = Path("report.html").read_text("utf-8")
    assert f"images of {small_dir}, test" in page
    assert "data in the form of mnist" in page
    assert "<dd>200</dd>" in page
    ask = ("report", model, "--data-dir", small_dir, "--split", "validation")
    document = json.loads(cli(*ask, "--out", "v.html", "--json").stdout)
    content = Path("v.html").read_bytes()
    assert document == {"out": "v.html", "bytes": len(content), "model": "model.npz"}
    assert f"images of {small_dir}, validation".encode() in content
    assert b"<dd>100</dd>" in content


@pytest.mark.long
def test_only_reports_are_written_over(cli: Cli, model: Path, small_dir: Path) -> None:
    ask = ("report", "--data-dir", small_dir)
    assert cli(*ask).exit_code == 0
    assert cli(*ask).exit_code == 0
    Path("report.html").write_text("mine")
    result = cli(*ask)
    assert result.exit_code == 2
    assert "was not made by this command" in result.stderr
    assert Path("report.html").read_text() == "mine"
    assert cli(*ask, "--force").exit_code == 0
    before = model.read_bytes()
    assert cli(*ask, "--out", model, "--force").exit_code == 2
    assert model.read_bytes() == before


def test_bad_input_is_one_sentence_and_status_2(cli: Cli, model: Path, small_dir: Path) -> None:
    wild = Model.load(model)
    wild.network.parameters[:] = 3e38
    wild.save("wild.npz")
    Path("text.npz").write_text("no model")
    for arguments, sentence in (
        (("none.npz", "--data-dir", small_dir), "There is no model none.npz"),
        (("text.npz", "--data-dir", small_dir), "text.npz is not a model"),
        (("wild.npz", "--data-dir", small_dir), "wild.npz gives no finite loss"),
        (("--out", "none/r.html"), "none/r.html cannot be written"),
    ):
        result = cli("report", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert sentence in result.stderr
        assert result.stderr.count("\n") == 1
    assert not Path("report.html").exists()


def test_without_matplotlib_a_sentence_comes_before_any_work(model: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\nfrom mnist_cli.cli.main import main\nmain()"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, "report", "--data-dir", "nowhere"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("Error: Plots are drawn by matplotlib, which is missing")
