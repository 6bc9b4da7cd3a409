from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mnist_cli.gradcheck.reference import Derivative, complex_step, differences


def test_the_complex_step_is_exact_to_rounding(rng: np.random.Generator) -> None:
    x = np.array([0.3, 1.7])
    right = Derivative(lambda x: np.exp(x).sum(), x, rng)
    assert right.method == "complex step"
    np.testing.assert_allclose(right.gradient(), np.exp(x), rtol=1e-15)
    direction = np.array([2.0, -1.0])
    along = complex_step(lambda x: (x**3).sum(), x, direction)
    assert along == pytest.approx((3 * x**2 * direction).sum(), rel=1e-15)


def test_the_logarithm_of_a_tiny_probability_is_differentiated() -> None:
    x = np.array([1e-45])
    assert complex_step(np.log, x, np.ones(1)) == pytest.approx(1e45, rel=1e-14)


def test_the_gradient_of_an_array_has_the_inputs_first(rng: np.random.Generator) -> None:
    W = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    np.testing.assert_array_equal(Derivative(lambda x: x @ W, np.zeros(2), rng).gradient(), W)


def refuse(x: Any) -> Any:
    if np.iscomplexobj(x):
        raise TypeError("real numbers only")
    return np.sin(x).sum()


def lose(x: Any) -> Any:
    return np.sin(x.real).sum()


def cast(x: Any) -> Any:
    return np.sin(x.astype(np.float64)).sum()


def conjugate(x: Any) -> Any:
    return np.sin(np.conj(x)).sum()


def modulus(x: Any) -> Any:
    return np.abs(np.sin(x)).sum()


@pytest.mark.parametrize("f", [refuse, lose, cast, conjugate, modulus])
@pytest.mark.filterwarnings("ignore:Casting complex")
def test_a_function_that_is_not_to_be_trusted_with_complex_numbers_is_found_out(
    f: Any, rng: np.random.Generator
) -> None:
    x = rng.uniform(0.5, 1, 6)
    right = Derivative(f, x, rng)
    assert right.method == "central differences"
    error = np.abs(right.gradient() - np.cos(x)).max()
    assert error <= right.uncertainty < 1e-9


def test_differences_know_their_uncertainty(rng: np.random.Generator) -> None:
    for f, slope in ((np.sin, np.cos), (np.exp, np.exp), (np.tanh, lambda x: 1 - np.tanh(x) ** 2)):
        for point in rng.uniform(-3, 3, 50):
            x = np.array([point])
            value, uncertainty = differences(f, x, np.ones(1))
            assert abs(value[0] - slope(point)) <= uncertainty
            assert uncertainty < 1e-9 * max(1, abs(slope(point)))


def test_differences_avoid_a_kink_nearby() -> None:
    x = np.array([3e-4])
    value, uncertainty = differences(lambda x: np.abs(x) * np.exp(x), x, np.ones(1))
    assert abs(value[0] - np.exp(3e-4) * (1 + 3e-4)) <= uncertainty < 1e-6


def test_a_kink_nearby_does_not_discredit_the_complex_step(rng: np.random.Generator) -> None:
    x = np.array([1e-5, -1e-5, 0.3])
    right = Derivative(lambda x: np.where(x.real > 0, x * 3, 0).sum(), x, rng)
    assert right.method == "complex step"
    np.testing.assert_array_equal(right.gradient(), [3, 0, 3])


def test_differences_seldom_seem_surer_than_they_are_where_a_function_loses_digits() -> None:
    def cost(x: Any) -> float:
        return float(-np.log(1 - 1 / (1 + np.exp(-x[0]))))

    beyond = 0
    for z in np.linspace(6, 16, 200):
        value, uncertainty = differences(cost, np.array([z]), np.ones(1))
        beyond += abs(value - 1 / (1 + np.exp(-z))) > uncertainty
    assert beyond < 40
