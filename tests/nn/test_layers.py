from __future__ import annotations

import numpy as np
import pytest
from conftest import gradient
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mnist_cli.nn.layers import Dropout, Linear, ReLU, Softmax, log_softmax

N, K, J = 4, 3, 5

rows_of_logits = arrays(
    np.float64, st.tuples(st.integers(1, 6), st.integers(1, 12)), elements=st.floats(-1e4, 1e4)
)


@pytest.fixture
def linear(rng: np.random.Generator) -> Linear:
    return Linear(rng.standard_normal((K, J)), rng.standard_normal(J))


def test_linear_computes_every_entry_of_the_formula(
    linear: Linear, rng: np.random.Generator
) -> None:
    x, dout = rng.standard_normal((N, K)), rng.standard_normal((N, J))
    out = linear.forward(x)
    dx = linear.backward(dout)
    for n in range(N):
        for j in range(J):
            expected = sum(x[n, i] * linear.W[i, j] for i in range(K)) + linear.b[j]
            assert out[n, j] == pytest.approx(expected)
        for i in range(K):
            assert dx[n, i] == pytest.approx(sum(dout[n, j] * linear.W[i, j] for j in range(J)))
    for j in range(J):
        assert linear.db[j] == pytest.approx(sum(dout[n, j] for n in range(N)))
        for i in range(K):
            expected = sum(x[n, i] * dout[n, j] for n in range(N))
            assert linear.dW[i, j] == pytest.approx(expected)


def test_gradients_add_up_until_they_are_cleared(linear: Linear, rng: np.random.Generator) -> None:
    x, dout = rng.standard_normal((N, K)), rng.standard_normal((N, J))
    linear.forward(x)
    linear.backward(dout)
    once_W, once_b = linear.dW.copy(), linear.db.copy()
    linear.backward(dout)
    np.testing.assert_array_equal(linear.dW, 2 * once_W)
    np.testing.assert_array_equal(linear.db, 2 * once_b)
    linear.zero_gradients()
    assert not linear.dW.any()
    assert not linear.db.any()


def test_a_batch_in_two_halves_has_the_gradient_of_the_whole(
    linear: Linear, rng: np.random.Generator
) -> None:
    x, dout = rng.standard_normal((N, K)), rng.standard_normal((N, J))
    linear.forward(x)
    linear.backward(dout)
    whole = linear.dW.copy()
    linear.zero_gradients()
    for half in (slice(0, 2), slice(2, 4)):
        linear.forward(x[half])
        linear.backward(dout[half])
    np.testing.assert_allclose(linear.dW, whole)


def test_a_layer_used_twice_in_one_pass_needs_both_its_contributions(
    rng: np.random.Generator,
) -> None:
    """y = (x·W + b)·W + b: with ``=`` in place of ``+=`` the first use would erase the second."""
    W, b = rng.standard_normal((K, K)), rng.standard_normal(K)
    x, dout = rng.standard_normal((N, K)), rng.standard_normal((N, K))
    first = Linear(W, b)
    second = Linear(W, b, first.dW, first.db)
    second.forward(first.forward(x))
    d_middle = second.backward(dout)
    of_second_use = second.dW.copy()
    first.backward(d_middle)
    of_first_use = x.T @ d_middle

    right = gradient(lambda W: (dout * ((x @ W + b) @ W + b)).sum(), W)
    np.testing.assert_allclose(first.dW, right)
    np.testing.assert_allclose(of_first_use + of_second_use, right)
    assert np.abs(of_first_use - right).max() > 0.1
    assert np.abs(of_second_use - right).max() > 0.1


def test_relu_passes_what_is_positive_and_its_gradient() -> None:
    layer = ReLU()
    x = np.array([[-2.0, 0.0, 3.0]])
    np.testing.assert_array_equal(layer.forward(x), [[0, 0, 3]])
    dout = np.array([[5.0, 6.0, 7.0]])
    np.testing.assert_array_equal(layer.backward(dout), [[0, 0, 7]])
    np.testing.assert_array_equal(dout, [[5, 6, 7]])
    np.testing.assert_array_equal(x, [[-2, 0, 3]])


