"""How good a numerical derivative is, by the width of its step: why the checker is complex.

The error of a central difference is ``O(h²) + O(ε/h)``, what it leaves out of Taylor's series and
what cancels: smallest near ``h = ε^(1/3)``, about 1e-5, where it is about 1e-10 (Dennis and
Schnabel 1983). That of the complex step is ``O(h²)`` alone (Squire and Trapp 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.reference import Function, central_difference, complex_step
from mnist_cli.nn.losses import SoftmaxCrossEntropy
from mnist_cli.nn.mlp import CLASSES

WIDTHS = 10.0 ** np.arange(0, -20.5, -0.5)
"""The widths that are measured, from 1 to 1e-20."""


@dataclass(frozen=True)
class StepErrors:
    """What was measured.

    Attributes
    ----------
    widths : array, shape (N,)
    central_differences, complex_step : array, shape (N,)
        The largest error of a derivative by this width, over the largest derivative.
    """

    widths: NDArray[np.float64]
    central_differences: NDArray[np.float64]
    complex_step: NDArray[np.float64]


def measure_step_errors(batch_size: int = 8, seed: int = 0) -> StepErrors:
    """Differentiate the loss of the softmax by steps of all `WIDTHS`, and compare with its formula.

    Parameters
    ----------
    batch_size : int
        Examples, whose logits and labels are random.
    seed : int
    """
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((batch_size, CLASSES))
    labels = rng.integers(CLASSES, size=batch_size)
    loss = SoftmaxCrossEntropy()

    def f(z: NDArray[Any]) -> Any:
        return loss.forward(z, labels)

    f(logits)
    exact = loss.backward()
    errors = np.array(
        [
            [
                _error(method, f, logits, exact, width)
                for method in (central_difference, complex_step)
            ]
            for width in WIDTHS
        ]
    )
    return StepErrors(WIDTHS, errors[:, 0], errors[:, 1])


def _error(method: Any, f: Function, x: NDArray[Any], exact: NDArray[Any], width: float) -> float:
    """Return how far the derivatives to all of ``x`` by a method are from the exact ones."""
    found = np.empty_like(exact)
    for index in np.ndindex(x.shape):
        direction = np.zeros(x.shape)
        direction[index] = 1
        found[index] = method(f, x, direction, width)
    return float(np.abs(found - exact).max() / np.abs(exact).max())
