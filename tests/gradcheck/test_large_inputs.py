"""What is asked of code at inputs of ±30 and ±1000, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import wrong_code
from checked import Dense, Layer, failed, row_of

from mnist_cli.gradcheck import check_functions, check_layer, check_loss
from mnist_cli.gradcheck.target import find


def test_a_right_derivative_may_have_lost_its_digits_where_a_function_saturates() -> None:
    for layer in (wrong_code.Tanh(), wrong_code.Sigmoid(), wrong_code.Softmax()):
        row = row_of(check_layer(layer), "large-inputs")
        assert row.passed
        assert row.max_relative_error is not None


def test_a_row_says_that_numbers_are_right_only_where_the_gradients_are() -> None:
    def tanh(self: Any, x: Any) -> Any:
        return np.tanh(x)

    right = Layer(tanh, lambda self, dout: dout * (1 - np.tanh(self.x) ** 2))
    assert row_of(check_layer(right), "large-inputs").formula == "finite and right at ±30, ±1000"
    wrong = Layer(tanh, lambda self, dout: dout * (1 - self.x**2))
    assert row_of(check_layer(wrong), "large-inputs").formula == "finite at ±30, ±1000"


def test_a_naive_softmax_fails() -> None:
    def forward(self: Any, x: Any) -> Any:
        e = np.exp(x)
        self.s = e / e.sum(axis=-1, keepdims=True)
        return self.s

    naive = Layer(
        forward, lambda self, dout: self.s * (dout - (dout * self.s).sum(axis=-1, keepdims=True))
    )
    assert failed(check_layer(naive)) == {"large inputs": "overflow"}


class SafeSoftmaxOfLogarithm:
    """Subtracts the maximum, and takes the logarithm of what may be rounded to 0."""

    def forward(self, z: Any, t: Any) -> Any:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.p, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.log((self.p * t).sum(axis=1)).mean()

    def backward(self) -> Any:
        return (self.p - self.t) / len(self.p)


@pytest.mark.parametrize("seed", range(8))
def test_a_logarithm_of_0_is_told_so_in_float32_too_and_not_to_subtract_the_maximum(
    seed: int,
) -> None:
    # With some seeds, the classes of the labels are likely at all inputs but those of float32.
    row = row_of(check_loss(SafeSoftmaxOfLogarithm(), seed=seed), "large-inputs")
    assert row.diagnosis is not None
    assert "a probability that is rounded to 0" in row.diagnosis.explanation
    assert "subtract the maximum" not in row.diagnosis.explanation


def test_what_has_to_be_infinite_passes_and_the_row_says_so() -> None:
    found = check_functions(np.exp, lambda x: np.exp(x))
    assert found.passed
    assert "infinite at ±1000, as it has to be" in row_of(found, "large-inputs").method


def test_a_logarithm_is_not_looked_at_where_it_is_not_defined() -> None:
    found = check_layer(wrong_code.Logarithm())
    assert found.passed
    assert "not finite at negative inputs" in row_of(found, "large-inputs").method


def test_a_loss_of_probabilities_is_looked_at_within_0_and_1_alone() -> None:
    class Entropy:
        def forward(self, p: Any, t: Any) -> Any:
            self.p, self.t = p, t
            return -(t * np.log(p)).sum() / len(p)

        def backward(self) -> Any:
            return -self.t / self.p / len(self.p)

    found = check_loss(Entropy())
    assert found.passed, str(found)
    assert "probabilities" in row_of(found, "large-inputs").formula


def test_the_log_of_a_rounded_0_is_told_apart_from_a_missing_maximum() -> None:
    class Rounded:
        def forward(self, x: Any, t: Any) -> Any:
            e = np.exp(x - x.max(axis=1, keepdims=True))
            self.p, self.t = e / e.sum(axis=1, keepdims=True), t
            return -(t * np.log(self.p)).sum() / len(x)

        def backward(self) -> Any:
            return (self.p - self.t) / len(self.t)

    with np.errstate(all="ignore"):
        found = check_loss(Rounded())
    assert failed(found) == {"large inputs": "overflow"}
    diagnosis = row_of(found, "large-inputs").diagnosis
    assert diagnosis is not None
    assert "logarithm" in diagnosis.explanation
    assert "Subtract the maximum" not in diagnosis.explanation


def test_a_large_input_that_raises_fails() -> None:
    def forward(self: Any, x: Any) -> Any:
        if np.abs(x).max() > 500:
            raise OverflowError("too large")
        return 3 * x

    found = check_layer(Layer(forward))
    assert failed(found) == {"large inputs": "overflow"}


def test_a_skipped_row_stays_in_the_report_and_does_not_count() -> None:
    naive = find(f"{wrong_code.__file__}:SoftmaxNaive").candidates[0].code.thing
    assert not check_layer(naive).passed
    for name in ("large-inputs",):
        found = check_layer(naive, skip=[name])
        assert found.passed
        assert row_of(found, "large-inputs").is_skipped
    found = check_layer(Dense(), skip=["to-W"])
    assert [row.is_skipped for row in found if row.name == "to W"] == [True]


def sigmoid_of(bounded: Callable[[Any], Any]) -> Layer:
    def forward(self: Any, x: Any) -> Any:
        self.s = 1 / (1 + np.exp(-bounded(x)))
        return self.s

    return Layer(forward, lambda self, dout: dout * self.s * (1 - self.s))


def test_a_clip_that_keeps_exp_finite_in_float64_alone_fails() -> None:
    found = check_layer(sigmoid_of(lambda x: np.clip(x, -600, 600)))
    assert failed(found) == {"large inputs": "overflow"}
    assert "clip" in str(found)


@pytest.mark.parametrize("bounded", [lambda x: x, lambda x: np.clip(x, -80, 80)])
def test_a_sigmoid_that_is_right_by_way_of_infinity_or_clipped_closely_passes(
    bounded: Callable[[Any], Any],
) -> None:
    assert check_layer(sigmoid_of(bounded)).passed


def test_a_loss_whose_own_rounding_takes_the_digits_is_not_wrong_far_from_0() -> None:
    def cost(theta: Any, X: Any, y: Any) -> Any:
        h = 1 / (1 + np.exp(-X @ theta))
        J = (-y @ np.log(h) - (1 - y) @ np.log(1 - h)) / y.size
        return J, (h - y) @ X / y.size

    for seed in range(3):
        assert check_functions(cost, seed=seed).passed


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("seed", range(3))
def test_the_logarithm_of_a_rounded_0_is_seen_with_few_classes(classes: int, seed: int) -> None:
    class Picked:
        """It takes the logarithm of the one probability that counts."""

        def forward(self, z: Any, t: Any) -> Any:
            e = np.exp(z - z.max(axis=1, keepdims=True))
            self.p, self.t = e / e.sum(axis=1, keepdims=True), t
            return -np.mean(np.log(np.sum(t * self.p, axis=1)))

        def backward(self) -> Any:
            return (self.p - self.t) / len(self.t)

    found = check_loss(Picked(), classes=classes, seed=seed)
    assert failed(found) == {"large inputs": "overflow"}


def looked_up(places: Any, W: Any) -> Any:
    return W[places], (places, W.shape)


def into_the_table(dout: Any, cache: Any) -> Any:
    places, shape = cache
    dW = np.zeros(shape)
    np.add.at(dW, places, dout)
    return dW


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_rows_of_a_table_that_are_looked_up_are_not_taken_for_classes(seed: int) -> None:
    assert check_functions(looked_up, into_the_table, seed=seed).passed


def test_a_derivative_that_is_wrong_between_ordinary_and_large_inputs_is_found() -> None:
    def slope(x: Any) -> Any:
        return np.tanh(x) + x * (1 - np.tanh(x) ** 2)

    def backward(self: Any, dout: Any) -> Any:
        is_between = (np.abs(self.x) > 10) & (np.abs(self.x) < 20)
        return dout * np.where(is_between, 0, slope(self.x))

    wrong = Layer(lambda self, x: x * np.tanh(x), backward)
    right = Layer(lambda self, x: x * np.tanh(x), lambda self, dout: dout * slope(self.x))
    assert failed(check_layer(wrong)) == {"large inputs": "wrong-far-from-zero"}
    assert check_layer(right).passed


class Clipped:
    """A cross-entropy that cuts probabilities off, whose backward is that of the loss without."""

    factor = 1.0

    def forward(self, x: Any, t: Any) -> Any:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.x, self.p, self.t = x, e / e.sum(axis=1, keepdims=True), t
        return -np.mean(np.sum(t * np.log(np.clip(self.p, 1e-7, 1)), axis=1))

    def backward(self) -> Any:
        far = np.abs(self.x).max(axis=1, keepdims=True) > 20
        return np.where(far, self.factor, 1) * (self.p - self.t) / len(self.t)


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_a_loss_that_is_cut_off_may_have_the_gradient_of_the_loss_without_the_cut(
    factor: float,
) -> None:
    loss = Clipped()
    loss.factor = factor
    checks = check_loss(loss)
    is_right = factor == 1
    assert failed(checks) == ({} if is_right else {"large inputs": "wrong-far-from-zero"})
    assert any("is cut off" in remark for remark in checks.remarks) == is_right
