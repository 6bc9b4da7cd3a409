"""``mnist-cli sweep``: a grid in, many runs, and a ranking out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnist_cli.cli import options, output
from mnist_cli.cli.completion import complete_config
from mnist_cli.cli.config import use_sweep_config
from mnist_cli.cli.effect import GIVEN, refuse_without_effect
from mnist_cli.cli.help import Command
from mnist_cli.cli.log import open_log
from mnist_cli.cli.recipe_options import recipe_options
from mnist_cli.cli.signals import Terminated
from mnist_cli.cli.sweep_report import (
    Told,
    as_csv,
    as_table,
    closing_lines,
    document,
    dry_document,
    failure_sentence,
    is_log,
)
from mnist_cli.data.sources import SOURCES
from mnist_cli.errors import CheckFailedError, MnistCliError, SettingsError, TrainingStoppedError
from mnist_cli.files.targets import check_distinct, check_kept
from mnist_cli.recipe import SETTINGS

if TYPE_CHECKING:
    from concurrent.futures import Executor


ALONE = (("scheduler", "jobs"), ("json", "csv"))
"""Options that exclude each other."""


@click.command(
    cls=Command,
    short_help="Train many networks, on all cores or on a cluster.",
    examples=[
        ("five seeds of the default recipe", "mnist-cli sweep --vary seed=0..4"),
        (
            "sizes and rates, ranked on held-out images",
            "mnist-cli sweep --vary hidden=32,128 --vary lr=0.1,0.3 --validation 10000",
        ),
    ],
)
@click.option(
    "--config",
    metavar="NAME|FILE",
    is_eager=True,
    expose_value=False,
    callback=use_sweep_config,
    shell_complete=complete_config,
    help="Take options that are not given here from a ready-made config or a TOML file; its table "
    "[sweep] says what is varied.",
)
@click.option(
    "--vary",
    metavar="NAME=VALUES",
    multiple=True,
    help="Vary a setting over a list (lr=0.1,0.2) or a range with both ends (seed=0..4, "
    "hidden=100..300+50, lr=0.05..0.8*2). Several --vary make a grid.",
)
@click.option(
    "--random",
    type=options.POSITIVE,
    metavar="N",
    help="Do only N runs of the grid, drawn at random.",
)
@click.option(
    "--random-seed",
    type=options.NOT_NEGATIVE,
    metavar="N",
    default=0,
    show_default=True,
    help="Decides which runs --random draws.",
)
@click.option(
    "--out",
    type=options.FilledPath(file_okay=False, path_type=Path),
    metavar="DIR",
    default=Path("runs"),
    show_default=True,
    help="The folder of all runs. Those that are there already are not done again.",
)
@click.option(
    "--jobs",
    type=options.WholeNumber(1, 1000),
    metavar="N",
    show_default="one for each core",
    help="Runs at once, each on one thread.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Let the workers of this Dask scheduler (tcp://host:8786) do the runs. Each looks for the "
    "data on its own machine, in --data-dir if that is given.",
)
@click.option(
    "--test",
    is_flag=True,
    help="With --validation, measure the best settings on the test images, at the end.",
)
@click.option("--dry-run", is_flag=True, help="List the runs, and train nothing.")
@click.option(
    "--force", is_flag=True, help="Replace runs in --out that have other settings or data."
)
@click.option(
    "--log",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write each run to this file as it ends: a line of JSON, or of CSV if it is *.csv.",
)
@click.option("--csv", is_flag=True, help="Print the table as CSV.")
@options.json
@options.quiet
@options.dataset(f"{', or '.join(source.help for source in SOURCES.values())}.")
@options.data_dir
@recipe_options("sweep")
def sweep(
    vary: tuple[str, ...],
    random: int | None,
    random_seed: int,
    out: Path,
    jobs: int | None,
    scheduler: str | None,
    test: bool,
    dry_run: bool,
    force: bool,
    log: Path | None,
    csv: bool,
    json: bool,
    quiet: bool,
    dataset: str,
    data_dir: Path,
    **settings: Any,
) -> None:
    """Train the networks of a grid of settings, on all cores or on a cluster.

    Each run is what 'train' does, with the same bits, and has a folder of its own in --out. Runs
    that differ in their seed alone are a group, and groups are ranked: by the validation images,
    if --validation holds some out, and else by the test images.

    The same command continues a sweep that was interrupted, and a larger sweep uses the runs of a
    smaller one.
    """
    from mnist_cli.training.grid import plan, read_vary

    varied = read_vary(vary)
    check_options(set(varied), random)
    planned = plan(settings, varied, random, random_seed)
    is_judged = bool(planned[0].recipe.validation)
    if test and not is_judged:
        raise SettingsError("`test` has no effect without `validation` 10000.")
    if dry_run:
        if json:
            output.print_json(dry_document(planned))
        else:
            click.echo("\n".join(each.name for each in planned))
        return
    from mnist_cli.data.loading import data_files, load_data
    from mnist_cli.training.ranking import rank
    from mnist_cli.training.sweep import measured_on_test
    from mnist_cli.training.sweep import sweep as run_all

    config = click.get_current_context().meta.get("config")
    check_distinct({"out": out, "log": log, "config": config})
    check_kept({"log": log}, data_files(dataset, data_dir), "a file of the data set")
    progress = output.progress(quiet)
    data = load_data(dataset, data_dir, progress)
    told = Told(data, progress)
    try:
        with ExitStack() as stack:
            executor, lost, told.workers = stack.enter_context(workers(scheduler, jobs))
            if log:
                file = stack.enter_context(open_log(log, progress.remark, force, is_log))
                file.begin()
                told.write = file.write
            swept = run_all(
                planned,
                data,
                out,
                executor,
                data_dir=folder_of_workers(data_dir),
                force=force,
                lost=lost,
                on_begin=told.begin,
                on_result=told.result,
                on_failure=told.failure,
                progress=progress,
            )
    except KeyboardInterrupt as stop:
        status = stop.exit_status if isinstance(stop, Terminated) else 130
        raise TrainingStoppedError(
            f"Interrupted: {told.done} of {len(planned)} runs are done and kept in {out}; to "
            "continue, give the same command again.",
            status,
        ) from stop
    groups = rank([each.varied for each in swept.planned], swept.results)
    if test and groups:
        groups[0] = measured_on_test(groups[0], out, data)
    if json:
        output.print_json(document(groups, swept))
    elif csv:
        click.echo(as_csv(groups), nl=False)
    elif groups:
        click.echo(as_table(groups))
        click.echo("\n".join(["", *closing_lines(groups)]))
    if swept.failures:
        is_lost = any(failure.is_lost for failure in swept.failures)
        error = MnistCliError if is_lost else CheckFailedError
        raise error(failure_sentence(swept.failures, len(planned)))


def check_options(varied: set[str], random: int | None) -> None:
    """Raise an error where an option would do nothing, or contradicts another one."""
    context = click.get_current_context()
    for name in varied:
        if context.get_parameter_source(name) in GIVEN:
            raise SettingsError(f"`{name}` is given, and varied as well: leave one out.")
    needs: dict[str, Any] = {
        name: said.needs
        for name, said in SETTINGS.items()
        if said.needs and said.needs[0] not in varied
    }
    refuse_without_effect(needs | {"random_seed": ("random", ())})
    for first, second in ALONE:
        if context.params[first] and context.params[second]:
            raise SettingsError(f"`{first}` and `{second}` cannot be used together: leave one out.")


@contextmanager
def workers(
    scheduler: str | None, jobs: int | None
) -> Iterator[tuple[Executor, tuple[type[BaseException], ...], int]]:
    """Yield what does the runs, what it raises where one is lost, and how many it does at once."""
    if scheduler:
        import logging

        from mnist_cli.training.cluster import cluster

        # What is at fault is told in our own words; of a connection that Ctrl-C has cut, Dask logs
        # tracebacks until this process ends.
        for name in ("distributed", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with cluster(scheduler) as found:
            yield found.executor, found.lost, found.workers
    else:
        from concurrent.futures import BrokenExecutor

        from mnist_cli.parallel import cores
        from mnist_cli.training.pool import processes

        count = jobs or cores()
        with processes(count) as pool:
            yield pool, (BrokenExecutor,), count


def folder_of_workers(data_dir: Path | None) -> str | None:
    """Return where the workers are to look for the data; None for where they would by themselves.

    The default is that of this machine, and need not be theirs.
    """
    return None if data_dir is None else str(data_dir.absolute())
