"""All that came of checking a target: the rows of each part of it, and what was left out.

Nothing here needs NumPy.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from mnist_cli.gradcheck.result import Check, Group


@dataclass(frozen=True)
class LeftOut:
    """Something in a file that was not checked.

    Attributes
    ----------
    target : str
        What it is called.
    reason : str
        Why, as the end of a sentence that begins with its name.
    is_broken : bool
        Whether its backward raised: nobody can say then that the file is right.
    """

    target: str
    reason: str
    is_broken: bool = False


@dataclass(frozen=True)
class Outcome:
    """All that came of checking a target.

    Attributes
    ----------
    groups : list of Group
        The rows of each thing that was checked.
    remarks : list of str
        What is to be said of the file as a whole.
    left_out : list of LeftOut
    """

    groups: list[Group]
    remarks: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether something was compared, no row failed, and nothing broke."""
        all_passed = bool(self.groups) and all(group.passed for group in self.groups)
        return all_passed and not any(item.is_broken for item in self.left_out)

    @property
    def checks(self) -> list[Check]:
        """All rows."""
        return [check for group in self.groups for check in group.checks]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON has it, for another process."""
        return {
            "groups": [
                {
                    "target": group.target,
                    "checks": [check.as_dict() for check in group.checks],
                    "remarks": group.remarks,
                }
                for group in self.groups
            ],
            "remarks": self.remarks,
            "left_out": [asdict(item) for item in self.left_out],
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Outcome:
        """Return the outcome that `as_dict` made a document of."""
        groups = [
            Group(
                group["target"],
                [Check.from_dict(check) for check in group["checks"]],
                group["remarks"],
            )
            for group in document["groups"]
        ]
        left_out = [LeftOut(**item) for item in document["left_out"]]
        return cls(groups, document["remarks"], left_out)


def short(target: str) -> str:
    """Return the name of a target without its file."""
    named = re.search(r":([^\W\d][\w.]*(\(.*\)|, ?[^\W\d][\w.]*)?)$", target)
    return named[1] if named else target
