"""What the checker says of a piece of the corpus, as the command line would ask it."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from corpus.manifest import Piece

from mnist_cli.cli.gradcheck import gradcheck
from mnist_cli.cli.main import main
from mnist_cli.gradcheck.checking import check_code
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.result import Group
from mnist_cli.gradcheck.target import find
from mnist_cli.gradcheck.user_code import UserCodeError

FOLDER = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Verdict:
    """What came of checking a piece.

    Attributes
    ----------
    group : Group or None
        The rows; None where the piece was refused.
    refusal : str
        Why it was refused.
    """

    group: Group | None
    refusal: str = ""

    @property
    def is_judged(self) -> bool:
        """Whether the piece was checked."""
        return self.group is not None

    @property
    def failed(self) -> dict[str, str]:
        """The rows that failed, with their diagnoses."""
        if self.group is None:
            return {}
        return {
            row.name: row.diagnosis.name if row.diagnosis else ""
            for row in self.group.checks
            if not row.passed
        }

    def is_right(self, piece: Piece) -> bool:
        """Return whether the piece is judged, and judged rightly."""
        return self.group is not None and self.group.passed == piece.is_right

    def is_named(self, piece: Piece) -> bool:
        """Return whether what is wrong with the piece is named; `unknown` is no name."""
        return bool(set(self.failed.values()) & (set(piece.diagnoses) - {"unknown"}))

    def __str__(self) -> str:
        return self.refusal or str(self.failed or "all passed")


@cache
def judge(piece: Piece) -> Verdict:
    """Return what the checker says of a piece."""
    target = f"{FOLDER / piece.idiom}.py:{piece.target}"
    np.random.seed(1)  # noqa: NPY002 (theirs)
    with _imports_undone(), contextlib.redirect_stdout(io.StringIO()):
        try:
            (candidate,) = find(target).candidates
            return Verdict(check_code(candidate.code, request(piece.options)))
        except UserCodeError as error:
            return Verdict(None, str(error))


def request(options: tuple[str, ...]) -> Request:
    """Return what options of the command line ask for."""
    # click remembers the option for help of the first context that asks for it: -h is one, too.
    names = main.context_settings["help_option_names"]
    made = gradcheck.make_context("gradcheck", ["FILE", *options], help_option_names=names)
    asked = made.params
    return Request(
        shapes=asked["shapes"],
        arguments=asked["arguments"],
        classes=asked["classes"],
        columns=asked["columns"],
        labels=asked["labels"],
        forward=asked["forward_method"],
        backward=asked["backward_method"],
        constants=frozenset(asked["constants"]),
        skip=asked["skip"],
        seed=asked["seed"],
        tolerance=asked["tolerance"],
    )


@contextlib.contextmanager
def _imports_undone() -> Iterator[None]:
    """Forget what is imported within: two idioms may have modules of one name."""
    path, argv, modules = list(sys.path), list(sys.argv), set(sys.modules)
    try:
        yield
    finally:
        sys.path[:], sys.argv[:] = path, argv
        folder = str(FOLDER)
        for name in set(sys.modules) - modules:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(folder):
                del sys.modules[name]
