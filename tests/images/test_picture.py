"""Pictures of a digit, framed as MNIST's digits were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist_cli.data.loading import load_split
from mnist_cli.errors import PictureError
from mnist_cli.images.components import components
from mnist_cli.images.picture import (
    THIN,
    area_weights,
    as_is,
    centre,
    even_paper,
    prepare,
    stroke_width,
    thicken,
    to_grey,
)

Grey = NDArray[np.float32]


def seven(
    height: int = 300,
    width: int = 400,
    *,
    top: int = 60,
    left: int = 150,
    tall: int = 180,
    pen: float = 14,
) -> Grey:
    """Return a 7 in black on white, from 0 to 1."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    bar = (np.abs(y - top - pen / 2) <= pen / 2) & (x >= left) & (x <= left + 0.6 * tall)
    along = (y - top) / tall
    stem = np.abs(x - left - 0.6 * tall + 0.35 * tall * along) <= pen / 2
    stem &= (along >= 0) & (along <= 1)
    return np.where(bar | stem, np.float32(0), np.float32(1))


CLEAN = prepare(seven()).image


def distance(image: NDArray[np.uint8]) -> float:
    """Return how far an image is from that of the clean 7, in greys of a pixel.

    Where the centre of mass is between two pixels, it may be moved to either.
    """
    moved = [np.roll(image, (y, x), (0, 1)).astype(int) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return min(float(np.abs(one - CLEAN).mean()) for one in moved)


def test_the_digit_fills_a_box_of_20_and_its_mass_is_in_the_middle() -> None:
    ink = CLEAN > 0
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    assert rows[-1] - rows[0] + 1 == 20
    assert 11 <= columns[-1] - columns[0] + 1 <= 14, "its proportions are kept"
    mass = CLEAN / CLEAN.sum()
    assert abs(mass.sum(axis=1) @ np.arange(28) - 14) <= 0.5
    assert abs(mass.sum(axis=0) @ np.arange(28) - 14) <= 0.5
    assert CLEAN.max() > 250


def test_the_box_is_that_of_the_ink() -> None:
    left, top, right, bottom = prepare(seven()).box
    assert (top, bottom) == (60, 241)
    assert abs(left - 150) <= 1
    assert abs(right - 265) <= 1


@pytest.mark.parametrize(
    "picture",
    [
        1 - seven(),
        seven(top=5, left=5),
        seven(600, 800, top=400, left=600),
        seven(1500, 2000, top=500, left=500, tall=900, pen=70),
        0.2 + 0.5 * seven(),
    ],
    ids=["chalk", "in a corner", "in another", "by a camera", "pencil on grey"],
)
def test_colour_place_and_size_make_no_difference(picture: Grey) -> None:
    assert distance(prepare(picture).image) < 3


def test_light_from_one_side_and_a_shadow_make_no_difference() -> None:
    slope = np.linspace(1, 0.5, 400, dtype=np.float32)
    assert distance(prepare(seven() * slope).image) < 3
    shadow = np.where(np.arange(400) > 210, np.float32(0.6), np.float32(1))
    assert distance(prepare(seven() * shadow).image) < 3


def test_noise_makes_no_difference(rng: np.random.Generator) -> None:
    noisy = 0.1 + 0.7 * seven() + rng.normal(0, 0.04, (300, 400))
    assert distance(prepare(np.clip(noisy, 0, 1)).image) < 4


@pytest.mark.parametrize("tilt", [0, 0.01, -0.035, 0.05])
def test_ruled_lines_are_dropped(tilt: float) -> None:
    y, x = np.mgrid[:300, :400]
    lines = (y + tilt * (x - 200)) % 40 < 2
    done = prepare(np.where(lines, np.minimum(seven(), np.float32(0.6)), seven()))
    assert "lines dropped" in done.steps
    assert distance(done.image) < 5


def test_squared_paper_is_dropped() -> None:
    y, x = np.mgrid[:300, :400]
    lines = (y % 30 < 2) | (x % 30 < 2)
    assert distance(prepare(np.where(lines, np.minimum(seven(), 0.5), seven())).image) < 5


def test_a_digit_that_fills_the_picture_keeps_its_bars() -> None:
    tight = seven()[60:241, 150:265]
    assert distance(prepare(tight).image) < 5
    assert "lines dropped" not in prepare(tight).steps


def test_specks_and_what_touches_the_edge_are_dropped() -> None:
    dirty = seven()
    dirty[20:24, 30:34] = 0  # a speck
    dirty[:, 385:] = 0.1  # a table
    done = prepare(dirty)
    assert "specks dropped" in done.steps
    assert np.array_equal(done.image, CLEAN)


def test_a_digit_in_two_parts_is_one_digit() -> None:
    broken = seven()
    broken[60:74, 190:200] = 1
    prepare(broken)


def test_several_digits_are_said_to_be_several() -> None:
    both = np.concatenate([seven(300, 300, left=80), seven(300, 300, left=80)], axis=1)
    with pytest.raises(PictureError, match="seems to show 2 digits"):
        prepare(both)


def test_a_picture_without_ink_is_said_to_have_none(rng: np.random.Generator) -> None:
    slope = np.linspace(0.6, 0.9, 300)
    for blank in (
        np.ones((300, 300)),
        0.8 + rng.normal(0, 0.04, (300, 300)),
        slope + 0 * slope[:, None],
    ):
        with pytest.raises(PictureError, match="shows no ink"):
            prepare(np.clip(blank, 0, 1))


def test_thin_pens_are_thickened_and_thick_ones_left_alone() -> None:
    thin = prepare(seven(pen=3))
    assert any("thickened" in step for step in thin.steps)
    width = stroke_width((thin.image / 255).astype(np.float32))
    assert abs(width - THIN) < 0.4
    assert not any("thickened" in step for step in prepare(seven(pen=30)).steps)
    ink = np.zeros((100, 10), np.float32)
    ink[:, 4:7] = 1
    thick, radius = thicken(ink[:, 4:7])
    assert radius > 2
    assert abs(20 * stroke_width(thick) / max(thick.shape) - THIN) < 0.3


def test_transparent_pixels_are_paper_behind_dark_ink_and_behind_light() -> None:
    opaque = (255 * (1 - seven())).astype(np.uint8)
    for colour in (0, 255):
        light = np.full((300, 400, 3), colour, np.uint8)
        image = prepare(np.concatenate([light, opaque[:, :, None]], axis=2)).image
        assert np.array_equal(image, CLEAN)


def test_types_of_pixels_make_no_difference() -> None:
    grey = seven()
    bits = (
        grey > 0.5,
        np.uint8(255) * grey.astype(np.uint8),
        np.uint16(65535) * grey.astype(np.uint16),
    )
    for pixels in bits:
        assert np.array_equal(prepare(pixels).image, CLEAN)
    coloured = np.stack([grey, grey, grey], axis=2)
    assert distance(prepare(coloured).image) < 0.1
    assert to_grey(np.array([[[255, 0, 0]]] * 8, np.uint8))[0, 0] == pytest.approx(0.299)


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (np.zeros((1, 1)), "is 1×1 pixels, too small"),
        (np.zeros((0, 9)), "is 9×0 pixels, too small"),
        (np.zeros((9, 9, 5)), "has the shape"),
        (np.zeros(9), "has the shape"),
        (np.full((9, 9), 2.0), "is float64 from 2 to 2"),
        (np.full((9, 9), np.nan), "is float64 from nan"),
        (np.zeros((9, 9), int), "is int64"),
        (np.zeros((9, 9), object), "is object"),
    ],
)
def test_what_is_no_picture_is_refused(pixels: NDArray[np.generic], sentence: str) -> None:
    with pytest.raises(PictureError, match=sentence):
        prepare(pixels)


