"""The reference: derivatives by the complex step, exact to rounding; else by differences.

For a function f that is made of analytic steps, ``f(x + i·h·d) = f(x) + i·h·f′(x)·d − O(h²)``.
The derivative is read off the imaginary part, where nothing was subtracted and so nothing
cancels, and h can be so small that h² is nothing (Squire and Trapp 1998).

A function that refuses complex numbers, or loses the imaginary part on its way, is found out by
differences, and then differentiated by them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Function = Callable[[NDArray[Any]], Any]

STEP = 1e-100
"""h: far below a probability of 1e-40, of which a logarithm is taken, and far above underflow."""

EPSILON = float(np.finfo(np.float64).eps)
SINGLE = float(np.finfo(np.float32).eps) / 8
"""The same of a function that computes in float32; on an average, it rounds by less than eps."""

WIDTHS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""The widths of the differences, which are tried from the widest: the first crosses more kinks."""
SINGLE_WIDTHS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
"""The same of a function that computes in float32."""

CERTAIN = 1e-10
"""The relative uncertainty at which no further width is tried."""

NEAR = (1e-8, 1.7e-8, 3e-8)
"""How far from a point a function is still a line, but for rounding; it bends by the square."""

AGREEMENT = 1e-9
"""How far, relatively, a complex step may be from a certain difference and still be believed."""

TRIALS = 3
"""In how many directions the complex step must fail before it is not believed."""

ASIDE = 1e-9
"""How far from a point its two sides are looked at, to see whether there is a kink."""

KINK = 1e-3
"""The derivatives on the two sides of a kink differ by more than this, relatively."""


@dataclass(frozen=True)
class Sides:
    """The derivatives along one direction on the two sides of a point.

    Attributes
    ----------
    before, after : float
    accuracy : float
        How exact they are, in relation to their distance.
    """

    before: float
    after: float
    accuracy: float

    @property
    def is_kink(self) -> bool:
        """Whether the two differ."""
        size = max(abs(self.before), abs(self.after))
        return abs(self.after - self.before) > KINK * size

    def have_between(self, value: float) -> bool:
        """Return whether ``value`` is between the two, and so a derivative at the kink."""
        slack = self.accuracy * abs(self.after - self.before)
        low, high = sorted((self.before, self.after))
        return low - slack <= value <= high + slack


class Derivative:
    """The derivative of ``f`` at ``x``, by the best method that ``f`` allows.

    Parameters
    ----------
    f : callable
        Takes an array in the shape of ``x`` and returns a number or an array.
    x : array of float64
    rng : Generator
        Draws the direction in which the complex step is tested.
    epsilon : float
        How exact ``f`` computes: `EPSILON`, or `SINGLE` if it does so in float32.

    Attributes
    ----------
    method : str
        ``"complex step"`` or ``"central differences"``.
    """

    def __init__(
        self,
        f: Function,
        x: NDArray[Any],
        rng: np.random.Generator,
        epsilon: float = EPSILON,
    ):
        self.f = f
        self.x = np.asarray(x, np.float64)
        self.epsilon = epsilon
        self.uncertainty = 0.0
        self.is_complex = any(self._carries_complex(rng) for _ in range(TRIALS))

    @property
    def method(self) -> str:
        """How the derivative is found, with the accuracy where that is not rounding."""
        return "complex step" if self.is_complex else "central differences"

    def along(self, direction: NDArray[Any]) -> Any:
        """Return ``f′(x)·direction``, in the shape of what ``f`` returns."""
        if self.is_complex:
            return complex_step(self.f, self.x, direction)
        value, uncertainty = differences(self.f, self.x, direction, self.epsilon)
        self.uncertainty = max(self.uncertainty, uncertainty)
        return value

    def sides(self, direction: NDArray[Any], size: float = 1.0) -> Sides:
        """Return the derivatives along ``direction`` on the two sides of the point.

        By differences, each is the quotient of one side alone, which is less exact.

        Parameters
        ----------
        direction : array
        size : float
            The size of what moves; the distance is in relation to it, from 1 on.
        """
        accuracy = 1e-6 if self.is_complex else 1e-3
        aside = ASIDE * max(1.0, size)
        return Sides(self._beside(direction, -aside), self._beside(direction, aside), accuracy)

    def _beside(self, direction: NDArray[Any], distance: float) -> float:
        if self.is_complex:
            return float(complex_step(self.f, self.x + distance * direction, direction))
        width = np.copysign(1e-6 if self.epsilon == EPSILON else 1e-3, distance)
        ahead, here = self.f(self.x + width * direction), self.f(self.x)
        return float((ahead - here) / width)

    def gradient(self) -> NDArray[np.float64]:
        """Return the derivative to every element of ``x``, shape ``x.shape + f(x).shape``."""
        columns = []
        direction = np.zeros(self.x.shape)
        for index in np.ndindex(self.x.shape):
            direction[index] = 1
            columns.append(self.along(direction))
            direction[index] = 0
        return np.array(columns, np.float64).reshape(self.x.shape + np.shape(columns[0]))

    def _carries_complex(self, rng: np.random.Generator) -> bool:
        """Return whether the complex step agrees with differences, within their uncertainty.

        A function that loses the imaginary part disagrees in every direction. Where large terms
        cancel, differences may once be less certain than they seem; so one failure proves nothing.

        That is asked beside the point, as it may be a kink, where the two need not agree; and in a
        direction of uneven numbers, in which no parts of a derivative cancel.
        """
        shape = self.x.shape
        direction = rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)
        nearby = self.x * rng.uniform(1, 1.001, shape) + rng.uniform(5e-4, 1e-3, shape)
        try:
            step = complex_step(self.f, nearby, direction)
        except Exception:
            # Whatever it is, the function did not raise it for real numbers.
            return False
        value, uncertainty = differences(self.f, nearby, direction, self.epsilon)
        scale = float(np.max(np.abs(value), initial=0))
        if not np.isfinite(scale) or not np.all(np.isfinite(step)):
            return False
        return bool(np.all(np.abs(step - value) <= uncertainty + AGREEMENT * scale))


