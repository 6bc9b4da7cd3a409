"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

COUNT = click.IntRange(min=1)
COUNT_OR_NONE = click.IntRange(min=0)
for _type in (COUNT, COUNT_OR_NONE):
    _type.name = "n"  # what --help shows in place of INTEGER RANGE
DATASETS = ("mnist", "synthetic")


def _default_data_dir() -> Path:
    from mnist_cli.data.datasets import default_data_dir

    return default_data_dir()


data_dir = click.option(
    "--data-dir",
    default=_default_data_dir,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    show_default="$MNIST_CLI_DATA_DIR, else the user's cache folder",
    help="The folder of the MNIST files, or of another data set in their format.",
)
json = click.option("--json", is_flag=True, help="Print one JSON document on stdout.")
quiet = click.option("-q", "--quiet", is_flag=True, help="Print no progress and no remarks.")
