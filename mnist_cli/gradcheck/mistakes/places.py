# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""Where a gradient is wrong: not at all there, not a number, or wrong in some entries alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mnist_cli.gradcheck.mistakes.likeness import known, ratio
from mnist_cli.gradcheck.mistakes.registry import Claim, also, mistake
from mnist_cli.gradcheck.user_code import UserCodeError

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

# Places are told as the code has them, and not with an example in each row.

FAR = 2.0
"""From this distance to 0 on, an elementwise function may be cut off."""

STAIRCASE = (
    "forward rounds to the seven digits of float32, so that it is a staircase: something in it "
    "converts its input, which was float64."
)

CHECKS = "CS231n (Stanford), notes 'Learning and Evaluation', section on gradient checks"
NOTES = "CS231n (Stanford), notes 'Backpropagation, Intuitions'"
FLOATS = (
    "Goldberg (1991), What Every Computer Scientist Should Know About Floating-Point Arithmetic"
)


@mistake(
    "not-finite",
    stage="first",
    formula="dp = −t/p is infinite at p = 0;  dz = p − t never is",
    wrong="dp = -t / p  # and p has rounded to 0",
    right="dz = p - t  # softmax and cross-entropy in one",
    source="Goodfellow, Bengio and Courville (2016), Deep Learning, section 4.1",
)
def not_finite(evidence: Evidence) -> Iterator[Claim]:
    """The gradient has entries that are NaN or infinite, at an input where the right one is finite.

    Look for a division by 0, the logarithm of 0, and for exp of a large number.
    """
    if not np.all(np.isfinite(evidence.computed)):
        yield evidence.computed


@mistake(
    "precision-lost",
    stage="first",
    formula="float64 in, float64 out: 16 digits, where float32 has 7",
    wrong="dx = np.zeros(x.shape, np.float32);  dx[...] = dout * x",
    right="dx = np.zeros(x.shape, x.dtype);  dx[...] = dout * x",
    source=FLOATS,
)
def precision_lost(evidence: Evidence) -> Iterator[Claim]:
    """Digits are lost: somewhere the numbers pass through float32 or integers.

    What went in was float64. Make buffers with the dtype of the input, as np.zeros_like does.
    """
    where = known(evidence.exact)
    a, b = evidence.computed[where].astype(np.float64), evidence.exact[where]
    scale = np.maximum(np.abs(b), np.mean(np.abs(b)))
    close = bool(np.all(np.abs(a - b) <= 1e-4 * scale))
    with np.errstate(over="ignore"):
        if close and bool(np.all(a.astype(np.float32) == a)) and bool(a.any()):
            yield (
                evidence.computed,
                "The gradient is right to the seven digits of float32 only: somewhere the numbers "
                "pass through float32, though float64 went in.",
            )
    if evidence.computed.dtype.kind in "iub" and evidence.computed.any():
        yield (
            evidence.computed,
            "The gradient is made of integers, though float64 went in: what follows the point is "
            "lost.",
        )


@mistake(
    "zero-for-one-example",
    stage="first",
    formula="the gradient of the batch is the sum of those of its examples",
    wrong="dW = x.T @ (dout - dout.mean(axis=0))",
    right="dW = x.T @ dout",
    source=CHECKS,
)
def zero_for_one_example(evidence: Evidence) -> Iterator[Claim]:
    """For a batch of one example the gradient is zero, and for larger ones it is not.

    Either something is subtracted that is the whole gradient there, such as its mean over the
    batch, or a loop leaves the last example out.
    """
    if evidence.computed.any() or evidence.batch_size != 1 or evidence.name == "":
        return
    rng = np.random.default_rng(0)
    larger = evidence.operation.resized(3, rng)
    if larger is not None and np.any(type(evidence.point)(larger, rng).computed[evidence.name]):
        yield evidence.computed


@mistake(
    "gradient-missing",
    stage="first",
    formula="dW = xᵀ·dout",
    wrong="self.dW = np.zeros_like(self.W)",
    right="self.dW = self.x.T @ dout",
    source=NOTES,
)
def gradient_missing(evidence: Evidence) -> Iterator[Claim]:
    """The gradient is zero everywhere: it was never computed."""
    if not evidence.computed.any():
        yield evidence.computed


