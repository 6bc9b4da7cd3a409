"""Which shapes somebody's code may take: what was asked for, what its arrays and names suggest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, permutations

from mnist_cli.gradcheck.adapters.drawing import BATCH, FEATURES, Draw, Kind
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.vocabulary import STEMS, plain
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.request import Request

HIDDEN, CLASSES = 4, 3
"""The sizes of weights that are arguments: 10 in, 4 hidden, 3 out."""
GATES = (4, 3, 1)
"""How many times as wide as the hidden state the weights of a recurrent cell may be."""
HIDDEN_STATES = {
    *("h", "c", "prevh", "hprev", "prevc", "cprev", "hnext", "cnext", "hidden", "hiddenstate"),
    *("cellstate", "cell", "state", "prevstate", "aprev", "hin", "cin", "ht", "ct", "s", "sprev"),
}
"""What the hidden state of a recurrent cell is called."""
WEIGHT_OF_GATE = re.compile(r"(w|u|weights?)[xhyaziforcgnqkvt]{1,2}")
BIAS_OF_GATE = re.compile(r"(b|bias)[xhyaziforcgnqkvt]{1,2}")
"""What the parameters of a cell or of a head are called: ``Wxh``, ``Uz``, ``b_h``."""
WIDTHS = (2, 3, 4, 5, 8)
"""Sizes that code has in itself, where nothing else suggests one."""
IMAGE = 6
"""The height of images; they are one wider than high."""
STEPS = 3
"""How many steps a sequence has."""
SEQUENCES = 3
"""How many sequences are drawn: not 2, which is a factor that people forget."""

Shape = tuple[int, ...]
Draws = dict[str, Draw]


def held(state: State) -> list[tuple[str, Shape]]:
    """Return the names and the shapes of what an object holds."""
    return [(name, array.shape) for name, array in state.arrays.items()]


def batch_size(shapes: Iterable[Shape]) -> int:
    """Return how many examples to draw: a number that is no size of the code's own arrays."""
    sizes = {size for shape in shapes for size in shape}
    return next(n for n in range(BATCH, BATCH + 50) if n not in sizes | {FEATURES})


def inputs(
    names: Sequence[str], state: State, request: Request, known: Draws | None = None
) -> Iterator[Draws]:
    """Yield how the arrays that are arguments may be drawn, the likeliest first.

    Parameters
    ----------
    names : sequence of str
        The arguments; of a list or a dictionary, ``inputs.0``.
    state : State
        What the object holds, whose matrices suggest the shapes.
    request : Request
        ``--shape``, which is taken as it is, and ``--columns``.
    known : dict of Draw, optional
        Those that are known already.
    """
    known = known or {}
    told: Draws = dict(known)
    names = [*(name for name in names if name not in known), *known]
    for index, name in enumerate(names):
        if name in known:
            continue
        shape = request.shapes.get(name) or (request.shapes.get("") if index == 0 else None)
        if shape is not None:
            draw = drawn(shape, request)
            # Of two alike, as a and b, the second is no bias.
            is_alike = draw.axis is not None and draw in told.values()
            if is_weight(name) or is_per_feature(name) or (is_bias(name) and not is_alike):
                draw = Draw(shape, axis=None, is_parameter=True)
            told[name] = draw
    told = with_parameters(told, known)
    unknown = [name for name in names if name not in told]
    if len(told) == len(names):
        yield told
        return
    if len(unknown) == 1 and len(told) == len(known):
        if state.lists and not request.columns:  # code without NumPy is for one example
            sizes = {size: None for _, shape in held(state) for size in reversed(shape)}
            for size in sizes:
                yield {unknown[0]: Draw((size,), axis=None)} | told
        for draw in one_input([*held(state), *((n, d.shape) for n, d in known.items())], request):
            yield {unknown[0]: draw} | told
        return
    seen: list[Draws] = []
    for draws in several_inputs(names, state, request, told):
        if (draws | told) not in seen:
            seen.append(draws | told)
            yield draws | told


