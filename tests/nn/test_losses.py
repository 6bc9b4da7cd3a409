from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import gradient

from mnist_cli.nn.layers import Softmax
from mnist_cli.nn.losses import (
    CrossEntropy,
    SoftmaxCrossEntropy,
    WeightedCrossEntropy,
    label_rows,
    soften,
)

N, C = 4, 5


@pytest.fixture
def logits(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((N, C))


@pytest.fixture
def rows(rng: np.random.Generator) -> np.ndarray:
    return rng.dirichlet(np.ones(C), N)


def test_class_indices_stand_for_rows_with_a_single_one() -> None:
    like = np.zeros((2, 3), np.float32)
    rows = label_rows(np.array([2, 0], np.uint8), like)
    np.testing.assert_array_equal(rows, [[0, 0, 1], [1, 0, 0]])
    assert rows.dtype == np.float32


@pytest.mark.parametrize(
    "labels",
    [np.zeros(3, int), np.zeros((N, C + 1)), np.zeros((N, 1), int), np.zeros(N)],
)
def test_labels_that_do_not_fit_are_refused(labels: np.ndarray, logits: np.ndarray) -> None:
    with pytest.raises(ValueError, match="neither as class indices nor as rows"):
        SoftmaxCrossEntropy().forward(logits, labels)


@pytest.mark.parametrize("label", [-1, C])
def test_an_index_that_is_no_class_is_refused(label: int, logits: np.ndarray) -> None:
    with pytest.raises(ValueError, match=f"for {C} classes"):
        SoftmaxCrossEntropy().forward(logits, np.full(N, label))


def test_labels_do_not_change_the_dtype_of_a_gradient(rows: np.ndarray) -> None:
    logits = np.ones((N, C), np.float32)
    for loss in (SoftmaxCrossEntropy(), CrossEntropy()):
        loss.forward(logits, rows)
        assert loss.backward().dtype == np.float32


def test_cross_entropy_is_the_mean_of_minus_log_p(rows: np.ndarray, logits: np.ndarray) -> None:
    p = Softmax().forward(logits)
    expected = np.mean([-sum(rows[n, c] * np.log(p[n, c]) for c in range(C)) for n in range(N)])
    assert CrossEntropy().forward(p, rows) == pytest.approx(expected, rel=1e-13)


def test_cross_entropy_has_the_gradient_minus_t_over_pn(
    rows: np.ndarray, logits: np.ndarray
) -> None:
    p = Softmax().forward(logits)
    loss = CrossEntropy()
    loss.forward(p, rows)
    np.testing.assert_allclose(loss.backward(), -rows / (p * N))
    right = gradient(lambda p: CrossEntropy().forward(p, rows), np.array(p))
    np.testing.assert_allclose(loss.backward(), right)


def test_the_fused_loss_is_the_mean_of_logsumexp_minus_the_logit(
    rows: np.ndarray, logits: np.ndarray
) -> None:
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - (rows * logits).sum(axis=1))
    assert SoftmaxCrossEntropy().forward(logits, rows) == pytest.approx(expected, rel=1e-13)


def test_the_fused_gradient_is_softmax_minus_labels_over_the_batch(
    rows: np.ndarray, logits: np.ndarray
) -> None:
    loss = SoftmaxCrossEntropy()
    loss.forward(logits, rows)
    np.testing.assert_allclose(loss.backward(), (Softmax().forward(logits) - rows) / N)
    np.testing.assert_allclose(
        loss.backward(), gradient(lambda z: SoftmaxCrossEntropy().forward(z, rows), logits)
    )


def test_the_gradient_to_the_labels_is_minus_log_softmax_over_the_batch(
    rows: np.ndarray, logits: np.ndarray
) -> None:
    loss = SoftmaxCrossEntropy()
    loss.forward(logits, rows)
    np.testing.assert_allclose(loss.backward_labels(), -np.log(Softmax().forward(logits)) / N)
    np.testing.assert_allclose(
        loss.backward_labels(), gradient(lambda t: SoftmaxCrossEntropy().forward(logits, t), rows)
    )


