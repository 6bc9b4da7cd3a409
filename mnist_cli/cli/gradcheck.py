"""``mnist-cli gradcheck``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from mnist_cli.cli import options, output
from mnist_cli.cli.github import failed_rows
from mnist_cli.cli.gradcheck_options import (
    SKIP_HELP,
    parse_arguments,
    parse_rows,
    parse_shapes,
    unknown_rows,
)
from mnist_cli.cli.help import Command
from mnist_cli.errors import CheckFailedError, MnistCliError
from mnist_cli.recipe import Recipe

if TYPE_CHECKING:
    from mnist_cli.gradcheck.outcome import Outcome
    from mnist_cli.gradcheck.result import Check

TIME_LIMIT = 60.0
"""Seconds that the check of a file may take; a file that trains when it is imported takes more."""

TOLERANCE = 1e-10
"""As `mnist_cli.gradcheck.result` has it, which the other commands need not load."""


@click.command(
    cls=Command,
    short_help="Check gradients: the network's, or those of your code.",
    examples=[
        ("one class, object or function of yours", "mnist-cli gradcheck layers.py:Softmax"),
        ("made with these arguments", "mnist-cli gradcheck 'layers.py:Linear(4, 3)'"),
        ("a function and its derivative", "mnist-cli gradcheck layers.py:relu,relu_prime"),
        ("what a diagnosis means", "mnist-cli gradcheck --explain batch-size-twice"),
    ],
)
@click.argument("target", metavar="[FILE[:NAME]]", required=False)
@click.option(
    "--hidden",
    metavar="N",
    type=options.POSITIVE,
    default=Recipe.hidden,
    show_default=True,
    help="Without FILE: hidden units of the network.",
)
@click.option(
    "--batch-size",
    metavar="N",
    type=options.POSITIVE,
    default=8,
    show_default=True,
    help="Without FILE: examples in a batch.",
)
@click.option(
    "--shape",
    "shapes",
    envvar="MNIST_CLI_GRADCHECK_SHAPE",
    multiple=True,
    callback=parse_shapes,
    metavar="[NAME=]N,C",
    show_default="found by trying",
    help="Shape of the input, or of the array NAME: 5,4 or w=4,3 or params.W1=3,4. Repeatable.",
)
@click.option(
    "--arg",
    "arguments",
    envvar="MNIST_CLI_GRADCHECK_ARG",
    multiple=True,
    callback=parse_arguments,
    metavar="NAME=VALUE",
    help="Value of an argument: a literal (reg=0.1), or else a string (mode=train). Repeatable.",
)
@click.option(
    "--classes", metavar="N", type=options.POSITIVE, help="How many classes the labels have."
)
@click.option("--columns", is_flag=True, help="Examples are columns, not rows.")
@click.option(
    "--labels",
    type=click.Choice(["onehot", "index"]),
    show_default="what the loss takes",
    help="Form of the labels.",
)
@click.option("--forward-method", metavar="NAME", help="What your forward is called, if unusual.")
@click.option("--backward-method", metavar="NAME", help="What your backward is called.")
@click.option(
    "--constant",
    "constants",
    envvar="MNIST_CLI_GRADCHECK_CONSTANT",
    multiple=True,
    metavar="NAME",
    help="An array that has no gradient on purpose, though it moves the output. Repeatable.",
)
@click.option(
    "--skip", multiple=True, callback=parse_rows, metavar="ROW", help=f"{SKIP_HELP} Repeatable."
)
@click.option(
    "--time-limit",
    metavar="SECONDS",
    type=options.FiniteFloat(min=0, min_open=True),
    default=TIME_LIMIT,
    show_default=True,
    help="End the check of FILE after this time.",
)
@click.option(
    "--seed",
    metavar="N",
    type=options.NOT_NEGATIVE,
    default=0,
    show_default=True,
    help="Decides the random inputs of the check.",
)
@click.option(
    "--tolerance",
    metavar="X",
    type=options.FiniteFloat(min=0, min_open=True),
    default=TOLERANCE,
    show_default=True,
    help="The largest relative error that passes.",
)
@click.option(
    "-v", "--verbose", is_flag=True, help="Show how each row was checked, and on how many numbers."
)
@click.option(
    "--explain", metavar="NAME", help="Explain a diagnosis, such as sign-flipped, and exit."
)
@options.json
@options.quiet
def gradcheck(
    target: str | None,
    hidden: int,
    batch_size: int,
    shapes: dict[str, tuple[int, ...]],
    arguments: dict[str, Any],
    classes: int | None,
    columns: bool,
    labels: Literal["onehot", "index"] | None,
    forward_method: str | None,
    backward_method: str | None,
    constants: tuple[str, ...],
    skip: frozenset[str],
    time_limit: float,
    seed: int,
    tolerance: float,
    verbose: bool,
    explain: str | None,
    json: bool,
    quiet: bool,
) -> None:
    """Check gradients against exact derivatives: the network's, or those of your own code.

    Without FILE, every formula of the network is checked, and every well-known wrong answer must be
    refused.

    FILE is a Python file, a notebook, or a package. It is run, and what it defines is checked:
    layers, losses, activations, networks, and functions with their derivatives.
    """
    if explain is not None:
        print_explanation(explain, as_json=json)
        return
    refuse_without_use(FOR_FILES if target is None else FOR_NETWORK, target)
    if target is None:
        outcome, wrong_answers = check_network(hidden, batch_size, seed, tolerance)
    else:
        wrong_answers = []
        outcome = check_code(
            os.path.expanduser(target),  # a shell leaves the ~ in quotes alone
            time_limit,
            as_json=json,
            shapes=shapes,
            arguments=arguments,
            classes=classes,
            columns=columns,
            labels=labels,
            forward=forward_method,
            backward=backward_method,
            constants=frozenset(constants),
            skip=skip,
            seed=seed,
            tolerance=tolerance,
        )
    with suppress(OSError):  # a stderr that is closed or full costs no result
        for line in failed_rows(target, outcome.checks):
            click.echo(line, err=True)
    tell(outcome, wrong_answers, tolerance, verbose=verbose, as_json=json)


def behind_error(text: str) -> str:
    """Return a text as wide as the terminal, to be printed behind ``Error: ``; code stays."""
    import shutil

    from mnist_cli.gradcheck.wrapping import wrap

    width = shutil.get_terminal_size().columns
    first, *others = text.split("\n")
    lines = wrap(first, width, " " * len("Error: "), hanging="    ")
    for line in others:
        lines += [line] if line.startswith("    ") else wrap(line, width, "  ", hanging="    ")
    return "\n".join(lines).strip()


def check_network(
    hidden: int, batch_size: int, seed: int, tolerance: float
) -> tuple[Outcome, list[Check]]:
    """Check the formulas of the network; return their rows, and those of the wrong answers."""
    from mnist_cli.gradcheck.outcome import Outcome
    from mnist_cli.gradcheck.own_formulas import check_own_formulas
    from mnist_cli.gradcheck.result import Group

    found = check_own_formulas(hidden, batch_size, seed, tolerance)
    return Outcome([Group("", found.checks)]), found.wrong_answers


def check_code(target: str, time_limit: float, *, as_json: bool, **request: Any) -> Outcome:
    """Check what a target names, in a process of its own; see `Request` for the rest."""
    import sys

    from mnist_cli.gradcheck.isolation import NotJudgedError, check_apart
    from mnist_cli.gradcheck.request import Request

    try:
        outcome = check_apart(target, Request(**request), time_limit)
    except NotJudgedError as error:
        if as_json or not sys.stderr.isatty():  # in a log, a sentence is a line
            raise
        raise NotJudgedError(behind_error(str(error))) from error
    unknown = unknown_rows(request["skip"], {check.name for check in outcome.checks})
    if unknown:
        raise MnistCliError(unknown)
    return outcome


def tell(
    outcome: Outcome,
    wrong_answers: Sequence[Check],
    tolerance: float,
    *,
    verbose: bool,
    as_json: bool,
) -> None:
    """Print the report, and raise what the exit status is to be."""
    import shutil

    from mnist_cli.gradcheck import report, summary

    failure = summary.what_failed(outcome) or summary.what_was_accepted(wrong_answers)
    broken = summary.what_broke(outcome)
    width = shutil.get_terminal_size().columns
    if as_json:
        is_passed = failure is None and broken is None
        output.print_json(document(outcome, wrong_answers, tolerance, is_passed))
    else:
        lines = report.report(outcome, width, verbose, coloured)
        if wrong_answers:
            lines += ["", *report.refusals(wrong_answers, width, coloured)]
        click.echo("\n".join(lines))
    if failure:
        raise CheckFailedError(behind_error(failure))
    if broken:
        raise MnistCliError(behind_error(broken))
    if not as_json:
        click.echo(f"\n{summary.what_passed(outcome, tolerance, len(wrong_answers))}")


FOR_NETWORK = ("hidden", "batch_size")
FOR_FILES = (
    *("shapes", "arguments", "classes", "columns", "labels", "forward_method"),
    *("backward_method", "constants", "skip", "time_limit"),
)


def refuse_without_use(names: Sequence[str], target: str | None) -> None:
    """Raise UsageError if an option was given that says nothing of what is checked."""
    context = click.get_current_context()
    for parameter in context.command.params:
        if parameter.name not in names:
            continue
        source = context.get_parameter_source(parameter.name)
        if source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT):
            of = "of FILE:NAME" if target is None else "of the network, not of FILE"
            raise click.UsageError(f"{parameter.opts[0]} is an option for the check {of}", context)


def print_explanation(name: str, as_json: bool) -> None:
    """Print what a diagnosis means."""
    from mnist_cli.gradcheck.explanation import explain

    if as_json:
        output.print_json({"explanation": explain(name)})
    else:
        click.echo(explain(name))


def document(
    outcome: Outcome, wrong_answers: Sequence[Check], tolerance: float, is_passed: bool
) -> dict[str, Any]:
    """Return the report as JSON has it."""
    is_one = len(outcome.groups) == 1
    remarks = [
        remark if is_one else f"{group.target}: {remark}"
        for group in outcome.groups
        for remark in group.remarks
    ]
    whole: dict[str, Any] = {
        "passed": is_passed,
        "tolerance": tolerance,
        "checks": [check.as_dict() for check in outcome.checks],
        "remarks": [*remarks, *outcome.remarks],
        "left_out": [{"target": item.target, "reason": item.reason} for item in outcome.left_out],
    }
    if wrong_answers:
        whole["wrong_answers"] = [check.as_dict() for check in wrong_answers]
    return whole


COLOURS: dict[str, dict[str, Any]] = {
    "pass": {"fg": "green"},
    "fail": {"fg": "red", "bold": True},
    "skip": {"fg": "yellow"},
    "head": {"bold": True},
}


def coloured(text: str, role: str) -> str:
    """Return a text in the colour of its role, which click leaves out of a pipe."""
    return click.style(text, **COLOURS[role]) if role and text.strip() else text
