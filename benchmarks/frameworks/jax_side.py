"""JAX: the whole epoch is one compiled function, with `lax.scan` over the batches.

The last batch of an epoch, which is smaller, is left out, as a scan takes batches of one size.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import common
import jax
import jax.numpy as jnp
import numpy as np


def forward(weights: Any, x: Any) -> Any:
    """Return the logits."""
    W1, b1, W2, b2 = weights
    return jax.nn.relu(x @ W1 + b1) @ W2 + b2


def loss_of(weights: Any, x: Any, labels: Any, smoothing: float) -> tuple[Any, Any]:
    """Return the mean loss, and how many were read rightly."""
    logits = forward(weights, x)
    logarithms = jax.nn.log_softmax(logits)
    loss = -jnp.take_along_axis(logarithms, labels[:, None], axis=1).mean()
    if smoothing:
        loss = (1 - smoothing) * loss - smoothing * logarithms.mean()
    return loss, (logits.argmax(axis=1) == labels).sum()


def step(images: Any, labels: Any, smoothing: float, state: Any, batch: Any) -> tuple[Any, Any]:
    """Take one step of SGD with momentum and decay."""
    weights, velocity = state
    index, rate = batch
    x = images[index].astype(jnp.float32) / 255
    (loss, correct), gradients = jax.value_and_grad(loss_of, has_aux=True)(
        weights, x, labels[index], smoothing
    )
    velocity = [common.MOMENTUM * v + g for v, g in zip(velocity, gradients, strict=True)]
    weights = [
        (1 - rate * common.DECAY) * w - rate * v for w, v in zip(weights, velocity, strict=True)
    ]
    return (weights, velocity), (loss, correct)


@partial(jax.jit, donate_argnums=0, static_argnums=3)
def scan(state: Any, images: Any, labels: Any, smoothing: float, batches: Any, rates: Any) -> Any:
    """Take the steps of an epoch."""
    return jax.lax.scan(partial(step, images, labels, smoothing), state, (batches, rates))


class Jax(common.Side):
    """See `common.Side`."""

    def __init__(self, hidden: int, batch_size: int, smoothing: float, images: Any, labels: Any):
        self.batch_size, self.smoothing = batch_size, smoothing
        self.images, self.labels = jnp.asarray(images), jnp.asarray(labels.astype(np.int32))
        weights = [jnp.asarray(value) for value in common.first_weights(hidden)]
        self.state = weights, [jnp.zeros_like(value) for value in weights]

    def gradients(self, batch: Any) -> tuple[float, list[Any]]:
        """See `common.Side`."""
        x = self.images[batch].astype(jnp.float32) / 255
        (loss, _), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            self.state[0], x, self.labels[batch], self.smoothing
        )
        return float(loss), [np.asarray(gradient) for gradient in gradients]

    def epoch(self, order: Any, rates: Any) -> None:
        """See `common.Side`."""
        whole = len(order) // self.batch_size
        batches = order[: whole * self.batch_size].reshape(whole, -1)
        data = self.images, self.labels, self.smoothing
        self.state, _ = jax.block_until_ready(
            scan(self.state, *data, jnp.asarray(batches), rates[:whole])
        )

    def accuracy(self, images: Any, labels: Any) -> float:
        """See `common.Side`."""
        logits = forward(self.state[0], jnp.asarray(images).astype(jnp.float32) / 255)
        return float((np.asarray(logits.argmax(axis=1)) == labels).mean())

    def save(self, path: str) -> None:
        """See `common.Side`."""
        np.savez(path, *map(np.asarray, self.state[0]))


if __name__ == "__main__":
    common.run(Jax)
