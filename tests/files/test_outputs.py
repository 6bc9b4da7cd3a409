"""Pictures and pages: only what the program made is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from mnist_cli.errors import ModelError, SettingsError
from mnist_cli.files.outputs import MARK, REACH, check_output, write_output


def test_only_files_of_this_program_are_written_over(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    check_output(path)
    for ours in (b"", b"<meta " + MARK.encode(), b"%PDF" + bytes(5 * REACH) + MARK.encode()):
        path.write_bytes(ours)
        check_output(path)
    for other in (b"an essay", bytes(5 * REACH) + MARK.encode() + bytes(5 * REACH)):
        path.write_bytes(other)
        with pytest.raises(SettingsError, match="was not made by this command"):
            check_output(path)
        check_output(path, force=True)


def test_what_cannot_be_written_is_told_before_any_work(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none" / "page.html"):
        with pytest.raises(ModelError):
            check_output(path, force=True)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_output(tmp_path / "page.html", b"whole")
    assert (tmp_path / "page.html").read_bytes() == b"whole"
    with pytest.raises(ModelError, match="cannot be written"):
        write_output(tmp_path / "none" / "page.html", b"")
