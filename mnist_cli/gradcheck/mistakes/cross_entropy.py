# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""The mistakes that people make with the gradient of a cross-entropy, of classes or of bits.

A factor besides, as the batch size, is found out by `mnist_cli.gradcheck.diagnosis`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mnist_cli.gradcheck.mistakes.registry import Claim, also, mistake
from mnist_cli.gradcheck.operation import Array
from mnist_cli.nn.layers import Softmax

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

EPSILONS = (*(10.0**-k for k in range(2, 17)), float(np.finfo(np.float64).eps))
"""What people add to a probability before they take its logarithm."""
RECOGNISED = 1e-3
"""How far a loss may be from a cross-entropy, as with a small ε in its logarithm, and be one."""
SLACK_BY_EPSILON = {0.0: RECOGNISED} | dict.fromkeys(EPSILONS[:4], 1e-9)
"""The ε with which a loss is compared, and how far it may be from that."""

BISHOP = "Bishop (2006), Pattern Recognition and Machine Learning, section 4.3.4"
NIELSEN = "Nielsen (2015), Neural Networks and Deep Learning, chapter 3"
NOTES = "CS231n (Stanford), notes 'Linear Classification', section on the softmax classifier"
Kind = Literal["classes of logits", "classes", "bits of logits", "bits"]


@dataclass(frozen=True)
class CrossEntropy:
    """A loss that has been recognised by its value.

    Attributes
    ----------
    kind : str
        Whether it is one of classes or of bits, and of logits or of probabilities.
    x, t : array, shape (N, C)
        The input, and the labels as rows.
    p : array
        The probabilities.
    unit : number or array, shape (N, 1)
        The gradient from above of each term, with the mean in it.
    """

    kind: Kind
    x: Array
    t: Array
    p: Array
    unit: float | Array


def cross_entropies(evidence: Evidence) -> Iterator[CrossEntropy]:
    """Yield the cross-entropy that the operation is, if it is one and this is its input."""
    t = _labels(evidence)
    if t is None or not evidence.is_input:
        return
    x = evidence.value
    with np.errstate(all="ignore"):
        s, sigmoid = Softmax().forward(x), 1 / (1 + np.exp(-x))
    inside = bool(np.all((x > 0) & (x < 1)))
    candidates: tuple[tuple[Kind, Array, bool], ...] = (
        ("classes of logits", s, x.shape[-1] > 1),
        ("classes", x, inside),
        ("bits of logits", sigmoid, True),
        ("bits", x, inside),
    )
    for kind, p, is_possible in candidates:
        for epsilon, within in SLACK_BY_EPSILON.items() if is_possible else ():
            unit = _unit(evidence, _terms(kind, p, t, epsilon), within)
            if unit is not None:
                yield CrossEntropy(kind, x, t, p, unit)
                return


def _terms(kind: Kind, p: Array, t: Array, epsilon: float) -> Array:
    """Return what a cross-entropy is the sum or the mean of, with an ε in its logarithms."""
    with np.errstate(all="ignore"):
        terms: Array = -t * np.log(p + epsilon)
        if kind.startswith("bits"):
            terms = terms - (1 - t) * np.log(1 - p + epsilon)
    return terms


def _labels(evidence: Evidence) -> Array | None:
    """Return the labels as rows, or the other input where there are two of one shape."""
    x, labels = evidence.value, evidence.operation.labels
    if x.ndim != 2:
        return None
    if labels is None:
        others = [n for n in evidence.operation.data if n != evidence.name]
        if not evidence.is_input or len(others) != 1:
            return None
        labels = evidence.point.at[others[0]]
    if evidence.labels is not None and evidence.labels.shape == x.shape:
        return evidence.labels.astype(np.float64)
    if labels.size == x.size:
        rows = evidence.operation.rows(labels)
        return rows.astype(np.float64) if rows.shape == x.shape else None
    whole = labels.ravel().astype(int)
    if labels.size != len(x) or not np.array_equal(whole, labels.ravel()):
        return None
    if whole.min() < 0 or whole.max() >= x.shape[-1]:
        return None
    one_hot: Array = np.eye(x.shape[-1])[whole]
    return one_hot


