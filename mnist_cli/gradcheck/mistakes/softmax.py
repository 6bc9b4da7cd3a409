# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""The mistakes that people make with the derivative of the softmax."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mnist_cli.gradcheck.mistakes.registry import Claim, also, mistake
from mnist_cli.gradcheck.operation import Array, are_probabilities
from mnist_cli.nn.layers import Softmax

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

BRIDLE = "Bridle (1990), Probabilistic Interpretation of Feedforward Classification Network Outputs"
BISHOP = "Bishop (2006), Pattern Recognition and Machine Learning, section 4.3.4"
NOT_ELEMENTWISE_TOLD = (
    "This function is not elementwise: each output depends on several inputs, so no product of "
    "dout and an elementwise derivative can be right. Write a backward that takes dout "
    "and returns dx."
)
FORMULA = "dx_i = s_i·(dout_i − Σ_j dout_j·s_j)"
RIGHT = "dx = s * (dout - (dout * s).sum(axis=-1, keepdims=True))"


def is_softmax(evidence: Evidence) -> bool:
    """Return whether the gradient is that to the input of a softmax over more than one class."""
    out = evidence.out
    if not evidence.is_input or out.shape != evidence.value.shape or out.ndim < 2:
        return False
    return out.shape[-1] > 1 and are_probabilities(out)


def product(s: Array, dout: Array) -> Array:
    """Return ``dout`` times the Jacobian of the softmax whose output is said to be ``s``."""
    layer = Softmax()
    layer.s = s
    return layer.backward(dout)


def _told(evidence: Evidence, sentence: str) -> str:
    """Return a sentence, and that no elementwise derivative can be right, where one was given."""
    if evidence.operation.kind == "activation":
        return f"{sentence} {NOT_ELEMENTWISE_TOLD}"
    return sentence


@mistake(
    "softmax-diagonal-only",
    formula=FORMULA,
    wrong="dx = dout * s * (1 - s)",
    right=RIGHT,
    source=BRIDLE,
)
def softmax_diagonal_only(evidence: Evidence) -> Iterator[Claim]:
    """It is dout·s·(1 − s), the diagonal of the softmax's Jacobian alone.

    Raising one input lowers all the other outputs, by −s_i·s_j; s·(dout − Σ dout·s) includes both.
    """
    if is_softmax(evidence):
        s, dout = evidence.out, evidence.dout
        yield (
            dout * s * (1 - s),
            _told(
                evidence,
                "It is dout·s·(1 − s), the diagonal of the softmax's Jacobian alone: raising one "
                "input lowers all the other outputs, by −s_i·s_j; s·(dout − Σ dout·s) includes "
                "both.",
            ),
        )


@mistake(
    "softmax-input-for-output",
    formula=FORMULA,
    wrong="J = np.diag(x) - np.outer(x, x)",
    right="J = np.diag(s) - np.outer(s, s)  # s = softmax(x)",
    source=BRIDLE,
)
def softmax_input_for_output(evidence: Evidence) -> Iterator[Claim]:
    """The softmax's derivative is computed from the input.

    The s in its formula is the output: keep that in forward, and return s·(dout − Σ dout·s).
    """
    if not is_softmax(evidence):
        return
    x, s, dout = evidence.value, evidence.out, evidence.dout
    sentence = _told(
        evidence,
        "The softmax's derivative is computed from the input. The s in its formula is the output: "
        "keep that in forward, and return s·(dout − Σ dout·s).",
    )
    yield dout * s * (1 - x), sentence
    yield dout * x * (1 - x), sentence
    yield dout * x * (1 - s), sentence
    yield product(x, dout), sentence
    # Both factors off the diagonal, or one of them alone.
    crossed = (dout * x).sum(axis=-1, keepdims=True)
    yield s * (dout - crossed), sentence
    yield dout * s * (1 - x) - s * (crossed - dout * x), sentence
    yield x * (dout - (dout * s).sum(axis=-1, keepdims=True)), sentence


