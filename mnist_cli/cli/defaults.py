"""Files that decide the defaults of a command: a config, a checkpoint, a model to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mnist_cli.errors import SettingsError


def set_defaults(context: click.Context, path: Path, values: dict[str, Any]) -> None:
    """Make the values that a file has the defaults of the command.

    Raises
    ------
    SettingsError
        If another file has done so before.
    """
    if "config" in context.meta:
        raise SettingsError(
            f"`config` and `resume` would both decide the settings, {context.meta['config']} and "
            f"{path}: leave `config` out."
        )
    context.default_map = {**(context.default_map or {}), **values}
    context.meta["config"] = path


def suggest_defaults(context: click.Context, values: dict[str, Any]) -> None:
    """Make values the defaults of what no other file decides."""
    context.default_map = {**values, **(context.default_map or {})}
