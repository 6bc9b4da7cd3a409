"""A network in three functions: its output, the cost of that, and the gradients.

    forward_propagation(X, parameters)            -> A2, cache
    compute_cost(A2, Y)                           -> cost
    backward_propagation(parameters, cache, X, Y) -> grads

Backward is told the labels, which forward is not: its gradients are those of the cost. Here the
cost of the output becomes one function of everything, with that backward.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mnist_cli.gradcheck.adapters.making import guesses, seeded
from mnist_cli.gradcheck.adapters.results import output_of
from mnist_cli.gradcheck.adapters.signature import arguments
from mnist_cli.gradcheck.adapters.state import is_float_array
from mnist_cli.gradcheck.adapters.vocabulary import (
    CACHE,
    CONTAINERS,
    FLAG,
    STRENGTHS,
    is_label,
    is_named,
    plain,
)
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError

Function = Callable[..., Any]

COSTS = ("cost", "loss", "crossentropy", "mse", "error", "objective")
"""What is in the name of a function that is the cost of an output."""
STARTS = ("init", "make", "create", "random", "get", "build")
"""How the name of a function begins that makes a network's parameters."""


@dataclass(frozen=True)
class Cost:
    """A function of a network's output and the labels.

    Attributes
    ----------
    function : callable
    output, labels : str
        The arguments that are these.
    shared : tuple of str
        The others: what forward takes, too, and the factor of a regulariser.
    """

    function: Function
    output: str
    labels: str
    shared: tuple[str, ...]


def pairs(code: Code) -> Iterator[tuple[Function, Function, str]]:
    """Yield the cost as one function of everything, with its backward, and the cost's name.

    Where there are several, those with a regulariser's factor if backward has one, and without if
    not. Nothing where backward is told no labels, or forward is, or there is no cost beside them.
    """
    taken = [argument.name for argument in arguments(code.thing)]
    told = [argument.name for argument in arguments(code.backward)]
    labels = [name for name in told if is_label(name) and name not in taken]
    if not labels or any(is_label(name) for name in taken):
        return
    factors = {name for name in told if plain(name) in STRENGTHS}
    costs = [cost for name in code.module if (cost := _cost(name, code, taken)) is not None]
    strange = {id(cost): len(factors ^ {*cost.shared} - {*taken}) for cost in costs}
    for cost in costs:
        if strange[id(cost)] == min(strange.values()):
            name = f"{cost.function.__name__}({cost.output}, {cost.labels})"
            yield *_composed(code.thing, cost, code.backward, labels[-1]), name


def _cost(name: str, code: Code, taken: list[str]) -> Cost | None:
    """Return a function of a file as a cost of what a network's forward gives, or None."""
    function = code.module[name]
    if not inspect.isfunction(function) or function in (code.thing, code.backward):
        return None
    if not any(word in plain(name) for word in COSTS):
        return None
    wanted = [argument.name for argument in arguments(function) if argument.is_required]
    shared = tuple(n for n in wanted if n in taken or plain(n) in STRENGTHS)
    rest = [n for n in wanted if n not in shared]
    labels = [n for n in rest if is_label(n)]
    if len(rest) != 2 or not labels:
        return None
    return Cost(function, next(n for n in rest if n != labels[-1]), labels[-1], shared)


def _composed(
    forward: Function, cost: Cost, backward: Function, labels: str
) -> tuple[Function, Function]:
    """Return the cost of forward's output, with a cache, and backward with that cache."""
    taken = [argument.name for argument in arguments(forward)]
    told = [argument.name for argument in arguments(backward) if argument.is_required]
    beside = [name for name in cost.shared if name not in taken]

    def whole(*values: Any, **named: Any) -> Any:
        given = whole_signature.bind(*values, **named).arguments
        result = forward(**{name: given[name] for name in taken if name in given})
        out, rest = output_of(result, 0 if isinstance(result, tuple) else None, ())
        shared = {name: given[name] for name in cost.shared}
        value = cost.function(**{cost.output: out, cost.labels: given[labels]}, **shared)
        return value, {"out": out, "rest": rest}

    def back(*values: Any, **named: Any) -> Any:
        given = dict(back_signature.bind(*values, **named).arguments)
        cache = given.pop("cache")
        rest = cache["rest"]
        for name in told:
            if name not in given and is_named(name, CACHE):
                given[name] = rest[0] if len(rest) == 1 else tuple(rest)
            elif name not in given:
                given[name] = True if is_named(name, FLAG) else cache["out"]
        return backward(**given)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = [p for p in inspect.signature(forward).parameters.values() if p.name in taken]
    more = [inspect.Parameter(name, kind) for name in (labels, *beside)]
    whole_signature = inspect.Signature(
        [p for p in own if p.default is p.empty]
        + more
        + [p for p in own if p.default is not p.empty]
    )
    back_signature = inspect.Signature(
        [inspect.Parameter(n, kind) for n in told if n in whole_signature.parameters]
        + [inspect.Parameter("cache", kind)]
    )
    vars(whole)["__signature__"], vars(back)["__signature__"] = whole_signature, back_signature
    return whole, back


def with_parameters(code: Code, request: Request) -> Mapping[str, Any]:
    """Return a file's names, with the parameters that a function of it takes and another makes."""
    told = {name.partition(".")[0] for name in request.shapes}
    missing = [
        argument.name
        for argument in arguments(code.thing)
        if plain(argument.name) in CONTAINERS
        and argument.name not in code.module
        and argument.name not in told
    ]
    if not missing:
        return code.module
    for name, function in code.module.items():
        if not inspect.isfunction(function) or not plain(name).startswith(STARTS):
            continue
        for values in guesses(arguments(function), request):
            try:
                made = seeded(function, *values)
            except UserCodeError:
                continue
            if isinstance(made, dict) and any(map(is_float_array, made.values())):
                return {**code.module, **dict.fromkeys(missing, made)}
    return code.module
