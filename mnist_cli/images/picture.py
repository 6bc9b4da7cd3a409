"""Pictures of a digit, of any size and light, framed as MNIST's digits were: 28×28, ink on black.

MNIST's digits were scaled into a box of 20×20 with their proportions kept, which made greys of
their black and white, and centred by their mass in 28×28 (LeCun, Bottou, Bengio and Haffner 1998,
III.A, and LeCun, Cortes and Burges 1998). A network that has seen nothing else misreads whatever is
framed otherwise. `prepare` does the same to any picture, after it has told ink from paper; each
step is a function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.errors import PictureError
from mnist_cli.images.components import Components, Mask, components
from mnist_cli.images.resampling import SIDE, Floats

BOX = 20
"""The side of the box that MNIST's digits fill, in pixels."""

LONGEST = 1000
"""Pixels of the longer side of what the steps work on: larger pictures are shrunk first."""

SMALLEST = 8
"""Pixels that the longer side of a picture has at least."""

LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to grey (ITU-R BT.601)."""

PEN = 1 / 3
"""Of the longer side of a picture, how wide a stroke can be and still be no shadow."""

FAINTEST = 0.08
"""Of the paper's light, what ink swallows at least."""

NOISE = 4.0
"""Standard deviations of the paper's noise that a pixel of ink differs by."""

INK = 0.35
"""Of the ink's darkness, what a pixel has at least that belongs to a stroke."""

EDGE = 0.2
"""Of the ink's darkness, what a pixel at the edge of the digit's box has at least."""

SPECK = 0.02
"""Of the largest part's area, what is dropped as a speck."""

APART = 0.2
"""Of the digit's height, how far away from it something is that does not belong to it."""

ANOTHER = 0.6
"""Of the tallest digit's height, how tall another one is at least."""

LINE = 0.85
"""Of a picture's width, how much of it a ruled line is seen on."""

LINE_INK = 0.15
"""Of the ink's darkness, what a ruled line has at least."""

STEEPEST = 0.06
"""Tangent of the largest angle at which ruled lines are looked for."""

THIN = 1.9
"""Pixels in the box of 20 that a stroke is wide at least; MNIST's are 2.4 in the middle."""

WIDTH_BOX = 60
"""The side of the box in which the width of strokes is measured, in pixels."""

TIE = 1e-4
"""Pixels: the centre of mass is between two places, if it is as near as that to the middle."""


@dataclass(frozen=True)
class Prepared:
    """A picture as the network takes it.

    Attributes
    ----------
    image : array of uint8, shape (28, 28)
        From 0 (paper) to 255 (ink).
    box : tuple of int
        Left, top, right and bottom of the digit in the picture, in its pixels; the last two are
        just outside.
    steps : tuple of str
        What was done, in order.
    """

    image: NDArray[np.uint8]
    box: tuple[int, int, int, int]
    steps: tuple[str, ...]


def prepare(pixels: NDArray[Any]) -> Prepared:
    """Return a picture of one digit as MNIST would have it.

    Parameters
    ----------
    pixels : array, shape (H, W), (H, W, 2), (H, W, 3) or (H, W, 4)
        Greys, greys with opacity, colours, or colours with opacity; bool, uint8, uint16, or floats
        from 0 (black) to 1 (white).

    Raises
    ------
    PictureError
        If that is no picture, or it shows no digit, or several.
    """
    grey, factor = shrink(to_grey(pixels))
    steps = ["grey"]
    if factor > 1:
        steps.append(f"shrunk to 1/{factor}")
    grey, is_inverted = ink_dark(grey)
    if is_inverted:
        steps.append("inverted")
    ink = even_paper(grey)
    steps.append("paper evened out")
    ink, lines = drop_lines(ink)
    if lines:
        steps.append("lines dropped")
    ink, specks = keep_digit(ink)
    if specks:
        steps.append("specks dropped")
    box = find_box(ink)
    left, top, right, bottom = box
    ink = ink[top:bottom, left:right]
    steps.append(f"cropped to {right - left}×{bottom - top}")
    ink, radius = thicken(ink)
    if radius:
        steps.append(f"pen thickened by {2 * radius:.1f}")
    small = scale_to_box(ink)
    steps.append(f"scaled to {small.shape[1]}×{small.shape[0]}")
    image = centre(small)
    steps.append("centred by its mass")
    height, width = pixels.shape[:2]
    full = (left * factor, top * factor, min(right * factor, width), min(bottom * factor, height))
    return Prepared(image, full, tuple(steps))