@mistake(
    "wrong-far-from-zero",
    formula="d clip(x, a, b)/dx = 1 where a < x < b, and 0 elsewhere",
    wrong="out = np.clip(x, 0, 6);  dx = dout * (x > 0)",
    right="out = np.clip(x, 0, 6);  dx = dout * ((x > 0) & (x < 6))",
    source="Krizhevsky (2010), Convolutional Deep Belief Networks on CIFAR-10, for ReLU6",
)
def wrong_far_from_zero(evidence: Evidence) -> Iterator[Claim]:
    """The gradient is right for inputs near 0, and wrong for those farther away.

    Forward has another slope there, perhaps because it is cut off, and backward does not follow.
    """
    if not _is_elementwise(evidence):
        return
    size, wrong = np.abs(evidence.value), evidence.wrong
    if not wrong.any() or wrong.all():
        return
    # On one side alone a function may be cut off, so right ones on the other side do not count.
    signs = np.sign(evidence.value[wrong])
    side = np.isin(np.sign(evidence.value), signs)
    inside = size[side & ~wrong].max(initial=0)
    outside = float(size[wrong].min())
    is_flat = not np.any(evidence.exact[wrong])
    # Off by a little, a single entry is a slip of its own.
    is_much = bool(np.all(np.abs(evidence.computed - evidence.exact)[wrong] > 1e-2))
    is_many = wrong.sum() > 1 or outside > 2 * FAR or (is_flat and is_much)
    if outside > max(inside, FAR) and is_many:
        yield (
            evidence.computed,
            f"The gradient is right for inputs near 0, and wrong from {_signed(signs, outside)} "
            "on: forward has another slope there, perhaps because it is cut off, and backward does "
            "not follow.",
        )


def _signed(signs: np.ndarray[tuple[int, ...], np.dtype[np.float64]], size: float) -> str:
    if np.all(signs > 0):
        return f"{size:.3g}"
    return f"−{size:.3g}" if np.all(signs < 0) else f"±{size:.3g}"


@mistake(
    "cut-off-ignored",
    formula="d clip(x, a, b)/dx = 1 where a < x < b, and 0 elsewhere",
    wrong="out = sigmoid(np.clip(x, 0, 1));  dx = dout * out * (1 - out)",
    right="dx = dout * out * (1 - out) * ((x > 0) & (x < 1))",
    source=NOTES,
)
def cut_off_ignored(evidence: Evidence) -> Iterator[Claim]:
    """Forward is cut off, and backward is not.

    Beyond the bounds the output stays the same, so the gradient is 0: multiply by a mask of the
    inputs between the bounds.
    """
    if not _is_elementwise(evidence):
        return
    x, wrong = evidence.value, evidence.wrong
    if wrong.sum() < 2 or wrong.sum() > wrong.size - 2 or np.any(evidence.exact[wrong]):
        return
    low, high = x[~wrong].min(), x[~wrong].max()
    below, above = x[wrong] < low, x[wrong] > high
    if not np.all(below | above):
        return
    # A rectifier is cut off at 0, and what can be wrong there has names of its own.
    one_side = x[wrong][above].min() > 0 >= high if above.all() else False
    one_side = one_side or (x[wrong][below].max() < 0 <= low if below.all() else False)
    if one_side:
        return
    told = [f"above {x[wrong][above].min():.3g}"] if above.any() else []
    told += [f"below {x[wrong][below].max():.3g}"] if below.any() else []
    yield (
        evidence.computed,
        f"Forward is cut off, and backward is not: for inputs {' and '.join(told)} the output "
        "stays the same, so the gradient is 0 there; multiply by a mask of the inputs between the "
        "bounds.",
    )


@also("precision-lost", "last")
@also("precision-lost", "place")
def staircase(evidence: Evidence) -> Iterator[Claim]:
    """Forward rounds to the seven digits of float32, so that it is a staircase.

    Something in it converts the input, though float64 went in.
    """
    # Nothing can be said of single entries then, as no derivative is known.
    if evidence.name and evidence.point.is_staircase:
        yield evidence.computed, STAIRCASE


@mistake(
    "single-entry",
    stage="place",
    formula="every entry follows one formula",
    wrong="for i in range(1, n): dx[i] = dout[i] * slope[i]",
    right="for i in range(n): dx[i] = dout[i] * slope[i]",
    source=CHECKS,
)
def single_entry(evidence: Evidence) -> Iterator[Claim]:
    """Only one entry is wrong; the others are right: look for an index that is off by one."""
    places = np.argwhere(evidence.comparison.wrong)
    if len(places) == 1 < evidence.exact.size:
        index = ", ".join(map(str, places[0]))
        yield (
            evidence.computed,
            f"Only one entry is wrong, the one at [{index}]; the others are right.",
        )


