"""What a function takes: its arguments, and what each of them is given, judged by its name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import shapes
from mnist_cli.gradcheck.adapters.drawing import Draw
from mnist_cli.gradcheck.adapters.reading import Slot, data, literal
from mnist_cli.gradcheck.adapters.state import is_float_array
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
    takes_labels_first,
)
from mnist_cli.gradcheck.request import Request

EMPTY = inspect.Parameter.empty
STRENGTH = 0.1
"""The factor of a regulariser in a loss: not 0, so that its gradient shows."""

SURELY_OUTPUT = {"out", "output", "outputs", "yhat", "activated", "forward"}


@dataclass(frozen=True)
class Argument:
    """An argument that may be given by its position.

    Attributes
    ----------
    name : str
    default : object
        `EMPTY` if it must be given.
    is_keyword : bool
        Whether it can be given by its name alone.
    """

    name: str
    default: Any = EMPTY
    is_keyword: bool = False

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is EMPTY


def arguments(function: Callable[..., Any]) -> list[Argument]:
    """Return the arguments of a function; of one without a signature, a single x."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [Argument("x")]
    return [
        Argument(p.name, p.default, p.kind is p.KEYWORD_ONLY)
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]


def takes_any(function: Callable[..., Any]) -> bool:
    """Return whether a function takes any number of arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.kind is p.VAR_POSITIONAL for p in parameters)


@dataclass(frozen=True)
class Call:
    """How a forward is called: a slot for each argument, and which of them are arrays.

    Attributes
    ----------
    slots : tuple of Slot
    arrays : tuple of str
        The arguments that are arrays, by name.
    labels : str or None
        The argument that is the labels.
    is_against_names : bool
        Whether another argument is called as labels are.
    known : dict of Draw
        Arrays that need not be drawn: numbers that were given, the file's own variables.
    names : frozenset of str
        All arguments, those too that were left out.
    """

    slots: tuple[Slot, ...]
    arrays: tuple[str, ...]
    labels: str | None = None
    is_against_names: bool = False
    known: Mapping[str, Draw] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    @property
    def looks_up(self) -> bool:
        """Whether it is given the rows of a table to look up."""
        return any(slot.role == "places" for slot in self.slots)


def of_places(call: Call) -> Call | None:
    """Return a call whose first array is the rows of a table to look up, or None for a loss."""
    names = [slot.name for slot in call.slots if slot.role == "data"]
    if call.labels is not None or not names:
        return None
    slots = tuple(
        Slot("places", slot.name, keyword=slot.keyword) if slot.name == names[0] else slot
        for slot in call.slots
    )
    return replace(call, slots=slots, arrays=tuple(n for n in call.arrays if n != names[0]))


def given(argument: Argument, request: Request) -> Slot | None:
    """Return the slot of an argument whose value is said, or that has one by its name."""
    keyword = argument.name if argument.is_keyword else None
    if argument.name in request.arguments:
        return literal(request.arguments[argument.name], keyword)
    if is_named(argument.name, FLAG) and argument.is_required:
        return literal(True, keyword)
    if plain(argument.name) in STRENGTHS and _is_number(argument.default):
        return literal(argument.default or STRENGTH, keyword)
    if plain(argument.name) in STRENGTHS and argument.is_required:
        return literal(STRENGTH, keyword)
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def contained(
    name: str, request: Request, module: Mapping[str, Any]
) -> tuple[Slot, dict[str, Draw]] | None:
    """Return the slot of an argument that is a dictionary or a list of arrays, and its arrays.

    Its entries are said by ``--shape params.W1=3,4``; else it is the file's own variable.
    """
    told = {n: shape for n, shape in request.shapes.items() if n.startswith(f"{name}.")}
    template: Any
    if told:
        keys = [n.removeprefix(f"{name}.") for n in told]
        is_list = all(key.isdigit() for key in keys)
        template = [None] * len(keys) if is_list else dict.fromkeys(keys)
        draws = {n: Draw(shape, axis=None, is_parameter=True) for n, shape in told.items()}
        if is_list:
            draws = {n: Draw(shape) for n, shape in told.items()}
    else:
        template = module.get(name)
        if not isinstance(template, dict | list) or not template:
            return None
        entries = template.items() if isinstance(template, dict) else enumerate(template)
        draws = {
            f"{name}.{key}": Draw(value.shape, "given", None, given=value, is_parameter=True)
            for key, value in entries
            if is_float_array(value)
        }
        if not draws:
            return None
    index: Callable[[str], Any] = int if isinstance(template, list) else str
    parts = tuple((index(n.removeprefix(f"{name}.")), n) for n in draws)
    return Slot("packed", name, template, parts), draws


def calls(
    function: Callable[..., Any], request: Request, module: Mapping[str, Any] | None = None
) -> Iterator[Call]:
    """Yield the ways in which a forward may be called, the likeliest first.

    Its arguments are arrays that are differentiated, but for those that are given as literals, and
    for the labels: an argument that is called so, or else the second of two.
    """
    yield from _calls(function, request, module or {}, with_flags=False)
    if any(argument.default is False for argument in arguments(function)):
        # Some keep what backward needs only when they are told to: save_cache=False.
        yield from _calls(function, request, module or {}, with_flags=True)


def _calls(
    function: Callable[..., Any],
    request: Request,
    module: Mapping[str, Any],
    *,
    with_flags: bool,
) -> Iterator[Call]:
    known: dict[str, Draw] = {}
    slots: list[tuple[Argument, Slot | None]] = []
    positional_left_out = False
    for argument in arguments(function):
        slot = given(argument, request)
        if slot is None and with_flags and argument.default is False:
            slot = literal(True, argument.name)
        value = request.arguments.get(argument.name)
        if isinstance(value, float):
            # It may have a gradient, and is then compared as any other.
            slot = data(argument.name)
            known[argument.name] = Draw((), "given", None, given=np.array(value), is_parameter=True)
        elif is_float_array(argument.default):
            slot = data(argument.name)
            default = argument.default
            known[argument.name] = Draw(
                default.shape, "given", None, given=default, is_parameter=True
            )
        elif slot is None and argument.is_required:
            packed = contained(argument.name, request, module)
            if packed is not None:
                slot = packed[0]
                known |= packed[1]
        wanted = argument.is_required or argument.name in request.shapes
        wanted = wanted or (argument.default is None and is_label(argument.name))
        if slot is None and not wanted:
            positional_left_out = True
            continue
        if positional_left_out and not argument.is_keyword:
            # What stands behind an argument that was left out is given by its name.
            argument = Argument(argument.name, argument.default, True)
            if slot is not None:
                slot = Slot(slot.role, slot.name, slot.value, slot.parts, argument.name)
        slots.append((argument, slot))
    open_ones = [argument.name for argument, slot in slots if slot is None]
    named_first = len(open_ones) == 2 and takes_labels_first(open_ones)
    for labels in label_choices(open_ones):
        made = tuple(
            slot
            or Slot(
                "labels" if argument.name == labels else "data",
                argument.name,
                keyword=argument.name if argument.is_keyword else None,
            )
            for argument, slot in slots
        )
        against = named_first and labels == open_ones[1]
        arrays = (*(n for n in open_ones if n != labels), *known)
        names = frozenset(argument.name for argument in arguments(function))
        yield Call(made, arrays, labels, against, known, names)


def label_choices(names: Sequence[str]) -> Iterator[str | None]:
    """Yield which of the arguments may be the labels, the likeliest first; None for none."""
    if len(names) < 2:
        yield None
        return
    if len(names) == 2:
        first, second = names
        if takes_labels_first(list(names)):
            yield from (first, second, None)
        elif any(is_named_parameter(name) for name in names):
            yield None
        elif is_label(second) or not (_are_inputs(names) or shapes.is_hidden_state(second)):
            yield from (second, None)
        else:
            yield from (None, second)
        return
    called = [name for name in names if is_label(name)]
    yield from called[-1:]
    yield None


def is_named_parameter(name: str) -> bool:
    """Return whether an argument is called as weights or a scale is; b may be another input."""
    return shapes.is_weight(name) or shapes.is_per_feature(name)


def _are_inputs(names: Sequence[str]) -> bool:
    """Return whether two arguments are called as two inputs of one kind: a and b, x1 and x2."""
    stems = {name.rstrip("0123456789") for name in names}
    return len(stems) == 1 or set(names) in ({"a", "b"}, {"left", "right"}, {"u", "v"}, {"x", "w"})


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
        or (
            is_named(argument.name, DOUT)
            and argument.name not in call.names
            and not isinstance(argument.default, bool)
            and (argument.default is None or _is_number(argument.default))
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
        if is_dout(name) and name not in call.arrays:
            readings.insert(0, Slot("dout"))
        else:
            readings.append(Slot("dout"))
        if is_named(name, CACHE):
            readings.insert(0, Slot("cache"))
        for slot in readings:
            yield (slot,)
        return
    if call.labels is None:
        yield from _with_several_douts(wanted, call, request)
    first = tuple(_by_names(wanted, call, request, is_derivative=is_derivative))
    douts = [a for a, slot in zip(wanted, first, strict=True) if slot.role == "dout"]
    if call.labels is not None and len(wanted) > 2 and not all(is_dout(a.name) for a in douts):
        return  # a loss is given no gradient from above that is not called so
    yield first
    roles = [_by_name(argument, call, request) for argument in wanted]
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
        else _by_name(argument, call, request)
        for argument in wanted
    ]
    if len(douts) > 1 and None not in slots:
        yield tuple(slot for slot in slots if slot is not None)


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


def _by_name(argument: Argument, call: Call, request: Request) -> Slot | None:
    name, keyword = argument.name, argument.name if argument.is_keyword else None
    for slot in call.slots:
        if slot.name == name and slot.role in ("data", "labels", "packed", "places"):
            return Slot(slot.role, slot.name, slot.value, slot.parts, keyword)
    if name in request.arguments:
        return literal(request.arguments[name], keyword)
    if is_named(name, CACHE):
        return Slot("cache", keyword=keyword)
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
    if call.labels is not None and is_label(name):
        return Slot("labels", call.labels, keyword=keyword)
    if is_dout(name):
        return Slot("dout", keyword=keyword)
    return None


def _by_names(
    wanted: Sequence[Argument], call: Call, request: Request, *, is_derivative: bool
) -> Iterator[Slot]:
    """Yield a slot for each argument; what no name tells is dout, then the inputs in order."""
    slots = [_by_name(argument, call, request) for argument in wanted]
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
