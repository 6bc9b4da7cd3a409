"""Code with settings is checked with each text that it knows, and with other values besides."""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar

import numpy as np
import pytest
from checked import failed, made

from mnist_cli.gradcheck import check, check_functions


class Activated:
    """A dense layer with one of three activations; right where the factor of tanh's slope is 1."""

    factor = 1.0

    def __init__(self, n_in: int, n_out: int, activation: Any = "relu", init: str = "he") -> None:
        self.W = np.random.default_rng(0).standard_normal((n_in, n_out))
        self.activation, self.init = activation, init

    def forward(self, x: Any) -> Any:
        self.x, self.z = x, x @ self.W
        if self.activation == "relu":
            return np.maximum(self.z, 0)
        if self.activation == "tanh":
            return np.tanh(self.z)
        if self.activation == "linear":
            return self.z
        raise ValueError(self.activation)

    def slope(self) -> Any:
        if self.activation == "tanh":
            return self.factor * (1 - np.tanh(self.z) ** 2)
        return self.z > 0 if self.activation == "relu" else np.ones_like(self.z)

    def backward(self, dout: Any) -> Any:
        dz = dout * self.slope()
        self.dW = self.x.T @ dz
        return dz @ self.W.T

    def reset(self) -> bool:
        return self.init == "zeros"


class ActivatedTwice(Activated):
    factor = 2.0


class Kind(Enum):
    RELU = "relu"
    TANH = "tanh"


class ByMember(ActivatedTwice):
    def __init__(self, kind: Kind = Kind.RELU) -> None:
        super().__init__(4, 3, kind.value)


class ByChoice(ActivatedTwice):
    """It has to be told which."""

    def __init__(self, activation: str) -> None:
        super().__init__(4, 3, activation)


class ByNone(ActivatedTwice):
    def __init__(self, activation: str | None = None) -> None:
        super().__init__(4, 3, activation or "linear")


def test_a_class_is_checked_with_each_text_that_its_methods_ask_for() -> None:
    found = check(Activated)
    assert found.passed
    parts = dict.fromkeys(row.name.partition(":")[0] for row in found)
    assert list(parts) == ["activation=relu", "activation=tanh", "activation=linear"]


def test_a_mistake_with_another_member_of_an_enumeration_is_found() -> None:
    names = [f"kind=Kind.TANH: to {name}" for name in ("x", "W")]
    assert failed(check(ByMember)) == dict.fromkeys(names, "factor-two")


@pytest.mark.parametrize("kind", [ActivatedTwice, ByChoice, ByNone])
def test_a_mistake_in_another_branch_than_that_of_the_default_is_found(kind: type) -> None:
    names = [f"activation=tanh: to {name}" for name in ("x", "W")]
    assert failed(check(kind)) == dict.fromkeys(names, "factor-two")


def test_a_text_that_is_given_to_a_constructor_is_the_only_one() -> None:
    assert check(ActivatedTwice, arguments={"activation": "relu"}).passed
    found = check(ActivatedTwice, arguments={"activation": "tanh"})
    assert list(failed(found)) == ["to x", "to W"]


