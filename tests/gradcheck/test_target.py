"""What a target names, and what of a whole file is checked."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnist_cli.gradcheck.checking import check_code
from mnist_cli.gradcheck.child import judge
from mnist_cli.gradcheck.notebook import without_magics
from mnist_cli.gradcheck.partners import partner
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.result import Check, Group
from mnist_cli.gradcheck.target import find, parse
from mnist_cli.gradcheck.user_code import UserCodeError

POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX pipes")

LAYER = """
class {name}:
    def forward(self, x):
        return 2 * x
    def backward(self, dout):
        return 2 * dout
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty folder, and forget afterwards what was imported from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def names(target: str) -> list[str]:
    """Return what there is to check in a target, without its file."""
    return [candidate.code.target.rpartition(":")[2] for candidate in find(target).candidates]


def thing(target: str) -> Any:
    (candidate,) = find(target).candidates
    return candidate.code.thing


def reasons(target: str) -> dict[str, str]:
    return {item.target.rpartition(":")[2]: item.reason for item in find(target).left_out}


@pytest.mark.parametrize(
    ("target", "place", "terms"),
    [
        ("layers.py", "layers.py", []),
        ("net.ipynb", "net.ipynb", []),
        ("package.layers", "package.layers", []),
        ("layers.py:Softmax", "layers.py", [("Softmax", None, {})]),
        ("package.layers:Softmax", "package.layers", [("Softmax", None, {})]),
        ("layers.py:Outer.Inner", "layers.py", [("Outer.Inner", None, {})]),
        ("a.py:f,f_prime", "a.py", [("f", None, {}), ("f_prime", None, {})]),
        ("a.py:f, f_prime", "a.py", [("f", None, {}), ("f_prime", None, {})]),
        ("a.py:Linear(4, 3)", "a.py", [("Linear", (4, 3), {})]),
        ("a.py:Linear()", "a.py", [("Linear", (), {})]),
        ("a.py:Linear([4, 3], act='re:lu,')", "a.py", [("Linear", ([4, 3],), {"act": "re:lu,"})]),
        ("a.py:Net({'sizes': (4, -3)})", "a.py", [("Net", ({"sizes": (4, -3)},), {})]),
        ("a.py:make(4),make_grad(4)", "a.py", [("make", (4,), {}), ("make_grad", (4,), {})]),
        (r"C:\work\layers.py", r"C:\work\layers.py", []),
        (r"C:\work\layers.py:Softmax", r"C:\work\layers.py", [("Softmax", None, {})]),
        (r"C:\work\a.py:L(4, 'x:y')", r"C:\work\a.py", [("L", (4, "x:y"), {})]),
        ("my (old) files:2/a.py:L(4)", "my (old) files:2/a.py", [("L", (4,), {})]),
        ("odd:f(1).py:L({1: 2})", "odd:f(1).py", [("L", ({1: 2},), {})]),
    ],
)
def test_a_target_is_a_file_and_names(target: str, place: str, terms: list[Any]) -> None:
    found, parsed = parse(target)
    assert found == place
    assert [(term.name, term.arguments, term.keywords) for term in parsed] == terms


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("a.py:", "names nothing to check"),
        (":Softmax", "names nothing to check"),
        ("a.py:Soft max", "names nothing to check"),
        ("a.py:f,g,h", "names nothing to check"),
        ("a.py:3", "names nothing to check"),
        ("a.py:lambda: 3", "names nothing to check"),
        ("a.py:Linear(np.ones(3))", r"np\.ones\(3\) is not a literal"),
        ("a.py:Linear(4, size=n)", "n is not a literal"),
        ("a.py:Linear(*[4])", "written out"),
        ("a.py:Linear(**{'n': 4})", "written out"),
        (f"a.py:L({'(' * 5000}{')' * 5000})", "names nothing to check|is not a literal"),
    ],
)
def test_what_is_no_target_is_refused_with_a_sentence(target: str, words: str) -> None:
    with pytest.raises(UserCodeError, match=words):
        parse(target)


