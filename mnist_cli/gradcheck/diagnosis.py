"""What is wrong with a wrong gradient: known mistakes, each held against the numbers.

A mistake (`mnist_cli.gradcheck.mistakes`) is what people do wrong, and the gradient which it would
give at this very point. It is named only if that is the gradient which the code gave.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mnist_cli.gradcheck.comparison import Comparison
from mnist_cli.gradcheck.evidence import Evidence
from mnist_cli.gradcheck.mistakes import HYPOTHESES, Hypothesis
from mnist_cli.gradcheck.mistakes.behaviour import UNKNOWN
from mnist_cli.gradcheck.mistakes.chain_rule import IGNORED
from mnist_cli.gradcheck.mistakes.factors import is_mean, meaning
from mnist_cli.gradcheck.mistakes.likeness import ALIKE, VERY_ALIKE, alike, known, ratio
from mnist_cli.gradcheck.mistakes.registry import Stage
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.result import Diagnosis
from mnist_cli.gradcheck.user_code import UserCodeError

FEW = 0.25
"""Up to this share of wrong entries, where they are says more than anything else."""

NEARLY = 1e-5
"""Up to this relative difference a gradient is nearly right, and no factor is looked for."""

NEARLY_RIGHT = (
    "It is nearly right, as it is where forward has an ε, in a denominator for example, that "
    "backward leaves out. Put the same ε into both; or, if that is meant, widen --tolerance."
)

DOES_NOT_FIT = (UserCodeError, ValueError, IndexError, KeyError, TypeError)
"""What a mistake raises whose formula does not fit the shapes at hand, or which the code refuses.

