from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_cli.data.dataset import Dataset, Split
from mnist_cli.data.loading import load_split
from mnist_cli.errors import SettingsError, TrainingDivergedError
from mnist_cli.evaluation import evaluate
from mnist_cli.images.preprocessing import preprocess
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.parallel import one_thread
from mnist_cli.progress import Bar, Progress
from mnist_cli.recipe import LEARNING_RATES, Recipe
from mnist_cli.training.checkpoint import Checkpoint
from mnist_cli.training.history import Epoch
from mnist_cli.training.loop import train
from mnist_cli.training.run import run


@pytest.fixture
def data(small_dir: Path) -> Split:
    return load_split("mnist", "train", small_dir)


def test_training_learns(data: Split, small_dir: Path) -> None:
    result = train(Recipe(hidden=32, epochs=15), data)
    assert [epoch.epoch for epoch in result.history] == list(range(1, 16))
    assert result.history[-1].train_loss < 0.2 < result.history[0].train_loss
    assert result.history[-1].train_accuracy > 0.95
    assert evaluate(result.model, load_split("mnist", "test", small_dir)).accuracy > 0.7


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_model_bit_for_bit(
    data: Split, optimizer: str, dtype: str
) -> None:
    recipe = Recipe(hidden=16, epochs=2, seed=5, optimizer=optimizer, dtype=dtype)
    first, second = train(recipe, data), train(recipe, data)
    assert first.model.network.parameters.tobytes() == second.model.network.parameters.tobytes()
    assert first.model.network.parameters.dtype == dtype
    other = train(Recipe(hidden=16, epochs=2, seed=6, optimizer=optimizer, dtype=dtype), data)
    assert (first.model.network.parameters != other.model.network.parameters).any()


def test_float64_follows_the_same_path_as_float32(data: Split) -> None:
    single, double = (
        train(Recipe(hidden=8, epochs=1, dtype=dtype), data).model.network.parameters
        for dtype in ("float32", "float64")
    )
    np.testing.assert_allclose(single, double, atol=1e-4)


def test_each_epoch_visits_every_image_once(data: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def watch(images: np.ndarray, dtype: np.dtype, out: np.ndarray) -> None:
        seen.extend(image.tobytes() for image in images)
        out[:] = 0

    monkeypatch.setattr("mnist_cli.training.batches.to_inputs", watch)
    train(Recipe(hidden=2, epochs=1, batch_size=300), data)
    pixels = data.images.reshape(len(data), -1)
    expected = [row.tobytes() for row in pixels[:, pixels.any(axis=0)]]
    assert seen != expected
    assert sorted(seen) == sorted(expected)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda data: Dataset("mnist", data, data, {}), "is a Dataset, .*give its `train`"),
        (lambda data: (data.images, data.labels), "is a tuple"),
        (lambda data: Split(data.images / 255, data.labels), "images of float64"),
        (lambda data: Split(data.images.reshape(-1, 784), data.labels), r"shape \(1000, 784\)"),
        (lambda data: Split(data.images, data.labels.astype(float)), "labels of float64"),
        (lambda data: Split(data.images, data.labels[:9]), r"shape \(9,\)"),
        (lambda data: Split(data.images, data.labels + np.uint8(1)), "no digits"),
    ],
)
def test_what_is_no_data_is_refused_by_training_and_by_evaluation(
    wrong: Callable[[Split], Any], words: str, data: Split
) -> None:
    with pytest.raises(SettingsError, match=words):
        train(Recipe(hidden=2, epochs=1), wrong(data))
    with pytest.raises(SettingsError, match=words):
        evaluate(Model(MLP(2)), wrong(data))


def test_what_is_no_recipe_or_no_model_is_refused(data: Split) -> None:
    settings: Any = {"hidden": 2}
    with pytest.raises(SettingsError, match="`recipe` is a dict, not a recipe: give `Recipe"):
        train(settings, data)
    with pytest.raises(SettingsError, match="`recipe` is a dict"):
        run(settings)
    path: Any = "model.npz"
    with pytest.raises(SettingsError, match="`start`: a str is not a model"):
        train(Recipe(hidden=2, epochs=1), data, start=path)


