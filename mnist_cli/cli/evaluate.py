"""``mnist-cli evaluate``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnist_cli.cli import options, output
from mnist_cli.cli.effect import refuse_without_effect
from mnist_cli.cli.help import Command
from mnist_cli.data.sources import SOURCES
from mnist_cli.errors import CheckFailedError, ModelError, SettingsError
from mnist_cli.files.atomic import atomic_write
from mnist_cli.files.records import first_keys, line_of
from mnist_cli.files.targets import check_kept, check_writable
from mnist_cli.progress import SILENT

if TYPE_CHECKING:
    from mnist_cli.data.dataset import Split
    from mnist_cli.evaluation import Evaluation, Misread
    from mnist_cli.model import Model
    from mnist_cli.progress import Progress


@click.command(
    cls=Command,
    short_help="Measure trained models: accuracy, loss, each digit.",
    examples=[
        ("one model, digit by digit", "mnist-cli evaluate model.npz"),
        ("in CI: status 1 below 98%", "mnist-cli evaluate model.npz --min-accuracy 0.98 --json"),
    ],
)
@click.argument(
    "models",
    metavar="[MODEL]...",
    type=options.FilledPath(path_type=Path),
    nargs=-1,
)
@options.dataset("The data set to measure on.", None)
@options.data_dir
@options.split
@click.option(
    "--views",
    type=options.WholeNumber(1, 100),
    metavar="N",
    default=1,
    show_default=True,
    help="Average over N views of each image: itself and slight distortions; 16 are enough.",
)
@click.option(
    "--min-accuracy",
    type=options.FiniteFloat(0, 1),
    metavar="P",
    help="Exit with status 1 if the accuracy is below P, between 0 and 1.",
)
@click.option(
    "--errors",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write index, label, reading and probability of each misread image to this file: as CSV "
    "if it is *.csv, else as lines of JSON.",
)
@options.json
@options.quiet
def evaluate(
    models: tuple[Path, ...],
    dataset: str | None,
    data_dir: Path | None,
    split: str,
    views: int,
    min_accuracy: float | None,
    errors: Path | None,
    json: bool,
    quiet: bool,
) -> None:
    """Measure a trained MODEL [default: model.npz]: accuracy, loss, and each digit.

    Several models are a committee: their probabilities are averaged, and each is measured as well.
    A folder that 'sweep' has written stands for all models in it.
    Each digit has its precision, recall and F1. In the confusion matrix, a row is a true digit, and
    a column what it was read as.
    """
    from mnist_cli.data.loading import data_files, title_of
    from mnist_cli.doubts import is_same_data, mean_grey, of_data, of_evaluation, of_greys
    from mnist_cli.evaluation import committee, measure, misread
    from mnist_cli.model import Model
    from mnist_cli.training.runs import member_files

    paths = [file for path in models or (Path("model.npz"),) for file in member_files(path)]
    if errors:
        check_writable(errors)
        check_kept({"errors": errors}, paths, "a model that is read")
    loaded = [Model.load(path) for path in paths]
    dataset = dataset or one_dataset(loaded)
    refuse_without_effect({"data_dir": options.DATA_DIR_NEEDS}, dataset=dataset)
    if errors:
        check_kept({"errors": errors}, data_files(dataset, data_dir), "a file of the data set")
        check_replaceable(errors)
    progress = output.progress(quiet)
    data, first = load_images(loaded, dataset, split, data_dir, progress)
    members = []
    watched = progress if len(loaded) * views > 1 else SILENT
    with watched.bar("evaluating", len(loaded) * len(data), "image") as bar:
        for model in loaded:
            members.append(model.log_probabilities(data.images, views, bar))
    each = []
    for path, member in zip(paths, members, strict=True):
        measured = measure(member, data.labels)
        if not math.isfinite(measured.loss):
            raise too_large(path)
        each.append((str(path), measured.accuracy))
    together = committee(members)
    result = measure(together, data.labels)
    title = title_of(dataset, data_dir)
    sums = sums_of(dataset, split, data, data_dir)
    same = [is_same_data(model, dataset, sums) for model in loaded]
    grey = mean_grey(data.images)
    remarks = [
        *(
            of_data(model, str(path), dataset, title)
            for path, model, is_same in zip(paths, loaded, same, strict=True)
            if is_same is False
        ),
        of_greys(grey, title),
        of_evaluation(result, "it has learned nothing, or learned from images of another kind"),
    ]
    told = [remark for remark in remarks if remark]
    for remark in told:
        progress.remark(remark)
    if errors:
        write_errors(errors, misread(together, data.labels), first)
    if json:
        output.print_json(
            {
                "models": [
                    {"path": path, "accuracy": accuracy, "same_data": is_same}
                    for (path, accuracy), is_same in zip(each, same, strict=True)
                ],
                "dataset": dataset,
                "title": title,
                "split": split,
                "views": views,
                "examples": result.examples,
                "accuracy": result.accuracy,
                "loss": result.loss,
                "errors": result.errors,
                "confusion_matrix": result.confusion_matrix.tolist(),
                "per_class": [asdict(digit) for digit in result.per_class],
                "mean_grey": grey,
                "better_than_guessing": result.is_better_than_guessing,
                "remarks": told,
            }
        )
    else:
        click.echo(report(result, each, title, split, views))
    if min_accuracy is not None and result.accuracy < min_accuracy:
        raise CheckFailedError(
            f"The accuracy of {', '.join(map(str, paths))} is {result.accuracy:.4f}, "
            f"which is below --min-accuracy {min_accuracy}."
        )


def check_replaceable(path: Path) -> None:
    """Raise SettingsError if a file is there already, and no list of errors."""
    from mnist_cli.evaluation import Misread

    ours = [field.name for field in fields(Misread)]
    if path.exists() and first_keys(path) not in ([], ours):
        raise SettingsError(
            f"`errors` {path} is there already, and is not a list of errors: name another file, or "
            "remove it."
        )


def write_errors(path: Path, misread: Sequence[Misread], first: int) -> None:
    """Write the misread images to a file, counted from the first image of their part's file."""
    line = line_of(path)
    try:
        with atomic_write(path, follow=True) as file:
            for number, image in enumerate(misread):
                record = asdict(image) | {"index": first + image.index}
                file.write(line(record, number == 0).encode())
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}.") from error


