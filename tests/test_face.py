"""What ``import mnist_cli`` offers, and what it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mnist_cli


def names_for_type_checkers() -> list[str]:
    tree = ast.parse(Path(mnist_cli.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return [
        name.name for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names
    ]


def test_the_face_is_its_list() -> None:
    assert dir(mnist_cli) == sorted([*mnist_cli.__all__, "__version__"])
    assert sorted(mnist_cli.__all__) == sorted(names_for_type_checkers())
    for name in mnist_cli.FACE:
        public = getattr(mnist_cli, name)
        assert public.__name__ == name
        assert public.__doc__
        assert public.__module__.startswith(mnist_cli.FACE[name])
    assert mnist_cli.__getattr__("errors") is mnist_cli.errors


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        mnist_cli.trian  # noqa: B018


@pytest.mark.parametrize("code", ["import mnist_cli", "from mnist_cli import Recipe, errors"])
def test_nothing_that_takes_time_is_loaded_before_it_is_asked_for(code: str) -> None:
    heavy = "{'numpy', 'requests', 'tqdm', 'click'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"import sys\n{code}\nassert not {heavy}"], check=True)
