"""What ``--help`` shows: options under headings, and examples at the end."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import click

from mnist_cli.cli.effect import NEAR
from mnist_cli.recipe import SETTINGS

OTHERS = "Options"
DATA = ("dataset", "data_dir", "split")
FILES = (
    *("config", "start", "out", "format", "force", "checkpoint", "checkpoint_every", "resume"),
    *("log", "errors"),
)
OUTPUT = ("print_config", "csv", "verbose", "json", "quiet", "--help")
HEADINGS = {
    **dict.fromkeys(DATA, "Data"),
    **dict.fromkeys(FILES, "Files"),
    **dict.fromkeys(OUTPUT, "Output"),
}
"""Under which heading an option is listed that is no setting, by its parameter or its name."""

ORDER = [OTHERS, *dict.fromkeys(setting.group for setting in SETTINGS.values())]
ORDER += dict.fromkeys(HEADINGS.values())


class SettingOption(click.Option):
    """The option of a setting, which stands under the heading of its group."""

    def __init__(self, *args: Any, group: str, **said: Any):
        super().__init__(*args, **said)
        self.group = group


class Command(click.Command):
    """A command whose options stand under headings, with examples at the end.

    Parameters
    ----------
    examples : sequence of pairs of str
        What somebody wants, and the command for it.
    """

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]], **said: Any):
        super().__init__(*args, **said)
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each under its heading."""
        under: dict[str, list[tuple[str, str]]] = {heading: [] for heading in ORDER}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                under[heading_of(parameter)].append(record)
        for heading, records in under.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as one would paste them in a shell."""
        with formatter.section("Examples"):
            for purpose, command in self.examples:
                formatter.write(f"  # {purpose}\n  {command}\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; of an option that there is not, suggest what was meant."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            said = f"No such option {error.option_name}{self.advice(error.option_name, ctx)}"
            raise click.NoSuchOption(error.option_name, said, ctx=ctx) from error

    def advice(self, name: str, ctx: click.Context) -> str:
        """Return what to write in place of an option that there is not, or nothing."""
        said = name.lstrip("-").upper()
        names: list[str] = []
        for parameter in self.params:
            if isinstance(parameter, click.Option):
                names += parameter.opts
            elif re.findall("[A-Z]+", parameter.metavar or "")[:1] == [said]:
                return f": give {said} without an option, as in '{ctx.command_path} {said}'"
        near = meant(name, names)
        return f". Did you mean {' or '.join(near)}?" if near else ""


def heading_of(parameter: click.Parameter) -> str:
    """Return under which heading an option is listed."""
    if isinstance(parameter, SettingOption):
        return parameter.group
    names = (str(parameter.name), *parameter.opts)
    return next((HEADINGS[name] for name in names if name in HEADINGS), OTHERS)


def meant(name: str, names: Sequence[str]) -> list[str]:
    """Return which options somebody may have meant: that of a setting, or what is spelt alike."""
    setting = SETTINGS.get(name.lstrip("-").replace("-", "_"))
    if setting is not None and f"--{setting.key}" in names:
        return [f"--{setting.key}"]
    return difflib.get_close_matches(name, names, cutoff=NEAR)
