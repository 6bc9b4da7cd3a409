"""Resampling: moving the ink of whole batches of images, by bilinear interpolation.

The pixel at ``p``, counted from the middle of the image, takes the grey that the old image has at
``q``, between four pixels, and 0 outside. ``q`` is linear in a few numbers for each image: the
entries of an affine map, ``q = A·p + t``, and the heights of waves that are given for all images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 28
"""The side of an image, in pixels."""

CHUNK = 64
"""Images resampled at a time: what is in between stays in the cache."""

BORDER = SIDE + 3
"""The side of an image with paper around it, so that each place has four pixels."""

PARTS = 256
"""Into how many parts a pixel is divided: the places that greys are taken from are multiples."""

BOTH = 0x00FF00FF
"""Of four bytes, the first and the third."""

ALL = slice(None)
"""All pixels of an image."""

Floats = NDArray[np.float32]


def affine(angle: Floats, slant: Floats, width: Floats | float, height: Floats | float) -> Floats:
    """Return matrices that scale, then shear along x, then rotate.

    Parameters
    ----------
    angle, slant, width, height : array of float32, shape (N,), or a number
        Radians; the tangent of the slant; the factors in x and in y.

    Returns
    -------
    array of float32, shape (2, N, 2)
        Entry (i, n, j) is that of row i and column j of matrix n.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    x = np.stack([cos * width, (cos * slant - sin) * height], axis=1)
    y = np.stack([sin * width, (sin * slant + cos) * height], axis=1)
    return np.stack([x, y])


class Resampler:
    """Takes greys from elsewhere. It has memory to work in, and so serves one thread.

    Parameters
    ----------
    waves : array, shape (K, 784), optional
        Fields over the image, in pixels, of which each image is given its own sum.
    pixels : array of int, shape (P,), optional
        Which pixels of the new images are asked for, counted row by row; without it, all 784.
    """

    def __init__(
        self,
        waves: NDArray[np.floating] | None = None,
        pixels: NDArray[np.intp] | slice = ALL,
    ):
        y, x = np.mgrid[:SIDE, :SIDE].reshape(2, -1) - (SIDE - 1) / 2
        basis = np.stack([x, y, np.ones_like(x)])
        if waves is not None:
            basis = np.concatenate([basis, waves])
        self.basis: Floats = (PARTS * basis[:, pixels]).astype(np.float32)
        # New memory for each chunk would take as long as all the arithmetic.
        wanted = self.basis.shape[1]
        self.paper = np.zeros((CHUNK, BORDER, BORDER), np.uint32)
        self.pairs, self.fours = np.zeros((2, self.paper.size), np.uint32)
        self.starts = BORDER**2 * np.arange(CHUNK, dtype=np.int32)[:, None]
        self.places = np.empty((2, CHUNK, wanted), np.float32)
        self.corners, self.fractions = np.empty((2, 2, CHUNK, wanted), np.int32)
        self.index = np.empty((CHUNK, wanted), np.intp)
        # The places are no longer needed when greys are taken.
        self.left, self.right = self.places.view(np.uint32)

    def resample(
        self, images: NDArray[np.uint8], numbers: Floats, out: NDArray[np.floating] | None = None
    ) -> NDArray[np.floating]:
        """Return the images with their ink moved, as the inputs of a network.

        Parameters
        ----------
        images : array of uint8, shape (N, 28, 28)
        numbers : array of float32, shape (2, M, 3 + K)
            For ``q`` in x and in y: a row of ``A``, an entry of ``t``, and the waves' heights.
            Image n is given those of index n mod M.
        out : array, shape (N, P), optional
            Where to put them.

        Returns
        -------
        array, shape (N, P)
            From 0 to 1; float32, or `out`.
        """
        if out is None:
            out = np.empty((len(images), self.basis.shape[1]), np.float32)
        moves = numbers.shape[1]
        for start in range(0, moves, CHUNK):
            end = min(start + CHUNK, moves)
            self._find_places(numbers[:, start:end])
            for turn in range(0, len(images), moves):
                part = slice(turn + start, turn + end)
                self._take_greys(images[part], out[part])
        return out

    # All is done in whole numbers, a place in 1/256 of a pixel and a grey in as much of a grey: so
    # two greys, 16 bits apart in one number, are multiplied and added at once.

    def _find_places(self, numbers: Floats) -> None:
        """Find, for at most `CHUNK` images, from where the greys come, and by which fractions."""
        count = numbers.shape[1]
        places, corners = self.places[:, :count], self.corners[:, :count]
        from_corner = numbers.copy()
        from_corner[:, :, 2] += (SIDE + 1) / 2 + 0.5 / PARTS  # of the paper; rounded, not cut off
        np.matmul(from_corner, self.basis, out=places)
        np.clip(places, 0, PARTS * (SIDE + 1), out=places)
        np.copyto(corners, places, casting="unsafe")
        np.bitwise_and(corners, PARTS - 1, out=self.fractions[:, :count])
        corners >>= 8
        along, down = corners
        down *= BORDER
        down += along
        down += self.starts[:count]
        np.copyto(self.index[:count], down)

    def _take_greys(self, images: NDArray[np.uint8], out: NDArray[np.floating]) -> None:
        """Take the greys from the places that were found."""
        count = len(images)
        left, right = self.left[:count], self.right[:count]
        # mode="clip" checks no index, which takes half of the time; all are inside.
        np.take(self._fours(images), self.index[:count], mode="clip", out=left)
        np.right_shift(left, 8, out=right)
        for pair in (left, right):
            pair &= BOTH
        along, down = self.fractions[:, :count].view(np.uint32)
        above, below = interpolate(left, right, along), right
        np.right_shift(above, 16, out=below)
        above &= 0xFFFF
        np.copyto(out, interpolate(above, below, down).view(np.int32))
        out *= 1 / (255 * PARTS**2)

    def _fours(self, images: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """Return for each pixel of the papers the four greys at and beside it, as bytes.

        From the lowest: its own, that to the right, that below, and that below the right one. They
        are then looked up together, in a quarter of the time.
        """
        self.paper[: len(images), 1 : SIDE + 1, 1 : SIDE + 1] = images
        paper, pairs, fours = self.paper.ravel(), self.pairs, self.fours
        np.left_shift(paper[1:], 8, out=pairs[:-1])
        pairs |= paper
        np.left_shift(pairs[BORDER:], 16, out=fours[:-BORDER])
        fours |= pairs
        return fours


def interpolate(
    first: NDArray[np.uint32], second: NDArray[np.uint32], fraction: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """Return ``256·first + (second − first)·fraction``, in place of ``first``.

    What is in ``second`` is lost.
    """
    second -= first
    second *= fraction
    first <<= 8
    first += second
    return first
