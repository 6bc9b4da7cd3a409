"""``mnist-cli completion``."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

from mnist_cli.cli.help import Command
from mnist_cli.config import ready_made

SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Command,
    short_help="Print a script that makes your shell complete commands.",
    examples=[
        ("for bash, in this session", 'eval "$(mnist-cli completion bash)"'),
        ("for zsh, from now on", "mnist-cli completion zsh > ~/.mnist-cli.zsh  # source it"),
    ],
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script that makes your shell complete commands, options, configs and files."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    group = click.get_current_context().find_root().command
    click.echo(kind(group, {}, "mnist-cli", "_MNIST_CLI_COMPLETE").source())


def complete_config(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the ready-made configs that begin so; or a sign that the shell may name files."""
    names = [name for name in ready_made() if name.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]
