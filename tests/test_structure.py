"""Who may import whom, and which data the program has in it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import mnist_cli

PACKAGE = Path(mnist_cli.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    name = ".".join(("mnist_cli", *path.relative_to(PACKAGE).with_suffix("").parts))
    return name.removesuffix(".__init__")


MODULES = {name_of(path): path for path in FILES}
LAYERS = ["errors", "files", "nn", "images", "data", "recipe", "training", "cli"]
"""From the ground up: a file imports from its own layer and those before it."""

LAYER_OF = {
    "mnist_cli": "errors",
    "errors": "errors",
    "parallel": "errors",
    "blas": "errors",
    "progress": "errors",
    "texts": "errors",
    "doubts": "training",
    "files": "files",
    "nn": "nn",
    "images": "images",
    "data": "data",
    "settings": "errors",
    "config": "errors",
    "recipe": "recipe",
    "model": "training",
    "evaluation": "training",
    "page": "training",
    "plots": "training",
    "gradcheck": "training",
    "training": "training",
    "cli": "cli",
    "__main__": "cli",
}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module
            yield node.module


def layer(module: str) -> int:
    parts = module.split(".")
    return LAYERS.index(LAYER_OF[parts[1] if len(parts) > 1 else "mnist_cli"])


def test_imports_point_one_way() -> None:
    for own, path in MODULES.items():
        if own == "mnist_cli":
            continue  # the face, which loads what it names when it is asked for
        for module in imports(path):
            if module.split(".")[0] == "mnist_cli":
                assert layer(module) <= layer(own), f"{own} imports {module}"


GRADCHECK = {
    **dict.fromkeys(("reference", "result", "user_code", "wrong_answers"), 0),
    **dict.fromkeys(("comparison", "operation", "request"), 1),
    "point": 2,
    **dict.fromkeys(("adapters", "evidence"), 3),
    "mistakes": 4,
    "diagnosis": 5,
    **dict.fromkeys(("checks", "network"), 6),
    "checking": 7,
    "own_formulas": 8,
}
"""What the checker is made of, from the ground up; of one rank, neither imports the other."""


def test_the_checker_is_built_from_the_ground_up() -> None:
    for path in (PACKAGE / "gradcheck").rglob("*.py"):
        own = path.relative_to(PACKAGE / "gradcheck").parts[0].removesuffix(".py")
        for module in imports(path):
            _, _, inside = module.partition("mnist_cli.gradcheck.")
            other = inside.split(".")[0]
            if own in GRADCHECK and other in GRADCHECK and own != other:
                assert GRADCHECK[other] < GRADCHECK[own], f"{own} imports {other}"


def test_no_file_imports_another_that_imports_it_in_turn() -> None:
    """Counting what is imported when a file is loaded: neither in functions nor for types alone."""
    graph = {name: at_loading(path) for name, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " imports ".join([*above[above.index(module) :], module])
        if module not in done:
            for other in sorted(graph[module] & set(graph)):
                visit(other, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())
    assert len(done) == len(FILES)


def at_loading(path: Path) -> set[str]:
    """Return the modules that are loaded with a file; of ``from a import b``, b may be one.

    All of them load the face, which loads nothing.
    """
    found: set[str] = set()
    for node in parsed(path).body:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                part = f"{node.module}.{name.name}"
                found.add(part if part in MODULES else node.module)
    return found - {"mnist_cli"}


def test_nobody_imports_by_way_of_the_face() -> None:
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "mnist_cli":
                assert {name.name for name in node.names} <= {"__version__", "errors"}, path


def test_the_mathematics_imports_numpy_alone() -> None:
    for path in (PACKAGE / "nn").glob("*.py"):
        for module in imports(path):
            top = module.split(".")[0]
            if top == "mnist_cli":
                assert module.startswith("mnist_cli.nn.")
            else:
                assert top == "numpy" or top in sys.stdlib_module_names


def test_only_the_command_line_prints() -> None:
    for path in FILES:
        calls = [
            node.func.id
            for node in ast.walk(parsed(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert "print" not in calls, path
        if path.relative_to(PACKAGE).parts[0] not in ("cli", "__main__.py"):
            assert not {"click", "tqdm"} & {name.split(".")[0] for name in imports(path)}


def test_the_citation_names_the_version() -> None:
    citation = Path(__file__).parents[1] / "CITATION.cff"
    assert f"\nversion: {mnist_cli.__version__}\n" in citation.read_text("utf-8")