def complex_step(f: Function, x: NDArray[Any], direction: NDArray[Any], width: float = STEP) -> Any:
    """Return ``Im f(x + i·h·direction) / h``, in the shape of what ``f`` returns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        return np.imag(f(x + 1j * width * direction)) / width


def differences(
    f: Function, x: NDArray[Any], direction: NDArray[Any], epsilon: float = EPSILON
) -> tuple[Any, float]:
    """Return ``f′(x)·direction`` by central differences, and how uncertain it is.

    Of central differences of the widths h, h/2 and h/4, the errors of the orders h² and h⁴ are
    eliminated (Richardson 1911). The uncertainty is ten times by how much the last two stages
    disagree (Ridders 1982), and the rounding of f over h; of several h, the least uncertain is
    taken. Rounding is more than the last digit of f where f loses digits, as log(1 − a) does.
    """
    best: Any = None
    least = np.inf
    here = f(x)
    size = float(np.max(np.abs(here), initial=0))
    if epsilon == EPSILON:
        noise = 4 * _noise(f, x, direction, here)  # a few samples of it rarely have the largest
        size = 4 * noise / epsilon if noise > 4 * epsilon * size else size
    for width in WIDTHS if epsilon == EPSILON else SINGLE_WIDTHS:
        rounding = 16 * epsilon * size / width
        if best is not None and rounding >= least:  # no narrower one is less uncertain
            break
        first, second, third = (central_difference(f, x, direction, width / 2**k) for k in range(3))
        coarse = (4 * second - first) / 3
        fine = (4 * third - second) / 3
        value = (16 * fine - coarse) / 15
        uncertainty = 10 * float(np.max(np.abs(value - fine))) + rounding
        if best is None or uncertainty < least:  # and so never if it is NaN, but for the first
            best, least = value, uncertainty if np.isfinite(uncertainty) else np.inf
            if least <= CERTAIN * float(np.max(np.abs(best), initial=0)):
                break
    return best, least


def _noise(f: Function, x: NDArray[Any], direction: NDArray[Any], here: Any) -> float:
    """Return how far ``f`` is from a line so near to ``x`` that rounding alone can bend it."""
    most = 0.0
    with np.errstate(all="ignore"):
        for width in NEAR:
            ahead, behind = f(x + width * direction), f(x - width * direction)
            bent = float(np.max(np.abs(ahead - 2 * np.asarray(here) + behind), initial=0))
            most = max(most, bent if np.isfinite(bent) else 0.0)
    return most


def central_difference(f: Function, x: NDArray[Any], direction: NDArray[Any], width: float) -> Any:
    """Return ``(f(x + h·direction) − f(x − h·direction)) / 2h``, in the shape of ``f``'s."""
    with np.errstate(all="ignore"):
        ahead, behind = f(x + width * direction), f(x - width * direction)
    return (np.asarray(ahead, np.float64) - np.asarray(behind, np.float64)) / (2 * width)
