"""``mnist-cli train``: options in, a `run`, and a report out."""

from __future__ import annotations

import json as jsonlib
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mnist_cli.cli import options, output
from mnist_cli.cli.config import config_keys, use_config
from mnist_cli.cli.effect import refuse_without_effect
from mnist_cli.cli.recipe_options import recipe_options
from mnist_cli.cli.resume import resume_command, use_checkpoint, use_model
from mnist_cli.cli.signals import StopRequest, stop_request
from mnist_cli.data.sources import SOURCES
from mnist_cli.errors import SettingsError, TrainingStoppedError, UnfinishedError
from mnist_cli.files.targets import check_distinct
from mnist_cli.recipe import SETTINGS, Recipe

if TYPE_CHECKING:
    from mnist_cli.data.dataset import Dataset
    from mnist_cli.progress import Progress
    from mnist_cli.training.history import Epoch
    from mnist_cli.training.run import Run

NEEDS: dict[str, Any] = {name: said.needs for name, said in SETTINGS.items() if said.needs}
NEEDS["checkpoint_every"] = ("checkpoint", ())


@click.command()
@click.option(
    "--config",
    metavar="NAME|FILE",
    is_eager=True,
    expose_value=False,
    callback=use_config,
    help="Take the options that are not given from a ready-made config or a TOML file.",
)
@click.option(
    "--dataset",
    type=click.Choice(list(SOURCES)),
    default="mnist",
    show_default=True,
    help=f"{', or '.join(source.help for source in SOURCES.values())}.",
)
@options.data_dir
@recipe_options
@click.option(
    "--from",
    "start",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="MODEL",
    envvar="MNIST_CLI_TRAIN_FROM",
    is_eager=True,
    callback=use_model,
    help="Start from the weights of this model, with as many hidden units and its preprocessing.",
)
@click.option(
    "--out",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    default=Path("model.npz"),
    show_default=True,
    help="The model file to write.",
)
@click.option(
    "--format",
    type=click.Choice(["model", "arrays"]),
    default="model",
    show_default=True,
    help="A model with its recipe and history, or W1, b1, W2 and b2 alone, for other programs.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace what is at --out, even a model of another recipe or data set, or no model.",
)
@click.option(
    "--checkpoint",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep here what an interrupted training needs to continue.",
)
@click.option(
    "--checkpoint-every",
    type=options.POSITIVE,
    default=1,
    show_default=True,
    metavar="N",
    help="Write the checkpoint after every so many epochs.",
)
@click.option(
    "--resume",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    is_eager=True,
    callback=use_checkpoint,
    help="Continue from this checkpoint, with its settings, and keep it up to date; "
    "only --epochs may be raised.",
)
@click.option(
    "--log",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write each epoch to this file as it ends: a line of JSON, or of CSV if it is *.csv.",
)
@click.option(
    "--print-config",
    is_flag=True,
    help="Print the settings as a config, and train nothing.",
)
@options.json
@options.quiet
def train(
    dataset: str,
    data_dir: Path,
    start: Path | None,
    out: Path,
    format: Any,
    force: bool,
    checkpoint: Path | None,
    checkpoint_every: int,
    resume: Path | None,
    log: Path | None,
    print_config: bool,
    json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Train a network 784-hidden-10, measure it on the test images, and save it.

    The test images are looked at once, at the end.
    """
    recipe = Recipe(**settings)
    refuse_without_effect(NEEDS)
    if print_config:
        click.echo(as_config(recipe), nl=False)
        return
    from mnist_cli.training.run import run

    config = None if resume else click.get_current_context().meta.get("config")
    check_distinct(
        {"out": out, "log": log, "checkpoint": checkpoint}
        | {"resume": resume, "start": start, "config": config}
    )
    progress = output.progress(quiet)
    with ExitStack() as stack:
        watch = Watch(stack, progress, log, resume)
        try:
            result = run(
                recipe,
                dataset,
                data_dir,
                out=out,
                format=format,
                force=force,
                checkpoint=checkpoint,
                checkpoint_every=checkpoint_every,
                resume=resume,
                start=start,
                watchers=[watch.epoch],
                on_begin=watch.begin,
                should_stop=watch.should_stop,
                progress=progress,
            )
        except UnfinishedError as error:
            assert checkpoint
            raise SettingsError(
                f"{str(error).rstrip('.')}, with: {resume_command(checkpoint)}"
            ) from error
        except TrainingStoppedError as error:
            advice = "with `checkpoint` FILE, it could be resumed."
            if checkpoint:
                advice = f"resume it with: {resume_command(checkpoint)}"
            raise TrainingStoppedError(f"{error}; {advice}", watch.request.exit_status) from error
    if json:
        output.print_json(document(result))
    else:
        click.echo(output.table(summary(result), "<<"))


class Watch:
    """What is told of a run while it lasts, to a person and to the log; and whether to stop it.

    Parameters
    ----------
    stack : ExitStack
        What is opened here is closed with it.
    progress : Progress
    log, resume : Path or None
    """

    def __init__(self, stack: ExitStack, progress: Progress, log: Path | None, resume: Path | None):
        self.stack = stack
        self.progress = progress
        self.log = log
        self.resume = resume
        self.request = StopRequest()

    def begin(self, recipe: Recipe, data: Dataset) -> None:
        """Tell what is going to be done, and open the log."""
        self.epochs = recipe.epochs
        self.progress.remark(opening_line(recipe, data))
        self.write = self.stack.enter_context(output.log_file(self.log, self.progress.remark))
        for epoch in earlier(self.resume):
            self.write(epoch.to_dict())
        # Until now, a signal ended the program at once: there was nothing to keep.
        self.request = self.stack.enter_context(stop_request())

    def epoch(self, epoch: Epoch) -> None:
        """Tell what an epoch gave."""
        self.progress.remark(epoch_line(epoch, self.epochs))
        self.write(epoch.to_dict())

    def should_stop(self) -> bool:
        """Return whether a signal has come."""
        return bool(self.request)


def as_config(recipe: Recipe) -> str:
    """Return the settings as a config, with those options of the command that were given."""
    context = click.get_current_context()
    lines = [f'dataset = "{context.params["dataset"]}"']
    for key, (name, _) in config_keys(context.command).items():
        is_given = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if name not in (*SETTINGS, "dataset") and is_given:
            value = context.params[name]
            value = str(value) if isinstance(value, Path) else value
            lines.append(f"{key} = {jsonlib.dumps(value, ensure_ascii=False)}")
    return recipe.to_toml() + "\n".join([*lines, ""])


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
        f"mean loss {epoch.train_loss:.4f}",
        f"mean training accuracy {epoch.train_accuracy:.2%}",
    ]
    if epoch.validation_loss is not None:
        cells.append(f"validation loss {epoch.validation_loss:.4f}")
    if epoch.validation_accuracy is not None:
        cells.append(f"validation accuracy {epoch.validation_accuracy:.2%}")
    if epoch.seconds is not None:
        cells.append(f"{epoch.seconds:.2f} s")
    return "  ".join(cells)


def summary(result: Run) -> list[tuple[str, str]]:
    """Return what a person reads at the end."""
    test, source = result.test, SOURCES[result.dataset]
    return [
        ("test accuracy", f"{test.accuracy:.2%}"),
        ("test loss", f"{test.loss:.4f}"),
        ("test errors", f"{test.errors:,} of {test.examples:,}"),
        ("tested on", f"the test images of {result.title}{source.caveat}"),
        ("model", str(result.out)),
        ("time", f"{result.seconds:.1f} s"),
    ]


def document(result: Run) -> dict[str, Any]:
    """Return what a script reads at the end."""
    recipe, network = result.model.recipe, result.model.network
    assert recipe
    return {
        "model": str(result.out),
        "dataset": result.dataset,
        "hidden": recipe.hidden,
        "parameters": network.parameters.size,
        "seed": recipe.seed,
        "epochs": len(result.history),
        "train_seconds": result.train_seconds,
        "seconds": result.seconds,
        "test_images": result.test.examples,
        "test_accuracy": result.test.accuracy,
        "test_loss": result.test.loss,
        "history": [epoch.to_dict() for epoch in result.history],
    }