def test_a_file_with_a_colon_in_its_name_is_a_file() -> None:
    write("a:b.py", LAYER.format(name="Double"))
    assert names("a:b.py") == ["Double"]
    assert names("a:b.py:Double") == ["Double"]


def test_an_object_is_made_with_the_literals() -> None:
    write(
        "a.py",
        "class Linear:\n    def __init__(self, rows, columns=1): self.size = rows, columns\n",
    )
    assert thing("a.py:Linear(4, 3)").size == (4, 3)
    assert thing("a.py:Linear(4, columns=[5])").size == (4, [5])
    assert isinstance(thing("a.py:Linear"), type)
    with pytest.raises(UserCodeError, match=r"TypeError: .*missing 1 required"):
        find("a.py:Linear()")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("layers.py:Sofmax", r"^layers\.py has no Sofmax: did you mean Softmax\?$"),
        ("layers.py:softmax", "did you mean Softmax"),
        ("layers.py:Wholly", "name a class, a function or an object"),
        ("layer.py:Softmax", r"^There is no file layer\.py: did you mean layers\.py\?$"),
        ("layer.py", "There is no file"),
        ("sub/layers.py:Softmax", "no file sub/layers.py: did you mean|check its path"),
        ("nowhere_at_all:Softmax", "There is no module nowhere_at_all"),
        ("notes.txt", "notes.txt is neither a Python file"),
        pytest.param("pipe.py", "pipe.py is a pipe or a device", marks=POSIX),
        ("layers.py:number(4)", "cannot be called"),
        (
            "layers.py:Softmax,number",
            "Softmax of layers.py is a class, and two names are a function",
        ),
    ],
)
def test_what_is_not_there_is_told_with_what_may_be_meant(target: str, words: str) -> None:
    write("layers.py", LAYER.format(name="Softmax") + "number = 3\n")
    write("notes.txt", "")
    if target == "pipe.py":
        os.mkfifo(target)
    with pytest.raises(UserCodeError, match=words):
        find(target)


def test_a_file_that_is_changed_within_the_second_is_read_anew() -> None:
    for factor in range(5):
        write("a.py", f"factor = {factor}\n")
        assert thing("a.py:factor") == factor


def test_a_file_finds_its_neighbours_and_those_in_the_current_folder() -> None:
    write("src/a.py", "from beside import x\nfrom here import y\nboth = x + y\n")
    write("src/beside.py", "x = 1\n")
    write("here.py", "y = 2\n")
    assert thing("src/a.py:both") == 3


def test_a_package_is_found_although_a_neighbour_has_its_name() -> None:
    write("project/layers/__init__.py", "")
    write("project/layers/base.py", "x = 1\n")
    write("project/layers/layers.py", "from layers.dense import x\n")
    write("project/layers/dense.py", "from layers.base import x\n")
    assert thing("project/layers/dense.py:x") == 1


def test_a_script_may_be_imported_by_what_it_imports() -> None:
    write("main.py", "import helpers\nfactor = 2\n")
    write("helpers.py", "from main import factor\n")
    assert thing("main.py:factor") == 2


def test_a_file_that_imports_relatively_is_a_part_of_its_package() -> None:
    write("src/package/__init__.py", "")
    write("src/package/base.py", "x = 1\n")
    write("src/package/sub/__init__.py", "")
    write("src/package/sub/a.py", "from ..base import x\n" + LAYER.format(name="Double"))
    assert thing("src/package/sub/a.py:Double").__module__ == "package.sub.a"
    assert names("src/package/sub/a.py") == ["Double"]


def test_a_file_that_imports_relatively_needs_no_init() -> None:
    write("loose/base.py", "x = 1\n")
    write("loose/a.py", "from .base import x\n")
    assert thing("loose/a.py:x") == 1


def test_a_script_in_a_package_is_imported_without_it() -> None:
    write("heavy/__init__.py", "raise ImportError('heavy')\n")
    write("heavy/a.py", LAYER.format(name="Double"))
    assert names("heavy/a.py") == ["Double"]


def test_a_module_is_looked_for_in_the_current_folder_first() -> None:
    write("package/__init__.py", "")
    write("package/layers.py", "from . import other\n" + LAYER.format(name="Double"))
    write("package/other.py", "")
    assert names("package.layers:Double") == ["Double"]
    assert names("package.layers") == ["Double"]


