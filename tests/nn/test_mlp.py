from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from mnist_cli.nn.layers import Dropout
from mnist_cli.nn.losses import SoftmaxCrossEntropy
from mnist_cli.nn.mlp import CLASSES, INPUTS, MLP, parameter_count

N, HIDDEN = 6, 20


@pytest.fixture
def network(rng: np.random.Generator) -> MLP:
    network = MLP(HIDDEN, np.float64)
    network.initialize(rng)
    network.b1[:], network.b2[:] = rng.standard_normal(HIDDEN), rng.standard_normal(CLASSES)
    return network


def test_128_hidden_units_make_101770_parameters() -> None:
    assert parameter_count(128) == MLP(128).parameters.size == 101_770


def test_the_parameters_are_views_of_one_vector_in_order(network: MLP) -> None:
    for vector, parts in (
        (network.parameters, (network.W1, network.b1, network.W2, network.b2)),
        (network.gradients, (network.dW1, network.db1, network.dW2, network.db2)),
    ):
        vector[:] = np.arange(vector.size)
        np.testing.assert_array_equal(np.concatenate([part.ravel() for part in parts]), vector)
        assert vector.flags.c_contiguous
        for part in parts:
            assert np.shares_memory(part, vector)
    assert network.W1.shape == (INPUTS, HIDDEN)
    assert network.W2.shape == (HIDDEN, CLASSES)


def test_weights_start_he_normal_and_biases_zero() -> None:
    network = MLP(500)
    network.initialize(np.random.default_rng(3))
    for W in (network.W1, network.W2):
        assert W.std() == pytest.approx(np.sqrt(2 / len(W)), rel=0.03)
        assert abs(W.mean()) < 0.05 * W.std() + 0.002
    assert not network.b1.any()
    assert not network.b2.any()


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second, other = MLP(HIDDEN), MLP(HIDDEN), MLP(HIDDEN)
    for network, seed in ((first, 1), (second, 1), (other, 2)):
        network.initialize(np.random.default_rng(seed))
    np.testing.assert_array_equal(first.parameters, second.parameters)
    assert (first.W1 != other.W1).any()


def test_forward_and_backward_follow_the_textbook(network: MLP, rng: np.random.Generator) -> None:
    x = rng.random((N, INPUTS))
    labels = rng.integers(CLASSES, size=N)

    z1 = x @ network.W1 + network.b1
    a1 = np.maximum(z1, 0)
    z2 = a1 @ network.W2 + network.b2
    a2 = np.exp(z2) / np.exp(z2).sum(axis=1, keepdims=True)
    delta2 = (a2 - np.eye(CLASSES)[labels]) / N
    delta1 = (delta2 @ network.W2.T) * (z1 > 0)

    np.testing.assert_allclose(network.probabilities(x), a2)
    loss = SoftmaxCrossEntropy()
    loss.forward(network.forward(x), labels)
    network.backward(loss.backward())
    for computed, textbook in (
        (network.z1, z1),
        (network.a1, a1),
        (network.z2, z2),
        (network.delta2, delta2),
        (network.delta1, delta1),
        (network.dW2, a1.T @ delta2),
        (network.db2, delta2.sum(axis=0)),
        (network.dW1, x.T @ delta1),
        (network.db1, delta1.sum(axis=0)),
    ):
        np.testing.assert_allclose(computed, textbook, atol=1e-14)


def test_the_gradients_with_dropout_are_those_of_that_pass(
    network: MLP, rng: np.random.Generator
) -> None:
    x, labels = rng.random((N, INPUTS)), rng.integers(CLASSES, size=N)

    def loss_of(network: MLP) -> tuple[float, SoftmaxCrossEntropy]:
        network.dropout = Dropout(0.5, np.random.default_rng(3))
        loss = SoftmaxCrossEntropy()
        return loss.forward(network.forward(x), labels), loss

    network.backward(loss_of(network)[1].backward())
    direction = rng.standard_normal(network.parameters.size)
    twin = MLP(HIDDEN, np.complex128)
    twin.parameters[:] = network.parameters + 1e-30j * direction
    exact = loss_of(twin)[0].imag / 1e-30
    assert network.gradients @ direction == pytest.approx(exact, rel=1e-10)


def test_gradients_of_the_network_add_up_until_cleared(
    network: MLP, rng: np.random.Generator
) -> None:
    network.forward(rng.random((N, INPUTS)))
    delta2 = rng.standard_normal((N, CLASSES))
    network.backward(delta2)
    once = network.gradients.copy()
    network.backward(delta2)
    np.testing.assert_array_equal(network.gradients, 2 * once)
    network.zero_gradients()
    assert not network.gradients.any()
    assert not network.dW1.any()


def test_overwriting_gives_the_gradients_of_the_last_pass_alone(
    network: MLP, rng: np.random.Generator
) -> None:
    network.forward(rng.random((N, INPUTS)))
    delta2 = rng.standard_normal((N, CLASSES))
    network.backward(delta2)
    once = network.gradients.copy()
    network.gradients[:] = 7
    network.backward(delta2, overwrite=True)
    np.testing.assert_array_equal(network.gradients, once)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_parts_give_together_what_the_whole_gives(
    parts: int, network: MLP, rng: np.random.Generator
) -> None:
    inputs = np.sort(rng.choice(INPUTS, 500, replace=False))
    x = np.zeros((N, INPUTS))
    x[:, inputs] = rng.random((N, len(inputs)))
    delta2 = rng.standard_normal((N, CLASSES))
    logits = network.forward(x)
    network.backward(delta2)
    cut = network.cut(parts, inputs)
    assert sum(part.hidden for part in cut) == HIDDEN
    shares = [part.forward(x[:, inputs]) for part in cut]
    np.testing.assert_allclose(np.sum(shares, axis=0), logits, atol=1e-13)

    kept = network.W1.copy()
    for part in cut:
        part.backward(delta2, overwrite=True)
        part.parameters[:] = part.gradients
    network.join(cut, inputs)
    np.testing.assert_allclose(network.W1[inputs], network.dW1[inputs], atol=1e-14)
    others = np.setdiff1d(np.arange(INPUTS), inputs)
    np.testing.assert_array_equal(network.W1[others], kept[others])
    for parameter, gradient in (
        (network.b1, network.db1),
        (network.W2, network.dW2),
        (network.b2, network.db2),
    ):
        np.testing.assert_allclose(parameter, gradient, atol=1e-14)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_has_views_of_its_own_and_goes_on_between_the_two_passes(
    copied: Callable[[MLP], MLP], network: MLP, rng: np.random.Generator
) -> None:
    x, dout = rng.standard_normal((N, INPUTS)), rng.standard_normal((N, CLASSES))
    network.forward(x)
    other = copied(network)
    network.backward(dout)
    other.backward(dout)
    np.testing.assert_array_equal(other.gradients, network.gradients)
    other.parameters[:] = 0
    assert not other.W1.any()
    assert not other.forward(x).any()
    assert network.W1.any()
