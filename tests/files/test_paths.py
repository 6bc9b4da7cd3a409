"""A path may be a text or a Path, whoever takes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mnist_cli.config import find_config
from mnist_cli.data.download import download
from mnist_cli.data.idx import read_idx, write_idx
from mnist_cli.data.loading import load_data, load_split
from mnist_cli.data.mnist import STEMS, file_sums, find_file, read_part
from mnist_cli.data.unpacked import read_unpacking_once
from mnist_cli.errors import DataError
from mnist_cli.files.archive import read_archive, write_archive
from mnist_cli.files.atomic import atomic_write
from mnist_cli.files.targets import check_distinct, check_writable
from mnist_cli.recipe import Recipe


@pytest.mark.parametrize("kind", [str, Path])
def test_every_path_may_be_a_text(
    kind: Callable[[str | os.PathLike[str]], str | Path], small_dir: Path, tmp_path: Path
) -> None:
    folder, file = kind(small_dir), kind(tmp_path / "file")
    write_idx(file, np.arange(3, dtype=np.uint8))
    assert read_idx(file).tolist() == read_unpacking_once(file).tolist() == [0, 1, 2]
    write_archive(file, {"a": np.arange(3)})
    assert list(read_archive(file)) == ["a"]
    with atomic_write(file) as written:
        written.write(b'[train]\nout = "x"\n')
    assert Recipe.from_toml(find_config(file)) == Recipe.from_toml(file) == Recipe()
    check_writable(file)
    check_distinct({"out": file, "log": kind(tmp_path / "other")})
    assert find_file(folder, STEMS["test"][0])
    assert len(file_sums(folder)) == 4
    assert len(read_part("test", folder)) == len(load_split("mnist", "test", folder)) == 200
    assert len(load_data("mnist", folder).test) == 200
    with pytest.raises(DataError, match="not MNIST's"):
        download(folder, folder=folder)
