"""The list of mistakes: each has a name, a sentence, a cure, and a wrong and a right line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from mnist_cli.gradcheck.result import Diagnosis

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence

Claim = NDArray[Any] | tuple[NDArray[Any], str]
"""The gradient that a mistake would give; and a sentence, where the mistake's own is not enough."""
Finder = Callable[["Evidence"], Iterator[Claim]]

Stage = Literal["shape", "first", "special", "factor", "place", "last", "behaviour"]
"""When a mistake is thought of: see `mnist_cli.gradcheck.diagnosis.diagnose`."""


@dataclass(frozen=True)
class Mistake:
    """A mistake that people make.

    Attributes
    ----------
    name : str
        What scripts can rely on.
    sentence : str
        What it is, and what to do.
    find : callable or None
        Yields the gradients that it would give at a point; None for what is seen in how code
        behaves, not in a gradient.
    stage : str
    formula : str
        What is right.
    wrong, right : str
        A line of code with the mistake, and the line without it.
    source : str
        Where to read more.
    """

    name: str
    sentence: str
    find: Finder | None
    stage: Stage
    formula: str
    wrong: str
    right: str
    source: str

    def diagnosis(self, sentence: str | None = None) -> Diagnosis:
        """Return the diagnosis that this is the mistake."""
        return Diagnosis(self.name, sentence or self.sentence)


@dataclass(frozen=True)
class Hypothesis:
    """One way in which a mistake shows in a gradient; a mistake may have several.

    Attributes
    ----------
    name : str
        The name of the mistake.
    sentence : str
    find : callable
    stage : str
    """

    name: str
    sentence: str
    find: Finder
    stage: Stage


MISTAKES: dict[str, Mistake] = {}
"""All of them by name, in the order in which they are thought of."""

HYPOTHESES: list[Hypothesis] = []
"""The ways in which they show, in the order in which they are held against the numbers."""

ALIASES = {
    "way-around-missing": "skip-connection-missing",
    "gradients-exchanged": "gradients-swapped",
}
"""What names of version 0.1 are called now."""


def mistake(
    name: str,
    *,
    wrong: str,
    right: str,
    formula: str = "",
    source: str = "",
    stage: Stage = "special",
) -> Callable[[Finder], Finder]:
    """Register a function that yields the gradients which a mistake would give.

    Its docstring is the sentence: what the mistake is, and what to do.
    """

    def register(find: Finder) -> Finder:
        sentence = _sentence(find)
        MISTAKES[name] = Mistake(name, sentence, find, stage, formula, wrong, right, source)
        HYPOTHESES.append(Hypothesis(name, sentence, find, stage))
        return find

    return register


def also(name: str, stage: Stage) -> Callable[[Finder], Finder]:
    """Register a further way in which a mistake shows, with a sentence of its own."""

    def register(find: Finder) -> Finder:
        HYPOTHESES.append(Hypothesis(name, _sentence(find), find, stage))
        return find

    return register


def behaviour(
    name: str, sentence: str, *, wrong: str, right: str, formula: str = "", source: str = ""
) -> Mistake:
    """Register a mistake that is seen in how code behaves, and return it."""
    made = Mistake(name, sentence, None, "behaviour", formula, wrong, right, source)
    MISTAKES[name] = made
    return made


def _sentence(find: Finder) -> str:
    return " ".join(inspect.cleandoc(find.__doc__ or "").split())
