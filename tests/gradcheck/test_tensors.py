"""Arrays that remember how they were made: each operator and each method is checked."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest

from mnist_cli.gradcheck.adapters import tensors
from mnist_cli.gradcheck.adapters.tensors import TensorOperation
from mnist_cli.gradcheck.diagnosis import diagnose
from mnist_cli.gradcheck.evidence import Evidence
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.request import Code, Request

ARRAY = """
import numpy as np

def fitting(grad, shape):
    while grad.ndim > len(shape):
        grad = grad.sum(0)
    return grad

class Array:
    def __init__(self, data, made_of=()):
        self.data = np.asarray(data)
        self.grad = np.zeros(self.data.shape)
        self.made_of, self._backward = made_of, lambda: None

    def __add__(self, other):
        out = Array(self.data + other.data, (self, other))

        def _backward():
            self.grad += fitting(out.grad, self.data.shape)
            other.grad += fitting(out.grad, other.data.shape)

        out._backward = _backward
        return out

    def __mul__(self, other):
        out = Array(self.data * other.data, (self, other))

        def _backward():
            self.grad += fitting(out.grad * other.data, self.data.shape)
            other.grad += fitting(out.grad * self.data, other.data.shape)

        out._backward = _backward
        return out

    def relu(self):
        out = Array(self.data * (self.data > 0), (self,))

        def _backward():
            self.grad += out.grad * (self.data > 0)

        out._backward = _backward
        return out

    def sum(self, axis=None):
        out = Array(self.data.sum(axis=axis), (self,))

        def _backward():
            grad = out.grad if axis is None else np.expand_dims(out.grad, axis)
            self.grad += grad * np.ones_like(self.data)

        out._backward = _backward
        return out

    def sqrt(self):
        out = Array(np.sqrt(self.data), (self,))

        def _backward():
            self.grad += out.grad / (2 * out.data)

        out._backward = _backward
        return out

    def backward(self):
        order, seen = [], set()

        def visit(array):
            if id(array) not in seen:
                seen.add(id(array))
                for source in array.made_of:
                    visit(source)
                order.append(array)

        visit(self)
        self.grad = np.ones_like(self.data)
        for array in reversed(order):
            array._backward()
