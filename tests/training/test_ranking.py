from __future__ import annotations

import numpy as np
import pytest

from mnist_cli.recipe import Recipe
from mnist_cli.training.ranking import rank
from mnist_cli.training.runs import Result


def result(test: float, loss: float = 0.1, seconds: float | None = 1.0) -> Result:
    return Result("x", Recipe(), {}, None, None, test, loss, seconds)


def test_groups_are_runs_that_differ_in_their_seed_alone_the_best_first() -> None:
    varied = [{"seed": seed, "hidden": hidden} for hidden in (4, 8) for seed in (0, 1, 2)]
    accuracies = [0.5, 0.6, 0.7, 0.8, 0.9, 0.7]
    groups = rank(varied, [result(accuracy) for accuracy in accuracies])
    assert [group.varied for group in groups] == [{"hidden": 8}, {"hidden": 4}]
    assert groups[0].mean == pytest.approx(0.8)
    assert groups[0].standard_deviation == pytest.approx(np.std([0.8, 0.9, 0.7], ddof=1))


def test_of_equal_groups_the_one_with_the_smaller_loss_is_first() -> None:
    varied = [{"hidden": 4}, {"hidden": 8}]
    groups = rank(varied, [result(0.5, loss=0.3), result(0.5, loss=0.2)])
    assert [group.varied["hidden"] for group in groups] == [8, 4]
    assert groups[0].standard_deviation is None


def test_seconds_are_the_mean_of_those_that_are_known() -> None:
    varied = [{"seed": seed} for seed in range(3)]
    (group,) = rank(varied, [result(0.5, seconds=s) for s in (1.0, None, 3.0)])
    assert group.varied == {}
    assert group.seconds == 2
    (unknown,) = rank(varied[:1], [result(0.5, seconds=None)])
    assert unknown.seconds is None


def test_with_validation_it_is_by_validation() -> None:
    judged = Recipe(validation=10)
    results = [
        Result("a", judged, {}, 0.7, 0.1, 0.9, 0.1, 1.0),
        Result("b", judged, {}, 0.8, 0.1, 0.5, 0.1, 1.0),
    ]
    groups = rank([{"hidden": 1}, {"hidden": 2}], results)
    assert [group.runs[0].name for group in groups] == ["b", "a"]
