from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mnist_cli.gradcheck.comparison import compare
from mnist_cli.gradcheck.own_formulas import Report, check_own_formulas
from mnist_cli.gradcheck.reference import Derivative
from mnist_cli.gradcheck.report import lines, refusals
from mnist_cli.gradcheck.result import Group
from mnist_cli.gradcheck.wrong_answers import WRONG_ANSWERS, WrongAnswer
from mnist_cli.nn import layers, losses, mlp
from mnist_cli.nn.losses import SoftmaxCrossEntropy, label_rows

TOLERANCE = 1e-10


def check(hidden: int = 6, batch_size: int = 8, seed: int = 0) -> Report:
    return check_own_formulas(hidden, batch_size, seed, TOLERANCE)


@pytest.mark.long
@pytest.mark.parametrize(
    ("hidden", "batch_size", "seed"),
    [*((h, n, 0) for h in (1, 17, 128) for n in (1, 2, 16)), (17, 16, 1)],
)
def test_every_formula_passes_and_every_wrong_answer_is_refused(
    hidden: int, batch_size: int, seed: int
) -> None:
    report = check(hidden, batch_size, seed)
    assert [row.name for row in report.checks if not row.passed] == []
    assert [row.name for row in report.wrong_answers if row.passed] == []
    names = [row.diagnosis.name for row in report.wrong_answers if row.diagnosis]
    all_names = [
        *("softmax-input-for-output", "softmax-diagonal-only", "softmax-twice"),
        *("rows-leak", "batch-size-missing", "batch-size-twice"),
    ]
    assert names == [name for name in all_names if batch_size > 1 or name.startswith("softmax")]
    assert report.passed
    errors = [row.max_relative_error for row in report.checks if row.kind == "gradient"]
    assert max(error for error in errors if error is not None) < 1e-10
    assert None not in errors


def test_the_whole_network_is_covered() -> None:
    rows = {row.name: row for row in check(hidden=128).checks}
    assert rows["Network, to all parameters"].elements == 101_770
    assert len(rows) == len(check().checks)


def test_names_and_formulas_are_whole_at_80_columns() -> None:
    found = check()
    rows = [
        *lines(Group("", found.checks), width=80)[1:],
        *refusals(found.wrong_answers, width=80)[1:],
    ]
    assert len(rows) == len(found.checks) + len(found.wrong_answers)
    for row, each in zip(rows, [*found.checks, *found.wrong_answers], strict=True):
        assert len(row) <= 80
        assert f"{each.name}  " in row
        assert each.formula in row


def test_how_each_layer_and_each_loss_behaves_is_a_row() -> None:
    rows = {row.name: row for row in check().checks if row.kind == "behaviour"}
    ours = [
        name
        for module in (layers, losses)
        for name, thing in vars(module).items()
        if hasattr(thing, "backward") and thing.__module__ == module.__name__
    ]
    assert "Linear" in ours
    assert {f"{name}, behaviour" for name in ours} <= set(rows)
    for name, row in rows.items():
        assert "arguments kept" in row.method
        # Each forward of a dropout draws other units.
        assert ("second pass" in row.method) == (name != "Dropout, behaviour")


@pytest.mark.parametrize("wrong", WRONG_ANSWERS, ids=lambda wrong: wrong.name)
def test_a_well_known_wrong_answer_is_refused(wrong: WrongAnswer) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        logits = rng.standard_normal((5, 10))
        labels = label_rows(rng.integers(10, size=5), logits)
        loss = SoftmaxCrossEntropy()
        loss.forward(logits, labels)

        def f(z: Any, labels: Any = labels) -> Any:
            return SoftmaxCrossEntropy().forward(z, labels)

        right = Derivative(f, logits, rng).gradient()
        assert compare(loss.backward(), right, TOLERANCE).passed
        assert not compare(wrong.gradient(logits, labels), right, TOLERANCE).passed


def test_what_is_right_for_one_example_is_right_for_one_example() -> None:
    logits = np.array([[0.5, -1.0, 2.0]])
    labels = np.array([[0.0, 1.0, 0.0]])
    loss = SoftmaxCrossEntropy()
    loss.forward(logits, labels)
    for wrong in WRONG_ANSWERS:
        right = np.allclose(wrong.gradient(logits, labels), loss.backward())
        assert right == wrong.right_for_one, wrong.name


def linear_with_a_mean(self: Any, dout: Any, overwrite: bool = False) -> None:
    self.dW += self.x.T @ dout
    self.db += dout.mean(axis=0)


def linear_that_overwrites(self: Any, dout: Any, overwrite: bool = False) -> None:
    self.dW[...] = self.x.T @ dout
    self.db[...] = dout.sum(axis=0)


def linear_not_transposed(self: Any, dout: Any, overwrite: bool = False) -> Any:
    self.accumulate(dout)
    return dout @ np.resize(self.W, self.W.T.shape)


