from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_cli import parallel
from mnist_cli.data.dataset import Split
from mnist_cli.data.loading import load_split
from mnist_cli.images.inputs import to_inputs
from mnist_cli.nn.losses import SoftmaxCrossEntropy
from mnist_cli.nn.mlp import MLP
from mnist_cli.nn.optimizers import Muon
from mnist_cli.nn.schedules import SCHEDULES
from mnist_cli.recipe import Recipe
from mnist_cli.training import descent
from mnist_cli.training import parts as parts_module
from mnist_cli.training.batches import BATCHES_AHEAD, SHARING
from mnist_cli.training.descent import Descent
from mnist_cli.training.parts import WORTH_TWO, count_parts, make_optimizer


@pytest.fixture
def data(small_dir: Path) -> Split:
    return load_split("mnist", "train", small_dir)


def network_of(recipe: Recipe) -> MLP:
    network = MLP(recipe.hidden, recipe.dtype)
    network.initialize(np.random.default_rng(1))
    return network


def by_the_textbook(recipe: Recipe, data: Split) -> MLP:
    """Train the whole network, on one thread and on all pixels, step by step."""
    network = network_of(recipe)
    optimizer = make_optimizer(recipe, network)
    loss = SoftmaxCrossEntropy()
    order = np.random.default_rng(2).permutation(len(data))
    batches = [
        order[start : start + recipe.batch_size]
        for start in range(0, len(order), recipe.batch_size)
    ]
    for step, batch in enumerate(batches):
        x = to_inputs(data.images[batch], network.parameters.dtype)
        loss.forward(network.forward(x), data.labels[batch])
        network.zero_gradients()
        network.backward(loss.backward())
        share = SCHEDULES[recipe.schedule](step / len(batches) / recipe.epochs)
        optimizer.step(network.parameters, network.gradients, recipe.learning_rate * share)
    return network


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("hidden", [20, 91])
def test_an_epoch_does_what_the_textbook_says_in_one_part_or_in_two(
    hidden: int, optimizer: str, data: Split
) -> None:
    recipe = Recipe(
        hidden=hidden, batch_size=100, optimizer=optimizer, weight_decay=0.02, dtype="float64"
    )
    network = network_of(recipe)
    run = Descent(recipe, network, data, np.random.default_rng(2))
    assert len(run.parts) == (2 if hidden * 100 >= WORTH_TWO else 1)
    assert 0 < len(run.parts.blank) < 784
    run.epoch(1)
    expected = by_the_textbook(recipe, data)
    np.testing.assert_allclose(run.finish().parameters, expected.parameters, rtol=0, atol=1e-11)
    assert (network.W1[run.parts.blank] != network_of(recipe).W1[run.parts.blank]).all()


def test_muon_does_the_same_in_one_part_or_in_two(data: Split) -> None:
    """Where the parts have whole blocks of columns."""
    recipe = Recipe(hidden=128, batch_size=100, optimizer="muon", dtype="float64")
    network = network_of(recipe)
    run = Descent(recipe, network, data, np.random.default_rng(2))
    assert [part.hidden for part in run.parts.networks] == [2 * Muon.columns] * 2
    run.epoch(1)
    expected = by_the_textbook(recipe, data)
    np.testing.assert_allclose(run.finish().parameters, expected.parameters, rtol=0, atol=1e-11)


@pytest.mark.parametrize("sampling", ["uniform", "loss"])
@pytest.mark.parametrize("softened", [0.0, 0.2])
def test_loss_and_accuracy_are_means_over_all_images(
    softened: float, sampling: str, data: Split
) -> None:
    """Without a step in between, they are those of the network on the data."""
    recipe = Recipe(
        hidden=40,
        sampling=sampling,
        batch_size=300,
        learning_rate=1e-30,
        label_smoothing=softened,
        dtype="float64",
    )
    network = network_of(recipe)
    found = Descent(recipe, network, data, np.random.default_rng(2)).epoch(1)
    logits = network_of(recipe).forward(to_inputs(data.images, np.dtype("f8")))
    labels = np.full((len(data), 10), softened / 10)
    labels[np.arange(len(data)), data.labels] += 1 - softened
    assert found.loss == pytest.approx(SoftmaxCrossEntropy().forward(logits, labels), rel=1e-12)
    right = (logits.argmax(axis=1) == data.labels).mean()
    assert found.accuracy == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize(
    ("hidden", "batch_size", "parts"),
    [
        (99, 64, 1),
        (99, 128, 2),
        (100, 1, 2),
        (128, 32, 2),
        (32, 128, 1),
        (599, 128, 2),
        (600, 128, 3),
        (800, 128, 4),
        (10**5, 128, 8),
    ],
)
def test_how_many_parts_there_are_is_decided_by_the_recipe(
    hidden: int, batch_size: int, parts: int
) -> None:
    assert count_parts(Recipe(hidden=hidden, batch_size=batch_size)) == parts