def test_a_module_of_a_name_that_is_taken_is_refused() -> None:
    write("json.py", LAYER.format(name="Double"))
    with pytest.raises(UserCodeError, match="json is also the name of a module"):
        find("json:Double")
    assert names("json.py:Double") == ["Double"]


def test_a_module_of_a_package_that_is_larger_than_code_is_left_out_unread() -> None:
    write("package/__init__.py", "")
    write("package/layers.py", LAYER.format(name="Double"))
    write("package/data.py", "")
    os.truncate("package/data.py", 6 << 30)  # sparse: it takes no room
    assert names("package") == ["Double"]
    assert "data.py has more than 4 MB" in reasons("package")["package.data"]


@pytest.mark.parametrize("target", ["package", "package/", "./package"])
def test_a_package_is_all_that_its_modules_define(target: str) -> None:
    write("package/__init__.py", "from .layers import Double\n" + LAYER.format(name="Own"))
    write("package/layers.py", LAYER.format(name="Double"))
    write("package/sub/__init__.py", "")
    write("package/sub/deep.py", "from ..layers import Double\n" + LAYER.format(name="Deep"))
    write("package/__main__.py", "raise SystemExit\n")
    write("package/test_layers.py", "raise SystemExit\n")
    write("package/broken.py", "import nowhere_at_all\n")
    assert sorted(names(target)) == ["Deep", "Double", "Own"]
    assert "No module named 'nowhere_at_all'" in reasons(target)["package.broken"]


def test_a_whole_file_is_what_it_defines_itself() -> None:
    write("beside.py", LAYER.format(name="Imported") + "def f(x): return x\ndef df(x): return 1\n")
    write(
        "a.py",
        "import numpy as np\nfrom beside import Imported, f, df\n"
        + LAYER.format(name="Double")
        + LAYER.format(name="_Private")
        + """
Again = Double
class NoTwo(Exception):
    def backward(self): pass
def tanh(x): return np.tanh(x)
def tanh_prime(x): return 1 - np.tanh(x) ** 2
square, d_square = lambda x: x ** 2, lambda x: 2 * x
def softmax_loss(x, y):
    dx = x - y
    return 0, dx
def shapes(x, y):
    return x.shape, y.shape
class Trainer:
    def fit(self): pass
def main(): raise SystemExit
""",
    )
    assert names("a.py") == ["Double", "tanh,tanh_prime", "square,d_square", "softmax_loss"]
    assert reasons("a.py") == {
        "shapes": "no derivative beside it",
        "main": "no derivative beside it",
        "Trainer": "no backward, gradient or derivative",
    }


def test_functions_of_arrays_that_remember_are_found_in_a_whole_file() -> None:
    write(
        "a.py",
        """
import numpy as np
class Array:
    def __init__(self, data, made_of=()):
        self.data, self.grad = np.asarray(data), np.zeros(np.shape(data))
        self.made_of, self._backward = made_of, lambda: None
    def __add__(self, other):
        out = Array(self.data + other.data, (self, other))
        def _backward():
            self.grad += out.grad
            other.grad += out.grad
        out._backward = _backward
        return out
    def backward(self):
        self.grad = np.ones_like(self.data)
        self._backward()
def half(t):
    out = Array(t.data / 2, (t,))
    def _backward(): t.grad += out.grad / 2
    out._backward = _backward
    return out
def shaped(t, shape):
    out = Array(t.data.reshape(shape), (t,))
    def _backward(): t.grad += out.grad.reshape(t.data.shape)
    out._backward = _backward
    return out
""",
    )
    assert names("a.py") == ["Array", "half"]
    assert reasons("a.py") == {
        "shaped": "it runs with none of the arrays that were tried: name it, and use --arg"
    }


