"""Whether right code is right with other settings than its defaults, too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from mnist_cli.gradcheck.adapters.agreement import (
    agrees,
    at_random,
    is_flat,
)
from mnist_cli.gradcheck.adapters.code import CodeOperation
from mnist_cli.gradcheck.adapters.reading import Reading, Slot
from mnist_cli.gradcheck.adapters.search import Search, candidates, searched
from mnist_cli.gradcheck.adapters.settings import is_felt, other_settings
from mnist_cli.gradcheck.operation import Arrays, Operation
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError


def wrong_otherwise(
    code: Code, default: Operation, request: Request, given: Arrays | None
) -> Iterator[tuple[str, Operation]]:
    """Yield what right code is with another setting than its default, if it is wrong there.

    Where it cannot be read with another, or has no derivative, nothing is said.
    """
    for name, choices in other_settings(code, default, request):
        for value in choices:
            try:
                found = otherwise(code, default, name, request.told(name, value), given)
            except UserCodeError:
                continue
            if found is None:
                continue
            operation, is_right = found
            if not is_right:
                text = "given" if isinstance(value, np.ndarray) else value
                yield f"{name}={text}", operation
            break


def otherwise(
    code: Code, default: Operation, name: str, told: Request, given: Arrays | None
) -> tuple[Operation, bool] | None:
    """Return what code is with another setting, and whether it is right there.

    None where it does not run with that, where the setting does not affect the output, or where
    there is no derivative.
    """
    search = Search(told)
    is_array = isinstance(told.arguments[name], np.ndarray)
    for reading in candidates(code, told):
        if isinstance(default, CodeOperation) and is_alike(reading, default, name):
            if is_array:  # it fits examples of these shapes alone
                reading = replace(reading, draws=default.reading.draws)
            search.try_reading(reading, given)
            break
    search.settle()
    if search.found is None or not is_felt(default, search.found):
        return None
    if not (search.is_certain or is_array):
        search = searched(code, told, given)  # it may be right in another reading
    if search.found is None:
        return None
    if search.is_certain:
        return search.found, True
    point = at_random(search.found, told)
    if is_array:  # an object that was given it holds it, and it is no parameter
        search.found.exempt |= search.found.at.keys() - point.computed.keys()
    is_right = agrees(point) and (is_array or search.found is not search.lacking)
    return None if is_flat(point) else (search.found, is_right)


def is_alike(reading: Reading, operation: CodeOperation, name: str) -> bool:
    """Return whether a reading is that of an operation, but for one argument.

    It calls the same two methods or functions with the same besides, and what both hold is of the
    same shapes.
    """

    def besides(slots: Iterable[Slot]) -> list[tuple[str, str]]:
        return [(s.role, s.name) for s in slots if s.role != "literal" and s.name != name]

    other = operation.reading
    both = reading.state.arrays.keys() & other.state.arrays.keys()
    return (
        (reading.forward, reading.backward) == (other.forward, other.backward)
        and besides(reading.takes) == besides(other.takes)
        and besides(reading.wants) == besides(other.wants)
        and all(reading.state.arrays[n].shape == other.state.arrays[n].shape for n in both)
    )
