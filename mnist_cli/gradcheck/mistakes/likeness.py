"""When two gradients are alike, or alike but for a factor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.reference import Function, complex_step, differences

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

ALIKE = 1e-7
"""The relative difference up to which a gradient is that of a mistake."""
VERY_ALIKE = 1e-11
"""The same, where the mistake itself is nearly right."""
PLAUSIBLE = 1e-5
"""The relative difference along two directions from which on nothing more is computed."""


def known(exact: Array) -> NDArray[np.bool_]:
    """Return where the right gradient is known: everywhere, but in a large one."""
    return np.isfinite(exact)


def alike(
    computed: Array,
    other: Array,
    where: NDArray[np.bool_] | None = None,
    tolerance: float = ALIKE,
) -> bool:
    """Return whether two gradients are the same, and not 0 everywhere."""
    if computed.shape != other.shape:
        return False
    if where is not None:
        computed, other = computed[where], other[where]
    if not other.size or not np.all(np.isfinite(other)):
        return False
    scale = np.maximum(np.abs(other), np.mean(np.abs(other)))
    return bool(np.all(np.abs(computed - other) <= tolerance * scale)) and bool(other.any())


def ratio(computed: Array, other: Array, where: NDArray[np.bool_] | None = None) -> float | None:
    """Return the number by which ``other`` must be multiplied to give ``computed``, if any does.

    A single entry is proportional to everything, and so tells nothing.
    """
    if computed.shape != other.shape:
        return None
    if where is not None:
        computed, other = computed[where], other[where]
    if np.count_nonzero(other) < 2 or not np.all(np.isfinite(other)):
        return None
    a, b = computed.ravel().astype(np.float64), other.ravel().astype(np.float64)
    factor = float(a @ b / (b @ b))
    return factor if factor and alike(computed, factor * other) else None


def vjps(evidence: Evidence, dout: Array, at: Array | None = None) -> Iterator[Array]:
    """Yield the right gradient for another gradient from above, or at another place.

    It takes an evaluation an element; so along two directions it is seen first whether it may be
    what the code gave, a factor apart.
    """
    computed = evidence.computed
    if not evidence.is_small or computed.shape != evidence.value.shape:
        return
    point, rows, name = evidence.point, evidence.operation.rows, evidence.name
    given = rows(dout).reshape(point.dout.shape)
    where = point.at[name]
    if at is not None:
        where = (rows(at) if evidence.is_input else at).reshape(where.shape)
    f = point.weighted(name, given)
    (a, b), (c, d) = (
        (along(evidence, f, where, direction), float((point.computed[name] * direction).sum()))
        for direction in np.random.default_rng(0).uniform(0.5, 1.5, (2, *where.shape))
    )
    if abs(a * d - b * c) <= PLAUSIBLE * (abs(a * d) + abs(b * c)):
        yield evidence.vjp(dout, at)


def along(evidence: Evidence, f: Function, at: Array, direction: Array) -> float:
    """Return the derivative of a number along a direction, by the method that the code allowed.

    Whether it allows the complex step was found out when its gradient was compared.
    """
    if evidence.comparison.method.startswith("complex"):
        return float(complex_step(f, at, direction))
    return float(differences(f, at, direction)[0])
