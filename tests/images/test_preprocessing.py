from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from numpy.typing import NDArray

from mnist_cli.data.synthetic import draw
from mnist_cli.images.preprocessing import CHUNK, WIDEST, preprocess

LABELS = np.arange(300, dtype=np.uint8) % 10
DIGITS = draw(LABELS, np.random.default_rng(0))


def widths(images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Count the columns from the first with visible ink to the last."""
    dark = images.max(axis=1) > 32
    return np.array([np.ptp(np.flatnonzero(row)) + 1 for row in dark])


def middles(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean place of the ink, x and y, shape (N, 2)."""
    ink = images / images.sum(axis=(1, 2), keepdims=True)
    places = np.arange(28)
    return np.stack([ink.sum(axis=1) @ places, ink.sum(axis=2) @ places], axis=1)


def slants(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    ink = images / images.sum(axis=(1, 2), keepdims=True)
    y, x = np.mgrid[:28, :28]
    dx, dy = (
        place - middle[:, None, None]
        for place, middle in zip((x, y), middles(images).T, strict=True)
    )
    return np.asarray((ink * dx * dy).sum(axis=(1, 2)) / (ink * dy**2).sum(axis=(1, 2)))


def test_what_is_not_asked_for_is_not_done() -> None:
    assert preprocess(DIGITS, deskew=False, digit_width=0) is DIGITS


def test_deskewed_digits_have_no_slant_and_stay_where_they_are() -> None:
    upright = preprocess(DIGITS, deskew=True, digit_width=0)
    assert np.abs(slants(DIGITS)).mean() > 0.1
    assert np.abs(slants(upright)).max() < 0.02
    np.testing.assert_allclose(middles(upright), middles(DIGITS), atol=0.05)
    assert upright.dtype == np.uint8


# At 24 pixels the edge of the image cuts a few digits.
@pytest.mark.parametrize(
    ("width", "pixels", "moved"), [(10, 2, 0.3), (14, 2, 0.3), (20, 2, 0.3), (24, 3, 0.5)]
)
def test_digits_become_as_wide_as_asked_for(width: int, pixels: int, moved: float) -> None:
    wide = preprocess(DIGITS, deskew=False, digit_width=width)
    # Nothing becomes more than twice as wide: a 1 stays narrow.
    expected = np.minimum(width, WIDEST * widths(DIGITS))
    assert np.abs(widths(wide) - expected).max() <= pixels
    np.testing.assert_allclose(middles(wide), middles(DIGITS), atol=moved)


def test_no_image_is_touched_by_another_and_blank_ones_stay_blank() -> None:
    images = np.zeros((2 * CHUNK + 3, 28, 28), np.uint8)
    images[CHUNK] = DIGITS[7]
    result = preprocess(images, deskew=True, digit_width=12)
    assert not np.delete(result, CHUNK, axis=0).any()
    alone = preprocess(DIGITS[7:8], deskew=True, digit_width=12)
    np.testing.assert_array_equal(result[CHUNK], alone[0])


def test_a_network_is_evaluated_on_digits_as_it_was_trained(cli: Cli, small_dir: Path) -> None:
    """What train measured at its end is what evaluate measures, alone and in a committee."""
    measured = {}
    for name, how in (("a.npz", ["--deskew"]), ("b.npz", ["--digit-width", "12"]), ("c.npz", [])):
        options = ["--hidden", "8", "--epochs", "1", "--data-dir", str(small_dir), "--json"]
        result = cli("train", *how, "--out", name, *options)
        measured[name] = json.loads(result.stdout)["test_accuracy"]
    together = json.loads(cli("evaluate", *measured, "--data-dir", str(small_dir), "--json").stdout)
    assert {model["path"]: model["accuracy"] for model in together["models"]} == measured
    assert len(set(measured.values())) > 1
