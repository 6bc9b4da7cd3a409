"""How a forward is called: which arguments are arrays, and which the labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import shapes
from mnist_cli.gradcheck.adapters.drawing import Draw
from mnist_cli.gradcheck.adapters.places import is_float_array
from mnist_cli.gradcheck.adapters.reading import Slot, data, literal
from mnist_cli.gradcheck.adapters.signature import Argument, arguments, returned
from mnist_cli.gradcheck.adapters.vocabulary import (
    FLAG,
    STRENGTHS,
    is_guess,
    is_input,
    is_label,
    is_named,
    plain,
    takes_labels_first,
)
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.source import text_of

STRENGTH = 0.1
"""The factor of a regulariser in a loss: not 0, so that its gradient shows."""
SETTINGS = {
    **{"mode": "train", "training": True, "p": 0.5, "seed": 0, "momentum": 0.9, "eps": 1e-5},
    **{"stride": 1, "pad": 1, "pool_height": 2, "pool_width": 2},
}
"""The entries of a dictionary of settings, as ``conv_param``, that need not be given."""


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
    left_out : dict
        The defaults of those that were left out.
    beside : tuple of str
        What forward calls the things that it returns beside its output.
    """

    slots: tuple[Slot, ...]
    arrays: tuple[str, ...]
    labels: str | None = None
    is_against_names: bool = False
    known: Mapping[str, Draw] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    left_out: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()

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
    if plain(argument.name) in STRENGTHS and is_number(argument.default):
        return literal(argument.default or STRENGTH, keyword)
    if plain(argument.name) in STRENGTHS and argument.is_required:
        return literal(STRENGTH, keyword)
    return None


def settings(function: Callable[..., Any], name: str) -> dict[str, Any] | None:
    """Return what an argument may be that is a dictionary of settings; None if it is no such.

    By the entries that are read of it: ``conv_param["pad"]``. Those that are asked for by ``get``
    may be missing.
    """
    source = text_of(function)
    keys = re.findall(rf"\b{re.escape(name)}\[['\"](\w+)['\"]\](?!\s*=[^=])", source)
    if not set(keys) <= SETTINGS.keys() or not (keys or f"{name}.get(" in source):
        return None
    found = {key: SETTINGS[key] for key in keys}
    if "pool_height" in found:
        found["stride"] = found["pool_height"]  # some pool without overlaps alone
    return found


def is_number(value: Any) -> bool:
    """Return whether a value is a number, and no truth."""
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
    if not any(argument.is_required for argument in arguments(function)):
        # Some keep their input, and take none again: forward(input=None).
        yield from _calls(function, request, module or {}, with_flags=False, with_inputs=True)
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
    with_inputs: bool = False,
) -> Iterator[Call]:
    known: dict[str, Draw] = {}
    slots: list[tuple[Argument, Slot | None]] = []
    left_out: dict[str, Any] = {}
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
            else:
                of_settings = settings(function, argument.name)
                slot = None if of_settings is None else literal(of_settings)
        wanted = argument.is_required or argument.name in request.shapes
        is_open = is_label(argument.name) or (with_inputs and is_input(argument.name))
        wanted = wanted or (argument.default is None and is_open)
        if slot is None and not wanted:
            left_out[argument.name] = argument.default
            continue
        if left_out and not argument.is_keyword:
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
        against = len(open_ones) == 2 and labels == open_ones[named_first]
        arrays = (*(n for n in open_ones if n != labels), *known)
        names = frozenset(argument.name for argument in arguments(function))
        beside = returned(function)[1:]
        yield Call(made, arrays, labels, against, known, names, left_out, beside)


def label_choices(names: Sequence[str]) -> Iterator[str | None]:
    """Yield which of the arguments may be the labels, the likeliest first; None for none."""
    if len(names) < 2:
        yield None
        return
    if len(names) == 2:
        first, second = names
        if is_label(first) and is_guess(second) and not is_label(second):
            yield from (first, None)
        elif takes_labels_first(list(names)):
            yield from (first, second, None)
        elif any(is_named_parameter(name) for name in names):
            yield None
        elif is_label(second):
            yield from (second, None)
        elif not (_are_inputs(names) or shapes.is_hidden_state(second)):
            yield from (second, None, first)
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