@mistake(
    "softmax-sign-off-diagonal",
    formula="ds_i/dx_j = −s_i·s_j  for i ≠ j",
    wrong="J[i, j] = s[i] * s[j]",
    right="J[i, j] = -s[i] * s[j]",
    source=BRIDLE,
)
def softmax_sign_off_diagonal(evidence: Evidence) -> Iterator[Claim]:
    """The sign off the diagonal of the softmax's Jacobian is wrong.

    There it is −s_i·s_j: raising one input lowers all the other outputs.
    """
    if is_softmax(evidence):
        s, dout = evidence.out, evidence.dout
        weighted = (dout * s).sum(axis=-1, keepdims=True)
        yield s * (dout + weighted) - 2 * s**2 * dout
        yield s * (dout + weighted)


@mistake(
    "softmax-last-column-only",
    formula="J_ij = ds_i/dx_j has two indices:  s_i·([i = j] − s_j)",
    wrong="for i, j in pairs: gradient[i] = -s[i] * s[j]",
    right="for i, j in pairs: J[i, j] = s[i] * ((i == j) - s[j])",
    source=BRIDLE,
)
def softmax_last_column_only(evidence: Evidence) -> Iterator[Claim]:
    """It is only one column of the softmax's Jacobian: the loop overwrites the entries of each row.

    A Jacobian of C outputs by C inputs has C² entries: keep them as gradient[i, j], and multiply
    by dout.
    """
    if not is_softmax(evidence):
        return
    x, s, dout = evidence.value, evidence.out, evidence.dout
    last = np.zeros_like(s)
    last[..., -1] = 1
    yield dout * s * (last - s[..., -1:])
    yield s * (last - s[..., -1:])
    sentence = (
        "It is only one column of the softmax's Jacobian, and it has the input where the output "
        "belongs. The loop overwrites the entries of each row: keep them all, as gradient[i, j] = "
        "s_i·([i = j] − s_j), where s is the output in both places."
    )
    yield dout * s * (last - x[..., -1:]), sentence
    yield s * (last - x[..., -1:]), sentence


@mistake(
    "softmax-identity-over-batch",
    formula="J_n = diag(s_n) − s_n·s_nᵀ,  one matrix for each example n",
    wrong="dx = dout * s * (np.eye(len(s)) - s)",
    right=RIGHT,
    source=BRIDLE,
)
def softmax_identity_over_batch(evidence: Evidence) -> Iterator[Claim]:
    """The batch is taken for a Jacobian: s·(eye − s) mixes up examples and classes.

    It runs only if there are as many examples as classes. Each example has a Jacobian of its own,
    and its product with dout is s·(dout − Σ dout·s).
    """
    if is_softmax(evidence):
        s, dout = evidence.out, evidence.dout
        if s.ndim == 2 and s.shape[0] == s.shape[1]:
            jacobian = s * (np.eye(len(s)) - s)
            yield dout * jacobian
            yield dout @ jacobian
            yield jacobian @ dout


@mistake(
    "rows-leak",
    formula="s_nc = exp(x_nc) / Σ_k exp(x_nk)",
    wrong="e = np.exp(x - x.max());  s = e / e.sum(axis=0)",
    right="e = np.exp(x - x.max(-1, keepdims=True));  s = e / e.sum(-1, keepdims=True)",
    source="CS231n (Stanford), notes 'Linear Classification', section on the softmax classifier",
)
def rows_leak(evidence: Evidence) -> Iterator[Claim]:
    """The examples of the batch leak into each other: a sum or a maximum is taken over all of them.

    Each row is an example of its own: use axis=-1 and keepdims=True.
    """
    if not is_softmax(evidence) or len(evidence.out) < 2:
        return
    s, dout = evidence.out, evidence.dout
    for axis, told in ((0, "over axis 0"), (None, "over everything")):
        yield (
            s * (dout - (dout * s).sum(axis=axis)),
            f"The sum in s·(dout − Σ dout·s) is taken {told}, and so over the rows of the batch: "
            "each row has its own, with axis=-1 and keepdims=True.",
        )


