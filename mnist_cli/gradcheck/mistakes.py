"""The mistakes that people make with softmax and cross-entropy, and the gradients that they give.

Each is a hypothesis for `mnist_cli.gradcheck.diagnosis`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.diagnosis import Suspect
from mnist_cli.nn.layers import Softmax
from mnist_cli.nn.losses import label_rows

EPSILON = (
    "It is the gradient of −log p, and forward computes the logarithm of something else, as of "
    "p + ε or of a clipped p: take the logarithm of a softmax as x − max − log Σ exp(x − max), "
    "which needs no ε; or, if it is meant, widen --tolerance."
)


def are_probabilities(rows: NDArray[Any]) -> bool:
    """Return whether the numbers of each row are at least 0, and sum to one."""
    return bool(rows.ndim > 1 and np.all(rows >= 0) and np.allclose(rows.sum(axis=-1), 1))


def is_softmax(out: NDArray[Any]) -> bool:
    """Return whether an output is that of a softmax, over more than one class."""
    return are_probabilities(out) and out.shape[-1] > 1


def softmax_suspects(x: NDArray[Any], s: NDArray[Any], dout: NDArray[Any]) -> Iterator[Suspect]:
    """Yield what is said to be the gradient of the softmax ``s`` of ``x``, and is not."""

    def product(values: NDArray[Any], upstream: NDArray[Any]) -> NDArray[Any]:
        layer = Softmax()
        layer.s = values
        return layer.backward(upstream)

    yield Suspect(
        "softmax-diagonal-only",
        "It is dout·s·(1 − s), the diagonal of the softmax's Jacobian alone: raising one input "
        "lowers all the other outputs, by −s_i·s_j; s·(dout − Σ dout·s) has both.",
        dout * s * (1 - s),
    )
    for wrong in (dout * s * (1 - x), dout * x * (1 - x), dout * x * (1 - s), product(x, dout)):
        yield Suspect(
            "softmax-input-for-output",
            "The formula of the softmax's derivative has been given the input: its s is the "
            "output, so keep that in forward; s·(dout − Σ dout·s) is right.",
            wrong,
        )
    for axis, told in ((0, "over axis 0"), (None, "over everything")):
        yield Suspect(
            "rows-leak",
            f"The sum in s·(dout − Σ dout·s) is taken {told}, and so over the rows of the batch: "
            "each row has its own, with axis=-1 and keepdims=True.",
            s * (dout - (dout * s).sum(axis=axis)),
        )
    softmax = Softmax()
    of_dout = softmax.forward(dout)
    for wrong in (of_dout, of_dout * (1 - of_dout), dout * of_dout * (1 - of_dout)):
        yield Suspect(
            "softmax-of-dout",
            "The softmax has been taken of dout, the gradient from above: it is the output of "
            "forward that belongs there.",
            wrong,
        )
    yield Suspect(
        "softmax-of-dout",
        "The softmax has been taken of dout, the gradient from above: it is the output of "
        "forward that belongs there.",
        product(of_dout, dout),
    )
    yield Suspect(
        "softmax-twice",
        "The softmax has been differentiated twice: its Jacobian is multiplied in twice.",
        product(s, product(s, dout)),
    )
    again = softmax.forward(s)
    yield Suspect(
        "softmax-twice",
        "The softmax has been taken of its own output: in backward, s is there already.",
        product(again, dout),
    )
    yield Suspect(
        "softmax-not-differentiated",
        "dout is passed on as it came: the softmax has not been differentiated at all.",
        dout,
    )
    jacobian = s[..., :, None] * np.eye(s.shape[-1]) - s[..., :, None] * s[..., None, :]
    yield Suspect(
        "jacobian-returned",
        "it is the whole Jacobian of every row; multiply by dout and sum over the outputs, or "
        "take s·(dout − Σ dout·s), which needs none.",
        jacobian,
    )
    yield Suspect(
        "jacobian-returned",
        "it is the whole Jacobian of every row, times dout, and not yet summed over the outputs.",
        jacobian * dout[..., None],
    )
    yield Suspect(
        "jacobian-returned",
        "it is the whole Jacobian of every row, times dout, and not yet summed over the outputs.",
        jacobian * dout[..., None, :],
    )


def cross_entropy_suspects(
    x: NDArray[Any], labels: NDArray[Any], value: float, upstream: float
) -> Iterator[Suspect]:
    """Yield the mistakes that the gradient of a cross-entropy may have, if the loss is one.

    A factor besides, as the batch size, is found out by `mnist_cli.gradcheck.diagnosis`.

    Parameters
    ----------
    x : array, shape (N, C)
        Logits or probabilities.
    labels : array
    value : float
        The loss, by which a cross-entropy is recognised.
    upstream : float
        The gradient from above.
    """
    if x.ndim != 2:
        return
    t = label_rows(labels, x)
    unit = upstream / len(x)

    def is_cross_entropy(p: NDArray[Any]) -> bool:
        with np.errstate(all="ignore"):
            total = -(t * np.log(p)).sum()
        return bool(np.isclose(value, total) or np.isclose(value, total / len(x)))

    softmax = Softmax()
    s = softmax.forward(x)
    if not is_cross_entropy(s):
        if is_cross_entropy(x):
            yield Suspect(
                "softmax-twice",
                "It is p − t, the gradient to the logits, with the softmax already "
                "differentiated; this loss is of probabilities, whose gradient is −t/(p·N), "
                "and before a softmax node p − t differentiates the softmax twice.",
                (x - t) * unit,
            )
            with np.errstate(all="ignore"):
                yield Suspect("epsilon-in-logarithm", EPSILON, -t / x * unit)
        return
    yield Suspect(
        "epsilon-in-logarithm",
        EPSILON,
        (s - t) * unit,
    )
    yield Suspect(
        "softmax-twice",
        "The softmax has been differentiated twice: (p − t)/N is the gradient to the logits "
        "already, and has been multiplied by the softmax's Jacobian once more.",
        softmax.backward(s - t) * unit,
    )
    yield Suspect(
        "softmax-not-differentiated",
        "It is −t/(p·N), the gradient to the probabilities: the softmax has not been "
        "differentiated; to the logits it is (p − t)/N.",
        -t / s * unit,
    )
    yield Suspect(
        "softmax-diagonal-only",
        "The softmax has been differentiated by the diagonal of its Jacobian alone, s·(1 − s); "
        "the other entries, −s_i·s_j, are missing.",
        -t * (1 - s) * unit,
    )
    yield Suspect(
        "softmax-diagonal-only",
        "(p − t) has been multiplied by the diagonal of the softmax's Jacobian, s·(1 − s): the "
        "softmax is in p − t already, and its Jacobian has more than a diagonal.",
        (s - t) * s * (1 - s) * unit,
    )
    yield Suspect(
        "softmax-input-for-output",
        "The derivative of the softmax has been taken as value·(1 − input): its s is the "
        "output in both places.",
        -t * (1 - x) * unit,
    )
    with np.errstate(all="ignore"):
        exponentials = np.exp(x - x.max())
        whole = exponentials / exponentials.sum()
        columns = exponentials / exponentials.sum(axis=0)
    for wrong, axis in ((whole, "the whole batch"), (columns, "the columns, axis=0")):
        yield Suspect(
            "rows-leak",
            f"The softmax in the gradient is taken over {axis}: each row is a distribution of "
            "its own, so use axis=-1 and keepdims=True.",
            (wrong - t) * unit,
        )
    yield Suspect(
        "softmax-missing",
        "It is z − t, with the logits in place of their softmax: (softmax(z) − t)/N is right.",
        (x - t) * unit,
    )
    yield Suspect(
        "softmax-twice",
        "The softmax has been taken of probabilities once more: it is softmax(p) − t in place of "
        "p − t.",
        (softmax.forward(s) - t) * unit,
    )
    yield Suspect(
        "labels-missing", "The labels have not been subtracted: it is p, not p − t.", s * unit
    )
    yield Suspect(
        "labels-added", "The labels are added, where they are subtracted: p − t.", (s + t) * unit
    )