def as_is(pixels: NDArray[Any]) -> Prepared:
    """Return a picture that is 28×28 already, light ink on black paper, without any step.

    Raises
    ------
    PictureError
        If it has another size.
    """
    grey = to_grey(pixels)
    if grey.shape != (SIDE, SIDE):
        raise PictureError(
            f"is {grey.shape[1]}×{grey.shape[0]} pixels, but only {SIDE}×{SIDE} can be taken as it "
            "is: leave `as_is` out."
        )
    image = np.rint(255 * grey).astype(np.uint8)
    return Prepared(image, (0, 0, SIDE, SIDE), ())


def to_grey(pixels: NDArray[Any]) -> Floats:
    """Return the light of each pixel, 0 to 1, float32, shape (H, W).

    Colours count by `LUMA`. What is transparent shows paper: white behind dark ink, and black
    behind light ink.

    Raises
    ------
    PictureError
        If ``pixels`` are of a shape, a type or values that make no picture.
    """
    pixels = np.asarray(pixels)
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in (2, 3) or channels not in (1, 2, 3, 4):
        raise PictureError(
            f"has the shape {pixels.shape}: a picture is (height, width), with 1 to 4 numbers a "
            "pixel at most."
        )
    if max(pixels.shape[:2]) < SMALLEST or min(pixels.shape[:2]) < 1:
        raise PictureError(
            f"is {pixels.shape[1]}×{pixels.shape[0]} pixels, too small to hold a digit: "
            f"give it at least {SMALLEST}."
        )
    light = _as_light(pixels).reshape(*pixels.shape[:2], channels)
    grey = light[..., :3] @ np.array(LUMA, np.float32) if channels > 2 else light[..., 0]
    if channels in (2, 4):
        opacity = light[..., -1]
        seen = float((grey * opacity).sum() / max(opacity.sum(), 1e-9))
        paper = 1.0 if seen < 0.5 else 0.0
        grey = grey * opacity + np.float32(paper) * (1 - opacity)
    return np.clip(grey, 0, 1)


def _as_light(pixels: NDArray[Any]) -> Floats:
    """Return pixels of any type as float32 from 0 to 1."""
    if pixels.dtype == np.bool_:
        return pixels.astype(np.float32)
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    if pixels.dtype.kind == "f":
        if not (pixels.min() >= 0 and pixels.max() <= 1):  # nor NaN
            raise PictureError(
                f"is {pixels.dtype} from {pixels.min():.3g} to {pixels.max():.3g}: give floats "
                "from 0 (black) to 1 (white), or uint8."
            )
        return pixels.astype(np.float32)
    raise PictureError(f"is {pixels.dtype}: give uint8, uint16, or floats from 0 to 1.")