def with_parameters(told: Draws, known: Draws) -> Draws:
    """Return the shapes that were asked for, of which those are examples that are as many.

    As many as in the first of them: the others are parameters, whatever they are called.
    """
    counts = [d.shape[d.axis] for n, d in told.items() if d.axis is not None and n not in known]
    return {
        name: draw
        if name in known or draw.axis is None or draw.shape[draw.axis] == counts[0]
        else replace(draw, axis=None, is_parameter=True)
        for name, draw in told.items()
    }


def drawn(shape: Shape, request: Request) -> Draw:
    """Return how an input of a given shape is drawn.

    A vector is one example by its nature; so are one row, and, unless examples are columns, one
    column.
    """
    if request.columns:
        return Draw(shape, axis=-1 if len(shape) > 1 else None)
    is_one = len(shape) < 2 or (len(shape) == 2 and 1 in shape)
    return Draw(shape, axis=None if is_one else 0)


def of_classes(request: Request) -> Draw:
    """Return the draw of a score for each of the classes that were asked for."""
    assert request.classes
    n = batch_size([(request.classes,)])
    return Draw((request.classes, n), axis=-1) if request.columns else Draw((n, request.classes))


def one_input(own: Sequence[tuple[str, Shape]], request: Request) -> Iterator[Draw]:
    """Yield the shapes that the one input may have, by those of the code's own arrays."""
    n = batch_size(shape for _, shape in own)
    flat = [(name, shape) for name, shape in own if len(shape) == 2]
    named = [shape for name, shape in flat if is_weight(name) and 1 not in shape]
    others = sorted((shape for _, shape in flat if 1 not in shape), key=lambda s: -s[0] * s[1])
    thin = [shape for name, shape in flat if is_weight(name) and 1 in shape]
    widths: dict[int, None] = {}
    for matrix in (*named, *others, *thin):
        widths |= dict.fromkeys(matrix)
    for matrix in (*named, *others):
        widths |= dict.fromkeys(size - 1 for size in matrix if size > 1)
    for stack in (shape for _, shape in own if len(shape) == 3):
        widths |= dict.fromkeys(stack)
    for _, shape in own:
        if len(shape) == 1 or (len(shape) == 2 and 1 in shape):
            widths[max(shape)] = None
    kernels = [shape for _, shape in own if len(shape) == 4]
    if request.columns:
        for width in (*widths, FEATURES):
            yield Draw((width, n), axis=-1)
        return
    for kernel in kernels:
        for channels in (kernel[1], kernel[0], kernel[2], kernel[3]):
            yield Draw((2, channels, IMAGE, IMAGE + 1))
            yield Draw((2, IMAGE, IMAGE + 1, channels))
            yield Draw((channels, IMAGE, IMAGE + 1), axis=None)
    for over_time in (shape for _, shape in own if len(shape) == 3):
        for channels in (over_time[1], over_time[0], over_time[2]):
            yield Draw((2, channels, FEATURES))
            yield Draw((2, FEATURES, channels))
    for width in widths:
        yield Draw((n, width))
    yield Draw((n, FEATURES))
    for width in widths:
        yield Draw((width, n), axis=-1)
    for width in widths:
        yield Draw((width, 1), axis=None)
    for width in (*widths, FEATURES):
        yield Draw((width,), axis=None)
    for width in widths:
        yield Draw((1, width), axis=None)
    yield Draw((2, 2, IMAGE, IMAGE))
    for width in WIDTHS:
        yield Draw((n, width))
    yield Draw((FEATURES, 1), axis=None)
    yield Draw((1, FEATURES), axis=None)
    yield Draw((2, IMAGE, FEATURES))
    yield Draw((n, 1))
    # Sequences, with their features last or first, and images of as many channels.
    for width in dict.fromkeys([*widths, *(size for _, shape in own for size in shape)]):
        yield Draw((SEQUENCES, IMAGE, width))
        yield Draw((SEQUENCES, width, IMAGE))
        yield Draw((2, width, IMAGE, IMAGE + 1))


