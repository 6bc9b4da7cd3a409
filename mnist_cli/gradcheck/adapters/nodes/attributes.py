"""What objects that hold an array and its gradient call the two, and how they are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.gradients import as_numbers
from mnist_cli.gradcheck.operation import Array

VALUES = (
    *("data", "value", "val", "array", "out", "output", "values", "tensor", "v", "loss", "result"),
)
"""What nodes call their numbers."""
GRADIENTS = ("g", "grad", "gradient", "dx", "d", "delta", "grads", "dvalue", "diff", "adjoint")
"""What nodes call the gradient to their numbers."""


def an_array() -> Array:
    """Return an array to make an object with, to see what it does with one."""
    return np.full((2, 3), 0.5)


def value_name(node: Any, array: Array) -> str | None:
    """Return the attribute in which a node holds an array, or None."""
    for name in VALUES:
        held = peek(node, name)
        if isinstance(held, np.ndarray | np.generic | float) and np.array_equal(held, array):
            return name
    return None


def peek(thing: Any, name: str) -> Any:
    """Return an attribute, or None if there is none or it raises."""
    try:
        return getattr(thing, name, None)
    except Exception:
        return None


def numbers_in(thing: Any) -> Array | None:
    """Return the numbers that a value is, or that a node holds; None if there are none."""
    array = as_numbers(thing)
    if array is not None:
        return array
    if thing is None or isinstance(thing, str | bytes | dict | list | tuple):
        return None
    found = (as_numbers(peek(thing, name)) for name in VALUES)
    return next((array for array in found if array is not None), None)


def vars_of(thing: Any) -> dict[str, Any]:
    """Return the attributes of an object; those in slots are None here."""
    slots = {n: None for k in type(thing).__mro__ for n in getattr(k, "__slots__", ())}
    return {**slots, **getattr(thing, "__dict__", {})}
