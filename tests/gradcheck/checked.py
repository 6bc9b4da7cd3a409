"""Layers to check, and what is asked of the rows that come of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mnist_cli.gradcheck.report import Checks
from mnist_cli.gradcheck.result import Check


class Layer:
    """A layer made of two functions: ``forward(self, x)`` and ``backward(self, dout)``."""

    def __init__(
        self,
        forward: Callable[[Any, Any], Any] = lambda self, x: 3 * x,
        backward: Callable[[Any, Any], Any] = lambda self, dout: 3 * dout,
    ):
        self._forward, self._backward = forward, backward

    def forward(self, x: Any) -> Any:
        self.x = x
        return self._forward(self, x)

    def backward(self, dout: Any) -> Any:
        return self._backward(self, dout)


class Dense:
    def __init__(self, n_in: int = 4, n_out: int = 3) -> None:
        rng = np.random.default_rng(3)
        self.W, self.b = rng.standard_normal((n_in, n_out)), rng.standard_normal(n_out)

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Any) -> Any:
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


def failed(checks: Checks) -> dict[str, str]:
    """Return the names of the rows that failed, with their diagnoses."""
    return {
        row.name: row.diagnosis.name if row.diagnosis else "" for row in checks if not row.passed
    }


def row_of(checks: Checks, kind: str) -> Check:
    (row,) = [row for row in checks if row.kind == kind]
    return row


def kinds(checks: Checks) -> set[str]:
    return {row.kind for row in checks}


def made(source: str) -> Any:
    """Return what a piece of code calls ``it``."""
    names: dict[str, Any] = {"__name__": "made", "np": np}
    exec(source, names)
    return names["it"]
