"""What GitHub shows beside a file."""

from __future__ import annotations

import json

import pytest
from conftest import Cli

from mnist_cli.cli.github import in_property, in_text

WRONG = """
import numpy as np
class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out
    def backward(self, dout):
        return dout * self.out
"""


def test_a_failed_row_is_an_annotation_in_a_workflow_and_nowhere_else(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("act.py", "w") as file:
        file.write(WRONG)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert "::error" not in cli("gradcheck", "act.py:Sigmoid").stderr
    done = cli("gradcheck", "act.py:Sigmoid", "--json", GITHUB_ACTIONS="true")
    assert done.exit_code == 1
    rows = json.loads(done.stdout)["checks"]
    failed = [row for row in rows if not row["passed"]]
    lines = [line for line in done.stderr.splitlines() if line.startswith("::error ")]
    assert len(lines) == len(failed) >= 1
    title = f"{failed[0]['name']}%3A {failed[0]['diagnosis']}"
    assert lines[0].startswith("::error file=act.py,title=act.py%3ASigmoid%2C " + title)
    assert lines[0].endswith("::" + failed[0]["explanation"])


def test_texts_cannot_end_a_command_or_begin_another() -> None:
    assert in_text("100%\n::error::x") == "100%25%0A::error::x"
    assert in_property("a,b: c") == "a%2Cb%3A c"
