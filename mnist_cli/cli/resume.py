"""``mnist-cli train --resume``: the settings come from the checkpoint, and must stay what they are.

As a config does, a checkpoint fills click's ``default_map``, so that its settings go through the
same checks as those that a person types.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mnist_cli.cli.defaults import set_defaults
from mnist_cli.errors import ModelError, SettingsError
from mnist_cli.recipe import Recipe

if TYPE_CHECKING:
    from mnist_cli.training.loop import Checkpoint

COMMANDLINE, DEFAULT_MAP = ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP

KEPT = ("data_dir", "out", "checkpoint_every", "log", "json", "quiet")
"""The options of a training that its checkpoint does not hold."""


@dataclass(frozen=True)
class Resumed:
    """A checkpoint, where it was found, and where the data came from that it was trained on."""

    path: Path
    checkpoint: Checkpoint
    origin: dict[str, Any]


def use_checkpoint(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Resumed | None:
    """Make the settings of a checkpoint the defaults: the callback of ``--resume``."""
    if value is None:
        return None
    from mnist_cli.training.checkpoint import load_checkpoint

    checkpoint, origin = load_checkpoint(value)
    set_defaults(
        context,
        value,
        asdict(checkpoint.recipe) | {"dataset": origin["dataset"], "checkpoint": str(value)},
    )
    return Resumed(value, checkpoint, origin)


def resume_command(path: Path) -> str:
    """Return the command that goes on from a checkpoint, as this one was called.

    The settings are in the checkpoint; where the files are that it reads and writes is not.
    """
    context = click.get_current_context()
    words = ["mnist-cli", "train", "--resume", str(path)]
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        value = context.params.get(name)
        if name not in KEPT or source not in (COMMANDLINE, DEFAULT_MAP) or not value:
            continue
        words += [parameter.opts[-1], *([] if value is True else [str(value)])]
    return shlex.join(words)


def check_settings(resumed: Resumed | None, recipe: Recipe, dataset: str) -> None:
    """Raise SettingsError if a setting is another one than that of the checkpoint."""
    if resumed is None:
        return
    wanted = asdict(recipe) | {"dataset": dataset}
    there = asdict(resumed.checkpoint.recipe) | {"dataset": resumed.origin["dataset"]}
    parameters = click.get_current_context().command.params
    options = {parameter.name: parameter.opts[0] for parameter in parameters}
    changed = [
        f"{options[name]} is {there[name]} there and not {value}"
        for name, value in wanted.items()
        if value != there[name]
    ]
    if changed:
        raise SettingsError(
            f"{resumed.path} goes on with its own settings, but {', and '.join(changed)}: "
            "leave that out, or train anew."
        )


def check_not_lost(path: Path) -> None:
    """Raise SettingsError if a checkpoint would be written over with which one could go on."""
    from mnist_cli.training.checkpoint import load_checkpoint
    from mnist_cli.training.loop import is_over

    try:
        found, _ = load_checkpoint(path)
    except ModelError:
        return
    if found.history and not is_over(found.recipe, found.history):
        raise SettingsError(
            f"{path} has {len(found.history)} of {found.recipe.epochs} epochs of an interrupted "
            f"training: remove it to train anew, or go on with: {resume_command(path)}"
        )
