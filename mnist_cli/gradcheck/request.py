"""What was asked for: the options of a check, as the command line and Python give them.

Nothing here needs NumPy; and all of it can be written as JSON for another process.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from mnist_cli.gradcheck.result import TOLERANCE

Labels = Literal["onehot", "index"]


@dataclass(frozen=True)
class Request:
    """How something is to be checked.

    Attributes
    ----------
    shapes : dict of tuple of int
        Shapes of named arrays (``w``, ``params.W1``, ``inputs.0``); the input's has the name "".
    arguments : dict
        Literals for named arguments.
    classes : int or None
        How many classes the labels are of.
    columns : bool
        Whether examples are columns.
    labels : {"onehot", "index"} or None
        The form of the labels; what the code takes if None.
    forward, backward : str or None
        The names of the methods, where they are not among the usual ones.
    constants : frozenset of str
        Arrays that move the output and have no gradient by intent.
    skip : frozenset of str
        Rows to leave out, by their kind or their name, with hyphens for spaces.
    seed : int
        Decides the random numbers.
    tolerance : float
        The largest relative error that passes.
    """

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    classes: int | None = None
    columns: bool = False
    labels: Labels | None = None
    forward: str | None = None
    backward: str | None = None
    constants: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    seed: int = 0
    tolerance: float = TOLERANCE

    def told(self, name: str, value: Any) -> Request:
        """Return the same request with the value of one more argument."""
        return replace(self, arguments={**self.arguments, name: value})

    def as_dict(self) -> dict[str, Any]:
        """Return the request as JSON has it; literals are told apart by their `repr`."""
        return {
            **asdict(self),
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "arguments": {name: repr(value) for name, value in self.arguments.items()},
            "constants": sorted(self.constants),
            "skip": sorted(self.skip),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Request:
        """Return the request that `as_dict` made a document of."""
        from ast import literal_eval

        return cls(
            **document
            | {
                "shapes": {name: tuple(shape) for name, shape in document["shapes"].items()},
                "arguments": {
                    n: interned(literal_eval(text)) for n, text in document["arguments"].items()
                },
                "constants": frozenset(document["constants"]),
                "skip": frozenset(document["skip"]),
            }
        )


def interned(value: Any) -> Any:
    """Return a literal as it is in code, where ``activation is "relu"`` holds for the same text."""
    return sys.intern(value) if type(value) is str else value


@dataclass(frozen=True)
class Code:
    """Somebody's code: what a target names.

    Attributes
    ----------
    target : str
        As the user named it: ``layers.py:Softmax``.
    thing : object
        A class, an object or a function.
    backward : callable or None
        The second of two functions.
    module : dict
        The names beside it, in its file.
    """

    target: str
    thing: Any
    backward: Any = None
    module: dict[str, Any] = field(default_factory=dict)
