"""What may be drawn for a reading: inputs and labels, in shapes and kinds that forward takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np

from mnist_cli.gradcheck.adapters import shapes
from mnist_cli.gradcheck.adapters.code import CodeOperation
from mnist_cli.gradcheck.adapters.drawing import Draw, Kind
from mnist_cli.gradcheck.adapters.labels import asked, forms_of_labels, forms_of_shape, with_as_many
from mnist_cli.gradcheck.adapters.reading import Reading
from mnist_cli.gradcheck.operation import Array, Arrays
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.user_code import UserCodeError

Trial = tuple[dict[str, Draw], Draw | None]


def drawn(
    reading: Reading, draws: dict[str, Draw], labels: Draw | None, seed: int
) -> CodeOperation:
    """Return the operation at newly drawn arrays, with the parameters that are drawn as well."""
    rng = np.random.default_rng(seed)
    arrays = {name: draw.sample(rng) for name, draw in draws.items()}
    made = None if labels is None else labels.sample(rng)
    held = [
        name for name in draws if name in reading.state.places and name not in names_of(reading)
    ]
    return CodeOperation(replace(reading, draws=draws, labels=labels), arrays, made, held)


def names_of(reading: Reading) -> list[str]:
    """Return the arguments of forward that are arrays, entries of lists and dictionaries too."""
    names: list[str] = []
    for slot in reading.takes:
        if slot.role == "data":
            names.append(slot.name)
        elif slot.role == "packed":
            names += [name for _, name in slot.parts if name is not None]
    return names


def has_labels(reading: Reading) -> bool:
    """Return whether forward takes labels."""
    return reading.cost is not None or any(
        slot.role == "labels"
        or (slot.role == "packed" and any(name is None for _, name in slot.parts))
        for slot in reading.takes
    )


def reading_labels(reading: Reading) -> str:
    """Return what the code calls its labels."""
    if reading.cost is not None:
        return reading.cost.labels
    return next((slot.name for slot in reading.takes if slot.role == "labels"), "")


def trials(reading: Reading, request: Request, seed: int, given: Arrays) -> Iterator[Trial]:
    """Yield what may be drawn for the arguments and the labels, the likeliest first."""
    names = names_of(reading)
    if reading.draws:
        candidates: Iterator[shapes.Draws] = iter([dict(reading.draws)])
    elif names:
        candidates = shapes.inputs(names, reading.state, request, dict(reading.known))
        if has_labels(reading) and is_of_classes_alone(reading, names, request):
            candidates = chain([{names[0]: shapes.of_classes(request)}], candidates)
        if "" in given:
            x = shapes.given(given[""], request)
            candidates = ({**draws, names[0]: x} for draws in candidates)
    else:
        candidates = iter([{}])
    for draws in candidates:
        if has_labels(reading) and any(
            len(draw.shape) > 2
            and not draw.is_parameter
            and draw.kind != "given"
            and not request.shapes
            for draw in draws.values()
        ):
            continue  # a loss of images is guessed by nobody
        if reading.looks_up:
            yield from ((draws, places) for places in shapes.places(draws, reading.state))
            continue
        if not has_labels(reading):
            for kinds in _kinds_of_inputs(draws):
                yield kinds, None
            continue
        told = asked(reading_labels(reading), request)
        if told is not None:
            draws = with_as_many(draws, told, reading.state, request)
        x = draws[names[0]] if names else Draw((1,), axis=None)
        x = next((d for d in draws.values() if d.axis is not None), x)
        forms = forms_of_labels(x, draws, reading.state, request)
        if told is not None:
            forms = forms_of_shape(told, x, request)
        if "labels" in given:
            forms = iter([shapes.given(given["labels"], request)])
        fitting = [form for form in forms if told is not None or not is_spread(x.shape, form)]
        for form in _usable(reading, draws, fitting, seed):
            main = next((n for n, d in draws.items() if d is x), None)
            if main is None or draws[main].kind == "given":
                yield draws, form
                continue
            for kind in _kinds_of_loss(reading, draws, main, form, seed):
                yield shapes.in_kind(draws, main, kind), form


def is_of_classes_alone(reading: Reading, names: list[str], request: Request) -> bool:
    """Return whether the input of a loss has a column for each of the classes asked for.

    It has, unless the loss has weights, which can turn any number of features into classes.
    """
    is_bare = len(names) == 1 and not (reading.state.arrays or reading.known)
    return is_bare and bool(request.classes) and not request.shapes


def is_spread(shape: tuple[int, ...], labels: Draw) -> bool:
    """Return whether labels beside something broadcast to more numbers than either has.

    As (N, 1) and (N,) do, of which nobody means all differences.
    """
    if labels.kind in ("index", "given") or not shape or not labels.shape:
        return False
    try:
        both = np.broadcast_shapes(shape, labels.shape)
    except ValueError:
        return False
    return both not in (shape, labels.shape)


def _kinds_of_inputs(draws: shapes.Draws) -> Iterator[shapes.Draws]:
    yield draws
    if not draws:
        return
    free = [n for n, d in draws.items() if d.kind == "normal"]
    *first, last = draws
    if first and last in free and last[-1:].isdigit() and len(draws[last].shape) == 2:
        # The last of a list may be labels, whose rows sum to one.
        yield {**draws, last: draws[last].of("soft")}
        yield {**{n: draws[n].of("probabilities") for n in first}, last: draws[last].of("soft")}
    kinds: tuple[Kind, ...] = ("positive", "unit")
    for kind in kinds:
        if free:
            yield {n: d.of(kind) if n in free else d for n, d in draws.items()}


def _usable(reading: Reading, draws: shapes.Draws, forms: list[Draw], seed: int) -> Iterator[Draw]:
    """Yield the forms of labels that forward takes; all of them if it takes none."""
    taken = []
    for form in forms:
        operation = drawn(reading, draws, form, seed)
        session = operation.open({n: a.copy() for n, a in operation.at.items()})
        try:
            session.forward()
        except UserCodeError:
            continue
        if reading.cost is not None and is_spread(np.shape(session.out), form):
            continue
        taken.append(form)
        yield form
    if not taken:
        yield from forms[:1]


def _kinds_of_loss(
    reading: Reading, draws: shapes.Draws, name: str, form: Draw, seed: int
) -> tuple[Kind, ...]:
    """Return in which kinds the input of a loss is to be drawn, the likeliest first.

    Logits; but probabilities first, if the loss cuts off what is none, or if at probabilities it
    is their cross-entropy, of classes or of bits.
    """
    shape = draws[name].shape
    across = 0 if draws[name].axis == -1 else -1
    likely: Kind = (
        "unit" if (shape and shape[across] == 1) or form.kind == "bits" else "probabilities"
    )
    logits = drawn(reading, draws, form, seed)
    certain = drawn(reading, shapes.in_kind(draws, name, likely), form, seed)

    def value(operation: CodeOperation, x: Array) -> Array | None:
        at = {n: a.copy() for n, a in operation.at.items()} | {name: x.copy()}
        try:
            return operation.open(at).forward()
        except UserCodeError:
            return None

    x, p, t = logits.at[name], certain.at[name], certain.labels
    at_x, at_cut, at_p = value(logits, x), value(logits, np.clip(x, 0, 1)), value(certain, p)
    if at_x is not None and at_cut is not None:
        is_cut_off = bool(np.all(np.isfinite(at_x))) and np.array_equal(at_x, at_cut)
        if is_cut_off:
            return likely, "normal"
    if at_p is not None and t is not None:
        rows, across_rows = p, t
        if t.dtype.kind == "i" and t.ndim == p.ndim - 1 and p.shape[-1] > t.max(initial=0):
            across_rows = np.eye(p.shape[-1])[t]
        if across_rows.shape == rows.shape:
            with np.errstate(all="ignore"):
                classes = -(across_rows * np.log(rows)).sum()
                bits = classes - ((1 - across_rows) * np.log(1 - rows)).sum()
            total = float(np.sum(at_p))
            sizes = (1, len(p), p.size)
            if any(np.isclose(total, s / n) for s in (classes, bits) for n in sizes):
                return likely, "normal"
    return "normal", likely, "positive"
