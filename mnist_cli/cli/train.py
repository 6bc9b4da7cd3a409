"""``mnist-cli train``."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnist_cli import __version__
from mnist_cli.cli import options, output
from mnist_cli.cli.config import use_config
from mnist_cli.errors import SettingsError
from mnist_cli.nn.schedules import SCHEDULES
from mnist_cli.recipe import LEARNING_RATES, Recipe

if TYPE_CHECKING:
    from mnist_cli.training import Epoch


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
    type=click.Choice(options.DATASETS),
    default="mnist",
    show_default=True,
    help="MNIST, which is downloaded if it is not there, or digits drawn by the program itself.",
)
@options.data_dir
@click.option(
    "--hidden",
    metavar="N",
    type=options.POSITIVE,
    default=Recipe.hidden,
    show_default=True,
    help="Hidden units.",
)
@click.option(
    "--epochs",
    metavar="N",
    type=options.POSITIVE,
    default=Recipe.epochs,
    show_default=True,
    help="Passes over the training images.",
)
@click.option(
    "--batch-size",
    metavar="N",
    type=options.POSITIVE,
    default=Recipe.batch_size,
    show_default=True,
    help="Images a step.",
)
@click.option(
    "--optimizer",
    type=click.Choice(list(LEARNING_RATES)),
    default=Recipe.optimizer,
    show_default=True,
    help="Gradient descent with momentum, or Adam.",
)
@click.option(
    "--lr",
    "learning_rate",
    metavar="X",
    type=options.FiniteFloat(min=0, min_open=True),
    envvar="MNIST_CLI_TRAIN_LR",
    show_default=", ".join(f"{rate} for {name}" for name, rate in LEARNING_RATES.items()),
    help="Learning rate, at the schedule's peak.",
)
@click.option(
    "--momentum",
    metavar="X",
    type=options.FiniteFloat(0, 1, max_open=True),
    default=Recipe.momentum,
    show_default=True,
    help="SGD's momentum, or Adam's beta1.",
)
@click.option(
    "--weight-decay",
    metavar="X",
    type=options.FiniteFloat(min=0),
    default=Recipe.weight_decay,
    show_default=True,
    help="Decay of the parameters, decoupled from the gradient.",
)
@click.option(
    "--label-smoothing",
    metavar="X",
    type=options.FiniteFloat(0, 1, max_open=True),
    default=Recipe.label_smoothing,
    show_default=True,
    help="Share of each label that is spread over all ten digits.",
)
@click.option(
    "--dropout",
    metavar="X",
    type=options.FiniteFloat(0, 1, max_open=True),
    default=Recipe.dropout,
    show_default=True,
    help="Share of the hidden units that are put out at random in each step.",
)
@click.option(
    "--schedule",
    type=click.Choice(list(SCHEDULES)),
    default=Recipe.schedule,
    show_default=True,
    help="How the learning rate changes over the run.",
)
@click.option(
    "--deskew",
    is_flag=True,
    help="Make the digits upright first, those that are read as well.",
)
@click.option(
    "--digit-width",
    metavar="PIXELS",
    type=click.IntRange(0, 28),
    default=Recipe.digit_width,
    show_default=True,
    help="Bring all digits to this width first, those that are read as well; 0 leaves it.",
)
@click.option(
    "--augment",
    type=click.Choice(["none", "affine", "elastic"]),
    default=Recipe.augment,
    show_default=True,
    help="Distort every image anew whenever it is seen: turned, scaled, slanted and shifted, and "
    "for elastic also as if on rubber.",
)
@click.option(
    "--rotation",
    metavar="DEGREES",
    type=options.FiniteFloat(min=0),
    default=Recipe.rotation,
    show_default=True,
    help="Distortion: turned by up to this.",
)
@click.option(
    "--scale",
    metavar="X",
    type=options.FiniteFloat(min=0, max=1, max_open=True),
    default=Recipe.scale,
    show_default=True,
    help="Distortion: wider or higher by up to this share.",
)
@click.option(
    "--shear",
    metavar="X",
    type=options.FiniteFloat(min=0),
    default=Recipe.shear,
    show_default=True,
    help="Distortion: slanted by up to this tangent.",
)
@click.option(
    "--shift",
    metavar="PIXELS",
    type=options.FiniteFloat(min=0),
    default=Recipe.shift,
    show_default=True,
    help="Distortion: shifted by up to this.",
)
@click.option(
    "--displacement",
    metavar="PIXELS",
    type=options.FiniteFloat(min=0),
    default=Recipe.displacement,
    show_default=True,
    help="Elastic distortion: how far a point moves, on average.",
)
@click.option(
    "--smoothness",
    metavar="PIXELS",
    type=options.FiniteFloat(0.1, 100),
    default=Recipe.smoothness,
    show_default=True,
    help="Elastic distortion: over what distance that changes.",
)
@click.option(
    "--validation",
    metavar="N",
    type=options.NOT_NEGATIVE,
    default=Recipe.validation,
    show_default=True,
    help="Hold out this many images, the last ones, and measure on them after each epoch.",
)
@click.option(
    "--patience",
    metavar="N",
    type=options.NOT_NEGATIVE,
    default=Recipe.patience,
    show_default=True,
    help="Stop after this many epochs without a better validation accuracy, and keep the best "
    "epoch; 0 never stops.",
)
@click.option(
    "--seed",
    metavar="N",
    type=options.NOT_NEGATIVE,
    default=Recipe.seed,
    show_default=True,
    help="Decides the first weights, and the order of the images and their distortions.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    default=Recipe.dtype,
    show_default=True,
    help="Precision; float64 is slower, and for study.",
)
@click.option(
    "--out",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    default=Path("model.npz"),
    show_default=True,
    help="The model file to write.",
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
    log: Path | None,
    json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Train a network 784-hidden-10, measure it on the test images, and save it.

    The test images are looked at once, at the end.
    """
    from mnist_cli import training
    from mnist_cli.data.datasets import load_split
    from mnist_cli.data.download import download_if_missing
    from mnist_cli.data.preprocessing import preprocess
    from mnist_cli.evaluation import evaluate
    from mnist_cli.model_file import check_writable, save_model

    recipe = Recipe(**settings)
    check_writable(out)
    if log and log.resolve() == out.resolve():
        raise SettingsError(f"--log and --out are both {out}: give them different names.")
    progress = output.progress(quiet)
    if dataset == "mnist":
        download_if_missing(data_dir, progress=progress)
    images, test = (load_split(dataset, split, data_dir) for split in ("train", "test"))

    started = time.perf_counter()
    with output.log_file(log) as write:

        def report(epoch: Epoch) -> None:
            progress.remark(epoch_line(epoch, recipe.epochs))
            write(asdict(epoch))

        result = training.train(recipe, images, on_epoch=report, progress=progress)
    seconds = time.perf_counter() - started
    test = preprocess(test, deskew=recipe.deskew, digit_width=recipe.digit_width)
    measured = evaluate(result.network, test)
    save_model(
        out,
        result.network,
        {
            "mnist_cli_version": __version__,
            "dataset": dataset,
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
