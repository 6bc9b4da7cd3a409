"""What an object holds: its arrays by dotted names, and copies of it with other arrays inside.

An array may be held under several names, as a view of another one, in a list, in a dictionary, in
an object within the object, or in a closure. All names that share memory are one array: a copy in
which it is replaced sees the new numbers under each of them.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.surroundings import Variable
from mnist_cli.gradcheck.operation import Array, Arrays
from mnist_cli.gradcheck.user_code import UserCodeError

MOST_HELD = 1000
"""How many objects within an object are looked into for modules, which cannot be copied."""
DEPTH = 6
"""How deep objects within objects are looked into."""

PLAIN = (str, bytes, int, float, complex, bool, type(None), type, types.ModuleType)
"""What holds no arrays, or is not an object's own."""

NUMBERS = float | np.floating


@dataclass(frozen=True)
class Place:
    """Where something is held.

    Attributes
    ----------
    steps : tuple
        From the object on: an attribute's name, a key in ``[...]`` as a tuple of one.
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
        for step in self.steps:
            try:
                thing = thing[step[0]] if isinstance(step, tuple) else getattr(thing, step)
            except Exception:
                return None
        return thing

    def set(self, thing: Any, value: Any) -> None:
        """Put something there."""
        for step in self.steps[:-1]:
            thing = thing[step[0]] if isinstance(step, tuple) else getattr(thing, step)
        last = self.steps[-1]
        if isinstance(last, tuple):
            thing[last[0]] = value
        else:
            setattr(thing, last, value)


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
    """Yield what an object, a list or a dictionary holds, and the step that leads to it."""
    if isinstance(holder, Mapping):
        for key, value in list(holder.items()):
            if isinstance(key, str | int):
                yield (key,), value
    elif isinstance(holder, list | tuple) or holds_objects(holder):
        for index, value in enumerate(holder):
            yield (index,), value
    elif is_own(holder) and not isinstance(holder, types.FunctionType | types.MethodType):
        own = attributes(holder)
        yield from own.items()
        for name, value in shared(holder, own):
            yield name, value


def shared(holder: Any, own: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield arrays that belong to the class, and those that a property makes of the object's."""
    for kind in type(holder).__mro__[:-1]:
        for name, value in list(kind.__dict__.items()):
            if name in own or name.startswith("__"):
                continue
            if isinstance(value, np.ndarray):
                yield name, value
            elif isinstance(value, property):
                try:
                    made = getattr(holder, name)
                except Exception:
                    continue
                if isinstance(made, np.ndarray):
                    yield name, made


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


def is_of_class(thing: Any, place: Place) -> bool:
    """Return whether an array belongs to an object's class, and not to the object."""
    *around, last = place.steps
    holder = Place(tuple(around)).get(thing) if around else thing
    if isinstance(last, tuple) or holder is None or last in attributes(holder):
        return False
    return any(isinstance(kind.__dict__.get(last), np.ndarray) for kind in type(holder).__mro__)


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
                self.places[name] = Place((name,))
                self.outside[name] = variable
        self._roots = {name: root(array) for name, array in self.arrays.items()}
        self._functions = list(closures(thing))
        self._of_class = [name for name, place in self.places.items() if is_of_class(thing, place)]
        self._kept = [value for _, value in held_modules(thing)]

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
        for name in self._of_class:
            # Of an object of its own, so that the class stays as it is.
            self.places[name].set(made, np.array(changed.get(name, self.arrays[name])))
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
