from __future__ import annotations

import contextlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_cli.errors import ModelError
from mnist_cli.files.targets import check_writable
from mnist_cli.files.upgrade import newest
from mnist_cli.model import UPGRADES, Model
from mnist_cli.nn.mlp import MLP

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
        ({"metadata": metadata()}, "no model"),
        ({"parameters": ONE_HIDDEN}, "no model"),
        ({"parameters": ONE_HIDDEN, "metadata": np.array("{")}, "no model"),
        ({"parameters": ONE_HIDDEN, "metadata": np.array("[]")}, "no model"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(format_version=FORMAT + 1)}, "update"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(format_version=-3)}, "broken"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(hidden=None)}, "broken"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(hidden=1.0)}, "broken"),
        ({"parameters": ONE_HIDDEN, "metadata": metadata(hidden=float("inf"))}, "broken"),
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
        ({"parameters": ONE_HIDDEN, "metadata": np.array("[" * 100_000)}, "no model"),
        ({"parameters": np.array([{}], object), "metadata": metadata()}, "no model"),
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
    with pytest.raises(ModelError, match="no model"):
        Model.load(tmp_path / "odd.npz")


def test_a_bare_array_and_a_folder_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "odd.npy", ONE_HIDDEN)
    for path in (tmp_path / "odd.npy", tmp_path):
        with pytest.raises(ModelError, match="no model"):
            Model.load(path)


def test_where_no_file_can_be_written_is_known_beforehand(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.npz")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("no/m.npz")
    for path, sentence in (
        (tmp_path / "loop", "is a link to itself"),
        (tmp_path / "link", "no folder .*no: make it"),
        (tmp_path, "is a folder or a device"),
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
    with pytest.raises(ModelError, match="no model"):
        Model.load(path)


@pytest.mark.parametrize("header", ["(10L,)", "(10if 1else 2,)"])
def test_a_strange_header_is_refused_without_a_warning(
    header: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {header}, }}\n".encode()
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(40)
        archive.writestr("parameters.npy", content)
    with pytest.raises(ModelError, match="no model"):
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
    with pytest.raises(ModelError, match="no model"):
        Model.load(tmp_path / "bomb")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX pipes")
def test_a_pipe_is_not_replaced_and_a_link_is_followed(network: MLP, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="device"):
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