def network_without_mask(self: Any, delta2: Any, overwrite: bool = False) -> None:
    self.delta2 = delta2
    self.delta1 = self.linear2.backward(delta2)
    self.linear1.accumulate(self.delta1)


def jacobian_without_outer_product(self: Any) -> Any:
    return self.s[..., None] * np.eye(self.s.shape[-1])


def probabilities_minus_labels(self: Any, dout: float = 1.0) -> Any:
    return (self.probabilities - self.labels) / len(self.labels)


def upstream_ignored(self: Any, dout: float = 1.0) -> Any:
    return (np.exp(self.log_probabilities) - self.labels) / len(self.labels)


def labels_with_the_sign_flipped(self: Any, dout: float = 1.0) -> Any:
    return self.log_probabilities * dout / len(self.labels)


MISTAKES: list[tuple[type, str, Callable[..., Any], str]] = [
    (layers.Linear, "accumulate", linear_with_a_mean, "Linear, to b"),
    (layers.Linear, "accumulate", linear_that_overwrites, "Linear used twice, to W"),
    (layers.Linear, "backward", linear_not_transposed, "Linear, to x"),
    (layers.ReLU, "backward", lambda self, dout: dout, "ReLU, to x"),
    (layers.Softmax, "backward", lambda self, dout: dout * self.s * (1 - self.s), "Softmax, to x"),
    (layers.Softmax, "jacobian", jacobian_without_outer_product, "Softmax, Jacobian, i ≠ j"),
    (layers.Softmax, "jacobian", jacobian_without_outer_product, "Softmax, Jacobian, i = j"),
    (losses.CrossEntropy, "backward", probabilities_minus_labels, "CrossEntropy, to p"),
    (
        losses.SoftmaxCrossEntropy,
        "backward",
        upstream_ignored,
        "SoftmaxCrossEntropy, index labels",
    ),
    (
        losses.SoftmaxCrossEntropy,
        "backward_labels",
        labels_with_the_sign_flipped,
        "SoftmaxCrossEntropy, to labels",
    ),
    (mlp.MLP, "backward", network_without_mask, "Network, to z1"),
]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "method", "wrong", "row"), MISTAKES)
def test_a_mistake_in_our_own_code_fails_its_row(
    kind: type,
    method: str,
    wrong: Callable[..., Any],
    row: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kind, method, wrong)
    report = check()
    assert not report.passed
    assert row in [check.name for check in report.checks if not check.passed]


def relu_in_place(self: Any, dout: Any) -> Any:
    dout[self.out <= 0] = 0
    return dout


def relu_of_its_first_input(self: Any, x: Any) -> Any:
    if not hasattr(self, "kept"):
        self.kept = np.maximum(0, x)
    self.out = self.kept
    return np.maximum(0, x)


def relu_that_writes_into_x(self: Any, x: Any) -> Any:
    x[x < 0] = 0
    self.out = x
    return x.copy()


def softmax_that_is_not_linear_in_dout(self: Any, dout: Any) -> Any:
    return self.s * (dout - (dout * self.s).sum(axis=-1, keepdims=True)).clip(-50, 50)


@pytest.mark.parametrize(
    ("kind", "method", "wrong", "row"),
    [
        (layers.ReLU, "backward", relu_in_place, "ReLU, arguments kept"),
        (layers.ReLU, "forward", relu_of_its_first_input, "ReLU, second pass"),
        (layers.ReLU, "forward", relu_that_writes_into_x, "ReLU, arguments kept"),
        (layers.Softmax, "backward", softmax_that_is_not_linear_in_dout, "Softmax, linear in dout"),
    ],
)
def test_what_our_own_code_does_besides_its_gradients_counts_too(
    kind: type,
    method: str,
    wrong: Callable[..., Any],
    row: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kind, method, wrong)
    report = check()
    assert not report.passed
    failed = [check for check in report.checks if not check.passed]
    assert row in [check.name for check in failed]
    assert all(check.diagnosis for check in failed)
    title = row.split(",")[0]
    assert f"{title}, behaviour" not in [check.name for check in report.checks]


def test_a_softmax_without_the_shift_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def naive(x: Any) -> Any:
        return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))

    monkeypatch.setattr(losses, "log_softmax", naive)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        report = check()
    assert [row.name for row in report.checks if not row.passed] == [
        "SoftmaxCrossEntropy, large inputs",
        "WeightedCrossEntropy, large inputs",
        "SoftmaxCrossEntropy, z of ±1e4",
    ]


def test_a_tolerance_that_lets_mistakes_through_does_not_pass() -> None:
    report = check_own_formulas(3, 4, 0, tolerance=100.0)
    assert all(row.passed for row in report.checks)
    assert not report.passed
