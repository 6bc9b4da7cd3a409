"""What a backward is given for each of its arguments, judged by what they are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Any

from mnist_cli.gradcheck.adapters.forwards import STRENGTH, Call, is_number
from mnist_cli.gradcheck.adapters.reading import Slot, literal
from mnist_cli.gradcheck.adapters.signature import Argument, arguments, takes_any
from mnist_cli.gradcheck.adapters.vocabulary import (
    CACHE,
    DOUT,
    FLAG,
    INPUT,
    MOMENTA,
    OPTIMISERS,
    OUTPUT,
    RATE,
    STRENGTHS,
    is_dout,
    is_label,
    is_named,
    plain,
)
from mnist_cli.gradcheck.request import Request

MOST_UNCLEAR = 3
"""Of how many arguments that are called as nothing known all orders are tried."""
SURELY_OUTPUT = {"out", "output", "outputs", "yhat", "activated", "forward"}


def backward_slots(
    function: Callable[..., Any], call: Call, request: Request, *, is_derivative: bool
) -> Iterator[tuple[Slot, ...]]:
    """Yield what the arguments of a backward may be given, the likeliest first.

    What they are called decides: an argument of forward's name is given the same; ``cache``,
    ``learning_rate``, ``training``, ``out`` and ``labels`` speak for themselves; the first that is
    left is the gradient from above, or, of a derivative, the input.

    Parameters
    ----------
    function : callable
    call : Call
        How forward is called.
    request : Request
    is_derivative : bool
        Whether it is called as a derivative is: ``gradient``, ``f_prime``.
    """
    wanted = [
        argument
        for argument in in_place(arguments(function), request)
        if argument.is_required
        or argument.name in request.arguments
        or (is_named(argument.name, RATE) and argument.name not in call.names)
        or (plain(argument.name) in STRENGTHS and argument.name not in call.names)
        or (
            is_named(argument.name, DOUT)
            and argument.name not in call.names
            and not isinstance(argument.default, bool)
            and (argument.default is None or is_number(argument.default))
            and argument.default in (None, 1)
        )
    ]
    if takes_any(function) and not wanted:
        wanted = [Argument("dout")]
    if len(wanted) == 1 and is_derivative and call.arrays:
        name = wanted[0].name
        x = _data_slot(call)
        readings: list[Slot] = []
        if is_named(name, OUTPUT) and name not in call.arrays and name != "a0":
            readings += [Slot("out"), x]
        elif call.labels is None:
            readings += [x]
            if name not in call.names and not is_named(name, INPUT):
                readings.append(Slot("out"))  # it may be of the output: values * (1 - values)
        if is_dout(name) and name not in call.arrays:
            readings.insert(0, Slot("dout"))
        else:
            readings.append(Slot("dout"))
        if is_named(name, CACHE):
            readings.insert(0, Slot("cache"))
        for slot in readings:
            yield (slot,)
        return
    if len(wanted) == 1 and call.labels is None and is_named(wanted[0].name, RATE):
        yield (Slot("dout"),)  # some call it eta, and a learning rate alone has nothing to scale
        return
    if call.labels is None:
        yield from _with_several_douts(wanted, call, request)
    first = tuple(_by_names(wanted, call, request, is_derivative=is_derivative))
    douts = [a for a, slot in zip(wanted, first, strict=True) if slot.role == "dout"]
    if call.labels is not None and len(wanted) > 2 and not all(is_dout(a.name) for a in douts):
        return  # a loss is given no gradient from above that is not called so
    yield first
    roles = [by_name(argument, call, request) for argument in wanted]
    unclear = [
        index
        for index, slot in enumerate(roles)
        if slot is None and plain(wanted[index].name) not in SURELY_OUTPUT
    ]
    if len(wanted) == 2 and len(unclear) >= 1 and call.labels is None:
        yield (Slot("dout"), _data_slot(call))
        yield (_data_slot(call), Slot("dout"))
        yield (Slot("dout"), Slot("rate", wanted[1].name))
    if call.labels is None:
        yield from _with_numbers(wanted, roles, unclear)
        yield from _in_any_order(wanted, roles, unclear, call)
    if call.labels is not None and [slot and slot.role for slot in roles] == ["dout", "labels"]:
        # A last layer whose dvalues are the probabilities: those it is given, or its own output.
        yield (_data_slot(call), Slot("labels"))
        yield (Slot("kept"), Slot("labels"))
    if len(wanted) == 2 and len(unclear) == 2 and call.labels is not None:
        yield (_data_slot(call), Slot("labels"))
        yield (Slot("labels"), _data_slot(call))


def _with_several_douts(
    wanted: Sequence[Argument], call: Call, request: Request
) -> Iterator[tuple[Slot, ...]]:
    """Yield what a backward is given that takes a gradient for each of several outputs."""
    douts = [
        argument.name
        for argument in wanted
        if argument.name not in call.names
        and (is_dout(argument.name) or re.fullmatch(r"d[_a-zA-Z]\w*", argument.name))
        and plain(argument.name) not in ("grads", "gradients")
    ]
    slots = [
        Slot("dout", value=douts.index(argument.name))
        if argument.name in douts
        else by_name(argument, call, request)
        for argument in wanted
    ]
    if len(douts) > 1 and None not in slots:
        yield tuple(slot for slot in slots if slot is not None)


def _in_any_order(
    wanted: Sequence[Argument],
    roles: Sequence[Slot | None],
    unclear: Sequence[int],
    call: Call,
) -> Iterator[tuple[Slot, ...]]:
    """Yield what a backward may be given whose arguments beside dout are called as nothing known.

    They are the inputs and the output, in some order; which, the numbers tell.
    """
    has_dout = any(slot is not None and slot.role == "dout" for slot in roles)
    is_known = any(is_named(wanted[i].name, {*INPUT, *OUTPUT}) for i in unclear)
    if not has_dout or is_known or not 1 < len(unclear) <= MOST_UNCLEAR:
        return
    inputs = [slot for slot in call.slots if slot.role == "data"]
    for chosen in permutations([*inputs, Slot("out")], len(unclear)):
        given = dict(zip(unclear, chosen, strict=True))
        yield tuple(slot or given.get(i, Slot("out")) for i, slot in enumerate(roles))


def _with_numbers(
    wanted: Sequence[Argument], roles: Sequence[Slot | None], unclear: Sequence[int]
) -> Iterator[tuple[Slot, ...]]:
    """Yield what a backward may be given whose arguments beside dout are numbers of its update.

    One of them is the learning rate, unless one is called so: the one to which what the update
    moves is proportional. The others are 1, which changes no product.
    """
    numbers = list(unclear)
    if not any(slot is not None and slot.role == "dout" for slot in roles):
        numbers = numbers[1:]
    has_rate = any(slot is not None and slot.role in ("rate", "optimiser") for slot in roles)
    if not numbers or len(wanted) < 3 or len(numbers) == len(wanted):
        return
    for rate in (None,) if has_rate else numbers:
        yield tuple(
            slot
            or (
                Slot("rate", argument.name)
                if index == rate
                else literal(1.0)
                if index in numbers
                else Slot("dout")
            )
            for index, (argument, slot) in enumerate(zip(wanted, roles, strict=True))
        )


def in_place(found: Sequence[Argument], request: Request) -> Iterator[Argument]:
    """Yield arguments, those with values of ours by their names, where one before is left out."""
    is_left_out = False
    for argument in found:
        is_given = argument.is_required or argument.name in request.arguments
        if is_given and is_left_out:
            argument = Argument(argument.name, argument.default, True)
        is_left_out = is_left_out or not is_given
        yield argument


def _data_slot(call: Call) -> Slot:
    return next((slot for slot in call.slots if slot.role in ("data", "packed")), Slot("dout"))


def by_name(argument: Argument, call: Call, request: Request) -> Slot | None:
    """Return what an argument is given by its name alone; None if that tells nothing."""
    name, keyword = argument.name, argument.name if argument.is_keyword else None
    for slot in call.slots:
        if slot.name == name and slot.role in ("data", "labels", "packed", "places"):
            return Slot(slot.role, slot.name, slot.value, slot.parts, keyword)
    if name in request.arguments:
        return literal(request.arguments[name], keyword)
    if is_named(name, CACHE):
        return Slot("cache", keyword=keyword)
    if name in call.beside and name not in call.names:
        return Slot("beside", value=call.beside.index(name), keyword=keyword)
    if is_named(name, RATE) and name not in call.names:
        return Slot("rate", keyword=keyword)
    if is_named(name, OPTIMISERS) and name not in call.names:
        return Slot("optimiser", keyword=keyword)
    if is_named(name, FLAG):
        return literal(True, keyword)
    if plain(name) in STRENGTHS:
        # What backward alone is told to add is of no loss that forward has a part in.
        return literal(STRENGTH if name in call.names else 0.0, keyword)
    if is_named(name, MOMENTA) and name not in call.names:
        return literal(0.0, keyword)
    if call.left_out.get(name) is not None:
        return literal(call.left_out[name], keyword)
    if call.labels is not None and is_label(name):
        return Slot("labels", call.labels, keyword=keyword)
    if is_dout(name):
        return Slot("dout", keyword=keyword)
    return None


def _by_names(
    wanted: Sequence[Argument], call: Call, request: Request, *, is_derivative: bool
) -> Iterator[Slot]:
    """Yield a slot for each argument; what no name tells is dout, then the inputs in order."""
    slots = [by_name(argument, call, request) for argument in wanted]
    douts = [i for i, slot in enumerate(slots) if slot is not None and slot.role == "dout"]
    for index in douts[1:] if len(douts) > 1 else ():
        # A dictionary that is handed in for the gradients to the parameters.
        if plain(wanted[index].name) in ("grads", "gradients"):
            slots[index] = Slot("collect")
    has_dout = any(slot is not None and slot.role == "dout" for slot in slots)
    is_of_loss = call.labels is not None
    inputs = [slot for slot in call.slots if slot.role in ("data", "packed")]
    used = [slot.name for slot in slots if slot is not None and slot.role == "data"]
    inputs = [slot for slot in inputs if slot.name not in used]
    for argument, slot in zip(wanted, slots, strict=True):
        if slot is not None:
            yield slot
            continue
        name = argument.name
        if is_named(name, OUTPUT) and (has_dout or len(wanted) > 1) and not is_of_loss:
            yield Slot("out")
            continue
        looks_like_input = is_named(name, INPUT) or is_of_loss or is_derivative
        if inputs and (has_dout or (looks_like_input and len(wanted) > 1)):
            yield inputs.pop(0)
        elif not has_dout:
            has_dout = True
            yield Slot("dout")
        else:
            yield Slot("out")