def test_a_loss_with_a_default_is_checked_with_the_other_texts_too() -> None:
    def loss(logits: Any, labels: Any, reduction: str = "mean") -> Any:
        z = logits - logits.max(axis=1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        rows = np.arange(len(labels))
        gradient = np.exp(logp)
        gradient[rows, labels] -= 1
        if reduction == "sum":
            return -logp[rows, labels].sum(), gradient / len(labels)
        return -logp[rows, labels].mean(), gradient / len(labels)

    assert failed(check(loss)) == {"reduction=sum: to logits": "batch-size-twice"}


def forward(x: Any, activation: str = "relu") -> Any:
    return (np.maximum(x, 0) if activation == "relu" else 1 / (1 + np.exp(-x))), x


def test_the_else_of_a_single_text_is_checked() -> None:
    def backward(dout: Any, cache: Any, activation: str = "relu") -> Any:
        s = 1 / (1 + np.exp(-cache))
        return dout * (cache > 0) if activation == "relu" else dout * s

    assert list(failed(check_functions(forward, backward))) == ["activation=other: to x"]


def test_a_mode_for_testing_is_left_alone() -> None:
    class Centred:
        def __init__(self, mode: str = "train") -> None:
            self.mode = mode

        def forward(self, x: Any) -> Any:
            return x - x.mean(axis=0) if self.mode == "train" else 2 * x

        def backward(self, dout: Any) -> Any:
            return dout - dout.mean(axis=0)

    found = check(Centred)
    assert found.passed
    assert found[0].name == "to x"


def test_a_text_with_which_it_is_not_understood_is_told() -> None:
    class Padded:
        def __init__(self, padding: str = "same") -> None:
            self.padding = padding

        def forward(self, x: Any) -> Any:
            if self.padding == "circular":
                raise NotImplementedError
            return 3 * x

        def backward(self, dout: Any) -> Any:
            return 3 * dout

    found = check(Padded)
    assert found.passed
    assert "With padding=circular it is not understood, and not checked." in found.remarks


class Cooled:
    """A softmax with a temperature, which its gradient divides by if it is asked to."""

    def __init__(self, temperature: float = 1.0, *, divides: bool = True) -> None:
        self.temperature, self.divides = temperature, divides

    def forward(self, x: Any) -> Any:
        z = x / self.temperature
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        self.s = powers / powers.sum(axis=1, keepdims=True)
        return self.s

    def backward(self, dout: Any) -> Any:
        dz = self.s * (dout - (dout * self.s).sum(axis=1, keepdims=True))
        return dz / self.temperature if self.divides else dz


class CooledForgetting(Cooled):
    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__(temperature, divides=False)


def test_a_number_that_is_1_by_default_is_not_forgotten_unseen() -> None:
    assert list(failed(check(CooledForgetting))) == ["temperature=0.75: to x"]
    assert check(CooledForgetting, arguments={"temperature": 1.0}).passed
    assert [row.name for row in check(Cooled) if ":" in row.name] == []


def elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def test_a_slope_of_1_that_a_derivative_is_told_is_not_forgotten_unseen() -> None:
    def forgetting(x: Any, alpha: float = 1.0) -> Any:
        return np.where(x > 0, 1, np.exp(np.minimum(x, 0)))

    def heeding(x: Any, alpha: float = 1.0) -> Any:
        return np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))

    def of_one(x: Any) -> Any:
        return np.where(x > 0, 1, np.exp(np.minimum(x, 0)))

    assert list(failed(check_functions(elu, forgetting))) == ["alpha=0.75: to x"]
    assert check_functions(elu, heeding).passed
    assert check_functions(elu, of_one).passed


class Settable:
    """A dense layer with settings, each of which its gradients heed unless they forget it."""

    FUNCTIONS: ClassVar[dict[str, Any]] = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}
    SLOPES: ClassVar[dict[str, Any]] = {
        "relu": lambda z: z > 0,
        "tanh": lambda z: 1 - np.tanh(z) ** 2,
    }
    forgets = ""

    def __init__(
        self,
        n_in: int = 4,
        n_out: int = 3,
        activation: str = "relu",
        *,
        use_bias: bool = True,
        leak: float = 0.0,
    ) -> None:
        rng = np.random.default_rng(0)
        self.W, self.b = rng.standard_normal((n_in, n_out)), rng.standard_normal(n_out)
        self.f, self.slope = self.FUNCTIONS[activation], self.SLOPES[activation]
        self.use_bias, self.leak = use_bias, leak

    def forward(self, x: Any) -> Any:
        self.x, self.z = x, x @ self.W + (self.b if self.use_bias else 0)
        return self.f(self.z) + self.leak * self.z

    def backward(self, dout: Any) -> Any:
        leak = 0 if self.forgets == "leak" else self.leak
        slope = self.SLOPES["relu"] if self.forgets == "activation" else self.slope
        dz = dout * (slope(self.z) + leak)
        if self.use_bias:
            self.db = dz.sum(axis=0)
        self.dW = self.x.T @ dz
        return dz @ self.W.T * (2 if self.forgets == "use_bias" and not self.use_bias else 1)


class ForgettingTheLeak(Settable):
    forgets = "leak"


class ForgettingTheActivation(Settable):
    forgets = "activation"


class WrongWithoutBias(Settable):
    forgets = "use_bias"


def test_a_layer_that_heeds_its_settings_passes_and_no_row_is_about_another() -> None:
    found = check(Settable)
    assert found.passed
    assert [row.name for row in found if "=" in row.name] == []


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        (ForgettingTheLeak, ["leak=0.25: to x", "leak=0.25: to W", "leak=0.25: to b"]),
        (ForgettingTheActivation, [f"activation=tanh: to {name}" for name in ("x", "W", "b")]),
        (WrongWithoutBias, ["use_bias=False: to x"]),
    ],
)
def test_a_mistake_with_another_setting_than_the_default_is_found(
    kind: type, rows: list[str]
) -> None:
    assert list(failed(check(kind))) == rows


