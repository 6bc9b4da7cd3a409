"""``mnist-cli gradcheck``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from mnist_cli.cli import options, output
from mnist_cli.errors import CheckFailedError
from mnist_cli.recipe import Recipe

if TYPE_CHECKING:
    from mnist_cli.gradcheck import Check


def parse_shape(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Return the numbers of ``5,10``."""
    if value is None:
        return None
    try:
        shape = tuple(int(number) for number in value.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise click.BadParameter(
            f"{value!r} is no shape; give whole numbers from 1, as 5,10", context, parameter
        )
    return shape


@click.command()
@click.argument("target", metavar="[FILE.py:NAME]", required=False)
@click.option(
    "--hidden",
    metavar="N",
    type=options.POSITIVE,
    default=Recipe.hidden,
    show_default=True,
    help="Hidden units of the network.",
)
@click.option(
    "--batch-size",
    metavar="N",
    type=options.POSITIVE,
    default=8,
    show_default=True,
    help="Examples a batch.",
)
@click.option(
    "--shape",
    callback=parse_shape,
    metavar="N,C",
    show_default="5,10, or 5 and the rows of W",
    help="Shape of the input of FILE.py:NAME.",
)
@click.option(
    "--labels",
    type=click.Choice(["onehot", "index"]),
    show_default="what the loss takes",
    help="Form of the labels of a loss.",
)
@click.option("--forward-method", metavar="NAME", help="What forward is called in FILE.py.")
@click.option("--backward-method", metavar="NAME", help="What backward is called in FILE.py.")
@click.option(
    "--seed",
    metavar="N",
    type=options.NOT_NEGATIVE,
    default=0,
    show_default=True,
    help="Decides the random numbers that are checked at.",
)
@click.option(
    "--tolerance",
    metavar="X",
    type=options.FiniteFloat(min=0, min_open=True),
    default=1e-10,
    show_default=True,
    help="The largest relative error that passes.",
)
@options.json
@options.quiet
def gradcheck(
    target: str | None,
    hidden: int,
    batch_size: int,
    shape: tuple[int, ...] | None,
    labels: Literal["onehot", "index"] | None,
    forward_method: str | None,
    backward_method: str | None,
    seed: int,
    tolerance: float,
    json: bool,
    quiet: bool,
) -> None:
    """Check gradients against exact derivatives: the network's, or those of your own code.

    Without an argument, every formula of the network is checked, in float64, and every well-known
    wrong answer must be refused. The right answer comes from the complex step, which is exact to
    rounding.

    With FILE.py:NAME, that file is run, and NAME is checked: a class, a function that returns an
    object, or an object. A layer has forward(x) and backward(dout); a loss forward(x, t) and
    backward() or backward(dout); an activation a call (x) and gradient(x) or derivative(x).
    Parameters are params and grads, or an array like W and its gradient dW. --hidden and
    --batch-size are of the network, and --shape, --labels and the methods of FILE.py:NAME.
    """
    refuse_without_use(FOR_NETWORK if target else FOR_FILES, target)
    wrong_answers: list[Check] = []
    if target is None:
        from mnist_cli.gradcheck.mathematics import check_mathematics

        found = check_mathematics(hidden, batch_size, seed, tolerance)
        checks, wrong_answers = found.checks, found.wrong_answers
    else:
        from mnist_cli.gradcheck.user_file import check_user_code

        # What that code prints is no part of the report.
        with output.stdout_for_us():
            checks = check_user_code(
                target,
                shape=shape,
                labels=labels,
                seed=seed,
                tolerance=tolerance,
                forward=forward_method,
                backward=backward_method,
            )
    failure = what_failed(checks, wrong_answers)
    if json:
        document = {
            "passed": failure is None,
            "tolerance": tolerance,
            "checks": [check.as_dict() for check in checks],
        }
        if target is None:
            document["wrong_answers"] = [check.as_dict() for check in wrong_answers]
        output.print_json(document)
    else:
        click.echo(report(checks, wrong_answers))
    if failure:
        raise CheckFailedError(failure)
    if not json:
        click.echo(f"\n{what_passed(checks, wrong_answers, tolerance)}")


FOR_NETWORK = ("hidden", "batch_size")
FOR_FILES = ("shape", "labels", "forward_method", "backward_method")


def refuse_without_use(names: Sequence[str], target: str | None) -> None:
    """Raise UsageError if an option was given that says nothing of what is checked."""
    context = click.get_current_context()
    for parameter in context.command.params:
        if parameter.name not in names:
            continue
        source = context.get_parameter_source(parameter.name)
        if source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT):
            of = "of the network, not of FILE.py:NAME" if target else "of FILE.py:NAME"
            raise click.UsageError(f"{parameter.opts[0]} is an option for the check {of}", context)