def test_a_function_that_trains_is_left_out_though_it_returns_gradients() -> None:
    write(
        "a.py",
        """
import numpy as np
def propagate(w, X, y):
    error = X @ w - y
    dw = X.T @ error / len(y)
    return {"dw": dw}, np.mean(error**2) / 2
def optimize(w, X, y, num_iterations=100, learning_rate=0.1):
    costs = []
    for i in range(num_iterations):
        grads, cost = propagate(w, X, y)
        w = w - learning_rate * grads["dw"]
        if i % 100 == 0:
            costs.append(cost)
    return {"w": w}, grads, costs
""",
    )
    assert names("a.py") == ["propagate"]
    assert reasons("a.py") == {"optimize": "no derivative beside it"}


def test_base_classes_are_left_out() -> None:
    write(
        "a.py",
        """
from abc import ABC, abstractmethod
class Raises:
    def forward(self, x): raise NotImplementedError("forward")
    def backward(self, dout):
        '''Nothing here.'''
        raise NotImplementedError
class Empty:
    def forward(self, x):
        '''Left to the heirs.'''
    def backward(self, dout):
        pass
class Abstract(ABC):
    def __call__(self, x): return self.forward(x)
    @abstractmethod
    def forward(self, x): ...
    @abstractmethod
    def backward(self, dout): ...
class Unfinished:
    def forward(self, x): return x
    def backward(self, dout): pass
class Double(Empty):
    def forward(self, x):
        if x.ndim > 2: raise NotImplementedError
        return 2 * x
    def backward(self, dout): return 2 * dout
""",
    )
    # Nobody inherits from what is unfinished, so it is no base class, and is checked.
    assert names("a.py") == ["Unfinished", "Double"]
    assert set(reasons("a.py")) == {"Raises", "Empty", "Abstract"}
    assert "base class" in reasons("a.py")["Raises"]


def stand_in(code: Code, request: Request) -> Group:
    """Pass what can be made without arguments; raise what code raises in its own backward."""
    made = code.thing
    if isinstance(made, type):
        try:
            made = made()
        except TypeError as error:
            raise UserCodeError(f"{code.target} cannot be made: {error}") from error
    return Group(code.target, [Check("to x", "", "", 1, 0.0, True)])


def test_an_object_is_checked_where_its_class_cannot_be() -> None:
    write(
        "a.py",
        LAYER.format(name="Free")
        + LAYER.format(name="Needs")
        + """
    def __init__(self, n_in, n_out): pass
class Alone(Free):
    def __init__(self, size): pass
free = Free()
needs = also = Needs(4, 3)
""",
    )
    outcome = judge("a.py", Request(), stand_in)
    assert [group.target for group in outcome.groups] == ["a.py:Free", "a.py:needs"]
    (left_out,) = outcome.left_out
    assert left_out.target == "a.py:Alone"
    assert left_out.reason.startswith("needs arguments (size). cannot be made")
    assert outcome.passed


def test_that_something_needs_arguments_is_said_once() -> None:
    write("a.py", LAYER.format(name="Free") + LAYER.format(name="Needs"))
    with open("a.py", "a") as file:
        file.write("    def __init__(self, foo, bar): pass\n")
    (left_out,) = judge("a.py", Request(), check_code).left_out
    assert left_out.reason == (
        "needs arguments (foo, bar): write them after it, as in 'a.py:Needs(foo, bar)' with "
        "numbers in their place; or name a function that makes one."
    )


def test_a_class_whose_objects_cannot_be_called_is_not_said_to_have_a_call() -> None:
    write("a.py", LAYER.format(name="Free") + LAYER.format(name="Odd").replace("forward", "ahead"))
    (left_out,) = judge("a.py", Request(), check_code).left_out
    assert left_out.target == "a.py:Odd"
    assert left_out.reason.startswith("cannot be checked, as it has no method forward or __call__")


def test_what_is_missing_in_what_is_left_out_is_a_whole_sentence() -> None:
    write(
        "a.py", LAYER.format(name="Free") + LAYER.format(name="Odd").replace("backward", "go_back")
    )
    (left_out,) = judge("a.py", Request(), check_code).left_out
    assert left_out.reason.endswith("name it with --backward-method, or write one")


def test_fwd_and_bwd_are_the_two_passes() -> None:
    names = LAYER.format(name="Short").replace("forward", "fwd").replace("backward", "bwd")
    write("a.py", names)
    assert judge("a.py", Request(), check_code).passed


