"""The page on gradcheck is run: its files are written, its commands run, its outputs compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from console import Block, Files, blocks, compare

from mnist_cli.cli.gradcheck import gradcheck
from mnist_cli.gradcheck.kinds import KINDS
from mnist_cli.gradcheck.result import Check

pytestmark = pytest.mark.long

PAGE = (Path(__file__).parents[1] / "docs" / "gradcheck.md").read_text("utf-8")
TITLES, TEXTS = zip(
    *re.findall(r"^#{2,3} (.+?)\n(.*?)(?=^#{2,3} |\Z)", PAGE, re.DOTALL | re.MULTILINE), strict=True
)
CHAPTERS: dict[str, list[Block]] = dict(zip(TITLES, map(blocks, TEXTS), strict=True))
RUN = [title for title, found in CHAPTERS.items() if any(b.kind == "console" for b in found)]


@pytest.mark.parametrize("title", RUN)
def test_every_output_on_the_page_is_what_the_command_prints(title: str, tmp_path: Path) -> None:
    files = Files(tmp_path)
    for block in CHAPTERS[title]:
        if block.kind == "python":
            files.write(block)
        elif block.kind == "console":
            compare(block, tmp_path)


def test_the_five_questions_are_run_before_and_after_the_mend() -> None:
    start = TITLES.index("Five questions") + 1
    for title in TITLES[start : start + 5]:
        wrong, right = (b.text for b in CHAPTERS[title] if b.kind == "console")
        assert "Error:" in wrong
        assert "\nAll " in right


def test_the_page_names_every_option_and_no_other() -> None:
    chapter = TEXTS[TITLES.index("Options")]
    named = set(re.findall(r"--[a-z][a-z-]*", chapter))
    assert named == {option for p in gradcheck.params for option in p.opts if option[:2] == "--"}


def test_the_page_names_every_kind_of_row_and_no_other() -> None:
    chapter = TEXTS[TITLES.index("How the right answer is found")]
    assert re.findall(r"^\| `([a-z-]+)`", chapter, re.MULTILINE) == list(KINDS)


def test_the_page_names_every_key_of_a_row_in_json() -> None:
    chapter = TEXTS[TITLES.index("JSON")]
    row = Check("to x", "", "", 1, 0.0, True).as_dict()
    assert set(row) <= set(re.findall(r"`(\w+)`", chapter))
