from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from mnist_cli.files.records import line_of

RECORDS: list[dict[str, Any]] = [
    {"epoch": 1, "loss": 0.5, "note": 'a "b", c'},
    {"epoch": 2, "loss": float("nan"), "note": None},
]


def written(name: str) -> str:
    line = line_of(name)
    return "".join(line(record, number == 0) for number, record in enumerate(RECORDS))


@pytest.mark.parametrize("name", ["log.jsonl", "log", "log.json", "-"])
def test_records_are_lines_of_json(name: str) -> None:
    lines = written(name).splitlines()
    parsed = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert parsed == [RECORDS[0], RECORDS[1] | {"loss": None}]


@pytest.mark.parametrize("name", ["log.csv", "LOG.CSV"])
def test_a_name_that_ends_in_csv_has_csv_with_a_header(name: str) -> None:
    rows = list(csv.reader(io.StringIO(written(name))))
    assert rows == [["epoch", "loss", "note"], ["1", "0.5", 'a "b", c'], ["2", "", ""]]
