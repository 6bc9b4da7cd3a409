"""What an object holds: its arrays and numbers, wherever they are, and the way to each.

They may be in a list, in a dictionary, in an object within the object, in its class, or in what a
function of it remembers.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

import numpy as np

MOST_HELD = 1000
"""How many objects within an object are looked into for modules, which cannot be copied."""
DEPTH = 6
"""How deep objects within objects are looked into."""

PLAIN = (str, bytes, int, float, complex, bool, type(None), type, types.ModuleType, Enum)
"""What holds no arrays, or is not an object's own."""

NUMBERS = float | np.floating


@dataclass(frozen=True)
class Remembered:
    """A variable that a function remembers, as a step to what is held."""

    variable: str

    def cell(self, function: types.FunctionType) -> types.CellType:
        """Return where the function has it."""
        cells = function.__closure__ or ()
        return cells[function.__code__.co_freevars.index(self.variable)]

    def __str__(self) -> str:
        return self.variable


@dataclass(frozen=True)
class Place:
    """Where something is held.

    Attributes
    ----------
    steps : tuple
        From the object on: an attribute's name, a key in ``[...]`` as a tuple of one, or a
        variable that is Remembered.
    """

    steps: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The dotted name: ``params.W1``, ``layers.0.W``."""
        return ".".join(str(step[0] if isinstance(step, tuple) else step) for step in self.steps)

    @property
    def leaf(self) -> str:
        """The last part of the name."""
        step = self.steps[-1]
        return str(step[0] if isinstance(step, tuple) else step)

    def get(self, thing: Any) -> Any:
        """Return what is held there, or None."""
        try:
            for step in self.steps:
                thing = _held_at(step, thing)
        except Exception:
            return None
        return thing

    def set(self, thing: Any, value: Any) -> None:
        """Put something there."""
        for step in self.steps[:-1]:
            thing = _held_at(step, thing)
        last = self.steps[-1]
        if isinstance(last, tuple):
            thing[last[0]] = value
        elif isinstance(last, Remembered):
            last.cell(thing).cell_contents = value
        else:
            setattr(thing, last, value)


def _held_at(step: Any, thing: Any) -> Any:
    if isinstance(step, tuple):
        return thing[step[0]]
    if isinstance(step, Remembered):
        return step.cell(thing).cell_contents
    return getattr(thing, step)


def attributes(thing: Any) -> dict[str, Any]:
    """Return the attributes that an object has of its own."""
    try:
        found = dict(vars(thing))
    except TypeError:
        found = {}
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if isinstance(name, str) and not name.startswith("__"):
                with_value = getattr(thing, name, None)
                if with_value is not None:
                    found.setdefault(name, with_value)
    return found


def holds_objects(value: Any) -> bool:
    """Return whether a value is an array of objects in a row, as arrays of several shapes are."""
    return isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1


def is_own(thing: Any) -> bool:
    """Return whether something is an object of somebody's class, which may hold arrays."""
    if isinstance(thing, (*PLAIN, np.ndarray, np.generic, np.random.Generator)):
        return False
    if callable(thing) and isinstance(thing, types.BuiltinFunctionType | np.ufunc):
        return False
    return hasattr(thing, "__dict__") or hasattr(type(thing), "__slots__")


def walk(thing: Any) -> Iterator[tuple[Place, Any]]:
    """Yield all arrays and numbers that an object holds, with their places, the nearest first."""
    level: list[tuple[tuple[Any, ...], Any]] = [((), thing)]
    seen = {id(thing)}
    for _ in range(DEPTH):
        following: list[tuple[tuple[Any, ...], Any]] = []
        for steps, holder in level:
            for step, value in parts(holder):
                place = (*steps, step)
                in_tuple = isinstance(holder, tuple)  # where nothing can be replaced
                is_number = isinstance(value, NUMBERS) and not in_tuple
                is_list = is_float_list(value) and not in_tuple
                is_array = isinstance(value, np.ndarray) and not holds_objects(value)
                if is_array or is_number or is_list:
                    yield Place(place), value
                elif not isinstance(value, PLAIN) and id(value) not in seen:
                    seen.add(id(value))
                    following.append((place, value))
        level = following


