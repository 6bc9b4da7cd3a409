"""A wrong derivative of the activation inside a dense layer is named in all that it spoils."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checked import failed

from mnist_cli.gradcheck import check_layer


class Activated:
    """A square layer, so that a transpose has the same shape, with a wrong gradient to z."""

    def __init__(self, f: Callable[[Any], Any], dz: Callable[[Any, Any], Any]) -> None:
        rng = np.random.default_rng(0)
        self.W, self.b = rng.standard_normal((5, 5)), rng.standard_normal(5)
        self.f, self.dz = f, dz

    def forward(self, x: Any) -> Any:
        self.x, self.z = x, x @ self.W + self.b
        return self.f(self.z)

    def backward(self, dout: Any) -> Any:
        dz = self.dz(self.z, dout)
        self.dW, self.db = self.x.T @ dz, dz.sum(axis=0)
        return dz @ self.W.T


class ActivatedColumns(Activated):
    """The same with examples in columns."""

    def forward(self, x: Any) -> Any:
        self.x, self.z = x, self.W @ x + self.b[:, None]
        return self.f(self.z)

    def backward(self, dout: Any) -> Any:
        dz = self.dz(self.z, dout)
        self.dW, self.db = dz @ self.x.T, dz.sum(axis=1)
        return self.W.T @ dz


def relu(z: Any) -> Any:
    return np.maximum(z, 0)


def named(name: str) -> dict[str, str]:
    return dict.fromkeys(("to x", "to W", "to b"), name)


@pytest.mark.parametrize("f", [relu, np.tanh])
def test_a_missing_derivative_of_the_activation_is_named(f: Any) -> None:
    assert failed(check_layer(Activated(f, lambda z, dout: dout))) == named("not-differentiated")
    columns = check_layer(ActivatedColumns(f, lambda z, dout: dout), columns=True)
    assert failed(columns) == named("not-differentiated")


def test_a_mask_of_the_gradient_from_above_is_named() -> None:
    found = check_layer(Activated(relu, lambda z, dout: dout * (dout > 0)))
    assert failed(found) == named("wrong-mask")


def test_a_transpose_in_a_layer_without_activation_is_still_a_transpose() -> None:
    class Turned(Activated):
        def backward(self, dout: Any) -> Any:
            super().backward(dout)
            return dout @ self.W

    found = check_layer(Turned(lambda z: z, lambda z, dout: dout))
    assert failed(found) == {"to x": "transposed"}


def test_a_factor_in_a_layer_without_activation_is_a_factor() -> None:
    found = check_layer(Activated(lambda z: z, lambda z, dout: 2 * dout))
    assert failed(found) == named("factor-two")
