from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mnist_cli.data.idx import TYPES, read_idx, write_idx
from mnist_cli.errors import DataError

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
any_array = st.sampled_from([dtype.newbyteorder("=") for dtype in TYPES.values()]).flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)


def idx(*sizes: int, kind: int = 0x08, data: bytes = b"") -> bytes:
    return bytes([0, 0, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + data


@in_one_folder
@given(any_array, st.sampled_from(["a", "a.gz"]))
def test_what_is_written_is_read_back(tmp_path: Path, array: np.ndarray, name: str) -> None:
    write_idx(tmp_path / name, array)
    read = read_idx(tmp_path / name)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)
    assert read.shape == array.shape


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    write_idx(tmp_path / "a", np.array([[1, 2, 3]], np.int16))
    assert (tmp_path / "a").read_bytes() == bytes.fromhex("00000b02 00000001 00000003 000100020003")


def test_the_same_array_gives_the_same_gzip_file(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(9, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_gzip_is_recognised_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(idx(2, data=b"\x05\x06")))
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), [5, 6])


WHOLE = idx(2, 3, data=bytes(6))
BROKEN = {
    "empty": (b"", "not an IDX file"),
    "html": (b"<!DOCTYPE html><html>", "not an IDX file"),
    "unknown type": (idx(1, kind=0x07, data=b"\0"), "not an IDX file"),
    "cut in the header": (WHOLE[:7], "ends within its header"),
    "cut in the data": (WHOLE[:-1], "too short|has 5 bytes"),
    "one byte too many": (WHOLE + b"\0", "more comes after"),
    "exabytes": (idx(2**32 - 1, 2**32 - 1), "too short"),
    "more than 64 bits": (idx(*[2**32 - 1] * 5), "too short"),
    "no bytes, but sizes that overflow": (idx(0, *[2**32 - 1] * 4), "makes no array"),
    "255 dimensions": (idx(*[1] * 255, data=b"\0"), "makes no array"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_one_sentence_that_names_it(
    tmp_path: Path, case: str, packed: bool
) -> None:
    content, sentence = BROKEN[case]
    path = tmp_path / "train-images"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match=sentence) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("cut", [3, 10, -4])
def test_a_truncated_gzip_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(idx(1000, data=bytes(range(250)) * 4))[:cut])
    with pytest.raises(DataError, match=r"a\.gz"):
        read_idx(path)


def test_damaged_gzip_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    content = bytearray(gzip.compress(idx(1000, data=bytes(range(250)) * 4)))
    for position in (15, 40, len(content) - 6):
        damaged = content.copy()
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(DataError):
            read_idx(path)


def test_nothing_is_allocated_for_numbers_that_are_not_there(tmp_path: Path) -> None:
    for name, content in (
        ("plain", idx(2**31, data=bytes(100))),
        ("lies.gz", gzip.compress(idx(10**9, data=bytes(2**20)))),
        ("random.gz", gzip.compress(idx(10**9, data=os.urandom(2**20)))),
        ("bomb.gz", gzip.compress(idx(10, data=bytes(2**27)))),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        del content
        tracemalloc.start()
        with pytest.raises(DataError):
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**23, name


def test_a_file_that_is_far_too_large_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(idx(640 * 2**20 + 1))
    os.truncate(path, 640 * 2**20 + 9)  # a hole, which takes no room
    with pytest.raises(DataError, match="more than the 671,088,640 that can be read"):
        read_idx(path)


def test_a_folder_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError, match="cannot be read"):
            read_idx(path)


def test_what_idx_cannot_hold_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="int64"):
        write_idx(tmp_path / "a", np.zeros(3, np.int64))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write_idx(tmp_path / "missing" / "a", np.zeros(3, np.uint8))
