"""What came of checking: a row for each check, and a report of all rows.

Nothing here needs NumPy, so that the command line can show a report which another process made.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

TOLERANCE = 1e-10
"""The largest relative error that passes, unless another is asked for."""

NOT_CHECKED = "not-checked"
"""The diagnosis of an array that moves the output, and has no gradient to compare."""


@dataclass(frozen=True)
class Entry:
    """An entry of a gradient: where it is, what the code says, and what is right."""

    index: tuple[int, ...]
    computed: float
    exact: float

    @property
    def ratio(self) -> float:
        """What the code says, over what is right."""
        return self.computed / self.exact if self.exact else float("inf")


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong: a name that scripts can rely on, and a sentence."""

    name: str
    explanation: str


@dataclass(frozen=True)
class Check:
    """One row of the report.

    Attributes
    ----------
    name : str
        What was checked: ``to W``, ``second pass``.
    formula : str
        What should hold.
    method : str
        How the right answer was found; or why there is none, for a row that was skipped.
    elements : int
        How many numbers were compared; 0 if nothing was.
    max_relative_error : float or None
        The largest ``|computed − exact| / max(|exact|, mean |exact|)`` of a comparison in float64;
        None where no such comparison was made.
    passed : bool
    diagnosis : Diagnosis or None
        What is wrong, for a row that failed.
    worst : tuple of Entry
        The entries that are most wrong, for a comparison that failed.
    argument : str or None
        The array that the row is about.
    kind : str
        Which check it is: ``gradient``, ``second-pass``; what ``--skip`` takes.
    target : str or None
        What was checked, as the user named it.
    """

    name: str
    formula: str
    method: str
    elements: int
    max_relative_error: float | None
    passed: bool
    diagnosis: Diagnosis | None = None
    worst: tuple[Entry, ...] = ()
    argument: str | None = None
    kind: str = "gradient"
    target: str | None = None

    @property
    def is_skipped(self) -> bool:
        """Whether nothing was looked at, for a reason that is no mistake."""
        return self.passed and self.elements == 0

    @property
    def is_unchecked(self) -> bool:
        """Whether there is an array that should have been compared, and no gradient of it."""
        return self.diagnosis is not None and self.diagnosis.name == NOT_CHECKED

    @property
    def verdict(self) -> str:
        """Return one or two words: pass, FAIL, skipped or NOT CHECKED."""
        if self.is_unchecked:
            return "NOT CHECKED"
        if self.is_skipped:
            return "skipped"
        return "pass" if self.passed else "FAIL"

    def __str__(self) -> str:
        error = self.max_relative_error
        parts = [self.verdict, self.name]
        if error is not None:
            parts.append(f"relative error {error:.0e}")
        line = "  ".join(parts)
        return f"{line}  {self.diagnosis.name}" if self.diagnosis else line

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON has it, with the diagnosis as its name and its sentence."""
        return {
            **asdict(self),
            "diagnosis": self.diagnosis.name if self.diagnosis else None,
            "explanation": self.diagnosis.explanation if self.diagnosis else None,
            "worst": [{**asdict(entry), "ratio": entry.ratio} for entry in self.worst],
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Check:
        """Return the row that `as_dict` made a document of."""
        fields = {key: value for key, value in document.items() if key != "explanation"}
        if fields["diagnosis"] is not None:
            fields["diagnosis"] = Diagnosis(fields["diagnosis"], document["explanation"])
        if fields["max_relative_error"] == "Infinity":
            fields["max_relative_error"] = math.inf
        fields["worst"] = tuple(
            Entry(tuple(entry["index"]), float(entry["computed"]), float(entry["exact"]))
            for entry in fields["worst"]
        )
        return cls(**fields)


@dataclass(frozen=True)
class Group:
    """The rows of one thing that was checked, with what else is to be said of it.

    Attributes
    ----------
    target : str
        What was checked, as the user named it.
    checks : list of Check
    remarks : list of str
        Sentences: how the code was read, what it does besides.
    uses : tuple of str
        Functions beside it that were a part of what was checked, as a network's loss.
    """

    target: str
    checks: list[Check]
    remarks: list[str] = field(default_factory=list)
    uses: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no row failed, and something was compared."""
        compared = any(check.kind == "gradient" and check.elements for check in self.checks)
        return compared and all(check.passed for check in self.checks)

    def named(self, target: str) -> Group:
        """Return the group under another name."""
        checks = [replace(check, target=target) for check in self.checks]
        return replace(self, target=target, checks=checks)
