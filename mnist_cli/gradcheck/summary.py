"""The last line of a report: what passed, what failed, what was not checked."""

from __future__ import annotations

from collections.abc import Sequence

from mnist_cli.gradcheck.outcome import Outcome, short
from mnist_cli.gradcheck.result import Check, Group
from mnist_cli.gradcheck.wrapping import clean

MOST_NAMES = 12
"""How many failed rows the last line names."""


def what_passed(outcome: Outcome, tolerance: float, wrong_answers: int = 0) -> str:
    """Return in one sentence what passed, and to what precision.

    Parameters
    ----------
    outcome : Outcome
    tolerance : float
    wrong_answers : int
        How many well-known wrong answers were refused.
    """
    made = [check for check in outcome.checks if not check.is_skipped]
    # Differences may be no match for the tolerance; their rows say what they can tell.
    errors = [check.max_relative_error or 0.0 for check in made]
    within = max(tolerance, *errors) if errors else tolerance
    checks = f"All {len(made)} checks" if len(made) != 1 else "The one check"
    refused = f", and {wrong_answers} wrong answers refused" if wrong_answers else ""
    return f"{checks} passed within {within:.0e}{_besides(outcome)}{refused}."


def what_failed(outcome: Outcome, with_mistakes: bool = False) -> str | None:
    """Return in one sentence what failed and what was not checked, or None.

    Parameters
    ----------
    outcome : Outcome
    with_mistakes : bool
        Whether the name of its mistake stands behind each row that failed.
    """
    is_one = len(outcome.groups) == 1
    named = [(short(group.target), check) for group in outcome.groups for check in group.checks]
    failed, unchecked = [], []
    for target, check in named:
        if check.is_unchecked:
            name = check.argument or check.name
            unchecked.append(name if is_one else f"{target}, {name}")
        elif not check.passed:
            mistake = f" ({check.diagnosis.name})" if with_mistakes and check.diagnosis else ""
            failed.append(f"{check.name if is_one else f'{target}, {check.name}'}{mistake}")
    made = [check for _, check in named if not check.is_skipped and not check.is_unchecked]
    parts = []
    if failed:
        parts.append(f"{len(failed)} of {len(made)} checks failed: {_listed(failed)}")
    elif unchecked:
        parts.append(f"{len(made)} checks passed" if len(made) != 1 else "1 check passed")
    if unchecked:
        parts.append(f"{len(unchecked)} not checked: {_listed(unchecked)}")
    empty = [short(group.target) for group in outcome.groups if not _is_compared(group)]
    if empty and not parts:
        parts.append(f"no gradient of {_listed(empty)} was compared")
    if not parts:
        return None
    broken = [short(item.target) for item in outcome.left_out if item.is_broken]
    if broken:
        parts.append(f"{len(broken)} not judged: {_listed(broken)}")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def what_was_accepted(wrong_answers: Sequence[Check]) -> str | None:
    """Return in one sentence which wrong answers were not refused, or None."""
    accepted = [check.name for check in wrong_answers if check.passed]
    return f"The tolerance is too wide to refuse: {'; '.join(accepted)}." if accepted else None


def what_broke(outcome: Outcome) -> str | None:
    """Return in one sentence what of a file raised and could not be judged, or None."""
    broken = [short(item.target) for item in outcome.left_out if item.is_broken]
    if not broken:
        return None
    return f"Not judged, for the reason above: {_listed(broken)}."


def _is_compared(group: Group) -> bool:
    return any(check.kind == "gradient" and check.elements for check in group.checks)


def _besides(outcome: Outcome) -> str:
    """Return how many rows were skipped, and how many things left out."""
    skipped = sum(check.is_skipped for check in outcome.checks)
    text = f", {skipped} skipped" if skipped else ""
    return f"{text}, {len(outcome.left_out)} left out" if outcome.left_out else text


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    text = "; ".join(map(clean, names[:MOST_NAMES]))
    return f"{text}; and {more} more" if more > 0 else text
