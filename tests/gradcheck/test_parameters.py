"""Which arrays are parameters, wherever they are, and which are none."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from checked import Dense, failed, made

from mnist_cli.gradcheck import check, check_functions, check_layer


class BehindZeros:
    """A network whose last weights are zero at first, with dW1 four times too large."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.params = {"W1": rng.standard_normal((6, 5)), "W2": np.zeros((5, 3))}

    def loss(self, X: Any, y: Any) -> Any:
        W1, W2 = self.params["W1"], self.params["W2"]
        h = np.tanh(X @ W1)
        z = h @ W2
        d = z - np.eye(3)[y]
        dh = d @ W2.T * (1 - h**2)
        return 0.5 * (d**2).sum(), {"W1": 4 * X.T @ dh, "W2": h.T @ d}


def test_a_gradient_before_weights_of_zero_is_looked_at_with_others() -> None:
    failed = [row.name for row in check(BehindZeros(), classes=3) if not row.passed]
    assert failed == ["to W1"]


class ToldTwice:
    """Keeps the right dW, and returns another."""

    def __init__(self) -> None:
        self.W = np.random.default_rng(0).standard_normal((4, 3))

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W

    def backward(self, dout: Any) -> Any:
        self.dW = self.x.T @ dout
        return dout @ self.W.T, {"W": self.kept_wrong(), "other": 0}

    def kept_wrong(self) -> Any:
        return -self.dW


class KeptWrong(ToldTwice):
    """Returns the right dW, and keeps another."""

    def backward(self, dout: Any) -> Any:
        dW = self.x.T @ dout
        self.dW = 2 * dW
        return dout @ self.W.T, dW


@pytest.mark.parametrize("kind", [ToldTwice, KeptWrong])
def test_of_a_gradient_that_is_told_in_two_places_both_must_be_right(kind: type) -> None:
    rows = check_layer(kind())
    assert [row.name for row in rows if not row.passed] == ["to W"]


class OfTwoNames(Dense):
    """Keeps the right gradients, and another one to the bias under a second name."""

    def __init__(self, second: Any) -> None:
        super().__init__()
        self.second = second

    def backward(self, dout: Any) -> Any:
        dx = super().backward(dout)
        self.dbias, self.db = self.db, self.second(dout)
        return dx


@pytest.mark.parametrize(
    ("second", "diagnoses"),
    [
        (np.sum, {"to b": "bias-summed-to-one"}),
        (lambda dout: -dout.sum(axis=0), {"to b": "sign-flipped"}),
        (lambda dout: dout.sum(axis=0), {}),
        (lambda dout: np.zeros(3), {}),
    ],
    ids=["one-number", "of-the-other-sign", "the-same", "not-filled"],
)
def test_of_a_gradient_that_is_kept_under_two_names_both_must_be_right(
    second: Any, diagnoses: dict[str, str]
) -> None:
    assert failed(check_layer(OfTwoNames(second))) == diagnoses


