"""What to tell of code that cannot be judged: what was tried, and the lines that would help."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from mnist_cli.gradcheck.adapters.methods import methods
from mnist_cli.gradcheck.adapters.places import is_own
from mnist_cli.gradcheck.adapters.signature import arguments
from mnist_cli.gradcheck.adapters.vocabulary import BACKWARDS, DERIVATIVES, FORWARDS
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError, call, required

MOST = 3
"""How many readings are told of."""


def why_not(code: Code, refused: Sequence[tuple[str, UserCodeError]], request: Request) -> str:
    """Return why somebody's code cannot be judged, and what would make it so.

    Parameters
    ----------
    code : Code
    refused : sequence of (str, UserCodeError)
        The readings that were tried, and what the code raised in each.
    request : Request
    """
    if not refused:
        return nothing_to_check(code, request)
    told: dict[str, str] = {}
    for convention, error in refused:
        told.setdefault(error.raised, convention)
    first, *lines = str(refused[0][1]).rstrip(".").split("\n")
    others = [f"as {convention}, {raised}" for raised, convention in list(told.items())[1:MOST]]
    if others:
        first += f"; it was read in other ways as well: {'; '.join(others)}"
    if not request.shapes and "--shape" not in first and not lines:
        first += "; if the shape of the input is wrong, give one with --shape"
    return "\n".join((f"{first}.", *lines))


def nothing_to_check(code: Code, request: Request) -> str:
    """Return what is missing in code in which there is nothing to be tried."""
    thing = code.thing
    name = code.target.rpartition(":")[2] or code.target
    if inspect.isroutine(thing) and not required(thing):
        made = call(thing)
        thing = made if is_own(made) else thing
    if inspect.isroutine(thing):
        x = next((argument.name for argument in arguments(thing)), "x")
        return (
            f"{code.target} returns no gradient, and no derivative of it was found: write one "
            f"beside it:\n    def {name}_prime({x}):\n        return ...  # d {name} / d {x}"
        )
    forwards = methods(thing, FORWARDS, request.forward)
    backwards = methods(thing, (*BACKWARDS, *DERIVATIVES), request.backward)
    missing = [wanted for wanted in (request.forward, request.backward) if wanted]
    missing = [wanted for wanted in missing if not callable(getattr(thing, wanted, None))]
    if missing:
        return f"{code.target} has no method {' and no '.join(missing)}: name one that it has."
    if not forwards:
        return (
            f"{code.target} cannot be checked, as it has no method forward or __call__; if yours "
            "have other names, give them by --forward-method and --backward-method."
        )
    forward = forwards[0]
    if not backwards:
        x = first_argument(getattr(thing, forward))
        return (
            f"{code.target} has {forward}, and no backward, gradient or derivative: name it with "
            f"--backward-method, or write one:\n    def backward(self, dout):\n"
            f"        return dout * ...  # the gradient to {x}"
        )
    return (
        f"{code.target} has {forward}() and {backwards[0]}(), which take no array, and holds none "
        "either: set what they read in __init__:\n"
        "    self.input = np.random.randn(10)"
    )


def first_argument(function: Any) -> str:
    """Return what a function calls its first argument."""
    names = [argument.name for argument in arguments(function) if argument.name != "self"]
    return next(iter(names), "self.input")
