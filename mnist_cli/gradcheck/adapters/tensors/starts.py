"""How a gradient from above is handed to an array whose backward may take none."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from mnist_cli.gradcheck.adapters.nodes.attributes import peek, vars_of
from mnist_cli.gradcheck.adapters.tensors.classes import TensorClass
from mnist_cli.gradcheck.adapters.vocabulary import plain
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.user_code import UserCodeError, call

Start = Literal["argument", "wrapped", "attribute", "root", "product", "ones"]
"""How the gradient from above is handed in.

As the ``argument`` of backward, ``wrapped`` in the class; put into the ``attribute`` of the result;
by a ``root`` put behind the result, which hands it on; by the class's own ``product`` with it, and
sum; ``ones`` if not at all.
"""
STEPS = ("backward", "back", "bwd", "gradfn", "backwardfn", "backpropagate")
"""What arrays call the function that goes back by one step, in plain names."""
FOUND_OUT = 1e-9
"""By how much, at least, gradients differ that follow another gradient from above."""


def ways(tensors: TensorClass) -> list[Start]:
    """Return the ways in which a class may be handed a gradient from above, the likeliest first."""
    if tensors.takes_dout is None:
        return ["attribute", "root", "product"]
    if tensors.wraps_gradient:
        return ["wrapped", "argument", "attribute"]
    return ["argument", "wrapped", "attribute"]


def go_back(tensors: TensorClass, result: Any, dout: Array, start: Start) -> None:
    """Hand a gradient from above in, and go back."""
    back = tensors.back
    if start == "argument":
        call(getattr(result, back), float(dout) if tensors.is_scalar else dout)
    elif start == "wrapped":
        wrapped = call(tensors.constant, dout)
        call(getattr(result, back), float(dout) if tensors.is_scalar else wrapped)
    elif start == "attribute":
        tensors.set_gradient(result, dout.copy())
        call(getattr(result, back))
    elif start == "root":
        call(getattr(root_behind(tensors, result, dout), back))
    elif start == "product":
        scaled = call(lambda: result * tensors.constant(dout))
        call(getattr(call(scaled.sum) if hasattr(scaled, "sum") else scaled, back))
    else:
        call(getattr(result, back))


def root_behind(tensors: TensorClass, result: Any, dout: Array) -> Any:
    """Return a tensor of which the result is the one parent, and which hands ``dout`` to it.

    So the class's own backward runs through its own graph, with any gradient from above.

    Raises
    ------
    UserCodeError
        If the class keeps its graph in another way than as parents and a step back.
    """
    held = vars_of(result)
    parents = next((name for name, value in held.items() if _is_parents(value, tensors)), None)
    step = next((name for name, value in held.items() if _is_step(name, value)), None)
    if parents is None or step is None or step == tensors.back:
        raise UserCodeError("its graph is kept in another way")

    def hand_on(*given: Any, **named: Any) -> None:
        there = peek(result, tensors.gradient)
        value = tensors.given(dout)
        setattr(result, tensors.gradient, value if there is None else there + value)

    root = copy.copy(result)
    setattr(root, parents, type(held[parents])([result]))
    setattr(root, step, hand_on)
    return root


def _is_parents(value: Any, tensors: TensorClass) -> bool:
    """Return whether an attribute holds the arrays that another was made of."""
    is_group = isinstance(value, list | tuple | set | frozenset) and len(value) > 0
    return is_group and all(tensors.holds(parent) for parent in value)


def _is_step(name: str, value: Any) -> bool:
    """Return whether an attribute is the function that goes back by one step."""
    is_function = callable(value) and not isinstance(value, type)
    return is_function and (plain(name) in STEPS or "backward" in name)


def follows(one_way: Mapping[str, Array], other: Mapping[str, Array], dout: Array) -> bool:
    """Return whether gradients follow the one from above; however, even if wrongly.

    Parameters
    ----------
    one_way, other : dict of array
        The gradients for ``dout``, and for another gradient from above.
    dout : array
    """
    noise = FOUND_OUT * float(np.abs(dout).max(initial=0))
    return any(
        name not in other
        or other[name].shape != gradient.shape
        or float(np.abs(other[name] - gradient).max(initial=0)) > noise
        for name, gradient in one_way.items()
    )
