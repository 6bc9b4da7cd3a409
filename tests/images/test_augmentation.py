from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mnist_cli.data.loading import load_split
from mnist_cli.data.synthetic import draw
from mnist_cli.images.augmentation import Distorter, Strengths, blurred_noise
from mnist_cli.images.inputs import to_inputs
from mnist_cli.images.resampling import CHUNK, PARTS, Resampler, affine
from mnist_cli.recipe import Recipe
from mnist_cli.training.loop import train

ALL = Strengths(12, 0.12, 0.1, 1.5, 1.5)
IMAGES = draw(np.arange(150, dtype=np.uint8) % 10, np.random.default_rng(0))
GRID = np.stack(np.meshgrid(np.arange(28) - 13.5, np.arange(28) - 13.5)).reshape(2, -1)


def distorted(strengths: Strengths, seed: int = 0, images: NDArray[np.uint8] = IMAGES):  # type: ignore[no-untyped-def]
    return Distorter(strengths, np.random.default_rng(seed)).distort(images)


def places(strengths: Strengths, count: int) -> NDArray[np.float64]:
    """Return where the pixels are taken from, (2, count, 784), as x and y from the middle."""
    distorter = Distorter(strengths, np.random.default_rng(0))
    return np.asarray(distorter._draw(count) @ distorter.resampler.basis, np.float64) / PARTS


def test_without_strength_images_come_back_unchanged() -> None:
    for elastic in (Strengths(), Strengths(smoothness=3)):
        result = distorted(elastic)
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, to_inputs(IMAGES, np.dtype(np.float32)))


def shifted(dx: float, dy: float, images: NDArray[np.uint8]) -> NDArray[np.floating]:
    numbers = np.array([[1, 0, dx], [0, 1, dy]], np.float32)[:, None].repeat(len(images), axis=1)
    return Resampler().resample(images, numbers).reshape(-1, 28, 28)


@pytest.mark.parametrize("dx", [-3, 0, 2])
@pytest.mark.parametrize("dy", [-30, -1, 4])
def test_a_shift_by_whole_pixels_is_exact(dx: int, dy: int) -> None:
    padded = np.pad(IMAGES, ((0, 0), (40, 40), (40, 40)))
    expected = to_inputs(padded[:, 40 + dy : 68 + dy, 40 + dx : 68 + dx], np.dtype(np.float32))
    np.testing.assert_array_equal(shifted(dx, dy, IMAGES).reshape(-1, 784), expected)


@pytest.mark.parametrize(("dx", "dy"), [(0.25, 0.5), (0.75, 0), (0, 1 / 256), (0.5, 255 / 256)])
def test_between_pixels_the_grey_is_between_theirs(dx: float, dy: float) -> None:
    a = np.pad(IMAGES[0].astype(float), ((0, 1), (0, 1)))
    across = (1 - dx) * a[:, :-1] + dx * a[:, 1:]
    expected = (1 - dy) * across[:-1] + dy * across[1:]
    np.testing.assert_allclose(shifted(dx, dy, IMAGES[:1])[0], expected / 255, atol=1e-7)


@pytest.mark.parametrize("smoothness", [2, 5, 9])
def test_the_mean_displacement_is_the_one_asked_for(smoothness: float) -> None:
    found = places(Strengths(displacement=1.5, smoothness=smoothness), 4000) - GRID[:, None]
    lengths = np.hypot(*found)
    assert lengths.mean() == pytest.approx(1.5, rel=0.02)
    # Everywhere alike, and in both directions.
    assert lengths.mean(axis=0) == pytest.approx(1.5, rel=0.1)
    assert found.mean(axis=(1, 2)) == pytest.approx(0, abs=0.05)


def test_the_field_is_blurred_white_noise() -> None:
    """Its correlation over a distance d is that of a Gaussian blur, exp(−d²/4σ²)."""
    waves = blurred_noise(5)
    assert len(waves) < 30
    y, x = np.divmod(np.arange(784), 28)
    distance = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2
    np.testing.assert_allclose(waves.T @ waves, np.exp(-distance / 100), atol=0.08)


@pytest.mark.parametrize(
    ("strength", "of"),
    [
        ("rotation", lambda A: np.rad2deg(np.arctan2(A[1, 0], A[0, 0]))),
        ("scale", lambda A: A[0, 0] - 1),
        ("scale", lambda A: A[1, 1] - 1),
        ("shear", lambda A: A[0, 1]),
    ],
)
def test_each_strength_is_the_largest_that_occurs_and_all_below_do(strength, of) -> None:  # type: ignore[no-untyped-def]
    strengths = replace(Strengths(), **{strength: 0.2})
    numbers = Distorter(strengths, np.random.default_rng(0))._draw(5000)
    found = np.array([of(A) for A in numbers[:, :, :2].swapaxes(0, 1).astype(float)])
    assert np.abs(found).max() == pytest.approx(0.2, rel=1e-2)
    assert found.min() == pytest.approx(-0.2, rel=1e-2)
    assert found.std() == pytest.approx(0.2 / np.sqrt(3), rel=0.05)


