from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mnist_cli.nn import optimizers
from mnist_cli.nn.layers import Array
from mnist_cli.nn.optimizers import SGD, Adam, Muon, Optimizer, orthogonalized


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


SHAPE = (40, 6)


def make(name: str, w: Array) -> Optimizer:
    made: dict[str, Optimizer] = {"sgd": SGD(w), "adam": Adam(w), "muon": Muon(w, SHAPE)}
    return made[name]


def descend(name: str, steps: int) -> tuple[Array, Optimizer]:
    """Train weights of which every other one gets a gradient in the first steps alone."""
    rng = np.random.default_rng(6)
    w = rng.standard_normal(SHAPE[0] * SHAPE[1] + 10).astype("f4")
    optimizer = make(name, w)
    for step in range(steps):
        g = rng.standard_normal(len(w)).astype("f4")
        g[::2] *= step < 5
        optimizer.step(w, g, 1e-3)
    return w, optimizer


@pytest.mark.parametrize("name", ["sgd", "adam", "muon"])
def test_what_fades_ends_at_zero_and_never_among_denormal_numbers(name: str) -> None:
    """With these, a step would take many times as long."""
    _, optimizer = descend(name, 1500)
    faded = optimizer.memory["m" if name == "adam" else "v"]
    assert (faded[::2] == 0).all()
    assert (faded[1::2] != 0).all()


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_that_it_ends_at_zero_changes_no_bit_of_a_weight(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, _ = descend(name, 1500)
    monkeypatch.setattr(optimizers, "forget_faded", lambda memory: None)
    fading, optimizer = descend(name, 1500)
    assert weights.tobytes() == fading.tobytes()
    faded = abs(optimizer.memory["m" if name == "adam" else "v"][::2])
    assert (faded < np.finfo("f4").tiny).all()
    assert (faded > 0).any(), "denormal numbers, which 0.9 does not make smaller"


def test_orthogonalized_keeps_the_directions_and_makes_all_about_as_large(
    rng: np.random.Generator,
) -> None:
    U, _ = np.linalg.qr(rng.standard_normal((50, 6)))
    R, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    for scale in (1e-12, 1.0, 1e12):
        V = scale * U @ np.diag([1, 0.7, 0.3, 0.1, 0.05, 0.03]) @ R.T
        sizes = U.T @ orthogonalized(V) @ R
        assert (abs(np.diag(sizes) - 1) < 0.35).all()
        np.testing.assert_allclose(sizes, np.diag(np.diag(sizes)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_orthogonalized_of_nothing_is_nothing(dtype: type[np.floating]) -> None:
    result = orthogonalized(np.zeros((5, 3), dtype))
    assert result.dtype == dtype
    assert not result.any()


def test_muon_orthogonalizes_what_is_taken_from_w1_in_blocks_and_else_is_sgd(
    rng: np.random.Generator,
) -> None:
    shape = (80, Muon.columns + 5)
    count = 80 * shape[1]
    w = rng.standard_normal(count + 7)
    expected = w.copy()
    optimizer = Muon(w, shape, momentum=0.5, weight_decay=0.2)
    v = np.zeros_like(w)
    for _ in range(3):
        g = rng.standard_normal(len(w))
        optimizer.step(w, g, 0.1)
        v = 0.5 * v + g
        expected *= 1 - 0.1 * 0.2
        expected[count:] -= 0.1 * v[count:]
        W1, V = expected[:count].reshape(shape), v[:count].reshape(shape)
        for block in np.s_[:, : Muon.columns], np.s_[:, Muon.columns :]:
            W1[block] -= 0.1 / 3 * orthogonalized(V[block])
    np.testing.assert_allclose(w, expected, rtol=1e-12)


def small_muon(w: Array, momentum: float, weight_decay: float) -> Muon:
    return Muon(w, (1, 1), momentum, weight_decay)


KINDS: list[Callable[[Array, float, float], Optimizer]] = [SGD, Adam, small_muon]


@pytest.mark.parametrize("kind", KINDS)
def test_weight_decay_is_the_same_whatever_the_gradient(
    kind: Callable[[Array, float, float], Optimizer],
) -> None:
    w = np.array([1.0, -2.0])
    optimizer = kind(w, 0.9, 0.5)
    optimizer.step(w, np.zeros(2), 0.1)
    np.testing.assert_allclose(w, [0.95, -1.9])


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_changes_the_vector_in_place_and_keeps_its_dtype(
    kind: Callable[[Array, float, float], Optimizer],
) -> None:
    vector = np.ones(4, np.float32)
    view = vector[1:3]
    kind(vector, 0.9, 0.1).step(vector, np.ones(4, np.float32), 0.1)
    assert vector.dtype == np.float32
    assert (view < 1).all()
