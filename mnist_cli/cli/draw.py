"""``mnist-cli draw``."""

from __future__ import annotations

from pathlib import Path

import click

from mnist_cli.cli import options, output
from mnist_cli.cli.help import Command
from mnist_cli.files.outputs import check_output, write_output
from mnist_cli.files.targets import check_kept


@click.command(
    cls=Command,
    short_help="Make a page on which you draw digits and a model reads them.",
    examples=[
        ("a page for the browser", "mnist-cli draw model.npz --out page.html"),
        ("of another model", "mnist-cli draw large.npz --out large.html"),
    ],
)
@click.argument(
    "model",
    metavar="[MODEL]",
    type=options.FilledPath(path_type=Path),
    default=Path("model.npz"),
)
@options.out("draw.html")
@options.force
@options.json
def draw(model: Path, out: Path, force: bool, json: bool) -> None:
    """Make a page on which you draw a digit and a MODEL [default: model.npz] reads it.

    The page is one file that a browser opens; it needs no server and no network. It shows what
    the network sees, what each hidden unit adds, and the gradient of the loss, with a step of
    gradient descent to take and undo.
    """
    from mnist_cli.model import Model
    from mnist_cli.page.drawing import drawing_page

    check_kept({"out": out}, [model], "a file that is read")
    check_output(out, force)
    content = drawing_page(Model.load(model)).encode()
    write_output(out, content)
    output.print_written(out, content, json, model=str(model))