def test_a_generator_is_no_layer() -> None:
    write("a.py", f"import numpy as np\nrng = np.random.default_rng()\n{LAYER.format(name='Free')}")
    assert [group.target for group in judge("a.py", Request(), check_code).groups] == ["a.py:Free"]
    with pytest.raises(UserCodeError, match=r"a\.py:rng is an object of Generator"):
        judge("a.py:rng", Request(), check_code)


@pytest.mark.parametrize("target", ["a.py:Free,", "a.py:Free, "])
def test_nothing_behind_a_comma_is_told(target: str) -> None:
    write("a.py", LAYER.format(name="Free"))
    with pytest.raises(UserCodeError, match="There is nothing after the comma of Free,"):
        find(target)


def test_two_classes_are_no_pair() -> None:
    write("a.py", LAYER.format(name="Free") + LAYER.format(name="Other"))
    with pytest.raises(UserCodeError, match=r"Free of a\.py is a class, .* as a\.py:Free\.$"):
        find("a.py:Free,Other")


def test_a_backward_that_raises_is_not_left_out_in_silence() -> None:
    write("a.py", LAYER.format(name="Double") + LAYER.format(name="Broken"))

    def raises(code: Code, request: Request) -> Group:
        if code.target.endswith("Broken"):
            raise UserCodeError("The code to check raised it.", "ValueError", "backward")
        return stand_in(code, request)

    outcome = judge("a.py", Request(), raises)
    assert [item.target for item in outcome.left_out if item.is_broken] == ["a.py:Broken"]
    assert not outcome.passed


@pytest.mark.parametrize("source", ["", "x = 3\n", "class Trainer:\n    def fit(self): pass\n"])
def test_a_file_with_nothing_to_check_is_refused(source: str) -> None:
    write("a.py", source)
    with pytest.raises(UserCodeError, match=r"a\.py has nothing to check") as caught:
        find("a.py")
    assert ("Trainer: no backward" in str(caught.value)) == ("Trainer" in source)


PAIRS = [
    ("affine_forward", "affine_backward"),
    ("linear_activation_forward", "linear_activation_backward"),
    ("conv_forward_naive", "conv_backward_naive"),
    ("batchnorm_forward", "batchnorm_backward_alt"),
    ("forward_pass", "backward_pass"),
    ("forward_softmax", "backward_softmax"),
    ("forward_propagation", "backward_propagation"),
    ("forward_prop", "back_prop"),
    ("forward", "backward"),
    ("relu", "relu_backward"),
    ("reluForward", "reluBackward"),
    ("relu_fprop", "relu_bprop"),
    ("f", "f_prime"),
    ("f", "df"),
    ("f", "d_f"),
    ("f", "f_d"),
    ("f", "grad_f"),
    ("sigmoid", "sigmoid_prime"),
    ("sigmoid", "sigmoidPrime"),
    ("sigmoid", "sigmoid_derivative"),
    ("sigmoid", "sigmoid_deriv"),
    ("sigmoid", "sigmoid_der"),
    ("sigmoid", "sigmoid_grad"),
    ("sigmoid", "sigmoid_gradient"),
    ("sigmoid", "derivative_of_sigmoid"),
    ("sigmoid", "d_sigmoid"),
    ("sigmoid", "dsigmoid"),
    ("sigmoid", "dSigmoid"),
    ("sigmoid", "gradient_sigmoid"),
    ("softmax", "softmax_jacobian"),
    ("relu", "relu2deriv"),
    ("mse", "mse_prime"),
    ("mse_loss", "mse_loss_grad"),
    ("compute_cost", "compute_gradient"),
    ("_f", "_f_prime"),
]


@pytest.mark.parametrize("pair", PAIRS, ids=",".join)
def test_a_pair_is_found_by_its_names_from_either_side(pair: tuple[str, str]) -> None:
    others = ["softplus", "elu", "load_data", "forward_hook", "main"]
    for name in pair:
        assert partner(name, [*others, *pair]) == pair
    for other in others:
        assert partner(other, [*others, *pair]) is None


