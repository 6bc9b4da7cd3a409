"""``mnist-cli download``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

import click

from mnist_cli.cli import options, output
from mnist_cli.cli.help import Command
from mnist_cli.data.network import shown
from mnist_cli.data.sources import SOURCES
from mnist_cli.texts import one_line


def check_urls(context: click.Context, parameter: click.Parameter, urls: tuple[str, ...]) -> object:
    """Refuse what is no URL of a web server."""
    for url in urls:
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").encode("idna")
            sound = parts.scheme in ("http", "https") and host and parts.port != 0
        except ValueError:
            sound = False
        if not sound:
            raise click.BadParameter(
                f"{shown(url)!r} is not an http or https URL", context, parameter
            )
    return urls


@click.command(
    cls=Command,
    short_help="Fetch MNIST, or another data set, and check its sums.",
    examples=[
        ("the four files of MNIST, into the cache folder", "mnist-cli download"),
        (
            "into a folder of yours, from your own mirror",
            "mnist-cli download --data-dir mnist --mirror https://example.org/",
        ),
    ],
)
@click.option(
    "--dataset",
    type=click.Choice([name for name, source in SOURCES.items() if source.published]),
    default="mnist",
    show_default=True,
    help="The data set to fetch.",
)
@options.data_dir
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="URL",
    envvar="MNIST_CLI_DOWNLOAD_MIRROR",
    callback=check_urls,
    help="The URL of a folder with the files, in place of the built-in mirrors; may be repeated.",
)
@click.option(
    "--from",
    "folder",
    type=options.FilledPath(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    envvar="MNIST_CLI_DOWNLOAD_FROM",
    help="Take the files from this folder, and use no network.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Fetch files even if they are there, and replace others of their names.",
)
@options.json
@options.quiet
def download(
    dataset: str,
    data_dir: Path | None,
    mirrors: tuple[str, ...],
    folder: Path | None,
    force: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Fetch the four files of MNIST, or of another data set, and check their SHA-256 sums.

    Files that are there already and right are not fetched again, packed or not.
    """
    from mnist_cli.data.download import download as fetch
    from mnist_cli.data.loading import folder_of

    if folder and mirrors:
        raise click.UsageError("--from and --mirror cannot be used together")
    place, published = folder_of(dataset, data_dir), SOURCES[dataset].published
    assert published
    files = fetch(
        place,
        mirrors,
        published=published,
        folder=folder,
        force=force,
        progress=output.progress(quiet),
    )
    if json:
        output.print_json({"data_dir": str(place), "files": [asdict(file) for file in files]})
        return
    rows = [(file.name, f"{file.bytes:,}", file.source) for file in files]
    click.echo(output.table([("file", "bytes", "source"), *rows], "<><"))
    is_are = "are" if published.title[-1] == "s" else "is"
    click.echo(f"\n{published.title} {is_are} in {one_line(str(place))}")
