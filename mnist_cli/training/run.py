"""A run: a whole training, from the data to the model file, as one call.

What goes in and what comes out can be pickled, so a run can be sent to another process, or another
machine, by anything that has the interface of `concurrent.futures`.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnist_cli import __version__
from mnist_cli.data.dataset import Dataset
from mnist_cli.data.loading import data_files, load_data
from mnist_cli.data.sources import find_source
from mnist_cli.errors import SettingsError, TrainingDivergedError, TrainingStoppedError
from mnist_cli.evaluation import Evaluation, evaluate
from mnist_cli.files.locks import sole_writer
from mnist_cli.files.targets import check_distinct, check_kept, check_writable, is_same
from mnist_cli.model import Format, Model, check_format
from mnist_cli.parallel import Workers
from mnist_cli.progress import SILENT, Progress
from mnist_cli.recipe import Recipe, check_recipe
from mnist_cli.settings import Setting
from mnist_cli.texts import as_written
from mnist_cli.training.checkpoint import Checkpoint
from mnist_cli.training.history import Epoch
from mnist_cli.training.loop import Trained, check_fits, train
from mnist_cli.training.overwriting import check_finished, check_replaceable
from mnist_cli.training.sizes import check_sizes

CHECKPOINT_EVERY = Setting(kind=int, least=1)


@dataclass(frozen=True)
class Run:
    """What a run ended with.

    Attributes
    ----------
    model : Model
    dataset, title : str
        The name of the data set that it was trained and tested on, and what to call it: where the
        files are not those that were published under that name, their folder.
    test : Evaluation or None
        How it reads the test images, which were looked at once; None where they were not.
    train_seconds, seconds : float
        Wall-clock time of training, and of all: data, training, test and the file.
    workers : Workers
        Who trained: how many processes or threads.
    out : Path or None
        The file that the model is in.
    """

    model: Model
    dataset: str
    title: str
    test: Evaluation | None
    train_seconds: float
    seconds: float
    workers: Workers
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
    test: bool = True,
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
        Whether to replace what is at `out` whatever it is, and at `checkpoint` what is none.
    checkpoint : path, optional
        Where to keep what an interrupted training needs to continue; that of `resume` if not given.
    checkpoint_every : int
        After how many epochs it is written.
    resume : path, optional
        A checkpoint to continue from. The recipe must be its own, but may have more epochs: the
        learning rate then follows the longer schedule from there on.
    start : path or Model, optional
        A model whose weights to begin with, of as many hidden units.
    test : bool
        Whether to measure on the test images; not where something is still to be chosen.
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
        model of another recipe or data set at `out`, or anything that is no model, nor at
        `checkpoint` a checkpoint (without `force`); a file of the data set; or a file that another
        run is writing. If a file would be larger than what is read. `UnfinishedError` of a
        checkpoint that could be resumed.
    ModelError
        If a model or checkpoint cannot be read or written.
    DataError, DownloadError
        If there is no data.
    TrainingStoppedError
        If `should_stop` said so; a checkpoint has then been written.
    TrainingDivergedError
        If the loss is no longer a number, in training or of the test images.
    """
    began = time.perf_counter()
    check_format(format)
    try:
        checkpoint_every = CHECKPOINT_EVERY.check(checkpoint_every)
    except ValueError as error:
        raise SettingsError(
            f"`checkpoint_every` is {as_written(checkpoint_every)}, but {error}."
        ) from error
    paths = {
        "out": _path(out),
        "checkpoint": _path(checkpoint) or _path(resume),
        "resume": _path(resume),
        "start": None if isinstance(start, Model) else _path(start),
    }
    check_distinct(paths)
    written = {name: path for name in ("checkpoint", "out") if (path := paths[name])}
    for path in written.values():
        check_writable(path)
    if isinstance(source, str):
        check_kept(written, data_files(source, data_dir), "a file of the data set")
    with ExitStack() as stack:
        for name, path in written.items():
            stack.enter_context(sole_writer(path, name))
        plan = _Plan.made_of(recipe, source, data_dir, paths, force, start, progress)
        on_begin(plan.recipe, plan.data)
        started = time.perf_counter()
        trained = _train(plan, checkpoint_every, watchers, should_stop, progress)
        train_seconds = time.perf_counter() - started
        model = trained.model
        versions = {"mnist_cli_version": __version__, "numpy_version": np.__version__}
        model.metadata = versions | plan.origin
        measured = evaluate(model, plan.data.test) if test else None
        if measured:
            if not math.isfinite(measured.loss):
                raise TrainingDivergedError(
                    f"Training diverged: the network ends with a loss of {measured.loss} on the "
                    "test images, and is not saved; try a smaller `learning_rate`."
                )
            model.metadata |= {"test_accuracy": measured.accuracy, "test_loss": measured.loss}
        if plan.out:
            model.save(plan.out, format)
    seconds = time.perf_counter() - began
    return Run(
        model=model,
        dataset=plan.data.name,
        title=plan.data.title,
        test=measured,
        train_seconds=train_seconds,
        seconds=seconds,
        workers=trained.workers,
        out=plan.out,
    )


