"""``mnist-cli``: the group of the commands, and what becomes of an error."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from mnist_cli import __version__
from mnist_cli.cli.download import download
from mnist_cli.cli.evaluate import evaluate
from mnist_cli.cli.gradcheck import gradcheck
from mnist_cli.cli.train import train
from mnist_cli.errors import MnistCliError
from mnist_cli.parallel import leave_cores_to_us

leave_cores_to_us()

INTERRUPTED = 130
"""The status that a shell gives to what Ctrl-C has ended: 128 and the number of the signal."""

PIPE_CLOSED = 141
"""The status that a shell gives to what nobody reads any more: 128 and the number of SIGPIPE."""


class SentenceGroup(click.Group):
    """A group whose errors are one sentence on stderr, whatever raised them."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end quietly where nobody reads its output any more."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(PIPE_CLOSED)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command that the arguments name, and exit with its status."""
        extra["standalone_mode"] = False
        for stream in (sys.stdout, sys.stderr):
            # A formula is worth more with a few question marks than as a traceback.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            status = super().main(*args, **extra)
        except MnistCliError as error:
            fail(str(error), error.exit_status)
        except OSError as error:
            fail(f"{error.filename or 'The output'} cannot be written: {error.strerror}.", 2)
        except MemoryError:
            fail("That takes more memory than there is: use smaller numbers.", 2)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(error.exit_code)
        except click.UsageError as error:
            fail(usage_sentence(error), error.exit_code)
        except click.ClickException as error:
            fail(error.format_message(), error.exit_code)
        except click.Abort:
            fail("Interrupted.", INTERRUPTED)
        sys.exit(status if isinstance(status, int) else 0)


def fail(sentence: str, status: int) -> NoReturn:
    """Print the sentence on stderr, and exit."""
    click.echo(f"Error: {sentence}", err=True)
    sys.exit(status)


def usage_sentence(error: click.UsageError) -> str:
    """Return what is wrong with a value, where that value came from, and where to read more."""
    sentence = error.format_message().rstrip(".")
    context = error.ctx
    if context is None:
        return f"{sentence}."
    parameter = getattr(error, "param", None)
    if parameter is not None:
        source = context.get_parameter_source(parameter.name)
        if source is ParameterSource.ENVIRONMENT:
            sentence += f", in the environment variable {environment_variable(context, parameter)}"
        elif source is ParameterSource.DEFAULT_MAP:
            sentence += f", in {context.meta['config']}"
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
    "and the option: MNIST_CLI_TRAIN_HIDDEN=128. Exit status: 0 done; 1 a check said no; "
    "2 wrong usage or unusable input.",
)
@click.version_option(__version__, prog_name="mnist-cli")
def main() -> None:
    """Train a 784-hidden-10 network on MNIST in plain NumPy, and check its gradients."""


for command in (download, train, evaluate, gradcheck):
    main.add_command(command)
