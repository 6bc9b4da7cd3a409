"""The rows of a report: what each looks at, when it fails, and where it does not apply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import wrong_code

from mnist_cli.gradcheck import UserCodeError, check, check_functions, check_layer, check_loss
from mnist_cli.gradcheck.result import Check, Checks
from mnist_cli.gradcheck.target import find


class Layer:
    """A layer made of two functions: ``forward(self, x)`` and ``backward(self, dout)``."""

    def __init__(
        self,
        forward: Callable[[Any, Any], Any] = lambda self, x: 3 * x,
        backward: Callable[[Any, Any], Any] = lambda self, dout: 3 * dout,
    ):
        self._forward, self._backward = forward, backward

    def forward(self, x: Any) -> Any:
        self.x = x
        return self._forward(self, x)

    def backward(self, dout: Any) -> Any:
        return self._backward(self, dout)


class Dense:
    def __init__(self, n_in: int = 4, n_out: int = 3) -> None:
        rng = np.random.default_rng(3)
        self.W, self.b = rng.standard_normal((n_in, n_out)), rng.standard_normal(n_out)

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Any) -> Any:
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


def failed(checks: Checks) -> dict[str, str]:
    """Return the names of the rows that failed, with their diagnoses."""
    return {
        row.name: row.diagnosis.name if row.diagnosis else "" for row in checks if not row.passed
    }


def row_of(checks: Checks, kind: str) -> Check:
    (row,) = [row for row in checks if row.kind == kind]
    return row


def kinds(checks: Checks) -> set[str]:
    return {row.kind for row in checks}


def made(source: str) -> Any:
    """Return what a piece of code calls ``it``."""
    names: dict[str, Any] = {"np": np}
    exec(source, names)
    return names["it"]


# ---- the five ways in which what is wrong has passed


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


# Way 5, that our own layers' side effects were dropped, is in test_own_formulas.


# ---- gradients


def test_one_array_under_two_names_is_one_row() -> None:
    layer = Dense()
    layer.params = [layer.W, layer.b]  # type: ignore[attr-defined]
    names = [row.name for row in check_layer(layer) if row.kind == "gradient"]
    assert names == ["to x", "to W", "to b"]


def test_rows_are_called_as_the_users_own_arguments() -> None:
    def loss(prediction: Any, truth: Any) -> Any:
        return ((prediction - truth) ** 2).mean()

    def loss_prime(prediction: Any, truth: Any) -> Any:
        return 2 * (prediction - truth) / truth.size

    found = check_functions(loss, loss_prime)
    assert found.passed
    assert found[0].name == "to prediction"
    assert found[0].argument == "prediction"


def test_weights_without_a_gradient_are_not_checked_unless_they_are_constant() -> None:
    class Projection:
        def __init__(self) -> None:
            self.params = {"W": np.random.default_rng(0).standard_normal((4, 3))}
            self.used = np.arange(3)

        def forward(self, x: Any) -> Any:
            return (x @ self.params["W"])[:, self.used]

        def backward(self, dout: Any) -> Any:
            return dout @ self.params["W"].T

    found = check_layer(Projection())
    (row,) = [row for row in found if not row.passed]
    assert row.is_unchecked
    assert (row.name, row.elements, row.max_relative_error) == ("to W", 0, None)
    for name in ("W", "params.W"):
        found = check_layer(Projection(), constants=[name])
        assert found.passed
        assert "not differentiated: W" in found.remarks


def test_what_moves_nothing_needs_no_gradient() -> None:
    layer = Dense()
    layer.unused = np.ones((2, 2))  # type: ignore[attr-defined]
    assert check_layer(layer).passed


def test_what_forward_itself_writes_is_no_parameter() -> None:
    class Normalised:
        def __init__(self) -> None:
            self.mean = np.zeros(4)
            self.cache = np.zeros((6, 4))

        def forward(self, x: Any) -> Any:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
            self.cache = x - x.mean(axis=0)
            return self.cache.copy()

        def backward(self, dout: Any) -> Any:
            return dout - dout.mean(axis=0)

    found = check_layer(Normalised(), shape=(6, 4))
    assert found.passed, str(found)
    assert [row.argument for row in found if row.kind == "gradient"] == ["x"]


def test_labels_and_the_data_of_a_network_are_exempt_and_named() -> None:
    class Network:
        def __init__(self) -> None:
            self.W = np.random.default_rng(0).standard_normal((4, 3))

        def loss(self, X: Any, y: Any) -> Any:
            d = X @ self.W - y
            return (d**2).mean(), {"W": 2 * X.T @ d / d.size}

    found = check(Network())
    assert found.passed, str(found)
    assert [row.name for row in found if row.kind == "gradient"] == ["to W"]
    assert any(remark.startswith("not differentiated: X") for remark in found.remarks)


def test_no_gradient_at_all_does_not_pass() -> None:
    found = check_layer(Layer(backward=lambda self, dout: None))
    assert not found.passed
    assert failed(found) == {"to x": "not-checked"}


# ---- batch sizes


SIZES: list[int] = []


def test_gradients_are_compared_at_several_batch_sizes_one_of_them_1_and_none_5() -> None:
    def forward(self: Any, x: Any) -> Any:
        SIZES.append(len(x))  # of a module: what a function remembers is copied
        return 3 * x

    SIZES.clear()
    row = row_of(check_layer(Layer(forward)), "batch-sizes")
    assert row.passed
    assert row.elements
    assert 1 in SIZES
    assert 5 not in SIZES
    assert len(set(SIZES)) >= 3


def test_with_a_shape_others_are_compared_too() -> None:
    row = row_of(check_layer(Layer(), shape=(6, 4)), "batch-sizes")
    assert row.method.startswith("at 1, ")
    assert "6" not in row.method


@pytest.mark.parametrize("shape", [(7,), (1, 7), (7, 1)])
def test_one_example_by_its_nature_is_compared_alone_and_the_row_says_so(
    shape: tuple[int, ...],
) -> None:
    found = check_layer(Layer(), shape=shape)
    assert found.passed
    row = row_of(found, "batch-sizes")
    assert row.is_skipped
    assert "one example" in row.method


def test_columns_are_compared_at_other_numbers_of_columns() -> None:
    class DenseOfColumns:
        def __init__(self) -> None:
            self.W = np.random.default_rng(3).standard_normal((3, 4))

        def forward(self, x: Any) -> Any:
            self.x = x
            return self.W @ x

        def backward(self, dout: Any) -> Any:
            self.dW = dout @ self.x.T
            return self.W.T @ dout

    found = check_layer(DenseOfColumns(), columns=True)
    assert found.passed, str(found)
    assert row_of(found, "batch-sizes").method == "at 1, 3, 9"


class BatchNorm:
    """A normalisation over the batch, which needs more than one row."""

    def __init__(self, least: int, epsilon: float = 1e-5) -> None:
        self.least, self.epsilon = least, epsilon

    def forward(self, x: Any) -> Any:
        if len(x) < self.least:
            raise ValueError("a batch of one has no variance")
        centred = x - x.mean(axis=0)
        self.spread = np.sqrt((centred**2).mean(axis=0) + self.epsilon)
        self.out = centred / self.spread
        return self.out

    def backward(self, dout: Any) -> Any:
        inner = dout - dout.mean(axis=0) - self.out * (dout * self.out).mean(axis=0)
        return inner / self.spread


def test_a_layer_that_needs_more_than_one_row_passes_and_the_row_says_so() -> None:
    found = check_layer(BatchNorm(least=2))
    assert found.passed, str(found)
    row = row_of(found, "batch-sizes")
    assert "not defined at 1" in row.method
    assert row.elements


def test_a_normalisation_of_one_row_is_0_against_0() -> None:
    found = check_layer(BatchNorm(least=1))
    assert found.passed, str(found)
    assert "not defined" not in row_of(found, "batch-sizes").method


def test_code_that_takes_one_number_of_rows_alone_is_compared_there_alone() -> None:
    class OfFour(Dense):
        def forward(self, x: Any) -> Any:
            assert len(x) == 4
            return super().forward(x)

    found = check_layer(OfFour(), shape=(4, 4))
    assert found.passed
    assert row_of(found, "batch-sizes").is_skipped


# ---- linear in dout


def test_a_threshold_in_backward_is_not_linear() -> None:
    rounded = Layer(backward=lambda self, dout: 3 * np.where(np.abs(dout) < 1e-4, 0, dout))
    assert failed(check_layer(rounded)) == {"linear in dout": "not-linear-in-dout"}


def test_code_that_takes_no_dout_has_no_row_for_it() -> None:
    found = check_loss(wrong_code.SquaredError())
    takes_none = check_loss(wrong_code.LabelsFirst())
    assert "linear-in-dout" in kinds(found)
    assert not {"linear-in-dout", "strided-dout", "read-only-dout"} & kinds(takes_none)


# ---- arguments kept


@pytest.mark.parametrize(
    ("forward", "backward", "name", "words"),
    [
        ("x *= 3; return x.copy()", "return 3 * dout", "input-changed-in-place", "forward writes"),
        ("return 3 * x", "dout *= 3; return dout.copy()", "dout-changed-in-place", "into dout"),
        ("self.y = 3 * x; return self.y", "self.y += 1; return 3 * dout", None, "has returned"),
        ("self.x = x; return 3 * x", "self.x += 1; return 3 * dout", None, "backward writes into"),
    ],
)
def test_what_is_written_into_is_named(
    forward: str, backward: str, name: str | None, words: str
) -> None:
    it = made(
        f"class it:\n def forward(self, x):\n  {forward}\n def backward(self, dout):\n  {backward}"
    )
    found = check_layer(it())
    row = row_of(found, "arguments-kept")
    assert not row.passed
    assert row.diagnosis is not None
    assert words in row.diagnosis.explanation
    assert name in (None, row.diagnosis.name)
    # One mistake is told once.
    assert list(failed(found)) == ["arguments kept"]


def test_a_loss_that_writes_into_its_labels_is_found() -> None:
    it = made(
        "class it:\n"
        " def forward(self, x, t):\n"
        "  self.d = x - t\n"
        "  t += 1\n"
        "  return (self.d ** 2).sum()\n"
        " def backward(self):\n"
        "  return 2 * self.d\n"
    )
    assert failed(check_loss(it())) == {"arguments kept": "input-changed-in-place"}


# ---- second pass


def test_what_is_left_of_an_earlier_pass_is_found() -> None:
    def forward(self: Any, x: Any) -> Any:
        if not hasattr(self, "mask"):
            self.mask = x > 0
        return np.maximum(0, x)

    stale = Layer(forward, lambda self, dout: dout * self.mask)
    assert failed(check_layer(stale)).keys() == {"second pass"}
    # Also where the input is given.
    x = np.random.default_rng(0).standard_normal((8, 10))
    assert failed(check_layer(stale, x=x)).keys() == {"second pass"}


def test_gradients_that_add_up_fail_unless_they_can_be_cleared() -> None:
    class Adding(Dense):
        def __init__(self) -> None:
            super().__init__()
            self.dW, self.db = np.zeros((4, 3)), np.zeros(3)

        def backward(self, dout: Any) -> Any:
            self.dW += self.x.T @ dout
            self.db += dout.sum(axis=0)
            return dout @ self.W.T

    class Cleared(Adding):
        def zero_grad(self) -> None:
            self.dW[...] = 0
            self.db[...] = 0

    assert failed(check_layer(Adding())) == {"second pass": "gradients-grow"}
    assert check_layer(Cleared()).passed


# ---- precision kept


def test_float32_out_of_float64_is_lost_precision() -> None:
    narrow = Layer(lambda self, x: (3 * x).astype(np.float32))
    assert row_of(check_layer(narrow), "precision-kept").diagnosis
    assert failed(check_layer(narrow))["precision kept"] == "precision-lost"


def test_float64_out_of_float32_is_no_mistake() -> None:
    """Weights are often float64."""
    assert check_layer(Dense()).passed


# ---- dout as a view, and read-only


def test_a_strided_and_a_read_only_dout_are_taken() -> None:
    found = check_layer(Dense())
    assert row_of(found, "strided-dout").passed
    assert row_of(found, "read-only-dout").passed


def test_a_read_only_dout_that_raises_is_found() -> None:
    def backward(self: Any, dout: Any) -> Any:
        dout += 0
        return 3 * dout

    assert failed(check_layer(Layer(backward=backward))) == {"read-only dout": "read-only-dout"}


def test_where_dout_is_not_kept_the_read_only_row_is_left_out() -> None:
    def backward(self: Any, dout: Any) -> Any:
        dout *= 3
        return dout.copy()

    found = check_layer(Layer(backward=backward))
    assert "read-only-dout" not in kinds(found)
    assert failed(found) == {"arguments kept": "dout-changed-in-place"}


# ---- large inputs


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


# ---- what is left out


def test_a_skipped_row_stays_in_the_report_and_does_not_count() -> None:
    naive = find(f"{wrong_code.__file__}:SoftmaxNaive").candidates[0].code.thing
    assert not check_layer(naive).passed
    for name in ("large-inputs",):
        found = check_layer(naive, skip=[name])
        assert found.passed
        assert row_of(found, "large-inputs").is_skipped
    found = check_layer(Dense(), skip=["to-W"])
    assert [row.is_skipped for row in found if row.name == "to W"] == [True]


def test_errors_are_null_in_rows_that_compare_nothing() -> None:
    for row in check_layer(Dense()):
        has_none = row.kind in (
            "arguments-kept",
            "precision-kept",
            "strided-dout",
            "read-only-dout",
        )
        assert (row.max_relative_error is None) == has_none, row


def test_code_that_raises_whatever_is_tried_is_refused() -> None:
    def refuse(self: Any, x: Any) -> Any:
        raise RuntimeError("not today")

    with pytest.raises(UserCodeError, match="not today"):
        check_layer(Layer(refuse))


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


def test_an_argument_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(UserCodeError, match="no argument of that name"):
        check_layer(OfTheClass, arguments={"regg": 0.1})


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


# ---- code that computes in float32


def softmax_in_single(self: Any, x: Any) -> Any:
    x = x.astype(np.float32)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    self.s = e / e.sum(axis=-1, keepdims=True)
    return self.s


SINGLE = {
    "tanh": Layer(
        lambda self, x: np.tanh(x).astype(np.float32),
        lambda self, dout: dout * (1 - np.tanh(self.x) ** 2),
    ),
    "twice": Layer(lambda self, x: (2 * x).astype(np.float32), lambda self, dout: 2 * dout),
    "rectifier": Layer(
        lambda self, x: np.maximum(x, 0).astype(np.float32),
        lambda self, dout: dout * (self.x > 0),
    ),
    "softmax": Layer(
        softmax_in_single,
        lambda self, dout: self.s * (dout - (dout * self.s).sum(axis=-1, keepdims=True)),
    ),
    "within": Layer(
        lambda self, x: np.tanh(x.astype(np.float32)).astype(float),
        lambda self, dout: dout * (1 - np.tanh(self.x) ** 2),
    ),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("layer", SINGLE.values(), ids=SINGLE)
def test_rounding_to_float32_is_told_once_and_as_that(layer: Layer, seed: int) -> None:
    assert failed(check_layer(layer, seed=seed)) == {"precision kept": "precision-lost"}


def test_a_wrong_gradient_of_code_in_float32_is_wrong_all_the_same() -> None:
    twice = Layer(lambda self, x: np.tanh(x).astype(np.float32), lambda self, dout: 2 * dout)
    assert "to x" in failed(check_layer(twice))


# ---- a step that is infinite, and a result that is right


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


# ---- how many columns code has in mind


def test_code_with_sizes_of_its_own_is_given_as_many_columns() -> None:
    powers = np.arange(1, 4)
    layer = Layer(
        lambda self, x: x**powers, lambda self, dout: dout * powers * self.x ** (powers - 1)
    )
    assert check_layer(layer).passed


# ---- what has a gradient is no label


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


# ---- a function that is elementwise, with an argument


def test_an_activation_with_an_argument_is_not_called_a_loss() -> None:
    found = check_functions(
        lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x, alpha: np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0))),
    )
    assert found.passed
    assert found[0].name == "elementwise derivative"
    assert not any("a loss" in remark for remark in found.remarks)


# ---- a regulariser whose strength is given


@pytest.mark.parametrize("reg", [0.1, 2])
def test_a_regulariser_that_counts_twice_is_named_so_whatever_its_strength_is(reg: float) -> None:
    def ridge(W: Any, X: Any, y: Any, reg: Any) -> Any:
        d = X @ W - y
        return (d**2).sum() + reg * (W**2).sum(), 2 * X.T @ d + 4 * reg * W

    found = check_functions(ridge, arguments={"reg": reg})
    assert failed(found) == {"to W": "regulariser-twice"}


# ---- parameters in lists, in the module, in a closure, and those that forward rewrites

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


# ---- a loss with its gradient, whatever expression that is

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


# ---- shapes in which what is wrong would be right


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


def test_a_loss_whose_own_rounding_takes_the_digits_is_not_wrong_far_from_0() -> None:
    def cost(theta: Any, X: Any, y: Any) -> Any:
        h = 1 / (1 + np.exp(-X @ theta))
        J = (-y @ np.log(h) - (1 - y) @ np.log(1 - h)) / y.size
        return J, (h - y) @ X / y.size

    for seed in range(3):
        assert check_functions(cost, seed=seed).passed


class Difference:
    def forward(self, a: Any, b: Any) -> Any:
        return a - b

    def backward(self, dout: Any) -> Any:
        return dout, dout


def test_one_array_that_is_returned_twice_is_two_gradients() -> None:
    assert set(failed(check(Difference))) == {"to b"}


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