It is then not the mistake that was made.
"""


@dataclass(frozen=True)
class Suspect:
    """A mistake, the sentence that explains it, and the gradient that it would give."""

    name: str
    sentence: str
    gradient: Array


class _Numbers(Evidence):
    """A comparison without a point: what is known of a gradient that no operation gave."""

    def __init__(self, comparison: Comparison, batch_size: int):
        self.name = ""
        self.comparison = comparison
        self.is_input = False
        self._as = lambda array: array
        self._batch_size = batch_size

    @property
    def batch_size(self) -> int:
        return self._batch_size


def diagnose(evidence: Evidence, otherwise: Diagnosis | None = None) -> Diagnosis:
    """Return what is wrong, by the first mistake that gives the numbers.

    First, what anybody would see: another shape, numbers that are not finite, digits that are
    lost, zeros. Then the special mistakes, then a factor, then both at once. Then, where few
    entries are wrong, which; and last what is known of the code besides, which must not hide a
    mistake in its formula.

    Parameters
    ----------
    evidence : Evidence
    otherwise : Diagnosis, optional
        What is known to be wrong, if no mistake in the formula explains the numbers.
    """
    with np.errstate(all="ignore"):
        comparison = evidence.comparison
        if comparison.computed.shape != comparison.exact.shape:
            return _of_shape(evidence)
        found = _matching(evidence, "first")
        if found:
            return found
        if evidence.is_input and evidence.point.ignores_dout:
            return _of_ignored_dout(evidence)
        return _of_numbers(evidence, otherwise)


def diagnose_comparison(comparison: Comparison, batch_size: int) -> Diagnosis:
    """Return what is wrong with a gradient of which only the numbers are known.

    Parameters
    ----------
    comparison : Comparison
    batch_size : int
    """
    evidence = _Numbers(comparison, batch_size)
    with np.errstate(all="ignore"):
        if comparison.computed.shape != comparison.exact.shape:
            return _of_shape(evidence)
        is_near = alike(evidence.computed, evidence.exact, known(evidence.exact), NEARLY)
        return (
            _matching(evidence, "first")
            or (None if is_near else _matching(evidence, "factor"))
            or _matching(evidence, "place")
            or UNKNOWN.diagnosis()
        )


def _of_numbers(evidence: Evidence, otherwise: Diagnosis | None) -> Diagnosis:
    """Return what is wrong with a gradient of the right shape."""
    specials = list(_suspects(evidence, "special"))
    where = known(evidence.exact)
    is_near = alike(evidence.computed, evidence.exact, where, NEARLY)
    # Most formulas are off by more than this, if they are wrong.
    tolerance = VERY_ALIKE if is_near else ALIKE
    for suspect in specials:
        if _fits(evidence, suspect, tolerance):
            return Diagnosis(suspect.name, suspect.sentence)
    if not is_near:
        found = _matching(evidence, "factor")
        if found:
            return found
        for suspect in specials:
            # Of a dout in which everything is cut off, only signs are left, and a factor fits much.
            is_clipped = suspect.name == "clipped"
            factor = None if is_clipped else ratio(evidence.computed, suspect.gradient, where)
            if factor is not None:
                return _with_factor(evidence, suspect, factor)
    # A few entries that are wrong are a mistake of their own; many are what else is known.
    few = is_near or evidence.wrong.sum() <= FEW * where.sum()
    first = _matching(evidence, "place") if few else None
    return (
        first
        or otherwise
        or _matching(evidence, "last")
        or _matching(evidence, "place")
        or UNKNOWN.diagnosis(NEARLY_RIGHT if is_near else None)
    )


def _with_factor(evidence: Evidence, suspect: Suspect, factor: float) -> Diagnosis:
    """Return that a mistake was made, and a factor is wrong besides."""
    name, sentence = meaning(factor, evidence.batch_size, evidence.exact.shape, is_mean(evidence))
    if suspect.name == "epsilon-in-logarithm" and name != "constant-factor":
        # An ε is the lesser mistake of the two.
        return Diagnosis(name, f"{sentence} And besides: {suspect.sentence}")
    return Diagnosis(suspect.name, f"{suspect.sentence} And besides: {sentence}")


def _of_shape(evidence: Evidence) -> Diagnosis:
    """Return what a gradient of the wrong shape is."""
    computed, exact = evidence.comparison.computed, evidence.comparison.exact
    told = f"The gradient has the shape {computed.shape}, where {exact.shape} is right"
    if not isinstance(evidence, _Numbers):
        for suspect in _suspects(evidence, "special"):
            gradient = suspect.gradient
            if gradient.shape == exact.shape:
                continue
            if alike(computed, gradient, np.isfinite(computed)):
                return Diagnosis(suspect.name, f"{told}: {_inside(suspect.sentence)}")
    for suspect in _suspects(evidence, "shape"):
        sentence = f"{told}: {_inside(suspect.sentence)}" if suspect.sentence else f"{told}."
        return Diagnosis(suspect.name, sentence)
    return UNKNOWN.diagnosis()


def _inside(sentence: str) -> str:
    """Return a sentence as it is written behind a colon."""
    first = sentence.split(" ", 1)[0]
    return sentence[0].lower() + sentence[1:] if first in ("It", "The") else sentence


def _of_ignored_dout(evidence: Evidence) -> Diagnosis:
    """Say that dout is ignored, and what else is wrong if it were all ones."""
    ignored = Diagnosis("dout-ignored", IGNORED)
    if not evidence.is_small:
        return ignored
    # What else is wrong shows when the gradient from above is 1, as such code takes it.
    point = copy.copy(evidence.point)
    point.dout = np.ones_like(point.dout)
    exact = point.exact(evidence.name)
    computed = evidence.comparison.computed
    if alike(computed, exact):
        return ignored
    comparison = Comparison(
        computed,
        exact,
        np.abs(computed - exact) > 1e-9 * np.abs(exact).mean(),
        evidence.comparison.error,
        evidence.comparison.method,
        passed=False,
    )
    as_ones = Evidence(point, evidence.name, comparison)
    more = _of_numbers(as_ones, None)
    if more.name == "unknown":
        return ignored
    is_loss = point.out.size == 1
    if not is_loss and more.name in _NOT_BESIDES:
        return ignored
    # An ε is the lesser mistake of the two; of a layer, dout is the greater one.
    is_lesser = more.name.startswith("epsilon") or not is_loss
    first, second = (ignored, more) if is_lesser else (more, ignored)
    return Diagnosis(first.name, f"{first.explanation} And besides: {second.explanation}")


_NOT_BESIDES = {"dout-ignored", "dout-squared", "clipped", "unknown", "constant-factor"} | {
    hypothesis.name for hypothesis in HYPOTHESES if hypothesis.stage in ("place", "last")
}
"""What is not said of a layer that ignores dout: it may well be a consequence."""


def _matching(evidence: Evidence, stage: Stage) -> Diagnosis | None:
    """Return the first mistake of a stage that gives the numbers."""
    for suspect in _suspects(evidence, stage):
        if _fits(evidence, suspect, ALIKE):
            return Diagnosis(suspect.name, suspect.sentence)
    return None


def _fits(evidence: Evidence, suspect: Suspect, tolerance: float) -> bool:
    # A mistake that is seen in something else than a formula yields what the code gave.
    if suspect.gradient is evidence.computed:
        return True
    return alike(evidence.computed, suspect.gradient, known(evidence.exact), tolerance)


def _suspects(evidence: Evidence, stage: Stage) -> Iterator[Suspect]:
    """Yield the mistakes of a stage, with the gradients that they would give here."""
    for hypothesis in HYPOTHESES:
        if hypothesis.stage == stage:
            yield from _of_hypothesis(evidence, hypothesis)


def _of_hypothesis(evidence: Evidence, hypothesis: Hypothesis) -> Iterator[Suspect]:
    try:
        for claim in hypothesis.find(evidence):
            gradient, sentence = claim if isinstance(claim, tuple) else (claim, hypothesis.sentence)
            yield Suspect(hypothesis.name, sentence, gradient)
    except DOES_NOT_FIT:
        return
