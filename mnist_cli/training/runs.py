"""A folder of runs: a folder for each, with its model, its log and its recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_cli.errors import DataError, MnistCliError, ModelError, SettingsError
from mnist_cli.files.atomic import atomic_write
from mnist_cli.files.records import json_line
from mnist_cli.model import Model
from mnist_cli.recipe import Recipe
from mnist_cli.training.history import Epoch, best_epoch, read_log

MODEL, LOG, RECIPE = "model.npz", "log.jsonl", "recipe.toml"
"""What is in the folder of a run. The model is written last: where it is, the run is done."""


@dataclass(frozen=True)
class Result:
    """What is known of a run that is done.

    Attributes
    ----------
    name : str
        That of its folder.
    recipe : Recipe
    metadata : dict
        What its model says of data, versions and test; see `mnist_cli.model.Model`.
    validation_accuracy, validation_loss : float or None
        Of the parameters that were kept; None where nothing was held out.
    test_accuracy, test_loss : float or None
        None where the test images were not looked at.
    seconds : float or None
        How long its epochs took together; None where the log is gone.
    """

    name: str
    recipe: Recipe
    metadata: Mapping[str, Any]
    validation_accuracy: float | None
    validation_loss: float | None
    test_accuracy: float | None
    test_loss: float | None
    seconds: float | None

    @classmethod
    def of(cls, name: str, model: Model, seconds: float | None) -> Result:
        """Return what a model tells."""
        if model.recipe is None:
            raise ValueError("a model without a recipe")
        epoch = _kept(model.recipe, model.history)
        return cls(
            name,
            model.recipe,
            model.metadata,
            epoch.validation_accuracy if epoch else None,
            epoch.validation_loss if epoch else None,
            model.metadata.get("test_accuracy"),
            model.metadata.get("test_loss"),
            seconds,
        )

    @property
    def model(self) -> str:
        """Its model's file, as seen from the folder of all runs."""
        return f"{self.name}/{MODEL}"

    @property
    def accuracy(self) -> float:
        """What it is ranked by: that of validation, or of the test where nothing is held out."""
        found = self.validation_accuracy if self.recipe.validation else self.test_accuracy
        return math.nan if found is None else found

    @property
    def loss(self) -> float:
        """The loss on the same images."""
        found = self.validation_loss if self.recipe.validation else self.test_loss
        return math.nan if found is None else found


def save(out: Path, name: str, model: Model) -> Result:
    """Write a run into its folder, the model last, and return its result.

    Raises
    ------
    ModelError
        If it cannot be written; there is then no model, or the one that was there.
    """
    assert model.recipe
    folder = out / name
    lines = "".join(json_line(epoch.to_dict(), is_first=False) for epoch in model.history)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in ((RECIPE, model.recipe.to_toml()), (LOG, lines)):
            with atomic_write(folder / file) as opened:
                opened.write(text.encode())
    except OSError as error:
        raise ModelError(f"{folder} cannot be written: {error.strerror or error}.") from error
    model.save(folder / MODEL)
    return Result.of(name, model, _total([epoch.seconds for epoch in model.history]))


def results(out: Path) -> list[Result]:
    """Return all runs of a folder that are done, by their names; what is no model is left out."""
    found = []
    for file in model_files(out):
        with suppress(ModelError, ValueError):
            name = file.parent.name
            found.append(Result.of(name, Model.load(file), _seconds(out / name / LOG)))
    return found


def model_files(folder: Path) -> list[Path]:
    """Return the models of all runs in a folder, by their names."""
    return sorted(folder.glob(f"*/{MODEL}"))


def member_files(path: Path) -> list[Path]:
    """Return the models that a path stands for: a file is itself, a folder the runs in it.

    Raises
    ------
    ModelError
        If it is a folder without any.
    """
    if not path.is_dir():
        return [path]
    found = model_files(path)
    if not found:
        raise ModelError(
            f"{path} is a folder without runs: name one that 'mnist-cli sweep --out' has written."
        )
    return found


def check_folder(out: Path) -> None:
    """Make the folder of all runs, and raise SettingsError if nothing can be written there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with atomic_write(out / ".writable"):
            pass
        (out / ".writable").unlink()
    except OSError as error:
        raise SettingsError(f"`out` {out} cannot be written: {error.strerror}.") from error


def check_free(folder: Path) -> None:
    """Raise SettingsError if the folder of a run has a file in it that no run has written.

    Of a model, `check_replaceable` knows more; and where there is one, the rest is the run's.
    """
    advice = "name another `out`, or replace it with `force`."
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is there already, and no folder: name another `out`.")
    if (folder / MODEL).exists():
        return
    for name, read in ((RECIPE, Recipe.from_toml), (LOG, read_log)):
        path = folder / name
        try:
            if path.is_file():
                read(path)
        except MnistCliError as error:
            raise SettingsError(
                f"{path} is there already, and no sweep has written it: {advice}"
            ) from error


def _kept(recipe: Recipe, history: Sequence[Epoch]) -> Epoch | None:
    """Return the epoch whose parameters were kept: the best one where there is a patience."""
    if not history:
        return None
    return history[best_epoch(history) - 1 if recipe.patience else -1]


def _seconds(log: Path) -> float | None:
    """Return what the epochs of a log took together, or None if it cannot be read."""
    if not log.is_file():  # of a pipe, one would wait for ever
        return None
    try:
        return _total([epoch.seconds for epoch in read_log(log)])
    except DataError:
        return None


def _total(seconds: Sequence[float | None]) -> float | None:
    """Return a sum, or None if a part of it is not known."""
    known = [each for each in seconds if each is not None]
    return sum(known) if len(known) == len(seconds) else None
