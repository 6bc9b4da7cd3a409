from __future__ import annotations

import numpy as np
import pytest

from mnist_cli.nn.optimizers import SGD, Adam, Optimizer


def test_sgd_without_momentum_goes_down_the_gradient() -> None:
    w = np.array([1.0, 2.0])
    SGD(w, momentum=0).step(w, np.array([10.0, -20.0]), 0.1)
    np.testing.assert_allclose(w, [0, 4])


def test_sgd_gathers_speed() -> None:
    w, g = np.zeros(1), np.ones(1)
    optimizer = SGD(w, momentum=0.5)
    for velocity_sum in (1, 1 + 1.5, 1 + 1.5 + 1.75):
        optimizer.step(w, g, 0.1)
        np.testing.assert_allclose(w, -0.1 * velocity_sum)


def test_the_first_step_of_adam_is_the_learning_rate_whatever_the_gradient() -> None:
    w = np.zeros(3)
    Adam(w).step(w, np.array([1e-3, -5.0, 1e4]), 0.01)
    np.testing.assert_allclose(w, [-0.01, 0.01, -0.01], rtol=1e-4)


def test_adam_follows_its_formula(rng: np.random.Generator) -> None:
    w = expected = np.zeros(4)
    w = w.copy()
    optimizer = Adam(w, beta1=0.8)
    m = v = np.zeros(4)
    for t in range(1, 6):
        g = rng.standard_normal(4)
        optimizer.step(w, g, 0.1)
        m, v = 0.8 * m + 0.2 * g, 0.999 * v + 0.001 * g**2
        expected = expected - 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(w, expected, rtol=1e-10)


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_weight_decay_is_the_same_whatever_the_gradient(kind: type[SGD] | type[Adam]) -> None:
    w = np.array([1.0, -2.0])
    optimizer: Optimizer = kind(w, 0.9, weight_decay=0.5)
    optimizer.step(w, np.zeros(2), 0.1)
    np.testing.assert_allclose(w, [0.95, -1.9])


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_step_changes_the_vector_in_place_and_keeps_its_dtype(
    kind: type[SGD] | type[Adam],
) -> None:
    vector = np.ones(4, np.float32)
    view = vector[1:3]
    kind(vector, 0.9, 0.1).step(vector, np.ones(4, np.float32), 0.1)
    assert vector.dtype == np.float32
    assert (view < 1).all()
