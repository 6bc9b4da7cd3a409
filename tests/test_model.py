from __future__ import annotations

import contextlib
import json
import os
import pickle
import zipfile
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_cli.data.loading import load_split
from mnist_cli.errors import DataError, ModelError, SettingsError
from mnist_cli.evaluation import evaluate
from mnist_cli.files.targets import check_writable
from mnist_cli.files.upgrade import newest
from mnist_cli.images.inputs import to_inputs
from mnist_cli.images.preprocessing import preprocess
from mnist_cli.model import UPGRADES, Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.recipe import Recipe
from mnist_cli.training.loop import train

RECIPE = {"validation": 0, "deskew": False, "digit_width": 0}
FORMAT = newest(UPGRADES)
ORIGIN = {"dataset": "mnist"}
METADATA = ORIGIN | {"recipe": RECIPE}


@pytest.fixture
def network(rng: np.random.Generator) -> MLP:
    network = MLP(5)
    network.initialize(rng)
    return network


def test_what_is_saved_is_loaded(network: MLP, tmp_path: Path) -> None:
    Model(network, metadata=ORIGIN).save(tmp_path / "m.npz")
    model = Model.load(tmp_path / "m.npz")
    np.testing.assert_array_equal(model.network.parameters, network.parameters)
    np.testing.assert_array_equal(model.network.W2, network.W2)
    assert model.metadata == ORIGIN
    assert model.recipe is None


def test_the_name_need_not_end_in_npz(network: MLP, tmp_path: Path) -> None:
    Model(network, metadata=ORIGIN).save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    Model.load(tmp_path / "model")


def test_the_same_model_gives_the_same_bytes(network: MLP, tmp_path: Path) -> None:
    for name in ("a", "b"):
        Model(network, metadata={"seed": 3}).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_model_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="mnist-cli train --out"):
        Model.load(tmp_path / "m.npz")


def write_arrays(path: Path, **arrays: Any) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def metadata(**changes: Any) -> np.ndarray:
    header = {"format_version": 1, "hidden": 1, "dtype": "float32"}
    return np.array(json.dumps(header | METADATA | changes))


def with_setting(name: str, value: object) -> np.ndarray:
    return metadata(recipe=RECIPE | {name: value})


ONE_HIDDEN = np.zeros(784 + 1 + 10 + 10, np.float32)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"metadata": metadata()}, "not a model"),
        ({"parameters": ONE_HIDDEN}, "not a model"),
        ({"parameters": ONE_HIDDEN, "metadata": np.array("{")}, "not a model"),
        ({"parameters": ONE_HIDDEN, "metadata": np.array("[]")}, "not a model"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(format_version=FORMAT + 1)}, "update"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(format_version=-3)}, "broken"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(hidden=None)}, "broken"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(hidden=1.0)}, "broken"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(hidden=float("inf"))}, "not a model"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(hidden=2)}, "broken"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(dtype="float64")}, "broken"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(dataset=None)}, "broken"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(recipe=[])}, "broken"),
        (
            {"parameters": ONE_HIDDEN, "metadata": with_setting("validation", -5)},
            "makes no sense",
        ),
        (
            {"parameters": ONE_HIDDEN, "metadata": with_setting("digit_width", 29)},
            "makes no sense",
        ),
        (
            {"parameters": ONE_HIDDEN, "metadata": with_setting("digit_width", -1)},
            "makes no sense",
        ),
        ({"parameters": ONE_HIDDEN, "metadata": with_setting("deskew", 1)}, "makes no sense"),
        (
            {"parameters": ONE_HIDDEN, "metadata": with_setting("deskew", "no")},
            "makes no sense",
        ),
        ({"parameters": ONE_HIDDEN[:-1], "metadata": metadata()}, "broken"),
        ({"parameters": ONE_HIDDEN * np.nan, "metadata": metadata()}, "broken"),
        ({"parameters": ONE_HIDDEN, "metadata": np.array("[" * 100_000)}, "not a model"),
        ({"parameters": np.array([{}], object), "metadata": metadata()}, "not a model"),
    ],
)
def test_a_file_that_is_no_model_is_refused_by_name(
    arrays: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.npz"
    write_arrays(path, **arrays)
    with pytest.raises(ModelError, match=sentence) as caught:
        Model.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 broken", b"\x93NUMPY\x01\x00v"])
def test_a_file_that_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.npz").write_bytes(content)
    with pytest.raises(ModelError, match="not a model"):
        Model.load(tmp_path / "odd.npz")


def test_a_bare_array_and_a_folder_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "odd.npy", ONE_HIDDEN)
    for path in (tmp_path / "odd.npy", tmp_path):
        with pytest.raises(ModelError, match="not a model"):
            Model.load(path)


