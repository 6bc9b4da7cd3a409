"""The ranking of a sweep: runs that differ in their seed alone are a group; the best one first."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mnist_cli.training.runs import Result


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seed.

    Attributes
    ----------
    varied : dict
        What they have in common of what is varied, by the names of the settings.
    runs : list of Result
    """

    varied: dict[str, Any]
    runs: list[Result]

    @property
    def mean(self) -> float:
        """The mean of the accuracies that they are ranked by."""
        return statistics.fmean(run.accuracy for run in self.runs)

    @property
    def standard_deviation(self) -> float | None:
        """That of the accuracies, over the seeds; None of a single run."""
        return deviation([run.accuracy for run in self.runs])

    @property
    def loss(self) -> float:
        """The mean of the losses on the same images."""
        return statistics.fmean(run.loss for run in self.runs)

    @property
    def seconds(self) -> float | None:
        """The mean of the seconds of a run; None where none is known."""
        known = [run.seconds for run in self.runs if run.seconds is not None]
        return statistics.fmean(known) if known else None


def rank(varied: Sequence[dict[str, Any]], results: Sequence[Result]) -> list[Group]:
    """Return groups of runs, by falling mean accuracy, and of equal ones by rising loss.

    Parameters
    ----------
    varied : sequence of dict
        The settings that are varied, of each run.
    results : sequence of Result
        One for each.
    """
    groups: dict[tuple[Any, ...], Group] = {}
    for settings, result in zip(varied, results, strict=True):
        common = {name: value for name, value in settings.items() if name != "seed"}
        groups.setdefault(tuple(common.items()), Group(common, [])).runs.append(result)
    return sorted(groups.values(), key=lambda group: (-group.mean, group.loss))


def varied_in(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the settings in which runs differ, of each run."""
    settings = [result.recipe.to_dict() for result in results]
    names = [name for name in settings[0] if len({each[name] for each in settings}) > 1]
    return [{name: each[name] for name in names} for each in settings]


def deviation(values: Sequence[float]) -> float | None:
    """Return the standard deviation of a sample, ``√(Σ (x − mean)²/(n − 1))``, or None of one."""
    return statistics.stdev(values) if len(values) > 1 else None
