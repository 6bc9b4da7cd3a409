"""Handwritten-looking digits, drawn from pen strokes with no network and no file.

A path is taken from a table of writing styles, bent and slanted at random, and inked with a round
pen under the conventions of MNIST, so that a network trained on these images reads real ones.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.dataset import Split
from mnist_cli.images.resampling import SIDE, affine
from mnist_cli.nn.mlp import CLASSES

SEED = 0
PARTS = {"train": (60_000, 0), "test": (10_000, 1)}
"""The size of each part, and the stream of random numbers it is drawn from."""

# Ways to write each digit, as (relative frequency, path). A path runs smoothly through points "x,y"
# on a sheet about 6 wide and 10 high, x to the right and y down. A point written twice is a sharp
# corner; "/" lifts the pen.
STYLES: dict[int, tuple[tuple[int, str], ...]] = {
    0: (
        (4, "4.4,0 1.5,1.2 0,5 .6,8.8 3.2,10 6,8.8 7.6,5 6.9,1.2 4.4,0"),
        (2, "5.9,.8 3.8,0 1.5,1.2 0,5 .6,8.8 2.6,10 4.9,8.8 6.5,5 5.8,1.5 3.8,.3 2.4,.8"),
        (2, "4.6,0 2.1,3 0,7 1,9.4 3.4,10 6.3,8.8 7.7,6 7,3 4.4,.3"),
        (1, "3.5,.5 .5,3 0,7 2.9,10 6.5,7 7,3 5.6,.8 4,1 3.2,2.5"),
        (1, "1.6,.5 0,5 .6,9 2.6,10 6.1,8 7.1,4.5 5.8,1.5 3.3,.2 1.4,.7"),
        (2, "7.1,.5 3.8,1 .7,4.5 0,8.5 2.2,10 5.7,7.5 7.8,3.5 7.1,.5"),
        (1, "3.5,5.5 5.5,1 3.9,.2 1.6,2 0,6 .7,9.3 2.8,10 5.5,8 7,4 6.5,1 5,0"),
    ),
    1: (
        (18, "1.2,0 .6,5 0,10"),
        (1, "0,2 1.9,0 1.9,0 .5,10"),  # flag
        (2, "1.4,2.5 3.9,0 3.9,0 2.5,10 / 0,10 5,10"),  # flag and foot
    ),
    2: (
        (3, "0,2.5 1,.5 3.2,0 5.3,1.5 5.2,4 3.2,7 0,10 0,10 7.3,10"),
        (3, "0,2 1.6,.2 3.8,.3 5,2 4.7,5 2.7,8.5 1.1,9.8 0,9 1,8 3.3,8.7 7.3,10"),  # loop
        (2, "0,1 3.3,.3 6.1,0 6.1,0 .6,10 .6,10 7.3,9.5"),  # Z
        (3, "0,2.5 1.5,.5 3.7,0 5.6,2 4.7,6 2.7,9.3 1.2,10 .4,8.7 2,7.7 4.9,8.7 7.8,10"),
        (2, "1.2,1.5 3.3,0 6.2,1.5 6.5,5 4.5,8.5 1.8,9.8 0,8.5 1.6,6.8 4.4,7.5 6.8,9 8.5,10"),
        (1, "0,1.5 2.1,0 4.5,1.3 3.6,5 .6,9.5 .6,9.5 3.9,8.7 8.4,9"),
        (1, "1.4,1 3,0 3.7,2 3.4,6 2,9.5 .3,10 0,8.8 1.8,7.8 7.4,8"),
        (1, "0,1.5 2.1,0 4.3,1.5 3.3,4 .4,7 .4,7 4.8,6.2 10.4,6"),  # flat
    ),
    3: (
        (3, ".1,1.5 2,0 4.6,1.2 4.2,3.7 1.8,4.8 1.8,4.8 4.8,5.6 5.7,7.6 4.1,9.8 1.6,9.8 0,8.6"),
        (2, "0,.3 5,0 5,0 2.5,4.2 2.5,4.2 5.3,5 6.1,7.4 4.6,9.8 2.1,9.8 .5,8.6"),  # flat top
        (2, "0,1 2.6,0 5,1 4.3,3.2 2.4,4.9 1.8,4.6 2.5,4.3 5,5.5 5.6,7.8 3.7,10 .2,9.5"),  # loop
        (2, ".5,1 3.4,0 5,1.3 4.1,3.7 1.7,4.8 1.7,4.8 4.2,5.2 4.9,7.3 3,9.5 0,9.7"),
        (1, ".3,1.5 2.2,0 4.3,1.5 3.4,4 1.5,5 1.5,5 4.3,5.8 5.2,8 3.3,10 .8,9.5 0,8.3 1.2,8 3,9"),
        (1, "0,1 2.9,0 6,.3 5.1,2.5 3.2,4.2 3.2,4.2 5.2,5 5.7,7 4.5,9 3,10"),
        (2, "0,.8 2,0 4,1 4.1,3 2,4.5 2,4.5 5.3,5.3 6.4,7.5 5.5,9.6 3.1,10 1.3,9"),
        (1, "0,1.2 1.9,0 4,.8 3.6,3 1.7,4 1.7,4 4.4,4.6 5.6,7 4.5,9.6 2,10 .5,9"),
    ),
    4: (
        (3, ".9,0 0,5.8 0,5.8 6.3,5.4 / 5,0 4.3,10"),  # open, sharp
        (3, ".9,0 0,4 .9,5.6 3,5.5 5.2,4.8 / 5.2,0 4.6,10"),  # open, round
        (2, "4.9,0 0,6.5 0,6.5 6.8,6.5 / 4.9,0 4.9,10"),  # closed
        (1, "1.1,0 0,4.5 1.6,5.5 5.2,3.8 5.9,0 5.9,0 5.2,5 4.9,10"),  # without lifting the pen
        (1, "2.2,0 0,6 0,6 7.6,5.5 / 4.3,3 3.8,10"),
    ),
    5: (
        (3, "7.2,0 1.3,0 1.3,0 .9,4.3 .9,4.3 3.3,3.6 6.1,5 6.2,7.8 3.9,10 0,9"),
        (2, "1.3,.3 .9,4.3 .9,4.3 3.3,4 5.7,5.5 5.5,8 3.3,10 0,9.3 / 1.3,.3 7.2,0"),  # the top last
        (1, "5.7,0 2.4,.3 .8,2 1.9,4 4.4,5.5 5.2,7.8 3.3,9.8 0,9.5"),  # S
        (3, "8.8,0 3.3,1 3.3,1 2.2,4.6 2.2,4.6 4.4,4.8 5.5,6.5 4.4,9 2.2,10 0,9"),  # slanted
        (1, "7.7,.5 5.5,.2 3.3,.8 1.7,3 3.3,4.5 5.5,6 5.5,8.5 3.3,10 0,8.5"),
        (1, "7.7,0 3.9,.5 3.9,.5 3.5,4 3.9,7.5 2.2,10 0,8"),
        (1, "6.6,0 1.6,.8 1.6,.8 0,4.5 0,4.5 3.3,4.2 5,6 3.9,10"),
    ),
    6: (
        (3, "4.5,0 1.8,3 .3,7 2.3,10 5,8.5 4.7,6 2.5,5.4 .6,7.3"),
        (3, "2,0 .6,4 .2,8 2,10 4.5,9.3 5,7 3.5,5.6 1,7"),  # straight
        (2, "5,1 3.5,0 1.2,2.5 0,6 1.2,9.5 3.5,10 5.6,8 4.5,5.5 2,5.5 .5,7.5"),  # curled
        (2, "2.5,0 .5,4 0,8 2,10 5,9.5 6.5,7.5 5,6 2.5,7 1.5,9"),
        (1, "1.5,0 0,5 .5,9 2.5,10 5,8.5 6.5,5.5 5.3,4 3.8,6 4,9.5"),
        (1, "0,0 .3,5 .5,9.5 3,10 5.5,8 4,5.6 .8,7"),  # b
    ),
    7: (
        (6, "0,.6 5.5,0 5.5,0 3.5,5 2.5,10"),
        (2, "0,2.2 .2,.4 .2,.4 5.5,0 5.5,0 3.5,5 2.5,10"),  # serif
        (2, "0,.6 5.5,0 5.5,0 3.5,5 2.5,10 / 1.5,5 5.8,4.8"),  # bar
        (2, "0,1.8 1.5,0 4.8,.4 5,3 3,10"),  # round
        (1, "0,1 5,0 5,0 3,5 2.5,10 / .5,6.5 6.5,5.5"),
        (1, "0,3 1,.5 1,.5 3.5,1.3 6,0 6,0 4,5 3.5,10"),
        (1, "0,1 4,0 6,1.5 5,4.5 1.5,8.5"),
    ),
    8: (
        (3, "5,1.5 3,0 1,1.8 2.6,4.5 5,7 3.3,10 .8,8.2 2.5,5.2 5,2.6 5,1.3"),
        (3, "5.5,.8 3,0 1,2 3,4.8 4.8,7.4 3,10 1,8.2 3,5 6,.8"),  # open
        (3, "3,0 .8,2.3 3,4.6 5.2,2.3 3,0 / 3,4.6 .4,7.3 3,10 5.6,7.3 3,4.6"),  # two circles
        (2, "7,1.5 5,.3 2.5,.3 1.5,2 3,4.5 4,7.5 2.5,10 .8,8.8 2,6 5,3 5.5,1 4,0"),
        (2, "3,5 1,3 1.5,.8 3.5,0 5,1.5 4,4 1.5,7 1.5,9.5 3.3,10 4.5,8 3.5,5.5 1.5,3.5"),
    ),
    9: (
        (3, "5,1.5 3,0 .8,1.5 .3,4 2,5 4.3,3.5 5,1 5,1 4.5,5 3.5,10"),
        (3, "5.5,.8 3.5,0 1,1.8 0,4 1.5,5 4,3.5 5.5,.6 5.5,.6 4.2,5 2.8,10"),
        (2, "5.2,.6 3,.2 .8,2 .5,4 2,4.6 4,3.2 5.2,.6 5.2,.6 4.4,4 4,10"),
        (2, "4.5,.5 2.5,0 .5,2 .6,4.3 2.5,4.8 4.6,2.8 4.6,.5 4.6,4 3.3,10"),
        (2, "5,1.5 3,0 .5,1.5 .3,4 2.2,5 4.5,3.5 5,1 5,1 5,6 4,9.5 1.5,10 .3,9"),  # curled
        (2, "4.8,1.2 3,.2 1,1.5 .3,3.6 1.8,4.6 4,3.8 5,2.2 / 5.4,.5 4.6,5 4,10"),  # in two strokes
        (1, "5.5,.8 3.5,.2 1,1.2 .3,3.2 2,4.2 4.8,3.4 5.2,2.5 4.6,6 3.2,10"),  # open
        (1, "4.5,.8 2.5,0 .5,1.5 1,3.5 3,3.8 4.8,1.8 5,.5 5,.5 4.6,5 4.2,10"),
        (1, "5,1 3,0 .5,2 0,5 2,6.3 4.5,4.5 5.2,1 5.2,1 5,6 4.6,10"),
        (1, "6,.5 3,0 0,2.5 1,5.5 4,5 6,1.5 6,.5 6.2,5 6.2,10"),
    ),
}

BOX = 20  # pixels, longer side of the inked part

# A distortion is uniform between its mean, or 0, minus and plus what stands here.
WARP = 0.043  # lengths of the path, by how much its slowest wave displaces it
BEND = 0.6  # sheet units, by how much the sheet is curved 5 units from its centre
TAPER = 1.0  # sheet units, by how much one side is wider than the other at its corners
TURN = 0.22  # radians
SLANT_MEAN, SLANT = 0.15, 0.35  # tangent of the slant to the right
ASPECT_MEAN, ASPECT = 0.1, 0.35  # natural logarithm of the stretch in x
PEN_MEAN, PEN = 0.1, 0.45  # natural logarithm of the pen's radius in pixels
SIZE_MEAN, SIZE = -0.04, 0.04  # natural logarithm of the inked part's side over BOX
SHIFT = 1.0  # pixels, in x and in y, before rounding to whole ones
PRESSURE = 0.25  # natural logarithm of the ink, of the slowest wave along the path
DAB = 0.5  # ink where the pen touches down or lifts; a line has 1

NODES = 57  # points that stand for a path: 2 pixels apart or less, so no gap shows
CHUNK = 500  # images drawn at a time: 6 MB of profiles
WAVES = np.cos(np.outer(range(1, 9), np.linspace(0, np.pi, NODES))) / np.c_[1:9]
SCALARS = 8  # random numbers of an image besides its pressures and bends


class _Styles(NamedTuple):
    """The table in arrays (float32), for S styles, N nodes of a path and B ways to bend it."""

    xy: NDArray[np.float32]  # (S, 2, N) nodes, sheet units from the centre
    bends: NDArray[np.float32]  # (S, B, N) how far each bend moves each node, sheet units
    down: NDArray[np.float32]  # (S, N - 1) 1 where the pen is down between two nodes
    ends: NDArray[np.float32]  # (S, N - 1) how many ends of strokes are there
    cumulative: NDArray[np.float32]  # (10, S) frequency for each digit


def _curve(stroke: str) -> NDArray[np.float64]:
    """Trace a stroke: points (n, 2) of a spline through its points (Catmull and Rom, 1974)."""
    p = np.array([xy.split(",") for xy in stroke.split()], dtype=np.float64)
    a, b, c, d = np.concatenate([p[:1], p[:-2]]), p[:-1], p[1:], np.concatenate([p[2:], p[-1:]])
    t = np.linspace(0, 1, 32, endpoint=False)[:, None, None]
    cubic = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.concatenate([cubic.swapaxes(0, 1).reshape(-1, 2), p[-1:]])


def _nodes(path: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Space nodes (2, N) evenly along a path, and tell which are the last of a stroke (N,)."""
    curves = [_curve(stroke) for stroke in path.split("/")]
    arcs = [np.append(0, np.hypot(*np.diff(curve, axis=0).T).cumsum()) for curve in curves]
    reached = np.cumsum([arc[-1] for arc in arcs])
    last = np.rint(reached * (NODES / reached[-1])).astype(np.intp) - 1
    xy = []
    for curve, arc, n in zip(curves, arcs, np.diff(last, prepend=-1), strict=True):
        at = np.linspace(0, arc[-1], n)
        xy.append([np.interp(at, arc, coordinate) for coordinate in curve.T])
    return np.concatenate(xy, axis=1), np.isin(np.arange(NODES), last)


