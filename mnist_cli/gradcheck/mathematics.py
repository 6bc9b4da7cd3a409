"""The rows of ``mnist-cli gradcheck``: every formula of this project, held against its derivative.

What is checked is the very code that trains, given float64; what it is checked against is the
same ``forward``, differentiated by the complex step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.check import (
    Check,
    check_directions,
    check_gradient,
    compare,
)
from mnist_cli.gradcheck.derivative import gradient
from mnist_cli.gradcheck.wrong_answers import WRONG_ANSWERS
from mnist_cli.nn.layers import Linear, ReLU, Softmax
from mnist_cli.nn.losses import CrossEntropy, SoftmaxCrossEntropy, label_rows
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


def _linear(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    x = rng.standard_normal((batch_size, INNER))
    layer = Linear(rng.standard_normal((INNER, CLASSES)), rng.standard_normal(CLASSES))
    dout = rng.standard_normal((batch_size, CLASSES))
    layer.forward(x)
    dx = layer.backward(dout)

    def output(x: Any = x, W: Any = layer.W, b: Any = layer.b) -> Any:
        return (dout * Linear(W, b).forward(x)).sum()

    check = partial(check_gradient, tolerance=tolerance, rng=rng)
    yield check("Linear, to W", "dW = xᵀ·dout", layer.dW, lambda W: output(W=W), layer.W)
    yield check("Linear, to b", "db = 1ᵀ·dout", layer.db, lambda b: output(b=b), layer.b)
    yield check("Linear, to x", "dx = dout·Wᵀ", dx, output, x)

    # One W in two places, as in a recurrent network: y = (x·W + b)·W + b.
    first = Linear(rng.standard_normal((INNER, INNER)), rng.standard_normal(INNER))
    second = Linear(first.W, first.b, first.dW, first.db)
    dout = rng.standard_normal((batch_size, INNER))
    second.forward(first.forward(x))
    first.backward(second.backward(dout))

    def twice(W: Any) -> Any:
        layer = Linear(W, first.b)
        return (dout * layer.forward(layer.forward(x))).sum()

    yield check("Linear used twice, to W", "dW += xᵀ·dout, in both", first.dW, twice, first.W)


def _relu(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    x, dout = rng.standard_normal((2, batch_size, CLASSES))
    layer = ReLU()
    layer.forward(x)
    dx = layer.backward(dout)
    yield check_gradient(
        "ReLU",
        "dx = dout ⊙ [x > 0]",
        dx,
        lambda x: (dout * ReLU().forward(x)).sum(),
        x,
        tolerance,
        rng,
    )


def _softmax(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    x, dout = rng.standard_normal((2, batch_size, CLASSES))
    layer = Softmax()
    layer.forward(x)
    jacobian = layer.jacobian()
    # A row's outputs, to the same row's inputs: gradient() puts the inputs first.
    exact = np.array([gradient(Softmax().forward, row).T for row in x])
    diagonal = np.broadcast_to(np.eye(CLASSES, dtype=bool), jacobian.shape)
    for name, formula, case in (
        ("Softmax Jacobian, i = j", "∂sᵢ/∂xᵢ = sᵢ·(1 − sᵢ)", diagonal),
        ("Softmax Jacobian, i ≠ j", "∂sᵢ/∂xⱼ = −sᵢ·sⱼ", ~diagonal),
    ):
        yield compare(name, formula, jacobian[case], exact[case], tolerance)
    dx = layer.backward(dout)
    yield check_gradient(
        "Softmax, to x",
        "dx = s ⊙ (dout − Σ dout ⊙ s)",
        dx,
        lambda x: (dout * Softmax().forward(x)).sum(),
        x,
        tolerance,
        rng,
    )
    product = np.einsum("ni,nij->nj", dout, jacobian)
    yield compare(
        "Softmax, product and Jacobian",
        "dx = dout·(diag(s) − s·sᵀ)",
        dx,
        product,
        tolerance,
        method="both ways",
    )


def _losses(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    logits = rng.standard_normal((batch_size, CLASSES))
    rows = rng.dirichlet(np.ones(CLASSES), batch_size)
    indices = rng.integers(CLASSES, size=batch_size)
    dout = float(rng.uniform(2, 3))
    check = partial(check_gradient, tolerance=tolerance, rng=rng)

    probabilities = Softmax().forward(logits)
    loss = CrossEntropy()
    loss.forward(probabilities, rows)
    yield check(
        "CrossEntropy, to probabilities",
        "dp = −t/(p·N)·dout",
        loss.backward(dout),
        lambda p: dout * CrossEntropy().forward(p, rows),
        probabilities,
    )

    def fused_loss(z: Any, labels: Any) -> Any:
        return dout * SoftmaxCrossEntropy().forward(z, labels)

    fused = SoftmaxCrossEntropy()
    for kind, labels in (("indices", indices), ("rows", rows)):
        fused.forward(logits, labels)
        yield check(
            f"SoftmaxCrossEntropy, labels as {kind}",
            "dz = (softmax − labels)/N·dout",
            fused.backward(dout),
            partial(fused_loss, labels=labels),
            logits,
        )
    yield check(
        "SoftmaxCrossEntropy, to labels",
        "dt = −log softmax/N·dout",
        fused.backward_labels(dout),
        partial(fused_loss, logits),
        rows,
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
    check = partial(check_gradient, tolerance=tolerance, rng=rng)

    def from_z2(z2: NDArray[Any]) -> Any:
        return SoftmaxCrossEntropy().forward(z2, labels)

    def from_z1(z1: NDArray[Any]) -> Any:
        return from_z2(Linear(network.W2, network.b2).forward(ReLU().forward(z1)))

    yield check("Network, delta2", "(softmax(z2) − labels)/N", network.delta2, from_z2, network.z2)
    yield check("Network, delta1", "(delta2·W2ᵀ) ⊙ [z1 > 0]", network.delta1, from_z1, network.z1)

    twin = MLP(hidden, np.complex128)

    def loss_with(name: str, values: NDArray[Any]) -> Any:
        twin.parameters[:] = network.parameters
        getattr(twin, name)[...] = values
        return SoftmaxCrossEntropy().forward(twin.forward(x), labels)

    for name, formula, computed in (
        ("W2", "dW2 = a1ᵀ·delta2", network.dW2),
        ("b2", "db2 = 1ᵀ·delta2", network.db2),
        ("W1", "dW1 = xᵀ·delta1", network.dW1),
        ("b1", "db1 = 1ᵀ·delta1", network.db1),
        ("parameters", "all of them at once", network.gradients),
    ):
        yield check_directions(
            f"Network, {name}",
            formula,
            computed,
            partial(loss_with, name),
            getattr(network, name),
            tolerance,
            rng,
        )


def _wrong_answers(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    logits = rng.standard_normal((batch_size, CLASSES))
    labels = label_rows(rng.integers(CLASSES, size=batch_size), logits)
    check = partial(check_gradient, tolerance=tolerance, rng=rng)
    for wrong in WRONG_ANSWERS:
        if batch_size == 1 and wrong.right_for_one:
            continue
        yield check(
            wrong.name,
            wrong.formula,
            wrong.gradient(logits, labels),
            lambda z: SoftmaxCrossEntropy().forward(z, labels),
            logits,
        )
