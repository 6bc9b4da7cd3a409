"""Objects with two methods: layers, losses, activations, networks.

layer.forward(x)            layer.backward(dout)          dx returned, dW and db kept
loss.forward(x, t)          loss.backward()               dx
loss.forward(pred, true)    loss.backward(pred, true)
activation(x)               activation.gradient(x)        the elementwise derivative
net.loss(x, t)              net.gradient(x, t)            a dictionary of gradients
net.loss(X, y)                                            (loss, grads) at once
thing.forward()             thing.backward()              from self.input into self.gradient
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Literal

import numpy as np

from mnist_cli.gradcheck.adapters.backwards import backward_slots
from mnist_cli.gradcheck.adapters.drawing import FEATURES, Draw
from mnist_cli.gradcheck.adapters.forwards import Call, calls, of_places
from mnist_cli.gradcheck.adapters.methods import passes
from mnist_cli.gradcheck.adapters.places import attributes, is_float_array
from mnist_cli.gradcheck.adapters.reading import Reading, Slot, data
from mnist_cli.gradcheck.adapters.signature import arguments, takes_any
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.surroundings import surroundings
from mnist_cli.gradcheck.adapters.vocabulary import (
    BACKWARDS,
    DOUT,
    OUTPUT,
    OUTPUTS,
    RATE,
    is_dout,
    is_gradient_container,
    is_label,
    is_named,
)
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.source import text_of

LISTS = {"inputs", "xs", "args", "arrays", "values", "tensors", "operands", "parents", "ins"}
"""What an argument is called that may be a list of arrays."""
LONGEST = 3
"""How many arrays such a list is tried with."""
ABOVE = DOUT - {"gradient", "grad", "gradients", "grads"}
"""Where such an object may have the gradient from above: not where it leaves its own."""
HELD_INPUTS = ("input", "inputs", "x", "z", "data", "a", "logits", "X", "in_", "net_input")
"""Where an object whose forward takes nothing may have its input."""


def readings(thing: Any, request: Request) -> Iterator[Reading]:
    """Yield the ways in which an object may be read, the likeliest first."""
    state = in_double_precision(State(thing, surroundings(thing)))
    forwards, backwards, derivatives = passes(thing, request)
    for forward in forwards:
        for backward in [*backwards, *derivatives]:
            if backward == forward:
                continue
            is_named_freely = bool(request.backward) and request.backward not in BACKWARDS
            yield from of_methods(
                state, forward, backward, request, backward in derivatives or is_named_freely
            )
        if not (backwards or derivatives):
            yield from of_one_method(state, forward, request)


def in_double_precision(state: State) -> State:
    """Return the state with float64 in the place of every other precision."""
    narrow = {
        name: array.astype("float64")
        for name, array in state.arrays.items()
        if array.dtype != "float64" and name not in state.outside
    }
    return State(state.copied(narrow), state.outside) if narrow else state


def of_methods(
    state: State, forward: str, backward: str, request: Request, is_derivative: bool
) -> Iterator[Reading]:
    """Yield the readings of a forward and a backward."""
    thing = state.thing
    f, b = getattr(thing, forward), getattr(thing, backward)
    is_list = takes_apart(f, f) or takes_apart(f, b)
    ways = (
        [lists(f, request), calls(f, request)]
        if is_list
        else [calls(f, request), lists(f, request)]
    )
    ways.append(lookups(f, request))
    for call in chain(*ways):
        if call.looks_up:
            for wants in backward_slots(b, call, request, is_derivative=False):
                if any(slot.role == "dout" for slot in wants):
                    yield made(state, forward, backward, call, wants, is_layer=True)
            continue
        if not call.arrays and call.labels is None:
            yield from of_state(with_input(state, forward, request), forward, backward)
            continue
        if is_derivative and call.labels is None and len(call.arrays) == 1:
            for wants in backward_slots(b, call, request, is_derivative=True):
                is_layer = any(slot.role == "dout" for slot in wants)
                yield made(state, forward, backward, call, wants, is_layer=is_layer)
            if len(arguments(b)) > 1:
                continue
        else:
            for wants in backward_slots(b, call, request, is_derivative=is_derivative):
                has_dout = call.labels is not None or any(slot.role == "dout" for slot in wants)
                is_layer = has_dout or len(call.arrays) > 1
                yield made(state, forward, backward, call, wants, is_layer=is_layer)
            names = [argument.name for argument in arguments(b)]
            if call.labels is None and len(call.arrays) == len(names) == 1:
                is_above = is_dout(names[0]) or is_named(names[0], RATE)
                if is_above and names[0] not in call.arrays:
                    continue
                # Some call an activation's derivative its backward, of the output or the input.
                if is_named(names[0], OUTPUT):
                    yield made(state, forward, backward, call, (Slot("out"),), is_layer=False)
                yield made(state, forward, backward, call, (call.slots[0],), is_layer=False)


def made(
    state: State,
    forward: str | Callable[..., Any],
    backward: str | Callable[..., Any] | None,
    call: Call,
    wants: tuple[Slot, ...],
    *,
    is_layer: bool,
) -> Reading:
    """Return the reading of a layer or a loss, or of an activation with its derivative."""
    kind = "loss" if call.labels is not None else "layer" if is_layer else "activation"
    return Reading(
        convention=f"a {kind}",
        state=state,
        forward=forward,
        backward=backward,
        takes=call.slots,
        wants=wants,
        gives="gradient" if is_layer else "slope",
        kind=kind,
        is_against_names=call.is_against_names,
        known=call.known,
    )


def lookups(function: Callable[..., Any], request: Request) -> Iterator[Call]:
    """Yield the ways to call a forward that looks up rows of a table, as an embedding does."""
    yield from (call for each in calls(function, request) if (call := of_places(each)) is not None)


def lists(function: Callable[..., Any], request: Request) -> Iterator[Call]:
    """Yield the ways to call a forward that takes a list of arrays, or any number of them."""
    wanted = [argument for argument in arguments(function) if argument.is_required]
    if takes_any(function) and not wanted:
        for length in range(1, LONGEST + 1):
            names = tuple(f"inputs.{index}" for index in range(length))
            yield Call(tuple(map(data, names)), names)
    if takes_any(function) or len(wanted) != 1 or not is_named(wanted[0].name, LISTS):
        return
    name = wanted[0].name
    for length in range(1, LONGEST + 1):
        entries = tuple(f"{name}.{index}" for index in range(length))
        parts = tuple(enumerate(entries))
        yield Call((Slot("packed", name, [None] * length, parts),), entries)


def takes_apart(function: Callable[..., Any], within: Callable[..., Any]) -> bool:
    """Return whether the entries of a function's one argument are read: ``inputs[0]``."""
    names = [argument.name for argument in arguments(function) if argument.is_required]
    if len(names) != 1 or not is_named(names[0], LISTS):
        return False
    name = re.escape(names[0])
    return bool(re.search(rf"\b{name}\[\d\]|\w, \w+ = {name}\b", text_of(within)))


