"""What an object holds: its arrays by dotted names, and copies of it with other arrays inside.

An array may be held under several names, as a view of another one, in a list, in a dictionary, in
an object within the object, or in a closure. All names that share memory are one array: a copy in
which it is replaced sees the new numbers under each of them.
"""

from __future__ import annotations

import copy
import types
import weakref
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.places import (
    NUMBERS,
    PLAIN,
    Place,
    attributes,
    held_modules,
    holders,
    is_float_array,
    is_own,
    place_in_class,
    walk,
)
from mnist_cli.gradcheck.adapters.surroundings import Variable, constants
from mnist_cli.gradcheck.adapters.vocabulary import AMBIGUOUS_RATES, RATE, is_named
from mnist_cli.gradcheck.operation import Array, Arrays
from mnist_cli.gradcheck.user_code import UserCodeError


def root(array: Array) -> Array:
    """Return the array that owns the memory of another."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class State:
    """An object with its arrays, which can be copied with other arrays in it.

    Parameters
    ----------
    thing : object
        It is left as it is.
    outside : dict of Variable, optional
        Variables with arrays that its code sees around it.

    Attributes
    ----------
    arrays : dict of array
        The floating-point arrays that it holds, by dotted names; those that are lists, and those
        that its code sees around it, too.
    places : dict of Place
        Where each array, and each number, is held.
    """

    def __init__(self, thing: Any, outside: Mapping[str, Variable] | None = None):
        self.thing = thing
        self.outside: dict[str, Variable] = {}
        self.lists: set[str] = set()
        self.places: dict[str, Place] = {}
        self.arrays: Arrays = {}
        self.numbers: dict[str, float] = {}
        for place, value in walk(thing):
            name = place.name
            if name in self.places:
                continue
            if is_float_array(value):
                self.arrays[name] = value
                self.places[name] = place
            elif isinstance(value, list):
                self.arrays[name] = np.array(value, np.float64)
                self.places[name] = place
                self.lists.add(name)
            elif isinstance(value, NUMBERS):
                self.numbers[name] = float(value)
                self.places[name] = place
        for name, variable in (outside or {}).items():
            if name not in self.places:
                self.arrays[name] = variable.get()
                self.places[name] = variable.place
                self.outside[name] = variable
        self._roots = {name: root(array) for name, array in self.arrays.items()}
        self._functions = list(closures(thing))
        of_class = (place_in_class(thing, place) for place in self.places.values())
        self._of_class = {place for place in of_class if place is not None}
        self._kept = [value for _, value in held_modules(thing)]
        self._references = [
            (holder, name, value)
            for holder in holders(thing)
            for name, value in attributes(holder).items()
            if isinstance(value, weakref.ref)
        ]

    @cached_property
    def rate(self) -> float | None:
        """The learning rate of its own, which it holds, or its classes or their modules."""
        own, around = self.numbers.items(), constants(self.thing).items()
        sure = [v for n, v in [*own, *around] if v and is_named(n, RATE - AMBIGUOUS_RATES)]
        unsure = [v for n, v in own if v and is_named(n, AMBIGUOUS_RATES)]
        return next(iter(sure + unsure), None)

    def group(self, name: str) -> list[str]:
        """Return all names whose arrays share memory with one, itself included."""
        array = self.arrays[name]
        return [
            other
            for other, value in self.arrays.items()
            if self._roots[other] is self._roots[name] and np.may_share_memory(value, array)
        ]

    def twins(self, name: str) -> list[str]:
        """Return all names of one array: those that hold the very same numbers in memory."""
        if name not in self.arrays:
            return [name]
        array = self.arrays[name].__array_interface__
        return [
            other
            for other in self.group(name)
            if all(
                self.arrays[other].__array_interface__[key] == array[key]
                for key in ("data", "shape", "strides")
            )
        ]

    def copied(self, replaced: Mapping[str, Array] | None = None) -> Any:
        """Return a copy of the object, with other arrays, and numbers, in some places.

        A replaced array may be complex; so are then, in the copy, all that share its memory.
        """
        memo: dict[int, Any] = {id(value): value for value in self._kept}
        kept: list[Any] = []  # ids are of living objects
        roots: dict[int, Array] = {}
        not_inside = {*self.outside, *self.lists}
        inside = {name: array for name, array in self.arrays.items() if name not in not_inside}
        changed = {name: value for name, value in (replaced or {}).items() if name in inside}
        for name, value in changed.items():
            owner = self._roots[name]
            if value.shape != self.arrays[name].shape:
                memo[id(self.arrays[name])] = value  # of another number of examples
                continue
            kind = np.result_type(value.dtype, roots.get(id(owner), value).dtype)
            if id(owner) not in roots or roots[id(owner)].dtype != kind:
                start = roots.get(id(owner), owner)
                roots[id(owner)] = np.array(start, kind, order="K", copy=True)
        for name, array in inside.items():
            owner = self._roots[name]
            if id(owner) not in roots or (name in changed and changed[name].shape != array.shape):
                continue
            if id(array) not in memo:
                memo[id(array)] = same_view(array, owner, roots[id(owner)])
                kept.append(memo[id(array)])
            if name in changed and not same(changed[name], array):
                memo[id(array)][...] = changed[name]
        for owner_id, value in roots.items():
            memo.setdefault(owner_id, value)
        functions = copied_functions(self._functions, memo)
        try:
            made = copy.deepcopy(self.thing, memo)
            for original, function in functions:
                for cell, new in zip(
                    original.__closure__ or (), function.__closure__ or (), strict=True
                ):
                    try:
                        new.cell_contents = copy.deepcopy(cell.cell_contents, memo)
                    except ValueError:
                        continue  # an empty cell
        except Exception as error:
            raise UserCodeError(
                f"The object to check cannot be copied ({type(error).__name__}: {error}): name a "
                "class or a function that makes one, without open files, locks or the like."
            ) from error
        for holder, name, reference in self._references:
            # A copy of a weak reference is one to the original.
            if id(holder) in memo and id(reference()) in memo:
                setattr(memo[id(holder)], name, weakref.ref(memo[id(reference())]))
        for place in self._of_class:
            # Of an object of its own, so that the class stays as it is.
            place.set(made, copy.deepcopy(place.get(self.thing), memo))
        for name, value in (replaced or {}).items():
            if name in self.lists:
                self.places[name].set(made, value.tolist())
            if name in self.numbers:
                self.places[name].set(made, value[()] if isinstance(value, np.ndarray) else value)
        return made


def same(a: Array, b: Array) -> bool:
    """Return whether two arrays hold the same numbers."""
    return a is b or np.array_equal(a, b, equal_nan=True)


def same_view(array: Array, owner: Array, new: Array) -> Array:
    """Return the view of a new owner that an array is of the old one."""
    if array is owner:
        return new
    offset = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    steps = [stride / owner.itemsize for stride in owner.strides]
    if steps != [stride / new.itemsize for stride in new.strides] or offset % owner.itemsize:
        return np.array(array, new.dtype)
    flat = new.reshape(-1, order="A")
    strides = tuple(s // owner.itemsize * new.itemsize for s in array.strides)
    return np.lib.stride_tricks.as_strided(flat[offset // owner.itemsize :], array.shape, strides)


def closures(thing: Any) -> Iterator[types.FunctionType]:
    """Yield the functions among an object's attributes that remember variables."""
    seen: set[int] = set()
    waiting = [thing]
    while waiting:
        current = waiting.pop()
        if id(current) in seen or isinstance(current, (*PLAIN, np.ndarray)):
            continue
        seen.add(id(current))
        if isinstance(current, types.FunctionType):
            if current.__closure__:
                yield current
                for cell in current.__closure__:
                    try:
                        waiting.append(cell.cell_contents)
                    except ValueError:
                        continue
        elif isinstance(current, types.MethodType):
            waiting.append(current.__self__)
        elif isinstance(current, partial):
            waiting += [current.func, *current.args, *current.keywords.values()]
        elif isinstance(current, Mapping):
            waiting += list(current.values())
        elif isinstance(current, list | tuple):
            waiting += list(current)
        elif is_own(current):
            waiting += list(attributes(current).values())


def copied_functions(
    functions: list[types.FunctionType], memo: dict[int, Any]
) -> list[tuple[types.FunctionType, types.FunctionType]]:
    """Put copies of functions into a memo, with cells of their own that are yet to be filled.

    `copy.deepcopy` takes a function as it is; and what it remembers would be shared.
    """
    made = []
    for function in functions:
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        twin = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, None, cells
        )
        twin.__defaults__, twin.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
        twin.__dict__.update(function.__dict__)
        memo[id(function)] = twin
        made.append((function, twin))
    return made
