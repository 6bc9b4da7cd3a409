"""How code is read where there are several ways, and what is refused."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest
from checked import Dense, Layer, failed, made

from mnist_cli.gradcheck import UserCodeError, check, check_functions, check_layer
from mnist_cli.gradcheck.checking import check_code
from mnist_cli.gradcheck.request import Code, Request


def test_code_that_raises_whatever_is_tried_is_refused() -> None:
    def refuse(self: Any, x: Any) -> Any:
        raise RuntimeError("not today")

    with pytest.raises(UserCodeError, match="not today"):
        check_layer(Layer(refuse))


def test_an_argument_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(UserCodeError, match="no argument of that name"):
        check_layer(Dense, arguments={"regg": 0.1})


def test_code_with_sizes_of_its_own_is_given_as_many_columns() -> None:
    powers = np.arange(1, 4)
    layer = Layer(
        lambda self, x: x**powers, lambda self, dout: dout * powers * self.x ** (powers - 1)
    )
    assert check_layer(layer).passed


class Product:
    factor = 1

    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.y = x, y
        return x * y

    def backward(self, dout: Any) -> Any:
        return dout * self.y, self.factor * dout * self.x


def test_a_gradient_to_what_is_called_as_labels_is_compared() -> None:
    class Wrong(Product):
        factor = -7

    assert [row.name for row in check(Product) if row.kind == "gradient"] == ["to x", "to y"]
    assert set(failed(check(Wrong))) == {"to y"}


def test_an_activation_with_an_argument_is_not_called_a_loss() -> None:
    found = check_functions(
        lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x, alpha: np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0))),
    )
    assert found.passed
    assert found[0].name == "elementwise derivative"
    assert not any("a loss" in remark for remark in found.remarks)


SQUARES = """
def it(theta, X, y):
    d = X @ theta - y
    dtheta = X.T @ d
    return 0.5 * (d ** 2).sum(), {gradient}
"""


@pytest.mark.parametrize(
    ("gradient", "passes"),
    [("dtheta", True), ("1 * dtheta", True), ("-7 * dtheta", False), ("3 * X.T @ d", False)],
)
def test_a_gradient_that_is_any_expression_is_compared(gradient: str, passes: bool) -> None:
    assert check(made(SQUARES.format(gradient=gradient))).passed == passes


def test_attention_is_not_judged_where_it_has_one_key_alone() -> None:
    class Attention:
        def forward(self, Q: Any, K: Any, V: Any) -> Any:
            self.Q, self.K, self.V = Q, K, V
            s = Q @ K.T / np.sqrt(Q.shape[-1])
            e = np.exp(s - s.max(-1, keepdims=True))
            self.A = e / e.sum(-1, keepdims=True)
            return self.A @ V

        def backward(self, dO: Any) -> Any:
            dA = dO @ self.V.T
            dS = self.A * (dA - (dA * self.A).sum(-1, keepdims=True))  # and no 1/√d
            return dS @ self.K, dS.T @ self.Q, self.A.T @ dO

    assert set(failed(check(Attention))) == {"to Q", "to K"}


def test_a_loss_is_not_judged_where_it_has_one_class_alone() -> None:
    def svm(W: Any, X: Any, y: Any, reg: Any) -> Any:
        rows = np.arange(len(X))
        scores = X @ W
        margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
        margins[rows, y] = 0
        wrong = (margins > 0).astype(float)  # and nothing for the right class
        dW = X.T @ wrong / len(X) + 2 * reg * W
        return margins.sum() / len(X) + reg * (W**2).sum(), dW

    assert set(failed(check_functions(svm))) == {"to W"}


class Difference:
    def forward(self, a: Any, b: Any) -> Any:
        return a - b

    def backward(self, dout: Any) -> Any:
        return dout, dout


def test_one_array_that_is_returned_twice_is_two_gradients() -> None:
    assert set(failed(check(Difference))) == {"to b"}


def test_a_neuron_of_one_vector_is_given_one() -> None:
    class Neuron:
        def __init__(self) -> None:
            self.w, self.b = np.linspace(-1, 1, 4), 0.5

        def forward(self, x: Any) -> Any:
            self.x = x
            self.y = np.tanh(self.w @ x + self.b)
            return self.y

        def backward(self, dout: Any) -> Any:
            dz = dout * (1 - self.y**2)
            self.dw, self.db = dz * self.x, dz
            return dz * self.w

    assert check(Neuron).passed


def test_a_form_with_a_matrix_between_two_inputs_is_judged() -> None:
    class Bilinear:
        def __init__(self) -> None:
            self.A = np.linspace(-1, 1, 20).reshape(4, 5)

        def forward(self, u: Any, v: Any) -> Any:
            self.u, self.v = u, v
            return np.einsum("ni,ij,nj->n", u, self.A, v)

        def backward(self, dout: Any) -> Any:
            self.dA = np.einsum("n,ni,nj->ij", dout, self.u, self.v)
            return dout[:, None] * (self.v @ self.A.T), dout[:, None] * (self.u @ self.A)

    assert check(Bilinear).passed


ABOVE = """
class it:
    def forward(self, x):
        self.is_positive = x > 0
        return np.maximum(x, 0)
    def backward(self, eta):
        return {gradient}
