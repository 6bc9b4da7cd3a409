"""``--config`` of train and sweep: what a config has are the defaults of the command.

It fills click's ``default_map``; so a flag beats an environment variable beats the config beats the
built-in default, and a value goes through the same checks wherever it came from.
"""

from __future__ import annotations

from pathlib import Path

import click
from click import types

from mnist_cli.cli.defaults import set_defaults
from mnist_cli.cli.recipe_options import SettingType
from mnist_cli.config import VARY, find_config, read_config, read_vary
from mnist_cli.files.folders import at_home
from mnist_cli.recipe import COMMAND_KEYS, SETTINGS

NOT_KEYS = ("config", "resume", "start", "force", "print_config")
"""Options that no config has: those that name another file of settings, or are for one time."""


def config_keys(command: click.Command) -> dict[str, tuple[str, type]]:
    """Return the options that may be keys, each with the name and the type of its value."""
    return {
        name.removeprefix("--"): (str(option.name), toml_type(option))
        for option in command.params
        if isinstance(option, click.Option) and option.name not in NOT_KEYS
        for name in option.opts
        if name.startswith("--")
    }


def toml_type(option: click.Option) -> type:
    """Return the type that TOML has for the value of an option."""
    if isinstance(option.type, SettingType):
        return option.type.setting.kind
    if isinstance(option.type, types.BoolParamType):
        return bool
    return int if isinstance(option.type, types.IntParamType) else str


def use_config(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Make a config the defaults of the command: the callback of ``--config``."""
    if value is None:
        return
    path = _found(context, parameter, value)
    set_defaults(context, path, read_config(path, config_keys(context.command)))


def use_sweep_config(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Make the settings, the data and the grid of a config the defaults, as `use_config` does.

    What it says of the files and the output of one training is not for a sweep.
    """
    if value is None:
        return
    path = _found(context, parameter, value)
    shared = (*(said.key for said in SETTINGS.values()), "dataset", "data-dir")
    keys = {key: said for key, said in config_keys(context.command).items() if key in shared}
    left_out = [key for key in COMMAND_KEYS if key not in shared]
    values = read_config(path, keys, left_out)
    if vary := read_vary(path):
        values[VARY] = vary
    set_defaults(context, path, values)


def _found(context: click.Context, parameter: click.Parameter, value: str) -> Path:
    """Return the config of a name or a path."""
    try:
        return find_config(at_home(value))
    except ValueError as error:
        raise click.BadParameter(
            f"{value} cannot be found, as {error}", context, parameter
        ) from error