@cache
def _styles() -> _Styles:
    """Trace all paths of the table, once."""
    paths = [(digit, n, *_nodes(path)) for digit in STYLES for n, path in STYLES[digit]]
    xy = np.stack([nodes for _, _, nodes, _ in paths])
    xy -= (xy.min(axis=2, keepdims=True) + xy.max(axis=2, keepdims=True)) / 2
    last = np.stack([ends for _, _, _, ends in paths])
    down = 1 - last[:, :-1]
    ends = down * (last[:, 1:] + 1 * np.roll(last, 1, axis=1)[:, :-1])
    length = (np.hypot(*np.diff(xy).swapaxes(0, 1)) * down).sum(axis=1)[:, None, None]

    u, v = (xy / 5).swapaxes(0, 1)
    sheet = np.stack([BEND * u * u, TAPER * u * v, BEND * v * v], axis=1)
    bends = np.concatenate([WARP * length * WAVES, sheet], axis=1)
    frequency = np.array([[n * (digit == other) for other, n, _, _ in paths] for digit in STYLES])
    cumulative = frequency.cumsum(axis=1) / frequency.sum(axis=1, keepdims=True)
    arrays = (xy, bends, down, ends, cumulative)
    return _Styles(*(array.astype(np.float32) for array in arrays))


