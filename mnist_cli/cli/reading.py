"""A model and the images that it reads: what several commands ask for and show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnist_cli.cli import options
from mnist_cli.cli.evaluate import load_images, one_dataset, too_large
from mnist_cli.files.targets import check_kept

if TYPE_CHECKING:
    from mnist_cli.data.dataset import Split
    from mnist_cli.model import Model
    from mnist_cli.nn.layers import Array
    from mnist_cli.progress import Progress


@dataclass(frozen=True)
class Read:
    """What was read.

    Attributes
    ----------
    model : Model
    source : str
        What the images are: "mnist, test".
    data : Split
    first : int
        Which image of its file the first one is.
    logarithms : array, shape (N, 10)
        Those of the probabilities of each image.
    """

    model: Model
    source: str
    data: Split
    first: int
    logarithms: Array


def reads_images(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a model, and the options that choose the images to read with it."""
    decorators = (
        click.argument(
            "model",
            metavar="[MODEL]",
            type=options.FilledPath(path_type=Path),
            default=Path("model.npz"),
        ),
        options.dataset("The data set to read.", None),
        options.data_dir,
        options.split,
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def read_images(
    path: Path, dataset: str | None, split: str, data_dir: Path, out: Path, progress: Progress
) -> Read:
    """Have a model read the images of a part of a data set, for what is written to ``out``.

    Raises
    ------
    ModelError
        If it cannot be read, or its weights are too large to make probabilities.
    SettingsError
        If ``out`` is a file of the data set.
    """
    import numpy as np

    from mnist_cli.data.loading import data_files, title_of
    from mnist_cli.model import Model

    model = Model.load(path)
    name = dataset or one_dataset([model])
    check_kept({"out": out}, data_files(name, data_dir), "a file of the data set")
    data, first = load_images([model], name, split, data_dir, progress)
    logarithms = model.log_probabilities(data.images)
    if not np.isfinite(logarithms).all():
        raise too_large(path)
    return Read(model, f"{title_of(name, data_dir)}, {split}", data, first, logarithms)
