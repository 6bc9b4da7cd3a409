"""The numbers that code is checked at: inputs and labels, in the shapes and kinds it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mnist_cli.gradcheck.operation import Array, are_probabilities
from mnist_cli.nn.layers import Softmax

BATCH = 6
"""How many examples are drawn: not 5, which people write into their code."""
FEATURES = 10
"""How many numbers an example has, if nothing says another."""

Kind = Literal[
    "normal",
    "positive",
    "probabilities",
    "unit",
    "onehot",
    "index",
    "soft",
    "bits",
    "signs",
    "real",
    "given",
    "places",
]


@dataclass(frozen=True)
class Draw:
    """How an array is drawn.

    Attributes
    ----------
    shape : tuple of int
    kind : str
        Of inputs: ``normal``; ``positive``, from 0.5 on; ``probabilities``, whose rows sum to one;
        ``unit``, between 0 and 1. Of labels: ``onehot``; ``index``, the shape being that of the
        indices; ``soft``, rows that sum to one without a zero; ``bits``, 0 and 1; ``signs``;
        ``real``. ``given`` is the array ``given``. ``places`` are rows of a table, some of them
        more than once.
    axis : int or None
        Along which axis the examples lie; None where there is one example, or this is a parameter.
    classes : int
        How many classes indices are of.
    given : array or None
    is_parameter : bool
        Whether it is weights or the like, which stay when other examples come.
    """

    shape: tuple[int, ...]
    kind: Kind = "normal"
    axis: int | None = 0
    classes: int = FEATURES
    given: Array | None = None
    is_parameter: bool = False

    def of(self, kind: Kind) -> Draw:
        """Return the same in another kind."""
        return replace(self, kind=kind)

    def resized(self, batch_size: int) -> Draw:
        """Return the same with another number of examples."""
        if self.axis is None or not self.shape:
            return self
        shape = list(self.shape)
        shape[self.axis] = batch_size
        return replace(self, shape=tuple(shape))

    def sample(self, rng: np.random.Generator) -> Array:
        """Draw the array; an ordinary one, float64, or of integers for indices."""
        shape, across = self.shape, 0 if self.axis == -1 and len(self.shape) > 1 else -1
        if self.kind == "given":
            assert self.given is not None
            return self._rows_of(self.given, rng)
        if self.kind == "index":
            # Every class but the last stands somewhere, and none at the place of its number alone.
            return rng.integers(self.classes, size=shape)
        if self.kind == "places":
            places = rng.integers(self.classes, size=shape)
            places.flat[-1] = places.flat[0]
            return places
        if self.kind == "bits":
            size = int(np.prod(shape, dtype=int))
            return rng.permutation(np.arange(size) % 2.0).reshape(shape)
        if self.kind == "signs":
            return rng.choice([-1.0, 1.0], shape)
        normal = rng.standard_normal(shape)
        if self.kind == "positive":
            return np.abs(normal) + 0.5
        if self.kind == "unit":
            return 1 / (1 + np.exp(-normal))
        if self.kind in ("normal", "real") or not shape:
            return normal
        if self.kind == "probabilities":
            return along(across, Softmax().forward, normal)
        classes = shape[across]
        rows = np.eye(classes)[rng.integers(classes, size=np.delete(shape, across))]
        if self.kind == "soft":
            rows = 0.9 * rows + 0.1 / max(2, classes)
        return np.moveaxis(rows, -1, across)

    def other(self, rng: np.random.Generator) -> Array:
        """Draw other numbers of the same kind, where the array itself is given, too."""
        if self.given is None or self.given.dtype.kind != "f":
            given = self.given
            return self.sample(rng) if given is None else np.roll(given, 1, axis=self.axis or 0)
        if are_probabilities(self.given):
            mixed: Array = 0.5 * np.roll(self.given, 1, axis=0) + 0.5 / self.given.shape[-1]
            return mixed
        return rng.standard_normal(self.shape)

    def _rows_of(self, given: Array, rng: np.random.Generator) -> Array:
        """Return the given array, or as many of its examples as are asked for."""
        if self.axis is None or given.shape == self.shape:
            return given.copy()
        chosen = rng.integers(given.shape[self.axis], size=self.shape[self.axis])
        return np.take(given, chosen, axis=self.axis)


def along(axis: int, function: object, array: Array) -> Array:
    """Return what a function of rows makes of an array whose rows lie along an axis."""
    assert callable(function)
    return np.asarray(np.moveaxis(function(np.moveaxis(array, axis, -1)), -1, axis))
