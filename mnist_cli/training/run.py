"""A run: a whole training, from the data to the model file, as one call.

What goes in and what comes out can be pickled, so a run can be sent to another process, or another
machine, by anything that has the interface of `concurrent.futures`.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mnist_cli import __version__
from mnist_cli.data.dataset import Dataset
from mnist_cli.data.loading import load_data
from mnist_cli.errors import ModelError, SettingsError, TrainingStoppedError, UnfinishedError
from mnist_cli.evaluation import Evaluation, evaluate
from mnist_cli.files.targets import check_distinct, check_writable
from mnist_cli.model import Format, Model
from mnist_cli.progress import SILENT, Progress
from mnist_cli.recipe import Recipe
from mnist_cli.training.checkpoint import Checkpoint, is_over
from mnist_cli.training.history import Epoch
from mnist_cli.training.loop import check_fits, train


@dataclass(frozen=True)
class Run:
    """What a run ended with.

    Attributes
    ----------
    model : Model
    dataset : str
        The name of the data set that it was trained and tested on.
    test : Evaluation
        How it reads the test images, which were looked at once.
    train_seconds, seconds : float
        Wall-clock time of training, and of all: data, training, test and the file.
    out : Path or None
        The file that the model is in.
    """

    model: Model
    dataset: str
    test: Evaluation
    train_seconds: float
    seconds: float
    out: Path | None

    @property
    def history(self) -> list[Epoch]:
        """What each epoch gave."""
        return self.model.history


def run(
    recipe: Recipe | None = None,
    source: str | Dataset = "mnist",
    data_dir: str | Path | None = None,
    *,
    out: str | Path | None = None,
    format: Format = "model",
    force: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
    resume: str | Path | None = None,
    start: str | Path | Model | None = None,
    watchers: Sequence[Callable[[Epoch], object]] = (),
    on_begin: Callable[[Recipe, Dataset], object] = lambda recipe, data: None,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> Run:
    """Train, measure on the test images once, and save: all that ``mnist-cli train`` does.

    Parameters
    ----------
    recipe : Recipe, optional
        The default one if not given, or that of the checkpoint that is resumed.
    source : str or Dataset
        The name of a data set, or one that is loaded.
    data_dir : path, optional
        The folder of its files; the user's cache if not given.
    out : path, optional
        The model file to write.
    format : {"model", "arrays"}
        See `Model.save`.
    force : bool
        Whether to replace what is at `out`, whatever it is.
    checkpoint : path, optional
        Where to keep what an interrupted training needs to continue; that of `resume` if not given.
    checkpoint_every : int
        After how many epochs it is written.
    resume : path, optional
        A checkpoint to continue from. The recipe must be its own, but may have more epochs: the
        learning rate then follows the longer schedule from there on.
    start : path or Model, optional
        A model whose weights to begin with, of as many hidden units.
    watchers : sequence of callables
        Each is given every epoch as it ends.
    on_begin : callable
        Is given the recipe and the data when all has been checked and training begins.
    should_stop : callable
        Is asked in each step.
    progress : Progress
        Is given a bar, and remarks.

    Returns
    -------
    Run

    Raises
    ------
    SettingsError
        If settings contradict each other, the checkpoint or the data; or a file would be lost: a
        model of another recipe or data set at `out` (without `force`), or anything that is no
        model. `UnfinishedError` of a checkpoint that could be resumed.
    ModelError
        If a model or checkpoint cannot be read or written.
    DataError, DownloadError
        If there is no data.
    TrainingStoppedError
        If `should_stop` said so; a checkpoint has then been written.
    TrainingDivergedError
        If the loss is no longer a number.
    """
    began = time.perf_counter()
    out = Path(out) if out is not None else None
    resumed = Checkpoint.load(resume) if resume is not None else None
    if checkpoint is None:
        checkpoint = resume
    checkpoint = Path(checkpoint) if checkpoint is not None else None
    recipe = recipe or (resumed.recipe if resumed else Recipe())
    if resumed and start is not None:
        raise SettingsError("`resume` and `start` exclude each other: leave one out.")
    started_at = start if not isinstance(start, Model) else None
    check_distinct(
        {
            "out": out,
            "checkpoint": checkpoint,
            "resume": Path(resume) if resume is not None else None,
            "start": Path(started_at) if started_at is not None else None,
        }
    )
    if checkpoint and not resumed:
        _check_finished(checkpoint)
    for path in (out, checkpoint):
        if path:
            check_writable(path)
    model = Model.load(started_at) if started_at is not None else start
    assert model is None or isinstance(model, Model)
    if model:
        check_fits(model, recipe)
    name = source if isinstance(source, str) else source.name
    if resumed:
        _check_settings(str(resume), resumed, recipe, name)
    data = load_data(source, data_dir, progress) if isinstance(source, str) else source
    origin = _origin(data, recipe, resumed, model)
    if resumed and (resumed.origin["dataset"], resumed.origin["data"]) != (data.name, data.sums):
        where = f"in {data_dir}" if data_dir is not None else "given"
        raise SettingsError(
            f"The data {where} are not those that {resume} was trained on: name their `data_dir`."
        )
    if out and not force and not (started_at is not None and _is_same_file(started_at, out)):
        _check_replaceable(out, recipe, origin, is_resumed=resumed is not None)

    last: Checkpoint | None = None

    def keep(reached: Checkpoint) -> None:
        nonlocal last
        last = reached
        epochs = len(reached.history)
        if checkpoint and (epochs % checkpoint_every == 0 or epochs == recipe.epochs):
            reached.save(checkpoint)

    def watch(epoch: Epoch) -> None:
        for watcher in watchers:
            watcher(epoch)

    on_begin(recipe, data)
    started = time.perf_counter()
    try:
        trained = train(
            recipe,
            data.train,
            start=model,
            resume=resumed,
            origin=origin,
            on_epoch=watch,
            keep=keep if checkpoint else None,
            should_stop=should_stop,
            progress=progress,
        )
        if should_stop():
            raise TrainingStoppedError("Interrupted after the last epoch")
    except TrainingStoppedError:
        if checkpoint and last:
            last.save(checkpoint)
        raise
    train_seconds = time.perf_counter() - started
    measured = evaluate(trained.model, data.test)
    trained.model.metadata = {
        "mnist_cli_version": __version__,
        "numpy_version": np.__version__,
        **origin,
        "test_accuracy": measured.accuracy,
        "test_loss": measured.loss,
    }
    if out:
        trained.model.save(out, format)
    seconds = time.perf_counter() - began
    return Run(trained.model, data.name, measured, train_seconds, seconds, out)


def _origin(
    data: Dataset, recipe: Recipe, resumed: Checkpoint | None, start: Model | None
) -> dict[str, Any]:
    """Return where training begins: the data, and what else the recipe does not tell."""
    origin: dict[str, Any] = dict(data.origin)
    if start:
        origin["start"] = hashlib.sha256(start.network.parameters.tobytes()).hexdigest()
    if resumed:
        kept = ("start", "raised_from")
        origin |= {name: resumed.origin[name] for name in kept if name in resumed.origin}
        if recipe.epochs > resumed.recipe.epochs:
            before = origin.get("raised_from", [])
            origin["raised_from"] = [*before, resumed.recipe.epochs]
    return origin


def _check_finished(path: Path) -> None:
    """Raise UnfinishedError if a checkpoint would be lost with which one could continue."""
    try:
        found = Checkpoint.load(path)
    except ModelError:
        return
    if found.history and not is_over(found.recipe, found.history):
        raise UnfinishedError(
            f"{path} has {len(found.history)} of {found.recipe.epochs} epochs of an interrupted "
            "training: remove it to train anew, or resume it."
        )


def _check_settings(path: str, found: Checkpoint, recipe: Recipe, dataset: str) -> None:
    """Raise SettingsError if a setting is another one than that of the checkpoint."""
    wanted = recipe.to_dict() | {"dataset": dataset}
    there = found.recipe.to_dict() | {"dataset": found.origin["dataset"]}
    changed = [
        f"`{name}` is {there[name]} there and not {value}"
        for name, value in wanted.items()
        if value != there[name] and not (name == "epochs" and value > there[name])
    ]
    if changed:
        raise SettingsError(
            f"{path} has its own settings, of which only `epochs` may be raised, but "
            f"{', and '.join(changed)}: leave that out, or train anew."
        )


def _check_replaceable(
    out: Path, recipe: Recipe, origin: dict[str, Any], *, is_resumed: bool
) -> None:
    """Raise SettingsError if training would replace a file that is not its own earlier result."""
    if not os.path.lexists(out) or (out.is_symlink() and not out.exists()):
        return
    advice = "name another `out`, or replace it with `force`."
    try:
        there = Model.load(out)
    except ModelError as error:
        raise SettingsError(f"{out} is there already, and no model: {advice}") from error
    if there.recipe is None:
        raise SettingsError(f"{out} is a model of which no recipe is known: {advice}")
    before = there.recipe
    if is_resumed and before.epochs < recipe.epochs:
        before = replace(before, epochs=recipe.epochs)
    changed = [
        f"`{name}` is {value} there and not {getattr(recipe, name)}"
        for name, value in before.to_dict().items()
        if value != getattr(recipe, name)
    ]
    if changed:
        raise SettingsError(f"{out} is a model of another recipe ({', '.join(changed)}): {advice}")
    for name, what in (("dataset", "data set"), ("data", "data"), ("start", "start")):
        if there.metadata.get(name) != origin.get(name):
            raise SettingsError(f"{out} is a model of another {what}: {advice}")


def _is_same_file(path: str | Path, other: Path) -> bool:
    """Return whether two paths lead to the same file."""
    return os.path.realpath(path) == os.path.realpath(other)
