"""Where a backward leaves its gradients: in what it returns, or in what the object holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.places import NUMBERS, Place, is_float_array, is_own, walk
from mnist_cli.gradcheck.adapters.surroundings import Variable
from mnist_cli.gradcheck.adapters.vocabulary import (
    CONTAINERS,
    GRADIENT_LEAVES,
    INPUT_GRADIENTS,
    VALUE_LEAVES,
    gradient_names,
    is_gradient_container,
    is_list_of_gradients,
    plain,
    stems,
)
from mnist_cli.gradcheck.operation import Array, Arrays

OF_INPUT = {plain(name) for name in INPUT_GRADIENTS} | {"x", "input", "inputs"}
"""Keys of the gradient to the input, whatever forward calls that."""
Leaf = tuple[str | None, Array]
"""A gradient that was returned, and the key under which it was, if any."""


def leaves(result: Any, fed: Iterable[tuple[int, ...]] = ()) -> list[Leaf]:
    """Return the arrays of numbers in what a function returned, and their keys, in order.

    Parameters
    ----------
    result : object
    fed : iterable of tuple of int
        The shapes of what went in: a list of such a shape is one array, row by row.
    """
    if result is None:
        return []
    if isinstance(result, Mapping):
        return [
            (str(key) if key_of is None else f"{key}.{key_of}", array)
            for key, value in result.items()
            for key_of, array in leaves(value, fed)
        ]
    if isinstance(result, tuple | list):
        if isinstance(result, list) and _is_one(result, set(fed)):
            return [(None, np.asarray(result))]
        return [leaf for item in result for leaf in leaves(item, fed)]
    if is_own(result) and not isinstance(result, np.ndarray):
        return [(None, array) for array in _inside(result)]
    array = as_numbers(result)
    return [] if array is None else [(None, array)]


def _is_one(result: list[Any], fed: set[tuple[int, ...]]) -> bool:
    """Return whether a list is one array, row by row, and not several."""
    try:
        shape = np.shape(result)
    except ValueError:
        return False
    if all(isinstance(item, int | float | np.number) for item in result):
        return shape in fed or not fed
    return shape in fed and not (len(result) == 1 and isinstance(result[0], np.ndarray))


def _inside(thing: Any) -> list[Array]:
    """Return the numbers of an object that is an array with something around it."""
    for name in ("data", "value", "array", "val"):
        array = as_numbers(getattr(thing, name, None))
        if array is not None:
            return [array]
    return []


def as_numbers(value: Any) -> Array | None:
    """Return a value as an array of real or complex numbers, or None if it is none."""
    if value is None or isinstance(value, str | bytes | dict):
        return None
    try:
        array = np.asarray(value)
    except Exception:
        return None
    return array if array.dtype.kind in "fiubc" else None


def assigned(
    returned: Sequence[Leaf],
    expected: Mapping[str, tuple[int, ...]],
    order: Sequence[str] | None = None,
    held: Sequence[str] = (),
    called: Sequence[str] = (),
) -> Arrays:
    """Return which array each of the returned gradients belongs to.

    These are tried in turn: the key of a gradient; the names that the code returns, if each of them
    is that of an array; the order, if there are as many gradients as arrays; the names, if some are
    those of arrays. What is left belongs to the first array of its shape that has no gradient yet.

    Parameters
    ----------
    returned : sequence of (key, array)
    expected : mapping
        The shapes of all arrays by name, in the order of the arguments, parameters last.
    order : sequence of str, optional
        The names in the order of the gradients, where it is known to be another.
    held : sequence of str
        Those that an object holds, which have no order among the arguments.
    called : sequence of str
        What they are called where they are returned, if that is known.
    """
    found: Arrays = {}
    plain_ones = []
    for key, array in returned:
        name = None if key is None else by_key(key, expected, array.shape)
        if name is not None and name not in found:
            found[name] = array
        elif key is None:
            plain_ones.append(array)
    names = [name for name in order or expected if name not in found]
    by_shape = None if order else one_to_one(plain_ones, {n: expected[n] for n in names}, held)
    if by_shape is not None:
        return found | by_shape
    by_name = _by_names(plain_ones, {n: expected[n] for n in names}, called, held)
    if by_name is not None and not order:
        return found | by_name
    if len(plain_ones) == len(names) or (order and len(plain_ones) <= len(names)):
        return found | dict(zip(names, plain_ones, strict=False))
    for index, array in enumerate(plain_ones):
        fitting = [n for n in names if n not in found and _fits(array, expected[n])]
        if fitting:
            found[fitting[0]] = array
        elif index == 0 and names and names[0] not in found:
            found[names[0]] = array
    return found


def _fits(array: Array, shape: tuple[int, ...]) -> bool:
    """Return whether a gradient has a shape; one number may have any of one element."""
    return array.shape == shape or (array.size == 1 and math.prod(shape) == 1)


def _by_names(
    arrays: Sequence[Array],
    shapes: Mapping[str, tuple[int, ...]],
    called: Sequence[str],
    held: Sequence[str],
) -> Arrays | None:
    """Return which array each gradient belongs to by what it is called: ``return dw, db, dx``.

    Where only some are called as one of the arrays is, the order is what tells of arguments, though
    not of what an object holds: then it is None. It is also None where none is called so. What is
    called as none of them is the gradient to the one in its own place, if that is left; else to
    none, as ``db`` is where b is the integer 0.
    """
    if len(called) != len(arrays) or not arrays:
        return None
    firsts = list(shapes.values())[: len(arrays)]
    in_order = all(a.shape == shape for a, shape in zip(arrays, firsts, strict=False))
    is_told = len(arrays) == len(shapes) and in_order
    found: Arrays = {}
    for name, array in zip(called, arrays, strict=True):
        meant = [n for n in shapes if plain(name) in _own_names(n) and shapes[n] == array.shape]
        if len(meant) > 1 or found.keys() & meant:
            return None
        found |= dict.fromkeys(meant, array)
    if len(found) == len(arrays):
        return found
    if is_told and not set(held) & set(shapes):
        return None
    in_place = dict(zip(shapes, arrays, strict=False))
    moved = {name for name, array in found.items() if array is not in_place.get(name)}
    if not found or (is_told and not moved <= set(held)):
        return None
    taken = [id(array) for array in found.values()]
    if is_told:
        rest = [array for array in arrays if id(array) not in taken]
        return found | dict(zip((n for n in shapes if n not in found), rest, strict=False))
    return found | {n: a for n, a in in_place.items() if n not in found and id(a) not in taken}


def _own_names(name: str) -> set[str]:
    """Return what the gradient to an argument is called in so many letters: ``dx`` or ``gradx``."""
    short_name = plain(name)
    return {form + short_name for form in ("d", "grad", "g", "delta")} | {f"{short_name}grad"}


def one_to_one(
    arrays: Sequence[Array], shapes: Mapping[str, tuple[int, ...]], held: Sequence[str]
) -> Arrays | None:
    """Return which array each gradient belongs to, where the shapes tell it and the order does not.

    None where the order fits, where the shapes do not fit one to one, or where the arguments would
    not be in their own order any more: two that are exchanged are a mistake.
    """
    if len(arrays) != len(shapes):
        return None
    if all(a.shape == shape for a, shape in zip(arrays, shapes.values(), strict=True)):
        return None
    left = dict(shapes)
    found: Arrays = {}
    for array in arrays:
        name = next((n for n, shape in left.items() if shape == array.shape), None)
        if name is None:
            return None
        found[name] = array
        del left[name]
    arguments = [name for name in shapes if name not in held]
    return found if [name for name in found if name not in held] == arguments else None


def by_key(key: str, expected: Mapping[str, tuple[int, ...]], shape: tuple[int, ...]) -> str | None:
    """Return the array that a key of a dictionary of gradients means."""
    last = key.rpartition(".")[2]
    means = [
        name
        for name in expected
        if key in (name, short(name)) or last == short(name).rpartition(".")[2]
    ] or [
        name
        for name in expected
        if plain(last) in gradient_names(short(name).rpartition(".")[2])
        or stems(last) & stems(short(name).rpartition(".")[2])
    ]
    if not means and plain(last) in OF_INPUT:
        means = [name for name in [*expected][:1] if expected[name] == shape]
    fitting = [name for name in means if expected[name] == shape]
    return next(iter([*fitting, *means]), None)


def short(name: str) -> str:
    """Return a dotted name without the dictionary of parameters, or the object of one, around it.

    ``params.W1`` is W1, and ``w.value`` is w; ``params.0`` stays.
    """
    steps = name.split(".")
    if len(steps) > 1 and plain(steps[0]) in CONTAINERS and not steps[-1].isdigit():
        steps = steps[1:]
    leaves_out = VALUE_LEAVES - {"w", "weights"}  # which are names of their own
    if len(steps) > 1 and plain(steps[-1]) in leaves_out and not steps[-2].isdigit():
        steps = steps[:-1]
    return ".".join(steps)


class Held:
    """The gradients that an object holds after a backward.

    Parameters
    ----------
    worker : object
    outside : iterable of Variable
        Variables that its code sees around it: what they are parts of may hold gradients, too, and
        so may what a module calls its gradients.
    """

    def __init__(self, worker: Any, outside: Iterable[Variable] = ()):
        self.by_holder: dict[tuple[Any, ...], dict[str, tuple[Place, Any]]] = {}
        for place, value in chain(walk(worker), _around(outside)):
            if isinstance(value, np.ndarray | NUMBERS | int | list):
                holder = self.by_holder.setdefault(place.steps[:-1], {})
                holder.setdefault(place.leaf, (place, value))

    def of(self, places: Iterable[Place], shape: tuple[int, ...]) -> Array | None:
        """Return the gradient to the parameter at some places, or None if there is none.

        Of several, one of the right shape; then one of any; a plain number comes last, and zeros
        come after other numbers, as nothing may have been written there.
        """
        found = [
            array
            for place in places
            for value in self._candidates(place)
            if (array := as_numbers(value)) is not None
        ]
        ranked = sorted(
            found, key=lambda array: (array.shape != shape, array.ndim == 0, not array.any())
        )
        if not ranked or (ranked[0].shape != shape and _is_plain_zero(ranked[0])):
            return None
        return ranked[0]

    def of_second_name(self, place: Place, gradient: Array) -> Array | None:
        """Return what is kept beside a gradient to a parameter under another of its names.

        As ``db`` beside ``dbiases``; None where the two are alike, where nothing was written there,
        or where the name is that of another parameter's.
        """
        names = gradient_names(place.leaf, self._beside(place), surely=True)
        for leaf, (_, value) in self.by_holder.get(place.steps[:-1], {}).items():
            if plain(leaf) not in names or not isinstance(value, np.ndarray | np.number):
                continue
            second = np.asarray(value)
            if second.dtype.kind != "f" or not second.any():
                continue
            is_one = second.ndim == 0 or second.shape == gradient.shape
            if is_one and not np.allclose(second, gradient, rtol=1e-9, atol=1e-12):
                return second
        return None

    def _beside(self, place: Place) -> frozenset[str]:
        """Return the plain names of the other arrays that are held where a parameter is."""
        siblings = self.by_holder.get(place.steps[:-1], {}).items()
        return frozenset(
            plain(leaf) for leaf, (at, value) in siblings if at != place and is_float_array(value)
        )

    def _candidates(self, place: Place) -> Iterable[Any]:
        *around, _ = place.steps
        siblings = self.by_holder.get(tuple(around), {})
        wanted = gradient_names(place.leaf, self._beside(place))
        named = {plain(leaf): value for leaf, (at, value) in siblings.items() if at != place}
        yield from (named[name] for name in wanted if name in named)
        if around and plain(place.leaf) in VALUE_LEAVES:
            yield from (
                value
                for leaf, (at, value) in siblings.items()
                if plain(leaf) in GRADIENT_LEAVES and at != place
            )
            outer = self.by_holder.get(tuple(around[:-1]), {})
            wanted_outside = gradient_names(str(around[-1]))
            named = {plain(leaf): value for leaf, (_, value) in outer.items()}
            yield from (named[name] for name in wanted_outside if name in named)
        if plain(place.leaf) in CONTAINERS:
            lists = {leaf: value for leaf, value in named.items() if isinstance(value, list)}
            yield from (value for leaf, value in lists.items() if is_gradient_container(leaf))
        yield from self._in_containers(place, around, wanted)
        yield from self._in_mirrored_containers(place, wanted)

    def _in_containers(
        self, place: Place, around: Sequence[Any], wanted: Sequence[str]
    ) -> Iterable[Any]:
        """Yield what the dictionaries and lists of gradients beside a parameter have for it.

        If one is called after the parameter's list, as ``dbs`` is after ``bs``, that one alone.
        """
        for up in (around, around[:-1]):
            own: list[Any] = []
            others: list[Any] = []
            for holder, inside in self.by_holder.items():
                if tuple(holder[: len(up)]) != tuple(up) or len(holder) != len(up) + 1:
                    continue
                last = holder[-1]
                if isinstance(last, tuple) or place.steps[: len(holder)] == holder:
                    continue
                is_own = bool(around) and is_list_of_gradients(last, around[-1])
                if not (is_own or is_gradient_container(last)):
                    continue
                (own if is_own else others).extend(
                    value
                    for leaf, (_, value) in inside.items()
                    if leaf == place.leaf or plain(leaf) in wanted
                )
            yield from own or others

    def _in_mirrored_containers(self, place: Place, wanted: Sequence[str]) -> Iterable[Any]:
        """Yield what gradients that are nested as the parameters are have for a parameter.

        As ``grads["layer1"]["W"]`` is to ``params["layer1"]["W"]``.
        """
        steps = place.steps
        for holder, inside in self.by_holder.items():
            for index in range(len(steps) - 2):
                mirrored = (*steps[:index], *holder[index : index + 1], *steps[index + 1 : -1])
                container = holder[index] if index < len(holder) else None
                if holder != mirrored or not isinstance(container, str):
                    continue
                if container != steps[index] and is_gradient_container(container):
                    yield from (
                        value
                        for leaf, (_, value) in inside.items()
                        if leaf == place.leaf or plain(leaf) in wanted
                    )

    def input_gradient(self, shape: tuple[int, ...], fresh: Callable[[str], bool]) -> Any:
        """Return what a backward that returns nothing left as the gradient to its input."""
        own = self.by_holder.get((), {})
        left = [own[name][1] for name in INPUT_GRADIENTS if name in own and fresh(name)]
        arrays = [array for value in left if (array := as_numbers(value)) is not None]
        ranked = sorted(arrays, key=lambda array: array.shape != shape)
        return ranked[0] if ranked else None


def _around(outside: Iterable[Variable]) -> Iterable[tuple[Place, Any]]:
    """Yield what is in dictionaries, objects and gradients that code sees around it."""
    wholes: dict[str, Any] = {}
    for variable in outside:
        if variable.within.steps:
            wholes[variable.name] = variable.whole()
        for name, value in variable.neighbours():
            if is_gradient_container(name) and isinstance(value, Mapping | list):
                wholes[name] = value
    for name, whole in wholes.items():
        for place, value in walk(whole):
            yield Place((name, *place.steps)), value


def _is_plain_zero(array: Array) -> bool:
    return array.ndim == 0 and not array.any()
