"""``mnist-cli``: the group of the commands, and what becomes of an error."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from mnist_cli import __version__
from mnist_cli.cli.commands import CommandsOnDemand
from mnist_cli.cli.effect import refuse_misspelt_variables
from mnist_cli.cli.options import in_options
from mnist_cli.cli.output import LONGEST_SENTENCE, Document, printable, to_json
from mnist_cli.cli.signals import Terminated, termination
from mnist_cli.errors import (
    DataError,
    MnistCliError,
    ModelError,
    SettingsError,
    TrainingDivergedError,
    TrainingStoppedError,
)
from mnist_cli.parallel import leave_cores_to_us
from mnist_cli.texts import one_line, shortened

leave_cores_to_us()
atexit.register(gc.freeze)  # no last search for cycles: 13 ms

INTERRUPTED = 130
"""The status that a shell gives to what Ctrl-C has ended: 128 and the number of the signal."""

PIPE_CLOSED = 141
"""The status that a shell gives to what nobody reads any more: 128 and the number of SIGPIPE."""

OUT_OF_MEMORY = "That takes more memory than there is: use smaller numbers, or allow more memory."

NO_ROOM = "failed to map segment"
"""What is said of a library for which there is no room in memory."""

ONE_LINE = (
    *(DataError, ModelError, SettingsError, TrainingStoppedError, TrainingDivergedError),
    *(OSError, click.ClickException),
)
"""Errors whose sentence is one line."""

TRUE = ("1", "true", "t", "yes", "y", "on")
"""What click takes for true."""


def is_for_want_of_room(error: BaseException) -> bool:
    """Return whether a library could not be loaded for want of memory; NumPy may say so beneath."""
    within: BaseException | None = error
    while within is not None:
        if NO_ROOM in str(within) or isinstance(within, MemoryError):
            return True
        within = within.__cause__ or within.__context__
    return False


class SentenceGroup(CommandsOnDemand):
    """A group whose errors are one sentence on stderr, whatever raised them."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the arguments, and end quietly where nobody reads the help any more."""
        with quiet_end():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end quietly where nobody reads its output any more."""
        with quiet_end():
            if not {"-h", "--help"} & set(ctx.args):
                refuse_misspelt_variables(self)
            return super().invoke(ctx)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command that the arguments name, and exit with its status."""
        extra["standalone_mode"] = False
        extra["obj"] = document = Document()
        if os.environ.get("NO_COLOR"):  # https://no-color.org
            extra["color"] = False
        elif os.environ.get("FORCE_COLOR"):  # https://force-color.org
            extra["color"] = True
        for stream in (sys.stdout, sys.stderr):
            # A formula is worth more with a few question marks than as a traceback.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            with termination():
                status = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(error.exit_code)
        except (
            *(MnistCliError, OSError, MemoryError, ImportError),
            *(click.ClickException, click.Abort, KeyboardInterrupt),
        ) as error:
            if isinstance(error, ImportError) and not is_for_want_of_room(error):
                raise
            sentence, status = what_happened(error)
            with suppress(OSError):
                click.echo(f"Error: {printable(sentence)}", err=True)
            arguments = args[0] if args else extra.get("args") or sys.argv[1:]
            # An unknown option is found before --json is.
            is_wanted = document.is_wanted or is_json_wanted(arguments)
            if is_wanted and not document.is_printed:
                with suppress(OSError):
                    click.echo(to_json({"error": sentence}))
            sys.exit(status)
        sys.exit(status if isinstance(status, int) else 0)


def what_happened(error: BaseException) -> tuple[str, int]:
    """Return the sentence for an error, and the status to exit with.

    It is one line, whatever a file or a server has contributed to it. What a gradient check says is
    several, and somebody's own code.
    """
    sentence, status = told(error)
    if isinstance(error, ONE_LINE):
        sentence = shortened(one_line(sentence), LONGEST_SENTENCE)
    return sentence, status


def told(error: BaseException) -> tuple[str, int]:
    """Return what an error says, and the status to exit with."""
    if isinstance(error, MnistCliError):
        return in_options(error, main), error.exit_status
    if isinstance(error, OSError):
        return f"{error.filename or 'The output'} cannot be written: {error.strerror}.", 2
    if isinstance(error, (MemoryError, ImportError)):
        return OUT_OF_MEMORY, 2
    if isinstance(error, click.UsageError):
        return usage_sentence(error), error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    for signalled in (error, error.__cause__):
        if isinstance(signalled, Terminated):
            return "Terminated.", signalled.exit_status
    return "Interrupted.", INTERRUPTED


def is_json_wanted(arguments: Sequence[str]) -> bool:
    """Return whether a JSON document is asked for, by an option or by a variable."""
    variables = (f"MNIST_CLI_{name.upper()}_JSON" for name in arguments[:1])
    asked = any(os.environ.get(name, "").lower() in TRUE for name in variables)
    return asked or "--json" in arguments


@contextmanager
def quiet_end() -> Iterator[None]:
    """Exit as a program does that SIGPIPE ends, where the block finds that nobody reads."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)


def usage_sentence(error: click.UsageError) -> str:
    """Return what is wrong with a value, where that value came from, and where to read more."""
    sentence = " ".join(error.format_message().split()).rstrip(".")  # click lists choices in lines
    context = error.ctx
    if context is None:
        return sentence if sentence.endswith("?") else f"{sentence}."
    parameter = getattr(error, "param", None)
    if parameter is not None:
        source = context.get_parameter_source(parameter.name)
        if source is ParameterSource.ENVIRONMENT:
            sentence += f", in the environment variable {environment_variable(context, parameter)}"
        elif source is ParameterSource.DEFAULT_MAP:
            sentence += f", in {context.meta['config']}"
    if sentence.endswith("?"):
        return f"{sentence} See '{context.command_path} --help'."
    return f"{sentence}; see '{context.command_path} --help'."


def environment_variable(context: click.Context, parameter: click.Parameter) -> str:
    """Return the name of the environment variable that sets an option of a command."""
    if isinstance(parameter.envvar, str):
        return parameter.envvar
    return f"{context.auto_envvar_prefix}_{parameter.name}".upper()


@click.group(
    cls=SentenceGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "MNIST_CLI",
        "max_content_width": 100,
    },
    epilog="Every option can be set by an environment variable as well, named after the command "
    "and the option: MNIST_CLI_TRAIN_HIDDEN=128. Exit status: 0 done; 1 a check failed; 2 wrong "
    "usage or unusable input; 3 a bug in the program.",
)
@click.version_option(__version__, prog_name="mnist-cli")
def main() -> None:
    """Train a 784-hidden-10 network on MNIST in plain NumPy, and check its gradients."""
