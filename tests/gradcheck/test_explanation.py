"""What a diagnosis means is told on the screen, and in a page that is up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mnist_cli.errors import MnistCliError
from mnist_cli.gradcheck.explanation import COMMAND, WIDTH, as_markdown, explain
from mnist_cli.gradcheck.mistakes import ALIASES, MISTAKES

PAGE = Path(__file__).parents[2] / "docs" / "diagnoses.md"


def test_the_page_of_diagnoses_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == as_markdown(), f"make it anew: {COMMAND}"


def test_the_command_that_the_page_names_makes_it() -> None:
    assert COMMAND in PAGE.read_text("utf-8")
    module = COMMAND.split()[2]
    run = subprocess.run([sys.executable, "-m", module], capture_output=True, check=True)
    assert run.stdout.decode("utf-8") == as_markdown()


@pytest.mark.parametrize("name", MISTAKES)
def test_an_explanation_fits_the_screen_and_has_all_parts(name: str) -> None:
    lines = explain(name).splitlines()
    assert lines[0] == name
    assert max(map(len, lines)) <= WIDTH
    labels = {line[:9].strip() for line in lines}
    assert "Source:" in labels
    assert name == "unknown" or {"Wrong:", "Right:"} <= labels
    assert name in PAGE.read_text("utf-8")


@pytest.mark.parametrize("old", ALIASES)
def test_a_name_of_the_version_before_is_understood(old: str) -> None:
    lines = explain(old).splitlines()
    assert lines[0] == ALIASES[old]
    assert lines[2] == f"It was called {old} in version 0.1."


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(MnistCliError, match=r"Did you mean .*softmax-twice"):
        explain("softmax-twise")
    with pytest.raises(MnistCliError, match=r"No diagnosis is called 'qqq'\. All of them"):
        explain("qqq")
    with pytest.raises(MnistCliError, match="No diagnosis is called ''"):
        explain("")


def test_spelling_may_be_loose() -> None:
    assert explain(" Dout_ignored ").splitlines()[0] == "dout-ignored"