def _unit(evidence: Evidence, terms: Array, within: float) -> float | Array | None:
    """Return by what each term is multiplied, if the output is the sum or the mean of them.

    It may be so far from it, relatively.
    """
    out, dout = evidence.point.out, evidence.point.dout
    if not np.all(np.isfinite(terms)):
        return None
    if out.size == 1:
        value = float(out.ravel()[0])
        for count in (len(terms), 1, terms.size):
            if np.isclose(value, terms.sum() / count, rtol=within):
                return evidence.upstream / count
        return None
    if out.size == len(terms):
        each = terms.sum(axis=-1)
        for count in (1, terms.shape[-1]):
            if np.allclose(out.ravel(), each / count, rtol=within, atol=within):
                return dout.reshape(-1, 1) / count
    if evidence.out.shape == terms.shape and np.allclose(evidence.out, terms, within):
        return evidence.dout
    return None


def _of(evidence: Evidence, *kinds: Kind) -> Iterator[CrossEntropy]:
    for found in cross_entropies(evidence):
        if found.kind in kinds:
            yield found


@also("softmax-twice", "special")
def softmax_twice_in_cross_entropy(evidence: Evidence) -> Iterator[Claim]:
    """The softmax has been differentiated twice.

    (p − t)/N is the gradient to the logits already, and has been multiplied by the softmax's
    Jacobian once more.
    """
    for loss in _of(evidence, "classes of logits"):
        softmax = Softmax()
        s = softmax.forward(loss.x)
        yield softmax.backward(s - loss.t) * loss.unit
        yield (
            (Softmax().forward(s) - loss.t) * loss.unit,
            "The softmax is taken again, of probabilities: it is softmax(p) − t in place of p − t.",
        )
    for loss in _of(evidence, "classes"):
        yield (
            (loss.x - loss.t) * loss.unit,
            "It is p − t, the gradient to the logits, in which the softmax is differentiated "
            "already. This loss takes probabilities, so its gradient is −t/(p·N): with p − t, the "
            "softmax node before it is differentiated twice.",
        )


@also("softmax-not-differentiated", "special")
def softmax_not_differentiated_in_cross_entropy(evidence: Evidence) -> Iterator[Claim]:
    """It is −t/(p·N), the gradient to the probabilities.

    The softmax has not been differentiated; to the logits it is (p − t)/N.
    """
    for loss in _of(evidence, "classes of logits"):
        yield -loss.t / loss.p * loss.unit


@also("softmax-diagonal-only", "special")
def softmax_diagonal_only_in_cross_entropy(evidence: Evidence) -> Iterator[Claim]:
    """The softmax has been differentiated by the diagonal of its Jacobian alone, s·(1 − s).

    The other entries, −s_i·s_j, are missing.
    """
    for loss in _of(evidence, "classes of logits"):
        s, t = loss.p, loss.t
        yield -t * (1 - s) * loss.unit
        yield (
            (s - t) * s * (1 - s) * loss.unit,
            "(p − t) has been multiplied by the diagonal of the softmax's Jacobian, s·(1 − s): "
            "the softmax is in p − t already, and its Jacobian has more than a diagonal.",
        )


@also("softmax-input-for-output", "special")
def softmax_input_for_output_in_cross_entropy(evidence: Evidence) -> Iterator[Claim]:
    """The derivative of the softmax has been taken as value·(1 − input).

    Its s is the output in both places.
    """
    for loss in _of(evidence, "classes of logits"):
        yield -loss.t * (1 - loss.x) * loss.unit


@also("rows-leak", "special")
def rows_leak_in_cross_entropy(evidence: Evidence) -> Iterator[Claim]:
    """The softmax in the gradient is taken over more than the row.

    Each row is a distribution of its own, so use axis=-1 and keepdims=True.
    """
    for loss in _of(evidence, "classes of logits"):
        exponentials = np.exp(loss.x - loss.x.max())
        for axis, told in ((None, "the whole batch"), (0, "the columns, axis=0")):
            yield (
                (exponentials / exponentials.sum(axis=axis) - loss.t) * loss.unit,
                f"The softmax in the gradient is taken over {told}: each row is a distribution of "
                "its own, so use axis=-1 and keepdims=True.",
            )


@mistake(
    "softmax-missing",
    formula="dz = (softmax(z) − t)/N",
    wrong="dz = (z - t) / len(z)",
    right="dz = (softmax(z) - t) / len(z)",
    source=BISHOP,
)
def softmax_missing(evidence: Evidence) -> Iterator[Claim]:
    """It is z − t, with the logits in place of their softmax: (softmax(z) − t)/N is right."""
    for loss in _of(evidence, "classes of logits"):
        yield (loss.x - loss.t) * loss.unit


