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
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnist_cli.gradcheck.operation import Array, Arrays


@dataclass(frozen=True)
class Variable:
    """A variable in a module, or in the cell of a closure.

    Attributes
    ----------
    holder : dict or cell
    name : str
    """

    holder: MutableMapping[str, Any] | types.CellType
    name: str

    def get(self) -> Any:
        """Return what it is now."""
        if isinstance(self.holder, types.CellType):
            return self.holder.cell_contents
        return self.holder[self.name]

    def set(self, value: Any) -> None:
        """Let it be something else."""
        if isinstance(self.holder, types.CellType):
            self.holder.cell_contents = value
        else:
            self.holder[self.name] = value


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
            if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 1:
                found.setdefault(variable.name, variable)
            elif getattr(value, "__module__", None) == function.__module__:
                waiting.append(value)
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
