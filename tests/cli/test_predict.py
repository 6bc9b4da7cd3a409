"""``mnist-cli predict``: pictures read, as a person and as a script meet it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import Cli, invoke, on_a_terminal
from numpy.typing import NDArray

from mnist_cli.cli.main import main
from mnist_cli.cli.predict import half_blocks, reading, shown
from mnist_cli.data.idx import write_idx
from mnist_cli.data.loading import load_split
from mnist_cli.evaluation import committee
from mnist_cli.images.picture import Prepared
from mnist_cli.model import Model


def save_pgm(path: Path, image: NDArray[np.uint8]) -> None:
    """Save a 28×28 image, ink on black, as a picture of dark ink on white: 280×280."""
    grey = 255 - np.kron(image, np.ones((10, 10), np.uint8))
    path.write_bytes(b"P5 %d %d 255\n" % grey.shape[::-1] + grey.tobytes())


@pytest.fixture(scope="module")
def reader(small_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that reads most digits."""
    out = tmp_path_factory.mktemp("reader") / "model.npz"
    how = ("--hidden", 64, "--epochs", 8, "-q", "--out", out)
    assert invoke("train", "--data-dir", small_dir, *how, MNIST_CLI_TEST_DATA=None).exit_code == 0
    return out


@pytest.fixture
def model(cli: Cli, reader: Path, small_dir: Path) -> Path:
    """Return a model; beside it are pictures of the first ten test images, 0.pgm to 9.pgm."""
    shutil.copy(reader, "model.npz")
    for index, image in enumerate(load_split("mnist", "test", small_dir).images[:10]):
        save_pgm(Path(f"{index}.pgm"), image)
    return Path("model.npz")


def test_a_pipe_gets_a_line_a_picture(cli: Cli, model: Path) -> None:
    names = [f"{digit}.pgm" for digit in range(10)]
    result = cli("predict", *names)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[0] for row in rows] == names
    assert all(0 < float(row[2]) <= 1 for row in rows)
    assert sum(row[1] == row[0][0] for row in rows) >= 8, "they are read, not guessed"


def test_a_script_gets_a_document(cli: Cli, model: Path) -> None:
    document = json.loads(cli("predict", "3.pgm", "7.pgm", "--json").stdout)
    assert list(document) == ["models", "pictures"]
    assert document["models"] == ["model.npz"]
    for picture, name in zip(document["pictures"], ("3.pgm", "7.pgm"), strict=True):
        assert list(picture) == ["path", "digit", "probability", "probabilities", "box", "steps"]
        assert picture["path"] == name
        assert len(picture["probabilities"]) == 10
        assert sum(picture["probabilities"]) == pytest.approx(1)
        assert picture["probability"] == max(picture["probabilities"])
        assert picture["probability"] == picture["probabilities"][picture["digit"]]
        left, top, right, bottom = picture["box"]
        assert 180 <= max(right - left, bottom - top) <= 210
        assert picture["steps"][0] == "grey"


def test_standard_input_is_a_picture(cli: Cli, model: Path) -> None:
    content = Path("4.pgm").read_bytes()
    result = CliRunner().invoke(main, ["predict", "-"], input=content)
    expected = cli("predict", "4.pgm").stdout
    assert result.stdout == expected.replace("4.pgm", "-")
    result = CliRunner().invoke(main, ["predict", "-"], input=b"?")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: The picture on standard input is not a picture")
    assert cli("predict", "-", "-").exit_code == 2


def test_several_models_are_a_committee(cli: Cli, model: Path, small_dir: Path) -> None:
    cli("train", "--data-dir", small_dir, "--hidden", 32, "--seed", 1, "--out", "b.npz", "-q")
    ask = ("predict", "5.pgm", "--model", "model.npz", "--model", "b.npz", "--json")
    document = json.loads(cli(*ask).stdout)
    assert document["models"] == ["model.npz", "b.npz"]
    from mnist_cli.data.pictures import read_picture

    image = read_picture("5.pgm").prepared().image[None]
    members = [Model.load(path).log_probabilities(image) for path in ("model.npz", "b.npz")]
    assert document["pictures"][0]["probabilities"] == pytest.approx(np.exp(committee(members))[0])


def test_as_is_leaves_all_steps_out(cli: Cli, model: Path, small_dir: Path) -> None:
    image = load_split("mnist", "test", small_dir).images[6]
    np.save("6.npy", image)
    picture = json.loads(cli("predict", "--as-is", "6.npy", "--json").stdout)["pictures"][0]
    assert (picture["box"], picture["steps"]) == ([0, 0, 28, 28], [])
    expected = Model.load(model).probabilities(image[None])[0]
    assert picture["probabilities"] == pytest.approx(expected.tolist(), rel=1e-5)
    result = cli("predict", "--as-is", "3.pgm")
    assert result.exit_code == 2
    assert "only 28×28 can be taken as it is: leave --as-is out" in result.stderr


