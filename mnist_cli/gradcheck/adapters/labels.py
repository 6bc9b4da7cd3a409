"""Which forms labels may have: rows or indices, of as many classes as the code suggests."""

from __future__ import annotations

from collections.abc import Iterator

from mnist_cli.gradcheck.adapters.drawing import FEATURES, Draw, Kind
from mnist_cli.gradcheck.adapters.shapes import Draws, Shape, drawn
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.request import Request


def forms_of_labels(x: Draw, draws: Draws, state: State, request: Request) -> Iterator[Draw]:
    """Yield the forms that labels may have, the likeliest first.

    Rows of as many classes as the input has columns, or as the code has outputs; indices; rows
    without a zero, as some losses take their logarithm; and for one column, 0 and 1.
    """
    columns = x.axis == -1
    across = 0 if columns and len(x.shape) > 1 else -1
    widths: dict[int, None] = {}
    if request.classes:
        widths[request.classes] = None
    else:
        known = [draw.shape for draw in draws.values() if draw.is_parameter]
        known += [array.shape for array in state.arrays.values()]
        for sizes in reversed(known):
            if len(sizes) in (1, 2):
                widths |= dict.fromkeys(sizes if columns else sizes[::-1])
        own = x.shape[across] if x.shape else 1
        # A layer's loss has as many classes as columns; a network's, as its last weights have.
        widths = {**widths, own: None} if known else {own: None}
    n = x.shape[x.axis] if x.axis is not None and x.shape else 1
    is_binary = len(x.shape) > 1 and x.shape[across] == 1
    kinds: list[Kind] = ["onehot", "index", "soft"]
    if request.labels == "onehot":
        kinds = ["onehot", "soft"]
    elif request.labels == "index":
        kinds = ["index"]
    for width in widths:
        is_two = is_binary or width == 1  # one column says which of two classes it is
        for kind in kinds:
            shape: tuple[int, ...]
            if kind == "index":
                shape = x.shape[:-1] if not columns else (n,)
                if x.axis is None and len(x.shape) == 1:
                    shape = ()
                if is_binary:
                    shape = x.shape
                yield Draw(shape, kind, x.axis if shape else None, 2 if is_two else width)
                if len(x.shape) == 1:
                    yield Draw(x.shape, kind, x.axis, 2)  # a number an example, 0 or 1
                if columns:
                    yield Draw((1, n), kind, x.axis, 2 if is_two else width)
                continue
            shape = (*x.shape[:-1], width)
            if columns:
                shape = (width, *x.shape[1:])
            yield Draw(shape, "bits" if width == 1 else kind, x.axis)
    if request.labels != "index":
        yield Draw((n,), "real", 0 if x.axis is not None else None)
        yield Draw((1, n) if columns else (n, 1), "real", x.axis)
        yield Draw(x.shape, "real", x.axis)
        yield Draw(x.shape, "signs", x.axis)
        yield Draw((n,), "bits", 0 if x.axis is not None else None)
        yield Draw((1, n) if columns else (n, 1), "bits", x.axis)


def asked(name: str, request: Request) -> Shape | None:
    """Return the shape that was asked for the labels, by their name."""
    return request.shapes.get(name) if name else None


def with_as_many(draws: Draws, labels: Shape, state: State, request: Request) -> Draws:
    """Return the draws with as many examples as labels, where no shape of their own is told.

    The one input of a loss without weights has the shape of its labels, if that has two axes.
    """
    free = [n for n in draws if n not in request.shapes and "" not in request.shapes]
    if len(draws) == len(free) == 1 and len(labels) > 1 and not state.arrays:
        return {free[0]: drawn(labels, request)}
    count = labels[-1 if request.columns else 0] if labels else 1
    return {n: d.resized(count) if n in free else d for n, d in draws.items()}


def forms_of_shape(shape: Shape, x: Draw, request: Request) -> Iterator[Draw]:
    """Yield the forms that labels of a shape may have, the likeliest first."""
    kinds: list[Kind] = ["onehot", "soft", "real", "signs", "bits", "index"]
    if request.labels == "index" or len(shape) < len(x.shape) or shape[-1:] == (1,):
        kinds = ["index", "bits", "real", "signs"]
    elif request.labels == "onehot":
        kinds = ["onehot", "soft"]
    across = 0 if x.axis == -1 and len(x.shape) > 1 else -1
    classes = request.classes or (x.shape[across] if x.shape else FEATURES)
    for kind in kinds:
        yield Draw(shape, kind, x.axis if shape else None, classes)
