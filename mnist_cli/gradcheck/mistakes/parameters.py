# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""The mistakes that people make with the gradients of parameters: weights, biases, penalties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mnist_cli.gradcheck.mistakes.likeness import alike, known, ratio, vjps
from mnist_cli.gradcheck.mistakes.registry import Claim, also, mistake
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.reference import Derivative

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

NOTES = "CS231n (Stanford), notes 'Backpropagation, Intuitions', on vectorized operations"
DECAY = "Krogh and Hertz (1992), A Simple Weight Decay Can Improve Generalization"
LOSS = "CS231n (Stanford), notes 'Linear Classification', section on regularization"
NIELSEN = "Nielsen (2015), Neural Networks and Deep Learning, chapter 2"
GRIEWANK = "Griewank and Walther (2008), Evaluating Derivatives, chapter 3"


@also("gradient-overwritten", "special")
def gradient_overwritten(evidence: Evidence) -> Iterator[Claim]:
    """The gradient is set where it must be added to.

    What else the array flows into has left its share there already, and that is lost: write += for
    =.
    """
    operation, exact = evidence.operation, evidence.comparison.exact
    claim = operation.if_overwritten(evidence.name, exact, evidence.point.dout)
    if claim is not None:
        yield claim


@mistake(
    "weight-decay-included",
    formula="dW = xᵀ·dout,  and λ·W only if the loss has ½·λ·ΣW²",
    wrong="self.dW = x.T @ dout + decay * self.W",
    right="self.dW = x.T @ dout",
    source=DECAY,
)
def weight_decay_included(evidence: Evidence) -> Iterator[Claim]:
    """The regulariser is in the gradient and not in the loss.

    A multiple of the parameter is added to the gradient, and not to the loss: leave that to the
    optimiser, or put the regulariser into the loss.
    """
    for penalty, added, own in _penalties(evidence):
        if added * evidence.upstream > 0 and not own:
            yield (
                evidence.exact + added * penalty,
                f"It is the gradient and {added:.6g} times {_word(evidence, penalty)}, as by "
                "weight decay, and this forward has no such term: leave that to the optimiser, or "
                "put the regulariser into the loss.",
            )


@mistake(
    "regulariser-missing",
    formula="loss = data loss + ½·λ·ΣW²,  so  dW = data gradient + λ·W",
    wrong="loss += 0.5 * reg * (W**2).sum();  dW = x.T @ d",
    right="loss += 0.5 * reg * (W**2).sum();  dW = x.T @ d + reg * W",
    source=LOSS,
)
def regulariser_missing(evidence: Evidence) -> Iterator[Claim]:
    """The regulariser is in the loss and not in the gradient: add its derivative, λ·W for ½·λ·ΣW².

    Otherwise training does not minimise the loss that it reports.
    """
    for penalty, added, own in _penalties(evidence):
        if _near(-added, own) or (not own and added * evidence.upstream < 0):
            share = abs(added / evidence.upstream)
            yield (
                evidence.exact + added * penalty,
                f"The regulariser is in the loss and not in the gradient: {share:.6g} times "
                f"{_word(evidence, penalty)} is missing, so add that.",
            )


@mistake(
    "regulariser-twice",
    formula="d(½·λ·ΣW²)/dW = λ·W,  and  d(λ·ΣW²)/dW = 2·λ·W",
    wrong="loss += 0.5 * reg * (W**2).sum();  dW += 2 * reg * W",
    right="loss += 0.5 * reg * (W**2).sum();  dW += reg * W",
    source=LOSS,
)
def regulariser_twice(evidence: Evidence) -> Iterator[Claim]:
    """The regulariser is twice or half as large in the gradient as in the loss.

    ½·λ·ΣW² has the gradient λ·W, and λ·ΣW² has 2·λ·W.
    """
    for penalty, added, own in _penalties(evidence):
        if not own or _near(-added, own):
            continue
        told = f"{added / own + 1:.6g} times what the loss has of it"
        if _near(added, own):
            told = "there twice"
        elif _near(-2 * added, own):
            told = "there by half"
        elif _near(-2 * added, 4 * own):
            told = "there with its sign flipped"
        yield (
            evidence.exact + added * penalty,
            f"The gradient is right except for the regulariser's, which is {told}: where the loss "
            "has ½·λ·ΣW², add λ·W, and where it has λ·ΣW², add 2·λ·W.",
        )