def shrink(grey: Floats, longest: int = LONGEST) -> tuple[Floats, int]:
    """Return a picture no longer than so many pixels, and by what whole number it was divided.

    A pixel is the mean of those that it stands for, so nothing becomes jagged.
    """
    factor = -(-max(grey.shape) // longest)
    for axis, size in enumerate(grey.shape if factor > 1 else ()):
        starts = np.arange(0, size, factor)
        counts = np.diff(starts, append=size).astype(np.float32)
        grey = np.add.reduceat(grey, starts, axis=axis)
        grey /= counts[:, None] if axis == 0 else counts
    return grey, factor


def ink_dark(grey: Floats) -> tuple[Floats, bool]:
    """Return the picture with dark ink on light paper, and whether it had to be inverted.

    The border is paper: where its median is darker than the middle between the darkest and the
    lightest place, the paper is dark. If most of the picture is light, the border is a frame; if
    it is not very dark, and what is narrow is darker than what is beside it, it is in a shadow.
    """
    edge = max(1, round(0.03 * min(grey.shape)))
    frame = np.ones(grey.shape, bool)
    frame[edge:-edge, edge:-edge] = False
    smooth = blur(grey, 3)
    low, high = float(smooth.min()), float(smooth.max())
    paper = (max(np.median(grey[frame]), np.median(grey)) - low) / max(high - low, 1e-9)
    is_inverted = bool(paper < 0.25 or (paper < 0.5 and _light_is_rare(grey)))
    return (1 - grey if is_inverted else grey), is_inverted


def _light_is_rare(grey: Floats) -> bool:
    """Return whether what is narrow is light, rather than dark; an edge of a shadow is neither.

    What a closing fills is narrow and dark, what an opening removes narrow and light (Meyer 1979).
    """
    small, _ = shrink(grey, 48)
    dark, light = closing(small, 9) - small, small + closing(-small, 9)
    return float((light**2).sum()) > float((dark**2).sum())


def even_paper(grey: Floats) -> Floats:
    """Return how much of the paper's light each pixel lacks: paper is 0 ± its noise, ink near 1.

    The paper is what a morphological closing leaves: each place is as light as the darkest of the
    squares around it is at its lightest, so strokes narrower than the squares are gone, and light
    that comes from one side, and shadows that are wider, are there (Serra 1982; the difference is
    Meyer's black top hat, 1979). Light multiplies, so the picture is divided by it.
    """
    square = 2 * int(max(grey.shape) * PEN / 2) + 1
    paper = closing(blur(grey, 3) if min(grey.shape) >= 2 * SIDE else grey, square)
    light: Floats = np.clip(paper, 0.05, 1).astype(np.float32)
    lack: Floats = np.float32(1) - grey / light
    # The closing takes the lightest of the noise for paper: most of what is no ink lacks nothing.
    return lack - np.float32(np.median(lack[lack <= max(lack.max() / 2, lack.min())]))


def blur(image: Floats, side: int) -> Floats:
    """Return the mean of the square of ``side`` pixels, an odd number, around each pixel."""
    for axis in (0, 1):
        reach = side // 2
        width = [(reach + 1, reach) if a == axis else (0, 0) for a in (0, 1)]
        sums = np.pad(image, width, "edge").cumsum(axis, dtype=np.float64)
        size = image.shape[axis]
        high = np.take(sums, np.arange(side, side + size), axis)
        image = ((high - np.take(sums, np.arange(size), axis)) / side).astype(np.float32)
    return image


def maximum(image: Floats, side: int) -> Floats:
    """Return the largest value in the square of ``side`` pixels, an odd number, around each pixel.

    That is a dilation by the square.
    """
    return _largest(np.pad(image, side // 2, constant_values=-np.inf), side)


def closing(image: Floats, side: int) -> Floats:
    """Return a dilation by a square of ``side`` pixels, an odd number, and an erosion by the same.

    Squares that lie partly outside count as well: a slope stays a slope up to the edge.
    """
    outside = np.pad(image, side // 2 * 2, constant_values=-np.inf)
    return -_largest(-_largest(outside, side), side)


def _largest(image: Floats, side: int) -> Floats:
    """Return the largest value in each square of ``side`` pixels that lies in the image.

    A window is two overlapping ones of the largest power of two in it.
    """
    for _ in range(2):
        power = 1
        while 2 * power <= side:
            image = np.maximum(image[:-power], image[power:])
            power *= 2
        if rest := side - power:
            image = np.maximum(image[:-rest], image[rest:])
        image = image.T
    return image


def noise_of(ink: Floats) -> float:
    """Return the standard deviation of the paper's noise, by the median of what is below 0.

    There is no ink. Of a normal distribution, the median distance to the mean is 0.6745 standard
    deviations (Rousseeuw and Croux 1993).
    """
    below = ink[ink < 0]
    if below.size < 0.1 * ink.size:  # a clean picture
        return 0.0
    return float(-np.median(below) / 0.6745)


def darkness_of(ink: Floats) -> float:
    """Return how dark the ink is, or 0 if there is none: the median of what is darkest."""
    darkest = float(blur(ink, 3).max())
    if darkest < max(FAINTEST, 2.5 * noise_of(ink)):  # the blur leaves a third of the noise
        return 0.0
    return float(np.median(ink[ink >= 0.6 * darkest]))


def strokes(ink: Floats, darkness: float) -> Mask:
    """Return the pixels that belong to strokes: dark enough as ink, and for the paper's noise."""
    mask: Mask = ink >= max(INK * darkness, min(NOISE * noise_of(ink), 0.7 * darkness))
    return mask


def drop_lines(ink: Floats) -> tuple[Floats, bool]:
    """Return the ink without ruled lines, and whether there were any.

    A line is seen on most of the way from one edge of the picture to the other, at a small angle:
    the projections along all such angles show it (Radon 1917). Where a stroke meets it, the stroke
    stays. A digit that fills the picture has bars like that as well, and touches the edges: then
    nothing is dropped.
    """
    darkness = darkness_of(ink)
    if not darkness:
        return ink, False
    # Lines are thin and pale, and so less sure of their darkness than strokes.
    mask = ink >= max(LINE_INK * darkness, min(NOISE / 2 * noise_of(ink), INK * darkness))
    across, down = _horizontal_lines(mask), _horizontal_lines(mask.T)
    count = across[1] + down[1]
    rest = np.where(across[0] | down[0].T, np.float32(0), ink)
    parts = components(strokes(rest, darkness))
    if not count or not len(parts):
        return ink, False
    if count == 1 and _at_edge(parts, ink.shape)[parts.areas.argmax()]:
        return ink, False
    return rest, True


def _horizontal_lines(mask: Mask) -> tuple[Mask, int]:
    """Return the pixels of lines from left to right, but where strokes meet them, and how many."""
    width = mask.shape[1]
    edge = max(2, width // 20)
    if min(mask.shape) < 2 * SMALLEST or not (mask[:, :edge].any() and mask[:, -edge:].any()):
        return np.zeros_like(mask), 0
    reach = int(np.ceil(STEEPEST * width / 2))
    padded = np.pad(mask, ((reach + 1, reach + 1), (0, 0)))
    # A line that is tilted and noisy is seen on three rows together.
    seen = padded | np.roll(padded, 1, axis=0) | np.roll(padded, -1, axis=0)
    columns, rows = np.arange(width), np.arange(len(padded))[:, None]
    slope = (columns - width / 2) / (width / 2)
    every = max(1, width // 200)  # columns that are looked at to find the tilt
    best, most, places = 0.0, None, None
    for tilt in range(-reach, reach + 1):
        moved = (rows + np.rint(tilt * slope[::every]).astype(np.intp)) % len(padded)
        share = seen[moved, columns[::every]].mean(axis=1)
        weight = float((share[share >= LINE] ** 4).sum())
        if weight > best:
            best, most, places = weight, share >= LINE, tilt
    if most is None or places is None:
        return np.zeros_like(mask), 0
    moved = (rows + np.rint(places * slope).astype(np.intp)) % len(padded)
    level = padded[moved, columns]
    found = np.zeros_like(padded)
    bands = np.flatnonzero(np.diff(most.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    for top, bottom in bands:
        above, below = level[max(top - 1, 0)], level[min(bottom, len(level) - 1)]
        found[moved[top:bottom], columns] = ~(above | below)
    return found[reach + 1 : -reach - 1] & mask, len(bands)


def _at_edge(parts: Components, shape: tuple[int, ...]) -> Mask:
    """Return which parts touch the edge of the picture."""
    left, top, right, bottom = parts.boxes.T
    touches: Mask = (left == 0) | (top == 0) | (right == shape[1]) | (bottom == shape[0])
    return touches


def keep_digit(ink: Floats) -> tuple[Floats, bool]:
    """Return the ink of the digit alone, its darkness 1, and whether anything was dropped.

    What touches the edge is the table, a finger or a frame, if there is ink elsewhere. Of the
    rest, specks go, and what is small and far from the largest part.

    Raises
    ------
    PictureError
        If there is no ink, or if there are several digits.
    """
    darkness = darkness_of(ink)
    parts = components(strokes(ink, darkness)) if darkness else None
    if parts is None or not len(parts):
        raise PictureError("shows no ink: give a picture of one digit, darker than its paper.")
    at_edge = _at_edge(parts, ink.shape)
    inside = parts.areas[~at_edge].max(initial=0)
    is_dropped = False
    if at_edge.any() and inside >= 0.1 * parts.areas[at_edge].max():
        frame = grown(parts.mask_of(at_edge), 2)
        ink = np.where(frame, np.float32(0), ink)
        darkness, is_dropped = darkness_of(ink), True
        parts = components(strokes(ink, darkness)) if darkness else parts
    is_large = parts.areas >= max(SPECK * parts.areas.max(), 2)
    if not is_large.any():
        raise PictureError("shows no ink but specks: give a picture of one digit.")
    group = _groups(parts.boxes[is_large])
    kept = np.zeros(len(parts), bool)
    kept[np.flatnonzero(is_large)[group == _main_group(parts, is_large, group)]] = True
    digit = parts.mask_of(kept)
    left, top, right, bottom = _around(parts.boxes[kept])
    # The soft edge of a stroke is below the threshold of ink: as wide as a pixel of MNIST's.
    reach = max(1, round(max(right - left, bottom - top) / BOX))
    rest = parts.mask_of(~kept)
    ink = np.where(grown(digit, reach) & ~rest, ink, np.float32(0))
    paper = min(2 * noise_of(ink), 0.25 * darkness)
    ink = np.clip((ink - paper) / (darkness - paper), 0, 1)
    return ink, is_dropped or not kept.all()


def _around(boxes: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """Return the box around boxes."""
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _groups(boxes: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return which group each box belongs to: those that are near each other are in one."""
    low, high = boxes[:, :2], boxes[:, 2:]
    gaps = np.maximum(low[:, None] - high, low[None] - high[:, None]).clip(0).max(axis=2)
    near = gaps <= APART * (high - low)[:, 1].max()
    group = np.arange(len(boxes))
    while True:
        least = np.where(near, group, len(boxes)).min(axis=1)
        if (least == group).all():
            return group
        group = least


def _main_group(parts: Components, is_large: Mask, group: NDArray[np.intp]) -> int:
    """Return the group that is the digit.

    Raises
    ------
    PictureError
        If another one is about as tall.
    """
    boxes, areas = parts.boxes[is_large], parts.areas[is_large]
    names = np.unique(group)
    around = [_around(boxes[group == name]) for name in names]
    heights = np.array([bottom - top for _, top, _, bottom in around])
    weights = np.array([areas[group == name].sum() for name in names])
    digits = (heights >= ANOTHER * heights.max()) & (weights >= 0.2 * weights.max())
    if digits.sum() > 1:
        raise PictureError(
            f"seems to show {digits.sum()} digits: cut it into pictures of one digit each."
        )
    return int(names[weights.argmax()])


def grown(mask: Mask, reach: int) -> Mask:
    """Return the pixels that are within ``reach`` of the mask, along both axes."""
    return maximum(mask.astype(np.float32), 2 * reach + 1) > 0.5


def find_box(ink: Floats) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the ink, the last two just outside."""
    dark = ink >= EDGE
    columns, rows = np.flatnonzero(dark.any(axis=0)), np.flatnonzero(dark.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def stroke_width(ink: Floats) -> float:
    """Return how wide the strokes are, in pixels: twice the area over the length of the outline.

    A stroke of length L and width w has the area L·w and an outline of 2L. The outline of a soft
    edge is the sum of its slopes, its total variation (the coarea formula, Federer 1959).
    """
    padded = np.pad(ink, 1)
    down, along = np.diff(padded, axis=0)[:, :-1], np.diff(padded, axis=1)[:-1]
    return float(2 * ink.sum() / max(np.hypot(down, along).sum(), 1e-9))


def thicken(ink: Floats) -> tuple[Floats, float]:
    """Return the ink with thin strokes as wide as `THIN` once it is scaled, and by how much.

    MNIST's pens were thick: a ball pen's line on a large sheet becomes a pale trace. A dilation by
    r pixels widens strokes of w to w + 2r, and the digit of length L to L + 2r, so that
    ``(w + 2r)/(L + 2r) = THIN/20`` gives r. Between whole numbers, two dilations are mixed.

    Parameters
    ----------
    ink : array of float32, shape (H, W)
        Cropped.

    Returns
    -------
    array of float32, shape (H + 2⌈r⌉, W + 2⌈r⌉), and the radius r, 0 if the pen is no thin one.
    """
    share, longer = THIN / BOX, max(ink.shape)
    # Noise lengthens an outline: the width is taken where it has been averaged.
    shrunk = scale_to_box(ink, min(longer, WIDTH_BOX))
    width = stroke_width(shrunk) * longer / max(shrunk.shape)
    radius = (share * longer - width) / (2 * (1 - share))
    if radius < 0.05:
        return ink, 0.0
    whole = int(radius)
    padded = np.pad(ink, whole + 1)
    less, more = maximum(padded, 2 * whole + 1), maximum(padded, 2 * whole + 3)
    thick = less + np.float32(radius - whole) * (more - less)
    left, top, right, bottom = find_box(thick)
    return thick[top:bottom, left:right], radius


def scale_to_box(ink: Floats, side: int = BOX) -> Floats:
    """Return the ink with its longer side as long as the box, its proportions kept.

    A pixel is the mean of the area that it stands for, so edges become grey, as MNIST's are.

    Returns
    -------
    array of float32, shape (side, w) or (h, side)
    """
    longer = max(ink.shape)
    height, width = (max(1, round(side * size / longer)) for size in ink.shape)
    scaled = area_weights(ink.shape[0], height) @ ink @ area_weights(ink.shape[1], width).T
    return np.clip(scaled, 0, 1).astype(np.float32)


def area_weights(old: int, new: int) -> Floats:
    """Return the matrix (new, old) that takes means over areas: row i covers i to i + 1 of new."""
    edges = np.arange(new + 1) * (old / new)
    covered = np.clip(edges[:, None] - np.arange(old), 0, 1)  # of each old pixel, up to the edge
    weights: Floats = (np.diff(covered, axis=0) * (new / old)).astype(np.float32)
    return weights


def centre(small: Floats) -> NDArray[np.uint8]:
    """Return the digit in 28×28, moved by whole pixels until its centre of mass is in the middle.

    As MNIST's were (LeCun, Cortes and Burges 1998). The middle is (14, 14), counted from the middle
    of the first pixel: that is the mean of MNIST's, to 0.01. Between two places, it is the one
    nearer to 0, whatever the rounding of sums. Where ink would be pushed out of the image, it is
    moved as far as there is room.
    """
    image = np.zeros((SIDE, SIDE), np.float32)
    mass = small.sum()
    where = []
    for axis in (0, 1):
        middle = (small.sum(axis=1 - axis) @ np.arange(small.shape[axis])) / mass
        nearest = np.ceil(SIDE / 2 - middle - 0.5 - TIE)
        where.append(int(np.clip(nearest, 0, SIDE - small.shape[axis])))
    top, left = where
    image[top : top + small.shape[0], left : left + small.shape[1]] = small
    return np.rint(255 * image).astype(np.uint8)
