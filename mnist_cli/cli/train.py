"""``mnist-cli train``: options in, a `run`, and a report out."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from mnist_cli.cli import options, output
from mnist_cli.cli.completion import complete_config
from mnist_cli.cli.config import config_keys, use_config
from mnist_cli.cli.effect import refuse_without_effect
from mnist_cli.cli.help import Command
from mnist_cli.cli.log import open_log
from mnist_cli.cli.recipe_options import recipe_options
from mnist_cli.cli.resume import resume_command, use_checkpoint, use_model
from mnist_cli.cli.train_report import Watch, document, is_log, summary
from mnist_cli.config import LONGEST, to_toml
from mnist_cli.data.sources import SOURCES
from mnist_cli.errors import SettingsError, TrainingStoppedError, UnfinishedError
from mnist_cli.files.targets import check_distinct, check_kept
from mnist_cli.recipe import SETTINGS, Recipe

NEEDS: dict[str, Any] = {name: said.needs for name, said in SETTINGS.items() if said.needs}
NEEDS |= {"checkpoint_every": ("checkpoint", ()), "data_dir": options.DATA_DIR_NEEDS}


@click.command(
    cls=Command,
    short_help="Train a network, measure it, and save it.",
    examples=[
        ("a first network, in seconds", "mnist-cli train --epochs 3"),
        (
            "the best recipe for 800 hidden units, interrupted and resumed at will",
            "mnist-cli train --config elastic-800 --checkpoint run.ckpt",
        ),
    ],
)
@click.option(
    "--config",
    metavar="NAME|FILE",
    is_eager=True,
    expose_value=False,
    callback=use_config,
    shell_complete=complete_config,
    help="Take options that are not given here from a ready-made config or a TOML file.",
)
@options.dataset(
    f"{'; '.join(f'{name}: {source.help}' for name, source in SOURCES.items())}. All but synthetic "
    "are downloaded if they are not there."
)
@options.data_dir
@recipe_options("train")
@click.option(
    "--from",
    "start",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="MODEL",
    envvar="MNIST_CLI_TRAIN_FROM",
    is_eager=True,
    callback=use_model,
    help="Start from the weights of this model, with its number of hidden units and its "
    "preprocessing.",
)
@click.option(
    "--out",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    default=Path("model.npz"),
    show_default=True,
    help="The model file to write.",
)
@click.option(
    "--format",
    type=click.Choice(["model", "arrays"]),
    default="model",
    show_default=True,
    help="A model with its recipe and history, or W1, b1, W2 and b2 alone, for other programs.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace a model of another recipe or data set at --out, and a file of another kind at "
    "--out, --checkpoint or --log.",
)
@click.option(
    "--checkpoint",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep in this file what an interrupted training needs to continue.",
)
@click.option(
    "--checkpoint-every",
    type=options.POSITIVE,
    default=1,
    show_default=True,
    metavar="N",
    help="Write the checkpoint after every N epochs.",
)
@click.option(
    "--resume",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    is_eager=True,
    callback=use_checkpoint,
    help="Continue from this checkpoint, with its settings, and keep updating it; only --epochs "
    "may be raised.",
)
@click.option(
    "--log",
    type=options.FilledPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write each epoch to this file as it ends: a line of JSON, or of CSV if it is *.csv.",
)
@click.option(
    "--print-config",
    is_flag=True,
    help="Print the settings as a config, and train nothing.",
)
@options.json
@options.quiet
def train(
    dataset: str,
    data_dir: Path | None,
    start: Path | None,
    out: Path,
    format: Any,
    force: bool,
    checkpoint: Path | None,
    checkpoint_every: int,
    resume: Path | None,
    log: Path | None,
    print_config: bool,
    json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Train a 784-hidden-10 network, measure it on the test images, and save it.

    The test images are looked at once, at the end.
    """
    recipe = Recipe(**settings)
    refuse_without_effect(NEEDS)
    if print_config:
        click.echo(as_config(recipe), nl=False)
        return
    from mnist_cli.data.loading import data_files
    from mnist_cli.training.run import run

    config = None if resume else click.get_current_context().meta.get("config")
    check_distinct(
        {"out": out, "log": log, "checkpoint": checkpoint}
        | {"resume": resume, "start": start, "config": config}
    )
    check_kept({"log": log}, data_files(dataset, data_dir), "a file of the data set")
    progress = output.progress(quiet)
    with ExitStack() as stack:
        opened = stack.enter_context(open_log(log, progress.remark, force, is_log)) if log else None
        watch = Watch(stack, progress, opened, resume)
        try:
            result = run(
                recipe,
                dataset,
                data_dir,
                out=out,
                format=format,
                force=force,
                checkpoint=checkpoint,
                checkpoint_every=checkpoint_every,
                resume=resume,
                start=start,
                watchers=[watch.epoch],
                on_begin=watch.begin,
                should_stop=watch.should_stop,
                progress=progress,
            )
        except UnfinishedError as error:
            assert checkpoint
            raise SettingsError(
                f"{str(error).rstrip('.')}, with: {resume_command(checkpoint)}"
            ) from error
        except TrainingStoppedError as error:
            advice = "with `checkpoint` FILE, it could be resumed."
            if checkpoint:
                advice = f"resume it with: {resume_command(checkpoint)}"
            status = watch.request.exit_status if watch.request else error.exit_status
            raise TrainingStoppedError(f"{error}; {advice}", status) from error
    watch.end(result)
    if json:
        output.print_json(document(result, watch))
    else:
        click.echo(output.table(summary(result), "<<"))


def as_config(recipe: Recipe) -> str:
    """Return the settings as a config, with those options of the command that were given."""
    context = click.get_current_context()
    lines = [f'dataset = "{context.params["dataset"]}"']
    for key, (name, _) in config_keys(context.command).items():
        is_given = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if name not in (*SETTINGS, "dataset") and is_given:
            value = context.params[name]
            value = str(value) if isinstance(value, Path) else value
            lines.append(f"{key} = {to_toml(value)}")
    config = recipe.to_toml() + "\n".join([*lines, ""])
    if len(config.encode()) > LONGEST:
        raise SettingsError(
            f"This config would have more than the {LONGEST:,} bytes that can be read: shorten the "
            "paths."
        )
    return config
