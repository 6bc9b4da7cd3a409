"""``mnist-cli plot``: a command for each plot of `mnist_cli.plots`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnist_cli.cli import options, output
from mnist_cli.cli.commands import CommandsInOrder
from mnist_cli.cli.effect import refuse_without_effect
from mnist_cli.cli.help import Command
from mnist_cli.cli.reading import read_images, reads_images
from mnist_cli.cli.recipe_options import option_of
from mnist_cli.errors import ModelError, SettingsError
from mnist_cli.files.outputs import check_output, write_output
from mnist_cli.files.targets import check_kept
from mnist_cli.recipe import DISTORTIONS, SETTINGS, Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mnist_cli.training.history import Epoch

MOST_RUNS = 12
"""Runs in one plot at most."""

STRENGTHS = [
    replace(setting, choices=setting.choices[1:], default="elastic")
    if setting.name == "augment"
    else setting
    for setting in SETTINGS.values()
    if setting.group == DISTORTIONS
]
"""The settings of distortions, of which some are always done here."""

NEEDS: dict[str, Any] = {said.name: said.needs for said in STRENGTHS if said.needs}


@click.group(cls=CommandsInOrder, short_help="Plot what was learned, as SVG, PNG or PDF.")
def plot() -> None:
    """Plot what was learned, as SVG, PNG or PDF; that needs matplotlib."""


def writes(name: str) -> Callable[..., Any]:
    """Give a command the options of one that writes a plot, of that name by default."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (options.json, options.force, options.out(f"{name}.svg")):
            command = option(command)
        return command

    return decorate


def check_plot(out: Path, force: bool, read: Sequence[Path] = ()) -> None:
    """Raise an error, before any work, if the plot could not be drawn or written."""
    from mnist_cli.plots import format_of

    check_kept({"out": out}, read, "a file that is read")
    format_of(out)
    check_output(out, force)


def write_plot(figure: Figure, out: Path, json: bool) -> None:
    """Write a plot, and tell of it."""
    from mnist_cli.plots import format_of, save

    content = save(figure, format_of(out))
    write_output(out, content)
    output.print_written(out, content, json)


def read_run(path: Path) -> list[Epoch]:
    """Return the epochs of a log, or of a model, which has its history."""
    from mnist_cli.model import Model
    from mnist_cli.training.history import read_log

    if path.suffix.lower() != ".npz":
        return read_log(path)
    history = Model.load(path).history
    if not history:
        raise ModelError(f"{path} has no history: name a log of 'mnist-cli train --log'.")
    return history


@plot.command(
    cls=Command,
    short_help="Plot each epoch: loss, accuracy, learning rate.",
    examples=[
        ("a training's log", "mnist-cli plot curves log.jsonl"),
        ("two models in one plot", "mnist-cli plot curves a.npz b.npz --out both.png"),
    ],
)
@click.argument(
    "logs", metavar="LOG...", type=options.FilledPath(path_type=Path), nargs=-1, required=True
)
@writes("curves")
def curves(logs: tuple[Path, ...], out: Path, force: bool, json: bool) -> None:
    """Plot loss, accuracy and learning rate of each epoch, of several runs in one plot.

    LOG is a file that 'train --log' wrote, or a model (*.npz), which has its history in it.
    """
    from mnist_cli.plots import curves as plot_curves

    check_plot(out, force, logs)
    if len(logs) > MOST_RUNS:
        raise SettingsError(f"{len(logs)} runs are too many to tell apart: name {MOST_RUNS}.")
    names = {path: path.stem if len({p.stem for p in logs}) == len(logs) else path for path in logs}
    runs = {output.printable(str(names[path])): read_run(path) for path in logs}
    write_plot(plot_curves(runs), out, json)


@plot.command(
    cls=Command,
    short_help="Plot what the runs of a sweep reached.",
    examples=[
        ("a sweep's folder", "mnist-cli plot sweep runs"),
        ("as PDF", "mnist-cli plot sweep runs --out sweep.pdf"),
    ],
)
@click.argument("runs", metavar="RUNS", type=options.FilledPath(path_type=Path, file_okay=False))
@writes("sweep")
def sweep(runs: Path, out: Path, force: bool, json: bool) -> None:
    """Plot what the runs of a sweep reached, the best settings on top.

    RUNS is the folder that 'sweep --out' has written.
    """
    from mnist_cli.plots import sweep as plot_sweep
    from mnist_cli.training.ranking import rank, varied_in
    from mnist_cli.training.runs import member_files, results

    check_plot(out, force, member_files(runs))
    found = results(runs)
    if not found:
        raise ModelError(f"{runs} has no run that can be read: do the sweep again.")
    write_plot(plot_sweep(rank(varied_in(found), found)), out, json)


