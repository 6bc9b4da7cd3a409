"""A forward that gives the output alone, the cost of that, and a backward that is told the labels.

    forward_propagation(X, parameters)            -> A2, cache
    compute_cost(A2, Y)                           -> cost
    backward_propagation(parameters, cache, X, Y) -> grads

    last.fprop(x)    last.loss(Y, Y_pred)    last.input_grad(Y, Y_pred)    the same, as methods

The gradients are those of the cost of the output, which is one function of all that forward takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mnist_cli.gradcheck.adapters.backwards import by_name
from mnist_cli.gradcheck.adapters.forwards import STRENGTH, Call, calls
from mnist_cli.gradcheck.adapters.making import ONE_OUTPUT, SIZES, guesses, seeded
from mnist_cli.gradcheck.adapters.methods import methods, passes
from mnist_cli.gradcheck.adapters.objects import in_double_precision, made
from mnist_cli.gradcheck.adapters.places import is_float_array
from mnist_cli.gradcheck.adapters.reading import Cost, Reading, Slot, literal
from mnist_cli.gradcheck.adapters.signature import arguments
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.vocabulary import (
    CONTAINERS,
    STRENGTHS,
    is_label,
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
class Written:
    """A function of an output and labels that somebody wrote.

    Attributes
    ----------
    function : callable or str
        A function, or a method's name.
    title : str
    arguments : tuple of str
    output, labels : str
        Which of them are these; the others are what forward takes, too, and factors.
    """

    function: Function | str
    title: str
    arguments: tuple[str, ...]
    output: str
    labels: str


def readings(code: Code, request: Request, module: Mapping[str, Any]) -> Iterator[Reading]:
    """Yield the ways in which two functions and the cost beside them may be read."""
    beside = [
        (name, function, function)
        for name, function in code.module.items()
        if inspect.isfunction(function) and function not in (code.thing, code.backward)
    ]
    for call in calls(code.thing, request, module):
        for reading in _composed(code.thing, code.backward, call, beside, request):
            yield replace(reading, state=State(None), forward=code.thing, backward=code.backward)


def of_methods(thing: Any, request: Request, module: Mapping[str, Any]) -> Iterator[Reading]:
    """Yield the ways in which three methods may be read, or two and a function beside the class."""
    forwards, backwards, derivatives = passes(thing, request)
    own = [(name, name, getattr(thing, name)) for name in methods(thing, tuple(dir(thing)), None)]
    functions = {n: each for n, each in module.items() if inspect.isfunction(each)}
    beside = [(name, each, each) for name, each in functions.items()]
    for forward in forwards:
        ahead = getattr(thing, forward)
        if len([a for a in arguments(ahead) if a.is_required]) != 1:
            continue
        for backward in (*backwards, *derivatives):
            for call in calls(ahead, request):
                for costs in (own, beside):
                    found = list(_composed(ahead, getattr(thing, backward), call, costs, request))
                    state = in_double_precision(State(thing)) if found else State(None)
                    for reading in found:
                        yield replace(reading, state=state, forward=forward, backward=backward)
                    if found:
                        break


def _composed(
    forward: Function,
    backward: Function,
    call: Call,
    candidates: Sequence[tuple[str, Function | str, Function]],
    request: Request,
) -> Iterator[Reading]:
    """Yield the readings of a call, with each of the costs that fit what backward is told.

    Where there are several, those with a regulariser's factor if backward has one, and without if
    not. Nothing where backward is told no labels, or forward is, or there is no cost beside them.
    """
    told = [argument for argument in arguments(backward) if argument.is_required]
    labels = [a.name for a in told if is_label(a.name) and a.name not in call.names]
    if not labels or call.labels is not None or any(map(is_label, call.names)):
        return
    costs = [cost for each in candidates if (cost := _written(*each, call)) is not None]
    factors = {argument.name for argument in told if plain(argument.name) in STRENGTHS}
    strange = [len(factors ^ ({*cost.arguments} & _factors(cost, call))) for cost in costs]
    for cost, misfit in zip(costs, strange, strict=True):
        if misfit > min(strange):
            continue
        whole = replace(call, labels=labels[-1], names=call.names | {*cost.arguments})
        wants = tuple(by_name(argument, whole, request) or Slot("out") for argument in told)
        if any(slot.role == "dout" for slot in wants):
            continue
        reading = made(State(None), forward, backward, whole, wants, is_layer=True)
        takes = tuple(_given(name, cost, whole, request) for name in cost.arguments)
        yield replace(
            reading,
            cost=Cost(cost.function, takes, labels[-1]),
            remark=f"The gradients are taken for those of {cost.title}.",
        )


def _written(name: str, function: Function | str, called: Function, call: Call) -> Written | None:
    """Return a function as a cost of what forward gives, or None."""
    if not any(word in plain(name) for word in COSTS):
        return None
    wanted = tuple(argument.name for argument in arguments(called) if argument.is_required)
    rest = [n for n in wanted if n not in call.names and plain(n) not in STRENGTHS]
    labels = [n for n in rest if is_label(n)][-1:]
    labels = [n for n in labels if "pred" not in n and "hat" not in n] or labels
    output = [n for n in rest if n not in labels]
    if len(rest) != 2 or len(output) != 1:
        return None
    return Written(function, f"{name}({', '.join(rest)})", wanted, output[0], labels[0])


def _factors(cost: Written, call: Call) -> set[str]:
    return {n for n in cost.arguments if plain(n) in STRENGTHS and n not in call.names}


def _given(name: str, cost: Written, call: Call, request: Request) -> Slot:
    """Return what an argument of a cost is given."""
    if name == cost.output:
        return Slot("out")
    if name == cost.labels:
        return Slot("labels", str(call.labels))
    shared = next((slot for slot in call.slots if slot.name == name), None)
    return shared or literal(request.arguments.get(name, STRENGTH))


def with_architecture(code: Code, request: Request) -> Request:
    """Return the request with what the file describes a network by, where functions take that.

    As ``nn_architecture = [{"input_dim": 2, "output_dim": 4, "activation": "relu"}, …]``.
    """
    functions = [each for each in (code.thing, code.backward) if each is not None]
    for argument in (argument for each in functions for argument in arguments(each)):
        layers = code.module.get(argument.name)
        is_open = argument.is_required and argument.name not in request.arguments
        if not (is_open and isinstance(layers, list) and layers):
            continue
        if all(isinstance(layer, Mapping) for layer in layers) and not any(
            is_float_array(value) for layer in layers for value in layer.values()
        ):
            request = request.told(argument.name, layers)
    return request


def with_parameters(code: Code, request: Request) -> Iterator[Mapping[str, Any]]:
    """Yield a file's names, with the parameters that a function of it takes and another makes.

    Those of a network with several outputs come first, and then those of one with one output. It is
    the file's names alone where no parameters are missing, or none are made.
    """
    told = {name.partition(".")[0] for name in request.shapes}
    missing = [
        argument.name
        for argument in arguments(code.thing)
        if plain(argument.name) in CONTAINERS
        and argument.name not in code.module
        and argument.name not in told
    ]
    found = False
    for sizes in (SIZES, ONE_OUTPUT) if missing else ():
        parameters = _parameters(code.module, request, sizes)
        if parameters is not None:
            found = True
            yield {**code.module, **dict.fromkeys(missing, parameters)}
    if not found:
        yield code.module


def _parameters(
    module: Mapping[str, Any], request: Request, sizes: tuple[int, ...]
) -> dict[str, Any] | None:
    """Return the parameters that a function of a file makes of some sizes, or None."""
    for name, function in module.items():
        if not inspect.isfunction(function) or not plain(name).startswith(STARTS):
            continue
        for values in guesses(arguments(function), request, sizes):
            try:
                parameters = seeded(function, *values)
            except UserCodeError:
                continue
            if isinstance(parameters, dict) and any(map(is_float_array, parameters.values())):
                return parameters
    return None