"""


@pytest.mark.parametrize(
    ("gradient", "passes"), [("eta * self.is_positive", True), ("1.0 * self.is_positive", False)]
)
def test_eta_alone_is_what_comes_from_above_and_no_rate(gradient: str, passes: bool) -> None:
    assert check(made(ABOVE.format(gradient=gradient))).passed == passes


def test_a_number_behind_the_output_of_a_layer_is_a_penalty() -> None:
    class Penalised(Dense):
        def forward(self, x: Any) -> Any:
            return super().forward(x), 0.01 * float((self.W**2).sum())

    class Tripled(Penalised):
        def backward(self, dout: Any) -> Any:
            return 3 * super().backward(dout)

    assert check(Penalised).passed
    assert failed(check(Tripled)) == {"to x": "constant-factor"}


KEEPING = """
def it(x, keep=0.5):
    mask = np.tanh(x) > 0
    return x * mask / {forward}, mask

def it_backward(dout, cache, keep):
    return dout * cache / keep
"""


@pytest.mark.parametrize(("forward", "passes"), [("keep", True), ("1.0", False)])
def test_backward_is_given_what_forward_takes_by_default(forward: str, passes: bool) -> None:
    names: dict[str, Any] = {"np": np}
    exec(KEEPING.format(forward=forward), names)
    assert check_functions(names["it"], names["it_backward"]).passed == passes


class Normalised:
    """A layer that takes the mean of the batch in training, and the one that it keeps else."""

    factor = 1.0
    training = True

    def __init__(self) -> None:
        self.training = False
        self.mean = np.zeros(4)

    def forward(self, x: Any) -> Any:
        mean = x.mean(axis=0) if self.training else self.mean
        return x - mean

    def backward(self, dout: Any) -> Any:
        return self.factor * (dout - dout.mean(axis=0))


def test_a_layer_is_checked_in_training_mode_and_left_in_its_own() -> None:
    layer = Normalised()
    found = check(layer, shape=(6, 4))
    assert found.passed
    assert any("training mode: training was set to True" in remark for remark in found.remarks)
    assert not layer.training


def test_what_is_right_in_evaluation_alone_is_wrong() -> None:
    class NotInTraining(Normalised):
        def backward(self, dout: Any) -> Any:
            return dout

    assert "to x" in failed(check(NotInTraining(), shape=(6, 4)))


@pytest.mark.parametrize(("argument", "passes"), [("values", True), ("x", False)])
def test_a_derivative_may_be_of_the_output_where_its_argument_is_called_else(
    argument: str, passes: bool
) -> None:
    def squash(x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    derivative = made(f"def it({argument}): return {argument} * (1 - {argument})")
    assert check_functions(squash, derivative).passed == passes


BY_PARAMETERS = """
class Kept:
    def __init__(self, value=None):
        self.value, self.dvalue = value, None

class it:
    def __init__(self):
        self.held = {{"w": Kept(np.linspace(-1, 1, 12).reshape(4, 3)), "x": Kept()}}
    def forward(self, x=None):
        if x is not None:
            self.held["x"].value = x
        return self.held["x"].value @ self.held["w"].value
    def backward(self, dout):
        self.held["w"].dvalue = self.held["x"].value.T @ dout
        self.held["x"].dvalue = {factor} * dout @ self.held["w"].value.T
