"""Gradients where an input is exactly 0, as it is behind a rectifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checked import Layer, failed

from mnist_cli.gradcheck import check, check_functions, check_layer


def swish(self: Any, x: Any) -> Any:
    self.s = 1 / (1 + np.exp(-x))
    self.out = x * self.s
    return self.out


def product(self: Any, x: Any) -> Any:
    self.out = np.prod(x, axis=1, keepdims=True)
    return self.out


def test_a_derivative_that_divides_by_the_input_is_found() -> None:
    divides = Layer(
        swish, lambda self, dout: dout * (self.out + self.out / self.x * (1 - self.out))
    )
    multiplies = Layer(swish, lambda self, dout: dout * (self.out + self.s * (1 - self.out)))
    found = check_layer(divides)
    assert failed(found) == {"to x, where x is 0": "not-finite"}
    assert failed(check_layer(divides, skip=["zero-inputs"])) == {}
    assert check_layer(multiplies).passed


def test_a_product_that_is_divided_by_its_factor_is_found() -> None:
    divides = Layer(product, lambda self, dout: dout * self.out / self.x)
    assert failed(check_layer(divides)) == {"to x, where x is 0": "not-finite"}


def test_of_two_inputs_each_is_looked_at() -> None:
    class Product:
        def forward(self, a: Any, b: Any) -> Any:
            self.a, self.b = a, b
            return a * b

        def backward(self, dout: Any) -> Any:
            return dout * self.b, dout * self.a * self.b / self.b

    assert failed(check(Product)) == {"to b, where b is 0": "not-finite"}


@pytest.mark.parametrize(
    ("f", "f_prime"),
    [
        (np.abs, lambda x: x / np.abs(x)),
        (lambda x: (x + np.abs(x)) / 2, lambda x: (1 + x / np.abs(x)) / 2),
        (np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)),
        (lambda x: 1 / x, lambda x: -1 / x**2),
        (lambda x: np.log(x**2), lambda x: 2 / x),
    ],
)
def test_where_there_is_no_derivative_at_0_none_is_asked_for(f: Any, f_prime: Any) -> None:
    def forward(x: Any) -> Any:
        return f(x)

    def derivative(x: Any) -> Any:
        return f_prime(x)

    assert not any("where x is 0" in name for name in failed(check_functions(forward, derivative)))


@pytest.mark.parametrize("x", [0.5, [0.5], [[0.5, 1.0]], [[[0.5], [1.0]]]])
def test_an_input_of_any_shape_is_looked_at(x: Any) -> None:
    def cube(x: Any) -> Any:
        return x**3

    def wrong(x: Any) -> Any:
        return 3 * x**3 / x

    def right(x: Any) -> Any:
        return 3 * x**2

    assert failed(check_functions(cube, wrong, x=x)) == {"to x, where x is 0": "not-finite"}
    assert check_functions(cube, right, x=x).passed