def test_the_weighted_gradient_is_weights_times_softmax_minus_labels_over_the_batch(
    rows: np.ndarray, logits: np.ndarray
) -> None:
    weights = np.random.default_rng(3).uniform(0, 3, N)
    loss = WeightedCrossEntropy()
    each = [SoftmaxCrossEntropy().forward(logits[k : k + 1], rows[k : k + 1]) for k in range(N)]
    assert loss.forward(logits, rows, weights) == pytest.approx(np.dot(weights, each) / N)
    np.testing.assert_allclose(loss.losses, each)
    expected = weights[:, np.newaxis] * (Softmax().forward(logits) - rows) / N
    np.testing.assert_allclose(loss.backward(), expected)
    np.testing.assert_allclose(
        loss.backward(3.0),
        3 * gradient(lambda z: WeightedCrossEntropy().forward(z, rows, weights), logits),
    )


def test_every_gradient_is_scaled_by_the_one_from_above(
    rows: np.ndarray, logits: np.ndarray
) -> None:
    fused, plain = SoftmaxCrossEntropy(), CrossEntropy()
    fused.forward(logits, rows)
    plain.forward(Softmax().forward(logits), rows)
    for backward in (fused.backward, fused.backward_labels, plain.backward):
        np.testing.assert_allclose(backward(-3.0), -3 * backward())


def test_indices_and_their_rows_give_the_same(logits: np.ndarray) -> None:
    indices = np.array([0, 4, 2, 2])
    cases: list[tuple[type[SoftmaxCrossEntropy] | type[CrossEntropy], Any]] = [
        (SoftmaxCrossEntropy, logits),
        (CrossEntropy, Softmax().forward(logits)),
    ]
    for kind, x in cases:
        by_index, by_row = kind(), kind()
        assert by_index.forward(x, indices) == by_row.forward(x, np.eye(C)[indices])
        np.testing.assert_array_equal(by_index.backward(), by_row.backward())


def test_chaining_softmax_and_cross_entropy_gives_the_fused_gradient(
    rows: np.ndarray, logits: np.ndarray
) -> None:
    softmax, chained, fused = Softmax(), CrossEntropy(), SoftmaxCrossEntropy()
    loss = chained.forward(softmax.forward(logits), rows)
    assert fused.forward(logits, rows) == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(
        softmax.backward(chained.backward(2.0)), fused.backward(2.0), rtol=1e-12
    )


def test_the_fused_loss_stays_finite_where_the_chain_does_not() -> None:
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    labels = np.array([1, 1])
    softmax, chained, fused = Softmax(), CrossEntropy(), SoftmaxCrossEntropy()
    assert chained.forward(softmax.forward(logits), labels) == np.inf
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(softmax.backward(chained.backward())).all()

    assert fused.forward(logits, labels) == 1e4  # the mean of 2e4, and 0
    np.testing.assert_array_equal(fused.backward(), [[0.5, -0.5], [0, 0]])
    assert np.isfinite(fused.backward_labels()).all()
    assert fused.backward().dtype == np.float32


def test_a_probability_of_zero_without_a_label_costs_nothing() -> None:
    loss = CrossEntropy()
    assert loss.forward(np.array([[0.0, 1.0]]), np.array([1])) == 0
    np.testing.assert_array_equal(loss.backward(), [[0, -1]])


def test_softened_labels_still_sum_to_one(rows: np.ndarray) -> None:
    softened = soften(np.eye(C), 0.1)
    assert softened[0] == pytest.approx([0.92, 0.02, 0.02, 0.02, 0.02])
    assert soften(rows, 0.3).sum(axis=1) == pytest.approx(1)
    np.testing.assert_array_equal(soften(rows, 0), rows)
