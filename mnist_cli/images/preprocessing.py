"""Preprocessing: bringing digits to the same slant, or to the same width.

It is no distortion: it is done once, to the images that are learned from and to those that are
read, so a network that was trained with it is always given such images. Networks that see the
digits in different ways make different mistakes, and together fewer (Meier, Cireşan, Gambardella
and Schmidhuber 2011).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mnist_cli.images.resampling import SIDE, Floats, Resampler

WIDEST = 2.0
"""By how much a digit is widened at most: a 1 would become a block."""

CHUNK = 1000
"""Images at a time, which bounds the memory."""


def preprocess(images: NDArray[np.uint8], *, deskew: bool, digit_width: int) -> NDArray[np.uint8]:
    """Return the same digits upright, or equally wide, or both.

    Parameters
    ----------
    images : array of uint8, shape (N, 28, 28)
    deskew : bool
        Whether to shear each image along x, until its ink has no slant: ``cov(x, y)/var(y)`` is 0
        (as LeCun, Bottou, Bengio and Haffner 1998 did by the same moments).
    digit_width : int
        Pixels that the ink of each image then takes from left to right; 0 leaves it as it is. A
        digit becomes at most twice as wide, and stays where its ink has its mean: from 24 pixels
        on, the edge of an image may cut a little of a digit that is far from the middle.
    """
    if deskew:
        images = _sheared(images)
    if digit_width:
        images = _of_width(images, digit_width)
    return images


def _sheared(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the images without slant, which is taken out around their middle row of ink."""

    def numbers(images: NDArray[np.uint8]) -> Floats:
        _, y_mean, covariance, variance = _moments(images)
        slant = np.divide(covariance, np.maximum(variance, 1e-6), dtype=np.float32)
        return _along_x(np.ones_like(slant), slant, -(slant * y_mean))

    return _resampled(images, numbers)


def _of_width(images: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Return the images with ink as wide as asked for, their centres of ink where they were."""

    def numbers(images: NDArray[np.uint8]) -> Floats:
        darkest = images.max(axis=1)
        blank_left = (darkest > 0).argmax(axis=1)
        blank_right = (darkest[:, ::-1] > 0).argmax(axis=1)
        factor = ((SIDE - blank_left - blank_right) / width).astype(np.float32)
        factor = np.maximum(factor, np.float32(1 / WIDEST))
        x_mean = _moments(images)[0]
        return _along_x(factor, np.zeros_like(factor), (1 - factor) * x_mean)

    return _resampled(images, numbers)


def _moments(images: NDArray[np.uint8]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the mean place of the ink in x and y, from the middle, and cov(x, y) and var(y)."""
    ink = images.astype(np.float32)
    ink /= np.maximum(ink.sum(axis=(1, 2), keepdims=True), 1)
    place = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    x_mean, y_mean = ink.sum(axis=1) @ place, ink.sum(axis=2) @ place
    covariance = (ink @ place * place).sum(axis=1) - x_mean * y_mean
    variance = ink.sum(axis=2) @ place**2 - y_mean**2
    return x_mean, y_mean, covariance, variance


def _along_x(factor: Floats, slant: Floats, shift: Floats) -> Floats:
    """Return the numbers that stand for ``q = (factor·x + slant·y + shift, y)``."""
    numbers = np.zeros((2, len(factor), 3), np.float32)
    numbers[0] = np.stack([factor, slant, shift], axis=1)
    numbers[1, :, 1] = 1
    return numbers


def _resampled(
    images: NDArray[np.uint8], numbers: Callable[[NDArray[np.uint8]], Floats]
) -> NDArray[np.uint8]:
    """Return images resampled by what ``numbers`` says of each group of them."""
    resampler = Resampler()
    out = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        greys = 255 * resampler.resample(part, numbers(part))
        out[start : start + CHUNK] = np.rint(greys).reshape(part.shape)
    return out
