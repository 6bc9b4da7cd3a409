from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_cli.files.atomic import atomic_write


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with atomic_write(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_the_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with atomic_write(tmp_path / "a") as file:
        file.write(b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "other")]
    assert modes[0] == modes[1]


@pytest.mark.skipif(os.name != "posix", reason="POSIX locks")
def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a[1]"
    script = (
        "import os, sys; from pathlib import Path\n"
        "from mnist_cli.files.atomic import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)])
    assert [left.suffix for left in tmp_path.iterdir()] == [".part"]
    with atomic_write(path) as outer:
        outer.write(b"first")
        assert len(list(tmp_path.iterdir())) == 1
        with atomic_write(path) as inner:
            inner.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_that_is_called_as_a_temporary_file_is_left_alone(tmp_path: Path) -> None:
    pipe = tmp_path / ".m.npz.left.part"
    os.mkfifo(pipe)
    with atomic_write(tmp_path / "m.npz") as file:
        file.write(b"whole")
    assert (tmp_path / "m.npz").read_bytes() == b"whole"
    assert pipe.exists()
