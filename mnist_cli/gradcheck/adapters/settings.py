"""Settings that code has by default: what forgets another value is right at the default alone.

elu(x, alpha=1.0)                     elu_prime(x, alpha=1.0)
SmoothedLoss(label_smoothing=0.0)
Dense(n_in, n_out, use_bias=True)
cross_entropy(logits, labels, ignore_index=-1, sample_weight=None)
Dense(n_in, n_out, activation="relu") self.f, self.df = ACTIVATIONS[activation]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.code import CodeOperation
from mnist_cli.gradcheck.adapters.modes import NO_MODES, texts_beside
from mnist_cli.gradcheck.adapters.signature import DERIVING, Argument, arguments
from mnist_cli.gradcheck.adapters.vocabulary import (
    CACHE,
    FLAG,
    NO_PARAMETERS,
    has_part,
    is_named,
    plain,
)
from mnist_cli.gradcheck.operation import Operation
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError

OTHER_NUMBERS = {1.0: 0.75, 0.0: 0.25}
"""What a number is besides: a share as well as a factor."""
NO_SWITCHES = (
    *("train", "test", "eval", "infer", "predict", "determin", "sampl", "stochastic"),
    *("return", "hard", "straight", "quant", "grad", "deriv"),
)
"""Parts of the names of truths that are not tried the other way.

With them, code gives something that its backward is not meant for: in evaluation, as whole
numbers, or beside its output.
"""
IGNORED = {"ignoreindex", "ignorelabel", "ignoreid", "padidx", "padindex", "paddingindex"}
"""What a class is called whose examples are left out of a loss."""
OF_EXAMPLES = {
    *("mask", "weight", "weights", "sampleweight", "sampleweights"),
    *("classweight", "classweights", "posweight"),
}
"""What an argument of a loss is called that has a number for each example, or for each class."""


def other_settings(
    code: Code, found: Operation, request: Request
) -> Iterator[tuple[str, list[Any]]]:
    """Yield the name of each setting with what it may be beside its default.

    Of several values, the first with which the code gives another output is the one that is meant.

    Parameters
    ----------
    code : Code
        A class or a function; of two functions, the second must be told of the setting, or be
        given what the first has kept.
    found : Operation
        As what it was understood: the settings of its forward are tried, too.
    request : Request
    """
    functions = [code.thing] if callable(code.thing) else []
    if isinstance(found, CodeOperation) and isinstance(found.reading.forward, str):
        functions.append(found.reading.method(found.reading.state.thing, found.reading.forward))
    told = [argument.name for argument in arguments(code.backward)] if code.backward else []
    has_cache = any(is_named(name, CACHE) for name in told)
    seen = set(request.arguments)
    for function in functions:
        for argument in arguments(function):
            is_shared = code.backward is None or has_cache or argument.name in told
            if not is_shared or argument.name in seen:
                continue
            seen.add(argument.name)
            yield from ((argument.name, [value]) for value in other_values(argument, code))
            yield argument.name, of_labels(argument, found)


def other_values(argument: Argument, code: Code) -> list[Any]:
    """Return what an argument may be beside its default; nothing where that is not known."""
    name, default = argument.name, argument.default
    if isinstance(default, bool):
        is_mode = is_named(name, FLAG) or plain(name) in DERIVING or has_part(name, NO_SWITCHES)
        return [] if is_mode else [not default]
    if type(default) is float and not is_named(name, NO_PARAMETERS):
        return [OTHER_NUMBERS[default]] if default in OTHER_NUMBERS else []
    if isinstance(default, str) and not has_part(name, NO_MODES):
        return [text for text in texts_beside(name, default, code) if text != default]
    return []


def of_labels(argument: Argument, found: Operation) -> list[Any]:
    """Return what a loss may be told to leave out or to weigh: a class, examples, numbers."""
    name, default = plain(argument.name), argument.default
    if found.kind != "loss" or found.batch_axis != 0 or not found.data:
        return []
    if name in IGNORED and (default is None or type(default) is int):
        return [0, 1]  # they are among the labels, as −1 is not
    if name not in OF_EXAMPLES or default is not None:
        return []
    shape = found.at[found.data[0]].shape
    sizes = dict.fromkeys([shape[:1], shape[-1:], shape])
    if name == "mask":
        return [np.arange(np.prod(size)).reshape(size) % 2 == 0 for size in sizes]
    return [np.linspace(0.5, 2, int(np.prod(size))).reshape(size) for size in sizes]


def is_felt(default: Operation, other: Operation) -> bool:
    """Return whether the output is another one with another setting, for the same arrays.

    What backward alone is told, as to clip or to decay, is no part of the function.
    """
    same = {
        name: array
        for name, array in other.at.items()
        if name in default.at and array.shape == default.at[name].shape
    }
    moved = default.moved_to(default.at | same)
    moved.labels = other.labels
    try:
        return not np.array_equal(moved.value(moved.at), other.value(other.at))
    except UserCodeError:
        return True
