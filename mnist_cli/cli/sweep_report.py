"""What ``mnist-cli sweep`` tells: a line a run while it lasts, and a ranking at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mnist_cli.cli import output
from mnist_cli.files.records import csv_lines
from mnist_cli.recipe import SETTINGS

if TYPE_CHECKING:
    from mnist_cli.data.dataset import Dataset
    from mnist_cli.progress import Progress
    from mnist_cli.training.grid import Planned
    from mnist_cli.training.ranking import Group
    from mnist_cli.training.runs import Result
    from mnist_cli.training.sweep import Failure, Swept

NAMED = 3
"""So many failures are told by their names."""


class Told:
    """What is told of a sweep while it lasts, to a person and to the log.

    Parameters
    ----------
    data : Dataset
    progress : Progress

    Attributes
    ----------
    workers : int
        How many runs are done at once.
    write : callable
        Writes a record to the log.
    done : int
        How many runs are done.
    """

    def __init__(self, data: Dataset, progress: Progress):
        self.data = data
        self.progress = progress
        self.workers = 1
        self.write: Callable[[dict[str, Any]], object] = lambda record: None
        self.done = 0
        self.earlier = 0

    def begin(self, runs: int, done: int) -> None:
        """Tell what is going to be done."""
        count = "1 run" if runs == 1 else f"{runs:,} runs"
        earlier = f", {done:,} done already" if done else ""
        self.earlier = done
        self.progress.remark(
            f"{self.data.title}: {len(self.data.train):,} images · {count}{earlier} · "
            f"{self.workers} at once"
        )

    def result(self, planned: Planned, result: Result) -> None:
        """Tell what a run gave; of those that were there already, the log alone."""
        self.done += 1
        self.write(run_record(planned.varied, result))
        if self.done > self.earlier:
            self.progress.remark(run_line(result))

    def failure(self, failure: Failure) -> None:
        """Tell that a run is not done."""
        self.progress.remark(f"{failure.planned.name}  not done: {failure.sentence}")


def run_line(result: Result) -> str:
    """Return what a person reads of a run."""
    cells = [
        result.name,
        f"{images_of(result)} accuracy {result.accuracy:.2%}",
        f"loss {result.loss:.4f}",
    ]
    if result.seconds is not None:
        cells.append(f"{result.seconds:.1f} s")
    return "  ".join(cells)


def images_of(result: Result) -> str:
    """Return which images a run is judged by."""
    return "validation" if result.recipe.validation else "test"


RECORD_KEY = "model"
"""What the records of a sweep's log begin with."""

MEASURED = ("validation_accuracy", "validation_loss", "test_accuracy", "test_loss", "seconds")
"""What they end with, as `Result` has it."""


def run_record(varied: dict[str, Any], result: Result) -> dict[str, Any]:
    """Return what the log has of a run."""
    measured = {name: getattr(result, name) for name in MEASURED}
    return {RECORD_KEY: result.model, **varied, **measured}


def is_log(keys: Sequence[str]) -> bool:
    """Return whether a record with these keys, in this order, is one of a sweep's log."""
    first, varied, measured = keys[:1], keys[1 : -len(MEASURED)], keys[-len(MEASURED) :]
    return (*first, *measured) == (RECORD_KEY, *MEASURED) and set(varied) <= set(SETTINGS)


def as_table(groups: Sequence[Group]) -> str:
    """Return what a person reads at the end: a line a group, the best one first."""
    names = list(groups[0].varied)
    measure = f"{images_of(groups[0].runs[0])} accuracy"
    rows = [(*(SETTINGS[name].key for name in names), "runs", measure, "loss", "seconds")]
    for group in groups:
        seconds = "" if group.seconds is None else f"{group.seconds:.1f}"
        rows.append(
            (
                *(str(value) for value in group.varied.values()),
                str(len(group.runs)),
                with_deviation(group.mean, group.standard_deviation),
                f"{group.loss:.4f}",
                seconds,
            )
        )
    return output.table(rows, ">" * len(rows[0]))


def with_deviation(mean: float, deviation: float | None) -> str:
    """Return a mean accuracy and its standard deviation, which a single run has not."""
    return f"{mean:.2%}" if deviation is None else f"{100 * mean:.2f} ± {deviation:.2%}"


def closing_lines(groups: Sequence[Group]) -> list[str]:
    """Return by which images the groups are ranked, and how often the test images were looked at.

    If you look at them often, you choose by them.
    """
    best = groups[0]
    held_out = best.runs[0].recipe.validation
    if not held_out:
        if len(groups) == 1:
            return ["Each run was measured on the test images once."]
        return [
            "Ranked by the test images, so do not choose by this: to choose, hold some",
            "images out with --validation 10000.",
        ]
    ranked = f"Ranked by the {held_out:,} validation images."
    tested = [run.test_accuracy for run in best.runs if run.test_accuracy is not None]
    if not tested:
        return [f"{ranked} The test images were not looked at."]
    from mnist_cli.training.ranking import deviation

    accuracy = with_deviation(sum(tested) / len(tested), deviation(tested))
    return [
        f"{ranked} The test images were looked at by the best alone: {accuracy}.",
        "If you look at them often, you choose by them.",
    ]


def document(groups: Sequence[Group], swept: Swept) -> dict[str, Any]:
    """Return what a script reads at the end."""
    varied = {each.recipe: each.varied for each in swept.planned}
    ranked = {run.recipe: run for group in groups for run in group.runs}
    return {
        "runs": [
            {
                "settings": varied[result.recipe],
                "model": result.model,
                "test_accuracy": ranked[result.recipe].test_accuracy,
                "validation_accuracy": result.validation_accuracy,
                "seconds": result.seconds,
            }
            for result in swept.results
        ],
        "groups": [group_record(group) for group in groups],
        "failures": [
            {"settings": failure.planned.varied, "error": failure.sentence}
            for failure in swept.failures
        ],
    }


def group_record(group: Group) -> dict[str, Any]:
    """Return what a script reads of a group."""
    return {
        "settings": group.varied,
        "runs": len(group.runs),
        "mean": group.mean,
        "standard_deviation": group.standard_deviation,
    }


def dry_document(planned: Sequence[Planned]) -> dict[str, Any]:
    """Return what a script reads of runs that are listed and not done."""
    return {"runs": [{"settings": each.varied, "name": each.name} for each in planned]}


def as_csv(groups: Sequence[Group]) -> str:
    """Return the table as CSV: numbers as they are, and nothing rounded."""
    lines = []
    for number, group in enumerate(groups):
        record = group_record(group)
        measured = {"loss": group.loss, "seconds": group.seconds}
        lines.append(csv_lines(record.pop("settings") | record | measured, number == 0))
    return "".join(lines)


def failure_sentence(failures: Sequence[Failure], runs: int) -> str:
    """Return which runs are not done, and what to do."""
    names = [failure.planned.name for failure in failures[:NAMED]]
    more = f" and {len(failures) - NAMED:,} more" if len(failures) > NAMED else ""
    told = f"Not done: {len(failures):,} of {runs:,} runs ({'; '.join(names)}{more})"
    if not any(failure.is_lost for failure in failures):
        return f"{told}, as training diverged: try a smaller `learning_rate`."
    return (
        f"{told}, as a worker was ended from outside, perhaps for want of memory: run the same "
        "command again, and it continues."
    )
