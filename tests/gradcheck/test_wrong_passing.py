"""The ways in which what is wrong has once passed: each is found.

Way 5, that our own layers' side effects were dropped, is in test_own_formulas.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checked import Layer, failed, made, row_of

from mnist_cli.gradcheck import check, check_functions, check_layer


class NetworkWithItsLoss:
    def __init__(self, factor: float) -> None:
        rng = np.random.default_rng(0)
        self.W1, self.W2 = rng.standard_normal((4, 5)), rng.standard_normal((5, 3))
        self.factor = factor

    def forward(self, X: Any, t: Any) -> Any:
        self.X, self.h = X, np.tanh(X @ self.W1)
        self.d = self.h @ self.W2 - t
        return (self.d**2).mean()

    def backward(self) -> Any:
        dz = 2 * self.d / self.d.size
        self.dW2 = self.h.T @ dz
        dh = dz @ self.W2.T * (1 - self.h**2)
        self.dW1 = self.factor * self.X.T @ dh
        return dh @ self.W1.T


class CentreLoss:
    def __init__(self, sign: float) -> None:
        self.centres = np.random.default_rng(0).standard_normal((3, 4))
        self.sign = sign

    def forward(self, x: Any, t: Any) -> Any:
        self.t, self.d = t, x - self.centres[t]
        return (self.d**2).sum() / len(x)

    def backward(self) -> Any:
        dx = 2 * self.d / len(self.d)
        self.dcentres = np.zeros(self.centres.shape)
        np.add.at(self.dcentres, self.t, self.sign * dx)
        return dx


def test_wrong_passing_1_the_parameters_of_a_network_with_its_loss_are_compared() -> None:
    assert check(NetworkWithItsLoss(1.0)).passed
    found = check(NetworkWithItsLoss(7.0))
    assert list(failed(found)) == ["to W1"]


def test_wrong_passing_1_the_parameters_of_a_loss_are_compared() -> None:
    assert check(CentreLoss(-1.0), classes=3).passed
    assert failed(check(CentreLoss(1.0), classes=3)) == {"to centres": "sign-flipped"}


WEIGHTS = {
    "objects with a value and a gradient": """
class Parameter:
    def __init__(self, value): self.value, self.grad = value, np.zeros_like(value)
class it:
    def __init__(self): self.W = Parameter(np.random.default_rng(1).standard_normal((4, 3)))
    def forward(self, x):
        self.x = x
        return x @ self.W.value
    def backward(self, dout):
        self.W.grad = FACTOR * self.x.T @ dout
        return dout @ self.W.value.T
""",
    "dictionaries of parameters and gradients": """
class it:
    def __init__(self):
        self.parameters = {"W": np.random.default_rng(1).standard_normal((4, 3))}
        self.gradients = {}
    def forward(self, x):
        self.x = x
        return x @ self.parameters["W"]
    def backward(self, dout):
        self.gradients["W"] = FACTOR * self.x.T @ dout
        return dout @ self.parameters["W"].T
""",
    "made at the first forward": """
class it:
    W = None
    def forward(self, x):
        if self.W is None: self.W = np.random.default_rng(1).standard_normal((x.shape[1], 3))
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = FACTOR * self.x.T @ dout
        return dout @ self.W.T
""",
} | {
    f"called {weights} and {gradient}": f"""
class it:
    def __init__(self): self.{weights} = np.random.default_rng(1).standard_normal((4, 3))
    def forward(self, x):
        self.x = x
        return x @ self.{weights}
    def backward(self, dout):
        self.{gradient} = FACTOR * self.x.T @ dout
        return dout @ self.{weights}.T