"""


def module_of(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "theirs"}
    exec(textwrap.dedent(source), names)
    return names


def operations(
    source: str, name: str = "Array", request: Request | None = None
) -> dict[str, TensorOperation]:
    names = module_of(source)
    assert tensors.applies(names[name], names)
    code = Code(f"theirs.py:{name}", names[name], None, names)
    found = dict(tensors.operations(code, request or Request()))
    assert all(isinstance(operation, TensorOperation) for operation in found.values())
    return found  # type: ignore[return-value]


def right(operation: Any) -> dict[str, bool]:
    point = Point(operation, np.random.default_rng(1))
    return {name: point.compare(name, 1e-9).passed for name in point.computed}


def diagnosis(operation: Any, name: str = "a") -> str:
    point = Point(operation, np.random.default_rng(1))
    return diagnose(Evidence(point, name, point.compare(name, 1e-9))).name


def wrong_ones(source: str, name: str = "Array") -> set[str]:
    return {
        label
        for label, operation in operations(source, name).items()
        if set(right(operation).values()) != {True}
    }


def test_each_operator_and_method_is_a_part_with_its_own_label() -> None:
    found = operations(ARRAY)
    assert set(found) == {
        *("a+b", "a+a", "a+b, b a row", "a*b", "a*a", "a*b, b a row", "a.relu()", "a.sum()"),
        *("a.sum(axis=0)", "a.sum(axis=1)", "a.sqrt()"),
    }
    assert all(set(right(operation).values()) == {True} for operation in found.values())
    assert all(operation.takes_dout for operation in found.values())


def test_the_numbers_may_be_held_under_any_name() -> None:
    found = operations(ARRAY.replace(".data", ".valor"))
    assert set(found) == set(operations(ARRAY))
    assert all(set(right(operation).values()) == {True} for operation in found.values())
    wrong = ARRAY.replace(".data", ".valor").replace("out.grad * other.valor", "out.grad * 3")
    assert "a*b" in wrong_ones(wrong)


def test_what_is_finite_for_positive_numbers_alone_is_run_there() -> None:
    assert operations(ARRAY)["a.sqrt()"].domain == "positive"


def test_a_product_that_sets_the_gradients_is_seen_in_a_times_a_and_in_a_times_b() -> None:
    source = ARRAY.replace(
        "self.grad += fitting(out.grad * other.data", "self.grad = fitting(out.grad * other.data"
    ).replace(
        "other.grad += fitting(out.grad * self.data", "other.grad = fitting(out.grad * self.data"
    )
    assert wrong_ones(source) == {"a*b", "a*a", "a*b, b a row"}
    found = operations(source)
    for label in ("a*b", "a*a", "a*b, b a row"):
        assert diagnosis(found[label]) == "gradient-overwritten", label


def test_a_method_that_sets_the_gradient_is_seen_where_the_others_add() -> None:
    source = ARRAY.replace(
        "self.grad += out.grad * (self.data > 0)", "self.grad = out.grad * (self.data > 0)"
    )
    assert wrong_ones(source) == {"a.relu()"}
    assert diagnosis(operations(source)["a.relu()"]) == "gradient-overwritten"


def test_half_a_gradient_is_only_that_of_a_second_use_where_there_are_two() -> None:
    source = ARRAY.replace(".grad += ", ".grad = ").replace("grad * np.ones", "grad / 2 * np.ones")
    found = operations(source)
    assert diagnosis(found["a+a"]) == "gradient-overwritten"
    assert diagnosis(found["a.sum(axis=0)"]) == "factor-half"


def test_a_method_that_ignores_the_gradient_from_above_is_wrong() -> None:
    source = ARRAY.replace("out.grad * (self.data > 0)", "1.0 * (self.data > 0)")
    assert wrong_ones(source) == {"a.relu()"}


def test_the_gradient_from_above_twice_is_wrong() -> None:
    source = ARRAY.replace("self.grad += out.grad / (2", "self.grad += out.grad**2 / (2")
    assert wrong_ones(source) == {"a.sqrt()"}


def test_a_row_for_all_rows_must_be_summed_where_another_operator_does() -> None:
    source = ARRAY.replace(
        "other.grad += fitting(out.grad, other.data.shape)", "other.grad = other.grad + out.grad"
    )
    assert wrong_ones(source) == {"a+b, b a row"}


def test_a_class_that_knows_no_broadcasting_is_not_asked_for_it() -> None:
    source = ARRAY.replace("        grad = grad.sum(0)\n", "        break\n")
    source = source.replace("self.grad += fitting", "self.grad = self.grad + fitting")
    source = source.replace("other.grad += fitting", "other.grad = other.grad + fitting")
    found = operations(source)
    assert "a+b, b a row" not in found
    assert "broadcasting is not checked" in " ".join(found["a+b"].remarks)
    assert wrong_ones(source) == set()


def test_a_wrong_axis_is_seen() -> None:
    source = ARRAY.replace(
        "np.ones_like(self.data)\n\n        out", "(1 + (axis == 0))\n\n        out"
    )
    assert wrong_ones(source) == {"a.sum(axis=0)"}


def test_what_raises_on_plain_use_is_named_and_left_out() -> None:
    source = ARRAY + "\n    def __neg__(self):\n        raise NotImplementedError\n"
    found = operations(source)
    assert "-a" not in found
    assert any("-a" in remark for remark in found["a+b"].remarks)


def test_where_backward_raises_nothing_is_compared_and_it_is_said() -> None:
    operation = operations(ARRAY.replace("out.grad / (2 * out.data)", "out.grad / missing"))[
        "a.sqrt()"
    ]
    assert right(operation) == {}
    assert "NameError" in operation.remarks[0]


RECURSIVE = """
import numpy as np