def test_where_no_file_can_be_written_is_known_beforehand(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.npz")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("no/m.npz")
    for path, sentence in (
        (tmp_path / "loop", "is a link to itself"),
        (tmp_path / "link", "no folder .*no: make it"),
        (tmp_path, "is a folder: name a file"),
        (tmp_path / "no" / "m.npz", "no folder"),
    ):
        with pytest.raises(ModelError, match=sentence):
            check_writable(path)


def test_a_name_of_many_bytes_can_be_written(network: MLP, tmp_path: Path) -> None:
    path = tmp_path / ("字" * 84)
    Model(network, metadata=ORIGIN).save(path)
    assert Model.load(path).network.hidden == network.hidden


def test_an_archive_that_is_too_large_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "large.npz"
    np.savez(path, parameters=np.zeros(3))
    with path.open("r+b") as file:
        file.seek(2**29)
        file.write(path.read_bytes())
    with pytest.raises(ModelError, match="not a model"):
        Model.load(path)


@pytest.mark.parametrize("header", ["(10L,)", "(10if 1else 2,)"])
def test_a_strange_header_is_refused_without_a_warning(
    header: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {header}, }}\n".encode()
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(40)
        archive.writestr("parameters.npy", content)
    with pytest.raises(ModelError, match="not a model"):
        Model.load(tmp_path / "odd.npz")
    assert not recwarn.list


def test_damaged_archives_are_refused_or_whole(network: MLP, tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    Model(network, metadata=ORIGIN).save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(500):
        damaged = bytearray(whole)
        for position in rng.integers(len(whole), size=3):
            damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with contextlib.suppress(ModelError):
            Model.load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX pipes")
def test_a_pipe_a_device_and_a_link_to_nothing_are_no_models(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "nothing").symlink_to(tmp_path / "gone")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path / "circle", tmp_path / "nothing"):
        with pytest.raises(ModelError, match=f"{path}"):
            Model.load(path)


def test_an_archive_is_not_unpacked(tmp_path: Path) -> None:
    """A megabyte that unpacks to a gigabyte is refused by its directory."""
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("parameters.npy", "metadata.npy"):
            archive.writestr(name, bytes(1 << 24))
    with pytest.raises(ModelError, match="not a model"):
        Model.load(tmp_path / "bomb")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX pipes")
def test_a_pipe_is_not_replaced_and_a_link_is_followed(network: MLP, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="is a pipe: name a file"):
        check_writable(tmp_path / "pipe")
    (tmp_path / "link.npz").symlink_to(tmp_path / "real.npz")
    Model(network, metadata=ORIGIN).save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    Model.load(tmp_path / "real.npz")


