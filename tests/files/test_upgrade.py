from __future__ import annotations

from typing import Any

import pytest

from mnist_cli.files.upgrade import NewerFormatError, newest, upgraded

STEPS = [
    lambda document: document | {"two": True},
    lambda document: document | {"three": document["two"]},
]


def test_each_step_makes_the_next_format_of_the_one_before() -> None:
    assert newest(STEPS) == 3
    assert upgraded({"v": 1}, "v", STEPS) == {"v": 3, "two": True, "three": True}
    assert upgraded({"v": 2, "two": 5}, "v", STEPS) == {"v": 3, "two": 5, "three": 5}
    assert upgraded({"v": 3}, "v", STEPS) == {"v": 3}
    assert upgraded({"v": 1}, "v", []) == {"v": 1}


@pytest.mark.parametrize("version", [0, -1, 1.0, "1", None, True])
def test_what_is_no_format_number_is_refused(version: Any) -> None:
    with pytest.raises(ValueError, match="v"):
        upgraded({"v": version}, "v", STEPS)


def test_a_newer_format_is_told() -> None:
    with pytest.raises(NewerFormatError, match="format 4, and this version knows 3"):
        upgraded({"v": 4}, "v", STEPS)
