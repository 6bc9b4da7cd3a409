"""What a run may write over: its own earlier result, and nothing else that somebody may miss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mnist_cli.data.sources import is_same_data
from mnist_cli.errors import ModelError, SettingsError, UnfinishedError
from mnist_cli.files.targets import is_same
from mnist_cli.model import Model
from mnist_cli.recipe import Recipe
from mnist_cli.training.checkpoint import Checkpoint, is_over


def check_finished(path: Path, force: bool = False) -> None:
    """Raise UnfinishedError if a checkpoint would be lost that could be resumed.

    Raises
    ------
    UnfinishedError
    SettingsError
        If there is something else, which only ``force`` replaces.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        found = Checkpoint.load(path)
    except ModelError as error:
        if force:
            return
        raise SettingsError(
            f"{path} exists and is not a checkpoint: name another `checkpoint`, or replace it "
            "with `force`."
        ) from error
    if found.history and not is_over(found.recipe, found.history):
        raise UnfinishedError(
            f"{path} has {len(found.history)} of {found.recipe.epochs} epochs of an interrupted "
            "training: resume it, or remove it to start again."
        )


def check_replaceable(
    out: Path,
    recipe: Recipe,
    origin: Mapping[str, Any],
    resumed: Checkpoint | None,
    start: Path | None,
) -> None:
    """Raise SettingsError if a model would replace a file that is not an earlier one of its own.

    Parameters
    ----------
    out : Path
        The file to write.
    recipe : Recipe
    origin : dict
        Where training begins, as `Checkpoint` has it.
    resumed : Checkpoint or None
        What is resumed, perhaps with more epochs than the model at `out` had.
    start : Path or None
        The model that training starts from, which may be the one at `out`.
    """
    if not out.exists() or (start and is_same(start, out)):
        return
    advice = "name another `out`, or replace it with `force`."
    try:
        there = Model.load(out)
    except ModelError as error:
        raise SettingsError(f"{out} exists and is not a model: {advice}") from error
    if there.recipe is None:
        raise SettingsError(f"{out} is a model without a recipe: {advice}")
    recipe_there = there.recipe
    if resumed and recipe_there.epochs < recipe.epochs:
        recipe_there = replace(recipe_there, epochs=recipe.epochs)
    changed = [
        f"`{name}` is {value} there and not {getattr(recipe, name)}"
        for name, value in recipe_there.to_dict().items()
        if value != getattr(recipe, name)
    ]
    if changed:
        raise SettingsError(f"{out} is a model of another recipe ({', '.join(changed)}): {advice}")
    for name, what in (("dataset", "data set"), ("data", "data"), ("start", "start")):
        before, now = there.metadata.get(name), origin.get(name)
        is_alike = is_same_data(origin["dataset"], before, now) if name == "data" else before == now
        if not is_alike:
            raise SettingsError(f"{out} is a model of another {what}: {advice}")
