"""Config files: TOML whose ``[train]`` table has the options of ``mnist-cli train`` as its keys.

A config fills click's ``default_map``; so a flag beats an environment variable beats the config
beats the built-in default, and a value goes through the same checks wherever it came from.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

import click
from click import types

from mnist_cli.cli.defaults import set_defaults
from mnist_cli.errors import ConfigError

TABLE = "train"

LONGEST = 1 << 13
"""Bytes of a config at most: what a few more could nest takes the parser minutes, and gigabytes."""

LARGEST = 2**63 - 1
"""The largest whole number that TOML promises to keep."""


def config_folder() -> Path:
    """Return the folder of the ready-made configs: in the installed package, or in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def find_config(name: str) -> Path:
    """Return the path of a config that is given by its name or by a path.

    Raises
    ------
    ConfigError
        If there is neither a file nor a ready-made config of that name.
    """
    path = Path(name)
    if os.path.isfile(path):  # unlike Path's, it takes a folder that may not be read for none
        return path
    ready_made = sorted(file.stem for file in config_folder().glob("*.toml"))
    if name in ready_made:
        return config_folder() / f"{name}.toml"
    raise ConfigError(f"There is no config {name}: name a file, or one of {', '.join(ready_made)}.")


def read_config(path: Path, options: dict[str, click.Option]) -> dict[str, Any]:
    """Read a config file, and check its keys and the types of its values.

    Parameters
    ----------
    path : Path
    options : dict
        The options that may be keys, by name: ``batch-size`` is the key of ``--batch-size``, and
        ``batch_size`` is taken as well.

    Returns
    -------
    dict
        The values by the name of the option's parameter, as click's ``default_map`` has them.

    Raises
    ------
    ConfigError
        If the file cannot be read, is no TOML, or has a key or a type that is not right.
    """
    import tomllib  # 3 ms, for those alone who have a config

    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > LONGEST:
        raise ConfigError(f"{path} is longer than {LONGEST:,} bytes: no config needs as many.")
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # a number may be too long even to be read
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error
    for key, value in document.items():
        if key != TABLE or not isinstance(value, dict):
            raise ConfigError(
                f"{path} has {key!r} at the top: all keys belong in one table, [{TABLE}]."
            )
    values: dict[str, Any] = {}
    for key, value in document.get(TABLE, {}).items():
        option = options.get(key.replace("_", "-"))
        if option is None:
            raise ConfigError(f"{path} has an unknown key {key!r}: {suggestion(key, options)}")
        if option.name in values:
            raise ConfigError(f"{path} has {key!r} twice: once with a hyphen, once without.")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise ConfigError(f"{path} has a {key} of more than 64 bits: give a smaller number.")
        if isinstance(value, str) and "\0" in value:
            raise ConfigError(f"{path} has a {key} with a null character, which no path may have.")
        wanted, kind = toml_type(option)
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise ConfigError(f"{path} has {key} = {value!r}, but {key!r} takes {kind}.")
        values[str(option.name)] = value
    return values


def suggestion(key: str, options: dict[str, click.Option]) -> str:
    """Return the nearest right key, or all of them if none is near."""
    # An option is known by the name of its parameter as well: --lr is the learning_rate.
    names = {str(option.name).replace("_", "-"): name for name, option in options.items()}
    names |= {name: name for name in options}
    near = difflib.get_close_matches(key.replace("_", "-"), names, n=1)
    return f"did you mean {names[near[0]]!r}?" if near else f"the keys are {', '.join(options)}."


def toml_type(option: click.Option) -> tuple[type | tuple[type, ...], str]:
    """Return the types that TOML may give for an option, and how to call them."""
    if isinstance(option.type, types.BoolParamType):
        return bool, "true or false"
    if isinstance(option.type, types.IntParamType):
        return int, "a whole number"
    if isinstance(option.type, types.FloatParamType):
        return (int, float), "a number"
    return str, "a text in quotes"


def config_options(command: click.Command) -> dict[str, click.Option]:
    """Return the options that may be keys, by name: all but those that name a file of settings."""
    return {
        name.removeprefix("--"): option
        for option in command.params
        if isinstance(option, click.Option) and not option.is_eager
        for name in option.opts
        if name.startswith("--")
    }


def use_config(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Make a config the defaults of the command: the callback of ``--config``."""
    if value is None:
        return
    path = find_config(value)
    set_defaults(context, path, read_config(path, config_options(context.command)))
