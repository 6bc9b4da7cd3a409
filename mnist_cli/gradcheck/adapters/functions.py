"""Plain functions: a pair of them, or one that returns a loss with its gradients.

tanh(x)                  tanh_prime(x)               the elementwise derivative, or a Jacobian
mse(pred, true)          mse_derivative(pred, true)
linear_forward(x, w, b)  linear_backward(dout, cache)
softmax_loss(x, y)       -> loss, dx
naive(W, X, y, reg)      -> loss, dW
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mnist_cli.gradcheck.adapters.objects import made
from mnist_cli.gradcheck.adapters.reading import Reading
from mnist_cli.gradcheck.adapters.signature import arguments, backward_slots, calls
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
    own = [argument.name for argument in arguments(forward)]
    around = surroundings(None, [forward, *([backward] if backward else [])])
    state = State(None, {name: v for name, v in around.items() if name not in own})
    for call in calls(forward, request, module):
        if backward is None:
            if call.arrays:
                yield made(state, forward, None, call, (), is_layer=True)
            continue
        names = [argument.name for argument in arguments(backward) if argument.is_required]
        has_cache = any(is_named(name, CACHE) for name in names)
        is_derivative = len(names) == 1 and not has_cache and call.labels is None
        for wants in backward_slots(backward, call, request, is_derivative=is_derivative):
            # Without labels and without dout, it is the derivative itself.
            is_layer = call.labels is not None or any(slot.role == "dout" for slot in wants)
            yield made(state, forward, backward, call, wants, is_layer=is_layer)
