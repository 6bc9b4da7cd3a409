"""Updates inside of a backward: what stands in for an optimiser, and what a move tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.places import Place, is_own
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.vocabulary import RATE, UPDATING, is_named
from mnist_cli.gradcheck.operation import Array, Arrays
from mnist_cli.gradcheck.user_code import positional

STEP = 0.5
"""The learning rate of the updates that are made inside of a backward: exact in binary."""


class Recorder:
    """In the place of an optimiser: notes the gradient of each parameter, and makes a plain step.

    Without a step, code that goes on with the weights that it has just changed would look right.
    """

    def __init__(self, live: Callable[[], Arrays]):
        self._live = live
        self.noted: Arrays = {}
        self.was_asked_rate = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if is_named(name, RATE):
            self.was_asked_rate = True
            return STEP
        return self._update

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Note what an optimiser that is a function is given."""
        return self._update(*arguments, **named)

    def _update(self, *arguments: Any, **named: Any) -> Any:
        arguments = (*arguments, *named.values())
        pairs = [each for each in arguments if each is not None and not isinstance(each, str)]
        if len(pairs) == 1 and isinstance(pairs[0], list | tuple):
            for pair in pairs[0]:
                if isinstance(pair, list | tuple):
                    self._update(*pair)
            return None
        if len(pairs) < 2:
            return None
        first, second = pairs[:2]
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            for key, value in first.items():
                if key in second:
                    self._note(value, second[key])
        elif isinstance(first, list | tuple) and isinstance(second, list | tuple):
            for value, gradient in zip(first, second, strict=False):
                self._note(value, gradient)
        elif self._note(first, second):
            return stepped(first, second)
        elif self._note(second, first):
            return stepped(second, first)
        return first

    def _note(self, value: Any, gradient: Any) -> bool:
        for name, array in self._live().items():
            if array is value or (isinstance(value, np.ndarray) and np.array_equal(array, value)):
                self.noted[name] = np.array(gradient)
                return True
        return False


def by_move(before: Array, gradient: Array, rate: float) -> str:
    """Return how a gradient was found that is ``(before − after)/rate``, and how exact that is.

    The parameter after the update is rounded to half a unit of its last place.
    """
    size = abs(rate) * float(np.abs(gradient).max(initial=0))
    unit = float(np.spacing(np.abs(before).max(initial=0)))
    return f"by what the update moved, exact to {unit / 2 / size if size else 0.0:.0e}"


def stepped(value: Any, gradient: Any) -> Any:
    """Return a parameter after a step down its gradient; itself where the shapes do not fit."""
    if np.shape(value) != np.shape(gradient):
        return value
    return value - STEP * np.asarray(gradient)


def optimisers(state: State) -> list[Place]:
    """Return where an object holds optimisers: what is given a value with its gradient."""
    found = []
    thing = state.thing
    for name, value in (vars(thing) if hasattr(thing, "__dict__") else {}).items():
        if not is_own(value) or isinstance(value, np.ndarray) or hasattr(value, "__getitem__"):
            continue
        for method in UPDATING:
            update = getattr(value, method, None)
            if callable(update) and positional(update) >= 2:
                found.append(Place((name,)))
                break
    return found