def one_dataset(models: Sequence[Model]) -> str:
    """Return the data set that all models were trained on; MNIST where that is not known."""
    names = sorted({model.dataset or "mnist" for model in models})
    if len(names) > 1:
        raise SettingsError(
            f"The models were trained on different data sets, {' and '.join(names)}: "
            "name the one to measure on with `dataset`."
        )
    return names[0]


def too_large(path: Path) -> ModelError:
    """Return the error of a model whose weights are so large that its loss is not finite."""
    return ModelError(f"{path} gives no finite loss, as its weights are too large: train it again.")


def load_images(
    models: Sequence[Model], dataset: str, split: str, data_dir: Path | None, progress: Progress
) -> tuple[Split, int]:
    """Return the images to measure on, and which image of its part the first of them is.

    The models know how many were held out of training.
    """
    from mnist_cli.data.loading import load_split

    if split == "test":
        return load_split(dataset, "test", data_dir, progress), 0
    held_out_sizes = {model.recipe.validation if model.recipe else 0 for model in models}
    if len(held_out_sizes) > 1:
        told = " and ".join(f"{size:,}" for size in sorted(held_out_sizes))
        raise SettingsError(
            f"The models were trained with {told} images held out, so they have no common --split "
            f"{split}: take --split test, or models that were trained alike."
        )
    validation = held_out_sizes.pop()
    if split == "validation" and not validation:
        raise SettingsError(
            "--split validation has no images, as the model was trained without any: train one "
            "with --validation 10000, or take another --split."
        )
    learned_from, held_out = load_split(dataset, "train", data_dir, progress).hold_out(validation)
    return (held_out, len(learned_from)) if split == "validation" else (learned_from, 0)


def sums_of(dataset: str, split: str, data: Split, data_dir: Path | None) -> dict[str, str]:
    """Return the sums by which the images can be compared with those of a training, if any can."""
    from mnist_cli.data.loading import part_sums

    if split == "test":
        return part_sums(dataset, "test", data, data_dir)
    # Of images without a file, the sum is that of all of them.
    return part_sums(dataset, "train", data, data_dir) if not SOURCES[dataset].draw else {}


def report(
    result: Evaluation,
    models: Sequence[tuple[str, float]],
    title: str,
    split: str,
    views: int,
) -> str:
    """Return what a person reads of an evaluation of models with their own accuracies."""
    if len(models) == 1:
        head = [("model", models[0][0])]
    else:
        head = [(f"member {n}", f"{a:.2%}  {path}") for n, (path, a) in enumerate(models, 1)]
        head.append(("committee", f"of {len(models)}"))
    summary = [
        *head,
        ("images", f"{result.examples:,} of {title}, {split}"),
        *([("views", f"{views} of each")] if views > 1 else []),
        ("accuracy", f"{result.accuracy:.2%}"),
        ("loss", f"{result.loss:z.4f}"),
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
    matrix = result.confusion_matrix.tolist()
    # Where there is no error, there is no number to look at.
    cells = [
        (str(digit), *(str(count or ".") for count in row)) for digit, row in enumerate(matrix)
    ]
    return "\n\n".join(
        [
            output.table(summary, "<<"),
            output.table([("digit", "precision", "recall", "F1", "images"), *digits], ">>>>>"),
            "true digits down, what they were read as across",
            output.table([("", *map(str, range(10))), *cells], ">" * 11, mark_errors),
        ]
    )


def mark_errors(row: int, column: int, cell: str) -> str:
    """Return a cell of the confusion matrix: in red where digits were misread."""
    is_error = row > 0 and column > 0 and row != column and cell.strip() != "."
    return click.style(cell, fg="red", bold=True) if is_error else cell
