"""The options that several commands share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mnist_cli.cli.commands import commands_of
from mnist_cli.cli.output import Document
from mnist_cli.data.sources import SOURCES, in_folders
from mnist_cli.errors import MnistCliError
from mnist_cli.files.folders import at_home
from mnist_cli.recipe import MOST


class FiniteFloat(click.FloatRange):
    """A number in a range, and neither infinite nor NaN, which no range keeps out."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number, or fail."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number", param, ctx)
        return number


class WholeNumber(click.IntRange):
    """A whole number in a range, of which the help shows what somebody may meet."""

    name = "whole number"

    def _describe_range(self) -> str:
        """Say a range as click does, where it ends below `MOST`."""
        return "" if self.max is None or self.max >= MOST else super()._describe_range()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail, in the words of a setting."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            number = str(value).strip()
            if not number.lstrip("+-").isdigit():
                raise
            ends = f"at least {self.min:,} and at most {self.max:,}"
            self.fail(f"{number} must be {ends}", param, ctx)


class FilledPath(click.Path):
    """A path, and not the empty text that a variable has which was never set.

    A shell makes a home of ``~`` only at the beginning of a word; in ``--data-dir=~/mnist``, in a
    variable and in a config it is done here.
    """

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the path, or fail."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        try:
            value = at_home(value)
        except ValueError as error:
            self.fail(f"{value} cannot be found, as {error}", param, ctx)
        return super().convert(value, param, ctx)


POSITIVE = WholeNumber(1, MOST)
NOT_NEGATIVE = WholeNumber(0, 2**63 - 1)


data_dir = click.option(
    "--data-dir",
    type=FilledPath(file_okay=False, path_type=Path),
    metavar="DIR",
    show_default="$MNIST_CLI_DATA_DIR, else the user's cache folder",
    help="The folder of the MNIST files, or of another data set in their format.",
)
DATA_DIR_NEEDS = ("dataset", in_folders())
"""Without what `data_dir` has no effect, for `refuse_without_effect`."""


def dataset(text: str, default: str | None = "mnist") -> Callable[[Any], Any]:
    """Return the option ``--dataset``; by default, the data set of the model if `default` is None.

    It says `text` in the help.
    """
    return click.option(
        "--dataset",
        type=click.Choice(list(SOURCES)),
        default=default,
        show_default=True if default else "what the model was trained on",
        help=text,
    )


split = click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Which images: those for testing, those held out by --validation, or those trained on.",
)


def out(default: str) -> Callable[[Any], Any]:
    """Return the option ``--out`` of a command that writes one file, of that name by default."""
    return click.option(
        "--out",
        type=FilledPath(dir_okay=False, path_type=Path),
        default=Path(default),
        show_default=True,
        metavar="FILE",
        help="The file to write.",
    )


def _ask_for_document(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    """Remember it for an error, which is then a document as well."""
    context.ensure_object(Document).is_wanted = value
    return value


json = click.option(
    "--json",
    is_flag=True,
    callback=_ask_for_document,
    help="Print one JSON document on stdout, even after an error.",
)
force = click.option(
    "--force", is_flag=True, help="Replace what is at --out, even if this command did not make it."
)
quiet = click.option("-q", "--quiet", is_flag=True, help="Print no progress and no remarks.")


def in_options(error: MnistCliError, group: click.Group) -> str:
    """Return an error's sentence, with settings and arguments called as the options that they are.

    What a gradient check says in backticks is somebody's code, and stays.
    """
    sentence = str(error)
    if type(error).__module__ != MnistCliError.__module__ or "`" not in sentence:
        return sentence
    names = {
        f"`{parameter.name}`": max(parameter.opts, key=len)
        for command in commands_of(group).values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    return re.sub(r"`\w+`", lambda found: names.get(found[0], found[0]), sentence)