@mistake(
    "softmax-of-dout",
    formula=FORMULA,
    wrong="s = softmax(dout);  dx = s * (1 - s)",
    right="s = self.out;  " + RIGHT,
    source=BRIDLE,
)
def softmax_of_dout(evidence: Evidence) -> Iterator[Claim]:
    """The softmax is taken of dout, the gradient from above.

    The output of forward belongs there.
    """
    if is_softmax(evidence):
        dout = evidence.dout
        s = Softmax().forward(dout)
        yield s
        yield s * (1 - s)
        yield dout * s * (1 - s)
        yield product(s, dout)


@mistake(
    "softmax-twice",
    formula="dz = p − t  for softmax and cross-entropy together",
    wrong="dz = softmax.backward(p - t)",
    right="dz = p - t",
    source=BISHOP,
)
def softmax_twice(evidence: Evidence) -> Iterator[Claim]:
    """The softmax has been differentiated twice: its Jacobian is multiplied in once too often."""
    if is_softmax(evidence):
        s, dout = evidence.out, evidence.dout
        yield product(s, product(s, dout))
        yield (
            product(Softmax().forward(s), dout),
            "The softmax has been taken of its own output: in backward, s is there already.",
        )


@mistake(
    "softmax-not-differentiated",
    formula=FORMULA,
    wrong="dx = dout",
    right=RIGHT,
    source=BISHOP,
)
def softmax_not_differentiated(evidence: Evidence) -> Iterator[Claim]:
    """It is dout, passed on unchanged: the softmax has not been differentiated at all."""
    if is_softmax(evidence):
        yield evidence.dout


@mistake(
    "jacobian-returned",
    formula="dx_i = Σ_j dout_j·ds_j/dx_i",
    wrong="return np.diag(s) - np.outer(s, s)",
    right="return (np.diag(s) - np.outer(s, s)) @ dout",
    source="CS231n (Stanford), notes 'Backpropagation, Intuitions'",
)
def jacobian_returned(evidence: Evidence) -> Iterator[Claim]:
    """It is the whole Jacobian of every row.

    Multiply it by dout and sum over the outputs, or use s·(dout − Σ dout·s), which needs no
    Jacobian.
    """
    if not is_softmax(evidence):
        return
    s, dout = evidence.out, evidence.dout
    jacobian = s[..., :, None] * np.eye(s.shape[-1]) - s[..., :, None] * s[..., None, :]
    sentence = "It is the whole Jacobian of every row, times dout, and not yet summed over outputs."
    shape = evidence.comparison.computed.shape
    for gradient, more in (
        (jacobian, None),
        (jacobian * dout[..., None], sentence),
        (jacobian * dout[..., None, :], sentence),
    ):
        if gradient.shape != shape and gradient.shape[1:] == shape and len(gradient) == 1:
            gradient = gradient[0]
        yield (gradient, more) if more else gradient


@also("rows-leak", "last")
def rows_leak_unknown_to_backward(evidence: Evidence) -> Iterator[Claim]:
    """The examples of the batch leak into each other, and backward does not know it.

    Changing the first example changes the output of the others: take sums and maxima along
    axis=-1, with keepdims=True. Or, if that is meant, as in batch normalisation, let backward
    follow every path from one example to another.
    """
    point = evidence.point
    if evidence.is_input and point.rows_leak and not point.follows_leak:
        out = evidence.out
        if out.ndim == 2 and np.all(out >= 0) and np.isclose(out.sum(), 1):
            yield (
                evidence.computed,
                "Forward takes the softmax over the whole batch, as if it were one vector: take "
                "the maximum and the sum along axis=-1, with keepdims=True; or check it with one "
                f"vector, --shape {out.shape[-1]}.",
            )
        if point.out.size == 1:
            yield (
                evidence.computed,
                "The rows of the batch leak into each other: what the first row adds to the loss "
                "depends on the second, and backward does not follow. Take sums and maxima along "
                "axis=-1, with keepdims=True; or, if the examples are columns, say --columns.",
            )
        yield evidence.computed
