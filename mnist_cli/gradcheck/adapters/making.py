"""An object out of what the user named: a class, a function that makes one, or the object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import shapes
from mnist_cli.gradcheck.adapters.drawing import BATCH, FEATURES
from mnist_cli.gradcheck.adapters.places import attributes, holders
from mnist_cli.gradcheck.adapters.signature import Argument, arguments
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.vocabulary import FLAG, INPUT, RATE, is_named, plain
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.user_code import UserCodeError, call, required

NEEDS = "needs arguments to be made: "
SIZES = (7, 4, 3)
"""The sizes that a network is made with: no two alike, so that a transpose is seen."""
ONE_OUTPUT = (7, 4, 1)
"""The same, of one whose loss is of one output alone: ``np.dot(Y, np.log(A).T)``."""
LISTS = ("sizes", "layers", "layersizes", "dims", "layersdims", "layerdims", "layout", "units")
SIZE = (
    *("size", "dim", "units", "feature", "nodes", "neurons", "hidden", "visible", "classes", "num"),
    *("width", "len"),
)
OF_IMAGES = (
    *(("stride", 1), ("pad", 0), ("pool", 2), ("kernel", 3), ("filtersize", 3), ("ksize", 3)),
    *(("outchannel", 3), ("outputchannel", 3), ("filters", 3), ("channel", 2)),
)
"""What is in the names of the arguments of convolutions and of pooling, and what they may be."""
COUNTS = {
    *("nin", "nout", "nx", "ny", "nh", "nin1", "in1", "in2", "fanin", "fanout"),
    *("indim", "outdim", "d", "m", "n"),
    *("h", "c", "k", "shape", "ninputs", "noutputs", "inp", "out", "din", "dout", "inputs"),
    *("outputs", "input", "output", "infeatures", "outfeatures", "channels"),
}


def made(target: str, thing: Any, request: Request) -> Iterator[Any]:
    """Yield the objects that a class makes, the likeliest first; or the object itself.

    Raises
    ------
    UserCodeError
        If it needs arguments that cannot be guessed, or if making it raises something.
    """
    if not isinstance(thing, type):
        yield thing
        return
    named = {
        argument.name: request.arguments[argument.name]
        for argument in arguments(thing)
        if not argument.is_required and argument.name in request.arguments
    }
    if not required(thing):
        yield seeded(thing, **named)
        return
    refused: UserCodeError | None = None
    count = 0
    for values in guesses(arguments(thing), request):
        try:
            yield seeded(thing, *values, **named)
            count += 1
        except UserCodeError as error:
            refused = refused or error
    if count:
        return
    name = thing.__name__
    needs = ", ".join(argument.name for argument in arguments(thing) if argument.is_required)
    tried = f"\nThey were guessed, and {refused}" if refused else ""
    raise UserCodeError(
        f"{target} {NEEDS}{needs}. Write them after it, as in '{target}({needs})' with numbers in "
        "their place; or name a function that makes one.\n    def make():\n        return "
        f"{name}({needs}){tried}"
    )


def in_training(thing: Any) -> tuple[Any, str]:
    """Return a copy of an object in training mode, and a remark; the object itself if it is in it.

    Backward is for training: what a layer does in evaluation, as with a running mean, is not what
    its backward differentiates.
    """
    copied = State(thing).copied() if flags_off(thing) else thing
    flags = flags_off(copied)
    for holder, name in flags:
        setattr(holder, name, True)
    named = ", ".join(dict.fromkeys(name for _, name in flags))
    return copied, f"It is checked in training mode: {named} was set to True." if flags else ""


def flags_off(thing: Any) -> list[tuple[Any, str]]:
    """Return the objects within an object that are not in training mode, each with its flag."""
    return [
        (holder, name)
        for holder in holders(thing)
        for name, value in attributes(holder).items()
        if value is False and is_named(name, FLAG)
    ]


def seeded(function: Callable[..., Any], *values: Any, **named: Any) -> Any:
    """Call a function with NumPy's global generator as it always is."""
    before = np.random.get_state()  # noqa: NPY002 (it is theirs that is looked after)
    np.random.seed(0)  # noqa: NPY002
    try:
        return call(function, *values, **named)
    finally:
        np.random.set_state(before)  # noqa: NPY002


def guesses(
    wanted: list[Argument], request: Request, of: tuple[int, ...] = SIZES
) -> Iterator[list[Any]]:
    """Yield what a constructor may be given: sizes, weights by their names, a learning rate.

    Parameters
    ----------
    wanted : list of Argument
    request : Request
    of : tuple of int
        The sizes.
    """
    needed = [argument for argument in wanted if argument.is_required]
    names = [argument.name for argument in needed]
    if all(shapes.is_weight(n) or shapes.is_bias(n) or shapes.is_per_feature(n) for n in names):
        rng = np.random.default_rng(0)
        for columns, one_row in ((False, False), (False, True), (True, False)):
            draws = shapes.chain(names, 6, 7, columns=columns, one_row=one_row)
            yield [draws[name].sample(rng) for name in names]
        if sum(map(shapes.is_weight, names)) > 1:
            draws = shapes.recurrent(names, BATCH, (FEATURES, shapes.HIDDEN))
            yield [draws[name].sample(rng) for name in names]
        return
    if all(is_named(name, INPUT) for name in names):
        rng = np.random.default_rng(0)
        yield [rng.standard_normal(FEATURES) for _ in names]
        yield [rng.standard_normal((BATCH, FEATURES)) for _ in names]
    for as_lists in (False, True):
        values: list[Any] = []
        sizes = iter([*of, *of])
        for argument in needed:
            value = guess(argument.name, request)
            if value is None:
                break
            if value is LISTS:
                value = list(of) if as_lists or len(needed) == 1 else SIZE
            values.append(next(sizes) if value is SIZE else value)
        if len(values) == len(needed):
            yield values


def guess(name: str, request: Request) -> Any:
    """Return what one argument may be, by its name; None for no idea.

    `SIZE` is for the next size, and `LISTS` for that or for all of them.
    """
    if name in request.arguments:
        return request.arguments[name]
    short = plain(name)
    if is_named(name, RATE):
        return 0.1
    if short in LISTS:
        return LISTS
    for part, number in OF_IMAGES:
        if part in short:
            return number
    if is_named(name, COUNTS) or any(part in short for part in SIZE):
        return SIZE
    if short in ("seed", "randomstate"):
        return 0
    if short in ("rng", "generator"):
        return np.random.default_rng(0)
    if short in ("p", "dropout", "rate", "dropoutratio", "ratio", "prob", "keepprob"):
        return 0.5
    if short in ("reg", "lambda", "lambd", "l2", "weightdecay"):
        return 0.1
    return None
