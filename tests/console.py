"""Documents whose code is run: blocks of Python are files, and blocks of commands have outputs.

A block of Python that begins with ``# NAME.py`` is that file. One that is indented is the mend of
the file before it: its methods take the place of those of the same names, or come after them.

    python tests/console.py docs/gradcheck.md README.md

writes into documents what their commands of ``gradcheck`` print now.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# ([\w/]+\.py)\n")
STATUS = "echo $?"
TRAINING = ("train", "evaluate", "sweep")


@dataclass(frozen=True)
class Block:
    """A block of code in a document: its language, and its lines."""

    kind: str
    text: str


@dataclass(frozen=True)
class Step:
    """A command, what it is said to print, and the status that it is said to end with."""

    command: str
    output: str
    status: int
    is_status_shown: bool


def blocks(text: str) -> list[Block]:
    """Return the blocks of code of a document, in their order."""
    return [Block(*match) for match in BLOCK.findall(text)]


def steps(block: Block) -> Iterator[Step]:
    """Yield the commands of a block; ``echo $?`` belongs to the one before it."""
    parts = [part.partition("\n") for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)]
    for (command, _, output), (after, _, shown) in zip(
        parts[1:], [*parts[2:], ("", "", "")], strict=True
    ):
        if command != STATUS:
            status = int(shown) if after == STATUS else 1 if "Error:" in output else 0
            yield Step(command, output, status, after == STATUS)


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a shell of 80 columns would find it after an installation."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MNIST_CLI_")}
    ours = {"PATH": path, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "80"}
    return subprocess.run(
        command,
        cwd=folder,
        env=clean | ours | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def without_numbers(text: str, command: str) -> list[str]:
    """Return the words of a text, with the numbers alike that differ from machine to machine.

    Training ends a little differently where additions are done in another order; of a gradient
    check, only the rounding errors do.
    """
    fractions = r"-?\d+\.\d+(e[+-]\d+)?|\d+e[+-]\d+"
    is_of_training = command.startswith(tuple(f"mnist-cli {name}" for name in TRAINING))
    measured = rf"{fractions}|\d+" if is_of_training else fractions
    words = re.sub(measured, "0", text).split()
    # In the confusion matrix, no error is a dot.
    return ["0" if word == "." else word for word in words]


def compare(block: Block, folder: Path, **environment: str) -> None:
    """Run the commands of a block, and compare what they print and how they end."""
    for step in steps(block):
        result = run(shlex.split(step.command), folder, **environment)
        got = without_numbers(result.stdout, step.command)
        assert got == without_numbers(step.output, step.command), result.stdout
        assert result.returncode == step.status, step.command


@dataclass
class Files:
    """The files of a document, written into a folder as they come.

    Attributes
    ----------
    folder : Path
    last : Path or None
        The file that was written last, which a mend is one of.
    """

    folder: Path
    last: Path | None = None

    def write(self, block: Block) -> None:
        """Write a block of Python, if it is a file or a mend of one."""
        named = FILE.match(block.text)
        if named:
            self.last = self.folder / named[1]
            self.last.write_text(block.text, "utf-8")
        elif re.match(r"    |class |def ", block.text):
            assert self.last is not None
            self.last.write_text(mended(self.last.read_text("utf-8"), block.text), "utf-8")


def mended(source: str, mend: str) -> str:
    """Return a source with the functions of a mend in the place of those of the same names.

    What is indented is a method of whichever class has one of that name; what no class has comes
    at the end.
    """
    is_method = mend.startswith("    ")
    whole = f"class _:\n{mend}" if is_method else mend
    for owner, name, lines in functions(whole):
        text = whole.splitlines()[lines]
        places = [
            place
            for other, called, place in functions(source)
            if called == name and (is_method or other == owner)
        ]
        old = source.splitlines()
        if places:
            old[places[0]] = text
        else:
            old += ["", *text]
        source = "\n".join(old) + "\n"
    return source


def functions(source: str) -> list[tuple[str, str, slice]]:
    """Return the functions and methods of a source: the class, the name, and the lines."""
    found = []
    for node in ast.parse(source).body:
        owner = node.name if isinstance(node, ast.ClassDef) else ""
        for function in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(function, ast.FunctionDef):
                first = min([function.lineno, *(part.lineno for part in function.decorator_list)])
                found.append((owner, function.name, slice(first - 1, function.end_lineno)))
    return found


def refreshed(text: str, folder: Path) -> str:
    """Return a document with what its commands of ``gradcheck`` print now."""
    files = Files(folder)

    def replaced(match: re.Match[str]) -> str:
        block = Block(*match.groups())
        if block.kind == "python":
            files.write(block)
        if block.kind != "console" or "gradcheck" not in block.text:
            return match[0]
        lines = []
        for step in steps(block):
            result = run(shlex.split(step.command), folder)
            lines.append(f"$ {step.command}\n{result.stdout}")
            if step.is_status_shown:
                lines.append(f"$ {STATUS}\n{result.returncode}\n")
        return f"```console\n{''.join(lines)}```"

    return BLOCK.sub(replaced, text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as temporary:
            document = Path(name)
            document.write_text(refreshed(document.read_text("utf-8"), Path(temporary)), "utf-8")
