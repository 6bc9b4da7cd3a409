from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist_cli.data import synthetic
from mnist_cli.data.synthetic import SIZE_MEAN, draw

LABELS = np.arange(1000) % 10


def images(seed: int, labels: NDArray[np.integer] = LABELS) -> NDArray[np.uint8]:
    return draw(labels, np.random.default_rng(seed))


def test_an_image_is_28_by_28_bytes_for_each_label() -> None:
    drawn = images(0)
    assert drawn.shape == (len(LABELS), 28, 28)
    assert drawn.dtype == np.uint8
    assert drawn.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_labels_are_of_any_integer_type(dtype: type[np.integer]) -> None:
    np.testing.assert_array_equal(images(0, LABELS[:20].astype(dtype)), images(0, LABELS[:20]))


def test_no_label_draws_no_image() -> None:
    assert images(0, LABELS[:0]).shape == (0, 28, 28)


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_that_is_no_digit_is_refused(label: int) -> None:
    with pytest.raises(ValueError, match="digits from 0 to 9"):
        images(0, np.array([3, label]))


def test_the_same_seed_draws_the_same_bytes() -> None:
    assert images(1).tobytes() == images(1).tobytes()


def test_another_seed_draws_no_digit_twice() -> None:
    assert np.all((images(1) != images(2)).any(axis=(1, 2)))


def test_a_digit_does_not_depend_on_how_many_follow_or_on_the_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = images(3)
    np.testing.assert_array_equal(images(3, LABELS[:321]), whole[:321])
    monkeypatch.setattr(synthetic, "CHUNK", 37)
    # A product of matrices may round otherwise in another chunk: one level of grey.
    np.testing.assert_allclose(images(3).astype(int), whole.astype(int), atol=1)


def test_ink_is_white_on_black_paper_with_grey_edges() -> None:
    drawn = images(4)
    assert np.all(drawn.max(axis=(1, 2)) == 255)
    assert np.all((drawn == 0).mean(axis=(1, 2)) > 0.4)
    grey = (drawn > 0) & (drawn < 255)
    assert 0.1 < grey.sum() / (drawn > 0).sum() < 0.7


def test_the_ink_fills_a_box_of_about_20_pixels() -> None:
    ink = images(5) > 127
    sides = np.stack([ink.any(axis=axis).sum(axis=1) for axis in (1, 2)])
    # The ink may fall short of the box at the tip of a thin stroke, and exceed it at a crossing.
    longer = sides.max(axis=0)
    assert np.all((longer >= 15) & (longer <= 23))
    assert abs(longer.mean() - 20 * np.exp(SIZE_MEAN)) < 0.5
    assert longer.std() > 0.3


def test_the_border_is_mostly_empty() -> None:
    drawn = images(6)
    border = np.ones((28, 28), dtype=bool)
    border[2:-2, 2:-2] = False
    assert (drawn[:, border] > 0).mean() < 0.01


def test_the_centre_of_mass_is_near_the_centre() -> None:
    drawn = images(7).astype(np.float64)
    mass = drawn.sum(axis=(1, 2))
    for rows_or_columns in (drawn.sum(axis=2), drawn.sum(axis=1)):
        centre = rows_or_columns @ np.arange(28) / mass
        assert np.all(abs(centre - 14) < 3)
        assert abs(centre.mean() - 14) < 0.25
        assert centre.std() > 0.3


def test_images_show_the_digits_asked_for() -> None:
    fitted = images(8)
    means = np.stack([fitted[digit == LABELS].mean(axis=0) for digit in range(10)])
    distance = ((images(9)[:, None] - means) ** 2).sum(axis=(2, 3))
    right = distance.argmin(axis=1) == LABELS
    assert right.mean() > 0.6
    assert all(right[digit == LABELS].mean() > 0.3 for digit in range(10))


def test_a_digit_is_written_in_several_ways() -> None:
    drawn = images(10).reshape(len(LABELS), -1) / 255
    for digit in range(10):
        assert drawn[digit == LABELS].std(axis=0).max() > 0.3
