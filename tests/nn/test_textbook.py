"""The textbook's dozen lines, and the fast path beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mnist_cli.data.loading import load_split
from mnist_cli.images.inputs import to_inputs
from mnist_cli.nn.schedules import SCHEDULES
from mnist_cli.nn.textbook import train as train_by_the_textbook
from mnist_cli.recipe import Recipe
from mnist_cli.training.loop import train
from mnist_cli.training.parts import count_parts


@pytest.mark.parametrize(
    ("hidden", "schedule", "parts"), [(20, "one-cycle", 1), (91, "constant", 2)]
)
def test_the_fast_path_gives_the_losses_and_the_network_of_the_textbook(
    hidden: int, schedule: str, parts: int, small_dir: Path
) -> None:
    recipe = Recipe(hidden=hidden, epochs=3, batch_size=100, seed=4, schedule=schedule)
    assert count_parts(recipe) == parts
    data = load_split("mnist", "train", small_dir)
    network, losses = train_by_the_textbook(
        to_inputs(data.images, np.dtype(np.float64)),
        data.labels,
        hidden=hidden,
        epochs=3,
        batch_size=100,
        seed=4,
        schedule=SCHEDULES[schedule],
    )
    fast = train(Recipe.from_dict(recipe.to_dict() | {"dtype": "float64"}), data)
    assert [epoch.train_loss for epoch in fast.history] == pytest.approx(losses, rel=1e-11)
    found = fast.model.network.parameters
    np.testing.assert_allclose(found, network.parameters, rtol=0, atol=1e-11)


def test_its_defaults_are_those_of_the_recipe(small_dir: Path) -> None:
    data = load_split("mnist", "train", small_dir)
    _, losses = train_by_the_textbook(to_inputs(data.images, np.dtype(np.float64)), data.labels)
    fast = train(Recipe(dtype="float64"), data)
    assert [epoch.train_loss for epoch in fast.history] == pytest.approx(losses, rel=1e-11)
