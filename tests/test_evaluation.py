from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_cli.data.dataset import Split
from mnist_cli.data.synthetic import draw
from mnist_cli.errors import SettingsError
from mnist_cli.evaluation import (
    CHUNK,
    Evaluation,
    committee,
    evaluate,
    log_probabilities,
    measure,
)
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.parallel import workers_for
from mnist_cli.training.loop import Trained


@pytest.fixture
def network(rng: np.random.Generator) -> MLP:
    network = MLP(8)
    network.initialize(rng)
    return network


@pytest.fixture
def digits(rng: np.random.Generator) -> Split:
    labels = rng.integers(10, size=CHUNK + 9, dtype=np.uint8)
    return Split(draw(labels, rng), labels)


def test_the_measures_are_those_of_their_definitions() -> None:
    matrix = np.zeros((10, 10), np.int64)
    matrix[0, 0], matrix[0, 1], matrix[1, 1], matrix[2, 1] = 3, 1, 4, 2
    result = Evaluation(0.5, matrix)
    assert result.examples == 10
    assert result.errors == 3
    assert result.accuracy == 0.7
    zero, one, two, three = result.per_class[:4]
    assert (zero.precision, zero.recall, zero.support) == (1, 0.75, 4)
    assert zero.f1 == pytest.approx(2 * 1 * 0.75 / 1.75)
    assert (one.precision, one.recall) == (4 / 7, 1)
    assert (two.precision, two.recall, two.f1, two.support) == (0, 0, 0, 2)
    assert (three.precision, three.recall, three.f1, three.support) == (0, 0, 0, 0)


def test_chunks_do_not_change_the_result(network: MLP, rng: np.random.Generator) -> None:
    size = 2 * CHUNK + 7
    data = Split(
        rng.integers(256, size=(size, 28, 28), dtype=np.uint8),
        rng.integers(10, size=size, dtype=np.uint8),
    )
    result = evaluate(Model(network), data)
    p = network.probabilities(data.images.reshape(size, 784).astype(np.float32) / 255)
    assert result.examples == size
    assert result.accuracy == np.mean(p.argmax(axis=1) == data.labels)
    assert result.loss == pytest.approx(-np.log(p[np.arange(size), data.labels]).mean(), rel=1e-4)
    for i in range(10):
        for j in range(10):
            both = (data.labels == i) & (p.argmax(axis=1) == j)
            assert result.confusion_matrix[i, j] == both.sum()


def test_nothing_to_measure_with_or_on_is_refused(network: MLP, digits: Split) -> None:
    with pytest.raises(SettingsError, match="`models` is empty"):
        evaluate([], digits)
    with pytest.raises(SettingsError, match="`data` has no images"):
        evaluate(Model(network), digits[:0])
    with pytest.raises(SettingsError, match="`views` is 0, but must be at least 1"):
        evaluate(Model(network), digits, views=0)


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ("model.npz", r"a str is not a model; give what `Model.load\(path\)` returns"),
        (Path("model.npz"), "a PosixPath is not a model"),
        ([Model(MLP(2)), "b.npz"], "a str is not a model"),
        (Trained(Model(MLP(2)), workers_for(1)), "a Trained is not a model; give its `model`"),
    ],
)
def test_what_is_no_model_is_told_how_to_become_one(models: Any, words: str, digits: Split) -> None:
    with pytest.raises(SettingsError, match=words):
        evaluate(models, digits)


def test_a_committee_averages_probabilities(rng: np.random.Generator) -> None:
    members = rng.dirichlet(np.ones(10), (3, 50))
    np.testing.assert_allclose(np.exp(committee(list(np.log(members)))), members.mean(axis=0))
    one = committee([np.log(members[0])])
    np.testing.assert_allclose(one, np.log(members[0]))


def test_what_no_member_believes_is_still_finite() -> None:
    sure = np.full((1, 10), -2000.0)
    sure[0, 3] = 0
    assert measure(committee([sure, sure]), np.array([7], np.uint8)).loss == pytest.approx(2000)


def test_an_image_is_seen_as_it_is_and_in_other_views_alike(network: MLP, digits: Split) -> None:
    network.W2 *= 30  # so that views differ
    as_it_is = np.exp(log_probabilities(network, digits.images).astype(float))
    both = np.exp(log_probabilities(network, digits.images, 2).astype(float))
    other = 2 * both - as_it_is
    assert other.min() > -1e-6
    np.testing.assert_allclose(other.sum(axis=1), 1, rtol=1e-5)
    changed = np.abs(other - as_it_is).max(axis=1)
    assert np.median(changed) > 0.01
    assert np.mean(other.argmax(axis=1) == as_it_is.argmax(axis=1)) > 0.5


def test_each_view_of_an_image_is_another_one(network: MLP, digits: Split) -> None:
    network.W2 *= 30
    summed = [
        views * np.exp(log_probabilities(network, digits.images, views)) for views in (1, 2, 3)
    ]
    second, third = np.diff(summed, axis=0)
    assert np.median(np.abs(second - third).max(axis=1)) > 0.01


def test_copies_of_an_image_are_each_seen_in_views_of_their_own(network: MLP) -> None:
    network.W2 *= 30
    image = draw(np.array([3]), np.random.default_rng(0))
    data = Split(np.repeat(image, 2 * CHUNK, axis=0), np.full(2 * CHUNK, 3, np.uint8))
    seen = np.exp(log_probabilities(network, data.images, 2))
    assert len(np.unique(seen, axis=0)) == 2 * CHUNK


def test_views_in_float64_are_those_in_float32(network: MLP, digits: Split) -> None:
    precise = MLP(8, np.float64)
    precise.parameters[:] = network.parameters
    seen = log_probabilities(precise, digits.images, 3)
    assert seen.dtype == np.float64
    np.testing.assert_allclose(
        seen, log_probabilities(network, digits.images, 3), rtol=1e-3, atol=1e-4
    )


def test_the_bar_is_told_of_every_image(network: MLP, rng: np.random.Generator) -> None:
    told = []

    class Bar:
        def update(self, n: int, /) -> None:
            told.append(n)

        def describe(self, text: str, /) -> None:
            pass

    size = 5 * CHUNK + 3
    data = Split(rng.integers(256, size=(size, 28, 28), dtype=np.uint8), np.zeros(size, np.uint8))
    log_probabilities(network, data.images, bar=Bar())
    assert sum(told) == size
    assert len(told) > 1


def test_views_are_the_same_every_time(network: MLP, digits: Split) -> None:
    first = log_probabilities(network, digits.images, 3)
    assert np.array_equal(first, log_probabilities(network, digits.images, 3))


def test_a_blank_image_has_but_one_view(network: MLP) -> None:
    network.b1[:] = np.linspace(-1, 1, 8)
    data = Split(np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8))
    seen = [log_probabilities(network, data.images, views) for views in (1, 4)]
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-6)
