"""What a person reads: tables, bars and remarks."""

from __future__ import annotations

import sys

import click
import pytest
from conftest import on_screen

from mnist_cli.cli import output
from mnist_cli.progress import SILENT


def test_a_bar_shows_where_training_is_and_its_loss_and_counts_no_steps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    bars = output.Bars()
    with bars.bar("training", 4690, "step", done=469) as bar:
        bar.describe("epoch 2 of 10, loss 0.1234")
        bar.update(1876)
        bars.remark("a remark\x1b")
        shown = capsys.readouterr().err
    assert "epoch 2 of 10, loss 0.1234  50%|" in shown
    assert "2345" not in shown
    assert "4690" not in shown
    assert "a remark?\n" in shown
    lines = on_screen((shown + capsys.readouterr().err).encode(), 200)
    assert not [line for line in lines if "%|" in line]


def test_a_bar_of_bytes_counts_them(capsys: pytest.CaptureFixture[str]) -> None:
    with output.Bars().bar("file", 2_000_000, "B") as bar:
        bar.update(1_000_000)
    assert "/2.00M" in capsys.readouterr().err


def test_bars_are_for_terminals_and_remarks_for_all_but_the_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert output.progress(quiet=True) is SILENT
    remarks = output.progress(quiet=False)
    assert type(remarks) is output.Remarks
    remarks.remark("heard")
    with remarks.bar("nothing", 10, "step") as bar:
        bar.update(5)
        bar.describe("nothing")
    assert capsys.readouterr().err == "heard\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert type(output.progress(quiet=False)) is output.Bars


def test_a_table_is_aligned_before_it_is_coloured() -> None:
    def red(row: int, column: int, cell: str) -> str:
        return click.style(cell, fg="red") if (row, column) == (1, 1) else cell

    text = output.table([("a", "long"), ("bcd", "1")], "<>", red)
    assert click.unstyle(text) == "a    long\nbcd     1"
    assert "\x1b[31m   1\x1b[0m" in text