"""
    for weights, gradient in (
        *(("W", "dLdW"), ("W", "gradW"), ("W", "dw"), ("w", "w_grad"), ("W", "grad_W")),
        *(("weights", "d_weights"), ("weights", "weights_gradient"), ("W", "W_gradient")),
        ("kernel", "something_else"),
    )
}


@pytest.mark.parametrize("how", WEIGHTS)
def test_wrong_passing_2_weights_are_compared_or_said_not_to_be_wherever_they_are(
    how: str,
) -> None:
    right = check(made(WEIGHTS[how].replace("FACTOR", "1")))
    wrong = check(made(WEIGHTS[how].replace("FACTOR", "7")))
    assert not wrong.passed
    if how == "called kernel and something_else":
        assert failed(right) == failed(wrong) == {"to kernel": "not-checked"}
    else:
        assert right.passed, str(right)
        assert list(failed(wrong).values()) == ["constant-factor"]


@pytest.mark.parametrize("number", [5, 6])
def test_wrong_passing_3_a_batch_size_written_as_a_number_is_found(number: int) -> None:
    def centre(self: Any, x: Any) -> Any:
        return x - x.mean(axis=0)

    def backward(self: Any, dout: Any) -> Any:
        return dout - dout.sum(axis=0) / number

    assert not check_layer(Layer(centre, backward)).passed
    # Also where the shape that is asked for has just that number of rows.
    found = check_layer(Layer(centre, backward), shape=(number, 4))
    assert failed(found) == {"batch sizes": "batch-size-fixed"}


def test_wrong_passing_3_a_gradient_that_is_zero_for_one_example_is_found() -> None:
    double = Layer(backward=lambda self, dout: 3 * dout * (len(dout) > 1))
    assert failed(check_layer(double)) == {"batch sizes": "zero-for-one-example"}


def test_wrong_passing_4_a_dout_that_is_clipped_is_found() -> None:
    clipped = Layer(backward=lambda self, dout: 3 * np.clip(dout, -50, 50))
    found = check_layer(clipped)
    assert failed(found) == {"linear in dout": "clipped"}
    diagnosis = row_of(found, "linear-in-dout").diagnosis
    assert diagnosis is not None
    assert "±50" in diagnosis.explanation


def test_wrong_passing_4_a_derivative_that_is_wrong_far_from_0_is_found() -> None:
    flat = Layer(
        lambda self, x: np.logaddexp(0, x),
        lambda self, dout: np.where(np.abs(self.x) > 20, 0, dout / (1 + np.exp(-self.x))),
    )
    with np.errstate(over="ignore"):
        assert failed(check_layer(flat)) == {"large inputs": "wrong-far-from-zero"}


def test_wrong_passing_4_an_exp_that_is_infinite_in_float32_is_found() -> None:
    def forward(self: Any, x: Any) -> Any:
        e = np.exp(np.clip(x, -600, 600))
        self.s = e / e.sum(axis=-1, keepdims=True)
        return self.s

    def backward(self: Any, dout: Any) -> Any:
        return self.s * (dout - (dout * self.s).sum(axis=-1, keepdims=True))

    found = check_layer(Layer(forward, backward))
    assert set(failed(found)) == {"large inputs"}


def test_wrong_passing_4_a_strided_dout_that_raises_is_found() -> None:
    def backward(self: Any, dout: Any) -> Any:
        return 3 * dout.view(np.uint8).view(np.float64)

    found = check_layer(Layer(backward=backward))
    assert failed(found) == {"strided dout": "strided-dout-refused"}


def product(a: Any, b: Any) -> Any:
    return a * b, (a, b)


def product_swapped(dout: Any, cache: Any) -> Any:
    a, b = cache
    return dout * a, dout * b


class ProductSwapped:
    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.y = x, y
        return x * y

    def backward(self, dout: Any) -> Any:
        return dout * self.x, dout * self.y


class TwoWeightsSwapped:
    """The names tell which is which; the numbers are not taken for another order."""

    def __init__(self) -> None:
        self.W1, self.W2 = np.random.default_rng(0).standard_normal((2, 4, 4))

    def forward(self, x: Any) -> Any:
        self.x, self.h = x, np.tanh(x @ self.W1)
        return self.h @ self.W2

    def backward(self, dout: Any) -> Any:
        dh = dout @ self.W2.T * (1 - self.h**2)
        dx, dW2, dW1 = dh @ self.W1.T, self.x.T @ dh, self.h.T @ dout
        return dx, dW1, dW2


class TwoWeightsByName(TwoWeightsSwapped):
    """The other way round, and right."""

    def backward(self, dout: Any) -> Any:
        dx, dW2, dW1 = super().backward(dout)
        return dx, dW2, dW1


def test_the_gradients_to_two_arguments_of_one_shape_have_the_order_of_these() -> None:
    swapped = "gradients-swapped"
    assert failed(check_layer(ProductSwapped())) == {"to x": swapped, "to y": swapped}
    found = check_functions(product, product_swapped)
    assert failed(found) == {"to a": swapped, "to b": swapped}


def difference(a: Any, b: Any) -> tuple[Any, None]:
    return a - b, None


def test_the_swapped_gradients_of_a_difference_are_told_from_a_missing_sign() -> None:
    def swapped(dout: Any, cache: None) -> Any:
        return -dout, dout.copy()

    def without_sign(dout: Any, cache: None) -> Any:
        return dout.copy(), dout.copy()

    names = {"to a": "gradients-swapped", "to b": "gradients-swapped"}
    assert failed(check_functions(difference, swapped)) == names
    assert failed(check_functions(difference, without_sign)) == {"to b": "not-differentiated"}


def test_a_forgotten_scale_that_has_a_gradient_is_no_update_of_it() -> None:
    class Scaled:
        def __init__(self) -> None:
            self.scale = 1.0

        def forward(self, x: Any) -> Any:
            self.out = np.tanh(x)
            return self.scale * self.out

        def backward(self, dout: Any) -> Any:
            self.dscale = (dout * self.out).sum()
            return dout * (1 - self.out**2)

    assert failed(check_layer(Scaled())) == {"to x": "constant-factor"}


class StateFirst:
    """Returns the gradient to its second argument first, by its name, and right."""

    def forward(self, x: Any, h: Any) -> Any:
        self.x, self.h = x, h
        return x * h**2

    def backward(self, dout: Any) -> Any:
        dx, dh = dout * self.h**2, 2 * dout * self.x * self.h
        return dh, dx


class StateFirstSwapped(StateFirst):
    """Calls each by the name of the other."""

    def backward(self, dout: Any) -> Any:
        dx, dh = super().backward(dout)
        return dx, dh


def test_gradients_to_arguments_that_are_returned_by_their_names_are_those_of_the_names() -> None:
    swapped = "gradients-swapped"
    assert failed(check_layer(StateFirst())) == {}
    assert failed(check_layer(StateFirstSwapped())) == {"to x": swapped, "to h": swapped}


def test_gradients_to_weights_that_are_returned_by_their_names_are_those_of_the_names() -> None:
    assert failed(check_layer(TwoWeightsSwapped())) == {
        "to W1": "gradients-swapped",
        "to W2": "gradients-swapped",
    }
    assert failed(check_layer(TwoWeightsByName())) == {}