def test_what_is_held_out_is_not_learned_from(data: Split) -> None:
    poisoned = Split(data.images, data.labels.copy())
    poisoned.labels[-200:] = 0
    recipe = Recipe(hidden=8, epochs=1, validation=200)
    clean, other = train(recipe, data), train(recipe, poisoned)
    np.testing.assert_array_equal(clean.model.network.parameters, other.model.network.parameters)
    assert clean.history[0].validation_accuracy != other.history[0].validation_accuracy
    learned_from, held_out = data.hold_out(200)
    assert (len(learned_from), len(held_out)) == (800, 200)
    np.testing.assert_array_equal(held_out.labels, data.labels[-200:])


def test_validation_accuracy_is_measured_after_each_epoch(data: Split) -> None:
    result = train(Recipe(hidden=8, epochs=3, validation=100), data)
    last = result.history[-1].validation_accuracy
    assert last == evaluate(result.model, data[900:]).accuracy
    assert train(Recipe(hidden=8, epochs=1), data).history[0].validation_accuracy is None


def test_patience_ends_training_with_the_best_epoch(data: Split) -> None:
    """A rate that soon ruins the network: the best epoch must not be the last."""
    recipe = Recipe(
        hidden=8, epochs=40, validation=200, patience=3, learning_rate=2.0, schedule="constant"
    )
    result = train(recipe, data)
    accuracies = [epoch.validation_accuracy for epoch in result.history]
    assert len(accuracies) < 40
    assert all(a is not None for a in accuracies)
    best = accuracies.index(max(accuracies))  # type: ignore[type-var]
    assert best == len(accuracies) - 1 - 3
    assert evaluate(result.model, data[800:]).accuracy == accuracies[best]


def test_patience_without_validation_is_refused() -> None:
    with pytest.raises(SettingsError, match="`validation` 10000"):
        Recipe(patience=3)


def test_holding_everything_out_is_refused(data: Split) -> None:
    with pytest.raises(SettingsError, match="1,000 of 1,000 images out leaves none"):
        train(Recipe(validation=1000), data)


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 1e9), ("muon", 1e20)])
def test_divergence_is_told_with_its_epoch_step_and_rate(
    optimizer: str, rate: float, data: Split
) -> None:
    recipe = Recipe(
        hidden=8, epochs=2, optimizer=optimizer, learning_rate=rate, schedule="constant"
    )
    with pytest.raises(TrainingDivergedError, match=r"in epoch 1, step \d+, at the learning rate"):
        train(recipe, data)


class Watching(Progress):
    """Counts the steps of the one bar."""

    def __init__(self) -> None:
        self.total = self.done = self.begun = 0

    def bar(
        self, description: str, total: int, unit: str, done: int = 0
    ) -> AbstractContextManager[Bar]:
        self.total, self.done, self.begun = total, done, done
        return nullcontext(self)

    def update(self, n: int, /) -> None:
        self.done += n

    def describe(self, text: str, /) -> None:
        self.text = text


def test_epochs_are_told_as_they_end_and_steps_as_they_are_done(data: Split) -> None:
    told: list[Epoch] = []
    progress = Watching()
    result = train(
        Recipe(hidden=4, epochs=2, batch_size=300), data, on_epoch=told.append, progress=progress
    )
    assert told == result.history
    assert progress.done == progress.total == 2 * 4


def test_the_time_left_is_told_by_the_steps_of_this_run_alone(data: Split) -> None:
    """The bar begins where training stood: a jump to there would count as speed."""
    kept: list[Checkpoint] = []
    recipe = Recipe(hidden=4, epochs=3, batch_size=300)
    train(recipe, data, keep=kept.append)
    progress = Watching()
    train(recipe, data, resume=kept[2], progress=progress)
    assert progress.begun == 2 * 4
    assert progress.done == progress.total == 3 * 4


