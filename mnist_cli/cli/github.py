"""Rows that failed as GitHub shows them beside the file: its workflow commands.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mnist_cli.gradcheck.result import Check


def failed_rows(target: str | None, checks: Iterable[Check]) -> Iterator[str]:
    """Yield a line for each row that failed, where the program runs in a workflow of GitHub."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    file = (target or "").partition(":")[0]
    where = f"file={in_property(file)}," if file.endswith((".py", ".ipynb")) else ""
    for check in checks:
        if not check.passed:
            of = f"{check.target}, " if check.target else ""
            name, why = "failed", check.method
            if check.diagnosis:
                name, why = check.diagnosis.name, check.diagnosis.explanation
            yield f"::error {where}title={in_property(f'{of}{check.name}: {name}')}::{in_text(why)}"


def in_text(text: str) -> str:
    """Return a text as the message of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def in_property(text: str) -> str:
    """Return a text as a property of a command."""
    return in_text(text).replace(":", "%3A").replace(",", "%2C")
