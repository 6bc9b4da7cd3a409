"""Training as the textbook has it: a dozen lines, on one thread, with nothing made fast.

``mnist_cli.training`` does the same sums on two cores: a test holds the losses of both against each
other. Read this first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mnist_cli.nn.layers import Array
from mnist_cli.nn.losses import SoftmaxCrossEntropy
from mnist_cli.nn.mlp import MLP
from mnist_cli.nn.optimizers import SGD
from mnist_cli.nn.schedules import one_cycle


def train(
    x: Array,
    labels: NDArray[np.integer],
    *,
    hidden: int = 128,
    epochs: int = 10,
    batch_size: int = 128,
    learning_rate: float = 0.3,
    momentum: float = 0.9,
    weight_decay: float = 0.003,
    schedule: Callable[[float], float] = one_cycle,
    seed: int = 0,
) -> tuple[MLP, list[float]]:
    """Train a network by stochastic gradient descent.

    Parameters
    ----------
    x : array, shape (N, 784)
        Images as numbers from 0 to 1; their dtype is the network's.
    labels : array of int, shape (N,)
        The digits, 0 to 9.
    hidden, epochs, batch_size, learning_rate, momentum, weight_decay, seed
        As in `mnist_cli.recipe.Recipe`.
    schedule : callable
        Gives for the progress from 0 to 1 the share of the learning rate.

    Returns
    -------
    network : MLP
    losses : list of float
        The mean loss of each epoch, in nats, each batch measured before the step that it led to.
    """
    rng = np.random.default_rng(seed)
    network, loss, losses = MLP(hidden, x.dtype), SoftmaxCrossEntropy(), []
    network.initialize(rng)
    optimizer = SGD(network.parameters, momentum, weight_decay)
    for epoch in range(epochs):
        batches = np.split(order := rng.permutation(len(x)), range(batch_size, len(x), batch_size))
        total = 0.0
        for step, batch in enumerate(batches):
            total += len(batch) * float(loss.forward(network.forward(x[batch]), labels[batch]))
            network.zero_gradients()
            network.backward(loss.backward())
            rate = learning_rate * schedule((epoch + step / len(batches)) / epochs)
            optimizer.step(network.parameters, network.gradients, rate)
        losses.append(total / len(order))
    return network, losses