@dataclass(frozen=True)
class _Plan:
    """What is going to be done, when all that can be known before has been checked."""

    recipe: Recipe
    data: Dataset
    origin: dict[str, Any]
    start: Model | None
    resumed: Checkpoint | None
    out: Path | None
    checkpoint: Path | None

    @classmethod
    def made_of(
        cls,
        recipe: Recipe | None,
        source: str | Dataset,
        data_dir: str | Path | None,
        paths: Mapping[str, Path | None],
        force: bool,
        start: str | Path | Model | None,
        progress: Progress,
    ) -> _Plan:
        """Load what is needed, and check that it goes together and that nothing gets lost."""
        resume = paths["resume"]
        if resume is not None and start is not None:
            raise SettingsError("`resume` and `start` cannot be used together: leave one out.")
        resumed = Checkpoint.load(resume) if resume is not None else None
        if recipe is None:
            recipe = resumed.recipe if resumed else Recipe()
        check_recipe(recipe)
        check_sizes(recipe, paths["out"] is not None, paths["checkpoint"] is not None)
        if paths["checkpoint"] and (not resumed or not is_same(paths["checkpoint"], resume or "")):
            check_finished(paths["checkpoint"], force)
        model = start if isinstance(start, Model) else None
        if paths["start"]:
            model = Model.load(paths["start"])
        if model:
            check_fits(model, recipe)
        if resumed:
            dataset = source if isinstance(source, str) else source.name
            resumed.check_settings(str(resume), recipe, dataset)
        data = load_data(source, data_dir, progress) if isinstance(source, str) else source
        find_source(data.name)
        if resumed:
            resumed.check_data(str(resume), data)
        origin = _origin(data, recipe, resumed, model)
        if paths["out"] and not force:
            check_replaceable(paths["out"], recipe, origin, resumed, paths["start"])
        return cls(recipe, data, origin, model, resumed, paths["out"], paths["checkpoint"])


def _path(path: str | Path | None) -> Path | None:
    """Return a path, if there is one."""
    return None if path is None else Path(path)


def _train(
    plan: _Plan,
    checkpoint_every: int,
    watchers: Sequence[Callable[[Epoch], object]],
    should_stop: Callable[[], bool],
    progress: Progress,
) -> Trained:
    """Train, and keep the checkpoint up to date, if there is to be one."""
    last: Checkpoint | None = None

    def keep(reached: Checkpoint) -> None:
        nonlocal last
        last = reached
        epochs = len(reached.history)
        if plan.checkpoint and (epochs % checkpoint_every == 0 or epochs == plan.recipe.epochs):
            reached.save(plan.checkpoint)

    def watch(epoch: Epoch) -> None:
        for watcher in watchers:
            watcher(epoch)

    try:
        trained = train(
            plan.recipe,
            plan.data.train,
            start=plan.start,
            resume=plan.resumed,
            origin=plan.origin,
            on_epoch=watch,
            keep=keep if plan.checkpoint else None,
            should_stop=should_stop,
            progress=progress,
        )
        if should_stop():
            raise TrainingStoppedError("Interrupted after the last epoch")
    except TrainingStoppedError:
        if plan.checkpoint and last:
            last.save(plan.checkpoint)
        raise
    return trained


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
