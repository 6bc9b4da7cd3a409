"""The rows of ``mnist-cli gradcheck``: every formula of this project, held against its derivative.

What is checked is the very code that trains, given float64; what it is checked against is the
same ``forward``, differentiated by the complex step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.checking import check_layer, check_loss
from mnist_cli.gradcheck.comparison import compare, compare_gradient
from mnist_cli.gradcheck.kinds import SKIPPABLE
from mnist_cli.gradcheck.network import check_network, row
from mnist_cli.gradcheck.operation import UPSTREAM
from mnist_cli.gradcheck.reference import Derivative
from mnist_cli.gradcheck.result import Check
from mnist_cli.gradcheck.wrong_answers import WRONG_ANSWERS, WrongAnswer
from mnist_cli.nn.layers import Dropout, Linear, ReLU, Softmax
from mnist_cli.nn.losses import (
    CrossEntropy,
    SoftmaxCrossEntropy,
    WeightedCrossEntropy,
    label_rows,
    soften,
)
from mnist_cli.nn.mlp import CLASSES

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


def check_own_formulas(hidden: int, batch_size: int, seed: int, tolerance: float) -> Report:
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
        *_dropout(batch_size, tolerance, rng),
        *_softmax(batch_size, tolerance, rng),
        *_losses(batch_size, tolerance, rng),
        *check_network(hidden, batch_size, tolerance, rng),
    ]
    return Report(tolerance, checks, list(_wrong_answers(batch_size, tolerance, rng)))


def _named(checks: list[Check], title: str, **names: tuple[str, str]) -> Iterator[Check]:
    """Yield the gradients to ``x``, ``W`` or ``b`` under names of ours, and how the code behaves.

    What it does besides its gradients, where that was looked at, is one row if all is well; else
    each that fails is one.
    """
    for check in checks:
        if check.kind == "gradient" and check.argument in names:
            name, formula = names[check.argument]
            yield replace(check, name=name, formula=formula)
    besides = [check for check in checks if check.kind != "gradient" and not check.is_skipped]
    for check in besides:
        if not check.passed:
            yield replace(check, name=f"{title}, {check.name}")
    if besides and all(check.passed for check in besides):
        yield Check(
            f"{title}, behaviour",
            "keeps its arguments, repeats itself",
            f"{len(besides)} rows: {', '.join(check.name for check in besides)}",
            sum(check.elements for check in besides),
            None,
            True,
            kind="behaviour",
        )


def _linear(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    x = rng.standard_normal((batch_size, INNER))
    layer = Linear(rng.standard_normal((INNER, CLASSES)), rng.standard_normal(CLASSES))
    yield from _named(
        check_layer(layer, x=x, tolerance=tolerance),
        "Linear",
        x=("Linear, to x", "dx = dout·Wᵀ"),
        W=("Linear, to W", "dW = xᵀ·dout"),
        b=("Linear, to b", "db = 1ᵀ·dout"),
    )
    twice = _Twice(rng.standard_normal((INNER, INNER)), rng.standard_normal(INNER))
    yield from _named(
        check_layer(twice, x=x, tolerance=tolerance, skip=SKIPPABLE),
        "Linear used twice",
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
    yield from _named(checks, "ReLU", x=("ReLU, to x", "dx = dout ⊙ [x > 0]"))


def _dropout(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    x = rng.standard_normal((batch_size, CLASSES))
    # The derivative is that of a pass: each copy puts out the same units.
    layer = Dropout(0.5, np.random.default_rng(int(rng.integers(2**32))))
    checks = check_layer(layer, x=x, tolerance=tolerance)
    yield from _named(checks, "Dropout", x=("Dropout, to x", "dx = dout ⊙ m"))


def _softmax(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    x, dout = rng.standard_normal((2, batch_size, CLASSES))
    checks = check_layer(Softmax(), x=x, tolerance=tolerance)
    yield from _named(checks, "Softmax", x=("Softmax, to x", "dx = s ⊙ (dout − Σ dout ⊙ s)"))
    layer = Softmax()
    layer.forward(x)
    jacobian = layer.jacobian()
    # A row's outputs, to the same row's inputs: gradient() puts the inputs first.
    exact = np.array([Derivative(Softmax().forward, each, rng).gradient().T for each in x])
    diagonal = np.broadcast_to(np.eye(CLASSES, dtype=bool), jacobian.shape)
    for name, formula, case in (
        ("Softmax, Jacobian, i = j", "∂sᵢ/∂xᵢ = sᵢ·(1 − sᵢ)", diagonal),
        ("Softmax, Jacobian, i ≠ j", "∂sᵢ/∂xⱼ = −sᵢ·sⱼ", ~diagonal),
    ):
        yield row(name, formula, compare(jacobian[case], exact[case], tolerance), batch_size)
    yield row(
        "Softmax, product and Jacobian",
        "dx = dout·(diag(s) − s·sᵀ)",
        compare(
            layer.backward(dout),
            np.einsum("ni,nij->nj", dout, jacobian),
            tolerance,
            method="both ways",
        ),
        batch_size,
    )


def _losses(batch_size: int, tolerance: float, rng: np.random.Generator) -> Iterator[Check]:
    logits = rng.standard_normal((batch_size, CLASSES))
    rows = rng.dirichlet(np.ones(CLASSES), batch_size)
    indices = rng.integers(CLASSES, size=batch_size)
    probabilities = Softmax().forward(logits)
    dout = UPSTREAM

    checks = check_loss(CrossEntropy(), x=probabilities, labels=rows, tolerance=tolerance)
    name = ("CrossEntropy, to p", "dp = −t/(p·N)·dout")
    yield from _named(checks, "CrossEntropy", probabilities=name)
    softened = soften(label_rows(indices, logits), 0.1)
    for kind, labels in (("index", indices), ("row", rows), ("soft", softened)):
        skip = () if kind == "soft" else SKIPPABLE  # it behaves alike with all labels
        checks = check_loss(
            SoftmaxCrossEntropy(), x=logits, labels=labels, tolerance=tolerance, skip=skip
        )
        title = "SoftmaxCrossEntropy"
        name = (f"{title}, {kind} labels", "dz = (s − t)/N·dout")
        yield from _named(checks, title, logits=name)
    fused = SoftmaxCrossEntropy()
    fused.forward(logits, rows)
    yield row(
        "SoftmaxCrossEntropy, to labels",
        "dt = −log s/N·dout",
        compare_gradient(
            fused.backward_labels(dout),
            lambda t: dout * SoftmaxCrossEntropy().forward(logits, t),
            rows,
            tolerance,
            rng,
        ),
        batch_size,
    )

    weights = rng.uniform(0.5, 2, batch_size)
    checks = check_loss(
        WeightedCrossEntropy(),
        x=logits,
        labels=rows,
        arguments={"weights": weights},
        tolerance=tolerance,
    )
    title = "WeightedCrossEntropy"
    yield from _named(checks, title, logits=(title, "dz = w ⊙ (s − t)/N·dout"))

    softmax, chained = Softmax(), CrossEntropy()
    chained.forward(softmax.forward(logits), rows)
    yield row(
        "CrossEntropy, then Softmax",
        "Jᵀ·(−t/(p·N)) = (s − t)/N",
        compare(
            softmax.backward(chained.backward(dout)),
            fused.backward(dout),
            tolerance,
            method="both ways",
        ),
        batch_size,
    )

    # The loss is the distance of 2e4 between the logits, its gradient −1/N and 1/N: both exact.
    large = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    computed = fused.forward(large, np.array([1, 1])), *fused.backward().ravel()
    yield row(
        "SoftmaxCrossEntropy, z of ±1e4",
        "mean(logsumexp(z) − Σ t·z)",
        compare(
            np.array(computed, np.float64),
            np.array([1e4, 0.5, -0.5, 0, 0]),
            tolerance,
            method="known values, float32",
        ),
        batch_size,
    )


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
        checks = check_loss(
            _Claiming(wrong), x=logits, labels=labels, tolerance=tolerance, skip=SKIPPABLE
        )
        yield from _named(checks, wrong.name, logits=(wrong.name, wrong.formula))
