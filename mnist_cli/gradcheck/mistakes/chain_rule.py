# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""The mistakes that people make with the chain rule: a factor forgotten, twice, or taken elsewhere.

``dx = dout·f′(x)``: of the three, each can be left out, multiplied in twice, or be something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mnist_cli.gradcheck.mistakes.likeness import PLAUSIBLE, alike, along, ratio, vjps
from mnist_cli.gradcheck.mistakes.places import on_one_side
from mnist_cli.gradcheck.mistakes.registry import Claim, mistake
from mnist_cli.gradcheck.mistakes.softmax import NOT_ELEMENTWISE_TOLD, is_softmax
from mnist_cli.gradcheck.reference import Derivative, Function

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

CLIPS = (0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 500.0, 1000.0)
"""Where people clip the gradient from above."""
LEAST_STEP = 1e-9
"""How far weights must have moved at least, as a part of their gradient, to have been updated."""

RUMELHART = (
    "Rumelhart, Hinton and Williams (1986), Learning representations by back-propagating errors"
)
NOTES = "CS231n (Stanford), notes 'Backpropagation, Intuitions'"
ACTIVATIONS = "LeCun, Bottou, Orr and Müller (1998), Efficient BackProp, section 4.4"
CLIPPING = (
    "Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks"
)
GLOROT = "Glorot, Bordes and Bengio (2011), Deep Sparse Rectifier Neural Networks"

IGNORED = (
    "dout, the gradient from above, is ignored or taken to be all ones: multiply by it, as the "
    "chain rule says, even where it happens to be 1 today."
)


def keeps_shape(evidence: Evidence) -> bool:
    """Return whether the gradient is one to an input that has the shape of the output."""
    shapes = (evidence.value.shape, evidence.exact.shape)
    return evidence.is_input and (evidence.out.shape, evidence.out.shape) == shapes


@mistake(
    "dout-ignored",
    formula="dx = dout·f′(x)",
    wrong="dx = s * (1 - s)",
    right="dx = dout * s * (1 - s)",
    source=NOTES,
)
def dout_ignored(evidence: Evidence) -> Iterator[Claim]:
    """dout, the gradient from above, is ignored or taken to be all ones.

    Multiply by it, as the chain rule says, even where it happens to be 1 today.
    """
    if evidence.operation.takes_dout and not (evidence.is_input and evidence.value.ndim < 2):
        for gradient in vjps(evidence, np.ones_like(evidence.dout)):
            yield gradient, IGNORED


@mistake(
    "dout-squared",
    formula="dx = dout·f′(x)",
    wrong="local = dout * s * (1 - s);  dx = dout * local",
    right="local = s * (1 - s);  dx = dout * local",
    source=NOTES,
)
def dout_squared(evidence: Evidence) -> Iterator[Claim]:
    """dout, the gradient from above, has been multiplied in twice: once is right."""
    if not evidence.operation.takes_dout:
        return
    if evidence.dout.shape == evidence.exact.shape or evidence.dout.size == 1:
        yield evidence.exact * evidence.dout
    if evidence.dout.size > 1:
        yield from vjps(evidence, evidence.dout**2)


@mistake(
    "wrong-mask",
    formula="d max(0, x)/dx = [x > 0]",
    wrong="dx = dout * (dout > 0)",
    right="dx = dout * (x > 0)",
    source=GLOROT,
)
def wrong_mask(evidence: Evidence) -> Iterator[Claim]:
    """Forward has a kink, and backward takes some entries to be on its other side.

    They get the slope of the wrong side: take the mask from the input of forward.
    """
    if not keeps_shape(evidence) or is_softmax(evidence):
        return
    computed, exact, dout = evidence.computed, evidence.exact, evidence.dout
    if computed.shape != exact.shape or np.array_equal(computed, dout):
        return  # the derivative is not there at all
    right, got = (np.round(d / dout, 6) for d in (exact, computed))
    slopes = np.unique(right[np.isfinite(right)])
    if np.array_equal(right, got) or len(slopes) not in (2, 3) or len(slopes) == right.size:
        return
    if not np.all(np.isin(got, slopes)) or evidence.point.draws_in_backward:
        return
    sentence = (
        "Forward has a kink, and backward takes some entries to be on its other side, so they get "
        "the slope of the wrong side: take the mask from the input of forward."
    )
    if evidence.is_small and alike(computed, evidence.vjp(dout, at=dout)):
        sentence = (
            "The mask is taken from dout, the gradient from above, so some entries get the slope "
            "of the wrong side: take it from the input of forward."
        )
    yield computed, sentence


