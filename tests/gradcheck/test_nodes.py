"""Nodes of a graph: how they are made and run, and which mistakes show."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest

from mnist_cli.gradcheck.adapters import nodes
from mnist_cli.gradcheck.adapters.nodes import NodeOperation
from mnist_cli.gradcheck.diagnosis import diagnose
from mnist_cli.gradcheck.evidence import Evidence
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError

BASE = """
import numpy as np

class Vertex:
    def __init__(self, data, *parents):
        self.data, self.parents = np.asarray(data, dtype=float), parents
        self.g = np.zeros_like(self.data)

    def _back(self, *parents):
        for parent in self.parents:
            parent._back(*parent.parents)
"""

PULLING = """
import numpy as np

class Step:
    def __init__(self, inbound=()):
        self.inbound, self.outbound = list(inbound), []
        self.value, self.gradients = None, {}
        for step in self.inbound:
            step.outbound.append(self)

    def start(self):
        self.gradients = {step: np.zeros_like(step.value) for step in self.inbound}

class Doubled(Step):
    def __init__(self, source):
        super().__init__([source])

    def forward(self):
        self.value = 2 * self.inbound[0].value
"""


def module_of(*sources: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "theirs"}
    for source in sources:
        exec(textwrap.dedent(source), names)
    return names


def operations(name: str, *sources: str, request: Request | None = None) -> list[NodeOperation]:
    names = module_of(*sources)
    assert nodes.applies(names[name], names)
    code = Code(f"theirs.py:{name}", names[name], None, names)
    found = [operation for _, operation in nodes.operations(code, request or Request())]
    assert all(isinstance(operation, NodeOperation) for operation in found)
    return found  # type: ignore[return-value]


def first(name: str, *sources: str) -> NodeOperation:
    return operations(name, *sources)[0]


def right(operation: Any) -> dict[str, bool]:
    point = Point(operation, np.random.default_rng(1))
    return {name: point.compare(name, 1e-9).passed for name in point.computed}


def diagnosis(operation: Any, name: str) -> str:
    point = Point(operation, np.random.default_rng(1))
    return diagnose(Evidence(point, name, point.compare(name, 1e-9))).name


PRODUCT = """
class Product(Vertex):
    def __init__(self, a, b):
        super().__init__(a.data * b.data, a, b)

    def _back(self, a, b):
        a.g += self.g * b.data
        b.g += self.g * a.data
        super()._back()
"""


def test_a_node_is_given_its_parents_and_both_gradients_are_compared() -> None:
    operation = first("Product", BASE, PRODUCT)
    assert right(operation) == {"a": True, "b": True}
    assert operation.at["a"].shape == operation.at["b"].shape == (6, 10)


def test_a_node_that_sets_a_gradient_is_told_to_add_to_it() -> None:
    operation = first("Product", BASE, PRODUCT.replace("b.g +=", "b.g ="))
    assert right(operation) == {"a": True, "b": False}
    assert diagnosis(operation, "b") == "gradient-overwritten"


def test_a_backward_of_the_base_class_that_starts_at_ones_is_not_taken_for_the_nodes_own() -> None:
    starting = """
    def backward(self):
        self.g = np.ones_like(self.data)
        self._back(*self.parents)
    Vertex.backward = backward
    """
    assert right(first("Product", BASE, starting, PRODUCT)) == {"a": True, "b": True}
    wrong = PRODUCT.replace("self.g * b.data", "self.g**2 * b.data")
    assert right(first("Product", BASE, starting, wrong)) == {"a": False, "b": True}


def test_without_a_base_class_to_make_parents_of_stand_ins_are_taken() -> None:
    alone = """
    import numpy as np

    class Cube:
        def __init__(self, x):
            self.x, self.value, self.grad = x, x.value**3, None

        def backward(self):
            self.x.grad += 3 * self.x.value**2 * self.grad
    """
    assert right(first("Cube", alone)) == {"x": True}


def test_a_backward_that_returns_the_gradients_of_the_parents_is_understood() -> None:
    returning = """
    class Quotient(Vertex):
        def __init__(self, a, b):
            super().__init__(a.data / b.data, a, b)

        def backward(self, grad):
            a, b = self.parents
            return grad / b.data, -grad * a.data / b.data**2
    """
    assert right(first("Quotient", BASE, returning)) == {"a": True, "b": True}
    wrong = first("Quotient", BASE, returning.replace("grad / b.data,", "0.75 * grad / b.data,"))
    assert diagnosis(wrong, "a") != "gradient-overwritten"


CROSS_ENTROPY = """
class Entropy(Vertex):
    def __init__(self, p, t):
        super().__init__(-np.sum(t.data * np.log(p.data)) / len(t.data), p, t)

    def _back(self, p, t):
        p.g += -self.g * t.data / p.data / len(t.data)
        t.g += -self.g * np.log(p.data) / len(t.data)
