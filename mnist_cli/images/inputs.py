"""Images as the network takes them: rows of numbers from 0, paper, to 1, ink."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.errors import DataError
from mnist_cli.images.resampling import SIDE


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


def as_greys(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Return images as MNIST has them: greys from 0 (paper) to 255 (ink), shape (N, 28, 28).

    Parameters
    ----------
    images : array, shape (N, 28, 28) or (N, 784)
        Greys of uint8, as they are loaded; or floats from 0 to 1, which are rounded to 256 greys,
        so that an image is read alike in whichever way it is given.

    Raises
    ------
    DataError
        If they are anything else.
    """
    images = np.asarray(images)
    if images.shape[1:] not in ((SIDE, SIDE), (SIDE * SIDE,)):
        raise DataError(
            f"`images` are of shape {images.shape}: give them in the shape (N, {SIDE}, {SIDE}) or "
            f"(N, {SIDE * SIDE})."
        )
    if images.dtype.kind == "f":
        if images.size and not (images.min() >= 0 and images.max() <= 1):  # nor NaN
            raise DataError(
                f"`images` are {images.dtype} from {images.min():.3g} to {images.max():.3g}: give "
                "floats from 0 (paper) to 1 (ink), or uint8 from 0 to 255."
            )
        images = np.rint(255 * images).astype(np.uint8)
    if images.dtype != np.uint8:
        raise DataError(
            f"`images` are {images.dtype}: give uint8 from 0 (paper) to 255 (ink), or floats from "
            "0 to 1."
        )
    return images.reshape(-1, SIDE, SIDE)
