"""``mnist-cli pack``."""

from __future__ import annotations

from pathlib import Path

import click

from mnist_cli.cli import options, output
from mnist_cli.cli.help import Command
from mnist_cli.texts import one_line, shown


@click.command(
    cls=Command,
    short_help="Make a data set from a folder of pictures.",
    examples=[
        ("a folder with subfolders 0 to 9", "mnist-cli pack pictures mine"),
        ("to learn from it", "mnist-cli train --data-dir mine"),
    ],
)
@click.argument("folder", metavar="FOLDER", type=options.FilledPath(path_type=Path))
@click.argument("out", metavar="OUT", type=options.FilledPath(path_type=Path))
@click.option(
    "--labels",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    show_default="labels.csv in FOLDER, if it has no subfolders 0 to 9",
    help="A CSV file of paths, relative to FOLDER, and digits.",
)
@click.option(
    "--test",
    type=options.FiniteFloat(0, 1, min_open=True, max_open=True),
    metavar="P",
    default=1 / 7,
    show_default="1/7, as MNIST's",
    help="Share of each digit's pictures kept for testing, if FOLDER has no train and test.",
)
@click.option(
    "--as-is",
    is_flag=True,
    help="Take pictures as they are: 28×28, light ink on black, as MNIST has them.",
)
@click.option("--skip", is_flag=True, help="Leave out pictures that cannot be read, and name them.")
@click.option("--force", is_flag=True, help="Replace the data set in OUT.")
@click.option(
    "--seed",
    type=options.NOT_NEGATIVE,
    metavar="N",
    default=0,
    show_default=True,
    help="Decides which pictures are kept for testing.",
)
@options.json
@options.quiet
def pack(
    folder: Path,
    out: Path,
    labels: Path | None,
    test: float,
    as_is: bool,
    skip: bool,
    force: bool,
    seed: int,
    json: bool,
    quiet: bool,
) -> None:
    """Make a data set from a FOLDER of pictures, for 'train --data-dir OUT'.

    FOLDER has a subfolder for each digit, 0 to 9; or folders train and test that have those; or
    pictures that a CSV file labels. Each picture is framed as MNIST's digits were, as 'predict'
    does it, and OUT gets MNIST's four files.
    """
    from mnist_cli.data.packing import pack as pack_folder
    from mnist_cli.doubts import mean_grey, of_greys

    progress = output.progress(quiet)
    packed = pack_folder(
        folder,
        out,
        labels=labels,
        test=test,
        as_is=as_is,
        skip=skip,
        force=force,
        seed=seed,
        progress=progress,
    )
    parts = {"train": packed.train, "test": packed.test}
    counts = {
        part: [int((split.labels == digit).sum()) for digit in range(10)]
        for part, split in parts.items()
    }
    if json:
        skipped = [{"path": path, "error": said} for path, said in packed.skipped.items()]
        output.print_json({"out": str(out), **counts, "skipped": skipped})
        return
    doubt = of_greys(mean_grey(packed.train.images), str(out))
    if doubt:
        progress.remark(doubt)
    for path, said in packed.skipped.items():
        progress.remark(f"{shown(path, 200)} {said}")
    rows = [("digit", *parts)]
    rows += [(str(digit), *(f"{counts[p][digit]:,}" for p in parts)) for digit in range(10)]
    rows.append(("all", *(f"{len(split):,}" for split in parts.values())))
    click.echo(output.table(rows, ">>>"))
    click.echo(f"\nThe data set is in {one_line(str(out))}")
