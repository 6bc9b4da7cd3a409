"""The commands of the program, each loaded from the file of its name when it is asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click

COMMANDS = (
    *("gradcheck", "download", "train", "evaluate", "show", "predict", "draw", "plot", "report"),
    *("pack", "sweep", "completion"),
)
"""In the order of work, as ``--help`` lists them."""


class CommandsInOrder(click.Group):
    """A group that lists its commands as they were added, in the order of work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name; if there is none, suggest what was meant."""
        name = args[0]
        is_option = name.startswith("-")
        if not (ctx.resilient_parsing or is_option or self.get_command(ctx, name)):
            near = get_close_matches(name, self.list_commands(ctx))
            advice = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command {name!r}.{advice}")
        return super().resolve_command(ctx, args)


class CommandsOnDemand(CommandsInOrder):
    """The group of all commands, of which only the one that is used need be loaded."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, loaded or not."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; None if there is no such."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.add_command(getattr(import_module(f"mnist_cli.cli.{cmd_name}"), cmd_name))
        return super().get_command(ctx, cmd_name)


def commands_of(group: click.Group) -> dict[str, click.Command]:
    """Return all commands of a group by their names, in its order."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}