@pytest.mark.parametrize(
    "names",
    [
        ["forward", "predict"],
        ["sigmoid", "tanh_prime"],
        ["elu_prime", "relu"],
        ["prime", "is_prime"],
        ["gradient_descent", "descent_rate"],
        ["load", "loa"],
        ["f"],
        ["d"],
        ["update", "up_date"],
    ],
)
def test_names_that_say_nothing_of_a_derivative_are_no_pair(names: list[str]) -> None:
    for name in names:
        assert partner(name, names) is None


@pytest.mark.parametrize("name", ["tanh", "tanh_prime"])
def test_either_function_of_a_pair_names_both(name: str) -> None:
    write("a.py", "def tanh(x): return x\ndef tanh_prime(x): return 1\ndef alone(x): return x\n")
    (candidate,) = find(f"a.py:{name}").candidates
    assert candidate.code.thing.__name__ == "tanh"
    assert candidate.code.backward.__name__ == "tanh_prime"
    (candidate,) = find("a.py:tanh_prime,alone").candidates
    assert candidate.code.thing.__name__ == "tanh_prime"
    (candidate,) = find("a.py:alone").candidates
    assert candidate.code.backward is None


@pytest.mark.parametrize("target", ["slopes.py", "slopes.py:tanh_prime"])
def test_a_derivative_is_a_pair_with_a_function_that_its_file_imports(target: str) -> None:
    write("curves.py", "def tanh(x): return x\ndef cube(x): return x**3\n")
    write("slopes.py", "from curves import *\ndef tanh_prime(x): return 1\n")
    (candidate,) = find(target).candidates
    assert candidate.code.thing.__module__ == "curves"
    assert candidate.code.backward.__name__ == "tanh_prime"


def test_an_update_that_is_given_the_gradients_is_no_loss() -> None:
    step = "def update(W, b, dW, db, lr):\n    return W - lr * dW, b - lr * db\n"
    write("a.py", LAYER.format(name="Double") + step)
    assert names("a.py") == ["Double"]


def test_a_base_class_that_raises_not_implemented_by_mistake_is_one() -> None:
    write(
        "a.py",
        "class Base:\n"
        + "".join(
            f"    def {name}(self, x):\n        raise NotImplemented\n"
            for name in ("forward", "backward")
        )
        + LAYER.format(name="Double"),
    )
    assert names("a.py") == ["Double"]


def test_a_derivative_without_its_function_is_said_to_be_one() -> None:
    write("a.py", LAYER.format(name="Double") + "def elu_prime(x): return x\n")
    (left_out,) = find("a.py").left_out
    assert left_out.reason == "no function that it is the derivative of beside it"


def test_a_function_that_goes_back_by_a_flag_is_checked() -> None:
    write("a.py", "def cube(x, BACK=False):\n    return 3 * x**2 if BACK else x**3\n")
    (candidate,) = find("a.py").candidates
    assert check_code(candidate.code, Request()).passed


def notebook(*cells: str) -> None:
    code = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    text = {"cell_type": "markdown", "source": "# A title\n%not code"}
    write("net.ipynb", json.dumps({"nbformat": 4, "cells": [text, *code]}))


def test_the_cells_of_a_notebook_are_run_in_order() -> None:
    notebook(
        "%matplotlib inline\n!pip install nothing\nfactor = 2",
        "factor += 1",
        LAYER.format(name="Double"),
        "%%bash\nexit 1",
        "files = !ls\nfactor?",
    )
    assert thing("net.ipynb:factor") == 3
    assert names("net.ipynb") == ["Double"]
    assert find("net.ipynb").remarks == []


def test_a_cell_that_fails_is_named_and_passed_over() -> None:
    notebook("import nowhere_at_all", LAYER.format(name="Double"), "raise SystemExit", "last = 1")
    found = find("net.ipynb:Double")
    assert found.remarks == [
        "Code cell 1 of net.ipynb raised ModuleNotFoundError: No module named 'nowhere_at_all', "
        "and was skipped.",
        "Code cell 3 of net.ipynb raised SystemExit, and was skipped.",
    ]
    assert thing("net.ipynb:last") == 1
    with pytest.raises(UserCodeError, match=r"has no Triple.*Code cell 1 of net"):
        find("net.ipynb:Triple")


