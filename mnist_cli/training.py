"""Training: epoch after epoch, until they are over or nothing gets better any more."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mnist_cli.data.datasets import Split
from mnist_cli.data.preprocessing import preprocess
from mnist_cli.descent import Descent
from mnist_cli.errors import SettingsError, TrainingDivergedError
from mnist_cli.evaluation import evaluate
from mnist_cli.nn.mlp import MLP
from mnist_cli.progress import SILENT, Progress
from mnist_cli.recipe import Recipe


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


def hold_out(train: Split, validation: int) -> tuple[Split, Split]:
    """Return the images to learn from, and the last ``validation`` ones, to choose by.

    Raises
    ------
    SettingsError
        If nothing would be left to learn from.
    """
    kept = len(train) - validation
    if kept < 1:
        raise SettingsError(
            f"Holding {validation:,} of {len(train):,} images out leaves none to learn from: "
            "hold fewer out."
        )
    return train[:kept], train[kept:]


def train(
    recipe: Recipe,
    data: Split,
    *,
    on_epoch: Callable[[Epoch], object] = lambda epoch: None,
    progress: Progress = SILENT,
) -> Trained:
    """Train a new network.

    Each epoch visits every image once, in a new random order. With validation images and a
    patience, training ends when that many epochs brought nothing better, and the best epoch's
    parameters are the result.

    Parameters
    ----------
    recipe : Recipe
        All that decides the result, the seed included.
    data : Split
        The training images, of which the last ``recipe.validation`` are held out.
    on_epoch : callable
        Is given each epoch as it ends.
    progress : Progress
        Is given one bar over all steps.

    Returns
    -------
    Trained

    Raises
    ------
    TrainingDivergedError
        If the loss is no longer a finite number.
    SettingsError
        If the recipe does not go with the data.
    """
    data = preprocess(data, deskew=recipe.deskew, digit_width=recipe.digit_width)
    learn, held_out = hold_out(data, recipe.validation)
    rng = np.random.default_rng(recipe.seed)
    network = MLP(recipe.hidden, recipe.dtype)
    network.initialize(rng)
    descent = Descent(recipe, network, learn, rng)
    steps = math.ceil(len(learn) / recipe.batch_size)
    history: list[Epoch] = []
    best = 0.0
    best_epoch = 0
    best_parameters = network.parameters
    with progress.bar("training", recipe.epochs * steps, "step") as bar:
        for number in range(1, recipe.epochs + 1):
            started = time.perf_counter()
            loss, accuracy = descent.epoch(number, bar.update)
            descent.finish()
            validated = evaluate(network, held_out).accuracy if recipe.validation else None
            seconds = time.perf_counter() - started
            history.append(Epoch(number, loss, accuracy, validated, seconds))
            on_epoch(history[-1])
            if recipe.patience and validated is not None:
                if validated > best:
                    best, best_epoch = validated, number
                    best_parameters = network.parameters.copy()
                elif number - best_epoch >= recipe.patience:
                    break
    network.parameters[:] = best_parameters
    # Each step's loss is that before the step; this is the one after the last.
    loss = evaluate(network, learn[: recipe.batch_size]).loss
    if not math.isfinite(loss):
        raise TrainingDivergedError(
            f"Training diverged in its last step, epoch {len(history)}: the loss is {loss}; "
            "try a smaller --lr."
        )
    return Trained(network, history)