@mistake(
    "dropout-scale-missing",
    formula="out = x·mask/keep,  so  dx = dout·mask/keep",
    wrong="out = x * mask / keep;  dx = dout * mask",
    right="out = x * mask / keep;  dx = dout * mask / keep",
    source="Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), Dropout",
)
def dropout_scale_missing(evidence: Evidence) -> Iterator[Claim]:
    """The scale of dropout is in forward or in backward, but not in both.

    What is kept is divided by the share that is kept: do so in both, or in neither.
    """
    if not keeps_shape(evidence):
        return
    x, out, dout = evidence.value, evidence.out, evidence.dout
    slopes, got = np.round(evidence.exact / dout, 9), np.round(evidence.computed / dout, 9)
    kept = slopes != 0
    if kept.all() or not kept.any() or not np.array_equal(got != 0, kept):
        return
    is_scaled = np.ptp(slopes[kept]) == 0 and np.ptp(got[kept]) == 0
    # A rectifier is 0 by the sign of what it is given, and a dropout is not.
    by_sign = any(not np.any(kept & side) or not np.any(~kept & side) for side in (x > 0, x < 0))
    if not is_scaled or by_sign or not np.allclose(out, slopes * x, rtol=1e-6):
        return
    scale, given = float(slopes[kept][0]), float(got[kept][0])
    if scale != given and 1 in (round(scale, 6), round(given, 6)):
        where = ("forward", "backward") if given == 1 else ("backward", "forward")
        yield (
            evidence.exact * (given / scale),
            f"The dropout's scale, {max(scale, given):.6g}, is in {where[0]} and not in "
            f"{where[1]}: multiply by it in both.",
        )


@mistake(
    "input-for-output",
    formula="s = sigmoid(x):  ds/dx = s·(1 − s)",
    wrong="dx = dout * x * (1 - x)",
    right="dx = dout * s * (1 - s)",
    source=ACTIVATIONS,
)
def input_for_output(evidence: Evidence) -> Iterator[Claim]:
    """The formula for the derivative needs the output here, and is given the input."""
    if not keeps_shape(evidence) or is_softmax(evidence):
        return
    x, out, dout, computed = evidence.value, evidence.out, evidence.dout, evidence.computed
    is_activation = evidence.operation.kind == "activation"
    if is_activation and evidence.has_x and computed.shape == x.shape and x.size > 1:
        point, name = evidence.point, evidence.name
        at_output = point.again(**{name: point.out.copy()})[name]
        if alike(evidence.operation.rows(at_output), evidence.exact):
            yield (
                computed,
                "The derivative is right if it is given the output of the function, as in value·(1 "
                "− value). Here it was given the input: call it with the output, or let it compute "
                "the output first.",
            )
    yield (
        dout * out * (1 - x),
        "It is value·(1 − input), and should be value·(1 − value): the formula for the derivative "
        "needs the output here, and is given the input.",
    )
    yield dout * x * (1 - x)
    yield (
        dout * (1 - x**2),
        "The formula for the derivative, 1 − tanh², needs the output here, and is given the input.",
    )
    if not is_activation and evidence.has_x and computed.shape == x.shape and x.size > 1:
        at_output = evidence.operation.rows(
            evidence.point.again(**{evidence.name: evidence.point.out.copy()})[evidence.name]
        )
        if not alike(at_output, computed) and alike(at_output, evidence.exact):
            yield computed


@mistake(
    "skip-connection-missing",
    formula="out = x + f(x):  dx = dout + dout·f′(x)",
    wrong="dx = dout * df(x)",
    right="dx = dout + dout * df(x)",
    source="He, Zhang, Ren and Sun (2016), Deep Residual Learning for Image Recognition",
)
def skip_connection_missing(evidence: Evidence) -> Iterator[Claim]:
    """The input reaches the output directly, too, and the gradient of that path is missing.

    Add dout.
    """
    if keeps_shape(evidence):
        yield evidence.exact - evidence.dout