def test_a_function_that_returns_its_gradient_is_found_in_a_notebook() -> None:
    notebook("def loss(x, y):\n    dx = x - y\n    return (dx ** 2).sum(), 2 * dx\n")
    assert names("net.ipynb") == ["loss"]


def test_a_cost_that_returns_dl_dy_has_its_gradient() -> None:
    write(
        "a.py",
        "def squares(y, t):\n    dl_dy = 2 * (y - t)\n    return ((y - t)**2).sum(), dl_dy\n",
    )
    assert names("a.py") == ["squares"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": 3}', '{"cells": [3]}', "[" * 9999])
def test_what_is_no_notebook_is_refused(text: str) -> None:
    write("net.ipynb", text)
    with pytest.raises(UserCodeError, match=r"net.ipynb is not a notebook"):
        find("net.ipynb")


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("x = 1", "x = 1"),
        ("%time x = f()\ny = 2", "x = f()\ny = 2"),
        ("%%time\nx = 1", "\nx = 1"),
        ("%%html\n<b>", ""),
        ("if x:\n    !ls\ny = 1", "if x:\n    pass\ny = 1"),
        ("for a in b:\n    %timeit f()", "for a in b:\n    pass"),
        ('print("%s"\n      % x)', 'print("%s"\n      % x)'),
        ('print("%s"\n      % x)\n!ls', 'print("%s"\n      % x)\npass'),
        ('"""\n%text\n!text\n"""', '"""\n%text\n!text\n"""'),
        ("!echo it's\nx = 1", "pass\nx = 1"),
        ("f?\n?f\nf??", "pass\npass\npass"),
        ("x = = 1", "x = = 1"),
    ],
)
def test_magics_are_taken_out_and_python_stays(cell: str, python: str) -> None:
    assert without_magics(cell) == python


LOSSES = """
def squares(theta, X, y):
    d = X @ theta - y
    dtheta = X.T @ d
    return 0.5 * (d ** 2).sum(), {gradient}

def entropy(z, t):
    e = np.exp(z)
    p = e / e.sum()
    return -(t * np.log(p)).sum(), p
"""


@pytest.mark.parametrize(
    ("gradient", "passes"),
    [("dtheta", True), ("-7 * dtheta", False), ("X.T @ d", True), ("X.T.dot(2 * d)", False)],
)
def test_a_whole_file_has_its_losses_with_gradients_checked(gradient: str, passes: bool) -> None:
    write("a.py", "import numpy as np\n" + LOSSES.format(gradient=gradient))
    outcome = judge("a.py", Request(), check_code)
    assert [group.target for group in outcome.groups] == ["a.py:squares"]
    assert [item.target for item in outcome.left_out] == ["a.py:entropy"]
    assert outcome.passed == passes


LAYERS_BY_NAME = """
import numpy as np

def squash(Z):
    return 1 / (1 + np.exp(-Z)), Z

def initialize_parameters(layer_dims):
    return {{
        name: array
        for k, (n, m) in enumerate(zip(layer_dims, layer_dims[1:]), 1)
        for name, array in ((f"W{{k}}", np.random.randn(m, n)), (f"b{{k}}", np.zeros((m, 1))))
    }}

def activation_forward(A_prev, W, b, activation):
    Z = W @ A_prev + b
    A = np.tanh(Z) if activation == "tanh" else squash(Z)[0]
    return A, (A_prev, W, b, A)

def activation_backward(dA, cache, activation):
    A_prev, W, b, A = cache
    dZ = dA * (A * (1 - A) if activation == "sigmoid" else {slope})
    m = A_prev.shape[1]
    return W.T @ dZ, dZ @ A_prev.T / m, dZ.sum(axis=1, keepdims=True) / m

def model_forward(X, parameters):
    caches, A = [], X
    for k in range(1, len(parameters) // 2 + 1):
        how = "sigmoid" if 2 * k == len(parameters) else "tanh"
        A, cache = activation_forward(A, parameters[f"W{{k}}"], parameters[f"b{{k}}"], how)
        caches.append(cache)
    return A, caches

def compute_cost(AL, Y):
    losses = np.dot(Y, np.log(AL).T) + np.dot(1 - Y, np.log(1 - AL).T)
    return np.squeeze(-losses / Y.shape[1])

def model_backward(AL, Y, caches):
    grads, dA = {{}}, (AL - Y) / (AL * (1 - AL))
    for k in range(len(caches), 0, -1):
        how = "sigmoid" if k == len(caches) else "tanh"
        dA, grads[f"dW{{k}}"], grads[f"db{{k}}"] = activation_backward(dA, caches[k - 1], how)
    return grads

def update_parameters(parameters, grads, rate):
    return {{name: value - rate * grads["d" + name] for name, value in parameters.items()}}
"""
IN_COLUMNS = Request(columns=True, skip=frozenset({"large-inputs"}))


