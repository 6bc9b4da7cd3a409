"""Arrays that code sees around it: variables of its module, and of the function that made it.

W = np.random.randn(4, 3)
def linear(x): return x @ W

They are parameters as those are that an object holds. Only while the code runs do they have other
numbers.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.places import (
    NUMBERS,
    Place,
    holders,
    is_float_array,
    may_hold_arrays,
    walk,
)
from mnist_cli.gradcheck.operation import Array, Arrays


@dataclass(frozen=True)
class Variable:
    """An array in a module, or in the cell of a closure, or in what is held there.

    Attributes
    ----------
    holder : dict or cell
    name : str
        What the code calls it.
    within : Place
        Where the array is in the variable, as in ``params["W"]``; no steps if it is the array.
    """

    holder: MutableMapping[str, Any] | types.CellType
    name: str
    within: Place = field(default=Place(()))

    @property
    def place(self) -> Place:
        """The place that names the array: of the variable, and in it."""
        return Place((self.name, *self.within.steps))

    def get(self) -> Any:
        """Return what it is now."""
        return self.within.get(self.whole())

    def set(self, value: Any) -> None:
        """Let it be something else."""
        if self.within.steps:
            self.within.set(self.whole(), value)
        elif isinstance(self.holder, types.CellType):
            self.holder.cell_contents = value
        else:
            self.holder[self.name] = value

    def whole(self) -> Any:
        """Return what the variable is now, of which the array may be a part."""
        if isinstance(self.holder, types.CellType):
            return self.holder.cell_contents
        return self.holder[self.name]

    def neighbours(self) -> list[tuple[str, Any]]:
        """Return the other variables of its module, by name."""
        return [] if isinstance(self.holder, types.CellType) else list(self.holder.items())

    def arrays(self, module: str) -> Iterator[Variable]:
        """Yield the arrays in it that can be replaced: of objects, those whose class is there."""
        whole = self.whole()
        if isinstance(whole, np.ndarray):
            yield self
        elif isinstance(whole, type) and whole.__module__ == module:
            for name, value in list(vars(whole).items()):
                if not name.startswith("__") and may_hold_arrays(value, module):
                    yield from self._inside((name,), value)
        elif may_hold_arrays(whole, module):
            yield from self._inside((), whole)

    def _inside(self, steps: tuple[str, ...], held: Any) -> Iterator[Variable]:
        places = [Place(())] if isinstance(held, np.ndarray) else [place for place, _ in walk(held)]
        for place in places:
            found = replace(self, within=Place((*steps, *place.steps)))
            value = found.get()
            try:
                found.set(value)
            except Exception:  # as in a tuple, or of a property
                continue
            yield found


def surroundings(thing: Any, functions: Iterable[Callable[..., Any]] = ()) -> dict[str, Variable]:
    """Return the variables with arrays of floats that some functions read, by name.

    Parameters
    ----------
    thing : object or None
        All methods of its class are functions that are looked at.
    functions : iterable of callable
    """
    found: dict[str, Variable] = {}
    waiting: list[Any] = [*functions, *_methods(thing)]
    seen: set[int] = set()
    while waiting:
        function = waiting.pop(0)
        function = getattr(function, "__func__", function)
        function = getattr(function, "__wrapped__", function)
        if not isinstance(function, types.FunctionType) or id(function) in seen:
            continue
        seen.add(id(function))
        for variable in _variables(function):
            try:
                value = variable.get()
            except (KeyError, ValueError):  # it is not there yet
                continue
            for held in variable.arrays(function.__module__):
                if is_float_array(held.get()) and held.get().size > 1:
                    found.setdefault(held.place.name, held)
            if getattr(value, "__module__", None) == function.__module__:
                waiting.append(value)
    return found


def constants(thing: Any) -> dict[str, float]:
    """Return the numbers of an object's classes, and those of modules that their methods read.

    As a learning rate may be: ``lr = 0.1`` in the class, or ``LEARNING_RATE = 0.1`` above it.
    """
    found: dict[str, float] = {}
    bases = [base for holder in holders(thing) for base in type(holder).__mro__[:-1]]
    for value_of in (vars(base) for base in dict.fromkeys(bases)):
        for name, value in list(value_of.items()):
            if isinstance(value, NUMBERS):
                found.setdefault(name, float(value))
            elif isinstance(value, types.FunctionType):
                read = {n: value.__globals__.get(n) for n in _global_names(value.__code__)}
                found |= {n: float(v) for n, v in read.items() if isinstance(v, NUMBERS)}
    return found


def _methods(thing: Any) -> Iterator[Any]:
    for kind in type(thing).__mro__[:-1] if thing is not None else ():
        yield from list(kind.__dict__.values())


def _variables(function: types.FunctionType) -> Iterator[Variable]:
    for name in _global_names(function.__code__):
        if name in function.__globals__:
            yield Variable(function.__globals__, name)
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        if name != "__class__":  # which super() reads
            yield Variable(cell, name)


def _global_names(code: types.CodeType) -> Iterator[str]:
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


@contextmanager
def replaced(variables: dict[str, Variable], arrays: Arrays) -> Iterator[None]:
    """Let variables have other numbers, and note in ``arrays`` what they are in the end."""
    before: dict[str, Array] = {name: variables[name].get() for name in arrays}
    for name, array in arrays.items():
        variables[name].set(array)
    try:
        yield
    finally:
        for name, array in before.items():
            arrays[name] = variables[name].get()
            variables[name].set(array)
