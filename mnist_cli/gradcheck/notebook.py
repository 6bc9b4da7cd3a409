"""A notebook as a module: its code cells, run in order in one namespace."""

from __future__ import annotations

import json
import linecache
import re
import textwrap
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from mnist_cli.gradcheck.user_code import UserCodeError

PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun", "%%python3", "%%python")
"""Magics that stand above a cell of Python; under any other, a cell is no Python."""

MAGIC = re.compile(r"[%!?]|.*\?\s*$|[\w, ]+=\s*[%!]")
"""Lines that are the notebook's, and no Python: magics, lines for the shell, calls for help."""

MOST_LETTERS = 200
"""How much is told of an exception."""

TIMED = re.compile(r"%time\s+")


def read_cells(path: Path) -> list[str]:
    """Return the code cells of a notebook, as Python.

    Raises
    ------
    UserCodeError
        If it is no notebook.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        sheets = document.get("worksheets") or [document]  # before version 4 of the format
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        return [
            without_magics(_text(cell.get("source", cell.get("input", ""))))
            for cell in cells
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserCodeError(
            f"{path} is not a notebook: it cannot be read as JSON with cells "
            f"({type(error).__name__}: {error})."
        ) from error


def _text(source: Any) -> str:
    return source if isinstance(source, str) else "".join(source)


def without_magics(cell: str) -> str:
    """Return a cell without its magics and shell lines; what ``%time`` runs stays.

    A line may begin with ``%`` and be Python, as the second of ``print("…"`` and ``% x)`` is; so
    only what Python itself does not understand is taken out.
    """
    lines = cell.split("\n")
    first = next((line for line in lines if line.strip()), "").strip()
    if first.startswith("%%"):
        if first.split()[0] not in PYTHON_CELLS:
            return ""
        lines[lines.index(next(line for line in lines if line.strip()))] = ""
    for _ in range(len(lines)):
        try:
            compile("\n".join(lines), "cell", "exec", dont_inherit=True)
        except SyntaxError as error:
            number = (error.lineno or 0) - 1
            # A block that has lost its only line is told of at the line behind it.
            line = lines[number] if 0 <= number < len(lines) else ""
            code = line.strip()
            if not MAGIC.match(code):
                break
            indent = line[: len(line) - len(line.lstrip())]
            rest = TIMED.sub("", code, count=1) if TIMED.match(code) else "pass"
            lines[number] = indent + rest
        except (ValueError, RecursionError, MemoryError):
            break
        else:
            break
    return "\n".join(lines)


def run_cells(path: Path, cells: list[str], module: ModuleType) -> list[str]:
    """Run the cells in a module, and return a sentence for each that failed."""
    failed = []
    # What a notebook shows is seen by nobody here.
    module.__dict__["display"] = lambda *things, **options: None
    for number, cell in enumerate(cells, start=1):
        name = f"{path}, code cell {number}"
        # A traceback, and inspect, find its lines here.
        linecache.cache[name] = len(cell), None, cell.splitlines(keepends=True), name
        try:
            exec(compile(cell, name, "exec", dont_inherit=True), module.__dict__)
        except BaseException as error:  # SystemExit, too
            what = traceback.format_exception_only(error)[-1].strip().rstrip(".")
            what = textwrap.shorten(what, MOST_LETTERS, placeholder="…")
            failed.append(f"Code cell {number} of {path} raised {what}, and was skipped.")
    return failed