def test_as_is_takes_28_by_28_and_nothing_else() -> None:
    assert np.array_equal(as_is(CLEAN).image, CLEAN)
    assert as_is(CLEAN).steps == ()
    with pytest.raises(PictureError, match="400×300 pixels"):
        as_is(seven())


def test_a_scaled_pixel_is_the_mean_of_the_area_it_stands_for() -> None:
    for old, new in ((7, 20), (20, 20), (33, 20), (1, 4)):
        weights = area_weights(old, new)
        assert weights.shape == (new, old)
        assert np.allclose(weights.sum(axis=1), 1)
        assert np.allclose(weights.sum(axis=0), new / old, atol=1e-5)


def test_ink_is_never_pushed_out_of_the_image() -> None:
    lopsided = np.zeros((20, 20), np.float32)
    lopsided[:, 0] = 1
    lopsided[0] = 0.01
    assert centre(lopsided).astype(int).sum() >= 255 * 19


def test_even_paper_is_nought() -> None:
    slope = np.linspace(0.5, 1, 100, dtype=np.float32)
    assert np.abs(even_paper(slope * np.ones((100, 1), np.float32))).max() < 0.03


def test_parts_are_those_that_touch(rng: np.random.Generator) -> None:
    mask = np.array(
        [[1, 1, 0, 0, 1], [0, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 0, 0]], bool
    )
    parts = components(mask)
    assert sorted(parts.areas) == [1, 2, 3, 5]
    largest = parts.areas == 5
    assert parts.boxes[largest].tolist() == [[0, 3, 3, 5]]
    assert parts.mask_of(largest).sum() == 5
    assert len(components(np.zeros((3, 3), bool))) == 0
    random = rng.random((40, 50)) < 0.4
    parts = components(random)
    assert np.array_equal(parts.mask_of(np.ones(len(parts), bool)), random)
    # Of two pixels that touch, each is in the part of the other.
    for part in range(len(parts)):
        one = np.pad(parts.mask_of(np.arange(len(parts)) == part), 1)
        around = np.zeros_like(one)
        for y in (-1, 0, 1):
            for x in (-1, 0, 1):
                around |= np.roll(one, (y, x), (0, 1))
        assert not (around[1:-1, 1:-1] & random & ~one[1:-1, 1:-1]).any()


def test_mnist_images_come_back_as_they_are(mnist_dir: Path) -> None:
    images = load_split("mnist", "train", mnist_dir).images[:50]
    apart = []
    for image in images:
        for paper in (image, 255 - image):
            apart.append(np.abs(prepare(paper).image.astype(int) - image).mean())
    assert np.median(apart) < 3
