from __future__ import annotations

import gzip
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mnist_cli.data.idx import read_idx, write_idx
from mnist_cli.data.unpacked import read_unpacking_once
from mnist_cli.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "images.gz"
    write_idx(path, IMAGES)
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_unpacked_is_kept_and_read_the_next_time(packed: Path) -> None:
    np.testing.assert_array_equal(read_unpacking_once(packed), IMAGES)
    assert files(packed.parent) == ["images", "images.gz"]
    assert packed.with_suffix("").read_bytes() == gzip.decompress(packed.read_bytes())
    # With its middle gone, the gzip file can be checked against, but not be unpacked.
    content = bytearray(packed.read_bytes())
    content[100:-100] = bytes(len(content) - 200)
    packed.write_bytes(content)
    np.testing.assert_array_equal(read_unpacking_once(packed), IMAGES)
    with pytest.raises(DataError):
        read_idx(packed)


def broken(plain: bytes) -> Iterator[bytes]:
    yield plain[:-1]
    yield plain + b"\0"
    yield plain[:-1] + bytes([plain[-1] ^ 1])
    yield b""


@pytest.mark.parametrize("number", range(4))
def test_a_file_that_does_not_fit_is_not_believed_and_left_alone(number: int, packed: Path) -> None:
    plain = packed.with_suffix("")
    content = list(broken(gzip.decompress(packed.read_bytes())))[number]
    plain.write_bytes(content)
    np.testing.assert_array_equal(read_unpacking_once(packed), IMAGES)
    assert plain.read_bytes() == content


def test_a_folder_or_a_link_to_nowhere_is_left_alone(packed: Path) -> None:
    plain = packed.with_suffix("")
    plain.mkdir()
    np.testing.assert_array_equal(read_unpacking_once(packed), IMAGES)
    plain.rmdir()
    plain.symlink_to("nowhere")
    np.testing.assert_array_equal(read_unpacking_once(packed), IMAGES)
    assert files(packed.parent) == ["images", "images.gz"]


def test_where_nothing_can_be_written_the_data_is_read_all_the_same(packed: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        np.testing.assert_array_equal(read_unpacking_once(packed), IMAGES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(packed.parent) == ["images.gz"]


def test_nothing_is_kept_in_a_folder_that_nobody_may_write_to_even_by_root(packed: Path) -> None:
    packed.parent.chmod(0o555)
    try:
        np.testing.assert_array_equal(read_unpacking_once(packed), IMAGES)
        assert files(packed.parent) == ["images.gz"]
    finally:
        packed.parent.chmod(0o755)


def test_what_is_refused_is_not_kept(packed: Path) -> None:
    def refuse(array: object) -> None:
        raise DataError("no images")

    with pytest.raises(DataError, match="no images"):
        read_unpacking_once(packed, refuse)
    assert files(packed.parent) == ["images.gz"]


def test_of_two_gzip_streams_in_one_file_the_checksum_is_not_that_of_the_whole(
    packed: Path,
) -> None:
    content = gzip.decompress(packed.read_bytes())
    packed.write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
    for _ in range(2):
        np.testing.assert_array_equal(read_unpacking_once(packed), IMAGES)


def test_a_gzip_file_that_is_too_short_to_end_is_refused(packed: Path) -> None:
    read_unpacking_once(packed)
    packed.write_bytes(packed.read_bytes()[:5])
    with pytest.raises(DataError):
        read_unpacking_once(packed)