@plot.command(
    cls=Command,
    short_help="Plot the misread digits, the most certain first.",
    examples=[
        ("the digits that a model misreads", "mnist-cli plot errors model.npz"),
        ("the ten worst", "mnist-cli plot errors model.npz --count 10"),
    ],
)
@reads_images
@click.option(
    "--count",
    type=options.WholeNumber(1, 400),
    default=50,
    show_default=True,
    metavar="N",
    help="How many are shown at most.",
)
@writes("errors")
@options.quiet
def errors(
    model: Path,
    dataset: str | None,
    data_dir: Path,
    split: str,
    count: int,
    out: Path,
    force: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Plot the digits that a MODEL [default: model.npz] misreads, the most certain first."""
    from mnist_cli.evaluation import misread
    from mnist_cli.plots import errors as plot_errors

    check_plot(out, force, [model])
    read = read_images(model, dataset, split, data_dir, out, output.progress(quiet))
    found = misread(read.logarithms, read.data.labels)
    write_plot(plot_errors(read.data.images, found, count, read.first, read.source), out, json)


@plot.command(
    cls=Command,
    short_help="Plot the weights of each hidden unit as an image.",
    examples=[
        ("what each hidden unit looks for", "mnist-cli plot weights model.npz"),
        ("as PNG", "mnist-cli plot weights model.npz --out weights.png"),
    ],
)
@click.argument(
    "model",
    metavar="[MODEL]",
    type=options.FilledPath(path_type=Path),
    default=Path("model.npz"),
)
@writes("weights")
def weights(model: Path, out: Path, force: bool, json: bool) -> None:
    """Plot the weights of each hidden unit of a MODEL [default: model.npz] as an image."""
    from mnist_cli.model import Model
    from mnist_cli.plots import weights as plot_weights

    check_plot(out, force, [model])
    write_plot(plot_weights(Model.load(model)), out, json)


@plot.command(
    cls=Command,
    short_help="Plot which digits are read as which.",
    examples=[
        ("on the test images", "mnist-cli plot confusion model.npz"),
        ("on those it was trained on", "mnist-cli plot confusion model.npz --split train"),
    ],
)
@reads_images
@writes("confusion")
@options.quiet
def confusion(
    model: Path,
    dataset: str | None,
    data_dir: Path,
    split: str,
    out: Path,
    force: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Plot how often a MODEL [default: model.npz] reads each digit as which."""
    from mnist_cli.evaluation import measure
    from mnist_cli.plots import confusion as plot_confusion

    check_plot(out, force, [model])
    read = read_images(model, dataset, split, data_dir, out, output.progress(quiet))
    measured = measure(read.logarithms, read.data.labels)
    write_plot(plot_confusion(measured.confusion_matrix, read.source), out, json)


def strength_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the distortions, as ``train`` has them."""
    for setting in reversed(STRENGTHS):
        command = option_of(setting, "plot distortions")(command)
    return command


@plot.command(
    cls=Command,
    short_help="Plot what 'train --augment' does to digits.",
    examples=[
        ("elastic distortions, as in train", "mnist-cli plot distortions"),
        ("stronger ones", "mnist-cli plot distortions --rotation 30 --displacement 3"),
    ],
)
@strength_options
@click.option(
    "--seed",
    type=options.NOT_NEGATIVE,
    default=0,
    show_default=True,
    metavar="N",
    help="Decides the distortions.",
)
@options.dataset("The data set, of which the first training image of each digit is shown.")
@options.data_dir
@writes("distortions")
@options.quiet
def distortions(
    seed: int,
    dataset: str,
    data_dir: Path,
    out: Path,
    force: bool,
    json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Plot what 'train --augment' does to a digit of each kind."""
    from mnist_cli.data.loading import data_files, load_split
    from mnist_cli.plots import distortions as plot_distortions
    from mnist_cli.training.batches import strengths_of

    refuse_without_effect(NEEDS)
    check_plot(out, force, data_files(dataset, data_dir))
    data = load_split(dataset, "train", data_dir, output.progress(quiet))
    images = data.images[data.first_of_each()]
    write_plot(plot_distortions(images, strengths_of(Recipe(**settings)), seed), out, json)


@plot.command(
    cls=Command,
    short_help="Plot why the checker takes the complex step.",
    examples=[
        ("error against the width of the step", "mnist-cli plot gradcheck"),
        ("as PNG", "mnist-cli plot gradcheck --out gradcheck.png"),
    ],
)
@writes("gradcheck")
def gradcheck(out: Path, force: bool, json: bool) -> None:
    """Plot how wrong a derivative is, by differences and by the complex step, at each step width.

    It is measured on the spot, on the loss of the softmax.
    """
    from mnist_cli.gradcheck.step_widths import measure_step_errors
    from mnist_cli.plots import gradcheck as plot_gradcheck

    check_plot(out, force)
    write_plot(plot_gradcheck(measure_step_errors()), out, json)
