"""What ``mnist-cli train`` tells of a run, while it lasts and at its end."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_cli.cli.log import Log
from mnist_cli.cli.signals import StopRequest, stop_request
from mnist_cli.data.sources import SOURCES
from mnist_cli.recipe import Recipe

if TYPE_CHECKING:
    from mnist_cli.data.dataset import Dataset
    from mnist_cli.progress import Progress
    from mnist_cli.training.history import Epoch
    from mnist_cli.training.run import Run


class Watch:
    """What is told of a run while it lasts, to a person and to the log; and whether to stop it.

    Parameters
    ----------
    stack : ExitStack
        What is opened here is closed with it.
    progress : Progress
    log : Log or None
    resume : Path or None
    """

    def __init__(self, stack: ExitStack, progress: Progress, log: Log | None, resume: Path | None):
        self.stack = stack
        self.progress = progress
        self.log = log
        self.resume = resume
        self.request = StopRequest()
        self.mean_grey = 0.0
        self.doubts: list[str] = []

    def begin(self, recipe: Recipe, data: Dataset) -> None:
        """Tell what is going to be done, and begin the log."""
        from mnist_cli.doubts import mean_grey, of_greys

        self.epochs = recipe.epochs
        self.progress.remark(opening_line(recipe, data))
        self.mean_grey = mean_grey(data.train.images)
        self.doubt(of_greys(self.mean_grey, data.title))
        if self.log:
            self.log.begin()
            for epoch in earlier(self.resume):
                self.log.write(epoch.to_dict())
        # Until now, a signal ended the program at once: there was nothing to keep.
        self.request = self.stack.enter_context(stop_request())

    def epoch(self, epoch: Epoch) -> None:
        """Tell what an epoch gave."""
        self.progress.remark(epoch_line(epoch, self.epochs))
        if self.log:
            self.log.write(epoch.to_dict())

    def end(self, result: Run) -> None:
        """Tell what makes the result doubtful."""
        from mnist_cli.doubts import of_evaluation

        assert result.test
        advice = "it has learned nothing; try a smaller --lr"
        self.doubt(of_evaluation(result.test, advice))

    def doubt(self, sentence: str | None) -> None:
        """Tell of a doubt, if there is one."""
        if sentence:
            self.doubts.append(sentence)
            self.progress.remark(sentence)

    def should_stop(self) -> bool:
        """Return whether a signal has come."""
        return bool(self.request)


def earlier(resume: Path | None) -> list[Epoch]:
    """Return the epochs that a checkpoint has already, which belong in the log as well."""
    if resume is None:
        return []
    from mnist_cli.training.checkpoint import Checkpoint

    return Checkpoint.load(resume).history


def opening_line(recipe: Recipe, data: Dataset) -> str:
    """Return what is going to be done: data, network, method and seed."""
    from mnist_cli.nn.mlp import CLASSES, INPUTS, parameter_count

    held_out = f", {recipe.validation:,} of them held out" if recipe.validation else ""
    distorted = f", {recipe.augment} distortions" if recipe.augment != "none" else ""
    return " · ".join(
        [
            f"{data.title}: {len(data.train):,} images{held_out}{distorted}",
            f"{INPUTS}-{recipe.hidden}-{CLASSES}, {parameter_count(recipe.hidden):,} parameters",
            f"{recipe.optimizer}, {recipe.schedule}, lr {recipe.learning_rate:g}",
            f"seed {recipe.seed}",
        ]
    )


def epoch_line(epoch: Epoch, epochs: int) -> str:
    """Return what a person reads of an epoch."""
    cells = [
        f"epoch {epoch.epoch:{len(str(epochs))}}/{epochs}",
        f"mean loss {epoch.train_loss:z.4f}",
        f"mean training accuracy {epoch.train_accuracy:.2%}",
    ]
    if epoch.validation_loss is not None:
        cells.append(f"validation loss {epoch.validation_loss:z.4f}")
    if epoch.validation_accuracy is not None:
        cells.append(f"validation accuracy {epoch.validation_accuracy:.2%}")
    if epoch.seconds is not None:
        cells.append(f"{epoch.seconds:.2f} s")
    return "  ".join(cells)


def summary(result: Run) -> list[tuple[str, str]]:
    """Return what a person reads at the end."""
    test, source = result.test, SOURCES[result.dataset]
    assert test
    return [
        ("test accuracy", f"{test.accuracy:.2%}"),
        ("test loss", f"{test.loss:z.4f}"),
        ("test errors", f"{test.errors:,} of {test.examples:,}"),
        ("tested on", f"the test images of {result.title}{source.caveat}"),
        ("model", str(result.out)),
        ("time", f"{result.seconds:.1f} s"),
    ]


def document(result: Run, watch: Watch) -> dict[str, Any]:
    """Return what a script reads at the end."""
    recipe, network = result.model.recipe, result.model.network
    assert recipe
    assert result.test
    return {
        "model": str(result.out),
        "dataset": result.dataset,
        "title": result.title,
        "hidden": recipe.hidden,
        "parameters": network.parameters.size,
        "seed": recipe.seed,
        "epochs": len(result.history),
        "train_seconds": result.train_seconds,
        "seconds": result.seconds,
        "workers": asdict(result.workers),
        "test_images": result.test.examples,
        "test_accuracy": result.test.accuracy,
        "test_loss": result.test.loss,
        "mean_grey": watch.mean_grey,
        "better_than_guessing": result.test.is_better_than_guessing,
        "remarks": watch.doubts,
        "history": [epoch.to_dict() for epoch in result.history],
    }
