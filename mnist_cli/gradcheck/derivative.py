"""The reference: derivatives by the complex step, exact to rounding.

For a function f that is made of analytic steps, ``f(x + i·h·d) = f(x) + i·h·f′(x)·d − O(h²)``.
The derivative is read off the imaginary part, where nothing was subtracted and so nothing
cancels, and h can be so small that h² is nothing (Squire and Trapp 1998).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEP = 1e-30
"""h: its square is far below the rounding of anything, and it is far above underflow."""

Function = Callable[[NDArray[Any]], Any]


def derivative(f: Function, x: NDArray[np.float64], direction: NDArray[np.float64]) -> Any:
    """Return ``f′(x)·direction``, in the shape of what ``f`` returns.

    Parameters
    ----------
    f : callable
        Takes an array in the shape of ``x``, and takes it complex.
    x, direction : array of float64, of one shape
    """
    return np.imag(f(x + 1j * STEP * direction)) / STEP


def gradient(f: Function, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the derivative of ``f`` to every element of ``x``.

    Returns
    -------
    array of float64, shape ``x.shape + f(x).shape``
        ``f`` is evaluated once for each element.
    """
    perturbed = x.astype(np.complex128)
    columns = []
    for index in np.ndindex(x.shape):
        perturbed[index] += 1j * STEP
        columns.append(np.imag(f(perturbed)) / STEP)
        perturbed[index] = x[index]
    return np.array(columns).reshape(x.shape + np.shape(columns[0]))