@given(rows_of_logits)
def test_softmax_gives_probabilities_of_every_row(x: np.ndarray) -> None:
    s = Softmax().forward(x)
    assert np.all(s >= 0)
    np.testing.assert_allclose(s.sum(axis=-1), 1)
    np.testing.assert_allclose(np.exp(log_softmax(x)), s, rtol=1e-11, atol=1e-300)


@given(rows_of_logits, st.floats(-1e4, 1e4))
def test_subtracting_a_number_from_a_row_changes_nothing(x: np.ndarray, shift: float) -> None:
    np.testing.assert_allclose(Softmax().forward(x - shift), Softmax().forward(x), atol=1e-11)


def test_the_shift_prevents_the_overflow_of_the_naive_softmax() -> None:
    x = np.array([[1000.0, 1001.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        naive = np.exp(x) / np.exp(x).sum()
    assert np.isnan(naive).all()
    np.testing.assert_allclose(Softmax().forward(x), Softmax().forward(x - 1000))
    assert np.isfinite(log_softmax(np.array([[1e4, -1e4]], np.float32))).all()


def test_a_row_does_not_feel_the_other_rows(rng: np.random.Generator) -> None:
    x = rng.standard_normal((N, J))
    alone = Softmax().forward(x[1:2])
    x[0] = 1e4
    np.testing.assert_array_equal(Softmax().forward(x)[1:2], alone)


def test_the_jacobian_has_its_two_cases(rng: np.random.Generator) -> None:
    layer = Softmax()
    s = layer.forward(rng.standard_normal((N, J)))
    jacobian = layer.jacobian()
    assert jacobian.shape == (N, J, J)
    for n in range(N):
        for i in range(J):
            for j in range(J):
                expected = s[n, i] * (1 - s[n, i]) if i == j else -s[n, i] * s[n, j]
                assert jacobian[n, i, j] == pytest.approx(expected, rel=1e-13)


def test_the_product_without_the_jacobian_is_the_product_with_it(rng: np.random.Generator) -> None:
    layer = Softmax()
    layer.forward(rng.standard_normal((N, J)))
    jacobian = layer.jacobian()
    for j in range(J):
        # A unit vector as dout picks row j of the Jacobian: its entries i = j and i ≠ j.
        dout = np.zeros((N, J))
        dout[:, j] = 1
        np.testing.assert_allclose(layer.backward(dout), jacobian[:, j, :], rtol=1e-12, atol=1e-17)
    dout = rng.standard_normal((N, J))
    np.testing.assert_allclose(layer.backward(dout), np.einsum("ni,nij->nj", dout, jacobian))


def test_softmax_works_over_the_last_axis_of_any_shape(rng: np.random.Generator) -> None:
    layer = Softmax()
    x, dout = rng.standard_normal((3, N, J)), rng.standard_normal((3, N, J))
    s, dx, jacobian = layer.forward(x), layer.backward(dout), layer.jacobian()
    layer.forward(x[1])
    np.testing.assert_array_equal(s[1], layer.s)
    np.testing.assert_array_equal(dx[1], layer.backward(dout[1]))
    np.testing.assert_array_equal(jacobian[1], layer.jacobian())


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_layers_keep_the_dtype(dtype: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((N, K)).astype(dtype)
    linear = Linear(rng.standard_normal((K, J)).astype(dtype), np.zeros(J, dtype))
    for layer in (linear, ReLU(), Softmax()):
        out = layer.forward(x)
        assert out.dtype == dtype
        assert layer.backward(out).dtype == dtype


def test_dropout_puts_out_a_share_and_keeps_the_mean(rng: np.random.Generator) -> None:
    dropout = Dropout(0.25, rng)
    x = np.ones((400, 500), np.float32)
    out = dropout.forward(x)
    assert out.dtype == np.float32
    assert set(np.unique(out)) == {0, np.float32(1 / 0.75)}
    assert (out == 0).mean() == pytest.approx(0.25, abs=0.01)
    assert out.mean() == pytest.approx(1, abs=0.01)
    # The gradient goes where the units were, and each pass draws anew.
    np.testing.assert_array_equal(dropout.backward(x), out)
    assert (dropout.forward(x) != out).any()


def test_dropout_of_nothing_changes_nothing(rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 4))
    np.testing.assert_array_equal(Dropout(0, rng).forward(x), x)
