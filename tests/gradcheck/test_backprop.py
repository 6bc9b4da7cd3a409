"""Whole networks that go back from the labels: which loss they are of, and what is compared."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest

from mnist_cli.gradcheck.adapters import backprop
from mnist_cli.gradcheck.adapters.backprop import NetworkOperation
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError

COLUMN = """
import numpy as np

def squash(z):
    return 1 / (1 + np.exp(-z))

class Squares:
    def fn(a, y):
        return 0.5 * np.sum((a - y) ** 2)

    def slope(a, y):
        return a - y

class Net:
    def __init__(self, sizes):
        self.cost = Squares
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for w, b in zip(self.weights, self.biases):
            a = squash(w @ a + b)
        return a

    def output_error(self, a, y):
        return self.cost.slope(a, y) * a * (1 - a)

    def backprop(self, x, y):
        seen = [x]
        for w, b in zip(self.weights, self.biases):
            seen.append(squash(w @ seen[-1] + b))
        error = self.output_error(seen.pop(), y)
        to_b, to_w = [], []
        for w in reversed(self.weights):
            a = seen.pop()
            to_b.insert(0, error)
            to_w.insert(0, error @ a.T)
            error = w.T @ error * a * (1 - a)
        return to_b, to_w
"""

ROWS = """
import numpy as np

class Net:
    def __init__(self, n_in=5, hidden=4, n_out=3):
        self.W1, self.b1 = np.random.randn(n_in, hidden), np.zeros(hidden)
        self.W2, self.b2 = np.random.randn(hidden, n_out), np.zeros(n_out)
        self.learning_rate = 0.1

    def forward(self, X):
        self.h = np.tanh(X @ self.W1 + self.b1)
        z = self.h @ self.W2 + self.b2
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def gradients(self, X, y, output, m):
        d = (output - y) / m
        dh = d @ self.W2.T * (1 - self.h**2)
        return X.T @ dh, dh.sum(axis=0), self.h.T @ d, d.sum(axis=0)
"""

RETURNING = """
class Returning(Net):
    def backward(self, X, y, output):
        dW1, db1, dW2, db2 = self.gradients(X, y, output, len(X))
        return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}

    def compute_loss(self, output, y):
        return -np.sum(y * np.log(output)) / len(y)