def test_a_setting_of_forward_is_tried_as_well() -> None:
    class Squares:
        def forward(self, p: Any, t: Any, *, average: bool = True) -> Any:
            self.error = p - t
            return (self.error**2).mean() if average else (self.error**2).sum()

        def backward(self) -> Any:
            return 2 * self.error / self.error.size

    assert list(failed(check(Squares))) == ["average=False: to p"]


def test_a_setting_that_backward_alone_obeys_is_left_alone() -> None:
    class Decayed:
        def __init__(self, l2: float = 0.0, *, clips: bool = False) -> None:
            self.W = np.random.default_rng(0).standard_normal((4, 3))
            self.l2, self.clips = l2, clips

        def forward(self, x: Any) -> Any:
            self.x = x
            return x @ self.W

        def backward(self, dout: Any) -> Any:
            self.dW = self.x.T @ dout + self.l2 * self.W
            dx = dout @ self.W.T
            return dx.clip(-1e-3, 1e-3) if self.clips else dx

    assert check(Decayed).passed


def test_a_setting_with_which_there_is_no_derivative_is_left_alone() -> None:
    class Rounded:
        def __init__(self, *, binary: bool = False) -> None:
            self.binary = binary

        def forward(self, x: Any) -> Any:
            self.s = 1 / (1 + np.exp(-x))
            return (self.s > 0.5) * 1.0 if self.binary else self.s

        def backward(self, dout: Any) -> Any:
            return dout * self.s * (1 - self.s)

    assert check(Rounded).passed


class ByCase:
    def __init__(self, activation: str = "relu") -> None:
        self.activation = activation

    def forward(self, x: Any) -> Any:
        self.x = x
        match self.activation:
            case "relu":
                return np.maximum(x, 0)
            case "tanh":
                return np.tanh(x)
        raise ValueError(self.activation)

    def backward(self, dout: Any) -> Any:
        return dout * (self.x > 0 if self.activation == "relu" else 1 - np.tanh(self.x))


def test_a_text_that_is_matched_is_tried() -> None:
    assert list(failed(check(ByCase))) == ["activation=tanh: to x"]


def log_softmax(x: Any) -> Any:
    z = x - x.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


class Ignoring:
    """A cross-entropy that leaves out the examples of one class, in its gradient if it heeds it."""

    heeds = True

    def __init__(self, ignore_index: int = -100) -> None:
        self.ignored = ignore_index

    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.kept = x, (y != self.ignored)[:, None]
        self.t = np.eye(x.shape[1])[np.where(y == self.ignored, 0, y)] * self.kept
        return -(self.t * log_softmax(x)).sum() / max(self.kept.sum(), 1)

    def backward(self) -> Any:
        p = np.exp(log_softmax(self.x))
        if not self.heeds:
            return (p - self.t) / len(p)
        return (p * self.kept - self.t) / max(self.kept.sum(), 1)


class NotIgnoring(Ignoring):
    heeds = False


def test_a_loss_is_told_to_ignore_a_class_that_is_there() -> None:
    assert check(Ignoring).passed
    assert list(failed(check(NotIgnoring))) == ["ignore_index=0: to x"]


@pytest.mark.parametrize("name", ["mask", "sample_weight", "weights"])
def test_a_loss_that_may_weigh_its_examples_is_given_weights(name: str) -> None:
    source = f"""
class it:
    def forward(self, p, t, {name}=None):
        self.d, self.w = p - t, np.ones(len(p)) if {name} is None else {name}
        return (self.w[:, None] * self.d**2).sum() / self.w.sum()

    def backward(self):
        return """
    heeding = made(source + "2 * self.d * self.w[:, None] / self.w.sum()")
    forgetting = made(source + "2 * self.d / len(self.d)")
    assert check(heeding).passed
    assert list(failed(check(forgetting))) == [f"{name}=given: to p"]


class WeighingClasses:
    """A cross-entropy with a weight for each class, of which its gradient knows if it heeds it."""

    heeds = True

    def __init__(self, weight: Any = None) -> None:
        self.weight = weight

    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.t = x, np.eye(x.shape[1])[y]
        self.w = np.ones((len(y), 1)) if self.weight is None else self.weight[y][:, None]
        return -(self.w * self.t * log_softmax(x)).sum() / len(x)

    def backward(self) -> Any:
        dx = (np.exp(log_softmax(self.x)) - self.t) / len(self.x)
        return self.w * dx if self.heeds else dx


class ForgettingClasses(WeighingClasses):
    heeds = False


def test_a_loss_that_may_weigh_its_classes_is_given_weights() -> None:
    assert check(WeighingClasses).passed
    assert list(failed(check(ForgettingClasses))) == ["weight=given: to x"]