class Tracked:
    def __init__(self, value, requires_grad=False, sources=()):
        self.value, self.requires_grad, self.sources = value, requires_grad, sources
        self.grad = Tracked(np.zeros_like(value)) if requires_grad else None

    def backward(self, grad=None):
        if grad is None:
            grad = Tracked(np.ones_like(self.value))
        self.grad.value = self.grad.value + grad.value
        for source, give in self.sources:
            source.backward(Tracked(give(grad.value)))

    def __mul__(self, other):
        sources = []
        if self.requires_grad:
            sources.append((self, lambda g: g * other.value))
        if other.requires_grad:
            sources.append((other, lambda g: g * self.value))
        return Tracked(self.value * other.value, bool(sources), sources)

    def __sub__(self, other):
        sources = [(self, lambda g: g), (other, lambda g: -g)]
        return Tracked(self.value - other.value, True, sources)
"""


def test_a_gradient_that_is_such_an_array_itself_is_handed_in_as_one() -> None:
    found = operations(RECURSIVE, "Tracked")
    assert {operation.start for operation in found.values()} == {"wrapped"}
    assert wrong_ones(RECURSIVE, "Tracked") == set()
    assert wrong_ones(RECURSIVE.replace("lambda g: -g", "lambda g: g"), "Tracked") == {"a-b"}


NUMBER = """
class Number:
    def __init__(self, data, sources=()):
        self.data, self.grad, self.sources = data, 0.0, set(sources)
        self._backward = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, Number) else Number(other)
        out = Number(self.data + other.data, (self, other))

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    __radd__ = __add__

    def relu(self):
        out = Number(self.data if self.data > 0 else 0.0, (self,))

        def _backward():
            self.grad += (out.data > 0) * out.grad

        out._backward = _backward
        return out

    def backward(self):
        order, seen = [], set()

        def visit(number):
            if number not in seen:
                seen.add(number)
                for source in number.sources:
                    visit(source)
                order.append(number)

        visit(self)
        self.grad = 1.0
        for number in reversed(order):
            number._backward()
"""


def test_single_numbers_are_checked_at_several_on_both_sides_of_0() -> None:
    assert set(operations(NUMBER, "Number")) == {"a+b", "a+a", "2+a", "a.relu()"}
    assert wrong_ones(NUMBER, "Number") == set()
    assert wrong_ones(NUMBER.replace("(out.data > 0) * out.grad", "out.grad"), "Number") == {
        "a.relu()"
    }


def test_a_function_of_such_arrays_is_one_operation() -> None:
    source = f"""{ARRAY}

def square(x):
    out = Array(x.data**2, (x,))
    def _backward():
        x.grad += 2 * x.data * out.grad
    out._backward = _backward
    return out

def plain(x):
    return x + 1
"""
    found = operations(source, "square")
    assert list(found) == [""]
    assert right(found[""]) == {"x": True}
    names = module_of(source)
    assert not tensors.applies(names["plain"], names)
    assert not tensors.applies(names["fitting"], names)


def test_a_function_of_two_arrays_is_tried_until_its_backward_runs() -> None:
    """A second one that is called b is no bias, of which one row is there for all."""
    source = f"""{ARRAY}

def times(a, b):
    out = Array(a.data * b.data, (a, b))
    def _backward():
        a.grad += out.grad * b.data
        b.grad += out.grad * b.data
    out._backward = _backward
    return out
"""
    assert right(operations(source, "times")[""]) == {"a": True, "b": False}


def test_a_function_that_makes_such_an_array_is_told_by_its_code_alone() -> None:
    names = module_of(f"""{ARRAY}

def half(x):
    out = Array(x.data / 2, (x,))
    def _backward():
        x.grad += out.grad / 2
    out._backward = _backward
    return out

def train(x):
    raise SystemExit("nobody may run this")

def read(path):
    return Array(np.load(path))