"""


def module_of(*sources: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "theirs"}
    for source in sources:
        exec(textwrap.dedent(source), names)
    return names


def operation(name: str, *sources: str, request: Request | None = None) -> NetworkOperation:
    names = module_of(*sources)
    assert backprop.applies(names[name], names)
    code = Code(f"theirs.py:{name}", names[name], None, names)
    found = [each for _, each in backprop.operations(code, request or Request())]
    assert isinstance(found[0], NetworkOperation)
    return found[0]


def right(found: Any) -> dict[str, bool]:
    point = Point(found, np.random.default_rng(1))
    return {name: point.compare(name, 1e-9).passed for name in point.computed}


def wrong_ones(found: Any) -> set[str]:
    return {name for name, is_right in right(found).items() if not is_right}


def test_one_example_in_a_column_is_compared_with_the_cost_that_the_network_holds() -> None:
    found = operation("Net", COLUMN)
    assert found.at["x"].shape == (7, 1)
    assert found.batch_axis is None
    assert found.loss.name == "cost.fn(a, y)"
    assert right(found) == dict.fromkeys(("biases.0", "biases.1", "weights.0", "weights.1"), True)


def test_lists_of_gradients_are_matched_by_their_shapes_in_either_order() -> None:
    turned = COLUMN.replace("return to_b, to_w", "return to_w, to_b")
    assert wrong_ones(operation("Net", turned)) == set()


def test_the_derivative_of_another_cost_is_wrong() -> None:
    wrong = COLUMN.replace("self.cost.slope(a, y) * a * (1 - a)", "self.cost.slope(a, y)")
    assert wrong_ones(operation("Net", wrong)) == {
        *("biases.0", "biases.1", "weights.0", "weights.1")
    }


def test_where_only_the_costs_derivative_is_written_it_is_the_gradient_from_above() -> None:
    source = COLUMN.replace("self.cost = Squares\n", "pass\n").replace(
        "self.cost.slope(a, y)", "self.cost_derivative(a, y)"
    )
    source += "\n    def cost_derivative(self, output, y):\n        return 3 * (output - y) ** 2\n"
    found = operation("Net", source)
    assert not found.takes_dout
    assert wrong_ones(found) == set()
    point = Point(found, np.random.default_rng(1))
    assert found.labels is not None
    np.testing.assert_allclose(point.dout, 3 * (point.out - found.labels) ** 2)
    wrong = source.replace("error = w.T @ error * a * (1 - a)", "error = w.T @ error * a")
    assert wrong_ones(operation("Net", wrong)) == {"biases.0", "weights.0"}


def test_a_shape_that_is_said_is_taken() -> None:
    names = module_of(COLUMN)
    code = Code("theirs.py:Net", names["Net"]([4, 3, 2]), None, names)
    ((_, found),) = backprop.operations(code, Request(shapes={"": (4, 1)}))
    assert found.at["x"].shape == (4, 1)
    assert wrong_ones(found) == set()


def test_a_batch_in_rows_is_compared_by_keys_and_another_number_of_examples_drawn() -> None:
    found = operation("Returning", ROWS, RETURNING)
    assert found.batch_axis == 0
    assert right(found) == dict.fromkeys(("W1", "b1", "W2", "b2"), True)
    assert found.exempt == {"x"}
    fixed = operation("Returning", ROWS, RETURNING.replace("len(X))", "6)"))
    larger = fixed.resized(9, np.random.default_rng(2))
    assert fixed.batch_size == 6
    assert wrong_ones(fixed) == set()
    assert wrong_ones(larger) == {"W1", "b1", "W2", "b2"}


def test_a_bias_before_a_softmax_is_not_thought_to_move_nothing() -> None:
    wrong = RETURNING.replace('"db2": db2', '"db2": 2 * db2')
    assert wrong_ones(operation("Returning", ROWS, wrong)) == {"b2"}


def test_examples_in_columns_are_found_out_where_a_batch_of_them_fits() -> None:
    lines = """
    import numpy as np

    class Columns:
        def __init__(self):
            self.W, self.b = np.random.randn(3, 5), np.zeros((3, 1))

        def predict(self, X):
            return np.tanh(self.W @ X + self.b)

        def cost(self, X, Y):
            return np.sum((self.predict(X) - Y) ** 2) / X.shape[1]

        def backprop(self, X, Y):
            A = self.predict(X)
            d = 2 * (A - Y) * (1 - A**2) / X.shape[1]
            return d @ X.T, d.sum(axis=1, keepdims=True)
    """
    found = operation("Columns", lines)
    assert found.batch_axis == -1
    assert found.batch_size > 1
    assert right(found) == {"W": True, "b": True}
    missing = lines.replace("(1 - A**2) / X.shape[1]", "(1 - A**2)")
    assert wrong_ones(operation("Columns", missing)) == {"W", "b"}


UPDATING = """
class Updating(Net):
    def backward(self, X, y):
        output = self.forward(X)
        dW1, db1, dW2, db2 = self.gradients(X, y, output, len(X))
        self.W1 -= self.learning_rate * dW1
        self.b1 -= self.learning_rate * db1
        self.W2 = self.W2 - self.learning_rate * dW2
        self.b2 = self.b2 - self.learning_rate * db2
