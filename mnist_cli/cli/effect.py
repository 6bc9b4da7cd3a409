"""Options and variables that would do nothing: they are refused, as somebody expects something."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

from mnist_cli.cli.commands import commands_of

GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)

PREFIX = "MNIST_CLI_"

OTHER_VARIABLES = ("MNIST_CLI_DATA_DIR",)
"""Variables that are no option's; those of the tests begin with ``MNIST_CLI_TEST_``."""

NEAR = 0.75
"""How alike two names are of which one is a slip of the other, by `difflib`'s ratio."""


Need = tuple[str, Sequence[Any]]
"""Another option's parameter, and the values of it that an option needs; none for any."""


def refuse_without_effect(needs: Mapping[str, Need], **found: Any) -> None:
    """Raise UsageError if an option was given that has no effect without another one.

    What stands at its default, or comes from a config, is left alone.

    Parameters
    ----------
    needs : dict
        What each option needs, by its parameter.
    **found
        Values that stand for those of options which were not given.
    """
    context = click.get_current_context()
    for name, need in needs.items():
        other, values = need
        if _is_given(context, name) and not has_effect(need, **found):
            what = " ".join([_option(context, other), " or ".join(map(str, values))]).strip()
            raise click.UsageError(
                f"{_option(context, name)} has no effect without {what}", context
            )


def refuse_beside(argument: str, names: Sequence[str]) -> None:
    """Raise UsageError if one of these options was given, which the argument makes useless."""
    context = click.get_current_context()
    for name in names:
        if _is_given(context, name):
            raise click.UsageError(
                f"{_option(context, name)} has no effect beside a {argument}", context
            )


def has_effect(need: Need, **found: Any) -> bool:
    """Return whether the command has what an option needs."""
    other, values = need
    value = {**click.get_current_context().params, **found}.get(other)
    return value in values if values else bool(value)


def _is_given(context: click.Context, name: str) -> bool:
    """Return whether an option was given, and is not at its default."""
    (parameter,) = (one for one in context.command.params if one.name == name)
    is_given = context.get_parameter_source(name) in GIVEN
    return is_given and context.params.get(name) != parameter.default


def _option(context: click.Context, name: str) -> str:
    """Return what a person types for a parameter."""
    (parameter,) = (one for one in context.command.params if one.name == name)
    return max(parameter.opts, key=len)


def refuse_misspelt_variables(group: click.Group) -> None:
    """Raise UsageError if a variable is set that is not read, but is near one that is."""
    ours = [name for name in sorted(os.environ) if name.startswith(PREFIX)]
    asked = [n for n in ours if n not in OTHER_VARIABLES and not n.startswith(f"{PREFIX}TEST_")]
    known = {*OTHER_VARIABLES, *_variables(group)} if asked else set()
    for name in asked:
        if name in known:
            continue
        unprefixed = name.removeprefix(PREFIX)
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
    for command_name, command in commands_of(group).items():
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
