"""A reading: how somebody's code is called, and what its gradients are.

What each argument of forward and of backward is given, which of the results is the output, what
backward gives. The conventions (`objects`, `functions`) make readings; `code` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mnist_cli.gradcheck.adapters.drawing import Draw
from mnist_cli.gradcheck.adapters.state import State

Role = Literal[
    "data",
    "labels",
    "literal",
    "dout",
    "out",
    "cache",
    "beside",
    "rate",
    "packed",
    "collect",
    "kept",
    "optimiser",
    "places",
]


@dataclass(frozen=True)
class Slot:
    """What an argument is given.

    Attributes
    ----------
    role : str
        ``data``: the array ``name``. ``packed``: a list or a dictionary, like the value, with the
        arrays ``parts`` at their keys; the labels where the name is None. ``literal``: the value.
        ``places`` are the rows of a table that are looked up: integers, which have no gradient.
        ``labels``, ``dout`` and ``rate``, a learning rate, speak for themselves; a rate that is
        not called so has its name. ``out`` is what forward returned first, ``cache`` what it
        returned besides, ``beside`` one of these things, whose place among them is the value,
        ``kept`` what the object keeps as its output, ``collect`` a dictionary for gradients to be
        put into, and ``optimiser`` what notes the gradients that it is given. Of a forward with
        several outputs, each dout has the place of its own as the value.
    """

    role: Role
    name: str = ""
    value: Any = None
    parts: tuple[tuple[Any, str | None], ...] = ()
    keyword: str | None = None


def data(name: str) -> Slot:
    """Return the slot of an array."""
    return Slot("data", name)


def literal(value: Any, keyword: str | None = None) -> Slot:
    """Return the slot of a value that stays as it is."""
    return Slot("literal", value=value, keyword=keyword)


@dataclass(frozen=True)
class Cost:
    """The loss of an output, where forward gives that alone.

    Attributes
    ----------
    function : str or callable
        A method's name, or a function.
    takes : tuple of Slot
        Its arguments, of which ``out`` is the output.
    labels : str
        What backward calls the labels.
    """

    function: str | Callable[..., Any]
    takes: tuple[Slot, ...]
    labels: str


@dataclass(frozen=True)
class Reading:
    """One way to read somebody's code.

    Attributes
    ----------
    convention : str
        What it is called where it is told what was tried.
    state : State
        The object, or what a function remembers; of None for a plain function.
    forward, backward : str or callable
        A method's name, or a function. Backward is None where forward returns the gradients.
    takes, wants : tuple of Slot
        The arguments of forward, and of backward.
    draws : dict of Draw
        How the arrays that are arguments are drawn, by name.
    labels : Draw or None
    known : dict of Draw
        Those of the draws that are not to be found out.
    gives : str
        What backward gives: ``gradient``; ``slope``, the elementwise derivative, to be multiplied
        with dout; ``jacobian``.
    output : int or None
        Which of several results of forward is the output; the first of one number or of the
        right shape if None.
    order : tuple of str or None
        The names of the gradients that are returned, where the order of arguments is not theirs.
    kind : str
    """

    convention: str
    state: State
    forward: str | Callable[..., Any]
    backward: str | Callable[..., Any] | None
    takes: tuple[Slot, ...]
    wants: tuple[Slot, ...] = ()
    draws: Mapping[str, Draw] = field(default_factory=dict)
    labels: Draw | None = None
    known: Mapping[str, Draw] = field(default_factory=dict)
    gives: Literal["gradient", "slope", "jacobian"] = "gradient"
    output: int | None = None
    order: tuple[str, ...] | None = None
    kind: str = "layer"
    exempt: frozenset[str] = frozenset()
    dout_attribute: str = ""
    """Where an object has the gradient from above, whose backward takes nothing."""
    is_against_names: bool = False
    """Whether the labels are another argument than the one that is called so."""
    cost: Cost | None = None
    """What the gradients are of, where that is not what forward gives."""
    remark: str = ""
    """What to say of how it was read."""
    own_rate: str = ""
    """The number of the object that is the learning rate of its updates by what it does alone."""
    has_normalised_steps: bool = False
    """Whether what backward moves is as far for a small gradient, so that no gradient is told."""

    @property
    def takes_dout(self) -> bool:
        """Whether backward is given a gradient from above."""
        return bool(self.dout_attribute) or any(slot.role == "dout" for slot in self.wants)

    @property
    def has_rate(self) -> bool:
        """Whether backward is given a learning rate."""
        return any(slot.role == "rate" for slot in self.wants)

    @property
    def looks_up(self) -> bool:
        """Whether forward takes the rows of a table to look up, and no array."""
        return any(slot.role == "places" for slot in self.takes)

    @property
    def outputs(self) -> int:
        """How many of forward's results are the output, if backward takes a gradient of each."""
        return 1 + max((s.value for s in self.wants if s.role == "dout" and s.value), default=-1)

    @property
    def guessed_rate(self) -> str:
        """The argument of backward that is a learning rate by nothing but what it does."""
        return next((slot.name for slot in self.wants if slot.role == "rate"), "")

    def method(self, worker: Any, which: str | Callable[..., Any]) -> Callable[..., Any]:
        """Return a method of a copy of the object, or the function itself."""
        return getattr(worker, which) if isinstance(which, str) else which
