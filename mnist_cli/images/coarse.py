"""Coarse images: 14×14 pixels, each of the ink of 2×2.

Let ``Q``, of shape (784, 196), have a column for each coarse pixel: 1/2 in the four pixels that
make it, and 0 elsewhere. Its columns are orthonormal, ``Qᵀ·Q = I``. Of images as rows ``x``, the
coarse ones are ``x·Q``: twice the means of 2×2 pixels. And ``x·Q·Qᵀ`` has these means in the place
of the four.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.images.resampling import SIDE

COARSE = (SIDE // 2) ** 2
"""The number of coarse pixels."""

QUARTERS: NDArray[np.intp] = (
    np.arange(SIDE**2).reshape(SIDE // 2, 2, SIDE // 2, 2).transpose(1, 3, 0, 2).reshape(4, COARSE)
)
"""The four pixels of each coarse one, shape (4, 196)."""

PLACES: NDArray[np.intp] = QUARTERS.reshape(-1).argsort() % COARSE
"""The coarse pixel that each pixel is a part of, shape (784,)."""


def sums(images: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return the sums of the greys of 2×2 pixels, shape (N, 196), of images of shape (N, 28, 28).

    By two additions of whole arrays, which takes a fifteenth of NumPy's sum over two axes.
    """
    pairs = images.reshape(-1, 2, SIDE)
    rows = np.add(pairs[:, 0], pairs[:, 1], dtype=np.uint16)
    return (rows[:, 0::2] + rows[:, 1::2]).reshape(-1, COARSE)


def add_quarters(quarters: NDArray[Any]) -> NDArray[Any]:
    """Return the sum of four arrays, in pairs: of four that are equal it is exactly four times one.

    Added one after another, three of them would be rounded.
    """
    first, second, third, fourth = quarters
    total: NDArray[Any] = (first + second) + (third + fourth)
    return total