def test_a_cost_that_is_of_one_output_alone_is_that_of_a_network_with_one() -> None:
    write("a.py", LAYERS_BY_NAME.format(slope="(1 - A**2)"))
    outcome = judge("a.py", IN_COLUMNS, check_code)
    assert [group.target for group in outcome.groups] == [
        "a.py:activation_forward,activation_backward",
        "a.py:model_forward,model_backward",
    ]
    assert outcome.passed


def test_what_the_loss_of_a_network_was_taken_from_is_not_left_out() -> None:
    write("a.py", LAYERS_BY_NAME.format(slope="(1 - A**2)"))
    outcome = judge("a.py", IN_COLUMNS, check_code)
    assert [item.target for item in outcome.left_out] == [
        "a.py:squash",
        "a.py:initialize_parameters",
        "a.py:update_parameters",
    ]
    assert "The gradients are taken for those of compute_cost(AL, Y)." in outcome.groups[1].remarks


def test_a_function_with_several_modes_is_checked_in_each() -> None:
    write("a.py", LAYERS_BY_NAME.format(slope="(1 + A**2)"))
    (group,) = judge("a.py:activation_forward", IN_COLUMNS, check_code).groups
    wrong = [row.name for row in group.checks if not row.passed and row.kind == "gradient"]
    assert wrong == [f"activation=tanh: to {name}" for name in ("A_prev", "W", "b")]
    assert any(row.name == "activation=sigmoid: to W" and row.passed for row in group.checks)


def test_a_mode_that_is_given_is_the_only_one() -> None:
    write("a.py", LAYERS_BY_NAME.format(slope="(1 + A**2)"))
    request = Request(columns=True, arguments={"activation": "sigmoid"})
    outcome = judge("a.py:activation_forward", request, check_code)
    assert outcome.passed
    assert outcome.checks[0].name == "to A_prev"


WITH_ITS_LOSS = """
import numpy as np

class Net:
    def __init__(self, n_in=4, n_out=3):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, X):
        self.X = X
        e = np.exp(X @ self.W + self.b)
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, y):
        d = self.p - np.eye(3)[y]
        {mean}
        self.dW, self.db = self.X.T @ d, d.sum(axis=0)

def loss_fn(net, X, y):
    return -np.log(net.forward(X)[np.arange(len(y)), y]).mean()
"""


@pytest.mark.parametrize(
    ("mean", "diagnoses"),
    [("d /= len(y)", {None}), ("pass", {"batch-size-missing"})],
    ids=["right", "sum-for-mean"],
)
def test_a_loss_that_is_given_the_network_is_that_of_the_network(
    mean: str, diagnoses: set[str | None]
) -> None:
    write("a.py", WITH_ITS_LOSS.format(mean=mean))
    outcome = judge("a.py", Request(skip=frozenset({"large-inputs"})), check_code)
    assert [group.target for group in outcome.groups] == ["a.py:Net"]
    rows = [row for row in outcome.checks if row.kind == "gradient"]
    assert {row.diagnosis.name if row.diagnosis else None for row in rows} == diagnoses
    assert outcome.left_out == []
    assert "The gradients are taken for those of loss_fn(net, X, y)." in outcome.groups[0].remarks
