"""A wrong derivative between the layers of a network is named, in each layer that it spoils."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mnist_cli.gradcheck import check
from mnist_cli.gradcheck.adapters.recognise import recognise
from mnist_cli.gradcheck.dense_chain import dense_chains
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.request import Code, Request

Slope = Callable[[Any, Any, Any], Any]


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def relu(z: Any) -> Any:
    return np.maximum(0, z)


class Network:
    """Two hidden layers, whose slope is a function of z, a and what comes from above."""

    activation: Callable[[Any], Any] = staticmethod(sigmoid)
    slopes: tuple[Slope, Slope] = (lambda z, a, above: a * (1 - a),) * 2
    decay = 0.0

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.W1, self.b1 = rng.standard_normal((6, 5)), rng.standard_normal(5)
        self.W2, self.b2 = rng.standard_normal((5, 4)), rng.standard_normal(4)
        self.W3, self.b3 = rng.standard_normal((4, 3)), rng.standard_normal(3)

    def squashed(self, z: Any) -> Any:
        return z

    def measured(self, out: Any, y: Any) -> Any:
        return 0.5 * np.sum((out - y) ** 2) / len(y)

    def last_slope(self, z: Any, out: Any, y: Any) -> Any:
        return (out - y) / len(y)

    def ahead(self, X: Any) -> Any:
        z1 = X @ self.W1 + self.b1
        a1 = self.activation(z1)
        z2 = a1 @ self.W2 + self.b2
        a2 = self.activation(z2)
        return z1, a1, z2, a2, a2 @ self.W3 + self.b3

    def loss(self, X: Any, y: Any) -> Any:
        z1, a1, z2, a2, z3 = self.ahead(X)
        out = self.squashed(z3)
        d3 = self.last_slope(z3, out, y)
        above2 = d3 @ self.W3.T
        d2 = above2 * self.slopes[1](z2, a2, above2)
        above1 = d2 @ self.W2.T
        d1 = above1 * self.slopes[0](z1, a1, above1)
        grads = {}
        for n, (a, d) in enumerate(((X, d1), (a1, d2), (a2, d3)), start=1):
            grads[f"W{n}"] = a.T @ d + self.decay * getattr(self, f"W{n}")
            grads[f"b{n}"] = d.sum(axis=0)
        squares = (self.W1**2).sum() + (self.W2**2).sum() + (self.W3**2).sum()
        return self.measured(out, y) + 0.5 * self.decay * squares, grads


def named(network: type[Network]) -> dict[str, str]:
    """Return the diagnosis of each gradient that is wrong."""
    rows = [row for row in check(network, shape=(7, 6)) if row.kind == "gradient"]
    return {row.name[3:]: row.diagnosis.name for row in rows if row.diagnosis is not None}


SIGMOID: Slope = lambda z, a, above: a * (1 - a)  # noqa: E731
RELU: Slope = lambda z, a, above: z > 0  # noqa: E731
FIRST, BOTH = ("W1", "b1"), ("W1", "b1", "W2", "b2")


@pytest.mark.parametrize(
    ("name", "spoiled", "activation", "slopes"),
    [
        ("not-differentiated", FIRST, sigmoid, (lambda z, a, above: 1, SIGMOID)),
        ("not-differentiated", BOTH, sigmoid, (lambda z, a, above: 1,) * 2),
        ("not-differentiated", BOTH, relu, (RELU, lambda z, a, above: 1)),
        ("differentiated-twice", BOTH, sigmoid, (lambda z, a, above: (a * (1 - a)) ** 2,) * 2),
        ("input-for-output", FIRST, sigmoid, (lambda z, a, above: z * (1 - z), SIGMOID)),
        ("input-for-output", BOTH, np.tanh, (lambda z, a, above: 1 - z**2,) * 2),
        (
            "output-for-input",
            BOTH,
            sigmoid,
            (lambda z, a, above: sigmoid(a) * (1 - sigmoid(a)),) * 2,
        ),
        ("output-for-input", FIRST, np.tanh, (lambda z, a, above: 1 - np.tanh(a) ** 2, None)),
        ("wrong-mask", FIRST, relu, (lambda z, a, above: above > 0, RELU)),
    ],
)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_a_wrong_slope_of_a_hidden_layer_is_named(
    name: str,
    spoiled: tuple[str, ...],
    activation: Callable[[Any], Any],
    slopes: tuple[Slope, Slope | None],
    decay: float,
) -> None:
    first, second = slopes
    both = (first, second or (lambda z, a, above: 1 - a**2))
    fields = {"activation": staticmethod(activation), "slopes": both, "decay": decay}
    assert named(type("Wrong", (Network,), fields)) == dict.fromkeys(spoiled, name)


class SquaresOfSigmoid(Network):
    """a − y, where the squares of a sigmoid's output need its derivative as well."""

    def squashed(self, z: Any) -> Any:
        return sigmoid(z)


class EntropyOfSigmoid(SquaresOfSigmoid):
    def measured(self, out: Any, y: Any) -> Any:
        return -np.sum(y * np.log(out) + (1 - y) * np.log(1 - out)) / len(y)

    def last_slope(self, z: Any, out: Any, y: Any) -> Any:
        return (out - y) * out * (1 - out) / len(y)


class EntropyOfSoftmax(Network):
    def squashed(self, z: Any) -> Any:
        return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)

    def measured(self, out: Any, y: Any) -> Any:
        return -np.sum(y * np.log(out)) / len(y)

    def last_slope(self, z: Any, out: Any, y: Any) -> Any:
        return (out - y) * out * (1 - out) / len(y)


@pytest.mark.parametrize(
    ("network", "name"),
    [
        (SquaresOfSigmoid, "not-differentiated"),
        (EntropyOfSigmoid, "sigmoid-twice"),
        (EntropyOfSoftmax, "softmax-twice"),
    ],
)
def test_a_wrong_derivative_of_the_output_is_named(network: type[Network], name: str) -> None:
    assert named(network) == dict.fromkeys(("W1", "b1", "W2", "b2", "W3", "b3"), name)


def test_the_chain_knows_what_goes_through_each_layer() -> None:
    code = Code("Network", Network)
    ((_, operation),) = recognise(code, Request(shapes={"": (7, 6)}))
    point = Point(operation, np.random.default_rng(0))
    ((first, second, third),) = dense_chains(point)
    z1, a1, z2, a2, z3 = Network().ahead(point.x)
    names = [(layer.weight, layer.bias, layer.is_turned) for layer in (first, second, third)]
    assert names == [("W1", "b1", False), ("W2", "b2", False), ("W3", "b3", False)]
    through = (first.z, second.inputs, second.z, third.inputs, third.z)
    for found, right in zip(through, (z1, a1, z2, a2, z3), strict=True):
        assert found is not None
        np.testing.assert_allclose(found, right, rtol=1e-9)
    np.testing.assert_allclose(third.delta, (z3 - operation.labels) / 7, rtol=1e-9)