def several_inputs(
    names: Sequence[str], state: State, request: Request, told: Draws
) -> Iterator[Draws]:
    """Yield the shapes that several arguments may have, by what they are called.

    Weights are a chain, ``W1`` from the features to the hidden units, ``W2`` on to the classes;
    everything else of a layer is an input, or has an element a feature, as ``gamma`` has.
    """
    n = next(k for k in range(BATCH, BATCH + 50) if all(k not in d.shape for d in told.values()))
    features, width = FEATURES, CLASSES
    for name, draw in told.items():
        if len(draw.shape) == 2 and (not is_weight(name) and not is_bias(name)):
            features = draw.shape[0 if request.columns else -1]
            n = draw.shape[-1 if request.columns else 0]
        elif is_weight(name) and len(draw.shape) == 2:
            one_output_alone = draw.shape[1] == 1
            features = draw.shape[1 if request.columns and not one_output_alone else 0]
            width = draw.shape[0 if request.columns else 1]
    has_weights = any(is_weight(name) or is_bias(name) for name in names)
    for columns in (True,) if request.columns else (False, True) if has_weights else (False,):
        for one_row in (False, True):
            yield chain(names, n, features, width, columns=columns, one_row=one_row)
    if any(map(is_weight, names)):
        for columns in (True,) if request.columns else (False, True):
            yield one_output(names, n, features, columns=columns)
    if not request.columns and any(map(is_weight, names)):
        yield one_output(names, n, features, columns=False, is_vector=True)
        yield chain(names, n, features, width, columns=False, one_row=False, out_first=True)
    if not request.columns and any(map(is_hidden_state, names[1:])):
        if has_weights:
            for gates in GATES:
                yield recurrent(names, n, (features, HIDDEN), gates)
            for gates in GATES:
                yield recurrent(names, n, (features, HIDDEN), gates, steps=STEPS)
        for widths in recurrent_widths(shape for _, shape in held(state)):
            yield recurrent(names, n, widths)
    if sum(map(is_weight, names)) > 1:
        for size in (HIDDEN, features):
            yield side_by_side(names, n, (features, size), columns=request.columns)
    alike = Draw((features, n), axis=-1) if request.columns else Draw((n, features))
    yield dict.fromkeys(names, alike)
    if not request.columns:
        vector = Draw((features,), axis=None)
        yield {name: replace(vector, is_parameter=is_weight(name)) for name in names}
        first, *others = names
        for _, shape in held(state):
            if len(names) == 2 <= len(shape) <= 3:  # a matrix between the two, or one an output
                for sizes in combinations(shape, 2):
                    yield {name: Draw((n, size)) for name, size in zip(names, sizes, strict=True)}
        row = Draw((features,), axis=None, is_parameter=True)
        weights = Draw((features, HIDDEN), axis=None, is_parameter=True)
        yield {first: alike} | dict.fromkeys(others, row)
        yield {first: alike} | dict.fromkeys(others, replace(row, shape=(1, features)))
        yield {first: alike} | dict.fromkeys(others, weights)
        yield {first: alike} | dict.fromkeys(others, Draw((n, 1)))
        if is_weight(first):
            square = Draw((features, features), axis=None, is_parameter=True)
            yield {first: Draw((features,), axis=None)} | dict.fromkeys(others, square)
        if len(others) == 2:
            yield {first: alike, others[0]: weights, others[1]: replace(row, shape=(HIDDEN,))}
        yield {first: Draw((n, HIDDEN)), others[0]: Draw((n, CLASSES))} | dict.fromkeys(
            others[1:], alike
        )
        if has_weights:
            # A layer for each step of a sequence.
            layer = chain(names, SEQUENCES, features, width, columns=False, one_row=False)
            sequence = Draw((SEQUENCES, IMAGE, features))
            yield {n: draw if draw.is_parameter else sequence for n, draw in layer.items()}
        yield {first: Draw((2, 3, IMAGE, IMAGE + 1))} | {
            name: Draw(
                (HIDDEN,) if is_bias(name) else (HIDDEN, 3, 3, 3), axis=None, is_parameter=True
            )
            for name in others
        }


