"""Connected components: which pixels of a mask hang together, and what is known of each part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Components:
    """The parts of a mask, K of them, in which pixels touch at a side or at a corner.

    Attributes
    ----------
    areas : array of int, shape (K,)
        Pixels of each part.
    boxes : array of int, shape (K, 4)
        Left, top, right and bottom of each; the last two are just outside.
    """

    areas: NDArray[np.int64]
    boxes: NDArray[np.int64]
    _shape: tuple[int, int]
    _starts: NDArray[np.int64]
    _ends: NDArray[np.int64]
    _part_of: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.areas)

    def mask_of(self, parts: Mask) -> Mask:
        """Return the pixels of the parts that are marked, in the shape of the first mask."""
        height, width = self._shape
        marks = np.zeros(height * (width + 1) + 1, np.int8)
        runs = parts[self._part_of]
        marks[self._starts[runs]] += 1
        marks[self._ends[runs]] -= 1
        inside: Mask = marks.cumsum(dtype=np.int8)[:-1].reshape(height, width + 1)[:, :-1] > 0
        return inside


def components(mask: Mask) -> Components:
    """Find the parts of a mask, by its runs (Rosenfeld and Pfaltz 1966).

    A run is a row of marked pixels. Runs that touch from row to row are joined, all pairs at once,
    until no label changes: a label is that of the first run, to which all others come to point.

    Parameters
    ----------
    mask : array of bool, shape (H, W)

    Returns
    -------
    Components
    """
    height, width = mask.shape
    stride = width + 1  # a blank pixel ends each row
    padded = np.zeros((height, stride), np.int8)
    padded[:, :width] = mask
    steps = np.diff(padded.ravel(), prepend=0)
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    first = np.searchsorted(ends, starts + stride, "left")
    after = np.searchsorted(starts, ends + stride, "right")
    counts = np.maximum(after - first, 0)
    above = np.repeat(np.arange(len(starts)), counts)
    below = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts - first, counts)
    label = np.arange(len(starts))
    while True:
        one, other = label[above], label[below]
        if (one == other).all():
            break
        np.minimum.at(label, np.maximum(one, other), np.minimum(one, other))
        while (label[label] != label).any():
            label = label[label]
    _, part_of = np.unique(label, return_inverse=True)
    count = int(part_of.max(initial=-1)) + 1
    boxes = np.tile(np.array([width, height, 0, 0], np.int64), (count, 1))
    rows, lefts = np.divmod(starts, stride)
    np.minimum.at(boxes[:, 0], part_of, lefts)
    np.minimum.at(boxes[:, 1], part_of, rows)
    np.maximum.at(boxes[:, 2], part_of, ends - rows * stride)
    np.maximum.at(boxes[:, 3], part_of, rows + 1)
    areas = np.bincount(part_of, ends - starts, count).astype(np.int64)
    return Components(areas, boxes, (height, width), starts, ends, part_of)
