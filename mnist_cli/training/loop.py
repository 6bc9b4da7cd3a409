"""Training: epoch after epoch, until they are over or nothing gets better any more."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mnist_cli.blas import one_blas_thread
from mnist_cli.data.dataset import Split
from mnist_cli.errors import TrainingStoppedError
from mnist_cli.evaluation import evaluate
from mnist_cli.images.preprocessing import preprocess
from mnist_cli.nn.layers import Array
from mnist_cli.nn.mlp import MLP
from mnist_cli.progress import SILENT, Progress
from mnist_cli.recipe import Recipe
from mnist_cli.training.descent import Descent, State


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images gave.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss, train_accuracy : float
        Means over the epoch's batches, each measured before the step that it led to.
    validation_accuracy : float or None
        After the epoch's last step; None if nothing was held out.
    seconds : float
        Wall-clock time, validation included.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class Trained:
    """The network that training ended with, and how it got there."""

    network: MLP
    history: list[Epoch]


@dataclass(frozen=True)
class Checkpoint:
    """Where training stands between two epochs: what it can be gone on with, later.

    Attributes
    ----------
    recipe : Recipe
    history : list of Epoch
        The epochs so far.
    best_parameters : array
        Those of the best epoch, where there is a patience; else those of the last.
    state : State
    """

    recipe: Recipe
    history: list[Epoch]
    best_parameters: Array
    state: State


def train(
    recipe: Recipe,
    data: Split,
    *,
    start: Checkpoint | None = None,
    on_epoch: Callable[[Epoch], object] = lambda epoch: None,
    keep: Callable[[Checkpoint], object] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> Trained:
    """Train a new network, or go on where training stood.

    Each epoch visits every image once, in a new random order. With validation images and a
    patience, training ends when that many epochs brought nothing better, and the best epoch's
    parameters are the result.

    Parameters
    ----------
    recipe : Recipe
        All that decides the result, the seed included.
    data : Split
        The training images, of which the last ``recipe.validation`` are held out.
    start : Checkpoint, optional
        Where to go on: of the same recipe and data, so the result is the same, bit for bit, as if
        training had never been interrupted.
    on_epoch : callable
        Is given each epoch as it ends.
    keep : callable, optional
        Is given a checkpoint at the beginning and after each epoch, before `on_epoch` is called.
    should_stop : callable
        Is asked in each step.
    progress : Progress
        Is given one bar over all steps.

    Returns
    -------
    Trained

    Raises
    ------
    TrainingDivergedError
        If the loss or a parameter is no longer a finite number.
    TrainingStoppedError
        If `should_stop` said so.
    SettingsError
        If the recipe does not go with the data.
    """
    with one_blas_thread(progress.remark):
        return _train(recipe, data, start, on_epoch, keep, should_stop, progress)


def _train(
    recipe: Recipe,
    data: Split,
    start: Checkpoint | None,
    on_epoch: Callable[[Epoch], object],
    keep: Callable[[Checkpoint], object] | None,
    should_stop: Callable[[], bool],
    progress: Progress,
) -> Trained:
    """Train, as `train` says."""
    seen = preprocess(data.images, deskew=recipe.deskew, digit_width=recipe.digit_width)
    learn, held_out = Split(seen, data.labels).hold_out(recipe.validation)
    rng = np.random.default_rng(recipe.seed)
    network = MLP(recipe.hidden, recipe.dtype)
    network.initialize(rng)
    descent = Descent(recipe, network, learn, rng)
    history: list[Epoch] = []
    best_parameters = network.parameters
    if start:
        history = list(start.history)
        descent.restore(start.state, len(history))
        if recipe.patience:
            best_parameters = start.best_parameters.copy()
    steps = math.ceil(len(learn) / recipe.batch_size)
    done = len(history) * steps
    with progress.bar("training", recipe.epochs * steps, "step", done) as bar:

        def advance(count: int) -> None:
            bar.update(count)
            if should_stop():
                raise TrainingStoppedError(
                    f"Interrupted in epoch {len(history) + 1} of {recipe.epochs}"
                )

        def checkpoint() -> None:
            if keep:
                state = descent.state()
                keep(Checkpoint(recipe, list(history), best_parameters.copy(), state))

        checkpoint()
        while not is_over(recipe, history):
            number = len(history) + 1
            started = time.perf_counter()
            loss, accuracy = descent.epoch(number, advance)
            descent.finish()
            validated = evaluate(network, held_out).accuracy if recipe.validation else None
            seconds = time.perf_counter() - started
            history.append(Epoch(number, loss, accuracy, validated, seconds))
            if recipe.patience and best_epoch(history) == number:
                best_parameters = network.parameters.copy()
            checkpoint()
            on_epoch(history[-1])
    network.parameters[:] = best_parameters
    return Trained(network, history)


def best_epoch(history: Sequence[Epoch]) -> int:
    """Return the number of the first epoch with the highest validation accuracy, or 0."""
    return max(history, key=lambda epoch: epoch.validation_accuracy or 0.0).epoch if history else 0


def is_over(recipe: Recipe, history: Sequence[Epoch]) -> bool:
    """Return whether all epochs are done, or patience is at an end."""
    is_vain = bool(recipe.patience) and len(history) - best_epoch(history) >= recipe.patience
    return len(history) == recipe.epochs or is_vain
