from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import copy_packed

from mnist_cli.data import synthetic
from mnist_cli.data.dataset import Split
from mnist_cli.data.folder import default_data_dir
from mnist_cli.data.idx import read_idx, write_idx
from mnist_cli.data.loading import load_split
from mnist_cli.data.mnist import STEMS, find_file, read_part
from mnist_cli.errors import DataError
from mnist_cli.evaluation import evaluate
from mnist_cli.images.inputs import to_inputs
from mnist_cli.recipe import Recipe
from mnist_cli.training.loop import train

IMAGES, LABELS = STEMS["train"]


@pytest.fixture
def folder(small_dir: Path, tmp_path: Path) -> Path:
    """Return a copy of the small data set, to be broken."""
    return copy_packed(small_dir, tmp_path / "data")


def test_a_part_is_loaded_from_gzip_files(small_dir: Path) -> None:
    train, test = (load_split("mnist", split, small_dir) for split in ("train", "test"))
    assert (len(train), len(test)) == (1000, 200)
    assert train.images.shape == (1000, 28, 28)
    assert train.images.dtype == train.labels.dtype == np.uint8


def test_plain_files_and_torchvisions_folder_are_found(small_dir: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for stem in (IMAGES, LABELS):
        (raw / stem).write_bytes(gzip.decompress((small_dir / f"{stem}.gz").read_bytes()))
    expected = load_split("mnist", "train", small_dir)
    np.testing.assert_array_equal(load_split("mnist", "train", tmp_path).images, expected.images)
    # The folder itself comes first, and in it the packed file.
    shutil.copy(small_dir / f"{IMAGES}.gz", tmp_path)
    assert find_file(tmp_path, IMAGES) == tmp_path / f"{IMAGES}.gz"


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / f"{LABELS}.gz").unlink()
    with pytest.raises(DataError, match=rf"{LABELS}\.gz"):
        read_part("train", folder)


@pytest.mark.parametrize(
    ("stem", "array", "sentence"),
    [
        (IMAGES, np.zeros((1000, 27, 28), np.uint8), "images are uint8 of shape"),
        (IMAGES, np.zeros((1000, 28, 28), np.int8), "holds int8"),
        (IMAGES, np.zeros((0, 28, 28), np.uint8), r"shape \(0, 28, 28\)"),
        (IMAGES, np.zeros((999, 28, 28), np.uint8), "999 images need"),
        (LABELS, np.zeros((1000, 1), np.uint8), "1,000 images need"),
        (LABELS, np.zeros(1000, np.int32), "holds int32"),
        (LABELS, np.full(1000, 10, np.uint8), "label 10, but labels are 0 to 9"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_refused(
    folder: Path, stem: str, array: np.ndarray, sentence: str
) -> None:
    write_idx(folder / f"{stem}.gz", array)
    with pytest.raises(DataError, match=sentence):
        load_split("mnist", "train", folder)


def test_the_data_folder_is_the_named_one_or_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_CLI_DATA_DIR", "/named")
    assert default_data_dir() == Path("/named")
    monkeypatch.delenv("MNIST_CLI_DATA_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_data_dir() == Path("/cache/mnist-cli")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/user"))
    for platform, expected in (
        ("linux", "/home/user/.cache/mnist-cli"),
        ("darwin", "/home/user/Library/Caches/mnist-cli"),
        ("win32", "/home/user/AppData/Local/mnist-cli"),
    ):
        monkeypatch.setattr("sys.platform", platform)
        monkeypatch.delenv("LOCALAPPDATA", raising=False)
        assert default_data_dir() == Path(expected)


def test_pixels_become_numbers_between_0_and_1() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    images[1, 0, 1] = 255
    x = to_inputs(images, np.dtype(np.float32))
    assert x.shape == (2, 784)
    assert x.dtype == np.float32
    assert x[1, 1] == 1
    assert x.sum() == 1


def test_a_slice_of_a_split_is_a_split() -> None:
    split = Split(np.zeros((5, 28, 28), np.uint8), np.arange(5, dtype=np.uint8))
    assert split[1:3].labels.tolist() == [1, 2]
    assert len(split[1:3]) == len(split[1:3].images) == 2


def test_the_synthetic_data_set_has_mnists_sizes_and_is_always_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert {part: size for part, (size, _) in synthetic.PARTS.items()} == {
        "train": 60_000,
        "test": 10_000,
    }
    monkeypatch.setitem(synthetic.PARTS, "test", (1000, 1))
    first, second = (load_split("synthetic", "test", Path("/nowhere")) for _ in range(2))
    np.testing.assert_array_equal(first.images, second.images)
    assert np.bincount(first.labels).tolist() == [100] * 10


def test_the_real_files_are_read(mnist_dir: Path) -> None:
    train, test = (load_split("mnist", split, mnist_dir) for split in ("train", "test"))
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    # The mean grey level of MNIST's training images is well known: 0.1307.
    assert train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert read_idx(mnist_dir / f"{IMAGES}.gz").shape == (60_000, 28, 28)


def test_a_network_trained_on_synthetic_digits_reads_real_ones(
    mnist_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as of MNIST take 5 s to draw; a sixth of them is enough."""
    assert synthetic.PARTS["train"][0] == 60_000
    monkeypatch.setitem(synthetic.PARTS, "train", (10_000, 0))
    data = load_split("synthetic", "train")
    assert len(data) == 10_000
    model = train(Recipe(epochs=5), data).model
    assert evaluate(model, load_split("mnist", "test", mnist_dir)).accuracy >= 0.8