@mistake(
    "wrong-rows",
    stage="place",
    formula="every row follows one formula",
    wrong="for n in range(len(x) - 1): dx[n] = dout[n] @ W.T",
    right="for n in range(len(x)): dx[n] = dout[n] @ W.T",
    source=CHECKS,
)
def wrong_rows(evidence: Evidence) -> Iterator[Claim]:
    """Only some rows are wrong, each in all its entries; the others are right."""
    yield from _lines(evidence, 0, "rows")


@mistake(
    "wrong-columns",
    stage="place",
    formula="every column follows one formula",
    wrong="for j in range(1, C): dx[:, j] = dout[:, j] * s[:, j]",
    right="for j in range(C): dx[:, j] = dout[:, j] * s[:, j]",
    source=CHECKS,
)
def wrong_columns(evidence: Evidence) -> Iterator[Claim]:
    """Only some columns are wrong, each in all their entries; the others are right."""
    yield from _lines(evidence, 1, "columns")


def _lines(evidence: Evidence, axis: int, word: str) -> Iterator[Claim]:
    wrong, where = evidence.comparison.wrong, known(evidence.comparison.exact)
    places = np.argwhere(wrong)
    if wrong.ndim != 2 or not len(places) or np.array_equal(wrong, where):
        return
    lines = np.unique(places[:, axis])
    inside = np.zeros(wrong.shape, bool)
    inside[(lines, slice(None)) if axis == 0 else (slice(None), lines)] = True
    if len(lines) < wrong.shape[axis] and np.array_equal(wrong, inside & where):
        told = ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
        words = f"{word} {told} are" if len(lines) > 1 else f"{word[:-1]} {told} is"
        those = "in all their" if len(lines) > 1 else "in all its"
        yield (
            evidence.computed,
            f"Only the {words} wrong, {those} entries; the others are right.",
        )


@mistake(
    "wrong-block",
    stage="place",
    formula="every entry follows one formula",
    wrong="dx[:3, :4] = dout[:3, :4]",
    right="dx[:, :] = dout * slope",
    source=CHECKS,
)
def wrong_block(evidence: Evidence) -> Iterator[Claim]:
    """Only a block of entries is wrong; the others are right: look at how it is sliced."""
    wrong, where = evidence.comparison.wrong, known(evidence.comparison.exact)
    places = np.argwhere(wrong)
    if not wrong.ndim or not len(places) or np.array_equal(wrong, where):
        return
    low, high = places.min(axis=0), places.max(axis=0)
    box = np.zeros(wrong.shape, bool)
    box[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))] = True
    if np.array_equal(wrong, box & where):
        told = ", ".join(f"{a}:{b + 1}" for a, b in zip(low, high, strict=True))
        yield (
            evidence.computed,
            f"Only the block [{told}] is wrong; the other entries are right.",
        )


def on_one_side(evidence: Evidence) -> Iterator[Claim]:
    """Yield what the code gives, if it is wrong on one side of 0 only.

    It is registered by `mnist_cli.gradcheck.mistakes.chain_rule`, as the last of its mistakes.
    """
    if not _is_elementwise(evidence):
        return
    x, wrong = evidence.value, evidence.wrong
    for side, other, word, sign in (
        (x < 0, x > 0, "below", "negative"),
        (x > 0, x < 0, "above", "positive"),
    ):
        # A zero at the kink belongs to neither.
        if side.sum() < 2 or not other.any() or not wrong[side].any() or wrong[~side].any():
            continue
        share = float(np.mean(wrong[side]))
        # Where the right gradient is 0, as a rectifier's is below 0, any factor of it is right.
        if share < 0.5 or not evidence.exact[other].any():
            continue
        factor = ratio(evidence.computed[side], evidence.exact[side])
        missing = not evidence.computed[side].any()
        more = f"it is {factor:.6g} times what is right there" if factor else ""
        more = "its sign is flipped there" if factor and abs(factor + 1) < 1e-5 else more
        more = "it is 0 there, where the right one is not" if missing else more
        yield (
            evidence.computed,
            f"Only {sign} inputs have a wrong gradient{': ' if more else ''}{more}. Those on the "
            f"other side of 0 are right, so look at the branch for x {word} 0.",
        )


def _is_elementwise(evidence: Evidence) -> bool:
    if not (evidence.is_input and evidence.has_x):
        return False
    try:
        return evidence.point.is_elementwise
    except UserCodeError:
        return False
