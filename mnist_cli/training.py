"""Training: take a batch, find the gradients, take a step, until the epochs are over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mnist_cli.data.datasets import Split, to_inputs
from mnist_cli.errors import SettingsError, TrainingDivergedError
from mnist_cli.evaluation import evaluate
from mnist_cli.nn.losses import SoftmaxCrossEntropy
from mnist_cli.nn.mlp import MLP
from mnist_cli.nn.optimizers import SGD, Adam, Optimizer
from mnist_cli.nn.schedules import SCHEDULES
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


def make_optimizer(recipe: Recipe, network: MLP) -> Optimizer:
    """Return the optimiser that the recipe names, for the parameters of ``network``."""
    kinds: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam}
    return kinds[recipe.optimizer](network.parameters, recipe.momentum, recipe.weight_decay)


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
    learn, held_out = hold_out(data, recipe.validation)
    rng = np.random.default_rng(recipe.seed)
    network = MLP(recipe.hidden, recipe.dtype)
    network.initialize(rng)
    optimizer = make_optimizer(recipe, network)
    steps = math.ceil(len(learn) / recipe.batch_size)
    history: list[Epoch] = []
    best = 0.0
    best_epoch = 0
    best_parameters = network.parameters
    # A run that diverges overflows first; that is told by the loss, once.
    quiet = np.errstate(over="ignore", invalid="ignore")
    with quiet, progress.bar("training", recipe.epochs * steps, "step") as bar:
        for number in range(1, recipe.epochs + 1):
            started = time.perf_counter()
            loss, accuracy = _train_epoch(
                recipe, network, optimizer, learn, number, rng, bar.update
            )
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


def _train_epoch(
    recipe: Recipe,
    network: MLP,
    optimizer: Optimizer,
    data: Split,
    number: int,
    rng: np.random.Generator,
    advance: Callable[[int], object],
) -> tuple[float, float]:
    """Visit every image once, and return the mean loss and accuracy of the epoch."""
    criterion = SoftmaxCrossEntropy()
    schedule = SCHEDULES[recipe.schedule]
    order = rng.permutation(len(data))
    starts = range(0, len(order), recipe.batch_size)
    loss_sum = 0.0
    correct = 0
    for step, start in enumerate(starts):
        batch = order[start : start + recipe.batch_size]
        x = to_inputs(data.images[batch], network.parameters.dtype)
        labels = data.labels[batch]

        logits = network.forward(x)
        loss = float(criterion.forward(logits, labels))
        network.zero_gradients()
        network.backward(criterion.backward())

        progress = (number - 1 + step / len(starts)) / recipe.epochs
        learning_rate = recipe.learning_rate * schedule(progress)
        optimizer.step(network.parameters, network.gradients, learning_rate)
        if not math.isfinite(loss):
            raise TrainingDivergedError(
                f"Training diverged in epoch {number}, step {step + 1}, at the learning rate "
                f"{learning_rate:.3g}: the loss is {loss}; try a smaller --lr."
            )

        loss_sum += loss * len(batch)
        correct += int((logits.argmax(axis=1) == labels).sum())
        advance(1)
    return loss_sum / len(data), correct / len(data)
