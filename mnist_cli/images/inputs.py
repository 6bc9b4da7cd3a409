"""Images as the network takes them: rows of numbers from 0, paper, to 1, ink."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_inputs(
    images: NDArray[Any], dtype: np.dtype[np.floating], out: NDArray[Any] | None = None
) -> NDArray[np.floating]:
    """Return greys from 0 to 255 as the network's input: rows of numbers from 0 to 1.

    Parameters
    ----------
    images : array, shape (N, 28, 28), or (N, pixels) for some of their pixels
    dtype : dtype
    out : array, shape (N, pixels), optional
        Where to put the rows.
    """
    rows = images.reshape(len(images), math.prod(images.shape[1:]))
    inputs: NDArray[np.floating] = np.multiply(rows, 1 / 255, out=out, dtype=dtype)
    return inputs