"""


@pytest.mark.parametrize(("factor", "wrong"), [(1, set()), (3, {"to x"})])
def test_an_input_by_default_and_its_gradient_beside_it_are_found(
    factor: int, wrong: set[str]
) -> None:
    found = check(made(BY_PARAMETERS.format(factor=factor)))
    assert {"to x", "to held.w"} <= {row.name for row in found}
    assert set(failed(found)) == wrong


def test_a_forward_that_returns_nothing_has_no_output_in_a_number_from_before() -> None:
    class Stub:
        def __init__(self) -> None:
            self.y = 0

        def forward(self, x: Any) -> None:
            pass

        def backward(self, dout: Any) -> Any:
            return dout

    with pytest.raises(UserCodeError, match="forward returned NoneType"):
        check(Stub)


def test_nothing_is_cleared_in_a_module_that_a_layer_holds() -> None:
    class OnArrays(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.xp = types.ModuleType("arrays")
            vars(self.xp)["clear"] = lambda: 1 / 0

    assert check(OnArrays).passed


def test_a_factor_of_as_many_as_there_are_columns_says_where_it_would_be_right() -> None:
    class MeanOfRows:
        def forward(self, p: Any, t: Any) -> Any:
            return ((p - t) ** 2).mean()

        def backward(self, p: Any, t: Any) -> Any:
            return 2 * (p - t) / len(p)

    (explanation,) = {row.diagnosis.explanation for row in check(MeanOfRows) if row.diagnosis}
    assert "10 times" in explanation
    assert "--shape 6,1" in explanation
    assert check(MeanOfRows, shape=(6, 1)).passed


class OfRows:
    """A cross-entropy for one-hot labels, of the safe logarithm of a softmax."""

    factor = 1

    def forward(self, z: Any, t: Any) -> Any:
        z = z - z.max(axis=1, keepdims=True)
        self.logp, self.t = z - np.log(np.exp(z).sum(axis=1, keepdims=True)), t
        return -np.sum(t * self.logp) / len(z)

    def backward(self) -> Any:
        return self.factor * (np.exp(self.logp) - self.t) / len(self.t)


class OfRowsDouble(OfRows):
    factor = 2


def test_a_loss_of_one_hot_labels_is_not_judged_by_indices() -> None:
    with pytest.raises(UserCodeError, match=r"takes one-hot labels.*say --labels onehot"):
        check(OfRows, labels="index")
    assert check(OfRows, labels="onehot").passed
    assert not check(OfRowsDouble, labels="onehot").passed


@pytest.mark.parametrize("classes", [2, 4, 20])
def test_a_loss_without_weights_has_as_many_columns_as_classes_were_asked_for(
    classes: int,
) -> None:
    assert check(OfRows, classes=classes).passed
    assert failed(check(OfRowsDouble, classes=classes)) == {"to z": "factor-two"}


def test_an_object_without_arrays_is_told_of_and_not_the_function_that_made_it() -> None:
    class Empty:
        def forward(self) -> None: ...
        def backward(self) -> None: ...

    with pytest.raises(UserCodeError, match="which take no array, and holds none either"):
        check(lambda: Empty())


def test_a_gradient_by_the_key_x_is_that_to_the_input_whatever_forward_calls_it() -> None:
    class Keyed:
        factor = 1

        def __init__(self) -> None:
            self.W = np.linspace(-1, 1, 12).reshape(4, 3)

        def forward(self, image: Any) -> Any:
            self.image = image
            return image @ self.W

        def backward(self, delta: Any) -> Any:
            return {"W": self.image.T @ delta, "x": self.factor * delta @ self.W.T}

    class Tripled(Keyed):
        factor = 3

    assert [row.name for row in check(Keyed) if row.kind == "gradient"] == ["to image", "to W"]
    assert check(Keyed).passed
    assert set(failed(check(Tripled))) == {"to image"}


def test_a_convolution_over_time_is_given_as_many_channels_as_its_kernel_has() -> None:
    class OverTime:
        def __init__(self) -> None:
            self.kernel = np.random.default_rng(0).standard_normal((3, 2, 4))

        def forward(self, x: Any) -> Any:
            assert x.ndim == 3
            self.windows = np.lib.stride_tricks.sliding_window_view(x, 4, axis=2)
            self.shape = x.shape
            return np.einsum("nitk,oik->not", self.windows, self.kernel)

        def backward(self, dout: Any) -> Any:
            self.dkernel = np.einsum("not,nitk->oik", dout, self.windows)
            dx = np.zeros(self.shape)
            for k in range(4):
                parts = np.einsum("not,oi->nit", dout, self.kernel[:, :, k])
                dx[:, :, k : k + dout.shape[2]] += parts
            return dx

    assert check(OverTime).passed


def test_a_loss_without_a_gradient_is_not_tried_with_square_batches() -> None:
    class Line:
        def __init__(self) -> None:
            self.v = np.ones(5)

        def loss(self, pred: Any, label: Any) -> Any:
            return (self.v.dot(pred) - label) ** 2

    with pytest.raises(UserCodeError):
        check(Line)


def test_code_that_runs_at_a_square_by_broadcasting_is_not_judged_there() -> None:
    def energy(v: Any, W: Any, b: Any, c: Any) -> Any:
        return (-(v @ b) - np.logaddexp(0, v @ W + c).sum(axis=1)).mean()

    def energy_grad(v: Any, W: Any, b: Any, c: Any) -> Any:
        s = 1 / (1 + np.exp(-(v @ W + c)))
        return (-b - s @ W.T) / len(v), -v.T @ s / len(v), -v.mean(axis=0), -s.mean(axis=0)

    # b has as many numbers as there are inputs, which nothing tells.
    with pytest.raises(UserCodeError, match="--shape"):
        check_functions(energy, energy_grad)
    shape = {"v": (5, 6), "W": (6, 4), "b": (6,), "c": (4,)}
    assert check_functions(energy, energy_grad, shape=shape).passed


SOFTMAX_OF_ONE = """
class it:
    def forward(self, x):
        e = np.exp(x - x.max())
        self.s = e / e.sum()
        return self.s
    def backward(self, dout):
        {gradient}
