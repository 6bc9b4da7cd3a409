"""Which gradients have a row, what it is called, and which have none to compare."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checked import Dense, Layer, failed

from mnist_cli.gradcheck import check, check_functions, check_layer


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


def test_errors_are_null_in_rows_that_compare_nothing() -> None:
    for row in check_layer(Dense()):
        has_none = row.kind in (
            "arguments-kept",
            "precision-kept",
            "strided-dout",
            "read-only-dout",
        )
        assert (row.max_relative_error is None) == has_none, row


class TwoOutputs:
    """Forward returns two arrays, and backward is given the gradient to the first."""

    def forward(self, x: Any) -> Any:
        return x * 2, x * 3

    def backward(self, dout: Any) -> Any:
        return dout * 2


class WithCache:
    """What forward returns besides goes back to backward."""

    def forward(self, x: Any) -> Any:
        return x * x, x

    def backward(self, dout: Any, cache: Any) -> Any:
        return 2 * dout * cache


@pytest.mark.parametrize(("kind", "is_said"), [(TwoOutputs, True), (WithCache, False)])
def test_that_the_first_of_several_outputs_alone_is_checked_is_said(
    kind: type, is_said: bool
) -> None:
    found = check(kind())
    assert found.passed
    assert any("Only the first of the arrays" in remark for remark in found.remarks) == is_said