def what_passed(checks: Sequence[Check], wrong_answers: Sequence[Check], tolerance: float) -> str:
    """Return in one sentence what passed, and to what precision."""
    made = [check for check in checks if check.elements]
    # Differences may be no match for the tolerance; their rows say what they can tell.
    within = max(tolerance, *(check.max_relative_error for check in made))
    left_out = len(checks) - len(made)
    skipped = f", {left_out} skipped" if left_out else ""
    refused = f", and {len(wrong_answers)} wrong answers refused" if wrong_answers else ""
    return f"All {len(made)} checks passed within {within:.0e}{skipped}{refused}."


def what_failed(checks: Sequence[Check], wrong_answers: Sequence[Check]) -> str | None:
    """Return in one sentence what failed, or None."""
    failed = [check.name for check in checks if not check.passed]
    accepted = [check.name for check in wrong_answers if check.passed]
    if failed:
        return f"{len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}."
    if accepted:
        return f"The tolerance is too wide to refuse: {'; '.join(accepted)}."
    return None


def report(checks: Sequence[Check], wrong_answers: Sequence[Check]) -> str:
    """Return what a person reads of the checks."""
    header = ("check", "formula", "method", "elements", "relative error", "verdict")
    rows = [header, *(row(check, "pass", "FAIL") for check in checks)]
    if wrong_answers:
        rows += [("",) * 6, ("wrong answers, to be refused", *[""] * 5)]
        rows += [row(check, "ACCEPTED", "refused") for check in wrong_answers]
    lines = output.table(rows, "<<<>><").split("\n")
    text = []
    for line, check in zip(lines, [None, *checks], strict=False):
        text.append(line if check is None else colour(line, check.passed))
        if check is not None and not check.passed:
            text += details(check)
    return "\n".join(text + lines[1 + len(checks) :])


def row(check: Check, passed: str, failed: str) -> tuple[str, ...]:
    """Return the cells of a check; a wrong answer that is refused has its diagnosis there."""
    error = f"{check.max_relative_error:.0e}"
    verdict = (passed if check.elements else "skipped") if check.passed else failed
    if failed == "refused" and check.diagnosis:
        verdict = f"{verdict}: {check.diagnosis.name}"
    return check.name, check.formula, check.method, f"{check.elements:,}", error, verdict


def colour(line: str, passed: bool) -> str:
    """Return the line with its verdict in green or red, which click leaves out of a pipe."""
    head, _, verdict = line.rpartition("  ")
    return f"{head}  {click.style(verdict, fg='green' if passed else 'red', bold=not passed)}"


def details(check: Check) -> list[str]:
    """Return the worst entries of a failed check, and its diagnosis, as lines."""
    lines = []
    if check.worst:
        cells = [("at", "the code says", "right is", "ratio")] + [
            (
                f"[{', '.join(map(str, entry.index))}]",
                f"{entry.computed:.10g}",
                f"{entry.exact:.10g}",
                f"{entry.ratio:.6g}",
            )
            for entry in check.worst
        ]
        lines += output.table(cells, "<>>>").split("\n")
    if check.diagnosis:
        lines += [f"{check.diagnosis.name}: {check.diagnosis.explanation}"]
    return ["", *(f"    {line}" for line in lines), ""]