def word(name: str) -> str:
    """Return what an argument is called, in plain letters, without what says of which layer."""
    last = name.rpartition(".")[2]
    first, _, place = last.partition("_")
    if first and place.lower() in ("curr", "current", "l", "layer", "out", "hidden"):
        last = first
    return plain(last).rstrip("0123456789")


def is_weight(name: str) -> bool:
    """Return whether an argument is called as weights are."""
    called = word(name)
    is_usual = called in {*STEMS[0], "theta", "weightmatrix"} or name.rpartition(".")[2] == "U"
    return is_usual or WEIGHT_OF_GATE.fullmatch(called) is not None


def is_bias(name: str) -> bool:
    """Return whether an argument is called as a bias is."""
    called = word(name)
    return called in STEMS[1] or BIAS_OF_GATE.fullmatch(called) is not None


def is_per_feature(name: str) -> bool:
    """Return whether an argument is called as what each feature has one number of."""
    return plain(name.rpartition(".")[2]) in (
        *("gamma", "beta", "scale", "shift", "mean", "var", "gain", "runningmean", "runningvar"),
    )


def is_parameter(name: str) -> bool:
    """Return whether something is called as weights, a bias or a scale are."""
    return is_weight(name) or is_bias(name) or is_per_feature(name)


def is_hidden_state(name: str) -> bool:
    """Return whether an argument is called as the hidden state of a recurrent cell is."""
    return word(name) in HIDDEN_STATES


def recurrent_widths(shapes: Iterable[Shape]) -> Iterator[tuple[int, int]]:
    """Yield how wide input and hidden state may be, by a cell's matrices: one for each, or both."""
    matrices = [shape for shape in shapes if len(shape) == 2]
    yield from permutations({shape[0]: None for shape in matrices}, 2)
    for rows, columns in matrices:
        for gates in GATES:
            if columns % gates == 0 and rows > columns // gates:
                yield rows - columns // gates, columns // gates


def recurrent(
    names: Sequence[str], n: int, widths: tuple[int, int], gates: int = 1, steps: int | None = None
) -> Draws:
    """Return the shapes of a recurrent cell: a hidden state, and weights for it and the input.

    Parameters
    ----------
    names : sequence of str
    n : int
        How many examples there are.
    widths : tuple of int
        How many numbers the input has, and how many the hidden state.
    gates : int
    steps : int, optional
        How many steps the input has; without it, there is no axis of steps.
    """
    features, hidden = widths
    found: Draws = {}
    of_input = of_cell_input([name for name in names if is_weight(name)])
    for name in names:
        if is_weight(name):
            rows = features if name in of_input else hidden
            found[name] = Draw((rows, gates * hidden), axis=None, is_parameter=True)
        elif is_bias(name):
            found[name] = Draw((gates * hidden,), axis=None, is_parameter=True)
        elif is_hidden_state(name):
            found[name] = Draw((n, hidden))
        else:
            found[name] = Draw((n, features) if steps is None else (n, steps, features))
    return found


def of_cell_input(weights: Sequence[str]) -> list[str]:
    """Return which weights of a cell are for its input, and not for its hidden state.

    ``Wx`` and ``Wxh`` by their x; else those that begin as the first does: of ``Wz, Uz, Wr, Ur``,
    those with a W.
    """
    called_so = [name for name in weights if "x" in word(name)]
    initials = {word(name)[:1] for name in weights}
    if called_so or len(initials) < 2:
        return called_so or list(weights[:1])
    return [name for name in weights if word(name)[:1] == word(weights[0])[:1]]