@mistake(
    "labels-missing",
    formula="dz = (p − t)/N",
    wrong="dz = p / len(p)",
    right="dz = p.copy();  dz[np.arange(len(p)), y] -= 1;  dz /= len(p)",
    source=NOTES,
)
def labels_missing(evidence: Evidence) -> Iterator[Claim]:
    """The labels have not been subtracted: it is p, not p − t."""
    for loss in _of(evidence, "classes of logits", "bits of logits"):
        yield loss.p * loss.unit


@mistake(
    "labels-added",
    formula="dz = (p − t)/N",
    wrong="dz = (p + t) / len(p)",
    right="dz = (p - t) / len(p)",
    source=NOTES,
)
def labels_added(evidence: Evidence) -> Iterator[Claim]:
    """The labels are added, and should be subtracted: p − t."""
    for loss in _of(evidence, "classes of logits", "bits of logits"):
        yield (loss.p + loss.t) * loss.unit


@mistake(
    "sigmoid-twice",
    formula="dp = (p − t) / (p·(1 − p)),  and  dz = p − t  for z before the sigmoid",
    wrong="loss = bce(p, t);  dp = p - t",
    right="loss = bce(p, t);  dp = (p - t) / (p * (1 - p))",
    source=NIELSEN,
)
def sigmoid_twice(evidence: Evidence) -> Iterator[Claim]:
    """The sigmoid is differentiated twice: p − t includes its derivative already.

    This loss takes probabilities, so its gradient is (p − t)/(p·(1 − p)); the sigmoid before it
    multiplies by its own derivative.
    """
    for loss in _of(evidence, "bits"):
        yield (loss.p - loss.t) * loss.unit
        yield (loss.p - loss.t) * loss.p * (1 - loss.p) * loss.unit
    for loss in _of(evidence, "bits of logits"):
        yield (
            (loss.p - loss.t) * loss.p * (1 - loss.p) * loss.unit,
            "The sigmoid is differentiated twice: p − t is the gradient to the logits already, "
            "and has been multiplied by p·(1 − p) once more.",
        )


@mistake(
    "sigmoid-not-differentiated",
    formula="dz = p − t  for z before the sigmoid",
    wrong="dz = (p - t) / (p * (1 - p))",
    right="dz = p - t",
    source=NIELSEN,
)
def sigmoid_not_differentiated(evidence: Evidence) -> Iterator[Claim]:
    """It is (p − t)/(p·(1 − p)), the gradient to the probabilities.

    The sigmoid has not been differentiated; to the logits it is p − t.
    """
    for loss in _of(evidence, "bits of logits"):
        yield (loss.p - loss.t) / (loss.p * (1 - loss.p)) * loss.unit


@mistake(
    "sigmoid-missing",
    formula="dz = sigmoid(z) − t",
    wrong="dz = z - t",
    right="dz = sigmoid(z) - t",
    source=NIELSEN,
)
def sigmoid_missing(evidence: Evidence) -> Iterator[Claim]:
    """It is z − t, with the logits in place of their sigmoid: sigmoid(z) − t is right."""
    for loss in _of(evidence, "bits of logits"):
        yield (loss.x - loss.t) * loss.unit


@mistake(
    "one-class-only",
    formula="dp = −t/p + (1 − t)/(1 − p)",
    wrong="dp = -t / p",
    right="dp = -t / p + (1 - t) / (1 - p)",
    source=NIELSEN,
)
def one_class_only(evidence: Evidence) -> Iterator[Claim]:
    """It is the gradient of one of the two terms of a binary cross-entropy.

    Where the label is 0 the loss is −log(1 − p), whose gradient is missing, or the other way round.
    """
    for loss in _of(evidence, "bits"):
        yield -loss.t / loss.p * loss.unit
        yield (1 - loss.t) / (1 - loss.p) * loss.unit
        yield (
            (-loss.t / loss.p - (1 - loss.t) / (1 - loss.p)) * loss.unit,
            "The sign of the second term is wrong: −log(1 − p) has the gradient +1/(1 − p).",
        )
    for loss in _of(evidence, "bits of logits"):
        yield loss.t * (loss.p - 1) * loss.unit
        yield (1 - loss.t) * loss.p * loss.unit
