from __future__ import annotations

import numpy as np

from mnist_cli.images.coarse import COARSE, PLACES, QUARTERS, add_quarters, sums


def q() -> np.ndarray:
    """Return Q, entry by entry: 1/2 where a pixel is a part of a coarse one."""
    Q = np.zeros((28, 28, 14, 14))
    for y in range(28):
        for x in range(28):
            Q[y, x, y // 2, x // 2] = 0.5
    return Q.reshape(784, COARSE)


def test_each_coarse_pixel_is_made_of_two_by_two() -> None:
    Q = q()
    np.testing.assert_array_equal(Q.T @ Q, np.eye(COARSE))
    for coarse, four in enumerate(QUARTERS.T):
        assert set(np.flatnonzero(Q[:, coarse])) == set(four)
    np.testing.assert_array_equal(Q.argmax(axis=1), PLACES)


def test_sums_are_twice_what_q_makes_of_images_and_never_overflow(
    rng: np.random.Generator,
) -> None:
    images = rng.integers(0, 256, (9, 28, 28), dtype=np.uint8)
    images[0] = 255
    np.testing.assert_array_equal(sums(images), 2 * (images.reshape(9, 784) @ q()))
    assert sums(images[:0]).shape == (0, COARSE)


def test_four_equal_numbers_add_up_exactly(rng: np.random.Generator) -> None:
    numbers = rng.standard_normal(10_000, np.float32)
    np.testing.assert_array_equal(add_quarters(np.stack([numbers] * 4)), 4 * numbers)
