"""The numbers and shapes at which a node runs: each way is tried, and those that run are kept."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import shapes
from mnist_cli.gradcheck.adapters.drawing import Draw
from mnist_cli.gradcheck.adapters.drawing import Kind as Kinds
from mnist_cli.gradcheck.adapters.drawn import is_right
from mnist_cli.gradcheck.adapters.nodes.adding import left_by_others
from mnist_cli.gradcheck.adapters.nodes.attributes import numbers_in
from mnist_cli.gradcheck.adapters.nodes.classes import back_of, takes_nothing
from mnist_cli.gradcheck.adapters.nodes.graph import SHARE, Graph
from mnist_cli.gradcheck.adapters.nodes.kinds import kinds_of
from mnist_cli.gradcheck.adapters.nodes.made import Made, made_by, parents_of
from mnist_cli.gradcheck.adapters.nodes.operation import NodeOperation
from mnist_cli.gradcheck.adapters.nodes.passes import Kind
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.vocabulary import is_label
from mnist_cli.gradcheck.operation import Array, Operation
from mnist_cli.gradcheck.point import copies
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError

MOST = 6
"""How many ways to draw the parents are handed on."""
PAIRS = ({"a", "b"}, {"u", "v"}, {"left", "right"}, {"lhs", "rhs"})
"""What two parents of one kind are called."""

Given = Sequence[Array | None]
"""The numbers of the parents that a node was made of."""


def applies(thing: Any, module: Mapping[str, Any]) -> bool:
    """Return whether something is a node of a graph, or a function that makes one."""
    if isinstance(thing, type):
        return next(kinds_of(thing, module, Request()), None) is not None
    return parents_of(made_by(thing) if inspect.isfunction(thing) else thing) is not None


def operations(code: Code, request: Request) -> Iterator[tuple[str, Operation]]:
    """Yield the ways in which a node may be run, the likeliest first.

    Raises
    ------
    UserCodeError
        If it is a node and runs in none; where it does so because two sizes differ, it is tried
        with as many examples as features, and handed on if it is wrong there.
    """
    thing: Any = made_by(code.thing) if inspect.isfunction(code.thing) else code.thing
    parents = parents_of(thing)
    given = None if parents is None else [numbers_in(parent) for parent in parents]
    refused: UserCodeError | None = None
    for kind in _kinds(thing, parents, code.module, request):
        found, error = _tried(kind, request, given)
        yield from (("", operation) for operation in found)
        if found:
            return
        refused = refused or error
    raise refused or UserCodeError(
        f"{code.target} is not finite at random numbers, nor at positive ones."
    )


def _kinds(
    thing: Any, parents: list[Any] | None, module: Mapping[str, Any], request: Request
) -> Iterator[Kind]:
    """Yield the ways in which a class of nodes is made and run, or a node that is made."""
    if isinstance(thing, type):
        yield from kinds_of(thing, module, request)
    elif parents is not None:
        kind = type(thing)
        back = back_of(kind)
        if back is not None and takes_nothing(kind, "forward"):
            yield Made(thing, parents, back)
        else:
            beside = {type(parent).__name__: type(parent) for parent in parents}
            yield from kinds_of(kind, {**module, **beside}, request)


def _tried(
    kind: Kind, request: Request, given: Given | None
) -> tuple[list[Operation], UserCodeError | None]:
    """Return the ways to run nodes of a kind, and why the likeliest that does not run fails.

    The first shapes at which it runs are taken: at others, as a single column, what is wrong may
    be right by chance.
    """
    refused: UserCodeError | None = None
    is_stuck = False
    for draws in _draws(kind, request, given):
        try:
            operation = NodeOperation(kind, draws, request.seed)
            out = operation.value(copies(operation.at))
        except UserCodeError as error:
            refused = refused or error
            continue
        try:
            found = [
                operation
                for variant in _variants(draws, out)
                for operation in runs(NodeOperation(kind, variant, request.seed), request.seed)
            ]
        except UserCodeError as error:
            if is_stuck:
                continue
            is_stuck, refused = True, error
            found = _as_many_as_features(kind, draws, request, error)
            has_weights = any(shapes.is_weight(n) or shapes.is_bias(n) for n in draws)
            if not found and has_weights and set(draws) not in PAIRS:
                break
        if found:
            return [*found, *_in_columns(kind, draws, found[0], request)][:MOST], None
    return [], refused


def _draws(kind: Kind, request: Request, given: Given | None) -> Iterator[Mapping[str, Draw]]:
    """Yield how the parents may be drawn, by their names, or as those that there are."""
    if given is not None:
        if len(given) == len(kind.names):
            yield _as_given(kind.names, [a for a in given if a is not None], request)
        return
    found = list(shapes.inputs(kind.names, State(None), request))
    if set(kind.names) in PAIRS:
        # Here b is no bias, but the other of two.
        found.sort(key=lambda draws: len({draw.shape for draw in draws.values()}) > 1)
    yield from found


def _as_given(
    names: Sequence[str], arrays: Sequence[Array], request: Request
) -> Mapping[str, Draw]:
    """Return how parents are drawn that were given: in the same shapes, with the same examples."""
    across = -1 if request.columns else 0
    matrices = [array for array in arrays if array.ndim > 1]
    count = matrices[-1].shape[across] if matrices else 0
    if not request.columns and arrays[0].ndim > 1:
        count = arrays[0].shape[0]
    return {
        name: _like(array, across if array.ndim > 1 and array.shape[across] == count else None)
        for name, array in zip(names, arrays, strict=True)
    }


def _like(array: Array, axis: int | None) -> Draw:
    """Return how a parent is drawn that was given: anew, or out of its rows if it is special."""
    if (array < 0).any() or array.dtype.kind != "f":
        return Draw(array.shape, axis=axis)
    return Draw(array.shape, "given", axis, given=array)


def _variants(draws: Mapping[str, Draw], out: Array) -> Iterator[Mapping[str, Draw]]:
    """Yield in which kinds of numbers a node is to be run.

    Ordinary ones, if it is finite there. A loss of two rows may be one of logits, or of
    probabilities, and rows that sum to one. Else positive ones, which a logarithm takes.
    """
    is_finite = bool(np.all(np.isfinite(out)))
    if is_finite:
        yield draws
    if any(draw.kind == "given" for draw in draws.values()):
        return
    if out.size == 1 and len(draws) == 2 and are_alike(draws):
        yield from _of_a_loss(draws, is_finite=is_finite)
    elif not is_finite:
        yield {n: d.of("positive") for n, d in draws.items()}
        yield {n: d.of("unit") for n, d in draws.items()}


def _of_a_loss(draws: Mapping[str, Draw], *, is_finite: bool) -> Iterator[Mapping[str, Draw]]:
    """Yield the kinds of numbers of a guess and the truth."""
    names = list(draws)
    truth = next((n for n in names if is_label(n)), names[1])
    kinds: list[tuple[Kinds, Kinds]] = [("probabilities", "soft"), ("unit", "unit")]
    if is_finite:
        kinds.insert(0, ("normal", "soft"))
    if 1 in draws[truth].shape:  # a row of one number sums to one in one way
        kinds = kinds[-1:]
    for of_guess, of_truth in kinds:
        yield {n: d.of(of_truth if n == truth else of_guess) for n, d in draws.items()}


def are_alike(draws: Mapping[str, Draw]) -> bool:
    """Return whether all arrays are matrices of one shape."""
    return len({draw.shape for draw in draws.values()}) == 1 and all(
        len(draw.shape) == 2 for draw in draws.values()
    )


def runs(operation: NodeOperation, seed: int) -> list[Operation]:
    """Return an operation if it is finite; a second one, if it takes no gradient from above.

    Raises
    ------
    UserCodeError
        If forward or backward raises.
    """
    session = operation.open(copies(operation.at))
    out = session.forward().copy()
    if not np.all(np.isfinite(out)):
        return []
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal(out.shape), 2 + rng.standard_normal(out.shape)
    found = session.backward(first)
    operation.is_scalar = out.size == 1
    operation.kind = "loss" if operation.is_scalar else "layer"
    operation.gives = {n for n, g in found.items() if np.any(g)}
    operation.exempt = frozenset(
        n for n in operation.at if n not in operation.gives and is_label(n)
    )
    node = operation.node
    if isinstance(node, Graph) and _reads_one_child(node, operation, first):
        node.reads_one_child = True
        operation.remarks.append("backward reads its first child alone: with two, it is wrong")
        found = session.backward(first)
    again = operation.open(copies(operation.at))
    again.forward()
    other = again.backward(second)
    ignores = bool(operation.gives) and all(
        n in other and np.array_equal(found[n], other[n]) for n in operation.gives
    )
    if not (ignores and operation.is_scalar):
        return [operation]
    last = operation.moved_to(operation.at)
    last.takes_dout = False
    last.remarks = ["backward takes no gradient from above: it can only be the last node"]
    is_last = isinstance(node, Graph) and node.pulls
    return [last] if is_last else [operation, last]


def _reads_one_child(node: Graph, operation: NodeOperation, dout: Array) -> bool:
    """Return whether a node that has two children takes the gradient of the first alone."""
    made = node.forward(copies(operation.at))
    if node.dictionary_of(made.node) is None:
        return False
    clean = {n: np.array(g) for n, g in node.backward(made, dout, {}).items()}
    made = node.forward(copies(operation.at))
    two = node.backward(made, dout, left_by_others(operation.at, dout))
    return any(np.any(g) for g in clean.values()) and all(
        n in two and two[n].shape == g.shape and np.allclose(two[n], SHARE * g)
        for n, g in clean.items()
    )


def _in_columns(
    kind: Kind, draws: Mapping[str, Draw], first: Operation, request: Request
) -> list[Operation]:
    """Return a loss of one column, where its gradients are in a column whatever it is given."""
    if not first.is_scalar or not are_alike(draws) or request.shapes:
        return []
    session = first.open(copies(first.at))
    found = session.backward(np.ones(session.forward().shape))
    if all(np.shape(found[n]) != first.at[n].shape for n in found):
        column = {n: Draw((d.shape[0], 1), d.kind, d.axis) for n, d in draws.items()}
        return runs(NodeOperation(kind, column, request.seed), request.seed)
    return []


def _as_many_as_features(
    kind: Kind, draws: Mapping[str, Draw], request: Request, refused: UserCodeError
) -> list[Operation]:
    """Return the operation with as many examples as features, if it runs and is wrong there.

    Raises
    ------
    UserCodeError
        What backward raises at other sizes, where it is right at this one.
    """
    first = next((draw for draw in draws.values() if draw.axis is not None), None)
    if first is None or len(first.shape) != 2:
        return []
    features = first.shape[1 if first.axis == 0 else 0]
    square = {name: draw.resized(features) for name, draw in draws.items()}
    try:
        found = runs(NodeOperation(kind, square, request.seed), request.seed)
        wrong = [operation for operation in found if not is_right(operation, request.seed)]
    except UserCodeError:
        return []
    if found and not wrong:
        raise refused
    for operation in wrong[:1]:
        operation.remarks.append(
            f"backward raises unless there are as many examples as features ({refused.raised}): "
            f"{features} were drawn"
        )
    return wrong[:1]
