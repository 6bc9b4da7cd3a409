"""Each mistake, in a small piece of code that makes it, is found and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mnist_cli.gradcheck.comparison import compare
from mnist_cli.gradcheck.diagnosis import diagnose, diagnose_comparison
from mnist_cli.gradcheck.evidence import Evidence
from mnist_cli.gradcheck.mistakes import HYPOTHESES, MISTAKES
from mnist_cli.gradcheck.mistakes import behaviour as seen
from mnist_cli.gradcheck.operation import Array, Arrays, Operation, Session
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.result import Diagnosis

Function = Callable[..., Any]


class FunctionSession(Session):
    def __init__(self, operation: FunctionOperation, arrays: Arrays, labels: Array | None):
        self.operation = operation
        self.arrays, self.labels = arrays, labels
        self.memory: dict[str, Any] = {}

    def arguments(self) -> dict[str, Any]:
        return self.arrays | ({} if self.labels is None else {"t": self.labels})

    def forward(self) -> Array:
        self.out = np.asarray(self.operation.f(**self.arguments()))
        return self.out

    def backward(self, dout: Array) -> Arrays:
        given = self.operation.df(
            dout=dout, out=self.out, memory=self.memory, rng=self.operation.rng, **self.arguments()
        )
        if not isinstance(given, dict):
            given = {self.operation.data[0]: given}
        return {name: np.asarray(gradient) for name, gradient in given.items()}


class FunctionOperation(Operation):
    """``f(x, W, …)`` with ``df(dout, out, x, W, …)``, which returns dx, or all by their names."""

    def __init__(self, f: Function, df: Function, at: Arrays, **fields: Any):
        super().__init__(at, fields.pop("data", ("x",)), **fields)
        self.f, self.df = f, df
        self.rng = np.random.default_rng(11)

    def open(self, arrays: Arrays, labels: Array | None = None) -> FunctionSession:
        return FunctionSession(self, arrays, self.labels if labels is None else labels)

    def resized(self, batch_size: int, rng: np.random.Generator) -> Operation | None:
        if self.batch_axis is None:
            return None
        at = dict(self.at)
        examples = np.arange(batch_size)
        for name in self.data:
            again = np.take(at[name], examples % self.batch_size, axis=self.batch_axis)
            at[name] = again * rng.uniform(0.8, 1.2, again.shape)
        other = self.moved_to(at)
        if self.labels is not None:
            other.labels = np.take(self.labels, examples % self.batch_size, axis=self.batch_axis)
        return other


def diagnosis_of(operation: Operation, name: str, seed: int = 0) -> Diagnosis:
    point = Point(operation, np.random.default_rng(seed))
    comparison = point.compare(name, 1e-10)
    assert not comparison.passed, "this gradient is right"
    return diagnose(Evidence(point, name, comparison))


# ---- arrays and functions that the pieces of code are made of

N, K, C = 6, 5, 4
RNG = np.random.default_rng(3)
X = RNG.standard_normal((N, C))
WIDE = RNG.standard_normal((N, K))
W, B = RNG.standard_normal((K, C)), RNG.standard_normal(C)
SQUARE = RNG.standard_normal((C, C))
LABELS = np.eye(C)[np.arange(N) % C]
P = np.exp(X) / np.exp(X).sum(axis=-1, keepdims=True)
BITS = (np.arange(N * C) % 3 == 0).reshape(N, C) * 1.0
MASK = np.arange(N * C).reshape(N, C) % 5 < 3


def softmax(x: Any) -> Any:
    e = np.exp(x - x.real.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def tanh(x: Any) -> Any:
    return np.tanh(x)


def exp(x: Any) -> Any:
    return np.exp(x)


def relu(x: Any) -> Any:
    return np.where(x.real > 0, x, 0)


def leaky(x: Any) -> Any:
    return np.where(x.real > 0, x, 0.01 * x)


def through(s: Any, dout: Any) -> Any:
    """Return dout times the Jacobian of the softmax."""
    return s * (dout - (dout * s).sum(axis=-1, keepdims=True))


def entropy(x: Any, t: Any) -> Any:
    """Return the cross-entropy of logits."""
    return -(t * np.log(softmax(x))).sum() / len(x)


def entropy_of_p(x: Any, t: Any) -> Any:
    return -(t * np.log(x)).sum() / len(x)


def bits(x: Any, t: Any) -> Any:
    """Return the binary cross-entropy of logits."""
    return -(t * np.log(sigmoid(x)) + (1 - t) * np.log(1 - sigmoid(x))).mean()


def bits_of_p(x: Any, t: Any) -> Any:
    return -(t * np.log(x) + (1 - t) * np.log(1 - x)).sum() / len(x)


def layer(f: Function, df: Function, x: Array = X, **fields: Any) -> FunctionOperation:
    return FunctionOperation(f, df, {"x": x.copy()}, **fields)


def loss(
    f: Function, df: Function, x: Array = X, t: Array = LABELS, **fields: Any
) -> FunctionOperation:
    fields = {"labels": t, "is_scalar": True, "kind": "loss"} | fields
    return layer(f, df, x, **fields)


def dense(inputs: Array = WIDE, weights: Array = W, /, **wrong: Function) -> FunctionOperation:
    """Return a dense layer, with functions for some gradients in place of the right ones."""

    def df(dout: Any, x: Any, W: Any, b: Any, **_: Any) -> Arrays:
        right = {"x": dout @ W.T, "W": x.T @ dout, "b": dout.sum(axis=0)}
        mine = {name: g(dout=dout, x=x, W=W, b=b) for name, g in wrong.items()}
        return right | mine

    at = {"x": inputs.copy(), "W": weights.copy(), "b": B.copy()}
    return FunctionOperation(lambda x, W, b: x @ W + b, df, at)


def network(penalty: float, in_gradient: float, sign: bool = False) -> FunctionOperation:
    """Return a softmax regression with a penalty on its weights, in the loss and in dW."""

    def f(x: Any, W: Any, t: Any) -> Any:
        size = np.abs(W).sum() if sign else 0.5 * (W**2).sum()
        return entropy(x @ W, t) + penalty * size

    def df(dout: Any, x: Any, W: Any, t: Any, **_: Any) -> Any:
        d = dout * (softmax(x @ W) - t) / len(x)
        own = np.sign(W) if sign else W
        return {"x": d @ W.T, "W": x.T @ d + dout * in_gradient * own}

    at = {"x": WIDE.copy(), "W": W.copy()}
    return FunctionOperation(f, df, at, labels=LABELS, is_scalar=True, kind="network")


CASES: list[tuple[str, str, Operation]] = []


def case(name: str, operation: Operation, to: str = "x") -> None:
    CASES.append((name, to, operation))


# ---- shapes

case("bias-not-summed", dense(b=lambda dout, **_: dout), "b")
case("bias-summed-to-one", dense(b=lambda dout, **_: dout.sum()), "b")
case("bias-summed-to-one", dense(b=lambda dout, b, **_: np.full_like(b, dout.sum())), "b")
case("bias-summed-to-one", dense(b=lambda dout, b, **_: np.full_like(b, dout.mean())), "b")
case("summed-over-wrong-axis", dense(b=lambda dout, **_: dout.sum(axis=1)), "b")
case("summed-over-wrong-axis", dense(WIDE[:C], b=lambda dout, **_: dout.sum(axis=1)), "b")
case("transposed", dense(W=lambda dout, x, **_: dout.T @ x), "W")
case("transposed", dense(X, SQUARE, W=lambda dout, x, **_: dout.T @ x), "W")
case("transposed", dense(X, SQUARE, x=lambda dout, W, **_: dout @ W))
case("wrong-shape", layer(tanh, lambda dout, out, **_: (dout * (1 - out**2)).ravel()))
case("wrong-shape", layer(tanh, lambda dout, out, **_: (dout * (1 - out**2)).sum(axis=0)))

# ---- factors

case("batch-size-missing", loss(entropy, lambda dout, x, t, **_: dout * (softmax(x) - t)))
case(
    "batch-size-twice", loss(entropy, lambda dout, x, t, **_: dout * (softmax(x) - t) / len(x) ** 2)
)
case("batch-size-twice", dense(W=lambda dout, x, **_: x.T @ dout / len(x)), "W")
case("sign-flipped", layer(tanh, lambda dout, out, **_: dout * (out**2 - 1)))
case("factor-two", layer(tanh, lambda dout, out, **_: 2 * dout * (1 - out**2)))
case("factor-half", layer(lambda x: x**2, lambda dout, x, **_: dout * x))
case(
    "mean-missing",
    loss(lambda x, t: ((x - t) ** 2).mean(), lambda dout, x, t, **_: 2 * dout * (x - t)),
)
case("constant-factor", layer(tanh, lambda dout, out, **_: 0.3 * dout * (1 - out**2)))

# ---- places


def spoiled(where: Any, change: Function) -> FunctionOperation:
    """Return a tanh whose gradient is changed somewhere."""

    def df(dout: Any, out: Any, **_: Any) -> Any:
        dx = dout * (1 - out**2)
        dx[where] = change(dx[where])
        return dx

    return layer(tanh, df)


case("not-finite", spoiled((0, 1), lambda _: np.nan))
case(
    "precision-lost",
    layer(tanh, lambda dout, out, **_: (dout * (1 - out**2)).astype(np.float32)),
)
case("precision-lost", layer(tanh, lambda dout, out, **_: (9 * dout * (1 - out**2)).astype(int)))
case("gradient-missing", dense(W=lambda W, **_: np.zeros_like(W)), "W")
case("single-entry", spoiled((2, 3), lambda d: d * (1 + 1e-6)))
case("single-entry", spoiled((2, 3), lambda d: d + 1))
case("wrong-rows", spoiled(-1, lambda d: 0 * d))
case("wrong-columns", spoiled((slice(None), 2), lambda d: 1.5 * d))
case("wrong-block", spoiled((slice(1, 3), slice(1, 4)), lambda d: d + 1))
case(
    "wrong-far-from-zero",
    layer(
        lambda x: np.where(np.abs(x.real) < 3, x, 3 * np.sign(x.real)),
        lambda dout, **_: dout.copy(),
        3 * X,
    ),
)
case(
    "zero-for-one-example",
    dense(WIDE[:1], W=lambda dout, x, **_: (x.T @ dout) * (len(x) > 1)),
    "W",
)

# ---- softmax

df: Function
for rows in (X, X[0]):
    fields = {"batch_axis": 0 if rows.ndim == 2 else None}
    for name, df in (
        ("softmax-diagonal-only", lambda dout, out, **_: dout * out * (1 - out)),
        ("softmax-input-for-output", lambda dout, out, x, **_: dout * out * (1 - x)),
        ("softmax-input-for-output", lambda dout, x, **_: through(x, dout)),
        ("softmax-input-for-output", lambda dout, out, x, **_: dout * x * (1 - out)),
        (
            "softmax-sign-off-diagonal",
            lambda dout, out, **_: (
                through(out, dout) + 2 * out * ((dout * out).sum(-1, keepdims=True) - dout * out)
            ),
        ),
        ("softmax-of-dout", lambda dout, **_: softmax(dout) * (1 - softmax(dout))),
        ("softmax-twice", lambda dout, out, **_: through(out, through(out, dout))),
        ("softmax-twice", lambda dout, out, **_: through(softmax(out), dout)),
        ("softmax-not-differentiated", lambda dout, **_: dout.copy()),
        (
            "jacobian-returned",
            lambda out, **_: out[..., :, None] * np.eye(C) - out[..., :, None] * out[..., None, :],
        ),
        (
            "softmax-last-column-only",
            lambda dout, out, **_: dout * out * (np.eye(C)[-1] - out[..., -1:]),
        ),
    ):
        case(name, layer(softmax, df, rows, **fields))
case(
    "softmax-identity-over-batch",
    layer(softmax, lambda dout, out, **_: dout * out * (np.eye(C) - out), X[:C]),
)
case("rows-leak", layer(softmax, lambda dout, out, **_: out * (dout - (dout * out).sum(axis=0))))
case(
    "rows-leak",
    layer(
        lambda x: np.exp(x) / np.exp(x).sum(axis=0),
        lambda dout, out, **_: through(out, dout),
    ),
)


def columns(df: Function) -> FunctionOperation:
    """Return a softmax of columns."""
    return layer(lambda x: softmax(x.T).T, df, X.T.copy(), batch_axis=-1)


case("softmax-diagonal-only", columns(lambda dout, out, **_: dout * out * (1 - out)))
case("softmax-input-for-output", columns(lambda dout, x, **_: through(x.T, dout.T).T))
case(
    "softmax-diagonal-only",
    layer(softmax, lambda dout, out, **_: dout * out * (1 - out), kind="activation"),
)

# ---- cross-entropy

for name, df in (
    ("softmax-twice", lambda dout, x, t, **_: dout * through(softmax(x), softmax(x) - t) / N),
    ("softmax-twice", lambda dout, x, t, **_: dout * (softmax(softmax(x)) - t) / N),
    ("softmax-not-differentiated", lambda dout, x, t, **_: -dout * t / softmax(x) / N),
    ("softmax-diagonal-only", lambda dout, x, t, **_: -dout * t * (1 - softmax(x)) / N),
    ("softmax-input-for-output", lambda dout, x, t, **_: -dout * t * (1 - x) / N),
    ("rows-leak", lambda dout, x, t, **_: dout * (np.exp(x) / np.exp(x).sum() - t) / N),
    ("softmax-missing", lambda dout, x, t, **_: dout * (x - t) / N),
    ("labels-missing", lambda dout, x, **_: dout * softmax(x) / N),
    ("labels-added", lambda dout, x, t, **_: dout * (softmax(x) + t) / N),
):
    case(name, loss(entropy, df))
case("softmax-twice", loss(entropy_of_p, lambda dout, x, t, **_: dout * (x - t) / N, P))
case(
    "labels-missing",
    loss(
        lambda x, t: -np.log(softmax(x)[np.arange(len(x)), t]).mean(),
        lambda dout, x, **_: dout * softmax(x) / N,
        t=LABELS.argmax(axis=1),
    ),
)
case(
    "labels-missing",
    loss(
        lambda x, t: -(t * np.log(softmax(x))).sum(axis=1),
        lambda x, **_: softmax(x) / N,
        takes_dout=False,
        is_scalar=False,
    ),
)
case(
    "epsilon-in-logarithm",
    loss(
        lambda x, t: -(t * np.log(softmax(x) + 1e-7)).sum() / len(x),
        lambda dout, x, t, **_: dout * (softmax(x) - t) / N,
    ),
)
for epsilon in (1e-2, 1e-3, 1e-5):
    case(
        "epsilon-in-logarithm",
        loss(
            lambda x, t, epsilon=epsilon: -np.log(softmax(x)[np.arange(N), t] + epsilon).mean(),
            lambda dout, x, **_: dout * (softmax(x) - LABELS) / N,
            t=LABELS.argmax(axis=1),
        ),
    )
    case(
        "epsilon-in-logarithm",
        loss(
            lambda x, t, epsilon=epsilon: -(t * np.log(x + epsilon)).sum() / len(x),
            lambda dout, x, t, **_: -dout * t / x / N,
            P,
        ),
    )
case(
    "epsilon-in-logarithm",
    loss(entropy_of_p, lambda dout, x, t, **_: -dout * t / (x + 1e-5) / N, P),
)
case(
    "epsilon-in-logarithm",
    loss(
        lambda x, t: -(t * np.log(x + 1e-5) + (1 - t) * np.log(1 - x + 1e-5)).sum() / len(x),
        lambda dout, x, t, **_: dout * (x - t) / (1e-5 + x * (1 - x)) / N,
        P,
        BITS,
    ),
)
case(
    "mean-missing",
    loss(
        lambda x, t: -np.mean(t * np.log(x + 1e-5) + (1 - t) * np.log(1 - x + 1e-5)),
        lambda dout, x, t, **_: dout * (x - t) / (1e-5 + x * (1 - x)),
        P,
        BITS,
    ),
)
for name, f, x, df in (
    ("sigmoid-twice", bits_of_p, P, lambda dout, x, t, **_: dout * (x - t) / N),
    (
        "sigmoid-twice",
        bits,
        X,
        lambda dout, x, t, **_: dout * (sigmoid(x) - t) * sigmoid(x) * (1 - sigmoid(x)) / x.size,
    ),
    (
        "sigmoid-not-differentiated",
        bits,
        X,
        lambda dout, x, t, **_: dout * (sigmoid(x) - t) / sigmoid(x) / (1 - sigmoid(x)) / x.size,
    ),
    ("sigmoid-missing", bits, X, lambda dout, x, t, **_: dout * (x - t) / x.size),
    ("one-class-only", bits_of_p, P, lambda dout, x, t, **_: -dout * t / x / N),
    ("one-class-only", bits, X, lambda dout, x, t, **_: dout * t * (sigmoid(x) - 1) / x.size),
    ("labels-missing", bits, X, lambda dout, x, **_: dout * sigmoid(x) / x.size),
):
    case(name, loss(f, df, x, BITS))


def nodes(df: Function) -> FunctionOperation:
    """Return a cross-entropy of two nodes, of which the second is the labels."""
    at = {"p": P.copy(), "t": 0.9 * LABELS + 0.025}
    f = lambda p, t: -(t * np.log(p)).sum(axis=1).mean()  # noqa: E731
    return FunctionOperation(f, df, at, data=("p", "t"), is_scalar=True)


case(
    "softmax-twice",
    nodes(lambda dout, p, t, **_: {"p": dout * (p - t) / N, "t": -dout * np.log(p) / N}),
    "p",
)

# ---- parameters

case("weight-decay-included", dense(W=lambda dout, x, W, **_: x.T @ dout + 1e-4 * W), "W")
case("weight-decay-included", network(0.0, 0.1), "W")
case("regulariser-missing", network(0.1, 0.0), "W")
case("regulariser-missing", network(0.1, 0.0, sign=True), "W")
case("regulariser-twice", network(0.1, 0.2), "W")
case("regulariser-twice", network(0.1, 0.05), "W")
case("input-not-transposed", dense(WIDE[:K], W=lambda dout, x, **_: x @ dout), "W")
case("one-example-only", dense(W=lambda dout, x, **_: np.outer(x[-1], dout[-1])), "W")
case("one-example-only", dense(b=lambda dout, **_: dout[0]), "b")
case("bias-averaged", dense(b=lambda dout, **_: dout.mean(axis=0)), "b")


def scale_and_shift(x: Any, gain: Any, shift: Any) -> Any:
    return x * gain + shift


case(
    "gradients-swapped",
    FunctionOperation(
        scale_and_shift,
        lambda dout, x, gain, **_: {
            "x": dout * gain,
            "gain": dout.sum(axis=0),
            "shift": (dout * x).sum(axis=0),
        },
        {"x": X.copy(), "gain": B.copy(), "shift": B.copy()},
    ),
    "gain",
)
for df in (
    lambda dout, x, W, **_: {"x": dout @ W @ W.T, "W": dout.T @ (x @ W)},
    lambda dout, x, W, **_: {"x": dout @ W @ W.T, "W": x.T @ (dout @ W)},
):
    case(
        "last-use-only",
        FunctionOperation(lambda x, W: x @ W @ W.T, df, {"x": WIDE.copy(), "W": W.copy()}),
        "W",
    )

# ---- the chain rule

case("dout-ignored", layer(relu, lambda x, **_: (x > 0) * 1.0))
case("dout-ignored", dense(W=lambda dout, x, **_: x.T @ np.ones_like(dout)), "W")
case("dout-ignored", loss(entropy, lambda x, t, **_: (softmax(x) - t) / N))
case("batch-size-missing", loss(entropy, lambda x, t, **_: softmax(x) - t))
case("dout-ignored", layer(softmax, lambda out, **_: out * (1 - out)))
case("dout-squared", layer(sigmoid, lambda dout, out, **_: dout**2 * out * (1 - out)))
case("dout-squared", dense(W=lambda dout, x, **_: x.T @ dout**2), "W")
case("wrong-mask", layer(relu, lambda dout, **_: dout * (dout > 0)))
case("wrong-mask", layer(leaky, lambda dout, x, **_: np.where(x > 0, 0.01 * dout, dout)))
case(
    "dropout-scale-missing",
    layer(lambda x: x * MASK / 0.6, lambda dout, **_: dout * MASK),
)
case("dropout-scale-missing", layer(lambda x: x * MASK, lambda dout, **_: dout * MASK / 0.6))
case("input-for-output", layer(sigmoid, lambda dout, x, **_: dout * x * (1 - x)))
case("input-for-output", layer(tanh, lambda dout, x, **_: dout * (1 - x**2)))
case(
    "input-for-output",
    layer(sigmoid, lambda dout, x, **_: dout * x * (1 - x), kind="activation"),
)
case("input-for-output", layer(exp, lambda dout, x, **_: dout * x))
case("input-for-output", layer(sigmoid, lambda dout, x, out, **_: dout * out * (1 - x)))
case(
    "skip-connection-missing",
    layer(lambda x: x + np.tanh(x), lambda dout, x, **_: dout * (1 - np.tanh(x) ** 2)),
)
case("differentiated-twice", layer(tanh, lambda dout, out, **_: dout * (1 - out**2) ** 2))
case("not-differentiated", layer(tanh, lambda dout, **_: dout.copy()))
case(
    "output-for-input",
    layer(sigmoid, lambda dout, out, **_: dout * sigmoid(out) * (1 - sigmoid(out))),
)
case(
    "derivative-of-dout",
    layer(sigmoid, lambda dout, **_: sigmoid(dout) * (1 - sigmoid(dout))),
)
case(
    "derivative-of-dout",
    layer(sigmoid, lambda dout, **_: dout * sigmoid(dout) * (1 - sigmoid(dout))),
)
case("clipped", dense(W=lambda dout, x, **_: np.clip(x.T @ dout, -1, 1)), "W")
case("clipped", dense(x=lambda dout, W, **_: np.clip(dout, -1, 1) @ W.T))
case(
    "clipped",
    dense(W=lambda dout, x, **_: (x.T @ dout) / np.linalg.norm(x.T @ dout)),
    "W",
)
case(
    "weights-updated-first",
    dense(x=lambda dout, x, W, **_: dout @ (W - 0.1 * x.T @ dout).T),
)


def centred(x: Any) -> Any:
    return x - x.sum(axis=0) / len(x)


case("batch-size-fixed", layer(centred, lambda dout, **_: dout - dout.sum(axis=0) / 5))
case("batch-size-fixed", dense(W=lambda dout, x, **_: x.T @ dout * len(x) / 4), "W")
case(
    "batch-size-fixed",
    loss(
        lambda x, t: ((x - t) ** 2).sum() / len(x),
        lambda dout, x, t, **_: 2 * dout * (x - t) / 5,
    ),
)
case(
    "not-elementwise",
    layer(
        lambda x: x / np.sqrt((x**2).sum(axis=-1, keepdims=True)),
        lambda dout, x, **_: dout / np.sqrt((x**2).sum(axis=-1, keepdims=True)),
        kind="activation",
    ),
)
case("wrong-on-one-side", layer(leaky, lambda dout, x, **_: dout * np.where(x > 0, 1, -0.01)))
case(
    "wrong-on-one-side",
    layer(
        lambda x: np.where(x.real > 0, x, np.exp(x) - 1),
        lambda dout, x, **_: dout * (x > 0),
    ),
)

case(
    "cut-off-ignored",
    layer(
        lambda x: sigmoid(np.where(x.real < 0, 0, np.where(x.real > 1, 1, x))),
        lambda dout, out, **_: dout * out * (1 - out),
    ),
)

# ---- what is said if no formula explains the numbers

case(
    "backward-not-repeatable",
    layer(lambda x: x * MASK, lambda dout, rng, **_: dout * (rng.random(dout.shape) > 0.5)),
)
case("rows-leak", layer(centred, lambda dout, **_: dout * 0.3 * X))
case("unknown", layer(tanh, lambda dout, x, **_: dout * np.cos(5 * x)))


def adding(dout: Any, x: Any, memory: Any, **_: Any) -> Any:
    """Add to what the node has, as a node has to, with the 2 of a square missing."""
    memory["g"] = memory.get("g", 0) + dout * x
    return memory["g"]


case("factor-half", layer(lambda x: x**2, adding))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("name", "to", "operation"), CASES, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(CASES)]
)
def test_a_mistake_is_named(name: str, to: str, operation: Operation, seed: int) -> None:
    found = diagnosis_of(operation, to, seed)
    assert found.name == name, found.explanation
    assert found.explanation.endswith("."), found.explanation


def test_every_mistake_in_a_gradient_is_found_in_code_that_makes_it() -> None:
    in_gradients = {hypothesis.name for hypothesis in HYPOTHESES}
    named = {name for name, _, _ in CASES}
    named.add("gradient-overwritten")  # of nodes alone: test_corpus.py has code that makes it
    assert in_gradients - named == set()


def test_every_mistake_has_a_wrong_and_a_right_line_and_a_source() -> None:
    for mistake in MISTAKES.values():
        assert mistake.sentence.endswith("."), mistake.name
        assert mistake.source, mistake.name
        if mistake.name != "unknown":
            assert mistake.wrong, mistake.name
            assert mistake.right, mistake.name
            assert mistake.wrong != mistake.right


def test_a_sentence_says_what_else_is_wrong() -> None:
    operation = layer(sigmoid, lambda dout, x, **_: -2 * dout * x * (1 - x))
    found = diagnosis_of(operation, "x")
    assert found.name == "input-for-output"
    assert "And besides: It is twice as large as it should be. Its sign" in found.explanation


def test_the_batch_size_is_spoken_of_as_a_colleague_would() -> None:
    operation = dense(W=lambda dout, x, **_: x.T @ dout / len(x))
    said = diagnosis_of(operation, "W").explanation
    assert said.startswith("It is 6 times too small, and 6 is the batch size: you divide by it")


def test_the_factor_of_one_side_is_told() -> None:
    operation = layer(leaky, lambda dout, x, **_: dout * np.where(x > 0, 1, -0.01))
    said = diagnosis_of(operation, "x").explanation
    assert said.startswith("Only negative inputs have a wrong gradient: its sign is flipped there.")


def test_a_comparison_without_a_point_knows_shapes_factors_and_places() -> None:
    exact = RNG.standard_normal((5, 4))

    def name(computed: Array) -> str:
        return diagnose_comparison(compare(computed, exact, 1e-10), batch_size=5).name

    spoiled = exact.copy()
    spoiled[2, 1] += 1
    assert name(exact.T) == "transposed"
    assert name(5 * exact) == "batch-size-missing"
    assert name(-exact) == "sign-flipped"
    assert name(0 * exact) == "gradient-missing"
    assert name(exact.astype(np.float32)) == "precision-lost"
    assert name(spoiled) == "single-entry"
    assert name(RNG.standard_normal((5, 4))) == "unknown"


def test_a_single_number_is_off_by_a_factor_that_means_something_or_by_none() -> None:
    exact = np.array([[0.75]])

    def name(computed: Array) -> str:
        return diagnose_comparison(compare(computed, exact, 1e-10), batch_size=6).name

    assert name(6 * exact) == "batch-size-missing"
    assert name(-exact) == "sign-flipped"
    assert name(1.3 * exact) == "unknown"


def test_what_is_known_besides_is_said_of_numbers_that_nothing_explains() -> None:
    operation = layer(tanh, lambda dout, x, **_: dout * np.cos(5 * x))
    point = Point(operation, np.random.default_rng(0))
    evidence = Evidence(point, "x", point.compare("x", 1e-10))
    besides = seen.FAR_FROM_ZERO.diagnosis()
    assert diagnose(evidence, besides) == besides


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (seen.overwrites("backward", "dout"), "dout-changed-in-place"),
        (seen.overwrites("backward", "out"), "output-changed-in-place"),
        (seen.overwrites("forward", "x"), "input-changed-in-place"),
        (seen.overwrites("backward", "W", is_parameter=True), "parameters-changed"),
        (seen.gradients_grow("W"), "gradients-grow"),
        (seen.stale_state("x"), "stale-state"),
        (seen.first_input_kept("x"), "first-input-kept"),
        (seen.gradient_overwritten("a"), "gradient-overwritten"),
        (seen.wrong_type("the output", np.float32), "precision-lost"),
        (seen.overflow_in_single(), "overflow"),
        (seen.overflow_raises("ValueError"), "overflow"),
        (seen.OVERFLOW_OF_LOGARITHM, "overflow"),
        (seen.rows_leak(2), "rows-leak"),
        (seen.not_checked("W"), "not-checked"),
        (seen.batch_size_fixed(5, 3), "batch-size-fixed"),
    ],
)
def test_what_is_seen_in_behaviour_has_a_name_of_the_registry(said: Diagnosis, name: str) -> None:
    assert said.name == name
    assert name in MISTAKES
    assert said.explanation.endswith(".")


def test_the_bound_at_which_dout_is_clipped_is_found_at_a_large_one() -> None:
    operation = layer(tanh, lambda dout, out, **_: np.clip(dout, -50, 50) * (1 - out**2))
    point = Point(operation, np.random.default_rng(0))
    large = point.again(1e6 * point.dout)["x"]
    said = seen.not_linear_in_dout(point, "x", large)
    assert said.name == "clipped"
    assert "clipped to ±50:" in said.explanation
    assert seen.not_linear_in_dout(point, "x", large**2).name == "not-linear-in-dout"


def test_the_first_input_that_is_kept_is_told_from_other_states() -> None:
    point = Point(layer(lambda x: x**2, lambda dout, x, **_: 2 * dout * x), RNG)
    earlier = {"x": RNG.standard_normal((N, C))}
    of_first = 2 * point.dout * earlier["x"]
    assert seen.remembered(point, "x", of_first, earlier).name == "first-input-kept"
    assert seen.remembered(point, "x", of_first + 1, earlier).name == "stale-state"


def test_a_loss_that_subtracts_the_maximum_is_not_told_to() -> None:
    assert "ubtract" not in seen.OVERFLOW_OF_LOGARITHM.explanation
    assert "log Σ exp" in seen.OVERFLOW_OF_LOGARITHM.explanation
