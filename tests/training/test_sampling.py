"""Which images an epoch sees, where they are drawn by their losses."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_cli.recipe import Recipe
from mnist_cli.training.sampling import FLOOR, ByLoss, Uniform, make_sampler

IMAGES = 500


@pytest.fixture
def sampler() -> ByLoss:
    """One that remembers losses as they are late in training: most are near zero."""
    made = ByLoss(IMAGES)
    made.losses[:] = np.random.default_rng(1).exponential(1, IMAGES) ** 6
    return made


def test_the_recipe_says_which_it_is() -> None:
    assert type(make_sampler(Recipe(), 3)) is Uniform
    assert type(make_sampler(Recipe(sampling="loss"), 3)) is ByLoss


@pytest.mark.parametrize("images", [1, 3, 60_000])
def test_the_first_epoch_sees_each_image_once(images: int) -> None:
    for sampler in (Uniform(images), ByLoss(images)):
        order = sampler.draw(np.random.default_rng(0))
        assert sorted(order) == list(range(images))
        assert sampler.count(order) == images


def test_an_image_is_drawn_in_proportion_to_the_root_of_its_loss(sampler: ByLoss) -> None:
    rng = np.random.default_rng(2)
    roots = np.sqrt(sampler.losses.astype("f8"))
    roots = np.maximum(roots, FLOOR * roots.mean())
    expected = IMAGES * roots / roots.sum()
    counts = np.array([np.bincount(sampler.draw(rng), minlength=IMAGES) for _ in range(400)])
    assert (counts.sum(axis=1) == IMAGES).all()
    assert (np.abs(counts - expected) < 1).all()
    # The mean of 400 draws is off by 0.025 as a rule, and by five times that nowhere.
    np.testing.assert_allclose(counts.mean(axis=0), expected, rtol=0, atol=0.125)
    assert 0 < expected.min() < 0.2 < 2 < expected.max()


def test_weighted_the_drawn_images_have_the_mean_of_all(sampler: ByLoss) -> None:
    """So a step goes where it would go without, on average."""
    rng = np.random.default_rng(3)
    values = np.random.default_rng(4).normal(5, 1, IMAGES)
    means = []
    for _ in range(400):
        order = sampler.draw(rng)
        means.append((sampler.weights[order] * values[order]).mean())
    error = np.std(means) / np.sqrt(len(means))
    assert np.mean(means) == pytest.approx(values.mean(), abs=4 * error)
    assert error < 0.03


def test_what_is_remembered_is_half_new() -> None:
    sampler = ByLoss(4)
    sampler.losses[:] = [4, 3, 2, 1]
    logits = np.zeros((2, 10), np.float32)
    logits[1, 7] = np.log(91)  # that of class 7 is 0.91
    rows = np.eye(10, dtype=np.float32)[[7, 7]]
    batch = np.array([2, 0])
    sampler.weights[:] = [0.5, 9, 2, 9]
    loss = sampler.loss(logits, rows, batch)
    losses = np.array([np.log(10), -np.log(0.91)])
    assert loss == pytest.approx((2 * losses[0] + 0.5 * losses[1]) / 2, rel=1e-6)
    sampler.remember(batch)
    expected = [(4 + losses[1]) / 2, 3, (2 + losses[0]) / 2, 1]
    np.testing.assert_allclose(sampler.losses, expected, rtol=1e-6)
    assert sampler.count(batch) == 2.5