def test_a_full_disk_keeps_the_old_model(network: MLP, tmp_path: Path) -> None:
    """The system lets no file grow beyond a limit, as a full disk would not."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "m.npz"
    Model(network, metadata=ORIGIN).save(path)
    old = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(old) // 2, limits[1]))
    try:
        with pytest.raises(ModelError, match="File too large"):
            Model(network, metadata=ORIGIN).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture(scope="module")
def trained(small_dir: Path) -> Model:
    """Return a model of deskewed digits, brought to one width."""
    recipe = Recipe(hidden=24, epochs=12, deskew=True, digit_width=16)
    return train(recipe, load_split("mnist", "train", small_dir)).model


def test_paths_may_be_texts(network: MLP, tmp_path: Path) -> None:
    Model(network).save(str(tmp_path / "m.npz"))
    np.testing.assert_array_equal(Model.load(str(tmp_path / "m.npz")).W1, network.W1)
    with pytest.raises(ModelError, match="There is no model"):
        Model.load(str(tmp_path / "gone.npz"))


def test_preprocessing_is_the_models_own(trained: Model, small_dir: Path) -> None:
    test = load_split("mnist", "test", small_dir)
    recipe = trained.recipe
    assert recipe
    seen = preprocess(test.images, deskew=recipe.deskew, digit_width=recipe.digit_width)
    x = to_inputs(seen, np.dtype(np.float32))
    expected = trained.network.probabilities(x)
    np.testing.assert_allclose(trained.probabilities(test.images), expected, atol=1e-6)
    np.testing.assert_array_equal(trained.predict(test.images), expected.argmax(axis=1))
    without = trained.network.probabilities(to_inputs(test.images, x.dtype)).argmax(axis=1)
    accuracy, unprepared = (
        (read == test.labels).mean() for read in (expected.argmax(axis=1), without)
    )
    assert accuracy > unprepared + 0.1
    assert evaluate(trained, test).accuracy == accuracy


def test_images_are_read_alike_in_each_form_that_they_may_have(
    trained: Model, small_dir: Path
) -> None:
    images = load_split("mnist", "test", small_dir).images
    expected = trained.probabilities(images)
    forms: list[Any] = [images.reshape(-1, 784), images / 255, (images / 255).astype("f4")]
    forms += [(images.reshape(-1, 784) / np.float32(255)).astype("f4"), images[:, ::-1][:, ::-1]]
    for form in forms:
        np.testing.assert_array_equal(trained.probabilities(form), expected)
    assert trained.probabilities(images[:0]).shape == (0, 10)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (
            np.zeros((28, 28), np.uint8),
            r"of shape \(28, 28\): give them in the shape \(N, 28, 28\)",
        ),
        (np.zeros((3, 28, 29), np.uint8), r"of shape \(3, 28, 29\)"),
        (np.zeros((3, 783)), r"of shape \(3, 783\)"),
        (np.zeros((1, 28, 28, 1), np.uint8), "give them in the shape"),
        (np.zeros((1, 784), np.int64), "are int64: give uint8"),
        (np.zeros((1, 784), bool), "are bool: give uint8"),
        (np.full((1, 784), 255.0), "float64 from 255 to 255: give floats from 0"),
        (np.full((1, 784), -0.1), "from -0.1 to -0.1"),
        (np.full((1, 784), np.nan), "from nan to nan"),
        (np.array(7), r"of shape \(\)"),
    ],
)
def test_what_are_no_images_is_refused(images: Any, sentence: str, network: MLP) -> None:
    with pytest.raises(DataError, match=sentence):
        Model(network).predict(images)


@pytest.mark.parametrize("copied", ["file", "pickle", "deepcopy"])
def test_a_model_comes_back_whole(
    copied: str, trained: Model, small_dir: Path, tmp_path: Path
) -> None:
    if copied == "file":
        trained.save(tmp_path / "m.npz")
        model = Model.load(tmp_path / "m.npz")
    else:
        model = pickle.loads(pickle.dumps(trained)) if copied == "pickle" else deepcopy(trained)
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(getattr(model, name), getattr(trained, name))
        assert np.shares_memory(getattr(model, name), model.network.parameters)
    assert model.recipe == trained.recipe
    kept = [replace(epoch, seconds=None) for epoch in trained.history]
    assert [replace(epoch, seconds=None) for epoch in model.history] == kept
    images = load_split("mnist", "test", small_dir).images
    np.testing.assert_array_equal(model.predict(images), trained.predict(images))


def test_other_programs_read_the_arrays_and_so_do_we(
    trained: Model, small_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "arrays.npz"
    trained.save(path, format="arrays")
    with np.load(path) as arrays:
        assert {name: arrays[name].shape for name in arrays} == {
            "W1": (784, 24),
            "b1": (24,),
            "W2": (24, 10),
            "b2": (10,),
        }
        np.testing.assert_array_equal(arrays["W2"], trained.W2)
    model = Model.load(path)
    assert (model.recipe, model.history, model.metadata) == (None, [], {})
    images = load_split("mnist", "test", small_dir).images
    x = to_inputs(images, np.dtype(np.float32))
    np.testing.assert_allclose(
        model.probabilities(images), trained.network.probabilities(x), atol=1e-6
    )
    with pytest.raises(SettingsError, match="`format` is 'onnx'"):
        trained.save(path, format="onnx")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "damage",
    [
        {"W1": np.zeros((783, 2), np.float32)},
        {"b1": np.zeros(3, np.float32)},
        {"b1": np.zeros((2, 1), np.float32)},
        {"W2": np.zeros((2, 10), np.float64)},
        {"b2": np.full(10, np.nan, np.float32)},
        {"W1": np.zeros((784, 2), np.int32)},
        {"extra": np.zeros(2, np.float32)},
    ],
    ids=lambda damage: "-".join(damage),
)
def test_arrays_that_make_no_network_are_refused(damage: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    Model(MLP(2)).save(path, format="arrays")
    with np.load(path) as found:
        arrays = dict(found)
    Model.load(path)
    write_arrays(path, **(arrays | damage))
    with pytest.raises(ModelError, match="not a model"):
        Model.load(path)


EARLIER = Path(__file__).parent / "earlier"


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("model-1.npz", Recipe(hidden=3, epochs=2)),
        (
            "model-1-deskewed.npz",
            Recipe(
                hidden=2, epochs=3, deskew=True, digit_width=20, validation=100, patience=2, seed=5
            ),
        ),
    ],
)
def test_models_of_earlier_versions_are_read(
    name: str, recipe: Recipe, small_dir: Path, tmp_path: Path
) -> None:
    model = Model.load(EARLIER / name)
    assert model.recipe == recipe
    assert len(model.history) == recipe.epochs
    assert {epoch.learning_rate for epoch in model.history} == {None}
    assert all(
        (epoch.validation_accuracy is not None) == bool(recipe.validation)
        for epoch in model.history
    )
    test = load_split("mnist", "test", small_dir)
    assert evaluate(model, test).accuracy == pytest.approx(model.metadata["test_accuracy"])
    model.save(tmp_path / "now.npz")
    again = Model.load(tmp_path / "now.npz")
    assert (again.recipe, again.history) == (model.recipe, model.history)
    np.testing.assert_array_equal(again.W1, model.W1)


def test_a_missing_setting_takes_its_default_and_an_unknown_one_is_refused_by_name(
    tmp_path: Path,
) -> None:
    path = tmp_path / "m.npz"
    write_arrays(path, parameters=ONE_HIDDEN, metadata=metadata(recipe={"seed": 3}))
    assert Model.load(path).recipe == Recipe(hidden=1, seed=3)
    write_arrays(path, parameters=ONE_HIDDEN, metadata=metadata(recipe={"wings": 2}))
    with pytest.raises(ModelError, match=r"m\.npz .*no setting 'wings'"):
        Model.load(path)