class AsThoughTwice:
    """Has a gain called as the weights are, and keeps what an update moves besides."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.W, self.weights = rng.standard_normal((4, 4)), rng.standard_normal((4, 4))
        self.delta_W = np.zeros((4, 4))

    def forward(self, x: Any) -> Any:
        self.x = x
        return np.tanh(x @ self.W) @ self.weights

    def backward(self, dout: Any) -> Any:
        h = np.tanh(self.x @ self.W)
        dz = dout @ self.weights.T * (1 - h**2)
        self.dweights, self.dW = h.T @ dout, self.x.T @ dz
        self.delta_W = 0.9 * self.delta_W - 0.1 * self.dW
        return dz @ self.W.T


def test_the_gradient_to_another_array_and_an_update_are_no_second_gradient() -> None:
    assert failed(check_layer(AsThoughTwice())) == {}


class OfTheClass:
    W = np.random.default_rng(0).standard_normal((4, 3))

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W

    def backward(self, dout: Any) -> Any:
        return dout @ self.W.T


def test_weights_of_the_class_are_seen_and_left_as_they_are() -> None:
    before = OfTheClass.W.copy()
    rows = check_layer(OfTheClass)
    assert [row.name for row in rows if row.is_unchecked] == ["to W"]
    np.testing.assert_array_equal(OfTheClass.W, before)


class WithVelocity:
    def __init__(self) -> None:
        self.W = np.random.default_rng(0).standard_normal((4, 3))
        self.velocity = np.zeros((4, 3))

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W

    def backward(self, dout: Any, learning_rate: float) -> Any:
        dx = dout @ self.W.T
        self.velocity = 0.9 * self.velocity - learning_rate * self.x.T @ dout
        self.W = self.W + self.velocity
        return dx


def test_a_velocity_that_an_update_moves_is_no_parameter() -> None:
    rows = check_layer(WithVelocity())
    assert [row.name for row in rows if row.kind == "gradient"] == ["to x", "to W"]
    assert all(row.passed for row in rows)


@pytest.mark.parametrize("reg", [0.1, 2])
def test_a_regulariser_that_counts_twice_is_named_so_whatever_its_strength_is(reg: float) -> None:
    def ridge(W: Any, X: Any, y: Any, reg: Any) -> Any:
        d = X @ W - y
        return (d**2).sum() + reg * (W**2).sum(), 2 * X.T @ d + 4 * reg * W

    found = check_functions(ridge, arguments={"reg": reg})
    assert failed(found) == {"to W": "regulariser-twice"}


WITH_LISTS = """
class it:
    def __init__(self):
        self.W = [[0.1, 0.2], [0.3, 0.4], [0.5, -0.6]]
    def forward(self, x):
        self.x = x
        return x @ np.array(self.W)
    def backward(self, dout):
        {gradient}
        return dout @ np.array(self.W).T
"""


IN_MODULE = """
W = np.linspace(-1, 1, 12).reshape(4, 3)
class it:
    def forward(self, x):
        self.x = x
        return project(x)
    def backward(self, dout):
        {gradient}
        return dout @ W.T
def project(x):
    return x @ W
"""


IN_CLOSURE = """
def make():
    W = np.linspace(-1, 1, 12).reshape(4, 3)
    class Layer:
        def forward(self, x):
            self.x = x
            return x @ W
        def backward(self, dout):
            {gradient}
            return dout @ W.T
    return Layer
it = make()
"""


GRADIENTS = [
    ("pass", {"to W": "not-checked"}),
    ("self.dW = (7 * self.x.T @ dout).tolist()", {"to W": "constant-factor"}),
    ("self.dW = (self.x.T @ dout).tolist()", {}),
]


@pytest.mark.parametrize(("gradient", "outcome"), GRADIENTS)
@pytest.mark.parametrize("source", [WITH_LISTS, IN_MODULE, IN_CLOSURE])
def test_parameters_are_found_wherever_they_are(
    source: str, gradient: str, outcome: dict[str, str]
) -> None:
    assert failed(check(made(source.format(gradient=gradient)))) == outcome


def test_code_in_loops_over_lists_is_given_one_example() -> None:
    source = """
class it:
    def __init__(self):
        self.w = [[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]]
    def forward(self, x):
        self.x = x
        return np.array([sum(w * v for w, v in zip(row, x)) for row in self.w])
    def backward(self, dout):
        self.dw = [[d * v for v in self.x] for d in dout]
        return np.array([sum(self.w[j][i] * dout[j] for j in range(2)) for i in range(3)])
"""
    assert check(made(source)).passed


def test_what_a_function_sees_in_its_module_is_left_as_it_was() -> None:
    names: dict[str, Any] = {"np": np}
    exec("W = np.ones((4, 3))\ndef f(x): return x @ W\ndef df(dout, x): return dout @ W.T", names)
    W = names["W"]
    assert failed(check_functions(names["f"], names["df"])) == {"to W": "not-checked"}
    assert names["W"] is W
    assert np.array_equal(W, np.ones((4, 3)))
    assert check_functions(names["f"], names["df"], constants=["W"]).passed


def test_the_data_that_a_loss_sees_around_it_need_no_gradient() -> None:
    names: dict[str, Any] = {"np": np}
    source = """
