"""The examples, labels and losses with which a network runs: each is tried, the best is kept."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import shapes
from mnist_cli.gradcheck.adapters.backprop.costs import Loss, assumed, losses, losses_beside
from mnist_cli.gradcheck.adapters.backprop.network import Network, networks
from mnist_cli.gradcheck.adapters.backprop.operation import NetworkOperation, NetworkSession
from mnist_cli.gradcheck.adapters.drawing import Draw
from mnist_cli.gradcheck.adapters.drawn import RIGHT, is_right
from mnist_cli.gradcheck.adapters.labels import forms_of_labels
from mnist_cli.gradcheck.adapters.nodes.made import made_by
from mnist_cli.gradcheck.adapters.optimisers import by_move
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.operation import Array, Arrays, Operation
from mnist_cli.gradcheck.point import Point, copies
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError


def applies(thing: Any, module: Mapping[str, Any]) -> bool:
    """Return whether something is a network that goes back from its labels, or makes one."""
    thing = _network_itself(thing)
    if thing is None or inspect.isroutine(thing):
        return False
    try:
        return next(networks(thing, Request()), None) is not None
    except UserCodeError:
        return True  # it is one to judge by its methods; what is missing is said there


def _network_itself(thing: Any) -> Any:
    """Return a network, where a function that makes one was named."""
    return made_by(thing) if inspect.isfunction(thing) else thing


def operations(code: Code, request: Request) -> Iterator[tuple[str, Operation]]:
    """Yield the ways in which a network's gradients may be read, the likeliest first.

    Raises
    ------
    UserCodeError
        If it is such a network, and takes none of the shapes that its weights suggest.
    """
    thing = _network_itself(code.thing)
    if thing is None:
        return
    for network in networks(thing, request):
        refused: UserCodeError | None = None
        by_form: list[tuple[int, list[NetworkOperation]]] = []
        for x in examples(network, request):
            try:
                found = fitted(network, x, code, request)
            except UserCodeError as error:
                refused = refused or error
                continue
            if found:
                by_form.append((_wrong_shapes(found[0]), found))
        if by_form:
            _, best = min(by_form, key=lambda each: each[0])
            yield from (("", operation) for operation in best)
            return
        if refused is not None:
            raise refused


def _wrong_shapes(operation: NetworkOperation) -> int:
    """Return how many gradients have another shape than their parameters.

    All biases have, where code for one example in a column is given several.
    """
    session = operation.open(copies(operation.at))
    found = session.backward(np.ones(session.forward().shape))
    return sum(found[n].shape != operation.at[n].shape for n in found)


def examples(network: Network, request: Request) -> Iterator[Draw]:
    """Yield the shapes that the examples may have: rows, columns, one column, one vector."""
    told = request.shapes.get("") or request.shapes.get("x")
    if told is not None:
        yield shapes.drawn(told, request)
        return
    arrays = network.state.arrays
    if network.held:
        yield Draw(arrays[network.held[0]].shape)
        return
    widths: dict[int, None] = {}
    for array in arrays.values():
        if array.ndim == 2:
            widths |= dict.fromkeys(array.shape)
    n = shapes.batch_size(array.shape for array in arrays.values())
    if not request.columns:
        yield from (Draw((n, width)) for width in widths)
    yield from (Draw((width, n), axis=-1) for width in widths)
    yield from (Draw((width, 1), axis=None) for width in widths)
    yield from (Draw((width,), axis=None) for width in widths)


def labels_for(out: Array | None, x: Draw, network: Network, request: Request) -> list[Draw]:
    """Return the forms that the labels may have, the likeliest first."""
    if network.held:
        shape = network.state.arrays[network.held[1]].shape
        return [Draw(shape, "unit", x.axis)]
    if out is None:
        return [_in_columns(y) for y in forms_of_labels(x, {"x": x}, network.state, request)]
    across = 0 if x.axis == -1 or (x.axis is None and out.ndim == 2) else -1
    is_one = out.ndim > 0 and out.shape[across] == 1
    found: list[Draw] = []
    if request.labels != "index":
        found.append(_in_columns(Draw(out.shape, "bits" if is_one else "onehot", x.axis)))
    if request.labels != "onehot" and x.axis is not None and not is_one:
        found.append(Draw((out.shape[x.axis],), "index", 0, classes=out.shape[across]))
    return found


def _in_columns(y: Draw) -> Draw:
    """Return how labels are drawn of one example in a column: as a row, of one example."""
    if y.axis is None and len(y.shape) == 2 and y.shape[1] == 1 and y.kind == "onehot":
        # Drawn down the column, as of several columns of which there is one.
        return replace(y, axis=-1)
    return y


def fitted(network: Network, x: Draw, code: Code, request: Request) -> list[NetworkOperation]:
    """Return the operations with the losses that are written nearest, for examples of one shape.

    Raises
    ------
    UserCodeError
        If the network does not take them, or if it gives no gradients.
    """
    out = None
    if network.forward is not None:
        worker = network.state.copied()
        out, _ = network.ahead(worker, x.sample(np.random.default_rng(request.seed)))
    beside = {loss.name for loss in losses_beside(code.module)}
    refused: UserCodeError | None = None
    for y in labels_for(out, x, network, request):
        for group in losses(network.state.thing, code.module):
            found = []
            for loss in group:
                if loss.needs_output and network.forward is None:
                    continue
                try:
                    found.append(_finished(network, loss, x, y, request.seed))
                except UserCodeError as error:
                    refused = refused or error
            # A function that stands beside the network may be of something else.
            is_own = bool(found) and group[0].name not in beside
            if is_own or any(is_right(operation, request.seed) for operation in found):
                return found
        if out is not None:
            guessed = _assumed(network, x, y, out, request)
            if guessed is not None:
                return [guessed]
    raise refused or UserCodeError(
        f"{code.target} has no loss: write a method cost(x, y) that returns one number."
    )


def _assumed(
    network: Network, x: Draw, y: Draw, out: Array, request: Request
) -> NetworkOperation | None:
    """Return the operation with a loss that nobody wrote: the one that fits best.

    That is the one with which most gradients are right, and of several, the likeliest.
    """
    t = y.sample(np.random.default_rng(request.seed))
    best: NetworkOperation | None = None
    most = -1
    for loss in assumed(out, t, x.axis):
        try:
            operation = _finished(network, loss, x, y, request.seed)
            point = Point(operation, np.random.default_rng(request.seed))
        except UserCodeError:
            continue
        right = sum(point.compare(name, RIGHT).passed for name in point.computed)
        if right > most:
            best, most = operation, right
        if right == len(point.computed):
            break
    return best


def _finished(network: Network, loss: Loss, x: Draw, y: Draw, seed: int) -> NetworkOperation:
    """Return the operation with the parameters that the network holds.

    Raises
    ------
    UserCodeError
        If it does not run, or if its loss is not finite.
    """
    names = [name for name in network.state.arrays if name not in network.held]
    whole = NetworkOperation(network, loss, x, y, names, seed)
    session = whole.open(copies(whole.at))
    out = session.forward().copy()
    if not loss.is_slope and out.size not in (1, whole.batch_size):
        raise UserCodeError(
            f"{loss.name} gives an array of the shape {out.shape}, where a loss is one number, or "
            "one for each example."
        )
    if not np.all(np.isfinite(out)):
        raise UserCodeError(f"The loss {loss.name} is not finite at random inputs.")
    operation = NetworkOperation(network, loss, x, y, _parameters(whole, session, out), seed)
    found = _one_pass(operation)
    if not found:
        raise UserCodeError(
            f"{network.back} gives no gradients: return them, in the order of the parameters."
        )
    operation.is_scalar = out.size == 1 and not loss.is_slope
    operation.moved = frozenset(operation.by_update)
    for name in operation.parameters:
        notes = []
        if name in operation.by_update and name in found:
            notes += [by_move(operation.at[name], found[name], session.rate)]
        notes += [f"of {loss.name}, assumed"] if loss.is_assumed else []
        if notes:
            operation.methods[name] = ", ".join(notes)
    return operation


def _parameters(whole: NetworkOperation, session: NetworkSession, out: Array) -> list[str]:
    """Return the arrays of a network that are parameters: the loss feels them, forward keeps them.

    Of several names of one array, it is the first.

    Parameters
    ----------
    whole : NetworkOperation
        With all arrays that the network holds as parameters.
    session : NetworkSession
        After a forward.
    out : array
        What that gave.
    """
    state = whole.network.state
    felt = []
    for name in whole.parameters:
        after = np.asarray(state.places[name].get(session.worker))
        if np.array_equal(after, whole.at[name]) and _moves(whole, name, out):
            felt.append(name)
    return [name for name in felt if not set(felt) & set(_earlier(state, name))]


def _one_pass(operation: NetworkOperation) -> Arrays:
    """Return the gradients of one pass, and so note which are told by an update."""
    session = operation.open(copies(operation.at))
    out = session.forward()
    return session.backward(operation.upstreams(out.copy(), np.random.default_rng(0))[0].dout)


def _earlier(state: State, name: str) -> list[str]:
    """Return the names under which the same array was found before."""
    group = state.group(name)
    return group[: group.index(name)]


def _moves(operation: NetworkOperation, name: str, out: Array) -> bool:
    """Return whether the loss feels an array that the network holds.

    Each number is moved by another amount: a softmax does not feel that all go up alike.
    """
    old = operation.at[name]
    moved = 1.5 * old + np.random.default_rng(0).uniform(0.1, 0.4, old.shape)
    try:
        return not np.array_equal(operation.value(operation.at | {name: moved}), out)
    except UserCodeError:
        return True