def _penalties(evidence: Evidence) -> Iterator[tuple[Array, float, float]]:
    """Yield what a regulariser multiplies, how much of it is added, and how much the loss has.

    The first is the parameter, or its signs. The second is negative where it is missing; the third
    is 0 where the loss has none, or where that cannot be told.
    """
    value, computed, exact = evidence.value, evidence.computed, evidence.exact
    where = known(exact)
    if evidence.is_input or computed.shape != exact.shape or value.size < 2 or not value.any():
        return
    for penalty in (value, np.sign(value)):
        squares = float(np.sum(penalty[where] ** 2))
        added = float(np.sum((computed - exact)[where] * penalty[where])) / (squares or 1.0)
        if added and alike(computed, exact + added * penalty, where):
            yield penalty, added, _own_penalty(evidence, penalty)


def _own_penalty(evidence: Evidence, penalty: Array) -> float:
    """Return how much of a penalty the loss has: what is left of the gradient without data."""
    if not evidence.is_small:
        return 0.0
    point, name = evidence.point, evidence.name
    # A number may be the strength of the regulariser.
    nothing = {n: np.zeros_like(a) if n != name and a.ndim else a for n, a in point.at.items()}

    def alone(values: Array) -> object:
        return (point.dout * point.operation.value(nothing | {name: values})).sum()

    rest = Derivative(alone, point.at[name], np.random.default_rng(0)).gradient()
    return ratio(rest, penalty) or 0.0


def _word(evidence: Evidence, penalty: Array) -> str:
    is_whole = np.array_equal(penalty, evidence.value)
    return "the parameter itself" if is_whole else "the parameter's signs"


def _near(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=1e-5, atol=0))


@mistake(
    "gradients-swapped",
    formula="each gradient belongs to the parameter in whose place it is",
    wrong="return dx, dbeta, dgamma",
    right="return dx, dgamma, dbeta",
    source="Ioffe and Szegedy (2015), Batch Normalization, for a layer with two of one shape",
)
def gradients_swapped(evidence: Evidence) -> Iterator[Claim]:
    """It is the gradient to another array.

    Return the gradients in the order of forward's arguments, and then of the parameters.
    """
    point, shape = evidence.point, evidence.value.shape
    if not evidence.is_small:
        return
    for other in point.computed:
        if other == evidence.name or (other in evidence.operation.data) != evidence.is_input:
            continue
        if point.at[other].shape == point.at[evidence.name].shape and shape:
            gradient = evidence.vjp(evidence.dout, name=other)
            if alike(gradient, -evidence.exact) and not alike(
                point.computed[other], evidence.exact
            ):
                continue  # of a − b, it is that to the other one, and its sign is flipped
            yield (
                gradient,
                f"It is the gradient to {other}: return the gradients in the order of forward's "
                "arguments, and then in that in which the parameters were made.",
            )


@also("transposed", "special")
def transposed_square(evidence: Evidence) -> Iterator[Claim]:
    """It is transposed, which does not show in the shape of a square matrix: dW = xᵀ·dout."""
    shape = evidence.value.shape
    if not evidence.is_input and len(shape) == 2 and shape[0] == shape[1]:
        yield evidence.exact.T


@also("transposed", "special")
def transposed_in_dx(evidence: Evidence) -> Iterator[Claim]:
    """It is dout·W, where dx = dout·Wᵀ is right: W has to be transposed."""
    if not evidence.is_input or evidence.dout.ndim != 2:
        return
    dout = evidence.dout
    for name, W in evidence.point.at.items():
        # It runs either way for a square matrix only.
        if name in evidence.operation.data or W.ndim != 2 or W.shape != (dout.shape[1],) * 2:
            continue
        if alike(evidence.exact, dout @ W.T):
            yield (
                dout @ W,
                f"It is dout·{name}, where dx = dout·{name}ᵀ is right: {name} has to be "
                "transposed.",
            )
        elif alike(evidence.exact, dout @ W):
            yield (
                dout @ W.T,
                f"It is dout·{name}ᵀ, where dx = dout·{name} is right: {name} must not be "
                "transposed.",
            )


@mistake(
    "input-not-transposed",
    formula="dW = xᵀ·dout:  dW_ij = Σ_n x_ni·dout_nj",
    wrong="self.dW = self.x @ dout",
    right="self.dW = self.x.T @ dout",
    source=NOTES,
)
def input_not_transposed(evidence: Evidence) -> Iterator[Claim]:
    """It is x·dout, where dW = xᵀ·dout is right.

    It runs only where the batch is as large as the number of inputs, and even there it adds up
    the wrong things.
    """
    if evidence.is_input or not evidence.has_x or evidence.dout.ndim != 2:
        return
    x, dout = evidence.x, evidence.dout
    if x.ndim == 2 and x.shape[1] == dout.shape[0]:
        yield x @ dout
    if x.ndim == 2 and x.shape[0] == dout.shape[1]:
        yield (
            dout @ x,
            "It is dout·x, where dW = doutᵀ·x is right: dout has to be transposed.",
        )
    if x.shape == dout.shape:
        yield x @ dout.T, "It is x·doutᵀ, where dW = xᵀ·dout is right: x has to be transposed."


