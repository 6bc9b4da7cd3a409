"""scikit-learn's `MLPClassifier`, by `partial_fit`; for the time of an epoch alone."""

from __future__ import annotations

import warnings
from typing import Any

import common
import numpy as np
from sklearn.neural_network import MLPClassifier


class Sklearn(common.Side):
    """See `common.Side`."""

    def __init__(self, hidden: int, batch_size: int, smoothing: float, images: Any, labels: Any):
        warnings.simplefilter("ignore")
        self.images, self.labels = images.astype(np.float32) / 255, labels
        self.model = MLPClassifier(
            (hidden,),
            solver="sgd",
            batch_size=batch_size,
            learning_rate_init=0.1,
            momentum=common.MOMENTUM,
            nesterovs_momentum=False,
            alpha=0,
            max_iter=1,
            warm_start=True,
        )

    def gradients(self, batch: Any) -> tuple[float, list[Any]]:
        """Return the loss and the gradients, through methods that are scikit-learn's own."""
        model, x = self.model, self.images[batch]
        model.set_params(batch_size=len(batch)).partial_fit(
            x, self.labels[batch], classes=np.arange(10)
        )
        weights = common.first_weights(model.hidden_layer_sizes[0])
        model.coefs_, model.intercepts_ = weights[::2], weights[1::2]
        units = [common.INPUTS, *model.hidden_layer_sizes, common.CLASSES]
        activations = [x] + [np.empty((len(x), size), np.float32) for size in units[1:]]
        deltas = [np.empty_like(a) for a in activations[1:]]
        rows = np.eye(common.CLASSES, dtype=np.float32)[self.labels[batch]]
        loss, dW, db = model._backprop(
            x,
            rows,
            np.full(len(x), 1.0, np.float32),
            activations,
            deltas,
            [np.empty_like(W) for W in model.coefs_],
            [np.empty_like(b) for b in model.intercepts_],
        )
        return loss, [dW[0], db[0], dW[1], db[1]]

    def epoch(self, order: Any, rates: Any) -> None:
        """See `common.Side`; the order is scikit-learn's own, and the learning rate is constant."""
        self.model.fit(self.images, self.labels)


if __name__ == "__main__":
    common.run(Sklearn)