@pytest.mark.parametrize(
    "changed",
    [
        {"momentum": 0.5},
        {"weight_decay": 0.1},
        {"learning_rate": 0.1},
        {"schedule": "cosine"},
        {"label_smoothing": 0.1},
        {"dropout": 0.5},
        {"batch_size": 64},
        {"optimizer": "adam", "learning_rate": 0.3},
        {"optimizer": "muon"},
        {"coarse_epochs": 1},
        {"sampling": "loss"},
        {"deskew": True},
        {"digit_width": 12},
        {"augment": "affine"},
        {"augment": "elastic"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_setting_of_the_recipe_matters(data: Split, changed: dict[str, Any]) -> None:
    plain = train(Recipe(hidden=4, epochs=1), data).model.network.parameters
    other = train(Recipe(hidden=4, epochs=1, **changed), data).model.network.parameters
    assert (plain != other).any()


@pytest.mark.parametrize(
    "name", ["rotation", "scale", "shear", "shift", "displacement", "smoothness"]
)
def test_every_strength_of_the_distortions_matters(data: Split, name: str) -> None:
    recipe = Recipe(hidden=4, epochs=1, augment="elastic")
    changed: dict[str, Any] = {name: 0.5}
    plain, other = (
        train(one, data).model.network.parameters for one in (recipe, replace(recipe, **changed))
    )
    assert (plain != other).any()


@pytest.mark.parametrize("augment", ["affine", "elastic"])
@pytest.mark.parametrize("hidden", [4, 160])
def test_distortions_without_strength_change_nothing(
    data: Split, augment: str, hidden: int
) -> None:
    """So each image keeps its own label, in one part of the network or two."""
    none: dict[str, Any] = dict.fromkeys(
        ["rotation", "scale", "shear", "shift", "displacement"], 0.0
    )
    plain = Recipe(hidden=hidden, epochs=2, batch_size=96)
    first, second = (
        train(recipe, data).model.network.parameters
        for recipe in (plain, replace(plain, augment=augment, **none))
    )
    assert first.tobytes() == second.tobytes()


def test_what_is_trained_on_is_preprocessed(data: Split) -> None:
    preprocessing: dict[str, Any] = {"deskew": True, "digit_width": 12}
    seen = Split(preprocess(data.images, **preprocessing), data.labels)
    first, second = (
        train(Recipe(hidden=4, epochs=1, **how), digits).model.network.parameters
        for how, digits in ((preprocessing, data), ({}, seen))
    )
    assert first.tobytes() == second.tobytes()


def test_a_checkpoint_of_another_recipe_is_refused(data: Split) -> None:
    kept: list[Checkpoint] = []
    recipe = Recipe(hidden=4, epochs=1)
    train(recipe, data, keep=kept.append)
    with pytest.raises(SettingsError, match="`hidden` is 4 there and not 5"):
        train(replace(recipe, hidden=5), data, resume=kept[0])
    train(replace(recipe, epochs=2), data, resume=kept[0])


RECIPES = {
    "halves": Recipe(epochs=2),
    "elastic": Recipe(hidden=160, batch_size=64, epochs=2, augment="elastic"),
    "dropout": Recipe(epochs=2, dropout=0.3, optimizer="adam", label_smoothing=0.1),
    "judged": Recipe(epochs=3, validation=200, patience=1, deskew=True, digit_width=20),
    "whole": Recipe(hidden=8, epochs=2, augment="affine"),
    "coarse": Recipe(epochs=3, coarse_epochs=1, optimizer="muon"),
    "coarse and elastic": Recipe(epochs=2, coarse_epochs=1, augment="elastic"),
    "by loss": Recipe(hidden=160, epochs=3, sampling="loss"),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_one_thread_gives_the_same_bits_as_two(recipe: Recipe, data: Split) -> None:
    """And a checkpoint of the one is resumed by the other."""
    kept: list[Checkpoint] = []
    two = train(recipe, data, keep=kept.append)
    with one_thread():
        one = train(recipe, data)
        resumed = train(recipe, data, resume=kept[1])
    for trained in (one, resumed):
        assert trained.model.W1.tobytes() == two.model.W1.tobytes()
        assert trained.model.W2.tobytes() == two.model.W2.tobytes()
        losses = [[epoch.train_loss for epoch in run.history] for run in (trained, two)]
        assert losses[0] == losses[1]
