"""What helps a backward, an activation with its derivative, does not stand for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checked import failed

from mnist_cli.gradcheck import check


def slope_of_tanh(z: Any) -> Any:
    return 1 - np.tanh(z) ** 2


class WithMethods:
    """A layer whose activation and its derivative are methods; right where the factor is 1."""

    def __init__(self, factor: float) -> None:
        self.W = np.random.default_rng(0).standard_normal((4, 3))
        self.factor = factor

    def activation(self, z: Any) -> Any:
        return np.tanh(z)

    def activation_derivative(self, z: Any) -> Any:
        return slope_of_tanh(z)

    def forward(self, x: Any) -> Any:
        self.x, self.z = x, x @ self.W
        return self.activation(self.z)

    def backward(self, dout: Any) -> Any:
        dz = self.factor * dout * self.activation_derivative(self.z)
        self.dW = self.x.T @ dz
        return dz @ self.W.T


class Holding:
    """The same by functions that it holds."""

    def __init__(self, factor: float) -> None:
        self.activation, self.activation_prime = np.tanh, slope_of_tanh
        self.factor = factor

    def forward(self, x: Any) -> Any:
        self.x = x
        return self.activation(x)

    def backward(self, output_gradient: Any, learning_rate: Any) -> Any:
        return self.factor * output_gradient * self.activation_prime(self.x)


class LossHolding:
    """A loss of weights with its gradient, which holds a function and its derivative."""

    def __init__(self, factor: float) -> None:
        self.W = np.random.default_rng(0).standard_normal((4, 3))
        self.f, self.df = np.tanh, slope_of_tanh
        self.factor = factor

    def loss(self, X: Any, Y: Any) -> Any:
        return 0.5 * np.sum((self.f(X @ self.W) - Y) ** 2)

    def gradient(self, X: Any, Y: Any) -> Any:
        z = X @ self.W
        return self.factor * X.T @ ((self.f(z) - Y) * self.df(z))


class WithLoss:
    """A layer with a loss and the gradient of that beside forward and backward."""

    def __init__(self, factor: float) -> None:
        self.W = np.random.default_rng(0).standard_normal((4, 3))
        self.factor = factor

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W

    def loss(self, y_pred: Any, y_true: Any) -> Any:
        return np.mean((y_pred - y_true) ** 2)

    def loss_gradient(self, y_pred: Any, y_true: Any) -> Any:
        return 2 * (y_pred - y_true) / y_true.size

    def backward(self, dout: Any) -> Any:
        self.dW = self.factor * self.x.T @ dout
        return self.factor * dout @ self.W.T


@pytest.mark.parametrize("kind", [WithMethods, Holding, LossHolding, WithLoss])
def test_a_wrong_backward_fails_whatever_right_helpers_stand_beside_it(
    kind: Callable[[float], Any],
) -> None:
    assert check(kind(1.0)).passed
    assert set(failed(check(kind(3.0))).values()) == {"constant-factor"}


def test_an_activation_with_a_derivative_and_a_backward_is_judged_by_its_backward() -> None:
    class Sine:
        def forward(self, x: Any) -> Any:
            self.x = x
            return np.sin(x)

        def derivative(self, x: Any) -> Any:
            return np.cos(x)

        def backward(self, dout: Any) -> Any:
            return dout * self.derivative(dout)

    assert failed(check(Sine())) == {"to x": "derivative-of-dout"}


def test_two_functions_that_an_object_holds_are_judged_where_it_has_no_others() -> None:
    class Pair:
        def __init__(self, f: Any, df: Any) -> None:
            self.f, self.df = f, df

    assert check(Pair(np.tanh, slope_of_tanh)).passed
    assert not check(Pair(np.tanh, np.cos)).passed