def parts(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what an object, a list, a dictionary or a function holds, and the step to it."""
    if isinstance(holder, Mapping):
        for key, value in list(holder.items()):
            if isinstance(key, str | int):
                yield (key,), value
    elif isinstance(holder, list | tuple | deque) or holds_objects(holder):
        for index, value in enumerate(holder):
            yield (index,), value
    elif isinstance(holder, types.FunctionType):
        yield from remembered(holder)
    elif isinstance(holder, types.MethodType):
        yield "__self__", holder.__self__
    elif isinstance(holder, partial):
        yield from (("func", holder.func), ("args", holder.args), ("keywords", holder.keywords))
    elif is_own(holder):
        own = attributes(holder)
        yield from own.items()
        for name, value in shared(holder, own):
            yield name, value


def remembered(function: types.FunctionType) -> Iterator[tuple[Remembered, Any]]:
    """Yield what a function remembers; numbers are its settings, and left out."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:  # it is empty
            continue
        if not isinstance(value, NUMBERS):
            yield Remembered(name), value


def shared(holder: Any, own: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what belongs to the class, and arrays that a property makes of the object's."""
    for kind in type(holder).__mro__[:-1]:
        for name, value in list(kind.__dict__.items()):
            if name in own or name.startswith("__"):
                continue
            if may_hold_arrays(value, kind.__module__):
                yield name, value
            elif isinstance(value, property):
                try:
                    made = getattr(holder, name)
                except Exception:
                    continue
                if isinstance(made, np.ndarray):
                    yield name, made


def may_hold_arrays(value: Any, module: str) -> bool:
    """Return whether something is an array, or holds some: what is no array is of one's own."""
    if isinstance(value, np.ndarray | Mapping | list | tuple | deque):
        return True
    return is_own(value) and not callable(value) and type(value).__module__ == module


def holders(thing: Any) -> Iterator[Any]:
    """Yield an object and what it is made of: objects, lists and dictionaries."""
    waiting, seen = [thing], {id(thing)}
    while waiting:
        holder = waiting.pop()
        yield holder
        for _, value in parts(holder):
            if not isinstance(value, (*PLAIN, np.ndarray)) and id(value) not in seen:
                seen.add(id(value))
                if len(seen) < MOST_HELD:
                    waiting.append(value)


def held_modules(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the modules that an object, or one that it is made of, has as attributes."""
    for holder in holders(thing):
        for name, value in parts(holder):
            if isinstance(value, types.ModuleType):
                yield str(name), value


def place_in_class(thing: Any, place: Place) -> Place | None:
    """Return where on the way to a place something is held by a class, and by no object of it."""
    holder = thing
    for index, step in enumerate(place.steps):
        if isinstance(step, str) and step not in attributes(holder):
            for kind in type(holder).__mro__[:-1]:
                if may_hold_arrays(kind.__dict__.get(step), kind.__module__):
                    return Place(place.steps[: index + 1])
        holder = Place((step,)).get(holder)
    return None


def is_float_list(value: Any) -> bool:
    """Return whether a list, or one of lists, is an array of real numbers written as a list."""
    if not isinstance(value, list) or not value:
        return False
    if not all(isinstance(item, NUMBERS | int | list) for item in value):
        return False
    try:
        array = np.array(value)
    except ValueError:  # its rows are not of one length
        return False
    return array.dtype.kind == "f" and array.size > 0 and not _has_arrays(value)


def _has_arrays(value: list[Any]) -> bool:
    return any(
        _has_arrays(item) if isinstance(item, list) else isinstance(item, np.ndarray)
        for item in value
    )


def is_float_array(value: Any) -> bool:
    """Return whether a value is an array of real numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0
