"""Which gradients a network returned, or left: lists and arrays, by its parameters' names."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import gradients
from mnist_cli.gradcheck.adapters.places import Place
from mnist_cli.gradcheck.adapters.results import numbers_of
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.vocabulary import has_part
from mnist_cli.gradcheck.operation import Array, Arrays

Shapes = Mapping[str, tuple[int, ...]]


def collected(
    result: Any, worker: Any, state: State, before: Arrays, moved: Collection[str]
) -> Arrays:
    """Return the gradients that a network returned, or left, by the names of its parameters.

    Lists are matched with lists of parameters, as ``nabla_b`` with ``self.biases``: by their
    lengths and shapes. Single arrays by their keys, or their shapes.

    Parameters
    ----------
    result : object
        What its method that goes back returned.
    worker : object
        The network afterwards.
    state : State
        What it held at first.
    before : dict of array
        The parameters.
    moved : collection of str
        Those that were updated: what is left beside one of them and is called a delta may be that
        of its layer's output.
    """
    expected = {name: array.shape for name, array in before.items()}
    # Of all that the network holds: the gradients of what the loss does not feel are listed, too.
    held_shapes = {name: array.shape for name, array in state.arrays.items()}
    found = _of_lists(result, held_shapes)
    found = {name: array for name, array in found.items() if name in expected}
    if not found:
        found = _of_arrays(result, expected) or _of_vector(result, expected)
    held = gradients.Held(worker)
    for name, shape in expected.items():
        if name not in found:
            left = _left(held, state.places[name], shape, is_moved=name in moved)
            if left is not None:
                found[name] = left
    return {n: numbers_of(n, g, expected[n]) for n, g in found.items()}


def _of_lists(result: Any, shapes: Shapes) -> Arrays:
    """Return the gradients in lists, each of which belongs to a list of parameters."""
    lists = [item for item in result if is_list(item)] if isinstance(result, tuple | list) else []
    if is_list(result) and not lists:
        lists = [result]
    found: Arrays = {}
    groups = grouped(shapes)
    for item in lists:
        arrays = [np.asarray(array) for array in item]
        free = [g for g in groups if len(g) == len(arrays) and not found.keys() & set(g)]
        if free:
            best = max(free, key=lambda names: _fitting(names, arrays, shapes))
            found |= dict(zip(best, arrays, strict=True))
    return found


def _of_arrays(result: Any, expected: Shapes) -> Arrays:
    """Return the gradients that are single arrays: by their keys, or the first of their shape."""
    found: Arrays = {}
    for key, array in gradients.leaves(result):
        name = gradients.by_key(key, expected, array.shape) if key is not None else None
        if name is None:
            free = [n for n in expected if n not in found]
            name = next((n for n in free if expected[n] == array.shape), None)
        if name is not None and name not in found:
            found[name] = array
    return found


def _of_vector(result: Any, expected: Shapes) -> Arrays:
    """Return the gradients that are one after the other in a vector, as an optimiser takes them."""
    vector = gradients.as_numbers(result)
    ends = np.cumsum([math.prod(shape) for shape in expected.values()])
    if vector is None or vector.ndim != 1 or not expected or vector.size != ends[-1]:
        return {}
    parts = np.split(vector, ends[:-1])
    return {n: part.reshape(expected[n]) for n, part in zip(expected, parts, strict=True)}


def is_list(item: Any) -> bool:
    """Return whether something is a list of arrays, one a layer."""
    if isinstance(item, np.ndarray):
        return item.dtype == object and item.ndim == 1
    return (
        isinstance(item, list | tuple)
        and len(item) > 0
        and all(isinstance(array, np.ndarray | np.generic) for array in item)
    )


def grouped(names: Iterable[str]) -> list[list[str]]:
    """Return the names of parameters that are in one list, or called alike, together."""
    groups: dict[str, list[str]] = {}
    for name in names:
        around, _, leaf = name.rpartition(".")
        key = around if leaf.isdigit() else name.rstrip("0123456789")
        groups.setdefault(key, []).append(name)
    return list(groups.values())


def _fitting(names: Sequence[str], arrays: Sequence[Array], shapes: Shapes) -> int:
    """Return how many arrays have the shapes of these parameters."""
    return sum(shapes[n] == array.shape for n, array in zip(names, arrays, strict=True))


def _left(
    held: gradients.Held, place: Place, shape: tuple[int, ...], *, is_moved: bool
) -> Array | None:
    """Return the gradient that was left beside a parameter."""
    found = held.of([place], shape)
    if found is not None and found.dtype.kind == "f":
        return found
    if is_moved:
        return None
    beside = held.by_holder.get(place.steps[:-1], {})
    for name, (at, value) in beside.items():
        if at != place and has_part(name, ("grad", "delta", "nabla")) and np.shape(value) == shape:
            return np.asarray(value)
    return None
