"""Code that computes in float32 on its way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checked import Layer, failed

from mnist_cli.gradcheck import check_layer


def softmax_in_single(self: Any, x: Any) -> Any:
    x = x.astype(np.float32)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    self.s = e / e.sum(axis=-1, keepdims=True)
    return self.s


SINGLE = {
    "tanh": Layer(
        lambda self, x: np.tanh(x).astype(np.float32),
        lambda self, dout: dout * (1 - np.tanh(self.x) ** 2),
    ),
    "twice": Layer(lambda self, x: (2 * x).astype(np.float32), lambda self, dout: 2 * dout),
    "rectifier": Layer(
        lambda self, x: np.maximum(x, 0).astype(np.float32),
        lambda self, dout: dout * (self.x > 0),
    ),
    "softmax": Layer(
        softmax_in_single,
        lambda self, dout: self.s * (dout - (dout * self.s).sum(axis=-1, keepdims=True)),
    ),
    "within": Layer(
        lambda self, x: np.tanh(x.astype(np.float32)).astype(float),
        lambda self, dout: dout * (1 - np.tanh(self.x) ** 2),
    ),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("layer", SINGLE.values(), ids=SINGLE)
def test_rounding_to_float32_is_told_once_and_as_that(layer: Layer, seed: int) -> None:
    assert failed(check_layer(layer, seed=seed)) == {"precision kept": "precision-lost"}


def test_a_wrong_gradient_of_code_in_float32_is_wrong_all_the_same() -> None:
    twice = Layer(lambda self, x: np.tanh(x).astype(np.float32), lambda self, dout: 2 * dout)
    assert "to x" in failed(check_layer(twice))
