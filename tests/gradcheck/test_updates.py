"""Backwards that update the parameters themselves, and what they are given for that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checked import failed

from mnist_cli.gradcheck import assert_gradients, check
from mnist_cli.gradcheck.user_code import UserCodeError


class Dense:
    """A layer that updates itself, however its backward is called."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.W, self.b = rng.standard_normal((4, 3)), rng.standard_normal((1, 3))

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def step(self, dout: Any, rate: Any) -> Any:
        back = dout @ self.W.T
        self.W = self.W - rate * (self.x.T @ dout)
        self.b = self.b - rate * dout.sum(axis=0, keepdims=True)
        return back


class Paced(Dense):
    def backward(self, dout: Any, calm: Any, pace: Any) -> Any:
        return self.step(dout, pace / calm)


class PacedBoth(Dense):
    """Moves by what is in proportion to neither of its numbers."""

    def backward(self, dout: Any, one: Any, other: Any) -> Any:
        return self.step(dout, one + other)


class Remembering(Dense):
    def backward(self, dout: Any, lr: Any, momentum: Any, weight_decay: Any) -> Any:
        W = self.W
        back = self.step(dout, lr)
        self.W = self.W - lr * weight_decay * W + momentum * W
        return back


class OwnPace(Dense):
    def __init__(self) -> None:
        super().__init__()
        self.mu = 0.125

    def backward(self, dout: Any) -> Any:
        return self.step(dout, self.mu)


class Asking(Dense):
    def backward(self, dout: Any, optimizer: Any) -> Any:
        return self.step(dout, optimizer.learning_rate)


class Handing(Dense):
    def backward(self, dout: Any, optimizer: Any) -> Any:
        back = dout @ self.W.T
        optimizer.step([("W", self.W, self.x.T @ dout), (self.b, dout.sum(axis=0, keepdims=True))])
        return back


class HandingNames(Dense):
    def backward(self, dout: Any, optimizer: Any) -> Any:
        back = dout @ self.W.T
        gradients = {"W": self.x.T @ dout, "b": dout.sum(axis=0, keepdims=True)}
        optimizer.update({"W": self.W, "b": self.b}, gradients)
        return back


class HandingLists(Dense):
    def backward(self, dout: Any, optimizer: Any) -> Any:
        back = dout @ self.W.T
        optimizer.update([self.W, self.b], [self.x.T @ dout, dout.sum(axis=0, keepdims=True)])
        return back


class HandingGradientsFirst(Dense):
    def backward(self, dout: Any, optimizer: Any) -> Any:
        back = dout @ self.W.T
        self.W = optimizer.update(self.x.T @ dout, self.W)
        self.b = optimizer.update(dout.sum(axis=0, keepdims=True), self.b)
        return back


HANDING = [Handing, HandingNames, HandingLists, HandingGradientsFirst]


@pytest.mark.parametrize("kind", [Paced, Remembering, OwnPace, Asking, *HANDING])
def test_what_an_update_moves_is_the_gradient_whatever_it_is_given(kind: type[Dense]) -> None:
    report = check(kind())
    assert all(row.passed for row in report)
    assert {"x", "W", "b"} <= {row.argument for row in report}


@pytest.mark.parametrize("kind", [Paced, Remembering, OwnPace, Asking])
def test_the_row_says_how_exact_the_difference_is(kind: type[Dense]) -> None:
    (row,) = [each for each in check(kind()) if each.argument == "W"]
    assert "by what the update moved, exact to " in row.method
    exact = float(row.method.rpartition(" ")[2])
    assert 1e-18 < exact < 1e-13


@pytest.mark.parametrize("kind", [Paced, Remembering, OwnPace, Asking])
def test_an_update_that_is_wrong_is_found_whatever_it_is_given(kind: type[Dense]) -> None:
    class Wrong(kind):  # type: ignore[misc, valid-type]
        def step(self, dout: Any, rate: Any) -> Any:
            before: Any = self.W
            back = super().step(dout, rate)
            self.W: Any = before + 3 * (self.W - before)
            return back

    (row,) = [each for each in check(Wrong()) if each.argument == "W"]
    assert not row.passed
    assert row.diagnosis is not None
    assert row.diagnosis.name == "constant-factor"


def test_a_move_in_proportion_to_no_number_is_not_taken_for_a_gradient() -> None:
    with pytest.raises((AssertionError, UserCodeError)):
        assert_gradients(PacedBoth())


class Row(Dense):
    """The gradient to a bias (1, 3) is (3,)."""

    def backward(self, dout: Any) -> Any:
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


def test_the_gradient_to_a_row_may_be_a_vector_as_what_it_is_taken_from_stays_a_row() -> None:
    assert_gradients(Row())


class Adam:
    """A dense layer with an optimiser of its own written out in backward."""

    def __init__(self, lr: float = 0.01) -> None:
        self.W = np.random.default_rng(0).standard_normal((4, 3))
        self.m, self.v, self.lr = np.zeros((4, 3)), np.zeros((4, 3)), lr

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W

    def backward(self, dout: Any) -> Any:
        dx, dW = dout @ self.W.T, self.x.T @ dout
        self.keep(dW)
        self.m, self.v = 0.9 * self.m + 0.1 * dW, 0.999 * self.v + 0.001 * dW**2
        self.W = self.W - self.lr * (self.m / 0.1) / (np.sqrt(self.v / 0.001) + 1e-8)
        return dx

    def keep(self, dW: Any) -> None:
        pass


class AdamKeeping(Adam):
    """It keeps the gradient as well."""

    factor = 1

    def keep(self, dW: Any) -> None:
        self.dW = self.factor * dW


class AdamKeepingDouble(AdamKeeping):
    factor = 2


def test_steps_that_are_as_long_for_any_gradient_are_not_taken_for_it() -> None:
    found = check(Adam)
    assert failed(found) == {"to W": "not-checked"}
    assert any("as Adam does" in remark for remark in found.remarks)


def test_a_gradient_that_is_kept_beside_such_steps_is_compared() -> None:
    assert check(AdamKeeping).passed
    assert failed(check(AdamKeepingDouble)) == {"to W": "factor-two"}


def test_a_layer_may_keep_its_gradient_and_move_by_it() -> None:
    class Keeping:
        def __init__(self, lr: float = 0.1) -> None:
            self.W, self.lr = np.random.default_rng(0).standard_normal((4, 3)), lr

        def forward(self, x: Any) -> Any:
            self.x = x
            return x @ self.W

        def backward(self, dout: Any) -> Any:
            self.dW, dx = self.x.T @ dout, dout @ self.W.T
            self.W = self.W - self.lr * self.dW
            return dx

    assert check(Keeping).passed
