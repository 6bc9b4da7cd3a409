"""Epochs at 14×14 are those of the network itself, on images whose 2×2 pixels have their means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist_cli import Model
from mnist_cli.data.dataset import Split
from mnist_cli.data.loading import load_split
from mnist_cli.images.coarse import COARSE, QUARTERS
from mnist_cli.nn.mlp import MLP, parameter_count
from mnist_cli.nn.optimizers import OPTIMIZERS
from mnist_cli.recipe import Recipe
from mnist_cli.training.checkpoint import Checkpoint
from mnist_cli.training.coarse import CoarseDescent, coarsened, refined
from mnist_cli.training.descent import Descent
from mnist_cli.training.loop import train


@pytest.fixture
def data(small_dir: Path) -> Split:
    """Images whose sums of 2×2 pixels are whole multiples of four: their means are greys, too."""
    data = load_split("mnist", "train", small_dir)
    return Split(data.images // 4 * 4, data.labels)


def of_means(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    means = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    return np.kron(means, np.ones((2, 2))).astype(np.uint8)


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_a_coarse_epoch_is_one_of_the_whole_network_on_images_of_means(
    optimizer: str, data: Split
) -> None:
    recipe = Recipe(
        hidden=128, batch_size=100, optimizer=optimizer, weight_decay=0.02, dtype="float64"
    )
    networks = [MLP(recipe.hidden, recipe.dtype) for _ in range(2)]
    for network in networks:
        network.initialize(np.random.default_rng(1))
    networks[1].parameters[:] = refined(coarsened(networks[1].parameters))
    coarse = CoarseDescent(recipe, networks[0], data, np.random.default_rng(2))
    whole = Descent(
        recipe, networks[1], Split(of_means(data.images), data.labels), np.random.default_rng(2)
    )
    for number in (1, 2):
        ours, expected = coarse.epoch(number), whole.epoch(number)
        assert ours.loss == pytest.approx(expected.loss, rel=1e-10)
    np.testing.assert_allclose(
        coarse.finish().parameters, whole.finish().parameters, rtol=0, atol=1e-10
    )
    memory = coarse.state().memory
    for name, vector in whole.state().memory.items():
        np.testing.assert_allclose(memory[name], vector, rtol=0, atol=1e-10)


@pytest.mark.parametrize("degree", [1, 2])
def test_what_is_refined_is_coarsened_again_without_a_change_of_bits(
    degree: int, rng: np.random.Generator
) -> None:
    vector = rng.standard_normal(parameter_count(7, COARSE), np.float32)
    whole = refined(vector, degree)
    assert whole.shape == (parameter_count(7),)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(coarsened(whole, degree), vector)


def test_the_squares_that_adam_remembers_are_a_quarter_for_each_pixel(data: Split) -> None:
    """In one step from zero, v is a share of g² everywhere, and m one of g."""
    recipe = Recipe(hidden=9, batch_size=len(data), optimizer="adam", dtype="float64")
    network = MLP(recipe.hidden, recipe.dtype)
    network.initialize(np.random.default_rng(1))
    descent = CoarseDescent(recipe, network, data, np.random.default_rng(2))
    descent.epoch(1)
    descent.finish()
    memory = descent.state().memory
    assert set(OPTIMIZERS["adam"](network, 0.9, 0.0).squares) == {"v"}
    g = memory["m"] / 0.1
    assert g.any()
    np.testing.assert_allclose(memory["v"], 0.001 * g**2, rtol=1e-9)


@pytest.mark.parametrize("coarse_epochs", [1, 3])
def test_the_model_reads_images_as_the_network_did_when_the_coarse_epochs_ended(
    coarse_epochs: int, data: Split
) -> None:
    kept: list[Checkpoint] = []
    recipe = Recipe(hidden=20, epochs=3, coarse_epochs=coarse_epochs)
    trained = train(recipe, data, keep=kept.append).model
    then = MLP(20)
    then.parameters[:] = kept[coarse_epochs].state.parameters
    assert np.ptp(then.W1[QUARTERS], axis=0).max() == 0
    model = Model(then)
    np.testing.assert_allclose(
        model.probabilities(data.images), model.probabilities(of_means(data.images)), atol=1e-5
    )
    if coarse_epochs == 3:
        np.testing.assert_array_equal(trained.network.parameters, then.parameters)
    else:
        assert np.ptp(trained.W1[QUARTERS], axis=0).max() > 0


@pytest.mark.parametrize("coarse_epochs", [2, 3])
def test_a_training_that_is_lengthened_takes_the_coarse_epochs_that_are_left(
    coarse_epochs: int, data: Split
) -> None:
    recipe = Recipe(hidden=12, epochs=2, coarse_epochs=coarse_epochs)
    kept: list[Checkpoint] = []
    train(recipe, data, origin={"dataset": "mnist", "data": {}}, keep=kept.append)
    model = train(replace(recipe, epochs=3), data, resume=kept[-1]).model
    assert len(model.history) == 3
    is_coarse = np.ptp(model.W1[QUARTERS], axis=0).max() == 0
    assert is_coarse == (coarse_epochs == 3)


@pytest.mark.parametrize("augment", ["none", "elastic"])
def test_coarse_epochs_learn(augment: str, data: Split) -> None:
    recipe = Recipe(hidden=40, epochs=4, coarse_epochs=4, augment=augment)
    losses = [epoch.train_loss for epoch in train(recipe, data).history]
    assert losses[-1] < 0.7 * losses[0]


def test_distorted_coarse_images_are_the_means_of_those_at_full_resolution(data: Split) -> None:
    recipe = Recipe(hidden=128, augment="elastic")
    fine, coarse = (
        kind(recipe, MLP(recipe.hidden), data, np.random.default_rng(3))
        for kind in (Descent, CoarseDescent)
    )
    order = np.arange(len(data))
    rows = []
    for descent, pixels in ((fine, 784), (coarse, COARSE)):
        for member in range(len(descent.parts)):
            descent.batches.prepare(member, order, 0)
        inputs = np.zeros((recipe.batch_size, pixels))
        inputs[:, descent.batches.inked] = descent.batches.inputs(0, recipe.batch_size)
        rows.append(inputs)
    # What distortions move to a pixel that is blank in all images is left out of the fine ones.
    whole = np.isin(QUARTERS, fine.batches.inked).all(axis=0)
    expected = rows[0][:, QUARTERS].sum(axis=1) / 2
    np.testing.assert_allclose(rows[1][:, whole], expected[:, whole], atol=1e-5)