def chain(
    names: Sequence[str],
    n: int,
    features: int,
    width: int = CLASSES,
    *,
    columns: bool,
    one_row: bool,
    out_first: bool = False,
) -> Draws:
    """Return the shapes of a layer's or a network's arguments."""
    weights = [name for name in names if is_weight(name)]
    sizes = [features, *[HIDDEN] * max(0, len(weights) - 1), width]
    found: Draws = {}
    for name in names:
        if is_weight(name):
            k = weights.index(name)
            shape: Shape = (sizes[k], sizes[k + 1])
            if columns != out_first:
                shape = shape[::-1]
            found[name] = Draw(shape, axis=None, is_parameter=True)
        elif is_bias(name):
            number = re.sub(r"\D", "", name)
            k = next(
                (i for i, w in enumerate(weights) if re.sub(r"\D", "", w) == number),
                len(weights) - 1,
            )
            size = sizes[k + 1] if weights else features
            shape = bias_shape(size, columns=columns, one_row=one_row)
            found[name] = Draw(shape, axis=None, is_parameter=True)
        elif is_per_feature(name):
            shape = bias_shape(features, columns=columns, one_row=one_row)
            found[name] = Draw(
                shape, "positive" if "var" in name else "normal", axis=None, is_parameter=True
            )
        else:
            found[name] = Draw((features, n), axis=-1) if columns else Draw((n, features))
    return found


def side_by_side(names: Sequence[str], n: int, sizes: tuple[int, int], *, columns: bool) -> Draws:
    """Return the shapes of a layer whose weights all take the same input, as those of gates do.

    Parameters
    ----------
    names : sequence of str
    n : int
        How many examples there are.
    sizes : tuple of int
        How many numbers go into each of the weights, and how many come out.
    columns : bool
    """
    features, size = sizes
    found: Draws = {}
    for name in names:
        if is_weight(name):
            shape: Shape = (size, features) if columns else (features, size)
            found[name] = Draw(shape, axis=None, is_parameter=True)
        elif is_bias(name):
            shape = bias_shape(size, columns=columns, one_row=False)
            found[name] = Draw(shape, axis=None, is_parameter=True)
        else:
            found[name] = Draw((features, n), axis=-1) if columns else Draw((n, features))
    return found


def bias_shape(width: int, *, columns: bool, one_row: bool) -> tuple[int, ...]:
    """Return the shape of what is added to every example."""
    if columns:
        return (width, 1)
    return (1, width) if one_row else (width,)


def one_output(
    names: Sequence[str], n: int, features: int, *, columns: bool, is_vector: bool = False
) -> Draws:
    """Return the shapes of a logistic regression: a column of weights, and a number for a bias."""
    found: Draws = {}
    for name in names:
        if is_weight(name):
            shape = (features,) if is_vector else (features, 1)
            found[name] = Draw(shape, axis=None, is_parameter=True)
        elif is_bias(name):
            found[name] = Draw((), axis=None, is_parameter=True)
        else:
            found[name] = Draw((features, n), axis=-1) if columns else Draw((n, features))
    return found


def places(draws: Draws, state: State) -> Iterator[Draw]:
    """Yield which rows may be looked up of the code's tables: a few, or a few an example."""
    tables = [d.shape for d in draws.values()] + [shape for _, shape in held(state)]
    heights = dict.fromkeys(shape[0] for shape in tables if len(shape) == 2)
    for height in heights:
        for shape in ((BATCH,), (BATCH, 3)):
            yield Draw(shape, "places", classes=height)


def in_kind(draws: Draws, name: str, kind: Kind) -> Draws:
    """Return the draws with one array in another kind."""
    return {**draws, name: replace(draws[name], kind=kind)}


def given(array: Array, request: Request) -> Draw:
    """Return the draw of an array that was given, as it is."""
    axis = None if not array.ndim else -1 if request.columns else 0
    return Draw(array.shape, "given", axis, given=array)
