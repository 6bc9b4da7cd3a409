"""``mnist-cli train --resume`` and ``--from``: what a checkpoint and a model have are the defaults.

As a config does, they fill click's ``default_map``, so that their settings go through the same
checks as those that a person types.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import click
from click.core import ParameterSource

from mnist_cli.cli import options
from mnist_cli.cli.defaults import set_defaults, suggest_defaults
from mnist_cli.cli.effect import has_effect

COMMANDLINE, DEFAULT_MAP = ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP

KEPT = ("data_dir", "out", "format", "force", "checkpoint_every", "log", "json", "quiet")
"""The options of a training that its checkpoint does not hold."""


def use_checkpoint(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Make the settings of a checkpoint the defaults: the callback of ``--resume``."""
    if value is not None:
        from mnist_cli.training.checkpoint import Checkpoint

        found = Checkpoint.load(value)
        files = {"dataset": found.origin["dataset"], "checkpoint": str(value)}
        set_defaults(context, value, found.recipe.to_dict() | files)
    return value


def use_model(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Make what a model's weights need the defaults: the callback of ``--from``."""
    if value is not None:
        from mnist_cli.model import Model

        model = Model.load(value)
        needed = {"hidden": model.network.hidden}
        if model.recipe:
            needed |= {
                name: getattr(model.recipe, name) for name in ("deskew", "digit_width", "dtype")
            }
        suggest_defaults(context, needed)
    return value


def resume_command(path: Path) -> str:
    """Return the command that resumes a checkpoint, as this one was called.

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
        if name == "data_dir" and not has_effect(options.DATA_DIR_NEEDS):
            continue
        words += [parameter.opts[-1], *([] if value is True else [str(value)])]
    return shlex.join(words)
