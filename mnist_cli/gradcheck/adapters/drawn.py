"""An operation of which all arrays are drawn, and can be drawn again, in other numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.drawing import Draw
from mnist_cli.gradcheck.operation import Array, Arrays, Operation
from mnist_cli.gradcheck.point import Point

DOMAINS = ("positive", "probabilities", "unit")
"""The kinds of numbers that are a domain of their own."""
RIGHT = 1e-6
"""How exact gradients have to be to count as right where a reading is chosen."""


class DrawnOperation(Operation):
    """An operation whose arrays are drawn, and can be drawn again.

    Parameters
    ----------
    draws : dict of Draw
        How each array is drawn; those that have no axis of examples are parameters.
    rng : Generator
    at : dict of array, optional
        Arrays that are not drawn.
    label_draw : Draw, optional
    **fields
        Of `Operation`.

    Attributes
    ----------
    draws : dict of Draw
    label_draw : Draw or None
    """

    def __init__(
        self,
        draws: Mapping[str, Draw],
        rng: np.random.Generator,
        *,
        at: Arrays | None = None,
        label_draw: Draw | None = None,
        **fields: Any,
    ):
        drawn = {name: draw.sample(rng) for name, draw in draws.items()}
        axes = [draw.axis for draw in draws.values() if draw.axis is not None]
        examples = tuple(name for name, draw in draws.items() if draw.axis is not None)
        super().__init__(
            at={**drawn, **(at or {})},
            data=examples or tuple(draws),
            labels=None if label_draw is None else label_draw.sample(rng),
            batch_axis=min(axes) if axes else None,
            domain=_domain(draws),
            **fields,
        )
        self.draws, self.label_draw = dict(draws), label_draw

    def resized(self, batch_size: int, rng: np.random.Generator) -> Operation | None:
        """Return the same with newly drawn examples, as many as are asked for."""
        return None if self.batch_axis is None else self._drawn(rng, batch_size)

    def redrawn(self, rng: np.random.Generator) -> Operation:
        """Return the same with newly drawn examples, as many as before."""
        return self._drawn(rng, None)

    def _drawn(self, rng: np.random.Generator, batch_size: int | None) -> Operation:
        def sample(draw: Draw) -> Array:
            return (draw if batch_size is None else draw.resized(batch_size)).sample(rng)

        other = self.moved_to(self.at | {name: sample(self.draws[name]) for name in self.data})
        if self.label_draw is not None:
            other.labels = sample(self.label_draw)
        return other


def _domain(draws: Mapping[str, Draw]) -> str:
    """Return in which kind of numbers arrays are drawn, or those are that were given."""
    for draw in draws.values():
        if draw.kind in DOMAINS:
            return draw.kind
    arrays = [draw.given for draw in draws.values() if draw.given is not None]
    if not arrays:
        return "normal"
    return "unit" if all(np.all(array <= 1) for array in arrays) else "positive"


def is_right(operation: Operation, seed: int) -> bool:
    """Return whether an operation gives gradients, and all are right."""
    point = Point(operation, np.random.default_rng(seed))
    return bool(point.computed) and all(
        point.compare(name, RIGHT).passed for name in point.computed
    )
