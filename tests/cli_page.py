"""``docs/cli.md``: the help of every command. ``python tests/cli_page.py > docs/cli.md``."""

from __future__ import annotations

import click
from click.testing import CliRunner

from mnist_cli.cli.commands import commands_of
from mnist_cli.cli.main import main

INTRODUCTION = """# The commands

What `--help` prints, of the program and of each command.

<!-- Made by: python tests/cli_page.py > docs/cli.md -->
"""


def commands(group: click.Group, above: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """Return all commands of a group, by their words, in their order."""
    found: dict[str, click.Command] = {}
    for name, command in commands_of(group).items():
        words = (*above, name)
        found[" ".join(words)] = command
        if isinstance(command, click.Group):
            found |= commands(command, words)
    return found


def page() -> str:
    """Return the page, as wide as a terminal of 80 columns."""
    parts = [INTRODUCTION]
    for name in ("", *commands(main)):
        words = [*name.split(), "--help"]
        done = CliRunner(env={"COLUMNS": "80"}).invoke(main, words, prog_name="mnist-cli")
        parts.append(f"## mnist-cli {name}".rstrip() + f"\n\n```text\n{done.stdout}```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
