"""What is wrong with a layer whose gradient is wrong: the hypotheses about a layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck import conduct
from mnist_cli.gradcheck.check import Comparison, Diagnosis
from mnist_cli.gradcheck.derivative import Derivative
from mnist_cli.gradcheck.diagnosis import Suspect, diagnose
from mnist_cli.gradcheck.layer_pass import SMALL, LayerPass
from mnist_cli.gradcheck.mistakes import is_softmax, softmax_suspects

WIDER = 4
"""How much farther from 0 an elementwise function is looked at once more."""

FAR = Diagnosis(
    "wrong-far-from-zero",
    "Inputs near 0 are right, and these, which are farther away, are not: forward has another "
    "slope there, as where it is cut off, and backward does not know it.",
)

_IGNORED = (
    "dout, the gradient from above, is ignored or taken to be all ones: multiply by it, as the "
    "chain rule says, even where it happens to be 1 today."
)
_DRAWS = Diagnosis(
    "backward-not-repeatable",
    "Called once more, backward gives another gradient: it draws random numbers, or spends what "
    "forward has kept; take what forward has drawn, and leave it as it is.",
)
_LEAK = (
    "The rows of the batch leak into each other: changing the first row changes the output of the "
    "others, and backward does not know it; take sums and maxima along axis=-1, with "
    "keepdims=True. Or, if that is meant, as in batch normalisation, let backward follow every way "
    "from one row to another."
)


def diagnose_input(layer: LayerPass, comparison: Comparison) -> Diagnosis:
    """Return what is wrong with a gradient to the input."""
    if layer.ignores_dout and comparison.computed.shape == comparison.exact.shape:
        return _diagnose_ignored(layer, comparison)
    if layer.draws_in_backward and layer.arguments.passed:
        return _DRAWS
    is_leaking = layer.rows_leak and not layer.follows_leak
    otherwise = Diagnosis("rows-leak", _LEAK) if is_leaking else None
    if layer.is_staircase:
        otherwise = conduct.STAIRCASE
    return diagnose(comparison, layer.batch_size, _of_input(layer, comparison.exact), otherwise)


def _diagnose_ignored(layer: LayerPass, comparison: Comparison) -> Diagnosis:
    """Say that dout is ignored, and what else is wrong if it were all ones."""
    explanation = _IGNORED
    if is_softmax(layer.out) and layer.out.shape == layer.x.shape:
        suspects = softmax_suspects(layer.x, layer.out, np.ones_like(layer.dout))
        more = diagnose(comparison, layer.batch_size, suspects)
        if more.name.startswith("softmax"):
            explanation = f"{_IGNORED} And besides: {more.explanation}"
    return Diagnosis("dout-ignored", explanation)


def diagnose_parameter(layer: LayerPass, name: str, comparison: Comparison) -> Diagnosis:
    """Return what is wrong with the gradient to the parameter ``name``."""
    value = np.array(layer.values[name], np.float64)

    def right(dout: NDArray[Any]) -> NDArray[np.float64]:
        return Derivative(layer.with_parameter(name, dout), value, layer.rng).gradient()

    def suspects() -> Iterator[Suspect]:
        if value.size > SMALL:
            return
        yield Suspect("dout-ignored", _IGNORED, right(np.ones_like(layer.dout)))
        yield from _of_decay(value, comparison)
        for other, gradient in layer.gradients.items():
            if other != name and gradient.shape == value.shape == layer.values[other].shape:
                at = np.array(layer.values[other], np.float64)
                exact = Derivative(layer.with_parameter(other, layer.dout), at, layer.rng)
                yield Suspect(
                    "gradients-exchanged",
                    f"It is the gradient to {other}: what backward returns is taken in the order "
                    "in which the parameters were made.",
                    exact.gradient(),
                )
        if value.ndim == 2 and value.shape[0] == value.shape[1]:
            yield Suspect("transposed", "It is transposed.", comparison.exact.T)
        for n, word in ((0, "first"), (-1, "last")):
            only = np.zeros_like(layer.dout)
            only[n] = layer.dout[n]
            yield Suspect(
                "one-example-only",
                f"It is the gradient of the {word} example alone: sum over the batch.",
                right(only),
            )

    return diagnose(comparison, layer.batch_size, suspects())


def _of_decay(value: NDArray[np.float64], comparison: Comparison) -> Iterator[Suspect]:
    """Yield the gradient with a multiple of the parameter in it, if that is what is too much."""
    computed, exact = comparison.computed, comparison.exact
    if computed.shape != exact.shape or value.size < 2 or not value.any():
        return
    factor = float(np.sum((computed - exact) * value) / np.sum(value**2))
    yield Suspect(
        "weight-decay-included",
        f"It is the gradient and {factor:.6g} times the parameter itself, as weight decay adds: "
        "that is no part of this forward, so leave it to the optimiser, or to a loss that has it.",
        exact + factor * value,
    )


def _of_input(layer: LayerPass, exact: NDArray[Any]) -> Iterator[Suspect]:
    """Yield the mistakes that a gradient to the input may have."""
    x, out, dout = layer.x, layer.out, layer.dout
    if x.size > SMALL:
        return
    if x.ndim > 1:
        yield Suspect("dout-ignored", _IGNORED, layer.vjp(np.ones_like(dout)))
    if not out.shape == x.shape == exact.shape:
        yield from _of_weights(layer)
        return
    if is_softmax(out):
        yield from softmax_suspects(x, out, dout)
    elif layer.dx.shape == x.shape and _has_wrong_mask(layer, exact):
        yield Suspect(
            "wrong-mask",
            "Forward has a kink, and backward has its sides at another place: entries have the "
            "slope of the wrong side; take the mask from the input of forward.",
            layer.dx,
        )
    else:
        yield Suspect(
            "input-for-output",
            "It is value·(1 − input): the derivative is a function of the output here, as "
            "s·(1 − s) is, and the input has been put in its place.",
            dout * out * (1 - x),
        )
        yield Suspect(
            "input-for-output",
            "The derivative is a function of the output here, and the input has been put in "
            "its place.",
            dout * x * (1 - x),
        )
        yield Suspect(
            "input-for-output",
            "The derivative is a function of the output here, 1 − tanh², and the input has "
            "been put in its place.",
            dout * (1 - x**2),
        )
    yield Suspect(
        "way-around-missing",
        "The input reaches the output by itself, too, and the gradient of that way is missing: add "
        "dout.",
        exact - dout,
    )
    twice = layer.vjp(layer.vjp(dout))
    yield Suspect(
        "differentiated-twice",
        "The derivative of the layer has been multiplied in twice.",
        twice,
    )
    yield Suspect(
        "not-differentiated",
        "dout is passed on as it came: the derivative of the layer is missing.",
        dout,
    )
    with np.errstate(all="ignore"):
        yield Suspect(
            "output-for-input",
            "The derivative is taken at the output, where it should be taken at the input.",
            layer.vjp(dout, at=out),
        )
    yield from _of_weights(layer)


def _of_weights(layer: LayerPass) -> Iterator[Suspect]:
    """Yield the mistakes of a layer ``x·W + b``."""
    W = layer.values.get("W")
    if W is None or W.ndim != 2 or layer.dout.ndim != 2:
        return
    if layer.dout.shape[1] == W.shape[0]:
        yield Suspect(
            "transposed",
            "It is dout·W, where dx = dout·Wᵀ is right: W has to be transposed.",
            layer.dout @ W,
        )


def _has_wrong_mask(layer: LayerPass, exact: NDArray[Any]) -> bool:
    """Return whether each entry has one of the few slopes of the layer, but not the right."""
    if np.array_equal(layer.dx, layer.dout):
        return False  # the derivative is not there at all
    with np.errstate(all="ignore"):
        right, got = (np.round(d / layer.dout, 6) for d in (exact, layer.dx))
    if np.array_equal(right, got):
        return False
    slopes = np.unique(right)
    return bool(len(slopes) in (2, 3) and np.all(np.isin(got, slopes)))