"""


def test_a_loss_of_probabilities_is_run_at_such_and_the_labels_have_a_gradient_too() -> None:
    operation = first("Entropy", BASE, CROSS_ENTROPY)
    assert operation.domain == "probabilities"
    assert operation.is_scalar
    np.testing.assert_allclose(operation.at["p"].sum(axis=1), 1)
    np.testing.assert_allclose(operation.at["t"].sum(axis=1), 1)
    assert right(operation) == {"p": True, "t": True}


def test_the_gradient_of_softmax_and_cross_entropy_in_one_is_wrong_for_one_of_them() -> None:
    joint = CROSS_ENTROPY.replace("t.data / p.data", "(t.data - p.data)")
    for operation in operations("Entropy", BASE, joint):
        assert right(operation) == {"p": False, "t": True}


def test_labels_without_a_gradient_are_exempt() -> None:
    lines = [line for line in CROSS_ENTROPY.splitlines() if "t.g" not in line]
    operation = first("Entropy", BASE, "\n".join(lines))
    assert right(operation) == {"p": True}
    assert operation.exempt == {"t"}


SOFTMAX = """
class Softmax(Vertex):
    def __init__(self, x):
        e = np.exp(x.data - x.data.max(axis=1, keepdims=True))
        super().__init__(e / e.sum(axis=1, keepdims=True), x)

    def _back(self, x):
        x.g += self.g * self.data * (np.eye(len(self.data)) - self.data)
"""


def test_what_runs_for_square_batches_alone_and_is_wrong_there_is_handed_on() -> None:
    (operation,) = operations("Softmax", BASE, SOFTMAX)
    assert operation.at["x"].shape == (10, 10)
    assert right(operation) == {"x": False}
    assert "as many examples as features" in operation.remarks[0]


def test_what_runs_for_square_batches_alone_and_is_right_there_cannot_be_judged() -> None:
    lines = """
    class Same(Vertex):
        def __init__(self, x):
            super().__init__(x.data, x)

        def _back(self, x):
            x.g += np.eye(len(x.data)) @ np.eye(x.data.shape[1]) @ self.g
    """
    with pytest.raises(UserCodeError, match="ValueError"):
        operations("Same", BASE, lines)


def test_a_mean_that_is_not_divided_is_not_excused_by_a_single_column() -> None:
    lines = """
    class Mean(Vertex):
        def __init__(self, x):
            super().__init__(x.data.mean(axis=1, keepdims=True), x)

        def _back(self, x):
            x.g += self.g * np.ones_like(x.data)
    """
    assert [right(operation) for operation in operations("Mean", BASE, lines)] == [{"x": False}]


def test_weights_and_biases_are_told_by_their_names() -> None:
    lines = """
    class Affine(Vertex):
        def __init__(self, x, W, b):
            super().__init__(x.data @ W.data + b.data, x, W, b)

        def _back(self, x, W, b):
            x.g += self.g @ W.data.T
            W.g += x.data.T @ self.g
            b.g += self.g.sum(axis=0)
    """
    operation = first("Affine", BASE, lines)
    assert operation.data == ("x",)
    assert right(operation) == {"x": True, "W": True, "b": True}
    larger = operation.resized(9, np.random.default_rng(2))
    assert larger is not None
    assert larger.at["x"].shape == (9, 10)
    assert right(larger) == {"x": True, "W": True, "b": True}


def test_a_bias_that_is_not_summed_is_not_taken_for_the_other_of_two_inputs() -> None:
    lines = """
    class Shift(Vertex):
        def __init__(self, x, b):
            super().__init__(x.data + b.data, x, b)

        def _back(self, x, b):
            x.g += self.g
            b.g += self.g
    """
    with pytest.raises(UserCodeError, match="broadcast"):
        operations("Shift", BASE, lines)


def test_a_number_of_the_constructor_is_no_parent() -> None:
    lines = """
    class Power(Vertex):
        def __init__(self, x, n):
            self.n = n
            super().__init__(x.data**n, x)

        def _back(self, x):
            x.g += self.n * x.data ** (self.n - 1) * self.g
    """
    assert right(first("Power", BASE, lines)) == {"x": True}


def test_a_loss_that_takes_no_gradient_from_above_is_right_as_the_last_node() -> None:
    lines = CROSS_ENTROPY.replace("-self.g *", "-")
    found = operations("Entropy", BASE, lines)
    last = [operation for operation in found if not operation.takes_dout]
    assert last
    assert right(last[0]) == {"p": True, "t": True}
    assert "last node" in last[0].remarks[0]
    assert right(found[0]) == {"p": False, "t": False}


SUMMING = """
    def backward(self):
        self.start()
        for child in self.outbound:
            self.gradients[self.inbound[0]] += 2 * child.gradients[self]