def test_an_image_of_a_data_set_is_chosen_by_its_index(
    cli: Cli, model: Path, small_dir: Path
) -> None:
    images = load_split("mnist", "test", small_dir).images
    write_idx("images-idx", images)
    of_file = cli("predict", "--index", 7, "images-idx").stdout.split("\t")
    of_dataset = cli("predict", "--index", 7, "--data-dir", small_dir).stdout.split("\t")
    assert of_file[0] == "images-idx"
    assert of_dataset[0] == f"{small_dir} test 7"
    assert of_file[1:] == of_dataset[1:]
    assert int(of_file[1]) == Model.load(model).predict(images[7:8])[0]
    for ask, sentence in (
        (("--index", 200, "--data-dir", small_dir), "--index is 200, but mnist has 200 test"),
        (("--index", 200, "images-idx"), "none has the --index 200"),
        (("images-idx",), "holds 200 images: choose one by its --index"),
        (("--dataset", "mnist", "3.pgm"), "--dataset has no effect beside a PICTURE"),
        (("--data-dir", small_dir, "3.pgm"), "--data-dir has no effect beside a PICTURE"),
        (
            ("--index", 7, "--split", "train", "images-idx"),
            "--split has no effect beside a PICTURE",
        ),
        (
            ("--index", 7, "--dataset", "synthetic", "--data-dir", small_dir),
            "--data-dir has no effect without --dataset mnist",
        ),
        ((), "Name a PICTURE"),
    ):
        result = cli("predict", *ask)
        assert result.exit_code == 2
        assert sentence in result.stderr


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(cli: Cli, model: Path) -> None:
    Path("x.pdf").write_bytes(b"%PDF-1.4")
    result = cli("predict", "1.pgm", "x.pdf", "nowhere", "2.pgm")
    assert result.exit_code == 2
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["1.pgm", "2.pgm"]
    errors = result.stderr.splitlines()
    assert errors[0].startswith("Error: x.pdf is a PDF")
    assert errors[1].startswith("Error: nowhere is not there")
    assert len(errors) == 2
    asked = cli("predict", "1.pgm", "x.pdf", "--json")
    assert asked.exit_code == 2
    first, second = json.loads(asked.stdout)["pictures"]
    assert first["path"] == "1.pgm"
    assert list(second) == ["path", "error"]


def test_bad_input_is_one_sentence_and_status_2(cli: Cli, model: Path) -> None:
    Path("blank.pgm").write_bytes(b"P5 50 50 255\n" + bytes([255]) * 2500)
    Path("dot.pgm").write_bytes(b"P5 1 1 255\n\0")
    Path("folder").mkdir()
    for name, sentence in (
        ("blank.pgm", "shows no ink"),
        ("dot.pgm", "is 1×1 pixels, too small"),
        ("folder", "is a folder"),
        ("none.png", "is not there"),
    ):
        result = cli("predict", name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"Error: {name} {sentence}")
        assert result.stderr.count("\n") == 1
        told = cli("predict", name, "--json")
        assert told.exit_code == 2
        assert json.loads(told.stdout)["error"].startswith(f"{name} {sentence}")
    assert "make one with" in cli("predict", "3.pgm", "--model", "none.npz").stderr
    assert "write --model model.npz" in cli("predict", "model.npz", "3.pgm").stderr


def test_a_name_cannot_command_the_terminal(cli: Cli, model: Path) -> None:
    name = "a\tb\x1b[2J\n.pgm"
    Path(name).write_bytes(Path("3.pgm").read_bytes())
    assert cli("predict", name).stdout.startswith("a?b?[2J?.pgm\t")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pseudo-terminals")
def test_a_terminal_shows_the_image_beside_ten_bars(cli: Cli, model: Path, tmp_path: Path) -> None:
    status, shown = on_a_terminal(["predict", "0.pgm"], tmp_path, NO_COLOR="1")
    assert status == 0
    lines = shown.decode().split("\r\n")
    assert lines[0].startswith("0.pgm: ")
    assert len(lines[1:15]) == 14
    assert set("".join(line[:28] for line in lines[1:15])) <= set(" ▄▀█")
    bars = [line[30:] for line in lines[3:13]]
    assert [bar[0] for bar in bars] == list("0123456789")
    assert all(bar.endswith("%") for bar in bars)
    _, coloured = on_a_terminal(["predict", "0.pgm"], tmp_path, NO_COLOR="")
    assert coloured.decode().count("▀") == 14 * 28


def test_two_rows_of_pixels_are_one_line_of_letters_or_of_greys() -> None:
    image = np.zeros((28, 28), np.uint8)
    image[0, 0], image[1, 1], image[2:4, 2], image[27, 27] = 255, 128, 200, 127
    plain = half_blocks(image, is_coloured=False)
    assert (len(plain), {len(line) for line in plain}) == (14, {28})
    assert [plain[0][:2], plain[1][2], plain[13][27]] == ["▀▄", "█", " "]
    coloured = half_blocks(image, is_coloured=True)
    assert coloured[1].count("▀") == 28
    assert "\x1b[38;2;200;200;200m\x1b[48;2;200;200;200m▀" in coloured[1]


def test_ten_bars_stand_beside_the_picture_and_the_reading_in_the_title() -> None:
    probabilities = [0.0] * 10
    probabilities[3], probabilities[8] = 0.9, 0.1
    prepared = Prepared(np.full((28, 28), 255, np.uint8), (0, 0, 28, 28), ())
    with click.Context(click.Command("predict"), color=False):
        title, *rows = shown(reading("a\x1b.png", prepared, probabilities), prepared).splitlines()
    assert title == "a?.png: 3, 90.00%"
    assert rows[5].startswith("█" * 28 + "  ")
    assert [row.count("█") - 28 for row in rows[2:12]] == [0, 0, 0, 27, 0, 0, 0, 0, 3, 0]
    assert [click.unstyle(row).split()[-1] for row in (rows[5], rows[10])] == ["90.00%", "10.00%"]


@pytest.mark.parametrize(("closed", "status"), [("<&-", 2), (">&-", 0)])
def test_a_stream_that_is_closed_is_no_fault_of_the_program(
    closed: str, status: int, model: Path
) -> None:
    line = f"{shlex.quote(sys.executable)} -m mnist_cli predict - {closed}"
    line = f"cat 7.pgm | {line}" if closed == ">&-" else line
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    said = "Error: - is standard input, which is closed: give it a picture.\n"
    assert done.stderr == (said if status else "")