X, y = np.random.default_rng(0).standard_normal((20, 4)), np.linspace(0, 1, 20)
def loss(w): return ((X @ w - y) ** 2).sum()
def loss_grad(w): return 2 * X.T @ (X @ w - y)
"""
    exec(source, names)
    found = check_functions(names["loss"], names["loss_grad"], shape=(4,))
    assert found.passed
    assert "not differentiated: X, y" in found.remarks


def test_a_parameter_that_forward_rewrites_is_told_as_that() -> None:
    class Normalised(Dense):
        def forward(self, x: Any) -> Any:
            self.W = self.W / np.linalg.norm(self.W)
            return super().forward(x)

    assert failed(check(Normalised)) == {
        "to W": "parameters-changed",
        "arguments kept": "parameters-changed",
    }


def test_private_parameters_have_private_gradients() -> None:
    source = """
class it:
    def __init__(self):
        self.__w = np.linspace(-1, 1, 12).reshape(4, 3)
    def forward(self, x):
        self.__x = x
        return x @ self.__w
    def backward(self, dout):
        self.__dw = self.__x.T @ dout
        return dout @ self.__w.T
"""
    assert check(made(source)).passed


def test_a_learning_rate_is_no_parameter() -> None:
    class Regression:
        def __init__(self) -> None:
            self.lr, self.w, self.b = 0.01, np.linspace(-1, 1, 4), 0.1

        def cost(self, X: Any, y: Any) -> Any:
            return np.mean((X @ self.w + self.b - y) ** 2)

        def grad(self, X: Any, y: Any) -> Any:
            error = X @ self.w + self.b - y
            return 2 * X.T @ error / len(y), 2 * error.mean()

    found = check(Regression)
    assert found.passed
    assert [row.name for row in found if row.kind == "gradient"] == ["to w", "to b"]


class InLists:
    """Three layers with their parameters in two lists, and the gradients in two more."""

    def __init__(self, names: tuple[str, str, str, str], factor: float = 1.0) -> None:
        rng = np.random.default_rng(0)
        self.names, self.factor = names, factor
        weights, biases, _, _ = names
        sizes = (4, 4, 5, 3)
        setattr(self, weights, [rng.standard_normal(s) for s in pairwise(sizes)])
        setattr(self, biases, [rng.standard_normal(n) for n in sizes[1:]])

    def forward(self, x: Any) -> Any:
        self.activations = [x]
        for W, b in zip(getattr(self, self.names[0]), getattr(self, self.names[1]), strict=True):
            self.activations.append(np.tanh(self.activations[-1] @ W + b))
        return self.activations[-1]

    def backward(self, dout: Any) -> Any:
        weights, _, dweights, dbiases = self.names
        dWs: list[Any] = []
        dbs: list[Any] = []
        for k in (2, 1, 0):
            dout = dout * (1 - self.activations[k + 1] ** 2)
            dWs.insert(0, self.activations[k].T @ dout)
            dbs.insert(0, self.factor * dout.sum(axis=0))
            dout = dout @ getattr(self, weights)[k].T
        setattr(self, dweights, dWs)
        setattr(self, dbiases, dbs)
        return dout


@pytest.mark.parametrize(
    "names",
    [
        ("Ws", "bs", "dWs", "dbs"),
        ("weights", "biases", "dweights", "dbiases"),
        ("weights", "biases", "dW", "db"),
        ("W", "b", "grads_W", "grads_b"),
    ],
)
def test_lists_of_parameters_have_their_gradients_in_the_lists_called_after_them(
    names: tuple[str, str, str, str],
) -> None:
    assert check(InLists(names)).passed
    wrong = failed(check(InLists(names, 2.0)))
    assert wrong == {f"to {names[1]}.{k}": "factor-two" for k in range(3)}


class InObjects:
    """Weights of several shapes in one array of objects."""

    def __init__(self, factor: float) -> None:
        rng = np.random.default_rng(0)
        self.W = np.empty(2, dtype=object)
        self.W[0], self.W[1] = rng.standard_normal((4, 5)), rng.standard_normal((5, 3))
        self.factor = factor

    def forward(self, x: Any) -> Any:
        self.x, self.h = x, np.tanh(x @ self.W[0])
        return self.h @ self.W[1]

    def backward(self, dout: Any) -> Any:
        dz = dout @ self.W[1].T * (1 - self.h**2)
        self.dW = np.array([self.factor * self.x.T @ dz, self.h.T @ dout], dtype=object)
        return dz @ self.W[0].T


def test_parameters_in_an_array_of_objects_are_compared() -> None:
    assert check(InObjects(1.0)).passed
    assert failed(check(InObjects(2.0))) == {"to W.0": "factor-two"}


class OfEachExample(Dense):
    """Gives the gradients of each example's own loss, which somebody sums later."""

    def backward(self, dout: Any) -> Any:
        self.dW, self.db = self.x[:, :, None] * dout[:, None, :], dout.copy()
        return dout @ self.W.T


