"""What the options of ``mnist-cli gradcheck`` take: shapes, literals, rows."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import click

from mnist_cli.gradcheck.kinds import KINDS, SKIPPABLE, row_name


def _named(
    parse: Callable[[str], Any], what: str, is_name_needed: bool
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, Any]]:
    """Return a callback that makes a dictionary of an option given as NAME=VALUE, repeatedly."""

    def callback(
        context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals:
                name, value = "", text
            name = name.strip()
            if is_name_needed and not name:
                raise click.BadParameter(f"{text!r} is not {what}", context, parameter)
            if name in values:
                of = f"of {name} " if name else ""
                raise click.BadParameter(f"{text!r} is one {of}too many", context, parameter)
            try:
                values[name] = parse(value)
            except ValueError as error:
                raise click.BadParameter(f"{text!r} is not {what}", context, parameter) from error
        return values

    return callback


def _shape(text: str) -> tuple[int, ...]:
    """Return the numbers of ``5,10``."""
    shape = tuple(int(number) for number in text.split(","))
    if min(shape) < 1:
        raise ValueError(text)
    return shape


def _literal(text: str) -> Any:
    """Return what a text is in Python; the text itself where it is no literal."""
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text
    try:
        ast.literal_eval(repr(value))
    except (ValueError, SyntaxError, RecursionError) as error:  # 1e999 is infinite
        raise ValueError(text) from error
    return value


parse_shapes = _named(_shape, "a shape; give whole numbers from 1, such as 5,10 or w=4,3", False)
parse_arguments = _named(
    _literal, "an argument; give a name and a finite value, such as reg=0.1", True
)


def parse_rows(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> frozenset[str]:
    """Return the names of rows; whether there are such rows is known when they are made."""
    rows = frozenset(row_name(text) for text in texts)
    if "gradient" in rows:
        raise click.BadParameter(
            "'gradient' is all that is checked; name one row of it, such as to-W",
            context,
            parameter,
        )
    return rows


def unknown_rows(rows: frozenset[str], names: set[str]) -> str | None:
    """Return what is wrong with the rows to skip, if there is none of that name in a report.

    Parameters
    ----------
    rows : frozenset of str
    names : set of str
        The names and the kinds of the rows that there are.
    """
    known = {*KINDS, *map(row_name, names)}
    unknown = sorted(rows - known)
    if not unknown:
        return None
    there = ", ".join(sorted(known - {"gradient"}))
    return f"--skip {unknown[0]} names no row; the rows are {there}."


SKIP_HELP = f"Leave out a row, by its name (to-W) or by its kind: {', '.join(SKIPPABLE)}."
