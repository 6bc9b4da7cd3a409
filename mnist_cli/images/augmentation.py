"""Random distortions of images, affine and elastic, so that no image is ever seen twice.

The pixel at ``p`` takes the grey of the place ``q = A·p + t + u(p)``, as `resampling` says. ``A``
rotates, scales and shears; ``t`` shifts; and ``u`` is a smooth random field, by which ink moves as
if the paper were rubber (Simard, Steinkraus and Platt 2003).

Simard's field is white noise, blurred by a Gaussian of width σ, and multiplied by α; which moves a
point by ``√(π/2)·α/(2σ·√(3π))`` on average, 1.5 pixels for σ = 5 and α = 36. His noise is uniform
and this one normal, which a blur makes all but the same. Its covariance is a product of one
matrix for rows and one for columns, ``K·Kᵀ``, which for a large σ has few eigenvalues that are not
zero. So the field is a sum of a few smooth waves with normal random heights, and ``q`` as a whole a
product of a few random numbers and a matrix: a tenth of the work of a blur.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnist_cli.images.resampling import ALL, SIDE, Floats, Resampler, affine

KEPT = 0.99
"""The share of the field's variance that its waves must have."""


@dataclass(frozen=True)
class Strengths:
    """How much images are distorted; each number is drawn anew for each distortion.

    Attributes
    ----------
    rotation : float
        Degrees; uniform between minus and plus this.
    scale : float
        Places are stretched, and so ink is shrunk, by a factor that is uniform between 1 minus and
        plus this, in x and in y.
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
    array, shape (waves, 784)
        ``B``, with ``Bᵀ·B`` the correlation of the blurred noise between all pixels, as far as few
        waves can give it: ``z·B`` has the variance 1 on average, for independent normal ``z``.
    """
    reach = int(np.ceil(4 * sigma))
    places, sources = np.arange(SIDE), np.arange(-reach, SIDE + reach)
    kernel = np.exp(-((places[:, None] - sources) ** 2) / (2 * sigma**2))
    covariance = kernel @ kernel.T
    values, vectors = np.linalg.eigh(covariance / np.trace(covariance))
    # Those of two dimensions are the products of two of one.
    values = np.outer(values, values).ravel()
    strongest = np.argsort(-values)
    count = int(np.searchsorted(values[strongest].cumsum(), KEPT)) + 1
    rows, columns = np.divmod(strongest[:count], SIDE)
    waves = np.einsum("yk,xk->kyx", vectors[:, rows], vectors[:, columns]).reshape(count, -1)
    heights = np.sqrt(values[strongest[:count]])[:, None]
    return np.asarray(waves * heights / np.sqrt(np.mean((waves * heights) ** 2, axis=1).sum()))


class Distorter:
    """Distorts images at random. It has memory to work in, and so serves one thread.

    Parameters
    ----------
    strengths : Strengths
    rng : Generator
        The source of all randomness.
    pixels : array of int, shape (P,), optional
        Which pixels of the distorted images are asked for; without it, all 784.
    sharing : int
        How many images of those that are given together are distorted alike.
    """

    def __init__(
        self,
        strengths: Strengths,
        rng: np.random.Generator,
        pixels: NDArray[np.intp] | slice = ALL,
        sharing: int = 1,
    ):
        self.strengths = strengths
        self.rng = rng
        self.sharing = sharing
        self.waves = blurred_noise(strengths.smoothness) if strengths.displacement else None
        self.resampler = Resampler(self.waves, pixels)
        # The length of a vector of two normal numbers is √(π/2) times their size, on average.
        self.size = strengths.displacement / np.sqrt(np.pi / 2)

    def distort(
        self, images: NDArray[np.uint8], out: NDArray[np.floating] | None = None
    ) -> NDArray[np.floating]:
        """Return distorted images, as the inputs of a network.

        Parameters
        ----------
        images : array of uint8, shape (N, 28, 28) or (N, 784)
        out : array, shape (N, P), optional
            Where to put them.

        Returns
        -------
        array, shape (N, P)
            From 0 to 1; float32, or `out`. Where all strengths are zero, what
            `mnist_cli.images.inputs.to_inputs` gives.
        """
        images = images.reshape(-1, SIDE, SIDE)
        numbers = self._draw(-(-len(images) // self.sharing))
        return self.resampler.resample(images, numbers, out)

    def _draw(self, count: int) -> Floats:
        """Return the numbers that stand for so many distortions, as `Resampler` takes them."""
        strengths, rng = self.strengths, self.rng
        uniform = 2 * rng.random((6, count), dtype=np.float32) - 1
        angle = np.deg2rad(strengths.rotation) * uniform[0]
        width, height = 1 + strengths.scale * uniform[1:3]
        numbers = [
            affine(angle, strengths.shear * uniform[3], width, height),
            strengths.shift * uniform[4:, :, None],
        ]
        if self.waves is not None:
            shape = (2, count, len(self.waves))
            numbers.append(np.float32(self.size) * rng.standard_normal(shape, dtype=np.float32))
        return np.concatenate(numbers, axis=2)