def test_one_hidden_unit_is_not_cut(data: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "WORTH_TWO", 1)
    recipe = Recipe(hidden=1)
    assert len(Descent(recipe, network_of(recipe), data, np.random.default_rng(2)).parts) == 1


@pytest.mark.parametrize("hidden", [4, 160])
def test_each_image_is_distorted_anew_whenever_it_is_seen(hidden: int, data: Split) -> None:
    """By each thread, in each epoch; and those that share a distortion are of two batches."""
    count = BATCHES_AHEAD * 64
    same = Split(np.repeat(data.images[:1], count, axis=0), data.labels[:count])
    recipe = Recipe(hidden=hidden, batch_size=64, augment="elastic")
    run = Descent(recipe, network_of(recipe), same, np.random.default_rng(0))
    seen = []
    for epoch in (1, 2):
        run.epoch(epoch)
        seen.append(run.batches.buffers[0].copy())
    assert len(np.unique(np.concatenate(seen), axis=0)) == 2 * count / SHARING
    for batch in np.split(seen[0], BATCHES_AHEAD):
        assert len(np.unique(batch, axis=0)) == 64


def test_a_batch_larger_than_the_data_takes_no_more_memory(data: Split) -> None:
    recipe = Recipe(hidden=4, batch_size=10**9, augment="elastic")
    run = Descent(recipe, network_of(recipe), data, np.random.default_rng(0))
    assert np.isfinite(run.epoch(1).loss)


@pytest.mark.parametrize("augment", ["none", "elastic"])
def test_the_number_of_threads_that_numpy_is_given_changes_no_bit(
    augment: str, small_dir: Path, tmp_path: Path
) -> None:
    models = []
    for threads in ("1", "2", None):
        environment = {key: v for key, v in os.environ.items() if not key.endswith("_THREADS")}
        if threads:
            environment |= {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        out = tmp_path / f"{threads}.npz"
        command = ["train", "--data-dir", str(small_dir), "--epochs", "2", "--out", str(out)]
        command += ["--augment", augment]
        subprocess.run(
            [sys.executable, "-m", "mnist_cli", *command, "-q"], env=environment, check=True
        )
        models.append(out.read_bytes())
    assert models[0] == models[1] == models[2]


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_however_many_work_and_of_what_kind_the_bits_are_the_same(
    workers: int, kind: str, data: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network in eight parts, with all that draws random numbers in them."""
    monkeypatch.setattr(descent, "count_parts", lambda recipe: 8)
    recipe = Recipe(
        hidden=40,
        dropout=0.2,
        augment="affine",
        optimizer="adam",
        learning_rate=0.01,
        sampling="loss",
    )

    def reached() -> tuple[bytes, list[dict[str, Any]]]:
        run = Descent(recipe, network_of(recipe), data, np.random.default_rng(0))
        passes = [run.epoch(1), run.epoch(2)]
        assert passes[1].loss < passes[0].loss
        run.finish()
        state = run.state()
        assert state.losses is not None
        memory = [state.losses, *(state.memory[name] for name in sorted(state.memory))]
        kept = [state.parameters, *memory]
        return b"".join(vector.tobytes() for vector in kept), state.generators

    with parallel.one_thread():
        alone = reached()
    monkeypatch.setattr(parallel, "cores", lambda: workers)
    if kind == "processes":
        if sys.platform != "linux":
            pytest.skip("needs to fork")
        monkeypatch.setattr(parallel, "can_fork", lambda: True)
    else:
        monkeypatch.setattr(parallel, "can_fork", lambda: False)
    assert parallel.workers_for(8, share_memory=True).number == workers
    assert reached() == alone
