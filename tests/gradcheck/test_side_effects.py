"""What a pass leaves behind, and what kind of array it takes and gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checked import Dense, Layer, failed, kinds, made, row_of

from mnist_cli.gradcheck import check_layer, check_loss


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


def test_float32_out_of_float64_is_lost_precision() -> None:
    narrow = Layer(lambda self, x: (3 * x).astype(np.float32))
    assert row_of(check_layer(narrow), "precision-kept").diagnosis
    assert failed(check_layer(narrow))["precision kept"] == "precision-lost"


def test_float64_out_of_float32_is_no_mistake() -> None:
    """Weights are often float64."""
    assert check_layer(Dense()).passed


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


def test_without_a_gradient_the_row_of_the_second_pass_says_that_there_is_none() -> None:
    row = row_of(check_layer(Layer(backward=lambda self, dout: None)), "second-pass")
    assert row.is_skipped
    assert row.method == "there is no gradient to compare"
