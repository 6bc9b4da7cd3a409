# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""A batch size that is written as a number: right for batches of that size, and for no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mnist_cli.gradcheck.mistakes.factors import is_mean
from mnist_cli.gradcheck.mistakes.likeness import ALIKE, along, known, ratio
from mnist_cli.gradcheck.mistakes.registry import Claim, also, mistake
from mnist_cli.gradcheck.user_code import UserCodeError

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

BATCH_SIZES = (1, *range(2, 17), 20, 32, 64, 100, 128)
"""Batch sizes that people write as a number."""

CHECKS = "CS231n (Stanford), notes 'Learning and Evaluation', section on gradient checks"


@mistake(
    "batch-size-fixed",
    formula="dx = Σ_n … / N,  with N = len(x), whatever it is today",
    wrong="dx = (p - t) / 5",
    right="dx = (p - t) / len(p)",
    source=CHECKS,
)
def batch_size_fixed_as_factor(evidence: Evidence) -> Iterator[Claim]:
    """A batch size is written as a number: the gradient is right for batches of that size only.

    Take it from the data, as len(x).
    """
    n, operation = evidence.batch_size, evidence.operation
    factor = ratio(evidence.computed, evidence.exact, known(evidence.exact))
    if factor is None or factor <= 0 or operation.batch_axis is None or n < 1:
        return
    for fixed, power in ((n / factor, 1), (n * factor, -1)):
        whole = round(fixed)
        if abs(fixed - whole) > 1e-6 * fixed or whole in (1, n) or whole > 10_000:
            continue
        if whole == 2 and power == 1 and is_mean(evidence):
            continue  # the 2 of a square is missing, and the mean
        other = n + 2 if whole != n + 2 else n + 3
        there = _factor_at(evidence, other)
        if there is None or abs(there / (other / whole) ** power - 1) > 1e-6:
            continue
        method = "backward" if power == 1 else "forward"
        yield (
            factor * evidence.exact,
            f"It is {_quotient(n, whole) if power == 1 else _quotient(whole, n)} times what is "
            f"right for a batch of {n}, and would be right for one of {whole}: {method} divides "
            f"by {whole}, which is a batch size written as a number. Take it from the data, as "
            "len(x).",
        )
        return


@also("factor-two", "special")
def factor_two_of_two_examples(evidence: Evidence) -> Iterator[Claim]:
    """It is twice as large as it should be."""
    if _is_off_at_any_batch_size(evidence, 2):
        yield 2 * evidence.exact


@also("factor-half", "special")
def factor_half_of_two_examples(evidence: Evidence) -> Iterator[Claim]:
    """It is half as large as it should be: a factor of 2 is missing, perhaps that of a square."""
    if _is_off_at_any_batch_size(evidence, 0.5):
        yield 0.5 * evidence.exact


def _is_off_at_any_batch_size(evidence: Evidence, factor: float) -> bool:
    """Return whether two examples, as of images, are off by a factor by which three are, too.

    With two examples alone, it might be the batch size.
    """
    if evidence.batch_size != 2 or evidence.operation.batch_axis is None:
        return False
    here = ratio(evidence.computed, evidence.exact, known(evidence.exact))
    if here is None or abs(here / factor - 1) > 1e-6:
        return False
    there = _factor_at(evidence, 3)
    return there is not None and abs(there / factor - 1) <= 1e-6


def _quotient(a: int, b: int) -> str:
    return f"{a}/{b}"


def _factor_at(evidence: Evidence, batch_size: int) -> float | None:
    """Return by what factor the gradient is off at another batch size, if by a factor at all."""
    rng = np.random.default_rng(0)
    resized = evidence.operation.resized(batch_size, rng)
    if resized is None or resized.at[evidence.name].size > 20_000:
        return None
    point = type(evidence.point)(resized, rng)
    computed, at = point.computed[evidence.name], resized.at[evidence.name]
    if computed.shape != at.shape:
        return None
    f = point.weighted(evidence.name)
    factors = []
    for _ in range(2):
        direction = rng.uniform(0.5, 1.5, at.shape)
        exact = along(evidence, f, at, direction)
        factors.append(float((computed * direction).sum()) / exact if exact else np.nan)
    return factors[0] if np.isclose(factors[0], factors[1], rtol=1e-6) else None


@also("batch-size-fixed", "last")
def batch_size_fixed_as_part(evidence: Evidence) -> Iterator[Claim]:
    """A batch size is written as a number: the gradient is right for batches of that size only.

    Take it from the data, as len(x).
    """
    if evidence.operation.batch_axis is None or not evidence.is_small:
        return
    right: list[int] = []
    for n in BATCH_SIZES:
        if n != evidence.batch_size and _is_right_at(evidence, n):
            right.append(n)
        if len(right) > 1:
            return
    # A mistake that shows in the third row only is right for two sizes, 1 and 2.
    if len(right) == 1 and right != [1]:
        yield (
            evidence.computed,
            f"The gradient is right for a batch of {right[0]}, and wrong for others: "
            f"{right[0]} is written in backward as a number. Take it from the data, as len(x).",
        )


def _is_right_at(evidence: Evidence, batch_size: int) -> bool:
    """Return whether the gradient is right at another batch size, in one random direction."""
    rng, name = np.random.default_rng(batch_size), evidence.name
    resized = evidence.operation.resized(batch_size, rng)
    if resized is None:
        return False
    try:
        point = type(evidence.point)(resized, rng)
        computed, at = point.computed[name], resized.at[name]
        if computed.shape != at.shape:
            return False
        direction = rng.uniform(0.5, 1.5, at.shape)
        exact = along(evidence, point.weighted(name), at, direction)
    except UserCodeError:
        return False
    scale = float(np.abs(computed * direction).sum()) or 1.0
    return abs(float((computed * direction).sum()) - exact) <= ALIKE * scale
