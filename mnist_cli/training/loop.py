"""The training loop: epoch after epoch, until all are done or nothing gets better any more."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnist_cli.data.dataset import Split, check_split
from mnist_cli.errors import SettingsError, TrainingDivergedError, TrainingStoppedError
from mnist_cli.evaluation import check_models, log_probabilities, measure
from mnist_cli.images.preprocessing import preprocess
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.parallel import Workers, say_if_alone
from mnist_cli.parallel.blas import one_blas_thread
from mnist_cli.progress import SILENT, Bar, Progress
from mnist_cli.recipe import Recipe, check_recipe
from mnist_cli.training.checkpoint import Checkpoint, is_over
from mnist_cli.training.coarse import CoarseDescent
from mnist_cli.training.descent import Descent
from mnist_cli.training.history import Epoch, best_epoch

SHOWN = 16
"""After how many steps the loss beside the bar is a new one: each time takes a few µs."""


@dataclass(frozen=True)
class Trained:
    """What training ended with, and how it got there.

    Attributes
    ----------
    model : Model
    workers : Workers
        Who did the work. It makes no difference to the model.
    """

    model: Model
    workers: Workers

    @property
    def history(self) -> list[Epoch]:
        """What each epoch gave."""
        return self.model.history


def train(
    recipe: Recipe,
    data: Split,
    *,
    start: Model | None = None,
    resume: Checkpoint | None = None,
    origin: Mapping[str, Any] | None = None,
    on_epoch: Callable[[Epoch], object] = lambda epoch: None,
    keep: Callable[[Checkpoint], object] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> Trained:
    """Train a network.

    Each epoch visits every image once, in a new random order. With validation images and a
    patience, training ends when that many epochs brought nothing better, and the best epoch's
    parameters are the result.

    Parameters
    ----------
    recipe : Recipe
        All that decides the result, the seed included.
    data : Split
        The training images, of which the last ``recipe.validation`` are held out.
    start : Model, optional
        Whose weights to begin with, in place of random ones; of as many hidden units.
    resume : Checkpoint, optional
        Where to continue: with the same recipe and data, the result is the same, bit for bit, as if
        training had never been interrupted. More epochs than it was to have lengthen the schedule.
    origin : dict, optional
        Where the data came from, for the checkpoints and the model's metadata.
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
        If the recipe does not go with the data, the checkpoint, or the model to start from; or if
        one of them is of another kind.
    """
    check_recipe(recipe)
    check_split(data)
    say_if_alone(progress.remark)
    with one_blas_thread(progress.remark):
        loop = _Loop(recipe, data, start, resume, origin or {})
        with progress.bar("training", loop.steps, "step", loop.steps_done) as bar:
            if keep:
                keep(loop.checkpoint())
            while not is_over(recipe, loop.history):
                epoch = loop.epoch(bar, should_stop)
                if keep:
                    keep(loop.checkpoint())
                on_epoch(epoch)
        return Trained(loop.result(), loop.descent.workers)


class _Loop:
    """What goes from one epoch to the next."""

    def __init__(
        self,
        recipe: Recipe,
        data: Split,
        start: Model | None,
        resume: Checkpoint | None,
        origin: Mapping[str, Any],
    ):
        if resume:
            dataset = resume.origin.get("dataset", "")
            resume.check_settings("The checkpoint", recipe, dataset)
        seen = preprocess(data.images, deskew=recipe.deskew, digit_width=recipe.digit_width)
        learn, self.held_out = Split(seen, data.labels).hold_out(recipe.validation)
        rng = np.random.default_rng(recipe.seed)
        network = MLP(recipe.hidden, recipe.dtype)
        network.initialize(rng)
        if start:
            check_fits(start, recipe)
            network.parameters[:] = start.network.parameters
        self.recipe, self.network, self.origin = recipe, network, origin
        self.learn, self.rng = learn, rng
        self.history: list[Epoch] = list(resume.history) if resume else []
        # As many as it began with, even if another version would choose otherwise.
        self.parts = len(resume.state.generators) - 1 if resume else None
        self.descent = self._next_descent()
        self.best_parameters = network.parameters
        self.steps_an_epoch = math.ceil(len(learn) / recipe.batch_size)
        if resume:
            check_losses(resume, len(learn))
            self.descent.restore(resume.state, len(self.history))
            if recipe.patience:
                self.best_parameters = resume.best_parameters.copy()

    def _next_descent(self) -> Descent:
        """Return what takes the next epoch."""
        is_coarse = len(self.history) < self.recipe.coarse_epochs
        kind = CoarseDescent if is_coarse else Descent
        return kind(self.recipe, self.network, self.learn, self.rng, self.parts)

    def _refine(self) -> None:
        """Go on at the full resolution, from where the coarse epochs have come to."""
        state = self.descent.state()
        self.descent = self._next_descent()
        self.descent.restore(state, len(self.history))

    @property
    def steps(self) -> int:
        """How many steps there are in all."""
        return self.recipe.epochs * self.steps_an_epoch

    @property
    def steps_done(self) -> int:
        """How many were done when the last epoch ended."""
        return len(self.history) * self.steps_an_epoch

    def epoch(self, bar: Bar, should_stop: Callable[[], bool]) -> Epoch:
        """Train for one epoch more, and return what it gave."""
        number = len(self.history) + 1
        of = f"{number} of {self.recipe.epochs}"
        step = 0

        def advance(loss: float) -> None:
            nonlocal step
            if step % SHOWN == 0:
                bar.describe(f"epoch {of}, loss {loss:z.4f}")
            step += 1
            bar.update(1)
            if should_stop():
                raise TrainingStoppedError(f"Interrupted in epoch {of}")

        started = time.perf_counter()
        if isinstance(self.descent, CoarseDescent) and number > self.recipe.coarse_epochs:
            self._refine()
        trained = self.descent.epoch(number, advance)
        self.descent.finish()
        loss = accuracy = None
        if self.recipe.validation:
            logarithms = log_probabilities(self.network, self.held_out.images)
            validated = measure(logarithms, self.held_out.labels)
            loss, accuracy = validated.loss, validated.accuracy
            if not math.isfinite(loss):
                raise TrainingDivergedError(
                    f"Training diverged in epoch {of}: the validation loss is {loss}; try a "
                    "smaller `learning_rate`."
                )
        seconds = time.perf_counter() - started
        epoch = Epoch(
            epoch=number,
            train_loss=trained.loss,
            train_accuracy=trained.accuracy,
            validation_loss=loss,
            validation_accuracy=accuracy,
            learning_rate=trained.learning_rate,
            seconds=seconds,
        )
        self.history.append(epoch)
        if self.recipe.patience and best_epoch(self.history) == number:
            self.best_parameters = self.network.parameters.copy()
        return epoch

    def checkpoint(self) -> Checkpoint:
        """Return where training stands."""
        return Checkpoint(
            self.recipe,
            list(self.history),
            self.best_parameters.copy(),
            self.descent.state(),
            self.origin,
        )

    def result(self) -> Model:
        """Return what training ended with."""
        self.network.parameters[:] = self.best_parameters
        return Model(self.network, self.recipe, self.history, dict(self.origin))


def check_fits(start: Model, recipe: Recipe) -> None:
    """Raise SettingsError if a recipe cannot begin with the weights of a model."""
    check_models("start", [start])
    if start.network.hidden != recipe.hidden:
        raise SettingsError(
            f"`hidden` is {recipe.hidden}, but the model to start from has {start.network.hidden}: "
            "leave it out, or name another model."
        )


def check_losses(resume: Checkpoint, images: int) -> None:
    """Raise SettingsError if a checkpoint remembers the losses of more or fewer images."""
    losses = resume.state.losses
    if losses is not None and len(losses) != images:
        raise SettingsError(
            f"The checkpoint is of {len(losses):,} training images, but there are {images:,}: name "
            "the data that it was trained on."
        )
