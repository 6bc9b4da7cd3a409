"""A sweep: many runs, on any executor that has the interface of `concurrent.futures`.

Each is a `run` on one thread, in whichever process the executor has, and comes back as a value:
whoever sweeps writes all files. So nothing is shared with the workers but their code and the data,
and a worker that dies leaves nothing half done.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mnist_cli import __version__
from mnist_cli.data.dataset import Dataset
from mnist_cli.data.loading import load_data
from mnist_cli.errors import (
    DataError,
    SettingsError,
    TrainingDivergedError,
    TrainingStoppedError,
)
from mnist_cli.evaluation import evaluate
from mnist_cli.model import Model
from mnist_cli.parallel import one_thread
from mnist_cli.progress import SILENT, Progress
from mnist_cli.recipe import Recipe
from mnist_cli.training import runs
from mnist_cli.training.grid import Planned
from mnist_cli.training.overwriting import check_replaceable
from mnist_cli.training.pool import is_given_up
from mnist_cli.training.ranking import Group
from mnist_cli.training.run import Run, run
from mnist_cli.training.runs import Result
from mnist_cli.training.sizes import check_sizes


@dataclass(frozen=True)
class Setup:
    """What decides the bits of a run beside its recipe, and must be alike on all machines.

    Attributes
    ----------
    versions : dict of str
        Of mnist-cli, NumPy and Python.
    data : dict of str
        The SHA-256 of the data, as `Dataset.sums` has them.
    """

    versions: Mapping[str, str]
    data: Mapping[str, str]

    @classmethod
    def here(cls, data: Dataset) -> Setup:
        """Return what is found in this process."""
        return cls(versions(), data.sums)

    def check(self, found: Setup, where: str) -> None:
        """Raise SettingsError if another machine has not the same."""
        check_versions(self.versions, found.versions, where)
        if self.data != found.data:
            changed = sorted(
                name
                for name in {*self.data, *found.data}
                if self.data.get(name) != found.data.get(name)
            )
            raise SettingsError(
                f"{where} has other data than there are here, in {', '.join(changed)}: give both "
                "the same files."
            )


def versions() -> dict[str, str]:
    """Return the versions that all machines of a sweep must have in common."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"mnist-cli": __version__, "NumPy": np.__version__, "Python": python}


def check_versions(here: Mapping[str, str], there: Mapping[str, str], where: str) -> None:
    """Raise SettingsError if another machine has other versions, and name them."""
    other = [
        f"{name} {there[name]} and not {here[name]}" for name in here if there[name] != here[name]
    ]
    if other:
        raise SettingsError(f"{where} has {', '.join(other)}: install the same on all machines.")


@dataclass(frozen=True)
class Failure:
    """A run that is not done.

    Attributes
    ----------
    planned : Planned
    sentence : str
        What happened.
    is_lost : bool
        Whether it went with its worker, and may be done another time; else it diverged.
    """

    planned: Planned
    sentence: str
    is_lost: bool


@dataclass(frozen=True)
class Swept:
    """What a sweep ended with.

    Attributes
    ----------
    planned : list of Planned
        What is done, in the order of the grid.
    results : list of Result
        One for each.
    failures : list of Failure
        What is not.
    """

    planned: list[Planned]
    results: list[Result]
    failures: list[Failure]


def perform(recipe: Recipe, dataset: str, data_dir: str | None, setup: Setup) -> Run:
    """Train as a worker does: on one thread, with the data that the process has had from before.

    The test images are looked at where there are no validation images to judge by.

    Parameters
    ----------
    recipe : Recipe
    dataset, data_dir : str
        As `load_data` takes them.
    setup : Setup
        What whoever sweeps has.

    Raises
    ------
    DataError
        If there is no data, with the name of the machine.
    SettingsError
        If this process has other versions or data.
    TrainingDivergedError
        If the loss is no longer a number.
    TrainingStoppedError
        If the pool of this process has been given up.
    """
    if is_given_up():
        raise TrainingStoppedError("Interrupted before it began")
    where = f"The worker on {platform.node()}"
    try:
        data = _data(dataset, data_dir)
    except DataError as error:
        raise DataError(f"{where} cannot load the data: {error}") from error
    setup.check(Setup.here(data), where)
    with one_thread():
        return run(recipe, data, test=not recipe.validation, should_stop=is_given_up)


@lru_cache(maxsize=1)
def _data(dataset: str, data_dir: str | None) -> Dataset:
    """Load a data set, once in a process."""
    return load_data(dataset, data_dir)


