"""The rows of ``mnist-cli gradcheck``: every formula of this project, held against its derivative.

What is checked is the very code that trains, given float64; what it is checked against is the
same ``forward``, differentiated by the complex step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.check import Check, compare
from mnist_cli.gradcheck.derivative import Derivative
from mnist_cli.gradcheck.diagnosis import diagnose
from mnist_cli.gradcheck.gradient import check_gradient
from mnist_cli.gradcheck.layer import check_layer
from mnist_cli.gradcheck.loss import UPSTREAM, check_loss
from mnist_cli.gradcheck.wrong_answers import WRONG_ANSWERS, WrongAnswer
from mnist_cli.nn.layers import Linear, ReLU, Softmax
from mnist_cli.nn.losses import CrossEntropy, SoftmaxCrossEntropy
from mnist_cli.nn.mlp import CLASSES, INPUTS, MLP

INNER = 7
"""Inputs of the layers that are checked by themselves: not 10, so that a transpose is seen."""


@dataclass(frozen=True)
class Report:
    """What ``gradcheck`` found.

    Attributes
    ----------
    tolerance : float
    checks : list of Check
        The formulas of this project; each should pass.
    wrong_answers : list of Check
        The well-known mistakes; each should fail.
    """

    tolerance: float
    checks: list[Check]
    wrong_answers: list[Check]

    @property
    def passed(self) -> bool:
        """Whether every formula passed, and every wrong answer was refused."""
        return all(check.passed for check in self.checks) and not any(
            check.passed for check in self.wrong_answers
        )


def check_mathematics(hidden: int, batch_size: int, seed: int, tolerance: float) -> Report:
    """Check every layer, every loss and the whole network, in float64, on random numbers.

    Parameters
    ----------
    hidden : int
        Hidden units of the network.
    batch_size : int
        Examples a batch. With one alone, a forgotten batch size is no mistake, nor is a softmax
        over the whole batch, and the wrong answers that come to nothing are left out.
    seed : int
        Decides the random numbers.
    tolerance : float
        The largest relative error that passes. Rounding makes errors of about 1e-15, and up to
        1e-12 where a sum over the batch cancels.
    """
    rng = np.random.default_rng(seed)
    checks = [
        *_linear(batch_size, tolerance, rng),
        *_relu(batch_size, tolerance, rng),
        *_softmax(batch_size, tolerance, rng),
        *_losses(batch_size, tolerance, rng),
        *_network(hidden, batch_size, tolerance, rng),
    ]
    return Report(tolerance, checks, list(_wrong_answers(batch_size, tolerance, rng)))


def _named(checks: list[Check], **names: tuple[str, str]) -> Iterator[Check]:
    """Yield the checks of the gradients to ``x``, ``W`` or ``b``, under names of ours."""
    for check in checks:
        key = check.name.removeprefix("to ")
        if key in names:
            name, formula = names[key]
            yield replace(check, name=name, formula=formula)


def _linear(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    x = rng.standard_normal((batch_size, INNER))
    layer = Linear(rng.standard_normal((INNER, CLASSES)), rng.standard_normal(CLASSES))
    yield from _named(
        check_layer(layer, x=x, tolerance=tolerance),
        x=("Linear, to x", "dx = dout·Wᵀ"),
        W=("Linear, to W", "dW = xᵀ·dout"),
        b=("Linear, to b", "db = 1ᵀ·dout"),
    )
    twice = _Twice(rng.standard_normal((INNER, INNER)), rng.standard_normal(INNER))
    yield from _named(
        check_layer(twice, x=x, tolerance=tolerance),
        W=("Linear used twice, to W", "dW += xᵀ·dout, twice"),
        b=("Linear used twice, to b", "db += 1ᵀ·dout, twice"),
    )


class _Twice:
    """One W in two places, as in a recurrent network: ``(x·W + b)·W + b``."""

    def __init__(self, W: NDArray[Any], b: NDArray[Any]):
        self.first = Linear(W, b)
        self.W, self.b, self.dW, self.db = W, b, self.first.dW, self.first.db
        self.second = Linear(W, b, self.dW, self.db)

    def forward(self, x: NDArray[Any]) -> NDArray[Any]:
        return self.second.forward(self.first.forward(x))

    def backward(self, dout: NDArray[Any]) -> NDArray[Any]:
        return self.first.backward(self.second.backward(dout))

    def zero_gradients(self) -> None:
        self.first.zero_gradients()


def _relu(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    x = rng.standard_normal((batch_size, CLASSES))
    checks = check_layer(ReLU(), x=x, tolerance=tolerance)
    yield from _named(checks, x=("ReLU, to x", "dx = dout ⊙ [x > 0]"))


def _softmax(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    x, dout = rng.standard_normal((2, batch_size, CLASSES))
    checks = check_layer(Softmax(), x=x, tolerance=tolerance)
    yield from _named(checks, x=("Softmax, to x", "dx = s ⊙ (dout − Σ dout ⊙ s)"))
    layer = Softmax()
    layer.forward(x)
    jacobian = layer.jacobian()
    # A row's outputs, to the same row's inputs: gradient() puts the inputs first.
    exact = np.array([Derivative(Softmax().forward, row, rng).gradient().T for row in x])
    diagonal = np.broadcast_to(np.eye(CLASSES, dtype=bool), jacobian.shape)
    for name, formula, case in (
        ("Softmax, Jacobian, i = j", "∂sᵢ/∂xᵢ = sᵢ·(1 − sᵢ)", diagonal),
        ("Softmax, Jacobian, i ≠ j", "∂sᵢ/∂xⱼ = −sᵢ·sⱼ", ~diagonal),
    ):
        yield compare(name, formula, jacobian[case], exact[case], tolerance)
    yield compare(
        "Softmax, product and Jacobian",
        "dx = dout·(diag(s) − s·sᵀ)",
        layer.backward(dout),
        np.einsum("ni,nij->nj", dout, jacobian),
        tolerance,
        method="both ways",
    )


def _losses(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    logits = rng.standard_normal((batch_size, CLASSES))
    rows = rng.dirichlet(np.ones(CLASSES), batch_size)
    indices = rng.integers(CLASSES, size=batch_size)
    probabilities = Softmax().forward(logits)
    dout = UPSTREAM

    checks = check_loss(CrossEntropy(), x=probabilities, labels=rows, tolerance=tolerance)
    yield from _named(checks, x=("CrossEntropy, to p", "dp = −t/(p·N)·dout"))
    for kind, labels in (("indices", indices), ("rows", rows)):
        checks = check_loss(SoftmaxCrossEntropy(), x=logits, labels=labels, tolerance=tolerance)
        name = f"SoftmaxCrossEntropy, to z, labels as {kind}"
        yield from _named(checks, x=(name, "dz = (softmax − labels)/N·dout"))
    fused = SoftmaxCrossEntropy()
    fused.forward(logits, rows)
    yield check_gradient(
        "SoftmaxCrossEntropy, to labels",
        "dt = −log softmax/N·dout",
        fused.backward_labels(dout),
        lambda t: dout * SoftmaxCrossEntropy().forward(logits, t),
        rows,
        tolerance,
        rng,
        diagnose=partial(diagnose, batch_size=batch_size),
    )

    softmax, chained = Softmax(), CrossEntropy()
    chained.forward(softmax.forward(logits), rows)
    yield compare(
        "CrossEntropy, then Softmax",
        "Jᵀ·(−t/(p·N)) = (softmax − labels)/N",
        softmax.backward(chained.backward(dout)),
        fused.backward(dout),
        tolerance,
        method="both ways",
    )

    # The loss is the distance of 2e4 between the logits, its gradient −1/N and 1/N: both exact.
    large = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    computed = fused.forward(large, np.array([1, 1])), *fused.backward().ravel()
    yield compare(
        "SoftmaxCrossEntropy, logits of ±1e4",
        "mean(logsumexp(z) − Σ t·z)",
        np.array(computed, np.float64),
        np.array([1e4, 0.5, -0.5, 0, 0]),
        tolerance,
        method="known values, float32",
    )


def _network(
    hidden: int, batch_size: int, tolerance: float, rng: np.random.Generator
) -> Iterator[Check]:
    network = MLP(hidden, np.float64)
    network.initialize(rng)
    network.b1[:], network.b2[:] = rng.standard_normal(hidden), rng.standard_normal(CLASSES)
    x = rng.random((batch_size, INPUTS))
    labels = rng.integers(CLASSES, size=batch_size)
    loss = SoftmaxCrossEntropy()
    loss.forward(network.forward(x), labels)
    network.backward(loss.backward())
    check = partial(
        check_gradient,
        tolerance=tolerance,
        rng=rng,
        diagnose=partial(diagnose, batch_size=batch_size),
    )

    def from_z2(z2: NDArray[Any]) -> Any:
        return SoftmaxCrossEntropy().forward(z2, labels)

    def from_z1(z1: NDArray[Any]) -> Any:
        return from_z2(Linear(network.W2, network.b2).forward(ReLU().forward(z1)))

    yield check(
        "Network, to z2", "delta2 = (softmax − labels)/N", network.delta2, from_z2, network.z2
    )
    yield check(
        "Network, to z1", "delta1 = (delta2·W2ᵀ) ⊙ [z1 > 0]", network.delta1, from_z1, network.z1
    )

    def from_parameters(parameters: NDArray[Any]) -> Any:
        twin = MLP(hidden, parameters.dtype)
        twin.parameters[:] = parameters
        return from_z2(twin.forward(x))

    W1, b1, W2, b2, a1 = network.W1, network.b1, network.W2, network.b2, network.a1
    for name, formula, computed, f, parameter in (
        ("W2", "dW2 = a1ᵀ·delta2", network.dW2, lambda W: from_z2(Linear(W, b2).forward(a1)), W2),
        ("b2", "db2 = 1ᵀ·delta2", network.db2, lambda b: from_z2(Linear(W2, b).forward(a1)), b2),
        ("W1", "dW1 = xᵀ·delta1", network.dW1, lambda W: from_z1(Linear(W, b1).forward(x)), W1),
        ("b1", "db1 = 1ᵀ·delta1", network.db1, lambda b: from_z1(Linear(W1, b).forward(x)), b1),
    ):
        yield check(f"Network, to {name}", formula, computed, f, parameter)
    yield check(
        "Network, to all parameters",
        "d loss / d parameters",
        network.gradients,
        from_parameters,
        network.parameters,
    )
    if hidden > 1:
        yield check(
            "Network in two halves, as it trains",
            "d loss / d parameters",
            _gradients_of_halves(network, x, labels),
            from_parameters,
            network.parameters,
        )


def _gradients_of_halves(
    network: MLP, x: NDArray[Any], labels: NDArray[Any]
) -> NDArray[np.floating[Any]]:
    """Return the gradients as training finds them: of two halves, and put together again."""
    every = np.arange(INPUTS)
    halves = network.cut(2, every)
    loss = SoftmaxCrossEntropy()
    loss.forward(halves[0].forward(x) + halves[1].forward(x), labels)
    delta2 = loss.backward()
    for half in halves:
        half.backward(delta2, overwrite=True)
        half.parameters[:] = half.gradients
    whole = MLP(network.hidden, network.parameters.dtype)
    whole.join(halves, every)
    return whole.parameters


class _Claiming(SoftmaxCrossEntropy):
    """The loss, with somebody else's gradient."""

    def __init__(self, wrong: WrongAnswer):
        self.wrong = wrong

    def forward(self, logits: NDArray[Any], labels: NDArray[Any]) -> Any:
        self.logits = logits
        return super().forward(logits, labels)

    def backward(self, dout: float = 1.0) -> NDArray[Any]:
        return self.wrong.gradient(self.logits, self.labels) * dout


def _wrong_answers(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    logits = rng.standard_normal((batch_size, CLASSES))
    labels = rng.integers(CLASSES, size=batch_size)
    for wrong in WRONG_ANSWERS:
        if batch_size == 1 and wrong.right_for_one:
            continue
        checks = check_loss(_Claiming(wrong), x=logits, labels=labels, tolerance=tolerance)
        yield from _named(checks, x=(wrong.name, wrong.formula))
