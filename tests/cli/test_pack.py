"""``mnist-cli pack``: a folder of pictures becomes a data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from mnist_cli.data.idx import read_idx
from mnist_cli.data.loading import load_data
from mnist_cli.data.pictures import read_picture
from mnist_cli.data.synthetic import draw

NAMES = (
    *("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
    *("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
)


def draw_into(folder: Path, each: int) -> None:
    """Draw pictures of each digit, dark on white, into the folders 0 to 9."""
    labels = np.repeat(np.arange(10), each)
    for index, image in enumerate(draw(labels, np.random.default_rng(0))):
        own = folder / str(labels[index])
        own.mkdir(parents=True, exist_ok=True)
        grey = 255 - np.kron(image, np.ones((2, 2), np.uint8))
        content = b"P5 %d %d 255\n" % grey.shape[::-1] + grey.tobytes()
        (own / f"{index}.pgm").write_bytes(content)


@pytest.fixture
def folder(cli: Cli) -> Path:
    draw_into(Path("pictures"), 7)
    return Path("pictures")


def test_a_folder_becomes_a_data_set_that_train_learns_from(cli: Cli, folder: Path) -> None:
    (folder / "3" / ".DS_Store").write_bytes(b"x")
    result = cli("pack", folder, "set")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-3].split() == ["all", "60", "10"]
    assert sorted(path.name for path in Path("set").iterdir()) == sorted(NAMES)
    data = load_data("mnist", "set")
    assert np.bincount(data.train.labels).tolist() == [6] * 10
    assert np.bincount(data.test.labels).tolist() == [1] * 10
    expected = {read_picture(path).prepared().image.tobytes() for path in folder.glob("*/*.pgm")}
    found = [*data.train.images, *data.test.images]
    assert {image.tobytes() for image in found} == expected
    trained = cli("train", "--data-dir", "set", "--hidden", 8, "--epochs", 1, "-q")
    assert trained.exit_code == 0, trained.stderr


def test_the_same_pictures_give_the_same_bytes(cli: Cli, folder: Path) -> None:
    for out in ("a", "b"):
        assert cli("pack", folder, out).exit_code == 0
    for name in NAMES:
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()
    assert cli("pack", folder, "c", "--seed", 1).exit_code == 0
    assert Path("a", NAMES[0]).read_bytes() != Path("c", NAMES[0]).read_bytes()


def test_a_csv_labels_pictures(cli: Cli, folder: Path) -> None:
    paths = sorted(folder.glob("*/*.pgm"))
    lines = [f"{path.relative_to(folder)},{path.parent.name}" for path in paths]
    Path("labels.csv").write_text("file,digit\n" + "\n".join(lines), "utf-8")
    assert cli("pack", folder, "by-csv", "--labels", "labels.csv").exit_code == 0
    assert cli("pack", folder, "by-folder").exit_code == 0
    for name in NAMES:
        assert np.array_equal(read_idx(Path("by-csv", name)), read_idx(Path("by-folder", name)))
    flat = Path("flat")
    flat.mkdir()
    for path in paths:
        path.rename(flat / path.name)
    (flat / "labels.csv").write_text("\n".join(f"{p.name},{p.parent.name}" for p in paths))
    assert cli("pack", flat, "found").exit_code == 0
    (flat / "labels.csv").write_text("a.pgm,ten\n")
    assert "labels.csv has no path and digit in line 1" in cli("pack", flat, "x").stderr
    (flat / "labels.csv").write_text("a.pgm,7\na.pgm,7\n./a.pgm,1\n")
    assert "labels.csv calls ./a.pgm 1 in line 3, and 7 before" in cli("pack", flat, "x").stderr


def test_train_and_test_decide_where_they_are_there(cli: Cli) -> None:
    draw_into(Path("both", "train"), 3)
    draw_into(Path("both", "test"), 2)
    document = json.loads(cli("pack", "both", "set", "--json").stdout)
    assert document == {"out": "set", "train": [3] * 10, "test": [2] * 10, "skipped": []}


def test_a_picture_that_cannot_be_read_stops_it_unless_it_is_to_be_skipped(
    cli: Cli, folder: Path
) -> None:
    (folder / "5" / "bad.png").write_bytes(b"x")
    result = cli("pack", folder, "set")
    assert result.exit_code == 2
    assert "1 of 71 pictures cannot be read" in result.stderr
    assert "bad.png is not a picture" in result.stderr
    assert "with --skip" in result.stderr
    assert not Path("set").exists()
    result = cli("pack", folder, "set", "--skip")
    assert result.exit_code == 0
    assert "bad.png is not a picture" in result.stderr


def test_nothing_is_written_over_without_force(cli: Cli, folder: Path) -> None:
    Path("set").mkdir()
    Path("set", NAMES[3]).write_bytes(b"mine")
    result = cli("pack", folder, "set")
    assert result.exit_code == 2
    assert "is there already: name another folder, or replace it with --force" in result.stderr
    assert Path("set", NAMES[3]).read_bytes() == b"mine"
    assert [path.name for path in Path("set").iterdir()] == [NAMES[3]]
    assert cli("pack", folder, "set", "--force").exit_code == 0
    assert len(load_data("mnist", "set").train) == 60


def test_what_cannot_be_packed_is_one_sentence(cli: Cli, folder: Path) -> None:
    Path("empty").mkdir()
    Path("file").write_text("x")
    Path("few", "1").mkdir(parents=True)
    for asked, sentence in (
        (("none", "set"), "none is not a folder"),
        (("empty", "set"), "has neither subfolders 0 to 9 nor a labels.csv"),
        (("few", "set"), "few has too few pictures to train on"),
        ((folder, "file"), "file is a file"),
        ((folder, "set", "--labels", "none.csv"), "none.csv cannot be read"),
        ((folder, "set", "--test", "0.01"), "too few pictures to test on"),
    ):
        result = cli("pack", *asked)
        assert (result.exit_code, result.stdout) == (2, "")
        assert sentence in result.stderr
        assert result.stderr.count("\n") == 1
        assert not Path("set").exists()
