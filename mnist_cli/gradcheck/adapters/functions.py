"""Plain functions: a pair of them, or one that returns a loss with its gradients.

tanh(x)                  tanh_prime(x)               the elementwise derivative, or a Jacobian
mse(pred, true)          mse_derivative(pred, true)
linear_forward(x, w, b)  linear_backward(dout, cache)
tanh(x, derivative=False)                            its own derivative, by an argument
tanh = Tanh()            tanh(x, derivative=True)    the same of an object
softmax_loss(x, y)       -> loss, dx
naive(W, X, y, reg)      -> loss, dW
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mnist_cli.gradcheck.adapters.backwards import backward_slots
from mnist_cli.gradcheck.adapters.forwards import calls, of_places
from mnist_cli.gradcheck.adapters.methods import passes
from mnist_cli.gradcheck.adapters.objects import made
from mnist_cli.gradcheck.adapters.reading import Reading
from mnist_cli.gradcheck.adapters.signature import arguments, derivative_flag
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.surroundings import surroundings
from mnist_cli.gradcheck.adapters.vocabulary import CACHE, is_named
from mnist_cli.gradcheck.request import Request


def readings(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None,
    request: Request,
    module: Mapping[str, Any],
) -> Iterator[Reading]:
    """Yield the ways in which one function, or two, may be read, the likeliest first."""
    flag = derivative_flag(forward) if backward is None else None
    if flag is not None:
        for of_output in (False, True):
            derivative = flagged(forward, flag, of_output=of_output)
            yield from readings(forward, derivative, request, module)
        return
    own = [argument.name for argument in arguments(forward)]
    around = surroundings(None, [forward, *([backward] if backward else [])])
    state = State(None, {name: v for name, v in around.items() if v.name not in own})
    ways = list(calls(forward, request, module))
    for call in [*ways, *(other for each in ways if (other := of_places(each)) is not None)]:
        if backward is None:
            if call.arrays:
                yield made(state, forward, None, call, (), is_layer=True)
            continue
        names = [argument.name for argument in arguments(backward) if argument.is_required]
        has_cache = any(is_named(name, CACHE) for name in names)
        is_derivative = len(names) == 1 and not has_cache and call.labels is None
        for wants in backward_slots(backward, call, request, is_derivative=is_derivative):
            # Without labels and without dout, it is the derivative itself.
            has_dout = any(slot.role == "dout" for slot in wants)
            if call.looks_up and not has_dout:
                continue
            is_layer = call.labels is not None or has_dout or len(call.arrays) > 1
            yield made(state, forward, backward, call, wants, is_layer=is_layer)


def of_flagged_methods(
    thing: Any, request: Request, module: Mapping[str, Any]
) -> Iterator[Reading]:
    """Yield the readings of an object without a backward, whose forward is its own derivative.

    As ``relu(x, derivative=True)`` is. It is taken for a function, so it must hold no arrays.
    """
    forwards, backwards, derivatives = passes(thing, request)
    if backwards or derivatives or State(thing).arrays:
        return
    for name in forwards:
        if derivative_flag(getattr(thing, name)) is not None:
            yield from readings(getattr(thing, name), None, request, module)


def flagged(function: Callable[..., Any], flag: str, *, of_output: bool) -> Callable[..., Any]:
    """Return the derivative that a function gives by an argument, of its input or its output."""
    taken = [p for p in inspect.signature(function).parameters.values() if p.name != flag]

    @functools.wraps(function)
    def derivative(*values: Any) -> Any:
        return function(*values, **{flag: True})

    if of_output:
        taken[0] = taken[0].replace(name="output")
    vars(derivative)["__signature__"] = inspect.Signature(taken)
    return derivative