@mistake(
    "one-example-only",
    formula="dW = Σ_n x_n·dout_nᵀ",
    wrong="for n in range(N): self.dW = np.outer(x[n], dout[n])",
    right="for n in range(N): self.dW += np.outer(x[n], dout[n])",
    source=NIELSEN,
)
def one_example_only(evidence: Evidence) -> Iterator[Claim]:
    """It is the gradient of one example alone: sum over the batch."""
    if evidence.is_input or evidence.dout.ndim < 2 or len(evidence.dout) < 2:
        return
    for n, word in ((0, "first"), (-1, "last")):
        only = np.zeros_like(evidence.dout)
        only[n] = evidence.dout[n]
        for gradient in vjps(evidence, only):
            yield (
                gradient,
                f"It is the gradient of the {word} example alone: sum over the batch.",
            )


@mistake(
    "bias-averaged",
    formula="db = Σ_n dout_n,  where dout has the 1/N of the loss in it already",
    wrong="self.db = dout.mean(axis=0)",
    right="self.db = dout.sum(axis=0)",
    source=NOTES,
)
def bias_averaged(evidence: Evidence) -> Iterator[Claim]:
    """It is the mean of dout over the batch, and should be the sum.

    The 1/N of a mean loss is in dout already.
    """
    dout, exact = evidence.dout, evidence.exact
    if evidence.is_input or dout.ndim != 2 or len(dout) < 2 or dout.shape[1] != exact.size:
        return
    if exact.size > 1 and alike(exact.ravel(), dout.sum(axis=0)):
        yield dout.mean(axis=0).reshape(exact.shape)


@also("bias-summed-to-one", "special")
def bias_filled_with_one(evidence: Evidence) -> Iterator[Claim]:
    """It is one number in every entry, the sum of them all: sum over axis 0 alone."""
    exact = evidence.exact
    if not evidence.is_input and exact.size > 1:
        yield np.full(exact.shape, exact.sum())
        for count in (exact.size, exact.size * evidence.batch_size):
            yield (
                np.full(exact.shape, exact.sum() / count),
                "It is the same number in every entry, the mean of them all: sum over axis 0 only.",
            )


@also("summed-over-wrong-axis", "special")
def bias_summed_over_outputs(evidence: Evidence) -> Iterator[Claim]:
    """It is summed over the wrong axis: over the outputs, and not over the examples."""
    dout, exact = evidence.dout, evidence.exact
    if evidence.is_input or dout.ndim != 2 or not dout.shape[0] == dout.shape[1] == exact.size:
        return
    if alike(exact.ravel(), dout.sum(axis=0)):
        yield dout.sum(axis=1).reshape(exact.shape)


@mistake(
    "last-use-only",
    formula="W used twice:  dW = dW of the one use + dW of the other",
    wrong="self.dW = h.T @ dout;  self.dW = x.T @ dh",
    right="self.dW = h.T @ dout;  self.dW += x.T @ dh",
    source=GRIEWANK,
)
def last_use_only(evidence: Evidence) -> Iterator[Claim]:
    """The parameter is used twice, but only one use counts: the second needs `+=`, not `=`.

    What reaches the output in two ways has the sum of both as its gradient.
    """
    if evidence.is_input or not evidence.has_x or evidence.value.ndim != 2:
        return
    x, W, dout = evidence.x, evidence.value, evidence.dout
    if x.ndim != 2 or dout.ndim != 2:
        return
    parts: list[tuple[Array, Array]] = []
    if x.shape[1] == W.shape[0] == dout.shape[1]:
        parts.append((x.T @ (dout @ W), dout.T @ (x @ W)))  # x·W·Wᵀ
    if x.shape[1] == W.shape[1] == dout.shape[1]:
        parts.append(((x @ W.T).T @ dout, (dout @ W.T).T @ x))  # x·Wᵀ·W
    if x.shape[1] == W.shape[0] == W.shape[1] == dout.shape[1]:
        parts.append((x.T @ (dout @ W.T), (x @ W).T @ dout))  # x·W·W
    for first, second in parts:
        if first.shape == second.shape and alike(evidence.exact, first + second):
            yield first
            yield second
