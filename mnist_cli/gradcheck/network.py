"""The rows of ``mnist-cli gradcheck`` on the network as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.comparison import Comparison, compare_gradient
from mnist_cli.gradcheck.diagnosis import diagnose_comparison
from mnist_cli.gradcheck.result import Check
from mnist_cli.nn.layers import Linear, ReLU
from mnist_cli.nn.losses import SoftmaxCrossEntropy
from mnist_cli.nn.mlp import CLASSES, INPUTS, MLP


def row(name: str, formula: str, comparison: Comparison, batch_size: int) -> Check:
    """Return the row of a comparison, with its diagnosis where it fails."""
    diagnosis = None if comparison.passed else diagnose_comparison(comparison, batch_size)
    return Check(
        name,
        formula,
        comparison.method,
        comparison.elements,
        comparison.error,
        comparison.passed,
        diagnosis,
        comparison.worst,
    )


def check_network(
    hidden: int, batch_size: int, tolerance: float, rng: np.random.Generator
) -> Iterator[Check]:
    """Check the gradients of a network to all that is in it.

    Parameters
    ----------
    hidden, batch_size : int
    tolerance : float
    rng : Generator
        Draws the parameters and the images.
    """
    network = MLP(hidden, np.float64)
    network.initialize(rng)
    network.b1[:], network.b2[:] = rng.standard_normal(hidden), rng.standard_normal(CLASSES)
    x = rng.random((batch_size, INPUTS))
    labels = rng.integers(CLASSES, size=batch_size)
    loss = SoftmaxCrossEntropy()
    loss.forward(network.forward(x), labels)
    network.backward(loss.backward())

    def check(name: str, formula: str, computed: Any, f: Any, at: NDArray[Any]) -> Check:
        return row(name, formula, compare_gradient(computed, f, at, tolerance, rng), batch_size)

    def from_z2(z2: NDArray[Any]) -> Any:
        return SoftmaxCrossEntropy().forward(z2, labels)

    def from_z1(z1: NDArray[Any]) -> Any:
        return from_z2(Linear(network.W2, network.b2).forward(ReLU().forward(z1)))

    yield check("Network, to z2", "delta2 = (s − t)/N", network.delta2, from_z2, network.z2)
    yield check(
        "Network, to z1", "delta1 = delta2·W2ᵀ ⊙ [z1 > 0]", network.delta1, from_z1, network.z1
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
            "Network, in two halves",
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
