"""The project itself: the code that ``mnist-cli train`` runs."""

from __future__ import annotations

from typing import Any

from mnist_cli.parallel import leave_cores_to_us

leave_cores_to_us()

import common
import numpy as np

from mnist_cli.data.dataset import Split
from mnist_cli.evaluation import evaluate
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.recipe import Recipe
from mnist_cli.training.descent import Descent


class Numpy(common.Side):
    """See `common.Side`."""

    def __init__(self, hidden: int, batch_size: int, smoothing: float, images: Any, labels: Any):
        network = MLP(hidden)
        weights = common.first_weights(hidden)
        for view, value in zip(
            (network.W1, network.b1, network.W2, network.b2), weights, strict=True
        ):
            view[:] = value
        recipe = Recipe(
            hidden=hidden,
            batch_size=batch_size,
            weight_decay=common.DECAY,
            label_smoothing=smoothing,
        )
        data = Split(images.reshape(-1, 28, 28), labels)
        self.descent = Descent(recipe, network, data, np.random.default_rng(0))

    def gradients(self, batch: Any) -> tuple[float, list[Any]]:
        """See `common.Side`."""
        descent, parts = self.descent, self.descent.parts
        x = np.multiply(descent.batches.pixels[batch], 1 / 255, dtype=np.float32)
        logits = sum(part.forward(x) for part in parts.networks)
        loss = descent.sampler.loss(logits, descent.rows[descent.labels[batch]], batch)
        delta2 = descent.sampler.gradient()
        for part in parts.networks:
            part.backward(delta2, overwrite=True)
            part.parameters[:] = part.gradients
        whole = MLP(parts.network.hidden)
        whole.join(parts.networks, parts.inked)
        return float(loss), [whole.W1, whole.b1, whole.W2, whole.b2]

    def epoch(self, order: Any, rates: Any) -> None:
        """See `common.Side`; order and rates are those of its own schedule."""
        self.descent.epoch(1)

    def accuracy(self, images: Any, labels: Any) -> float:
        """See `common.Side`."""
        model = Model(self.descent.finish())
        return evaluate(model, Split(images.reshape(-1, 28, 28), labels)).accuracy


if __name__ == "__main__":
    common.run(Numpy)
