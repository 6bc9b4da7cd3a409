"""Where parameters may be that are no attributes of the object itself."""

from __future__ import annotations

import pytest
from checked import failed, made

from mnist_cli.gradcheck import check

START = """
from collections import deque
from functools import partial
def weights():
    return np.linspace(-1, 1, 12).reshape(4, 3)
class Inner:
    def __init__(self):
        self.W = weights()
shared = {"W": weights()}
inner = Inner()
class Config:
    W = weights()
def remembering():
    W = weights()
    return lambda x: x @ W
"""

LAYER = """
class it:
    {in_class}
    def __init__(self):
        {at_start}
    def forward(self, x):
        return {out}
    def backward(self, dout):
        return dout @ weights().T
"""


@pytest.mark.parametrize(
    ("in_class", "at_start", "out", "row"),
    [
        ("params = {'W': weights()}", "pass", "x @ self.params['W']", "to W"),
        ("layers = [weights()]", "pass", "x @ self.layers[0]", "to layers.0"),
        ("inner = Inner()", "pass", "x @ self.inner.W", "to inner.W"),
        ("", "pass", "x @ shared['W']", "to shared.W"),
        ("", "pass", "x @ inner.W", "to inner.W"),
        ("", "pass", "x @ Config.W", "to Config.W"),
        ("", "self.queue = deque([weights()])", "x @ self.queue[0]", "to queue.0"),
        ("", "self.f = remembering()", "self.f(x)", "to f.W"),
        (
            "",
            "self.f = partial(lambda w, x: x @ w, weights())",
            "self.f(x)",
            "to f.args.0",
        ),
    ],
    ids=[
        "dictionary-of-the-class",
        "list-of-the-class",
        "object-of-the-class",
        "dictionary-of-the-module",
        "object-of-the-module",
        "another-class",
        "deque",
        "function",
        "partial",
    ],
)
def test_weights_without_a_gradient_are_seen_wherever_they_are(
    in_class: str, at_start: str, out: str, row: str
) -> None:
    layer = made(START + LAYER.format(in_class=in_class, at_start=at_start, out=out))
    assert failed(check(layer)) == {row: "not-checked"}


NESTED = """
class it:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.params = {{"one": {{"W": rng.standard_normal((4, 3)), "b": np.zeros(3)}}}}
        self.grads = {{"one": {{}}}}
    def forward(self, x):
        self.x = x
        return x @ self.params["one"]["W"] + self.params["one"]["b"]
    def backward(self, dout):
        self.grads["one"]["W"] = self.x.T @ dout
        self.grads["one"]["b"] = dout.{total}(axis=0)
        return dout @ self.params["one"]["W"].T
"""


@pytest.mark.parametrize(
    ("total", "outcome"), [("sum", {}), ("mean", {"to one.b": "bias-averaged"})]
)
def test_gradients_are_found_in_dictionaries_nested_as_those_of_the_parameters(
    total: str, outcome: dict[str, str]
) -> None:
    assert failed(check(made(NESTED.format(total=total)))) == outcome


AT_FIRST = """
class it:
    def __init__(self):
        self.W, self.scale = {start}
    def forward(self, x):
        self.x = x
        return self.scale * (x @ self.W)
    def backward(self, dout):
        self.dW = self.scale * self.x.T @ dout
        self.dscale = (dout * (self.x @ self.W)).sum()
        return {dx}
"""


@pytest.mark.parametrize(
    ("start", "dx"),
    [
        ("np.eye(4), 2.0", "self.scale * dout @ self.W"),
        ("np.eye(4), 2.0", "self.scale * dout"),
        ("np.linspace(-1, 1, 12).reshape(4, 3), 1.0", "dout @ self.W.T"),
    ],
    ids=["identity-not-turned", "identity-forgotten", "number-forgotten"],
)
def test_what_does_not_show_with_the_first_parameters_is_looked_at_with_others(
    start: str, dx: str
) -> None:
    assert [*failed(check(made(AT_FIRST.format(start=start, dx=dx))))] == ["to x"]
    right = "self.scale * dout @ self.W.T"
    assert check(made(AT_FIRST.format(start=start, dx=right))).passed


AROUND = """
params = {{"W": np.linspace(-1, 1, 12).reshape(4, 3)}}
grads = {{}}
class Dense:
    def __init__(self):
        self.W = np.linspace(-1, 1, 12).reshape(4, 3)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = {factor} * self.x.T @ dout
        return dout @ self.W.T
layer = Dense()
class Inside:
    def forward(self, x):
        return layer.forward(x)
    def backward(self, dout):
        return layer.backward(dout)
class Keyed:
    def forward(self, x):
        self.x = x
        return x @ params["W"]
    def backward(self, dout):
        grads["W"] = {factor} * self.x.T @ dout
        return dout @ params["W"].T
it = {which}
"""


@pytest.mark.parametrize(("which", "row"), [("Inside", "to layer.W"), ("Keyed", "to W")])
def test_gradients_that_are_left_in_the_module_are_compared(which: str, row: str) -> None:
    assert check(made(AROUND.format(which=which, factor=1))).passed
    assert failed(check(made(AROUND.format(which=which, factor=2)))) == {row: "factor-two"}


REFERRING = """
import weakref
class Inner:
    def __init__(self):
        self.W = np.linspace(-1, 1, 12).reshape(4, 3)
class it:
    def __init__(self):
        self.inner = Inner()
        self.owner = weakref.ref(self.inner)
    def forward(self, x):
        self.x = x
        return x @ self.owner().W
    def backward(self, dout):
        self.owner().dW = {factor} * self.x.T @ dout
        return dout @ self.owner().W.T
"""


@pytest.mark.parametrize(("factor", "rows"), [(1, {}), (2, {"to inner.W": "factor-two"})])
def test_weights_behind_a_weak_reference_are_compared(factor: int, rows: dict[str, str]) -> None:
    assert failed(check(made(REFERRING.format(factor=factor)))) == rows
