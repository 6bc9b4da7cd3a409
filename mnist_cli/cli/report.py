"""``mnist-cli report``."""

from __future__ import annotations

from pathlib import Path

import click

from mnist_cli.cli import options, output
from mnist_cli.cli.help import Command
from mnist_cli.cli.reading import read_images, reads_images
from mnist_cli.files.outputs import check_output, write_output
from mnist_cli.files.targets import check_kept


@click.command(
    cls=Command,
    short_help="Make a page about a model: recipe, curves, errors, weights.",
    examples=[
        (
            "a page for a lecture, or to keep from CI",
            "mnist-cli report model.npz --out report.html",
        ),
        ("on the images that were held out", "mnist-cli report model.npz --split validation"),
    ],
)
@reads_images
@options.out("report.html")
@options.force
@options.json
@options.quiet
def report(
    model: Path,
    dataset: str | None,
    data_dir: Path,
    split: str,
    out: Path,
    force: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Make a page about a MODEL [default: model.npz]: result, curves, errors, weights, recipe.

    The page is one file that a browser opens; it needs no server and no network. You can draw a
    digit on it, which the model reads. Its plots need matplotlib.
    """
    from mnist_cli.page.report import report_page
    from mnist_cli.plots import check_matplotlib

    check_matplotlib()
    check_kept({"out": out}, [model], "a file that is read")
    check_output(out, force)
    read = read_images(model, dataset, split, data_dir, out, output.progress(quiet))
    page = report_page(read.model, read.data, read.logarithms, read.source, model.name, read.first)
    content = page.encode()
    write_output(out, content)
    output.print_written(out, content, json, model=str(model))
