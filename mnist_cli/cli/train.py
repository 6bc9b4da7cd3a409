"""``mnist-cli train``."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnist_cli import __version__
from mnist_cli.cli import options, output
from mnist_cli.cli.config import use_config
from mnist_cli.cli.recipe_options import recipe_options
from mnist_cli.cli.resume import (
    Resumed,
    check_not_lost,
    check_settings,
    resume_command,
    use_checkpoint,
)
from mnist_cli.cli.signals import stop_request
from mnist_cli.data.sources import SOURCES
from mnist_cli.errors import SettingsError, TrainingStoppedError
from mnist_cli.recipe import Recipe

if TYPE_CHECKING:
    from mnist_cli.training.loop import Checkpoint, Epoch


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
    help="MNIST, which is downloaded if it is not there, or digits drawn by the program itself.",
)
@options.data_dir
@recipe_options
@click.option(
    "--out",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    default=Path("model.npz"),
    show_default=True,
    help="The model file to write.",
)
@click.option(
    "--checkpoint",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep here what an interrupted training needs to go on.",
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
    help="Go on from this checkpoint, with its settings, and keep it up to date.",
)
@click.option(
    "--log",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="FILE.jsonl",
    help="Write each epoch to this file as it ends, as a line of JSON.",
)
@options.json
@options.quiet
def train(
    dataset: str,
    data_dir: Path,
    out: Path,
    checkpoint: Path | None,
    checkpoint_every: int,
    resume: Resumed | None,
    log: Path | None,
    json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Train a network 784-hidden-10, measure it on the test images, and save it.

    The test images are looked at once, at the end.
    """
    import numpy as np

    from mnist_cli.data.dataset import Split
    from mnist_cli.data.loading import load_data
    from mnist_cli.evaluation import evaluate
    from mnist_cli.images.preprocessing import preprocess
    from mnist_cli.model import check_writable, save_model
    from mnist_cli.training import loop
    from mnist_cli.training.checkpoint import save_checkpoint

    recipe = Recipe(**settings)
    check_settings(resume, recipe, dataset)
    settings_file = click.get_current_context().meta.get("config")
    files = {"--out": out, "--log": log, "--checkpoint": checkpoint}
    files["--resume" if resume else "--config"] = settings_file
    check_distinct({option: path for option, path in files.items() if path})
    if checkpoint and not resume:
        check_not_lost(checkpoint)
    for path in (out, checkpoint):
        if path:
            check_writable(path)
    progress = output.progress(quiet)
    data = load_data(dataset, data_dir, progress)
    origin = data.origin
    if resume and resume.origin != origin:
        raise SettingsError(
            f"The data in {data_dir} are not those that {resume.path} was trained on: "
            "name their --data-dir."
        )
    last: Checkpoint | None = None

    def keep(reached: Checkpoint) -> None:
        nonlocal last
        last = reached
        epochs = len(reached.history)
        if checkpoint and (epochs % checkpoint_every == 0 or epochs == recipe.epochs):
            save_checkpoint(checkpoint, reached, origin)

    started = time.perf_counter()
    with output.log_file(log, progress.remark) as write, stop_request() as request:
        for epoch in resume.checkpoint.history if resume else []:
            write(asdict(epoch))

        def report(epoch: Epoch) -> None:
            progress.remark(epoch_line(epoch, recipe.epochs))
            write(asdict(epoch))

        try:
            result = loop.train(
                recipe,
                data.train,
                start=resume.checkpoint if resume else None,
                on_epoch=report,
                keep=keep if checkpoint else None,
                should_stop=lambda: bool(request),
                progress=progress,
            )
            if request:
                raise TrainingStoppedError("Interrupted after the last epoch")
        except TrainingStoppedError as error:
            if checkpoint and last:
                save_checkpoint(checkpoint, last, origin)
                advice = f"go on with: {resume_command(checkpoint)}"
            else:
                advice = "with --checkpoint FILE, one can go on."
            raise TrainingStoppedError(f"{error}; {advice}", request.exit_status) from error
    seconds = time.perf_counter() - started
    seen = preprocess(data.test.images, deskew=recipe.deskew, digit_width=recipe.digit_width)
    measured = evaluate(result.network, Split(seen, data.test.labels))
    save_model(
        out,
        result.network,
        {
            "mnist_cli_version": __version__,
            "numpy_version": np.__version__,
            **origin,
            "recipe": asdict(recipe),
            "history": [without_seconds(epoch) for epoch in result.history],
            "test_accuracy": measured.accuracy,
            "test_loss": measured.loss,
        },
    )
    if json:
        output.print_json(
            {
                "model": str(out),
                "dataset": dataset,
                "hidden": recipe.hidden,
                "parameters": result.network.parameters.size,
                "seed": recipe.seed,
                "epochs": len(result.history),
                "train_seconds": seconds,
                "test_accuracy": measured.accuracy,
                "test_loss": measured.loss,
                "history": [asdict(epoch) for epoch in result.history],
            }
        )
        return
    rows = [
        ("test accuracy", f"{measured.accuracy:.2%}"),
        ("test loss", f"{measured.loss:.4f}"),
        ("test errors", f"{measured.errors:,} of {measured.examples:,}"),
        ("model", str(out)),
    ]
    click.echo(output.table(rows, "<<"))


def check_distinct(paths: dict[str, Path]) -> None:
    """Raise SettingsError if two options name the same file, one of them to be written."""
    for (first, path), (second, other) in combinations(paths.items(), 2):
        is_update = (first, second) == ("--checkpoint", "--resume")
        if os.path.realpath(path) == os.path.realpath(other) and not is_update:
            raise SettingsError(f"{second} and {first} are both {path}: give them different names.")


def without_seconds(epoch: Epoch) -> dict[str, Any]:
    """Return the epoch as the model file has it: the same training gives the same bytes."""
    return {name: value for name, value in asdict(epoch).items() if name != "seconds"}


def epoch_line(epoch: Epoch, epochs: int) -> str:
    """Return what a person reads of an epoch."""
    cells = [
        f"epoch {epoch.epoch:{len(str(epochs))}}/{epochs}",
        f"loss {epoch.train_loss:.4f}",
        f"training accuracy {epoch.train_accuracy:.2%}",
    ]
    if epoch.validation_accuracy is not None:
        cells.append(f"validation accuracy {epoch.validation_accuracy:.2%}")
    cells.append(f"{epoch.seconds:.2f} s")
    return "  ".join(cells)
