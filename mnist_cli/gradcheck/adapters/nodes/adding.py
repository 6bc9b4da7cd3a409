"""What must add up: gradients that others have left, and what a node has added to them."""

from __future__ import annotations

import numpy as np

from mnist_cli.gradcheck.operation import Array, Arrays


def left_by_others(at: Arrays, dout: Array) -> Arrays:
    """Return what another child has left in the gradients, of the size of what will come.

    Parameters
    ----------
    at : dict of array
        What the gradients are to.
    dout : array
        The gradient from above.
    """
    size = float(np.abs(dout).max(initial=0)) or 1.0
    return {
        name: size * np.random.default_rng(index).uniform(0.5, 1.5, array.shape)
        for index, (name, array) in enumerate(at.items())
    }


def contribution(clean: Array, after: Array, left: Array | None) -> Array:
    """Return what a node has added; where it has set the gradient, what seems to be missing.

    What right code adds is taken from the run in which nothing was left, as it is exact there.

    Parameters
    ----------
    clean : array
        The gradient of the run in which nothing was left.
    after : array
        That of the run in which something was.
    left : array or None
        What was left; None where nothing is to be added to.
    """
    there = np.zeros(clean.shape) if left is None else left
    if after.shape != clean.shape or there.shape != clean.shape:
        return clean
    slack = 1e-9 * max(1.0, float(np.abs(np.nan_to_num(there)).max(initial=0)))
    scale = slack * (1 + float(np.abs(np.nan_to_num(clean)).max(initial=0)))
    if np.allclose(after, clean + there, rtol=1e-9, atol=scale, equal_nan=True):
        return clean
    return np.asarray(after - there)