"""
OF_ONE_COLUMN = "return (self.s * (np.eye(self.s.size) - self.s.T)) @ dout"
OF_ONE_ROW = "return dout @ (np.eye(self.s.size) * self.s - self.s.T @ self.s)"


@pytest.mark.parametrize("gradient", [OF_ONE_COLUMN, OF_ONE_ROW])
def test_what_runs_with_a_vector_may_be_meant_for_one_column_or_one_row(gradient: str) -> None:
    assert check(made(SOFTMAX_OF_ONE.format(gradient=gradient))).passed
    wrong = gradient.replace("return", "return 3 *")
    assert "to x" in failed(check(made(SOFTMAX_OF_ONE.format(gradient=wrong))))


def test_a_gradient_that_is_kept_is_that_to_the_first_input_alone() -> None:
    class MeanOfRows:
        def forward(self, p: Any, t: Any) -> Any:
            self.p, self.t = p, t
            return ((p - t) ** 2).mean()

        def backward(self) -> None:
            self.dinputs = 2 * (self.p - self.t) / len(self.p)

    assert set(failed(check(MeanOfRows))) == {"to p"}


def test_a_convolution_is_made_with_few_channels_and_a_small_kernel() -> None:
    sizes: list[tuple[int, ...]] = []

    class Images(Layer):
        def __init__(self, in_channels: int, num_filters: int, kernel_size: int, stride: int):
            super().__init__()
            sizes.append((in_channels, num_filters, kernel_size, stride))

    assert check(Images).passed
    assert set(sizes) == {(2, 3, 3, 1)}


def test_a_layer_that_must_be_told_whether_it_is_trained_is_told_so() -> None:
    class Identity:
        def forward(self, X: Any, if_train: Any) -> Any:
            return X if if_train is True else 0 * X

        def backward(self, output: Any) -> Any:
            return 1

    assert check(Identity).passed


def test_a_loss_of_two_nodes_may_be_a_number() -> None:
    class Squares:
        factor = 1

        def forward(self, output: Any, Y: Any) -> Any:
            self.output, self.Y = output, Y
            return 0.5 * np.sum((output.value - Y.value) ** 2)

        def backward(self) -> Any:
            return self.factor * (self.output.value - self.Y.value)

    class Tripled(Squares):
        factor = 3

    assert check(Squares).passed
    assert "to output" in failed(check(Tripled))


@pytest.mark.parametrize("names", ["y_true, y_pred", "y, y_hat", "target, output", "t, logits"])
def test_a_sign_is_not_right_for_being_that_of_the_gradient_to_the_labels(names: str) -> None:
    """As of a loss that is steeper on one side, and so is another one of its labels."""
    pair = {}
    for sign in (1, -1):
        first, second = names.split(", ")
        source = f"""
class it:
    def loss(self, {names}):
        e = {first} - {second}
        return np.mean(np.maximum(0.3 * e, -0.7 * e))
    def gradient(self, {names}):
        e = {first} - {second}
        return {sign} * np.where(e > 0, -0.3, 0.7) / e.size