def test_shifts_are_uniform_in_both_directions() -> None:
    found = (places(Strengths(shift=2), 5000) - GRID[:, None])[:, :, 0]
    assert np.abs(found).max() == pytest.approx(2, rel=1e-2)
    assert found.std(axis=1) == pytest.approx(2 / np.sqrt(3), rel=0.05)


def test_an_affine_map_scales_then_shears_then_rotates() -> None:
    rng = np.random.default_rng(0)
    angle, slant, width, height = rng.uniform(0.1, 1.5, (4, 20)).astype(np.float32)
    found = affine(angle, slant, width, height).swapaxes(0, 1)
    for n in range(20):
        cos, sin = np.cos(angle[n]), np.sin(angle[n])
        rotation, shear = np.array([[cos, -sin], [sin, cos]]), np.array([[1, slant[n]], [0, 1]])
        expected = rotation @ shear @ np.diag([width[n], height[n]])
        np.testing.assert_allclose(found[n], expected, rtol=1e-5, atol=1e-6)


def test_the_same_seed_distorts_alike_and_another_does_not() -> None:
    np.testing.assert_array_equal(distorted(ALL, 1), distorted(ALL, 1))
    assert (distorted(ALL, 1) != distorted(ALL, 2)).any()
    distorter = Distorter(ALL, np.random.default_rng(1))
    assert (distorter.distort(IMAGES) != distorter.distort(IMAGES)).any()


def test_no_image_is_touched_by_another() -> None:
    """One white image among black ones, before and after a full chunk."""
    images = np.zeros((2 * CHUNK + 5, 28, 28), np.uint8)
    images[CHUNK] = 255
    strong = Strengths(90, 0.9, 2, 40, 20, 3)
    result = distorted(strong, images=images)
    assert not np.delete(result, CHUNK, axis=0).any()
    result = distorted(strong, images=255 - images)
    assert result.min() >= 0
    assert result.max() <= 1
    assert not result[CHUNK].any()


@pytest.mark.parametrize("count", [1, 2, 7, 4 * CHUNK - 1])
def test_images_that_share_are_distorted_alike(count: int) -> None:
    alone, shared = (Distorter(ALL, np.random.default_rng(0), sharing=s) for s in (1, 3))
    moves = -(-count // 3)
    images = np.resize(IMAGES, (3, moves, 28, 28))
    expected = [alone.distort(images[0])]
    for turn in images[1:]:
        alone.rng = np.random.default_rng(0)
        expected.append(alone.distort(turn))
    found = shared.distort(images.reshape(-1, 28, 28)[:count])
    np.testing.assert_array_equal(found, np.concatenate(expected)[:count])


@given(st.lists(st.integers(0, 783), unique=True, max_size=30))
def test_of_some_pixels_the_greys_are_those_of_the_whole_images(wanted: list[int]) -> None:
    pixels = np.array(wanted, np.intp)
    whole, some = (Distorter(ALL, np.random.default_rng(0), p) for p in (slice(None), pixels))
    # A place may be rounded to the next 1/256 of a pixel.
    found, expected = some.distort(IMAGES[:3]), whole.distort(IMAGES[:3])[:, pixels]
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.01)


@given(
    st.builds(
        Strengths,
        rotation=st.floats(0, 1e6),
        scale=st.floats(0, 0.99),
        shear=st.floats(0, 1e6),
        shift=st.floats(0, 1e6),
        displacement=st.floats(0, 1e6),
        smoothness=st.floats(0.1, 100),
    )
)
def test_any_strength_gives_greys(strengths: Strengths) -> None:
    result = distorted(strengths, images=IMAGES[:3])
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


@pytest.mark.parametrize("augment", ["affine", "elastic"])
@pytest.mark.parametrize("hidden", [8, 160])
def test_training_with_distortions_is_the_same_for_the_same_seed(
    augment: str, hidden: int, small_dir: Path
) -> None:
    data = load_split("mnist", "train", small_dir)
    recipe = Recipe(hidden=hidden, epochs=2, augment=augment)
    first, second, plain = (
        train(r, data).model.network.parameters
        for r in (recipe, recipe, replace(recipe, augment="none"))
    )
    assert first.tobytes() == second.tobytes()
    assert (first != plain).any()


def test_affine_knows_no_displacement_and_elastic_does(small_dir: Path) -> None:
    data = load_split("mnist", "train", small_dir)
    for augment, is_alike in (("affine", True), ("elastic", False)):
        recipes = [Recipe(hidden=4, epochs=1, augment=augment, displacement=d) for d in (0.5, 3)]
        first, second = (train(recipe, data).model.network.parameters for recipe in recipes)
        assert np.array_equal(first, second) == is_alike
