"""A file that decides the defaults of a command: a config, or a checkpoint."""

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
    if context.default_map:
        raise SettingsError(
            f"--config and --resume would both decide the settings, {context.meta['config']} and "
            f"{path}: leave --config out."
        )
    context.default_map = values
    context.meta["config"] = path