"""
        pair[sign] = check(made(source))
    assert pair[1].passed
    assert failed(pair[-1]) == {f"to {names.split(', ')[1]}": "sign-flipped"}


def test_a_tensor_between_two_inputs_tells_how_wide_they_are() -> None:
    class Bilinear:
        def __init__(self) -> None:
            self.W = np.random.default_rng(0).standard_normal((2, 3, 4))

        def forward(self, u: Any, v: Any) -> Any:
            self.u, self.v = u, v
            return np.einsum("ni,oij,nj->no", u, self.W, v)

        def backward(self, dout: Any) -> Any:
            self.dW = np.einsum("no,ni,nj->oij", dout, self.u, self.v)
            du = np.einsum("no,oij,nj->ni", dout, self.W, self.v)
            return du, np.einsum("no,oij,ni->nj", dout, self.W, self.u)

    assert check(Bilinear).passed


def test_a_softmax_with_an_epsilon_that_backward_leaves_out_is_said_to_be_nearly_right() -> None:
    class Softmax:
        def forward(self, x: Any) -> Any:
            e = np.exp(x - x.max(axis=-1, keepdims=True))
            self.s = e / (e.sum(axis=-1, keepdims=True) + 1e-8)
            return self.s

        def backward(self, dout: Any) -> Any:
            return self.s * (dout - (dout * self.s).sum(axis=-1, keepdims=True))

    (row,) = [row for row in check(Softmax) if not row.passed]
    assert row.diagnosis is not None
    assert row.diagnosis.name == "unknown"
    assert "It is nearly right" in row.diagnosis.explanation
    assert check(Softmax, tolerance=1e-6).passed


def test_the_first_entry_of_dout_alone_is_not_called_clipped() -> None:
    class FirstAlone:
        def forward(self, x: Any) -> Any:
            self.s = np.exp(x) / np.exp(x).sum()
            return self.s

        def backward(self, dout: Any) -> Any:
            return self.s[0] * dout[0] * (np.eye(len(self.s))[0] - self.s)

    named = failed(check(FirstAlone, shape=(3,), seed=3))
    assert named["to x"] != "clipped"


LOGISTIC = """
class it:
    def __init__(self, n=4):
        self.W, self.b = np.random.randn(1, n), np.zeros((1, 1))
    def forward(self, X, Y):
        self.X, self.Y, self.A = X, Y, 1 / (1 + np.exp(-self.W @ X - self.b))
        return -np.mean(Y * np.log(self.A) + (1 - Y) * np.log(1 - self.A))
    def backward(self):
        dZ = (self.A - {labels}) / self.X.shape[1]
        self.dW, self.db = dZ @ self.X.T, dZ.sum(axis=1, keepdims=True)
"""


def test_a_network_with_one_output_has_labels_of_both_kinds() -> None:
    options: dict[str, Any] = {"columns": True, "skip": ["large-inputs"]}
    assert check(made(LOGISTIC.format(labels="self.Y")), **options).passed
    assert [*failed(check(made(LOGISTIC.format(labels="1")), **options))] == ["to W", "to b"]


DESCRIBED = """
import numpy as np

architecture = [{"into": 4, "out": 3}, {"into": 3, "out": 1}]

def init_layers(architecture, seed=99):
    rng = np.random.default_rng(seed)
    values = {}
    for index, layer in enumerate(architecture, 1):
        values[f"W{index}"] = rng.standard_normal((layer["out"], layer["into"]))
        values[f"b{index}"] = rng.standard_normal((layer["out"], 1))
    return values

def net_forward(X, params_values, architecture):
    memory, A = {}, X
    for index, layer in enumerate(architecture, 1):
        memory[f"A{index}"] = A
        Z = params_values[f"W{index}"] @ A + params_values[f"b{index}"]
        A = 1 / (1 + np.exp(-Z))
        memory[f"S{index}"] = A
    return A, memory

def cost_of(Y_hat, Y):
    return np.sum((Y_hat - Y) ** 2) / Y.shape[1]

def net_backward(Y_hat, Y, memory, params_values, architecture):
    grads, dA = {}, {gradient}
    for index in range(len(architecture), 0, -1):
        S = memory[f"S{index}"]
        dZ = dA * S * (1 - S)
        grads[f"dW{index}"] = dZ @ memory[f"A{index}"].T
        grads[f"db{index}"] = dZ.sum(axis=1, keepdims=True)
        dA = params_values[f"W{index}"].T @ dZ
    return grads
"""


@pytest.mark.parametrize(
    ("gradient", "failed_rows"),
    [
        ("2 * (Y_hat - Y) / Y.shape[1]", set()),
        ("2 * (Y - Y_hat) / Y.shape[1]", {"to W1", "to b1", "to W2", "to b2"}),
    ],
)
def test_functions_are_given_the_list_by_which_their_file_describes_a_network(
    gradient: str, failed_rows: set[str]
) -> None:
    names: dict[str, Any] = {}
    exec(DESCRIBED.replace("{gradient}", gradient), names)
    code = Code("net", names["net_forward"], names["net_backward"], names)
    group = check_code(code, Request(columns=True))
    assert {row.name for row in group.checks if not row.passed} == failed_rows
