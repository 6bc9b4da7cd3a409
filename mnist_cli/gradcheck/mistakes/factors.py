# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""Gradients that are right but for a factor: the batch size, the sign, a 2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mnist_cli.gradcheck.mistakes.likeness import known, ratio
from mnist_cli.gradcheck.mistakes.registry import Claim, mistake

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

NEAR = 1e-5
"""The relative difference up to which a factor is a number that means something."""

CHECKS = "CS231n (Stanford), notes 'Learning and Evaluation', section on gradient checks"
BISHOP = "Bishop (2006), Pattern Recognition and Machine Learning, section 4.3"


def meaning(
    factor: float, batch_size: int, shape: tuple[int, ...], is_mean: bool = False
) -> tuple[str, str]:
    """Return the name of the mistake that gives a constant factor, and what to say of it.

    Parameters
    ----------
    factor : float
        What the code gives, over what is right.
    batch_size : int
    shape : tuple of int
        The shape of the gradient, an example in a row.
    is_mean : bool
        Whether the output is one number, which may be a mean over all entries.
    """
    size = abs(factor)

    def near(value: float) -> bool:
        return abs(size - value) <= NEAR * value

    sign = " Its sign is flipped, too." if factor < 0 else ""
    columns = shape[-1] if shape else 1
    entries = batch_size * columns
    if batch_size > 1 and near(batch_size):
        return (
            "batch-size-missing",
            f"It is {batch_size} times too large, and {batch_size} is the batch size: the loss is "
            f"a mean over the batch, so divide by that.{sign}",
        )
    if batch_size > 1 and near(1 / batch_size):
        return (
            "batch-size-twice",
            f"It is {batch_size} times too small, and {batch_size} is the batch size: you divide "
            "by it once too often. Only the loss divides by it, once, where it takes the mean."
            f"{sign}",
        )
    if is_mean and batch_size > 2 and near(batch_size / 2):
        return (
            "batch-size-missing",
            f"It is {batch_size}/2 times what is right, and {batch_size} is the batch size: the "
            "loss is a mean over the batch, so divide by that; and the 2 of a square is "
            f"missing.{sign}",
        )
    if near(1):
        return "sign-flipped", "The sign is flipped: every entry is minus the right one."
    if near(2):
        return "factor-two", f"It is twice as large as it should be.{sign}"
    if near(0.5):
        return (
            "factor-half",
            "It is half as large as it should be: a factor of 2 is missing, perhaps that of a "
            f"square.{sign}",
        )
    if is_mean and columns > 1 and near(entries):
        return (
            "mean-missing",
            f"It is {entries} times too large, and the input has {entries} numbers: the loss is a "
            f"mean over all of them, so divide by their number.{sign}",
        )
    hint = ""
    mean = (
        f": with one column it would be right (--shape {batch_size},1); or, if the examples are "
        "columns, say --columns"
        if is_mean
        else ""
    )
    for value, said in (
        (columns, f"the number of columns{mean}"),
        (1 / columns, "one over the number of columns"),
        (entries, "the batch size times the number of columns"),
        (1 / entries, "one over the batch size times the number of columns"),
    ):
        if near(value):
            hint = f", which is {said}"
    return "constant-factor", f"Every entry is {factor:.6g} times what is right{hint}."


def is_mean(evidence: Evidence) -> bool:
    """Return whether the gradient is one to the examples of a loss that is one number."""
    return evidence.is_input and evidence.point.out.size == 1


def _named(evidence: Evidence, name: str) -> Iterator[Claim]:
    computed, exact = evidence.computed, evidence.exact
    factor = ratio(computed, exact, known(exact))
    if factor is None and computed.size == 1 and exact.all():
        # A single number is some factor times any other: only one that means something tells.
        factor = None if name == "constant-factor" else float((computed / exact).item())
    if factor is None:
        return
    found, sentence = meaning(factor, evidence.batch_size, exact.shape, is_mean(evidence))
    if found == name:
        yield factor * exact, sentence


@mistake(
    "batch-size-missing",
    stage="factor",
    formula="loss = Σ loss_n / N,  so  dx = Σ dloss_n/dx / N",
    wrong="dx = p - t",
    right="dx = (p - t) / len(p)",
    source=BISHOP,
)
def batch_size_missing(evidence: Evidence) -> Iterator[Claim]:
    """It is too large by a factor of the batch size.

    The loss is a mean over the batch, so divide its gradient by the batch size.
    """
    yield from _named(evidence, "batch-size-missing")


@mistake(
    "batch-size-twice",
    stage="factor",
    formula="dW = xᵀ·dout,  where dout has the 1/N of the loss in it already",
    wrong="self.dW = x.T @ dout / len(x)",
    right="self.dW = x.T @ dout",
    source=CHECKS,
)
def batch_size_twice(evidence: Evidence) -> Iterator[Claim]:
    """It is too small by a factor of the batch size.

    You divide by the batch size once too often: only the loss divides by it, once, where it takes
    the mean.
    """
    yield from _named(evidence, "batch-size-twice")


@mistake(
    "sign-flipped",
    stage="factor",
    formula="d(y − t)²/dy = 2·(y − t)",
    wrong="dy = 2 * (t - y)",
    right="dy = 2 * (y - t)",
    source=CHECKS,
)
def sign_flipped(evidence: Evidence) -> Iterator[Claim]:
    """The sign is flipped: every entry is minus the right one."""
    yield from _named(evidence, "sign-flipped")


@mistake(
    "factor-two",
    stage="factor",
    formula="d(½·(y − t)²)/dy = y − t",
    wrong="loss = 0.5 * ((y - t) ** 2).sum();  dy = 2 * (y - t)",
    right="loss = 0.5 * ((y - t) ** 2).sum();  dy = y - t",
    source=CHECKS,
)
def factor_two(evidence: Evidence) -> Iterator[Claim]:
    """It is twice as large as it should be, as if the ½ of a squared error were forgotten."""
    yield from _named(evidence, "factor-two")


@mistake(
    "factor-half",
    stage="factor",
    formula="d(y − t)²/dy = 2·(y − t)",
    wrong="loss = ((y - t) ** 2).sum();  dy = y - t",
    right="loss = ((y - t) ** 2).sum();  dy = 2 * (y - t)",
    source=CHECKS,
)
def factor_half(evidence: Evidence) -> Iterator[Claim]:
    """It is half as large as it should be: a factor of 2 is missing, perhaps that of a square."""
    yield from _named(evidence, "factor-half")


@mistake(
    "mean-missing",
    stage="factor",
    formula="loss = Σ loss_nc / (N·C),  so  dx_nc = dloss_nc/dx_nc / (N·C)",
    wrong="loss = ((y - t) ** 2).mean();  dy = 2 * (y - t)",
    right="loss = ((y - t) ** 2).mean();  dy = 2 * (y - t) / y.size",
    source=CHECKS,
)
def mean_missing(evidence: Evidence) -> Iterator[Claim]:
    """It is too large by a factor of the number of entries of the input.

    The loss is a mean over all of them, so divide its gradient by their number.
    """
    yield from _named(evidence, "mean-missing")


@mistake(
    "constant-factor",
    stage="factor",
    formula="d(c·f)/dx = c·df/dx",
    wrong="loss = 3 * f(x);  dx = df(x)",
    right="loss = 3 * f(x);  dx = 3 * df(x)",
    source=CHECKS,
)
def constant_factor(evidence: Evidence) -> Iterator[Claim]:
    """Every entry is off by the same factor.

    Look for a constant that is in forward and not in backward, or the other way round.
    """
    yield from _named(evidence, "constant-factor")
