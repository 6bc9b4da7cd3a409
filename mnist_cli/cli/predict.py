"""``mnist-cli predict``."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from mnist_cli.cli import options, output
from mnist_cli.cli.effect import refuse_beside, refuse_without_effect
from mnist_cli.cli.evaluate import one_dataset, too_large
from mnist_cli.cli.help import Command
from mnist_cli.errors import MnistCliError, SettingsError
from mnist_cli.parallel import say_if_alone
from mnist_cli.texts import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mnist_cli.data.pictures import Picture
    from mnist_cli.images.picture import Prepared
    from mnist_cli.model import Model
    from mnist_cli.nn.layers import Array
    from mnist_cli.progress import Progress

BAR = 30
"""Letters of a bar that stands for a probability of 1."""


@click.command(
    cls=Command,
    short_help="Read the digits in your own pictures.",
    examples=[
        ("a photo of a digit on paper", "mnist-cli predict photo.jpg"),
        ("the first test image of MNIST", "mnist-cli predict --index 0"),
    ],
)
@click.argument(
    "pictures",
    metavar="[PICTURE]...",
    type=options.FilledPath(allow_dash=True, path_type=str),
    nargs=-1,
)
@click.option(
    "--model",
    type=options.FilledPath(path_type=Path),
    multiple=True,
    default=["model.npz"],
    show_default=True,
    metavar="MODEL",
    help="The model that reads them. Repeat it for a committee.",
)
@click.option(
    "--as-is",
    is_flag=True,
    help="Take pictures as they are: 28×28, light ink on black, as MNIST has them.",
)
@click.option(
    "--index",
    type=options.NOT_NEGATIVE,
    metavar="N",
    help="Read image N, counted from 0, of a file that holds many, or of --dataset if no PICTURE "
    "is named.",
)
@options.dataset("The data set in which --index counts.", None)
@options.data_dir
@click.option(
    "--split",
    type=click.Choice(["test", "train"]),
    default="test",
    show_default=True,
    help="The part of it in which --index counts.",
)
@options.json
@options.quiet
def predict(
    pictures: tuple[str, ...],
    model: tuple[Path, ...],
    as_is: bool,
    index: int | None,
    dataset: str | None,
    data_dir: Path | None,
    split: str,
    json: bool,
    quiet: bool,
) -> None:
    """Read the digit in each PICTURE, of any size, colour and light; - is standard input.

    Each picture is framed as MNIST's digits were, and read by the model. A terminal shows what the
    network sees, beside ten bars; a pipe gets a line for each: path, digit and probability, with
    tabs between.
    """
    from mnist_cli.doubts import LIGHT, mean_grey
    from mnist_cli.evaluation import committee
    from mnist_cli.model import Model

    if not pictures and index is None:
        raise click.UsageError("Name a PICTURE, or an image of a data set with --index")
    if pictures:
        refuse_beside("PICTURE", ("dataset", "data_dir", "split"))
    for path in pictures:
        if path.endswith(".npz"):
            raise SettingsError(f"{path} is not a picture: if it is a model, write --model {path}.")
    if pictures.count("-") > 1:
        raise SettingsError(
            "- is named twice, but standard input can be read only once: name it once."
        )
    if "-" in pictures and sys.stdin is None:
        raise SettingsError("- is standard input, which is closed: give it a picture.")
    loaded = [Model.load(path) for path in model]
    progress = output.progress(quiet)
    say_if_alone(progress.remark)
    documents: list[dict[str, Any]] = []
    failures: list[MnistCliError] = []
    for path, read in opened(pictures, index, loaded, dataset, split, data_dir, progress):
        try:
            picture = read()
            for remark in picture.remarks:
                progress.remark(f"{path} {remark}")
            prepared = picture.prepared(is_as_is=as_is)
            if not prepared.steps and mean_grey(prepared.image[None]) > LIGHT:
                progress.remark(
                    f"{path} is dark ink on light paper, where MNIST's are light ink on black: it "
                    "will hardly be read as it is."
                )
        except MnistCliError as error:
            failures.append(named(error, path))
            documents.append({"path": path, "error": sentence(failures[-1])})
            continue
        believed = [member.log_probabilities(prepared.image[None]) for member in loaded]
        check_finite(model, believed)
        logarithms = committee(believed)
        probabilities = [math.exp(logarithm) for logarithm in logarithms[0].tolist()]
        document = reading(path, prepared, probabilities)
        documents.append(document)
        if not json:
            is_seen = sys.stdout is not None and sys.stdout.isatty()
            click.echo(shown(document, prepared) if is_seen else line_of(document))
    if len(failures) == len(documents):
        raise failures[0]
    if json:
        output.print_json({"models": [str(path) for path in model], "pictures": documents})
    for failure in failures:
        click.echo(f"Error: {one_line(sentence(failure))}", err=True)
    if failures:
        click.get_current_context().exit(failures[0].exit_status)


def check_finite(paths: Sequence[Path], believed: Sequence[Array]) -> None:
    """Raise ModelError if a model's weights are so large that it believes nothing of a picture."""
    import numpy as np

    for path, logarithms in zip(paths, believed, strict=True):
        if np.isnan(logarithms).any():
            raise too_large(path)


