"""Points at which little is seen: the checker looks elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checked import failed

from mnist_cli.gradcheck import check


class Saturated:
    """A network of large weights, whose loss is a float and keeps few digits where ``a`` is 1."""

    factor = 1.0

    def __init__(self) -> None:
        self.W = np.random.default_rng(0).normal(0, 9, (4, 1))

    def loss(self, X: Any, y: Any) -> Any:
        a = 1 / (1 + np.exp(-X @ self.W))
        loss = float(-np.mean(y * np.log(a) + (1 - y) * np.log(1 - a)))
        return loss, {"W": self.factor * X.T @ (a - y) / len(X)}


class SaturatedDouble(Saturated):
    factor = 2.0


@pytest.mark.parametrize("seed", range(8))
def test_where_a_loss_loses_its_digits_smaller_examples_are_taken(seed: int) -> None:
    assert failed(check(Saturated, seed=seed, skip=["large-inputs"])) == {}
    found = check(SaturatedDouble, seed=seed, skip=["large-inputs"])
    assert failed(found) == {"to W": "factor-two"}