def draw(labels: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one handwritten-looking digit for each label.

    The longer side of the ink fills 20 pixels or a little less, and the centre of its mass is
    within two pixels of (14, 14), where MNIST's is (LeCun, Cortes and Burges 1998).

    Parameters
    ----------
    labels : integer array (n,)
        The digits to draw, 0 to 9.
    rng : Generator
        The source of all randomness; image i depends on its state and on labels[i] alone.

    Returns
    -------
    uint8 array (n, 28, 28)
        White ink (255) on black paper (0), C-contiguous.

    Raises
    ------
    ValueError
        If a label is not a digit.
    """
    if np.any((labels < 0) | (labels > 9)):
        raise ValueError("labels must be digits from 0 to 9")
    images = np.empty((len(labels), SIDE, SIDE), np.uint8)
    randoms = SCALARS + len(WAVES) + 2 * _styles().bends.shape[1]
    for i in range(0, len(labels), CHUNK):
        chunk = labels[i : i + CHUNK]
        # A row for an image: no image depends on where a chunk begins.
        uniform = rng.random((len(chunk), randoms), dtype=np.float32)
        images[i : i + CHUNK] = _ink(*_write(chunk, uniform))
    return images


def draw_part(split: str) -> Split:
    """Draw one part of the synthetic data set, ``"train"`` or ``"test"``, the same on every call.

    Each part has a generator of its own, and every digit is equally frequent in both.
    """
    size, stream = PARTS[split]
    rng = np.random.default_rng([SEED, stream])
    labels = rng.permutation(np.arange(size) % CLASSES).astype(np.uint8)
    return Split(draw(labels, rng), labels)


def _write(
    labels: NDArray[np.integer], uniform: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Lay distorted paths on the pixel grid.

    Returns dots (n, 2, N - 1) that stand for the segments of the paths, in pixels; their masses
    (n, N - 1); and the radius of the pen (n, 1), in pixels.
    """
    styles = _styles()
    style = (uniform[:, :1] >= styles.cumulative[labels]).sum(axis=1)
    scalars, pressure, bend = np.split(2 * uniform - 1, [SCALARS, SCALARS + len(WAVES)], axis=1)
    turn = TURN * scalars[:, 1]
    slant = SLANT_MEAN + SLANT * scalars[:, 2]
    aspect = np.exp(ASPECT_MEAN + ASPECT * scalars[:, 3])
    radius = np.exp(PEN_MEAN + PEN * scalars[:, 4:5])
    side = BOX * np.exp(SIZE_MEAN + SIZE * scalars[:, 5:6])
    shift = SHIFT * scalars[:, 6:, None]

    xy = styles.xy[style] + bend.reshape(len(labels), 2, -1) @ styles.bends[style]
    xy = affine(turn, -slant, aspect, 1).swapaxes(0, 1) @ xy
    low, high = xy.min(axis=2, keepdims=True), xy.max(axis=2, keepdims=True)
    scale = (side - 2 * radius) / (high - low).max(axis=1)
    xy = (xy - low) * scale[:, :, None] + (radius[:, :, None] - 0.5)

    dots = (xy[:, :, 1:] + xy[:, :, :-1]) / 2
    mass = np.sqrt((np.diff(xy) ** 2).sum(axis=1)) * styles.down[style]
    # The ink of a straight line sums to 1, since 2^-(t/r)^2 integrates to r sqrt(pi / log 2).
    mass *= np.float32(np.sqrt(np.log(2) / np.pi)) / radius
    mass *= np.exp(PRESSURE * (pressure @ WAVES[:, 1:].astype(np.float32)))
    mass += DAB * styles.ends[style]
    centre = dots @ mass[:, :, None] / mass.sum(axis=1)[:, None, None]
    # By whole pixels, as MNIST was centred.
    return dots + np.rint(SIDE / 2 + shift - centre), mass, radius


def _ink(
    dots: NDArray[np.float32], mass: NDArray[np.float32], radius: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Ink dots with a round pen of soft edge: images (n, 28, 28).

    Dots k of masses m, at distances d from a pixel, and a pen of radius r give it the grey

        255 clip(1/2 + max(r / log 2, 1) (sum_k m_k 2^-(d_k / r)^2 - 1/2), 0, 1):

    a line of half width r, whose edge takes one pixel from black to white.
    """
    # The pen is a profile in x times one in y, so the sum over dots is a product of matrices:
    # six times as fast as the distance of each pixel to each dot.
    profile = np.arange(SIDE, dtype=np.float32)[:, None] - dots[:, :, None]  # (n, 2, 28, N - 1)
    profile *= np.float32(np.sqrt(np.log(2))) / radius[:, :, None, None]
    profile *= -profile
    np.exp(profile, out=profile)
    profile[:, 1] *= mass[:, None]
    grey = profile[:, 1] @ profile[:, 0].swapaxes(1, 2)
    grey -= 0.5
    grey *= 255 * np.maximum(radius / np.float32(np.log(2)), 1)[:, :, None]
    grey += 128
    return np.clip(grey, 0, 255, out=grey).astype(np.uint8)
