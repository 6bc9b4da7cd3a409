"""Random distortions of images, affine and elastic, so that no image is ever seen twice.

The pixel at ``p``, counted from the middle of the image, takes the grey that the old image has at
``q = A·p + t + u(p)``, between four pixels by bilinear interpolation, and 0 outside. ``A`` rotates,
scales and shears; ``t`` shifts; and ``u`` is a smooth random field, by which ink moves as if the
paper were rubber (Simard, Steinkraus and Platt 2003).

Simard's field is white noise, blurred by a Gaussian of width σ. Its covariance is a product of one
matrix for rows and one for columns, ``K·Kᵀ``, which for a large σ has few eigenvalues that are not
zero. So the field is a sum of a few smooth waves with normal random heights, and ``q`` as a whole a
product of a few random numbers and a matrix: a tenth of the work of a blur.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.synthetic import SIDE

CHUNK = 64
"""Images distorted at a time: what is in between stays in the cache."""

KEPT = 0.999
"""The share of the field's variance, along either axis, that its waves must have."""

BORDER = SIDE + 3
"""The side of an image with paper around it, so that each place has four pixels."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Strengths:
    """How much images are distorted; each number is drawn anew for each image.

    Attributes
    ----------
    rotation : float
        Degrees; uniform between minus and plus this.
    scale : float
        Uniform between 1 minus and plus this, in x and in y.
    shear : float
        The tangent of the slant, uniform between minus and plus this.
    shift : float
        Pixels, uniform between minus and plus this, in x and in y.
    displacement : float
        Pixels by which the elastic field moves a point, on average over points and images.
    smoothness : float
        σ: the distance in pixels over which the elastic field changes.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    displacement: float = 0.0
    smoothness: float = 5.0


def blurred_noise(sigma: float) -> NDArray[np.float64]:
    """Return waves that with normal random heights add up to white noise blurred by a Gaussian.

    Parameters
    ----------
    sigma : float
        The Gaussian's width in pixels.

    Returns
    -------
    array, shape (28, waves)
        ``B``, with ``B·Bᵀ`` the correlation of the blurred noise: ``B·z`` has the variance 1 at
        the middle of an axis, for independent normal ``z``.
    """
    reach = int(np.ceil(4 * sigma))
    places, sources = np.arange(SIDE), np.arange(-reach, SIDE + reach)
    kernel = np.exp(-((places[:, None] - sources) ** 2) / (2 * sigma**2))
    covariance = kernel @ kernel.T
    values, vectors = np.linalg.eigh(covariance / covariance[SIDE // 2, SIDE // 2])
    values, vectors = values[::-1], vectors[:, ::-1]
    waves = int(np.searchsorted(values.cumsum() / values.sum(), KEPT)) + 1
    return np.asarray(vectors[:, :waves] * np.sqrt(values[:waves]))


class Distorter:
    """Distorts images at random. It has memory to work in, and so serves one thread.

    Parameters
    ----------
    strengths : Strengths
    rng : Generator
        The source of all randomness.
    """

    def __init__(self, strengths: Strengths, rng: np.random.Generator):
        self.strengths = strengths
        self.rng = rng
        y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
        basis = [x, y, np.ones_like(x)]
        if strengths.displacement:
            waves = blurred_noise(strengths.smoothness)
            basis += [np.outer(a, b) for a in waves.T for b in waves.T]
        self.basis: Floats = np.stack(basis).reshape(len(basis), -1).astype(np.float32)
        # The length of a vector of two normal numbers is √(π/2) times their size, on average.
        self.size = strengths.displacement / np.sqrt(np.pi / 2)
        # New memory for each chunk would take as long as all the arithmetic.
        pixels = SIDE * SIDE
        self.paper = np.zeros((CHUNK, BORDER, BORDER), np.uint8)
        self.places = np.empty((2, CHUNK, pixels), np.float32)
        self.corners = np.empty((2, CHUNK, pixels), np.int32)
        self.starts = (np.arange(CHUNK, dtype=np.int32) * BORDER**2)[:, None]
        self.index = np.empty((CHUNK, pixels), np.intp)
        self.found = np.empty((CHUNK, pixels), np.uint8)
        self.greys = np.empty((4, CHUNK, pixels), np.float32)

    def distort(self, images: NDArray[np.uint8]) -> Floats:
        """Return distorted images.

        Parameters
        ----------
        images : array of uint8, shape (N, 28, 28) or (N, 784)

        Returns
        -------
        array of float32, shape (N, 784)
            Greys from 0 to 255; those of the images themselves where all strengths are zero.
        """
        images = images.reshape(-1, SIDE, SIDE)
        out = np.empty((len(images), SIDE * SIDE), np.float32)
        numbers = self._draw(len(images))
        for start in range(0, len(images), CHUNK):
            part = slice(start, start + CHUNK)
            self._sample(images[part], numbers[:, part], out[part])
        return out

    def _draw(self, count: int) -> Floats:
        """Return what the basis is multiplied by, shape (2, count, terms): for x, and for y."""
        strengths, rng = self.strengths, self.rng
        uniform = 2 * rng.random((7, count), dtype=np.float32) - 1
        angle = np.deg2rad(strengths.rotation) * uniform[0]
        width, height = 1 + strengths.scale * uniform[1:3]
        slant = strengths.shear * uniform[3:4][0]
        cos, sin = np.cos(angle), np.sin(angle)
        numbers = np.empty((2, count, len(self.basis)), np.float32)
        # A = rotation · shear · scaling
        numbers[0, :, 0], numbers[0, :, 1] = cos * width, (cos * slant - sin) * height
        numbers[1, :, 0], numbers[1, :, 1] = sin * width, (sin * slant + cos) * height
        numbers[:, :, 2] = strengths.shift * uniform[4:6]
        if strengths.displacement:
            shape = (2, count, len(self.basis) - 3)
            numbers[:, :, 3:] = self.size * rng.standard_normal(shape, dtype=np.float32)
        return numbers

    def _sample(self, images: NDArray[np.uint8], numbers: Floats, out: Floats) -> None:
        """Put the greys at the places that the numbers stand for into ``out``."""
        count = len(images)
        self.paper[:count, 1 : SIDE + 1, 1 : SIDE + 1] = images
        places, corners, index = self.places[:, :count], self.corners[:, :count], self.index[:count]
        np.matmul(numbers, self.basis, out=places)
        places += (SIDE + 1) / 2  # from the corner of the paper
        np.clip(places, 0, SIDE + 1, out=places)
        np.copyto(corners, places, casting="unsafe")
        places -= corners
        right, down = places
        rows = corners[1]
        rows *= BORDER
        rows += corners[0]
        rows += self.starts[:count]
        np.copyto(index, rows)

        paper, found = self.paper.ravel(), self.found[:count]
        above, above_right, below, below_right = self.greys[:, :count]
        for offset, greys in (
            (0, above),
            (1, above_right),
            (BORDER, below),
            (BORDER + 1, below_right),
        ):
            # mode="clip" checks no index, which takes half of the time; all are inside.
            np.take(paper[offset:], index, mode="clip", out=found)
            np.copyto(greys, found)
        above_right -= above
        above_right *= right
        above += above_right
        below_right -= below
        below_right *= right
        below += below_right
        below -= above
        below *= down
        np.add(above, below, out=out)
