"""A network that goes back from the labels: which methods it has, and what they are given."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import gradients
from mnist_cli.gradcheck.adapters.backprop.costs import is_cost, is_truth
from mnist_cli.gradcheck.adapters.drawing import BATCH
from mnist_cli.gradcheck.adapters.making import made, seeded
from mnist_cli.gradcheck.adapters.nodes.attributes import peek
from mnist_cli.gradcheck.adapters.nodes.classes import names_in, unwrapped, vars_of_class, wanted
from mnist_cli.gradcheck.adapters.signature import Argument, arguments, returned
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.vocabulary import (
    BACKWARDS,
    DOUT,
    FORWARDS,
    INPUT,
    OUTPUT,
    OUTPUTS,
    RATE,
    has_part,
    is_guess,
    is_label,
    is_named,
    plain,
)
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.user_code import UserCodeError, call

BACK = {plain(name) for name in BACKWARDS} | {"backpass", "propagateback", "computegradients"}
AHEAD = [plain(name) for name in (*FORWARDS[:9], "predict", "think", "forwardpropagate")]
"""The names of methods that go back, and of those that go ahead; the likeliest first."""
SIZES = {"batchsize", "m", "n", "numexamples", "numsamples", "bs", "count", "nsamples", "size"}
"""What the number of examples is called, where it is an argument."""
HELD_X = ("input", "inputs", "x", "X", "data", "training_inputs")
HELD_Y = ("y", "Y", "target", "targets", "labels", "t", "label", "training_outputs")
"""Where a network whose methods take nothing has its examples and its labels."""
FEATURES = 3
"""How many features such a network is made with."""


@dataclass(frozen=True)
class Network:
    """How a network is run.

    Attributes
    ----------
    state : State
        The network, with all that it holds.
    forward : str or None
        The method that computes the output of x; or nothing, of what it holds.
    back : str
    roles : tuple of str
        What the arguments of back are given: ``x``, ``labels``, ``out``, ``count``, ``rate``, or
        one of the results.
    held : tuple of str
        The attributes of the examples and of the labels, where the methods take nothing.
    results : tuple of str
        What forward calls the things that it returns, where back is given some of them by name:
        the activations of all layers, say.
    """

    state: State
    forward: str | None
    back: str
    roles: tuple[str, ...]
    held: tuple[str, ...] = ()
    results: tuple[str, ...] = ()

    def ahead(self, worker: Any, x: Array) -> tuple[Array, dict[str, Any]]:
        """Return the output of a copy of the network, and the results that have a name."""
        assert self.forward is not None
        result = call(getattr(worker, self.forward), *([] if self.held else [x]))
        if result is None:
            result = left_output(worker)
        if self.results:
            named = dict(zip(self.results, result, strict=True))
            return first_array(named[output_among(self.results)]), named
        return first_array(result), {}


def output_among(names: Sequence[str]) -> str:
    """Return which of the things that a forward returns is its output: by its name, or the last."""
    called_so = [n for n in names if is_guess(n)] or [n for n in names if is_named(n, OUTPUT)]
    return next(iter(called_so), names[-1])


def left_output(worker: Any) -> Any:
    """Return the output that a forward left which returns nothing: the last that it has kept."""
    found = (peek(worker, name) for name in OUTPUTS)
    output = next((v for v in found if gradients.as_numbers(v) is not None), None)
    if output is not None:
        return output
    for name, kept in vars(worker).items():
        if has_part(name, ("cache", "activation", "memory", "outputs")):
            values = kept.values() if isinstance(kept, Mapping) else kept
            if not isinstance(values, Iterable):
                continue
            arrays = [value for value in values if isinstance(value, np.ndarray)]
            if arrays:
                return arrays[-1]
    return None


def first_array(result: Any) -> Array:
    """Return the output among what a forward returned.

    Raises
    ------
    UserCodeError
        If there is no array in it.
    """
    array: Array | None = gradients.as_numbers(result)
    if array is None and isinstance(result, tuple | list):
        # The activations of all layers, or the output with what is kept: the last, or the first.
        order = reversed(result) if isinstance(result, list) else iter(result)
        array = next((a for a in map(gradients.as_numbers, order) if a is not None), None)
    if array is None:
        raise UserCodeError(
            f"forward returned {type(result).__name__}, where an array of real numbers is "
            "expected: return the output."
        )
    return array


def roles_of(taken: Sequence[Argument], results: Sequence[str] = ()) -> tuple[str, ...] | None:
    """Return what the arguments of a method that goes back from labels are given.

    None if it takes none, or a gradient from above, or something else. The results are what
    forward calls the things that it returns.
    """
    needed = [a for a in taken if a.is_required or is_named(a.name, RATE)]
    roles: list[str] = []
    for argument in needed:
        role = _role(argument.name, roles, len(needed))
        if role in (None, "out") and argument.name in results:
            role = argument.name
        if role is None:
            return None
        roles.append(role)
    return tuple(roles) if "labels" in roles else None


def _role(name: str, before: Sequence[str], count: int) -> str | None:
    """Return what an argument is given, by its name and what those before it are given."""
    if is_named(name, RATE):
        return "rate"
    if plain(name) in SIZES and "labels" in before:
        return "count"
    if is_truth(name) and "labels" not in before:
        return "labels"
    if is_named(name, DOUT):
        return None
    if is_guess(name) or ((is_named(name, OUTPUT) or name in ("p", "o", "h")) and "x" in before):
        return "out"
    if is_named(name, INPUT) and "x" not in before and count > 1:
        return "x"
    return None


def networks(thing: Any, request: Request) -> Iterator[Network]:
    """Yield the ways in which a thing is such a network; nothing where it is none.

    Raises
    ------
    UserCodeError
        If it cannot be made.
    """
    kind = thing if isinstance(thing, type) else type(thing)
    own = {name: unwrapped(method) for name, method in vars_of_class(kind).items()}
    back, forward = _back(own, request.backward), _forward(own, request.forward)
    if back is None:
        return
    takes_input = forward is None or bool(wanted(own[forward]))
    if forward is not None and not takes_input and not wanted(own[back]):
        yield from _held(thing, kind, forward, back)
        return
    results = _results(own[forward], own[back]) if forward is not None else ()
    roles = roles_of(arguments(own[back])[1:], results)
    if roles is None or not takes_input or _is_loss(own):
        return
    if forward is None and not _has_cost(own):
        return
    state = State(next(made(kind.__name__, thing, request)))
    if any(array.ndim == 2 for array in state.arrays.values()):
        yield Network(state, forward, back, roles, results=results if {*results} & {*roles} else ())


def _results(forward: Any, back: Any) -> tuple[str, ...]:
    """Return what the several results of a forward are called; nothing where there is but one.

    Where it has no names for them, and they are as many as the arguments of the method that goes
    back beside examples and labels, they are called as those are.
    """
    names = returned(forward)
    if len(names) < 2 or all(names):
        return names if len(names) > 1 else ()
    told = [a.name for a in wanted(back)]
    rest = [n for n in told if not is_truth(n) and plain(n) not in INPUT - {"a", "z"}]
    return tuple(rest) if len(rest) == len(names) else ()


def _back(own: Mapping[str, Any], told: str | None) -> str | None:
    """Return the method that goes back: the one that was asked for, or one by its name."""
    if told is not None:
        return told if callable(own.get(told)) else None
    return next((n for n in own if plain(n) in BACK and inspect.isfunction(own[n])), None)


def _forward(own: Mapping[str, Any], told: str | None) -> str | None:
    """Return the method that goes ahead: the one that was asked for, or the likeliest name."""
    ahead = [name for name, method in own.items() if _is_ahead(method)]
    names = [told] if told else AHEAD
    return next((n for w in names for n in ahead if w in (n, plain(n))), None)


def _is_ahead(method: Any) -> bool:
    """Return whether a method takes the examples alone, or nothing."""
    if not inspect.isfunction(method):
        return False
    needed = wanted(method)
    return len(needed) < 2 and not any(is_label(argument.name) for argument in needed)


def _is_loss(own: Mapping[str, Any]) -> bool:
    """Return whether forward takes labels: then it is the loss, and another convention."""
    forward = own.get("forward")
    return inspect.isfunction(forward) and len(wanted(forward)) > 1


def _has_cost(own: Mapping[str, Any]) -> bool:
    """Return whether a class has a method that is a loss of two arrays."""
    costs = [method for name, method in own.items() if is_cost(name) and callable(method)]
    return any(len(wanted(method)) == 2 for method in costs)


def _held(thing: Any, kind: type, forward: str, back: str) -> Iterator[Network]:
    """Yield the network whose methods take nothing, and which is made of examples and labels."""
    made_one = thing
    if isinstance(thing, type):
        names = [a.name for a in arguments(thing) if a.is_required]
        if len(names) != 2 or not is_truth(names[1]):
            return
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((BATCH, FEATURES)), rng.uniform(0, 1, (BATCH, 1))
        try:
            made_one = seeded(thing, x, y)
        except UserCodeError:
            return
    state = State(made_one)
    x_name = next((name for name in HELD_X if name in state.arrays), None)
    y_name = next((name for name in HELD_Y if name in state.arrays), None)
    used = names_in(vars_of_class(kind)[back])
    if x_name and y_name and {x_name, y_name} <= used | names_in(vars_of_class(kind)[forward]):
        yield Network(state, forward, back, (), (x_name, y_name))