@mistake(
    "differentiated-twice",
    formula="dx = dout·f′(x)",
    wrong="dx = dout * (1 - out**2) ** 2",
    right="dx = dout * (1 - out**2)",
    source=RUMELHART,
)
def differentiated_twice(evidence: Evidence) -> Iterator[Claim]:
    """The derivative of the layer has been multiplied in twice."""
    if keeps_shape(evidence) and np.all(np.isfinite(evidence.exact)):
        for claim in vjps(evidence, evidence.exact):
            if not alike(claim, -evidence.exact):  # where it is −1, the sign is what is wrong
                yield claim


@mistake(
    "not-differentiated",
    formula="dx = dout·f′(x)",
    wrong="dx = dout",
    right="dx = dout * (1 - out**2)",
    source=RUMELHART,
)
def not_differentiated(evidence: Evidence) -> Iterator[Claim]:
    """It is dout, passed on unchanged: the derivative of the layer is missing."""
    if evidence.is_input and evidence.dout.size > 1:
        yield evidence.dout


@mistake(
    "output-for-input",
    formula="dx = dout·f′(x)",
    wrong="dx = dout * df(out)",
    right="dx = dout * df(x)",
    source=NOTES,
)
def output_for_input(evidence: Evidence) -> Iterator[Claim]:
    """The derivative is taken at the output, and should be taken at the input."""
    if keeps_shape(evidence):
        yield from vjps(evidence, evidence.dout, at=evidence.out)


@mistake(
    "derivative-of-dout",
    formula="dx = dout·f′(x)",
    wrong="dx = df(dout)",
    right="dx = dout * df(x)",
    source=NOTES,
)
def derivative_of_dout(evidence: Evidence) -> Iterator[Claim]:
    """The derivative is taken at dout, the gradient from above.

    Take it at the input of forward, and then multiply it by dout.
    """
    if keeps_shape(evidence) and evidence.operation.takes_dout:
        yield from vjps(evidence, np.ones_like(evidence.dout), at=evidence.dout)
        yield from vjps(evidence, evidence.dout, at=evidence.dout)


@mistake(
    "clipped",
    formula="dx = dout·f′(x),  of whatever size dout is",
    wrong="dW = np.clip(x.T @ dout, -1, 1)",
    right="dW = x.T @ dout  # and clip once all gradients are there",
    source=CLIPPING,
)
def clipped(evidence: Evidence) -> Iterator[Claim]:
    """The gradient is clipped: it is right below a bound, and cut off there.

    Clip between the backward pass and the step, once all gradients are there; here, it hides from
    the layers below how large a gradient is.
    """
    computed, exact, dout = evidence.computed, evidence.exact, evidence.dout
    if computed.shape != exact.shape or not np.all(np.isfinite(exact)):
        return
    if np.sum(evidence.wrong) < 2:
        return  # of a single entry, anything could be the bound
    low, high = float(computed.min()), float(computed.max())
    at_bounds = int(np.sum((computed == low) & (exact < low)))
    at_bounds += int(np.sum((computed == high) & (exact > high)))
    if at_bounds > 1 and low < high:  # what is one number throughout is something else
        bounds = f"±{high:.6g}" if low == -high else f"{low:.6g} and {high:.6g}"
        yield (
            np.clip(exact, low, high),
            f"The gradient is clipped to {bounds}, and right within: clip between the backward "
            "pass and the step, once all gradients are there.",
        )
    norm, factor = float(np.linalg.norm(computed)), ratio(computed, exact)
    if factor is not None and 0 < factor < 1 and _is_round(norm):
        yield (
            factor * exact,
            f"The gradient is scaled to the norm {norm:.6g}: clip between the backward pass and "
            "the step, once all gradients are there.",
        )
    if evidence.operation.takes_dout and dout.size > 1:
        largest = float(np.abs(dout).max())
        for bound in CLIPS:
            if bound >= largest:
                break
            for gradient in vjps(evidence, np.clip(dout, -bound, bound)):
                yield (
                    gradient,
                    f"dout, the gradient from above, is clipped to ±{bound:g}: what is larger "
                    "becomes the bound, so backward is not the derivative there.",
                )


