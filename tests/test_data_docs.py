"""The page on data is true: its commands are run on small stand-ins, and its names are ours."""

from __future__ import annotations

import gzip
import hashlib
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import NAMES, Cli, copy_packed
from console import blocks

from mnist_cli.data.idx import write_idx
from mnist_cli.data.loading import load_split
from mnist_cli.data.mnist import STEMS
from mnist_cli.data.sources import EMNIST_STEMS, SOURCES

pytestmark = pytest.mark.long

PAGE = (Path(__file__).parents[1] / "docs" / "data.md").read_text("utf-8")
COMMANDS = [b.text.splitlines() for b in blocks(PAGE) if b.kind == "sh"]


def test_every_command_on_the_page_does_what_it_says(
    small_dir: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_packed(small_dir, tmp_path / "downloads")
    parts = {split: load_split("mnist", split, small_dir) for split in STEMS}
    for name in ("keras", "kaggle", "emnist", "pictures"):
        (tmp_path / name).mkdir()
    arrays: dict[str, Any] = {f"x_{split}": part.images for split, part in parts.items()}
    arrays |= {f"y_{split}": part.labels for split, part in parts.items()}
    np.savez_compressed(tmp_path / "keras" / "mnist.npz", **arrays)
    for split, part in parts.items():
        rows = np.c_[part.labels, part.images.reshape(len(part), -1)]
        np.savetxt(tmp_path / "kaggle" / f"{split}.csv", rows, "%d", ",")
        images, labels = EMNIST_STEMS[split]
        write_idx(tmp_path / "emnist" / f"{images}.gz", part.images.swapaxes(1, 2))
        write_idx(tmp_path / "emnist" / f"{labels}.gz", part.labels)
    for number in range(100):
        folder = tmp_path / "pictures" / str(parts["train"].labels[number])
        folder.mkdir(exist_ok=True)
        greys = parts["train"].images[number].tobytes()
        (folder / f"{number}.pgm").write_bytes(b"P5 28 28 255\n" + greys)
    published = SOURCES["mnist"].published
    assert published
    sums = {
        key: (len(content), hashlib.sha256(content).hexdigest())
        for packed in NAMES
        for key, content in (
            (packed, (small_dir / packed).read_bytes()),
            (packed[:-3], gzip.decompress((small_dir / packed).read_bytes())),
        )
    }
    known = replace(SOURCES["mnist"], published=replace(published, sums=sums))
    monkeypatch.setitem(SOURCES, "mnist", known)
    assert len(COMMANDS) == 1
    for line in COMMANDS[0]:
        words = shlex.split(line)[1:]
        if words[0] == "train":
            words += ["--epochs", "1", "--hidden", "4", "--force"]
        result = cli(*words)
        assert result.exit_code == 0, (line, result.stderr)
    shutil.rmtree(tmp_path / "mnist")


def test_the_page_names_every_data_set_and_every_name_that_is_read() -> None:
    table = re.findall(r"^\| `([a-z][a-z-]+)` \|", PAGE, re.MULTILINE)
    assert sorted(table) == sorted(SOURCES)
    for name, source in SOURCES.items():
        if published := source.published:
            tables = [table for names in published.tables.values() for table in names]
            for word in [*published.folders, *tables, *filter(None, [published.archive])]:
                assert f"`{word}`" in PAGE, (name, word)
