"""Numbers that are 1 by default, as a slope or a temperature: what forgets them is right at 1.

elu(x, alpha=1.0)              elu_prime(x, alpha=1.0)
Softmax(temperature=1.0)
"""

from __future__ import annotations

from collections.abc import Iterator

from mnist_cli.gradcheck.adapters.signature import arguments
from mnist_cli.gradcheck.adapters.vocabulary import CACHE, NO_PARAMETERS, is_named
from mnist_cli.gradcheck.request import Code, Request

NOT_ONE = 0.75
"""What such a number is besides: a share as well as a factor."""


def without_ones(code: Code, request: Request) -> Iterator[tuple[str, Request]]:
    """Yield for each such number of a class or a function its name, and a request with another.

    Of two functions, the second must be told of it, or be given what the first has kept.
    """
    if not callable(code.thing):
        return
    told = [argument.name for argument in arguments(code.backward)] if code.backward else []
    has_cache = any(is_named(name, CACHE) for name in told)
    for argument in arguments(code.thing):
        name, default = argument.name, argument.default
        is_one = type(default) is float and default == 1
        is_shared = code.backward is None or has_cache or name in told
        if is_one and is_shared and not is_named(name, NO_PARAMETERS | set(request.arguments)):
            yield name, request.told(name, NOT_ONE)
