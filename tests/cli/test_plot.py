"""``mnist-cli plot``, as a person and as a script meet it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Cli

from mnist_cli.model import Model
from mnist_cli.training.history import read_log

pytest.importorskip("matplotlib")


@pytest.fixture
def model(cli: Cli, trained_dir: Path) -> Path:
    """Return a model; beside it are its log, as JSON lines and as CSV."""
    shutil.copytree(trained_dir, ".", dirs_exist_ok=True)
    return Path("model.npz")


@pytest.mark.parametrize(
    ("name", "arguments", "needs_data"),
    [
        ("curves", ["run.jsonl", "run.csv", "model.npz"], False),
        ("errors", [], True),
        ("weights", [], False),
        ("confusion", ["--split", "validation"], True),
        ("distortions", ["--rotation", "40"], True),
        ("sweep", ["runs"], False),
        ("gradcheck", [], False),
    ],
)
def test_each_plot_is_an_svg_named_after_it(
    name: str, arguments: list[str], needs_data: bool, cli: Cli, model: Path, small_dir: Path
) -> None:
    data = ("--data-dir", small_dir) if needs_data else ()
    if name == "sweep":
        for seed in (0, 1):
            folder = Path("runs", f"seed={seed}")
            folder.mkdir(parents=True)
            folder.joinpath("model.npz").write_bytes(model.read_bytes())
    result = cli("plot", name, *arguments, *data)
    assert (result.exit_code, result.stderr) == (0, "")
    content = Path(f"{name}.svg").read_bytes()
    assert result.stdout == f"{name}.svg  {len(content) / 1000:.0f} kB\n"
    assert ElementTree.fromstring(content).tag.endswith("svg")


def test_a_plot_is_written_over_by_the_same_plot(cli: Cli, model: Path) -> None:
    assert cli("plot", "curves", "run.csv").exit_code == 0
    content = Path("curves.svg").read_bytes()
    assert cli("plot", "curves", "run.csv").exit_code == 0
    assert Path("curves.svg").read_bytes() == content


@pytest.mark.parametrize(("end", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("SVG", b"<?x")])
def test_the_end_of_the_name_is_the_format(end: str, start: bytes, cli: Cli, model: Path) -> None:
    result = cli("plot", "weights", "--out", f"w.{end}", "--json")
    content = Path(f"w.{end}").read_bytes()
    assert content.startswith(start)
    assert json.loads(result.stdout) == {"out": f"w.{end}", "bytes": len(content)}
    assert cli("plot", "weights", "--out", f"w.{end}").exit_code == 0, "one's own is written over"


def test_a_log_is_read_back_as_it_was_written(cli: Cli, model: Path) -> None:
    history = [epoch.to_dict() | {"seconds": None} for epoch in Model.load(model).history]
    for name in ("run.jsonl", "run.csv"):
        assert [epoch.to_dict() | {"seconds": None} for epoch in read_log(name)] == history
        text = Path(name).read_text()
        Path(name).write_text(text[:-5])  # killed while it wrote
        assert len(read_log(name)) == len(history) - 1


def test_what_the_program_did_not_make_is_kept(cli: Cli, model: Path) -> None:
    Path("mine.svg").write_text("<svg/>")
    before = model.read_bytes()
    for out in ("mine.svg", "model.npz", "run.csv"):
        result = cli("plot", "curves", "run.csv", "--out", out)
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
    assert Path("mine.svg").read_text() == "<svg/>"
    assert model.read_bytes() == before
    assert cli("plot", "curves", "run.csv", "--out", "mine.svg", "--force").exit_code == 0


def test_bad_input_is_one_sentence_and_status_2(cli: Cli, model: Path, small_dir: Path) -> None:
    Path("folder").mkdir()
    for name, content in (
        ("empty.jsonl", b""),
        ("binary.jsonl", os.urandom(1000)),
        ("text.csv", b"a,b\n1,2\n"),
        ("short.csv", b"epoch,train_loss\n1\n"),
        ("other.jsonl", b'{"epoch": 2}\n'),
        ("list.jsonl", b"[1, 2]\n"),
        ("deep.jsonl", b"[" * 100_000 + b"\n"),
        ("broken.npz", b"PK"),
    ):
        Path(name).write_bytes(content)
    for arguments, sentence in (
        (("curves", "none.jsonl"), "none.jsonl cannot be read"),
        (("curves", "folder"), "folder cannot be read"),
        (("curves", "empty.jsonl"), "empty.jsonl has no epoch yet"),
        (("curves", "binary.jsonl"), "binary.jsonl is no log"),
        (("curves", "text.csv"), "text.csv is no log"),
        (("curves", "short.csv"), "short.csv is no log"),
        (("curves", "other.jsonl"), "other.jsonl is no log"),
        (("curves", "list.jsonl"), "list.jsonl is no log"),
        (("curves", "deep.jsonl"), "deep.jsonl is no log"),
        (("curves", *["run.csv"] * 13), "13 runs are too many"),
        (("curves",), "Missing argument 'LOG...'"),
        (("weights", "broken.npz"), "broken.npz is not a model"),
        (("weights", "--out", "w.jpg"), "--out is w.jpg, but must end in .svg, .png, .pdf"),
        (("weights", "--out", "none/w.svg"), "none/w.svg cannot be written"),
        (("errors", "none.npz", "--data-dir", str(small_dir)), "There is no model none.npz"),
        (("errors", "--count", "0"), "--count"),
        (
            ("distortions", "--augment", "affine", "--displacement", "3"),
            "--displacement has no effect without --augment elastic",
        ),
        (("distortions", "--augment", "none"), "'none' is not one of 'affine', 'elastic'"),
    ):
        result = cli("plot", *arguments)
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert sentence in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_slip_in_the_name_of_a_variable_of_a_plot_is_told(cli: Cli, model: Path) -> None:
    assert cli("plot", "weights", MNIST_CLI_PLOT_WEIGHTS_OUT="w.svg").exit_code == 0
    assert Path("w.svg").exists()
    result = cli("plot", "weights", MNIST_CLI_PLOT_WEIGHTS_UOT="x.svg")
    assert result.exit_code == 2
    assert "did you mean MNIST_CLI_PLOT_WEIGHTS_OUT?" in result.stderr


def test_without_matplotlib_a_sentence_comes_before_any_work(model: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\nfrom mnist_cli.cli.main import main\nmain()"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, "plot", "errors", "--data-dir", "nowhere"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        "Error: Plots are drawn by matplotlib, which is missing: install it with "
        '"pip install matplotlib".\n'
    )


def test_a_backend_that_there_is_not_is_told_by_its_variable(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "mnist_cli", "plot", "gradcheck"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "nonsense"},
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("Error: Plots are drawn by matplotlib, which cannot begin")
    assert "correct the variable MPLBACKEND" in run.stderr
    assert run.stderr.count("\n") == 1


def test_the_folder_of_a_sweep_is_found_at_home(
    cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path("runs", "seed=0")
    folder.mkdir(parents=True)
    folder.joinpath("model.npz").write_bytes(model.read_bytes())
    monkeypatch.setenv("HOME", str(Path.cwd()))
    result = cli("plot", "sweep", "~/runs")
    assert result.exit_code == 0, result.stderr