""")
    steps = ("half", "train", "read", "fitting")
    assert [name for name in steps if tensors.is_step(names[name], names)] == ["half"]


@pytest.mark.parametrize("batch_size", [1, 9])
def test_another_number_of_examples_is_drawn(batch_size: int) -> None:
    larger = operations(ARRAY)["a*b"].resized(batch_size, np.random.default_rng(3))
    assert larger is not None
    assert len(larger.at["a"]) == len(larger.at["b"]) == batch_size
    assert right(larger) == {"a": True, "b": True}


def test_layers_are_left_to_others() -> None:
    names = module_of(
        """
        class Chain:
            def __init__(self, layers):
                self.layers = layers

            def __getitem__(self, index):
                return self.layers[index]

            def forward(self, x):
                return x

            def backward(self, dout):
                return dout

        class Polynomial:
            def __init__(self, terms):
                self.terms = terms

            def __add__(self, other):
                return Polynomial(self.terms + other.terms)
        """
    )
    assert not tensors.applies(names["Chain"], names)
    assert not tensors.applies(names["Polynomial"], names)


METHODS = """
    def _of(self, data, back):
        out = Array(data, (self,))

        def _backward():
            self.grad += back(out.grad)

        out._backward = _backward
        return out

    @property
    def T(self):
        return self._of(self.data.T, lambda grad: grad.T)

    def mul(self, other):
        return self * other

    def add(self, other):
        return self + other

    def matmul(self, other):
        out = Array(self.data @ other.data, (self, other))

        def _backward():
            self.grad += out.grad @ other.data.T
            other.grad += self.data.T @ out.grad

        out._backward = _backward
        return out

    def mean(self, axis):
        def back(grad):
            return np.expand_dims(grad, axis) * np.ones_like(self.data) / self.data.shape[axis]

        return self._of(self.data.mean(axis=axis), back)

    def total(self, axis=None, keepdims=False):
        def back(grad):
            grad = grad if axis is None or keepdims else np.expand_dims(grad, axis)
            return grad * np.ones_like(self.data)

        return self._of(self.data.sum(axis=axis, keepdims=keepdims), back)

    def reshape(self, shape):
        return self._of(self.data.reshape(shape), lambda grad: grad.reshape(self.data.shape))

    def swap(self, dim0, dim1):
        return self._of(self.data.swapaxes(dim0, dim1), lambda grad: grad.swapaxes(dim0, dim1))

    def transpose(self, *axes):
        return self._of(self.data.T, lambda grad: grad.T)

    def power(self, n):
        return self._of(self.data**n, lambda grad: grad * n * self.data ** (n - 1))

    def leaky(self, slope):
        return self._of(
            np.where(self.data > 0, self.data, slope * self.data),
            lambda grad: grad * np.where(self.data > 0, 1, slope),
        )

    def select(self, indices):
        rows = np.arange(len(indices))

        def back(grad):
            found = np.zeros_like(self.data)
            found[rows, indices] = grad
            return found

        return self._of(self.data[rows, indices], back)
"""


def test_methods_are_given_axes_shapes_places_and_numbers_by_the_names_of_their_arguments() -> None:
    found = operations(ARRAY + METHODS)
    assert set(found) >= {
        *("a.T", "a.mul(b)", "a.mul(a)", "a.add(b)", "a.add(a)", "a.matmul(b)", "a.mean(1)"),
        *("a.total()", "a.total(axis=0)", "a.total(axis=1, keepdims=True)"),
        *("a.mean(axis=0)", "a.reshape((3, 6))", "a.swap(0, 1)", "a.transpose()"),
        *("a.power(3)", "a.leaky(0.5)", "a.select(indices)"),
    }
    assert all(set(right(operation).values()) == {True} for operation in found.values())


@pytest.mark.parametrize(
    ("line", "mistaken", "labels"),
    [
        ("/ self.data.shape[axis]", "/ self.data.shape[0]", {"a.mean(1)"}),
        ("found[rows, indices] = grad", "found[rows, 0] = grad", {"a.select(indices)"}),
        ("where(self.data > 0, 1, slope)", "where(self.data > 0, 1, 0)", {"a.leaky(0.5)"}),
        ("n * self.data ** (n - 1)", "2 * self.data ** (n - 1)", {"a.power(3)"}),
        ("grad.swapaxes(dim0, dim1)", "grad.reshape(self.data.shape)", {"a.swap(0, 1)"}),
        ("axis is None or keepdims", "axis is None", {"a.total(axis=1, keepdims=True)"}),
        ("other.grad += self.data.T @ out.grad", "pass", {"a.matmul(b)"}),
    ],
)
def test_a_mistake_in_a_method_is_found_in_its_own_part(
    line: str, mistaken: str, labels: set[str]
) -> None:
    assert line in METHODS
    assert wrong_ones(ARRAY + METHODS.replace(line, mistaken)) == labels
