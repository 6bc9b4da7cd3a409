"""Gradients at other numbers of examples, and for larger gradients from above."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import wrong_code
from checked import Dense, Layer, failed, kinds, row_of

from mnist_cli.gradcheck import check_layer, check_loss

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


def test_a_threshold_in_backward_is_not_linear() -> None:
    rounded = Layer(backward=lambda self, dout: 3 * np.where(np.abs(dout) < 1e-4, 0, dout))
    assert failed(check_layer(rounded)) == {"linear in dout": "not-linear-in-dout"}


def test_code_that_takes_no_dout_has_no_row_for_it() -> None:
    found = check_loss(wrong_code.SquaredError())
    takes_none = check_loss(wrong_code.LabelsFirst())
    assert "linear-in-dout" in kinds(found)
    assert not {"linear-in-dout", "strided-dout", "read-only-dout"} & kinds(takes_none)
