# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""An ε that keeps a logarithm from infinity, and is not alike in a loss and in its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mnist_cli.gradcheck.mistakes.cross_entropy import EPSILONS, cross_entropies
from mnist_cli.gradcheck.mistakes.likeness import alike
from mnist_cli.gradcheck.mistakes.registry import Claim, also, mistake
from mnist_cli.gradcheck.point import Point

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

STABLE = (
    "Blanchard, Higham and Higham (2021), Accurately computing the log-sum-exp and softmax "
    "functions"
)

EPSILON = (
    "It is the gradient of −log p, and forward takes the logarithm of something else, such as p + "
    "ε or a clipped p. Take the logarithm of a softmax as x − max − log Σ exp(x − max), which "
    "needs no ε; or, if the ε is meant, widen --tolerance."
)
EPSILON_IN_BACKWARD = (
    "The gradient has an ε, and the logarithm in forward has none: leave it out of both, or put it "
    "into both."
)


@mistake(
    "epsilon-in-logarithm",
    formula="d log(p + ε)/dp = 1/(p + ε);  log softmax(x) = x − max − log Σ exp(x − max)",
    wrong="loss = -np.log(p + 1e-7);  dp = -1 / p",
    right="loss = -np.log(p + 1e-7);  dp = -1 / (p + 1e-7)",
    source=STABLE,
)
def epsilon_in_logarithm(evidence: Evidence) -> Iterator[Claim]:
    """Forward takes the logarithm of p + ε, or of a clipped p, and the gradient is that of log p.

    Take the logarithm of a softmax as x − max − log Σ exp(x − max), which needs no ε; or, if the ε
    is meant, widen --tolerance.
    """
    for loss in cross_entropies(evidence):
        p, t, unit = loss.p, loss.t, loss.unit
        if loss.kind in ("classes of logits", "bits of logits"):
            yield (p - t) * unit, EPSILON
        elif loss.kind == "classes":
            yield -t / p * unit, EPSILON
            for epsilon in EPSILONS:
                yield -t / (p + epsilon) * unit, EPSILON_IN_BACKWARD
        else:
            yield (p - t) / (p * (1 - p)) * unit, EPSILON
            for epsilon in EPSILONS:
                clipped = np.clip(p, epsilon, 1 - epsilon)
                yield (
                    (p - t) / (p * (1 - p) + epsilon) * unit,
                    f"It is (p − t)/(p·(1 − p) + {epsilon:.0e}), which is not the gradient of what "
                    "forward computes: log(p + ε) has the gradient 1/(p + ε). Put the same ε in "
                    "the same place in both, or in neither.",
                )
                yield (
                    (-t / (p + epsilon) + (1 - t) / (1 - p + epsilon)) * unit,
                    EPSILON_IN_BACKWARD,
                )
                if not np.array_equal(clipped, p):
                    yield (clipped - t) / (clipped * (1 - clipped)) * unit, EPSILON_IN_BACKWARD


NEAR = 1e-2
"""How far, relatively, an ε in a logarithm takes a gradient from the right one at most."""


@also("epsilon-in-logarithm", "special")
def epsilon_in_a_networks_logarithm(evidence: Evidence) -> Iterator[Claim]:
    """The loss takes the logarithm of p + ε, and the gradient is that of log p.

    Take the logarithm of a softmax as x − max − log Σ exp(x − max), which needs no ε; or, if the ε
    is meant, widen --tolerance.
    """
    # The loss of an example is −log q, with q = p + ε; and q/(q − ε) times its gradient is that of
    # −log p.
    operation = evidence.operation
    if evidence.point.out.size > 1 or operation.labels is None or operation.batch_axis is None:
        return
    if not evidence.is_small or not alike(evidence.computed, evidence.exact, None, NEAR):
        return
    examples = [Point(operation.alone(n), evidence.point.rng) for n in range(operation.batch_size)]
    q = [float(np.exp(-one.out.sum())) for one in examples]
    gradients = [one.exact(evidence.name) for one in examples]
    unit = 1.0 if alike(np.sum(gradients, axis=0), evidence.exact) else 1 / len(examples)
    for epsilon in EPSILONS:
        pairs = zip(q, gradients, strict=True)
        yield unit * np.sum([each / (1 - epsilon / p) for p, each in pairs], axis=0)