"""


def test_what_an_update_moved_by_the_networks_own_rate_is_the_gradient() -> None:
    found = operation("Updating", ROWS, UPDATING)
    assert wrong_ones(found) == set()
    assert found.moved == {"W1", "b1", "W2", "b2"}
    assert found.methods["W1"].startswith("by what the update moved")
    uphill = UPDATING.replace("self.W1 -=", "self.W1 +=")
    assert wrong_ones(operation("Updating", ROWS, uphill)) == {"W1"}


def test_a_loss_that_nobody_wrote_is_assumed_and_named() -> None:
    found = operation("Updating", ROWS, UPDATING)
    assert found.loss.is_assumed
    assert found.remarks == ["no loss is written in the code: −Σ y·log a / m was assumed"]
    assert "−Σ y·log a / m" in found.methods["W1"]
    larger = found.resized(9, np.random.default_rng(2))
    assert wrong_ones(larger) == set()


def test_the_assumed_loss_is_the_one_with_which_most_gradients_are_right() -> None:
    wrong = UPDATING.replace("self.learning_rate * dW1", "self.learning_rate * 7 * dW1")
    assert wrong_ones(operation("Updating", ROWS, wrong)) == {"W1"}


def test_a_learning_rate_that_is_given_is_divided_by() -> None:
    lines = UPDATING.replace("(self, X, y)", "(self, X, y, lr)").replace("self.learning_rate", "lr")
    assert wrong_ones(operation("Updating", ROWS, lines)) == set()


def test_gradients_that_are_left_in_the_layers_are_found() -> None:
    lines = """
    import numpy as np

    class Dense:
        def __init__(self, n, m):
            self.weights, self.biases = np.random.randn(n, m), np.zeros((1, m))

    class Stack:
        def __init__(self):
            self.layers = [Dense(5, 4), Dense(4, 3)]

        def predict(self, X):
            self.kept = [X]
            for layer in self.layers:
                self.kept.append(np.tanh(self.kept[-1] @ layer.weights + layer.biases))
            return self.kept[-1]

        def back_prop(self, y_batch):
            error = 2 * (self.kept[-1] - y_batch) / len(y_batch)
            for layer, a, out in reversed(list(zip(self.layers, self.kept, self.kept[1:]))):
                error = error * (1 - out**2)
                layer.weight_gradient, layer.bias_gradient = a.T @ error, error.sum(0)[None]
                error = error @ layer.weights.T
    """
    found = operation("Stack", lines)
    assert len(right(found)) == 4
    assert wrong_ones(found) == set()
    assert found.loss.name == "Σ(a − y)² / m"


def test_a_network_that_holds_its_examples_and_labels_is_run_on_others() -> None:
    lines = """
    import numpy as np

    class Toy:
        def __init__(self, x, y):
            self.input, self.y = x, y
            self.w = np.random.rand(x.shape[1], 1)
            self.output = np.zeros(y.shape)

        def feedforward(self):
            self.output = np.tanh(self.input @ self.w)

        def backprop(self):
            slope = 1 - self.output**2
            self.w += self.input.T @ (2 * (self.y - self.output) * slope)
    """
    found = operation("Toy", lines)
    assert wrong_ones(found) == set()
    assert found.loss.name == "Σ(a − y)²"
    missing = lines.replace("slope = 1 - self.output**2", "slope = 1 - self.output")
    assert wrong_ones(operation("Toy", missing)) == {"w"}


def test_the_number_of_examples_is_given_where_it_is_an_argument() -> None:
    lines = RETURNING.replace(
        "def backward(self, X, y, output):",
        "def backward(self, X, y, batch_size):\n        output = self.forward(X)",
    ).replace("len(X))", "batch_size)")
    found = operation("Returning", ROWS, lines)
    assert wrong_ones(found) == set()
    larger = found.resized(9, np.random.default_rng(2))
    assert wrong_ones(larger) == set()


def test_indices_are_tried_where_rows_are_no_labels() -> None:
    lines = """
    class Indexed(Net):
        def loss(self, X, y):
            return -np.log(self.forward(X)[np.arange(len(y)), y]).mean()

        def backprop(self, X, y):
            return self.gradients(X, np.eye(3)[y], self.forward(X), len(y))
    """
    found = operation("Indexed", ROWS, lines)
    assert found.labels is not None
    assert found.labels.dtype.kind == "i"
    assert right(found) == dict.fromkeys(("W1", "b1", "W2", "b2"), True)


def test_a_network_that_raises_says_so() -> None:
    with pytest.raises(UserCodeError, match="NameError"):
        operation("Returning", ROWS, RETURNING.replace("len(X))", "missing)"))


def test_layers_losses_and_other_conventions_are_left_to_others() -> None:
    names = module_of(
        """
        import numpy as np

        class Layer:
            def __init__(self):
                self.W = np.ones((3, 2))

            def forward(self, x):
                return x @ self.W

            def backward(self, dout):
                return dout @ self.W.T

        class WithInput(Layer):
            def backward(self, x, grad):
                return grad @ self.W.T

        class Loss:
            def forward(self, x, t):
                return ((x - t) ** 2).sum()

            def backward(self, x, t):
                return 2 * (x - t)

        class Activation:
            def forward(self, x):
                return np.tanh(x)

            def backward(self, x, y):
                return 1 - y**2

        class AtOnce:
            def __init__(self):
                self.W = np.ones((3, 2))

            def loss(self, X, y):
                return 0.0, {"W": self.W}

        def plain(x, y):
            return x
        """
    )
    for name in ("Layer", "WithInput", "Loss", "Activation", "AtOnce", "plain"):
        assert not backprop.applies(names[name], names), name


LEAVING = COLUMN.replace(
    """
            a = squash(w @ a + b)
        return a
""",
    """
            a = squash(w @ a + b)
            self.activations.append(a)
""",
).replace("def feedforward(self, a):", "def feedforward(self, a):\n        self.activations = [a]")


def test_the_output_of_a_network_may_be_the_last_that_it_has_kept() -> None:
    assert "return a\n" not in LEAVING
    assert not wrong_ones(operation("Net", LEAVING))
    wrong = LEAVING.replace("self.cost.slope(a, y) * a * (1 - a)", "self.cost.slope(a, y)")
    assert wrong_ones(operation("Net", wrong)) == {
        *("weights.0", "weights.1", "biases.0", "biases.1")
    }