def opened(
    pictures: Sequence[str],
    index: int | None,
    models: Sequence[Model],
    dataset: str | None,
    split: str,
    data_dir: Path | None,
    progress: Progress,
) -> Iterator[tuple[str, Callable[[], Picture]]]:
    """Yield the path of each picture, and what reads it when it is called."""
    from mnist_cli.data.loading import load_split, title_of
    from mnist_cli.data.pictures import Picture, read_picture

    for path in pictures:
        source: str | IO[bytes] = sys.stdin.buffer if path == "-" else path
        yield path, partial(read_picture, source, index)
    if pictures or index is None:
        return
    name = dataset or one_dataset(models)
    refuse_without_effect({"data_dir": options.DATA_DIR_NEEDS}, dataset=name)

    def chosen() -> Picture:
        images = load_split(name, split, data_dir, progress).images
        if index >= len(images):
            raise SettingsError(
                f"`index` is {index}, but {name} has {len(images):,} {split} images, from 0 on."
            )
        height, width = images.shape[1:]
        return Picture(images[index], (width, height), is_framed=True)

    yield f"{title_of(name, data_dir)} {split} {index}", chosen


def named(error: MnistCliError, path: str) -> MnistCliError:
    """Return an error that names its picture."""
    from mnist_cli.errors import PictureError

    name = "The picture on standard input" if path == "-" else path
    return error.of(name) if isinstance(error, PictureError) else error


def sentence(error: MnistCliError) -> str:
    """Return what an error says, in options."""
    group = click.get_current_context().find_root().command
    return options.in_options(error, group) if isinstance(group, click.Group) else str(error)


def reading(path: str, prepared: Prepared, probabilities: Sequence[float]) -> dict[str, Any]:
    """Return what a script reads of a picture."""
    digit = max(range(len(probabilities)), key=probabilities.__getitem__)
    return {
        "path": path,
        "digit": digit,
        "probability": probabilities[digit],
        "probabilities": list(probabilities),
        "box": list(prepared.box),
        "steps": list(prepared.steps),
    }


def line_of(document: dict[str, Any]) -> str:
    """Return the line of a picture: path, digit and probability, with tabs between."""
    return f"{one_line(document['path'])}\t{document['digit']}\t{document['probability']:.4f}"


def shown(document: dict[str, Any], prepared: Prepared) -> str:
    """Return what a person sees of a picture: the 28×28 beside ten bars."""
    is_coloured = click.get_current_context().color is not False
    rows = half_blocks(prepared.image, is_coloured)
    bars = [""] * len(rows)
    for digit, probability in enumerate(document["probabilities"]):
        letters = "█" * round(BAR * probability)
        bar = f"{digit}  {letters:{BAR}}  {probability:7.2%}"
        bars[2 + digit] = click.style(bar, bold=True) if digit == document["digit"] else bar
    title = f"{one_line(document['path'])}: {document['digit']}, "
    lines = [f"{row}  {bar}".rstrip() for row, bar in zip(rows, bars, strict=True)]
    return "\n".join([title + f"{document['probability']:.2%}", *lines, ""])


def half_blocks(image: NDArray[np.uint8], is_coloured: bool) -> list[str]:
    """Return an image as 14 lines of 28 letters, each of which is two pixels, one above the other.

    Without colours, a pixel is light from half of the ink on.
    """
    lines = []
    for above, below in zip(image[::2], image[1::2], strict=True):
        pairs = [(int(a), int(b)) for a, b in zip(above, below, strict=True)]
        if is_coloured:
            letters = [click.style("▀", fg=(a, a, a), bg=(b, b, b)) for a, b in pairs]
        else:
            letters = [" ▄▀█"[2 * (a > 127) + (b > 127)] for a, b in pairs]
        lines.append("".join(letters))
    return lines
