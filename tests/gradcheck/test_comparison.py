from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mnist_cli.gradcheck.comparison import (
    DIRECTIONS,
    EACH_ELEMENT,
    Comparison,
    compare,
    compare_gradient,
    relative_errors,
)
from mnist_cli.gradcheck.diagnosis import diagnose_comparison
from mnist_cli.gradcheck.result import Check

TOLERANCE = 1e-10


def squares(x: Any) -> Any:
    return (x * x).sum()


def rectified(x: Any) -> Any:
    return np.where(x.real > 0, x, 0).sum()


def largest(x: Any) -> Any:
    return np.max(x, axis=1).sum()


def named(found: Comparison) -> str:
    return diagnose_comparison(found, batch_size=8).name


def test_the_error_is_relative_to_the_entry_or_to_the_mean_of_all() -> None:
    exact = np.array([1.0, 3.0, 1e-9])
    for entry, off, expected in ((0, 0.1, 0.1 / (4 / 3)), (1, 0.3, 0.1), (2, 1e-9, 0.75e-9)):
        computed = exact.copy()
        computed[entry] += off
        assert relative_errors(computed, exact).max() == pytest.approx(expected, rel=1e-6)
    assert relative_errors(np.zeros(3), np.zeros(3)).max() == 0
    assert relative_errors(np.ones(3), np.zeros(3)).max() == 1


def test_small_gradients_are_compared_entry_by_entry(rng: np.random.Generator) -> None:
    x = rng.standard_normal(EACH_ELEMENT)
    found = compare_gradient(2 * x, squares, x, TOLERANCE, rng)
    assert found.passed
    assert found.method == "complex step"
    assert found.elements == EACH_ELEMENT


@pytest.mark.long
@pytest.mark.parametrize("shape", [(100_000,), (784, 128)])
@pytest.mark.parametrize("off", [1e-9, 1e-3])
def test_a_single_wrong_entry_among_many_is_seen_and_found(
    shape: tuple[int, ...], off: float
) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(shape)
        computed = 2 * x
        position = tuple(int(rng.integers(length)) for length in shape)
        computed[position] += off * np.abs(computed).mean()
        found = compare_gradient(computed, squares, x, TOLERANCE, rng)
        assert found.method == f"complex step, {DIRECTIONS} directions"
        assert not found.passed
        assert found.error == pytest.approx(off, rel=0.1)
        assert [entry.index for entry in found.worst] == [position]
        assert named(found) == "single-entry"


def test_what_is_wrong_with_a_large_gradient_is_named(rng: np.random.Generator) -> None:
    x = rng.standard_normal((60, 40))
    assert x.size > EACH_ELEMENT
    wrong_row, wrong_column = 2 * x, 2 * x
    wrong_row[7] *= 2
    wrong_column[:, 5] = 0
    for computed, name in (
        (16 * x, "batch-size-missing"),
        (-2 * x, "sign-flipped"),
        (wrong_row, "wrong-rows"),
        (wrong_column, "wrong-columns"),
        (np.zeros_like(x), "gradient-missing"),
        (2 * x.T, "transposed"),
    ):
        found = compare_gradient(computed, squares, x, TOLERANCE, rng)
        assert not found.passed
        assert named(found) == name


@pytest.mark.parametrize("size", [30, 3000])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_is_wrong(wrong: float, size: int, rng: np.random.Generator) -> None:
    x = rng.standard_normal(size)
    computed = 2 * x
    computed[3] = wrong
    found = compare_gradient(computed, squares, x, TOLERANCE, rng)
    assert found.error == np.inf
    assert not found.passed
    assert found.worst[0].index == (3,)


@pytest.mark.parametrize("size", [4, 4000])
def test_a_gradient_of_another_shape_is_wrong(size: int, rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, size))
    assert not compare_gradient(2 * x.T, squares, x, TOLERANCE, rng).passed


def test_at_a_kink_any_number_between_the_two_sides_is_right(rng: np.random.Generator) -> None:
    x = np.array([1.0, 0.0, -2.0, 0.0])
    for at_kink, right in ((0, True), (0.5, True), (1, True), (1.1, False), (-0.1, False)):
        computed = np.array([1, at_kink, 0, 0])
        found = compare_gradient(computed, rectified, x, TOLERANCE, rng)
        assert found.passed == right, at_kink
    assert not compare_gradient(np.array([0, 0, 0, 0]), rectified, x, TOLERANCE, rng).passed


@pytest.mark.parametrize("size", [100, 2500])
def test_a_few_kinks_are_found_among_many_wrong_entries(
    size: int, rng: np.random.Generator
) -> None:
    x = rng.standard_normal(size)
    kinks = rng.choice(size, 5, replace=False)
    x[kinks] = 0
    computed = 2.0 * (x > 0)
    computed[kinks] = [0, 0.5, 1, 1.1, -0.1]
    found = compare_gradient(computed, rectified, x, TOLERANCE, rng)
    assert not found.passed
    assert found.wrong[kinks].tolist() == [False, False, False, True, True]
    assert np.array_equal(np.delete(found.wrong, kinks), np.delete(x > 0, kinks))


def test_a_tie_of_two_maxima_is_a_kink(rng: np.random.Generator) -> None:
    x = np.array([[3.0, 3.0, 1.0]])
    for computed in ([[1, 0, 0]], [[0, 1, 0]], [[0.5, 0.5, 0]]):
        assert compare_gradient(np.array(computed), largest, x, TOLERANCE, rng).passed
    wrong = np.array([[0, 0, 1]])
    assert not compare_gradient(wrong, largest, x, TOLERANCE, rng).passed


def test_differences_are_not_asked_for_more_than_they_can_give(rng: np.random.Generator) -> None:
    x = rng.uniform(0.5, 2, 20)

    def f(x: Any) -> Any:
        return np.logaddexp(0, x).sum()

    right = 1 / (1 + np.exp(-x))
    found = compare_gradient(right, f, x, 1e-16, rng)
    assert found.passed
    assert found.method.startswith("central differences, to ")
    assert not compare_gradient(right * (1 + 1e-6), f, x, 1e-16, rng).passed


def test_the_worst_entries_are_shown_with_what_is_right() -> None:
    exact = np.arange(1.0, 9.0).reshape(2, 4)
    computed = exact.copy()
    computed[1, 2], computed[0, 1] = 14, 2.2
    found = compare(computed, exact, TOLERANCE)
    assert [entry.index for entry in found.worst] == [(1, 2), (0, 1)]
    assert (found.worst[0].computed, found.worst[0].exact, found.worst[0].ratio) == (14, 7, 2)
    row = Check("", "", "", 8, found.error, False, worst=found.worst)
    assert row.as_dict()["worst"][0] == {
        "index": (1, 2),
        "computed": 14.0,
        "exact": 7.0,
        "ratio": 2.0,
    }