def of_one_method(state: State, forward: str, request: Request) -> Iterator[Reading]:
    """Yield the readings of a method that returns the loss with its gradients."""
    for call in calls(getattr(state.thing, forward), request):
        if call.arrays:
            yield made(state, forward, None, call, (), is_layer=True)


def with_input(state: State, forward: str, request: Request) -> State:
    """Return the state with an input in the place from which forward reads one, if there is none.

    As of an object that says ``self.input = None``, or leaves that to the one who uses it.
    """
    own = attributes(state.thing)
    if any(is_float_array(value) for value in own.values()):
        return state
    source = text_of(getattr(state.thing, forward))
    for name in HELD_INPUTS:
        if own.get(name) is None and re.search(rf"\bself\.{name}\b(?!\s*=[^=])", source):
            shape = request.shapes.get(name) or request.shapes.get("") or (FEATURES,)
            x = np.random.default_rng(request.seed).standard_normal(shape)
            try:
                thing = copy.copy(state.thing)
                setattr(thing, name, x)
            except Exception:  # an object that lets nobody set it
                return state
            return State(thing, state.outside)
    return state


def of_state(state: State, forward: str, backward: str) -> Iterator[Reading]:
    """Yield the readings of an object whose input is an attribute, as its methods take nothing."""
    own = attributes(state.thing)
    arrays = [name for name in own if is_float_array(own[name])]
    targets = frozenset(name for name in arrays if is_label(name))
    above = next((name for name in arrays if is_named(name, ABOVE)), "")
    held = [name for name in HELD_INPUTS if name in arrays] or [
        name
        for name in arrays
        if name not in targets and not is_gradient_container(name) and name not in OUTPUTS
    ]
    for name in held[:1]:
        shape = own[name].shape
        draw = Draw(shape, axis=None if len(shape) < 2 or 1 in shape else 0)
        gives: tuple[Literal["slope", "gradient"], ...] = (
            ("gradient",) if above else ("slope", "gradient")
        )
        for give in gives:
            yield Reading(
                convention="an object whose forward takes nothing",
                state=state,
                forward=forward,
                backward=backward,
                takes=(),
                draws={name: draw},
                gives=give,
                exempt=targets,
                dout_attribute=above,
            )
