"""What ``mnist-cli train`` tells of a run, while it lasts and at its end."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, fields
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

        self.columns = Columns(recipe)
        for line in opening_lines(recipe, data):
            self.progress.remark(line)
        self.mean_grey = mean_grey(data.train.images)
        self.doubt(of_greys(self.mean_grey, data.title))
        if self.log:
            self.log.begin()
            for epoch in earlier(self.resume):
                self.log.write(epoch.to_dict())
        self.progress.remark(self.columns.head())
        # Until now, a signal ended the program at once: there was nothing to keep.
        self.request = self.stack.enter_context(stop_request())

    def epoch(self, epoch: Epoch) -> None:
        """Tell what an epoch gave."""
        self.progress.remark(self.columns.row(epoch))
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


def is_log(keys: list[str]) -> bool:
    """Return whether a record with these keys, in this order, is one of a training's log."""
    from mnist_cli.training.history import Epoch

    return keys == [field.name for field in fields(Epoch)]


def earlier(resume: Path | None) -> list[Epoch]:
    """Return the epochs that a checkpoint has already, which belong in the log as well."""
    if resume is None:
        return []
    from mnist_cli.training.checkpoint import Checkpoint

    return Checkpoint.load(resume).history


def opening_lines(recipe: Recipe, data: Dataset) -> list[str]:
    """Return what is going to be done: the data; network, method and seed; what is unusual."""
    from mnist_cli.nn.mlp import CLASSES, INPUTS, parameter_count

    held_out = f", {recipe.validation:,} of them held out" if recipe.validation else ""
    distorted = f", {recipe.augment} distortions" if recipe.augment != "none" else ""
    how = [
        f"{INPUTS}-{recipe.hidden}-{CLASSES}, {parameter_count(recipe.hidden):,} parameters",
        f"{recipe.optimizer}, {recipe.schedule}, lr {recipe.learning_rate:g}",
        f"seed {recipe.seed}",
    ]
    unusual = []
    if coarse := min(recipe.coarse_epochs, recipe.epochs):
        unusual.append(f"at 14×14 in {coarse} of {recipe.epochs} epochs")
    if recipe.sampling == "loss":
        unusual.append("images drawn by their loss")
    images = f"{data.title}: {len(data.train):,} images{held_out}{distorted}"
    return [line for line in (images, " · ".join(how), " · ".join(unusual)) if line]


class Columns:
    """The table of the epochs, a line of which is told as each one ends; 80 columns at most.

    Parameters
    ----------
    recipe : Recipe
        Says how many epochs there will be, and whether anything is measured after each.
    """

    def __init__(self, recipe: Recipe):
        self.epochs = recipe.epochs
        # What is a mean over the epoch, and not of the network at its end, says so.
        self.names = ["mean loss", "mean accuracy"]
        if recipe.validation:
            self.names += ["validation loss", "validation accuracy"]

    def head(self) -> str:
        """Return the names of the columns."""
        return self._line("epoch", self.names, "time")

    def row(self, epoch: Epoch) -> str:
        """Return what a person reads of an epoch."""
        count = f"{epoch.epoch:{len(str(self.epochs))}}/{self.epochs}"
        cells = [f"{epoch.train_loss:z.4f}", f"{epoch.train_accuracy:.2%}"]
        if epoch.validation_loss is not None and epoch.validation_accuracy is not None:
            cells += [f"{epoch.validation_loss:z.4f}", f"{epoch.validation_accuracy:.2%}"]
        seconds = epoch.seconds or 0.0
        return self._line(count, cells, f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s")

    def _line(self, epoch: str, cells: list[str], time: str) -> str:
        widths = [len(name) for name in self.names]
        padded = [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)]
        number = max(len("epoch"), 2 * len(str(self.epochs)) + 1)
        return "  ".join([f"{epoch:>{number}}", *padded, f"{time:>7}"])


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