def _is_round(number: float) -> bool:
    """Return whether a number has one or two digits, as people choose a bound."""
    return bool(number) and abs(number - float(f"{number:.1e}")) <= 1e-9 * number


@mistake(
    "weights-updated-first",
    formula="dx = dout·Wᵀ,  with the W that forward used",
    wrong="self.W -= lr * dW;  return dout @ self.W.T",
    right="dx = dout @ self.W.T;  self.W -= lr * dW;  return dx",
    source=RUMELHART,
)
def weights_updated_first(evidence: Evidence) -> Iterator[Claim]:
    """The gradient to the input is computed with weights that are updated already.

    Compute it first, with the weights that forward used, and update them afterwards.
    """
    point, name = evidence.point, evidence.name
    if not evidence.is_input or not evidence.is_small:
        return
    steps = {
        n: step
        for n, step in point.computed.items()
        if n not in evidence.operation.data and step.shape == point.at[n].shape
    }
    if not steps or evidence.exact.size < 2:
        return
    if all(step.size == 1 for step in steps.values()) and not evidence.operation.moved:
        return  # a number, as a scale, moved by the right amount gives any factor

    def moved(rate: float) -> Function:
        weights = {n: point.at[n] - rate * step for n, step in steps.items()}
        return lambda values: (
            point.dout * point.operation.value(point.at | weights | {name: values})
        ).sum()

    # For a product with weights, the difference is proportional to how far they have moved; one
    # direction tells how far, and another one whether that is it.
    at, computed = point.at[name], point.computed[name]
    exact = evidence.comparison.exact
    first, second = np.random.default_rng(0).uniform(0.5, 1.5, (2, *at.shape))
    change = along(evidence, moved(1.0), at, first) - float((exact * first).sum())
    rate = float(((computed - exact) * first).sum()) / change if change else 0.0
    if abs(rate) < LEAST_STEP or not np.isfinite(rate):
        return
    there, claimed = along(evidence, moved(rate), at, second), float((computed * second).sum())
    if abs(there - claimed) <= PLAUSIBLE * float(np.abs(computed * second).sum()):
        gradient = Derivative(moved(rate), at, np.random.default_rng(0)).gradient()
        yield (
            evidence.operation.rows(gradient),
            f"It is computed with weights that are updated already, by {rate:.6g} times their "
            "gradient: compute it first, with the weights that forward used, and update them "
            "afterwards.",
        )


@mistake(
    "not-elementwise",
    formula="dx_i = Σ_j dout_j·∂out_j/∂x_i,  which is dout_i·f′(x_i) for elementwise f alone",
    wrong="def derivative(x): return softmax(x) * (1 - softmax(x))",
    right="def backward(dout): return s * (dout - (dout * s).sum(-1)[:, None])",
    source="Goodfellow, Bengio and Courville (2016), Deep Learning, section 6.5.2",
)
def not_elementwise(evidence: Evidence) -> Iterator[Claim]:
    """The function is not elementwise, so an elementwise derivative cannot be right.

    Each output depends on several inputs, so no product of dout and an elementwise derivative is
    the gradient. Write a backward that takes dout and returns dx.
    """
    if not keeps_shape(evidence) or evidence.operation.kind != "activation":
        return
    point, name = evidence.point, evidence.name
    if not evidence.has_x or point.is_elementwise or evidence.computed.shape != point.out.shape:
        return
    dout = point.dout.copy()
    dout[..., 0] += 1
    if np.array_equal(point.again(dout)[name][..., 1:], point.computed[name][..., 1:]):
        yield evidence.computed, NOT_ELEMENTWISE_TOLD


@mistake(
    "wrong-on-one-side",
    formula="leaky: f′(x) = 1 for x > 0, and 0.01 for x < 0;  ELU: 1, and eˣ",
    wrong="slope = np.where(x > 0, 1.0, -0.01)",
    right="slope = np.where(x > 0, 1.0, 0.01)",
    source="Clevert, Unterthiner and Hochreiter (2016), Fast and Accurate Deep Network Learning by "
    "Exponential Linear Units",
)
def wrong_on_one_side(evidence: Evidence) -> Iterator[Claim]:
    """The gradient is wrong on one side of 0 only, and right on the other.

    Look at the branch for that side.
    """
    yield from on_one_side(evidence)
