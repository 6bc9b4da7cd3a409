"""``mnist-cli evaluate``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnist_cli.cli import options, output
from mnist_cli.errors import CheckFailedError, SettingsError

if TYPE_CHECKING:
    from mnist_cli.checkpoint import Model
    from mnist_cli.data.datasets import Split
    from mnist_cli.evaluation import Evaluation
    from mnist_cli.progress import Progress


@click.command()
@click.argument(
    "model", type=options.FilledPath(path_type=Path), default=Path("model.npz"), required=False
)
@click.option(
    "--dataset",
    type=click.Choice(options.DATASETS),
    show_default="what the model was trained on",
    help="The data set to measure on.",
)
@options.data_dir
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Which images: those for testing, those held out by --validation, or those learned from.",
)
@click.option(
    "--min-accuracy",
    type=options.FiniteFloat(0, 1),
    metavar="P",
    help="Exit with status 1 if the accuracy is below P, between 0 and 1.",
)
@options.json
@options.quiet
def evaluate(
    model: Path,
    dataset: str | None,
    data_dir: Path,
    split: str,
    min_accuracy: float | None,
    json: bool,
    quiet: bool,
) -> None:
    """Measure a trained MODEL [default: model.npz]: accuracy, loss, and each digit.

    The digit by digit measures are precision, recall and F1, and in the confusion matrix a row is
    a true digit, and a column what it was read as.
    """
    from mnist_cli.checkpoint import load_model
    from mnist_cli.evaluation import evaluate as measure

    loaded = load_model(model)
    dataset = dataset or str(loaded.metadata["dataset"])
    data = load_images(loaded, dataset, split, data_dir, output.progress(quiet))
    result = measure(loaded.network, data)
    if json:
        output.print_json(
            {
                "models": [{"path": str(model), "accuracy": result.accuracy}],
                "dataset": dataset,
                "split": split,
                "examples": result.examples,
                "accuracy": result.accuracy,
                "loss": result.loss,
                "errors": result.errors,
                "confusion_matrix": result.confusion_matrix.tolist(),
                "per_class": [asdict(digit) for digit in result.per_class],
            }
        )
    else:
        click.echo(report(result, model, dataset, split))
    if min_accuracy is not None and result.accuracy < min_accuracy:
        raise CheckFailedError(
            f"The accuracy of {model} is {result.accuracy:.4f}, "
            f"which is below --min-accuracy {min_accuracy}."
        )


def load_images(
    model: Model, dataset: str, split: str, data_dir: Path, progress: Progress
) -> Split:
    """Return the images to measure on; the model knows how many were held out of its training."""
    from mnist_cli.data.datasets import load_split
    from mnist_cli.data.download import download_if_missing
    from mnist_cli.training import hold_out

    if dataset == "mnist":
        parts = ("test",) if split == "test" else ("train",)
        download_if_missing(data_dir, parts, progress)
    if split == "test":
        return load_split(dataset, "test", data_dir)
    validation = int(model.metadata["recipe"]["validation"])
    if split == "validation" and not validation:
        raise SettingsError(
            "--split validation has no images, as the model was trained without: "
            "train one with --validation 10000, or take another --split."
        )
    learned_from, held_out = hold_out(load_split(dataset, "train", data_dir), validation)
    return held_out if split == "validation" else learned_from


def report(result: Evaluation, model: Path, dataset: str, split: str) -> str:
    """Return what a person reads of an evaluation."""
    summary = [
        ("model", str(model)),
        ("images", f"{result.examples:,} of {dataset}, {split}"),
        ("accuracy", f"{result.accuracy:.2%}"),
        ("loss", f"{result.loss:.4f}"),
        ("errors", f"{result.errors:,}"),
    ]
    digits = [
        (
            f"{digit.digit}",
            *(f"{x:.2%}" for x in (digit.precision, digit.recall, digit.f1)),
            f"{digit.support:,}",
        )
        for digit in result.per_class
    ]
    matrix = [
        (str(digit), *map(str, row)) for digit, row in enumerate(result.confusion_matrix.tolist())
    ]
    return "\n\n".join(
        [
            output.table(summary, "<<"),
            output.table([("digit", "precision", "recall", "F1", "images"), *digits], ">>>>>"),
            "true digits down, what they were read as across",
            output.table([("", *map(str, range(10))), *matrix], ">" * 11),
        ]
    )
