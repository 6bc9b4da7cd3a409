"""Options and variables that would do nothing: they are refused, as somebody expects something."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)

PREFIX = "MNIST_CLI_"

OTHER_VARIABLES = ("MNIST_CLI_DATA_DIR",)
"""Variables that are no option's; those of the tests begin with ``MNIST_CLI_TEST_``."""

NEAR = 0.75
"""How alike two names are of which one is a slip of the other, by `difflib`'s ratio."""


def refuse_without_effect(needs: Mapping[str, tuple[str, Sequence[Any]]]) -> None:
    """Raise UsageError if an option was given that has no effect without another one.

    What stands at its default, or comes from a config, is left alone.

    Parameters
    ----------
    needs : dict
        For an option's parameter another one, and the values of it that it needs; none for any.
    """
    context = click.get_current_context()
    parameters = {str(parameter.name): parameter for parameter in context.command.params}
    for name, (other, values) in needs.items():
        value, parameter = context.params.get(name), parameters[name]
        is_given = context.get_parameter_source(name) in GIVEN and value != parameter.default
        found = context.params.get(other)
        if is_given and not (found in values if values else found):
            option, missing = (max(parameters[one].opts, key=len) for one in (name, other))
            what = " ".join([missing, " or ".join(map(str, values))]).strip()
            raise click.UsageError(f"{option} has no effect without {what}", context)


def refuse_misspelt_variables(group: click.Group) -> None:
    """Raise UsageError if a variable is set that is not read, but is near one that is."""
    known = {*OTHER_VARIABLES, *_variables(group)}
    for name in sorted(os.environ):
        unprefixed = name.removeprefix(PREFIX)
        if name == unprefixed or name in known or unprefixed.startswith("TEST_"):
            continue
        # Of MNIST_CLI_HIDDEN, the command is missing.
        near = [other for other in sorted(known) if other.endswith(f"_{unprefixed}")]
        if not near:
            unprefixed_known = [other.removeprefix(PREFIX) for other in known]
            near = difflib.get_close_matches(unprefixed, unprefixed_known, n=1, cutoff=NEAR)
            near = [f"{PREFIX}{other}" for other in near]
        if near:
            raise click.UsageError(
                f"No option is set by the variable {name}: did you mean {' or '.join(near)}?"
            )


def _variables(group: click.Group, prefix: str = PREFIX) -> Iterator[str]:
    """Yield the variables that set the options of all commands, and of those in groups of them."""
    for command_name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _variables(command, f"{prefix}{command_name}_")
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                named = parameter.envvar
                yield (
                    named
                    if isinstance(named, str)
                    else f"{prefix}{command_name}_{parameter.name}".upper().replace("-", "_")
                )