def sweep(
    planned: Sequence[Planned],
    data: Dataset,
    out: Path,
    executor: Executor,
    *,
    data_dir: str | None = None,
    force: bool = False,
    lost: tuple[type[BaseException], ...] = (BrokenExecutor,),
    on_begin: Callable[[int, int], object] = lambda runs, done: None,
    on_result: Callable[[Planned, Result], object] = lambda planned, result: None,
    on_failure: Callable[[Failure], object] = lambda failure: None,
    progress: Progress = SILENT,
) -> Swept:
    """Do all runs that are not done yet, each in its folder of ``out``, in whichever order.

    A run is done if its model is there, of the same recipe, data and versions of mnist-cli and
    NumPy, whatever its folder is called.

    Parameters
    ----------
    planned : sequence of Planned
        See `mnist_cli.training.grid.plan`.
    data : Dataset
    out : Path
        The folder of all runs, which is made.
    executor : Executor
        Runs `perform`; its processes need not see ``out``.
    data_dir : str, optional
        Where the executor's processes find the data; where `load_data` looks, if not given.
    force : bool
        Whether a run may replace one of other settings or data, in a folder of the same name.
    lost : tuple of exception types
        What the executor raises where a run went with its worker. The others go on.
    on_begin : callable
        Is given how many runs there are, and how many are done already.
    on_result : callable
        Is given each run as it is done; first those that were there.
    on_failure : callable
        Is given each run that diverged or was lost.
    progress : Progress
        Is given one bar over all runs.

    Returns
    -------
    Swept

    Raises
    ------
    SettingsError, DataError
        If something cannot be used, before anything starts; or if a worker has other versions or
        data than there are here.
    ModelError
        If a run cannot be written.
    """
    for each in planned:
        data.train.hold_out(each.recipe.validation)
        check_sizes(each.recipe, is_model=True, is_checkpoint=False)
    runs.check_folder(out)
    there = _finished(out, data)
    todo = [each for each in planned if each.recipe not in there]
    if not force:
        for each in todo:
            _check_folder_free(out, each, data)
    on_begin(len(planned), len(planned) - len(todo))
    done: dict[Recipe, Result] = {}
    failures: list[Failure] = []
    best: Result | None = None
    setup = Setup.here(data)
    expected: tuple[type[BaseException], ...] = (TrainingDivergedError, *lost)
    with progress.bar("sweep", len(planned), "run", len(planned) - len(todo)) as bar:

        def keep(each: Planned, result: Result) -> None:
            nonlocal best
            done[each.recipe] = result
            if best is None or result.accuracy > best.accuracy:
                best = result
                bar.describe(f"best {best.accuracy:.2%}, {best.name}")
            on_result(each, result)

        def fail(each: Planned, error: BaseException) -> None:
            is_lost = isinstance(error, lost)
            sentence = "It was lost with its worker." if is_lost else str(error)
            failures.append(Failure(each, sentence, is_lost))
            on_failure(failures[-1])

        for each in planned:
            if each.recipe in there:
                keep(each, there[each.recipe])
        waiting: dict[Future[Run], Planned] = {}
        try:
            for each in todo:
                try:
                    future = executor.submit(perform, each.recipe, data.name, data_dir, setup)
                    waiting[future] = each
                except lost as error:
                    fail(each, error)
            for future in as_completed(list(waiting)):
                each = waiting.pop(future)
                try:
                    keep(each, runs.save(out, each.name, future.result().model))
                except expected as error:
                    fail(each, error)
                bar.update(1)
        finally:
            for future in waiting:
                future.cancel()
    is_done = [each for each in planned if each.recipe in done]
    return Swept(is_done, [done[each.recipe] for each in is_done], failures)


def measured_on_test(group: Group, out: Path, data: Dataset) -> Group:
    """Return a group with the accuracies of its runs on the test images, each looked at once."""
    tested = []
    for result in group.runs:
        measured = evaluate(Model.load(out / result.model), data.test)
        tested.append(replace(result, test_accuracy=measured.accuracy, test_loss=measured.loss))
    return replace(group, runs=tested)


def _finished(out: Path, data: Dataset) -> dict[Recipe, Result]:
    """Return the runs of a folder that need not be done again, by their recipes."""
    wanted: dict[str, Any] = {
        **data.origin,
        "mnist_cli_version": __version__,
        "numpy_version": np.__version__,
        "start": None,
        "raised_from": None,
    }
    return {
        result.recipe: result
        for result in runs.results(out)
        if all(result.metadata.get(name) == value for name, value in wanted.items())
        and (result.recipe.validation or result.test_accuracy is not None)
    }


def _check_folder_free(out: Path, planned: Planned, data: Dataset) -> None:
    """Raise SettingsError if a run would replace one of other settings or data, or other files."""
    folder = out / planned.name
    runs.check_free(folder)
    check_replaceable(folder / runs.MODEL, planned.recipe, data.origin, None, None)