class DoubledOfEachExample(OfEachExample):
    def backward(self, dout: Any) -> Any:
        dx = super().backward(dout)
        self.dW *= 2
        return dx


class ForgettingTheSum(Dense):
    def backward(self, dout: Any) -> Any:
        dx = super().backward(dout)
        self.db = dout.copy()
        return dx


class Shift:
    def __init__(self) -> None:
        self.b = np.random.default_rng(0).standard_normal(4)

    def forward(self, x: Any) -> Any:
        return x + self.b

    def backward(self, dout: Any) -> Any:
        self.db = dout.copy()
        return dout.copy()


def test_gradients_of_each_example_are_right_where_their_sum_is_and_a_remark_says_so() -> None:
    found = check(OfEachExample)
    assert found.passed
    assert any("a gradient for each example" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        (DoubledOfEachExample, ["to W", "to b"]),
        (ForgettingTheSum, ["to b"]),
        (Shift, ["to b"]),
    ],
)
def test_a_forgotten_sum_is_no_gradient_of_each_example(kind: type, rows: list[str]) -> None:
    assert list(failed(check(kind))) == rows


class WithoutBias(Dense):
    """Has a bias that it does not use, and gives a gradient to it all the same."""

    def __init__(self, *, use_bias: bool = False) -> None:
        super().__init__()
        self.use_bias = use_bias

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + (self.b if self.use_bias else 0)


class ForgettingTheBias(Dense):
    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W


def test_a_bias_that_a_layer_is_told_to_leave_out_needs_no_gradient() -> None:
    assert check(WithoutBias).passed
    assert check(WithoutBias(use_bias=True)).passed


def test_a_bias_that_forward_forgets_is_still_wrong() -> None:
    assert list(failed(check(ForgettingTheBias))) == ["to b"]


@pytest.mark.parametrize("name", ["seed", "rng", "keep_prob", "weight_decay", "learning_rate"])
@pytest.mark.parametrize("factor", [1, 2])
def test_a_constructor_is_given_what_the_names_of_its_arguments_tell(
    name: str, factor: int
) -> None:
    class Made:
        def __init__(self, n_in: int, n_out: int, more: Any) -> None:
            self.more = more
            self.W = np.random.default_rng(0).standard_normal((n_in, n_out))

        def forward(self, x: Any) -> Any:
            self.x = x
            return x @ self.W

        def backward(self, dout: Any) -> Any:
            self.dW = factor * self.x.T @ dout
            return dout @ self.W.T

    made: Any = Made
    source = f"def make(self, n_in, n_out, {name}): original(self, n_in, n_out, {name})"
    names: dict[str, Any] = {"original": made.__init__}
    exec(source, names)
    made.__init__ = names["make"]
    assert failed(check(made)) == ({} if factor == 1 else {"to W": "factor-two"})
