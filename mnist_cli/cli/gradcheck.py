"""``mnist-cli gradcheck``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mnist_cli.cli import options, output
from mnist_cli.errors import CheckFailedError
from mnist_cli.recipe import Recipe

if TYPE_CHECKING:
    from mnist_cli.gradcheck.check import Check
    from mnist_cli.gradcheck.mathematics import Report


@click.command()
@click.option(
    "--hidden",
    type=options.COUNT,
    default=Recipe.hidden,
    show_default=True,
    help="Hidden units of the network.",
)
@click.option(
    "--batch-size",
    type=options.COUNT,
    default=8,
    show_default=True,
    help="Examples a batch.",
)
@click.option(
    "--seed",
    type=options.COUNT_OR_NONE,
    default=0,
    show_default=True,
    help="Decides the random numbers that the formulas are checked at.",
)
@click.option(
    "--tolerance",
    metavar="X",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-10,
    show_default=True,
    help="The largest relative error that passes.",
)
@options.json
@options.quiet
def gradcheck(
    hidden: int, batch_size: int, seed: int, tolerance: float, json: bool, quiet: bool
) -> None:
    """Check every formula of the network against its derivative, in float64.

    The right answer comes from the complex step, which is exact to rounding. The well-known wrong
    answers are checked as well, and each must be refused.
    """
    from mnist_cli.gradcheck.mathematics import check_mathematics

    result = check_mathematics(hidden, batch_size, seed, tolerance)
    if json:
        output.print_json(
            {
                "passed": result.passed,
                "tolerance": tolerance,
                "checks": [asdict(check) for check in result.checks],
                "wrong_answers": [asdict(check) for check in result.wrong_answers],
            }
        )
    else:
        click.echo(report(result))
    if not result.passed:
        raise CheckFailedError(sentence(result))


def report(result: Report) -> str:
    """Return what a person reads of the checks."""
    header = ("check", "formula", "method", "elements", "relative error", "verdict")

    def row(check: Check, passed: str, failed: str) -> tuple[str, ...]:
        error = f"{check.max_relative_error:.0e}"
        verdict = passed if check.passed else failed
        return check.name, check.formula, check.method, f"{check.elements:,}", error, verdict

    rows = [row(check, "pass", "FAIL") for check in result.checks]
    rows += [("", *[""] * 5), ("wrong answers, to be refused", *[""] * 5)]
    rows += [row(check, "ACCEPTED", "refused") for check in result.wrong_answers]
    verdict = "" if not result.passed else f"\n\n{sentence(result)}"
    return output.table([header, *rows], "<<<>><") + verdict


def sentence(result: Report) -> str:
    """Return the verdict on everything in one sentence."""
    failed = [check.name for check in result.checks if not check.passed]
    accepted = [check.name for check in result.wrong_answers if check.passed]
    if failed:
        return f"{len(failed)} of {len(result.checks)} checks failed: {', '.join(failed)}."
    if accepted:
        return f"The tolerance is too wide to refuse: {', '.join(accepted)}."
    return (
        f"All {len(result.checks)} checks passed within {result.tolerance:.0e}, "
        f"and all {len(result.wrong_answers)} wrong answers were refused."
    )