"""


def test_a_node_that_keeps_a_gradient_for_each_parent_is_given_children() -> None:
    assert right(first("Doubled", PULLING, "class Doubled(Doubled):" + SUMMING)) == {"source": True}


def test_of_two_children_the_second_must_not_replace_the_first() -> None:
    wrong = "class Doubled(Doubled):" + SUMMING.replace("] +=", "] =")
    operation = first("Doubled", PULLING, wrong)
    assert right(operation) == {"source": False}
    assert diagnosis(operation, "source") == "gradient-overwritten"


def test_a_node_that_reads_its_first_child_alone_is_right_with_a_remark() -> None:
    lines = """
    class Single(Doubled):
        def backward(self):
            self.gradients[self.inbound[0]] = 2 * self.outbound[0].gradients[self]
    """
    operation = first("Single", PULLING, lines)
    assert right(operation) == {"source": True}
    assert "first child alone" in operation.remarks[0]


def test_a_node_that_a_function_makes_keeps_its_parents_shapes() -> None:
    lines = """
    class Sum(Step):
        def forward(self):
            self.value = sum(step.value for step in self.inbound)

        def backward(self):
            self.gradients = {
                step: sum(child.gradients[self] for child in self.outbound)
                for step in self.inbound
            }

    def make():
        steps = [Step(), Step(), Step()]
        for step in steps:
            step.value = np.random.randn(4, 3)
        return Sum(steps)
    """
    operation = first("make", PULLING, lines)
    assert {array.shape for array in operation.at.values()} == {(4, 3)}
    assert set(right(operation).values()) == {True}
    assert len(operation.at) == 3


def test_a_function_that_is_called_with_variables_returns_gradients() -> None:
    lines = """
    import numpy as np

    class Variable:
        def __init__(self, data):
            self.data, self.grad = data, None

    class Function:
        def __call__(self, *inputs):
            self.inputs = inputs
            return Variable(self.forward(*[x.data for x in inputs]))

    class Product(Function):
        def forward(self, x0, x1):
            return x0 * x1

        def backward(self, gy):
            x0, x1 = self.inputs
            return gy * x1.data, gy * x0.data
    """
    assert right(first("Product", lines)) == {"x0": True, "x1": True}
    wrong = lines.replace("gy * x1.data, gy * x0.data", "gy * x1.data, gy * x1.data")
    assert right(first("Product", wrong)) == {"x0": True, "x1": False}


def test_a_context_is_given_to_static_methods() -> None:
    lines = """
    import numpy as np

    class Dot:
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        def backward(ctx, grad_output):
            x, w = ctx.saved_tensors
            return grad_output @ w.T, x.T @ grad_output
    """
    assert right(first("Dot", lines)) == {"x": True, "w": True}


def test_a_forward_that_is_given_nodes_may_leave_gradients_with_them() -> None:
    lines = """
    class Product:
        def forward(self, a, b):
            self.a, self.b = a, b
            return a.data * b.data

        def backward(self, dout):
            self.a.g += dout * self.b.data
            self.b.g += dout * self.a.data

    class Overwriting(Product):
        def backward(self, dout):
            self.a.g = dout * self.b.data
            self.b.g += dout * self.a.data
    """
    assert right(first("Product", BASE, lines)) == {"a": True, "b": True}
    overwriting = first("Overwriting", BASE, lines)
    assert right(overwriting) == {"a": False, "b": True}
    assert diagnosis(overwriting, "a") == "gradient-overwritten"


def test_layers_losses_and_base_classes_are_left_to_others() -> None:
    names = module_of(
        BASE,
        """
        class Linear:
            def __init__(self, n_in=3, n_out=2):
                self.W = np.zeros((n_in, n_out))

            def forward(self, x):
                self.data = x
                return x @ self.W

            def backward(self, dout):
                return dout @ self.W.T

        class Loss:
            def forward(self, x, t):
                self.value = ((x - t) ** 2).sum()
                return self.value

            def backward(self):
                return 0

        class Held:
            def __init__(self):
                self.input = np.zeros(3)

            def forward(self):
                self.value = self.input

            def backward(self):
                self.gradient = self.value

        def double(x):
            return 2 * x
        """,
    )
    for name in ("Vertex", "Linear", "Loss", "Held", "double", "np"):
        assert not nodes.applies(names[name], names), name
