"""Whole networks that go back from the labels: what they return, leave or update is compared.

    net.feedforward(x)    net.backprop(x, y) -> (nabla_b, nabla_w)     one example, in a column
    net.forward(X)        net.backward(X, y, output) -> grads           a batch
    net.predict(X)        net.back_prop(y)                              left in the layers
    net.feedforward()     net.backprop()                                from self.x and self.y

The loss is ``cost(x, y)`` or ``cost(a, y)`` of the network, that of ``self.cost``, or a function of
the file. Where there is only ``cost_derivative(a, y)``, that is the gradient from above of the
output. Where nothing is written, the usual losses are tried, and the report says which was assumed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import gradients, shapes
from mnist_cli.gradcheck.adapters.drawing import BATCH, Draw
from mnist_cli.gradcheck.adapters.drawing import Kind as Kinds
from mnist_cli.gradcheck.adapters.making import made, seeded
from mnist_cli.gradcheck.adapters.nodes import (
    RIGHT,
    DrawnOperation,
    is_right,
    made_by,
    names_in,
    peek,
    unwrapped,
    vars_of_class,
)
from mnist_cli.gradcheck.adapters.session import RATE, numbers_of
from mnist_cli.gradcheck.adapters.signature import Argument, arguments
from mnist_cli.gradcheck.adapters.state import Place, State, is_own
from mnist_cli.gradcheck.adapters.vocabulary import (
    BACKWARDS,
    DOUT,
    FORWARDS,
    INPUT,
    LABELS,
    OUTPUT,
    OUTPUTS,
    has_part,
    is_guess,
    is_label,
    is_named,
    plain,
)
from mnist_cli.gradcheck.adapters.vocabulary import RATE as RATES
from mnist_cli.gradcheck.operation import (
    Array,
    Arrays,
    Operation,
    Session,
    Upstream,
    are_probabilities,
)
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError, call, required

BACK = {plain(name) for name in BACKWARDS} | {"backpass", "propagateback", "computegradients"}
AHEAD = [plain(name) for name in (*FORWARDS[:9], "predict", "think", "forwardpropagate")]
"""The names of methods that go back, and of those that go ahead; the likeliest first."""
COSTS = ("cost", "loss", "error", "criterion", "objective", "entropy", "mse")
"""What is in the name of a loss."""
SLOPES = ("deriv", "prime", "grad", "delta", "_d", "diff")
"""What is in the name of a loss's derivative."""
VALUES_OF_LOSS = ("fn", "forward", "__call__", "loss", "cost", "f", "compute", "calculate", "value")
"""What an object that is a loss calls its method."""
SIZES = {"batchsize", "m", "n", "numexamples", "numsamples", "bs", "count", "nsamples", "size"}
"""What the number of examples is called, where it is an argument."""
HELD_X = ("input", "inputs", "x", "X", "data", "training_inputs")
HELD_Y = ("y", "Y", "target", "targets", "labels", "t", "label", "training_outputs")
"""Where a network whose methods take nothing has its examples and its labels."""
FEATURES = 3
"""How many features such a network is made with."""


# ---- how a network is called


@dataclass(frozen=True)
class Network:
    """How a network is run.

    Attributes
    ----------
    state : State
        The network, with all that it holds.
    forward : str or None
        The method that computes the output of x; or nothing, of what it holds.
    back : str
    roles : tuple of str
        What the arguments of back are given: ``x``, ``labels``, ``out``, ``count``, ``rate``.
    held : tuple of str
        The attributes of the examples and of the labels, where the methods take nothing.
    """

    state: State
    forward: str | None
    back: str
    roles: tuple[str, ...]
    held: tuple[str, ...] = ()

    def ahead(self, worker: Any, x: Array) -> Any:
        """Return the output of a copy of the network."""
        assert self.forward is not None
        result = call(getattr(worker, self.forward), *([] if self.held else [x]))
        if result is None:
            result = left_output(worker)
        return first_array(result)


def left_output(worker: Any) -> Any:
    """Return the output that a forward left which returns nothing: the last that it has kept."""
    found = (peek(worker, name) for name in OUTPUTS)
    output = next((v for v in found if gradients.as_numbers(v) is not None), None)
    if output is not None:
        return output
    for name, kept in vars(worker).items():
        if has_part(name, ("cache", "activation", "memory", "outputs")):
            values = kept.values() if isinstance(kept, Mapping) else kept
            if not isinstance(values, Iterable):
                continue
            arrays = [value for value in values if isinstance(value, np.ndarray)]
            if arrays:
                return arrays[-1]
    return None


def first_array(result: Any) -> Array:
    """Return the output among what a forward returned.

    Raises
    ------
    UserCodeError
        If there is no array in it.
    """
    array: Array | None = gradients.as_numbers(result)
    if array is None and isinstance(result, tuple | list):
        # The activations of all layers, or the output with what is kept: the last, or the first.
        order = reversed(result) if isinstance(result, list) else iter(result)
        array = next((a for a in map(gradients.as_numbers, order) if a is not None), None)
    if array is None:
        raise UserCodeError(
            f"forward returned {type(result).__name__}, where an array of real numbers is "
            "expected: return the output."
        )
    return array


def roles_of(method: Callable[..., Any]) -> tuple[str, ...] | None:
    """Return what the arguments of a method that goes back from labels are given.

    None if it takes none, or a gradient from above, or something else.
    """
    wanted = [a for a in arguments(method) if a.is_required or is_named(a.name, RATES)]
    roles: list[str] = []
    for argument in wanted:
        role = _role(argument, roles, len(wanted))
        if role is None:
            return None
        roles.append(role)
    return tuple(roles) if "labels" in roles else None


def _role(argument: Argument, before: Sequence[str], count: int) -> str | None:
    name = argument.name
    if is_named(name, RATES):
        return "rate"
    if plain(name) in SIZES and "labels" in before:
        return "count"
    if is_truth(name) and "labels" not in before:
        return "labels"
    if is_named(name, DOUT):
        return None
    if is_guess(name) or (is_named(name, OUTPUT) and "x" in before):
        return "out"
    if is_named(name, INPUT) and "x" not in before and count > 1:
        return "x"
    return None


def is_truth(name: str) -> bool:
    """Return whether an argument is called as labels are: ``y``, ``y_batch``, ``targets``."""
    if is_guess(name):
        return False
    return is_label(name) or plain(name.partition("_")[0]) in LABELS - {"a"}


def networks(thing: Any, request: Request) -> Iterator[Network]:
    """Yield the ways in which a thing is such a network; nothing where it is none.

    Raises
    ------
    UserCodeError
        If it cannot be made.
    """
    kind = thing if isinstance(thing, type) else type(thing)
    own = {name: unwrapped(method) for name, method in vars_of_class(kind).items()}
    back = _method(own, [*BACK], request.backward)
    if back is None:
        return
    forward = next(
        (
            name
            for wanted in ([request.forward] if request.forward else AHEAD)
            for name in own
            if wanted in (name, plain(name)) and _is_ahead(own[name])
        ),
        None,
    )
    bound = [a for a in arguments(own[back])[1:] if a.is_required]
    if not bound and forward is not None and not _wanted(own[forward]):
        yield from _held(thing, kind, forward, back)
        return
    roles = roles_of(_without_self(own[back]))
    has_loss = any(_is_loss_name(n) and len(_wanted(m)) == 2 for n, m in own.items() if callable(m))
    if roles is None or (forward is None and not has_loss) or _is_loss(own):
        return
    if forward is not None and not _wanted(own[forward]):
        return
    state = State(next(made(kind.__name__, thing, request)))
    if any(array.ndim == 2 for array in state.arrays.values()):
        yield Network(state, forward, back, roles)


def _method(own: Mapping[str, Any], names: Sequence[str], wanted: str | None) -> str | None:
    if wanted is not None:
        return wanted if callable(own.get(wanted)) else None
    return next((n for n in own if plain(n) in names and inspect.isfunction(own[n])), None)


def _wanted(method: Any) -> list[Argument]:
    """Return what a method must be given, without the object."""
    return [argument for argument in arguments(method)[1:] if argument.is_required]


def _is_ahead(method: Any) -> bool:
    """Return whether a method takes the examples alone, or nothing."""
    if not inspect.isfunction(method):
        return False
    wanted = _wanted(method)
    return len(wanted) < 2 and not any(is_label(a.name) for a in wanted)


def _is_loss(own: Mapping[str, Any]) -> bool:
    """Return whether forward takes labels: then it is the loss, and another convention."""
    forward = own.get("forward")
    return inspect.isfunction(forward) and len(_wanted(forward)) > 1


def _without_self(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function with the signature of a method without the object."""

    def bound() -> None: ...

    signature = inspect.signature(method)
    rest = list(signature.parameters.values())[1:]
    bound.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
    return bound


def _held(thing: Any, kind: type, forward: str, back: str) -> Iterator[Network]:
    """Yield the network whose methods take nothing, and which is made of examples and labels."""
    made_one = thing
    if isinstance(thing, type):
        names = [a.name for a in arguments(thing) if a.is_required]
        if len(names) != 2 or not is_truth(names[1]):
            return
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((BATCH, FEATURES)), rng.uniform(0, 1, (BATCH, 1))
        try:
            made_one = seeded(thing, x, y)
        except UserCodeError:
            return
    state = State(made_one)
    x_name = next((name for name in HELD_X if name in state.arrays), None)
    y_name = next((name for name in HELD_Y if name in state.arrays), None)
    used = names_in(vars_of_class(kind)[back])
    if x_name and y_name and {x_name, y_name} <= used | names_in(vars_of_class(kind)[forward]):
        yield Network(state, forward, back, (), (x_name, y_name))


# ---- its loss


@dataclass(frozen=True)
class Loss:
    """What a network's gradients are of.

    Attributes
    ----------
    name : str
        How it is written.
    value : callable
        Of a copy of the network, x, y and the output; the gradient from above if it is a slope.
    needs_output : bool
    is_slope : bool
        Whether it is the derivative of a loss that is not written.
    is_assumed : bool
        Whether the code has none.
    """

    name: str
    value: Callable[[Any, Array, Array, Array | None], Any]
    needs_output: bool = True
    is_slope: bool = False
    is_assumed: bool = False


def losses(network: Network, code: Code) -> Iterator[list[Loss]]:
    """Yield the losses that may be meant, in groups: those that are written nearest come first."""
    thing = network.state.thing
    methods = list(_own_losses(thing))
    yield [loss for loss in methods if not loss.is_slope]
    yield list(_losses_of_attributes(thing))
    yield [loss for loss in methods if loss.is_slope]
    yield list(_losses_beside(code.module))


def _is_loss_name(name: str) -> bool:
    return has_part(name, COSTS) and not has_part(name, SLOPES) and not name.startswith("__")


def _own_losses(thing: Any) -> Iterator[Loss]:
    """Yield the losses among the methods of a network: of x and y, or of the output and y."""
    for name, method in vars_of_class(type(thing)).items():
        if not has_part(name, COSTS) or not callable(unwrapped(method)):
            continue
        bound = peek(thing, name)
        if not inspect.isroutine(bound) or required(bound) != 2:
            continue
        first, second = (a.name for a in arguments(bound) if a.is_required)
        is_slope = has_part(name, SLOPES)
        is_flipped = is_truth(first) and not is_truth(second)

        def of_output(
            w: Any, x: Array, y: Array, a: Array | None, n: str = name, flip: bool = is_flipped
        ) -> Any:
            return call(getattr(w, n), *((y, a) if flip else (a, y)))

        def of_input(w: Any, x: Array, y: Array, a: Array | None, n: str = name) -> Any:
            return call(getattr(w, n), x, y)

        written = f"{name}({first}, {second})"
        of_x = Loss(written, of_input, needs_output=False)
        of_a = Loss(written, of_output, is_slope=is_slope)
        if is_slope:
            yield of_a
        elif is_guess(first) or is_flipped or not is_named(first, INPUT - {"a", "z", "u"}):
            yield from (of_a, of_x)
        else:
            yield from (of_x, of_a)


def _losses_of_attributes(thing: Any) -> Iterator[Loss]:
    """Yield the losses that a network holds: an object with ``fn(a, y)``, or a function."""
    for name in [n for n in dir(thing) if has_part(n, COSTS) and not n.startswith("__")]:
        held = peek(thing, name)
        if inspect.ismethod(held) or held is None:
            continue
        if inspect.isfunction(held) and required(held) == 2 and not has_part(name, SLOPES):
            yield Loss(f"{name}(a, y)", _called(held))
        if not (is_own(held) or isinstance(held, type)) or inspect.isfunction(held):
            continue
        for inner in VALUES_OF_LOSS:
            if inner == "__call__" and isinstance(held, type):
                continue
            method = peek(held, inner)
            if method is not None and callable(method) and required(method) == 2:
                yield Loss(f"{name}.{inner}(a, y)", _called(method))
                break


def _losses_beside(module: Mapping[str, Any]) -> Iterator[Loss]:
    """Yield the functions of the file that are called as losses are, and take two arrays."""
    for name, function in module.items():
        if inspect.isfunction(function) and _is_loss_name(name) and required(function) == 2:
            yield Loss(f"{name}(a, y)", _called(function))


def _called(function: Callable[..., Any]) -> Callable[[Any, Array, Array, Array | None], Any]:
    """Return the loss that a function of outputs and labels is, in the order of its names."""
    names = [a.name for a in arguments(function) if a.is_required]
    is_flipped = len(names) == 2 and is_truth(names[0]) and not is_truth(names[1])

    def value(worker: Any, x: Array, y: Array, out: Array | None) -> Any:
        return call(function, *((y, out) if is_flipped else (out, y)))

    return value


def assumed(out: Array, y: Array, axis: int | None) -> list[Loss]:
    """Return the losses that code may have in mind which has written none, the likeliest first.

    Parameters
    ----------
    out, y : array
        An output, and labels, in the same shape.
    axis : int or None
        That of the examples.
    """
    if out.shape != y.shape:
        return []
    Count = Callable[[Array], float]

    def one(a: Array) -> float:
        return 1.0

    def examples_in(a: Array) -> float:
        return 1.0 if axis is None else float(a.shape[axis])

    def numbers_in(a: Array) -> float:
        return float(a.size)

    rows = out.T if axis == -1 or (axis is None and out.ndim == 2) else out
    rows = rows if rows.ndim > 1 else rows[None]

    def squares(a: Array, t: Array) -> Any:
        return ((a - t) ** 2).sum()

    def classes(a: Array, t: Array) -> Any:
        return -(t * np.log(a)).sum()

    def bits(a: Array, t: Array) -> Any:
        return -(t * np.log(a) + (1 - t) * np.log(1 - a)).sum()

    of_bits = "−Σ (y·log a + (1 − y)·log(1 − a))"
    Form = tuple[str, Callable[[Array, Array], Any], float, Count]
    by_squares: list[Form] = [
        ("½Σ(a − y)²", squares, 0.5, one),
        ("½Σ(a − y)² / m", squares, 0.5, examples_in),
        ("Σ(a − y)²", squares, 1.0, one),
        ("Σ(a − y)² / m", squares, 1.0, examples_in),
        ("the mean of (a − y)²", squares, 1.0, numbers_in),
    ]
    by_classes: list[Form] = [
        ("−Σ y·log a / m", classes, 1.0, examples_in),
        ("−Σ y·log a", classes, 1.0, one),
    ]
    by_bits: list[Form] = [
        (f"{of_bits} / m", bits, 1.0, examples_in),
        (of_bits, bits, 1.0, one),
    ]
    if rows.shape[-1] > 1 and are_probabilities(rows):
        found = [*by_classes, *by_squares]
    elif np.all((out > 0) & (out < 1)):
        found = [*by_squares, *by_bits]
    else:
        found = by_squares
    return [
        Loss(name, _scaled(function, factor, count), is_assumed=True)
        for name, function, factor, count in found
    ]


def _scaled(
    function: Callable[[Array, Array], Any], factor: float, count: Callable[[Array], float]
) -> Callable[[Any, Array, Array, Array | None], Any]:
    """Return a loss of the output and the labels, over how many there are."""

    def value(worker: Any, x: Array, y: Array, out: Array | None) -> Any:
        assert out is not None
        return np.asarray(factor * function(out, y) / count(out))

    return value


# ---- the operation


class NetworkSession(Session):
    """A copy of the network with some parameters, and examples to give it."""

    def __init__(self, operation: NetworkOperation, arrays: Arrays, labels: Array | None):
        self.operation, self.arrays, self.labels = operation, dict(arrays), labels
        network = operation.network
        inside = {name: arrays[name] for name in operation.parameters}
        if network.held:
            inside[network.held[0]] = arrays["x"]
        self.worker = network.state.copied(inside)
        self._take_live()

    def _take_live(self) -> None:
        for name in self.operation.parameters:
            value = self.operation.network.state.places[name].get(self.worker)
            if isinstance(value, np.ndarray):
                self.arrays[name] = value

    def _given(self) -> tuple[Array, Array]:
        """Return the examples and labels, put where the network holds them."""
        x, y = self.arrays["x"], self.labels
        assert y is not None
        held = self.operation.network.held
        if held:
            places = self.operation.network.state.places
            places[held[0]].set(self.worker, x)
            places[held[1]].set(self.worker, y)
        return x, y

    def forward(self) -> Array:
        """Return the loss; or the output, where there is but the derivative of a loss."""
        loss, network = self.operation.loss, self.operation.network
        x, y = self._given()
        out = network.ahead(self.worker, x) if loss.needs_output else None
        if out is None or not loss.is_slope:
            out = first_array(loss.value(self.worker, x, y, out))
        self._take_live()
        return out

    def backward(self, dout: Array) -> Arrays:
        """Go back from the labels, and collect the gradients of the parameters.

        The gradients that the code gives are those of its loss, whatever comes from above.
        """
        network = self.operation.network
        x, y = self._given()
        out = network.ahead(self.worker, x) if network.forward else None
        before = {n: self.arrays[n].copy() for n in self.operation.parameters}
        axis = self.operation.batch_axis
        given = {
            "x": x,
            "labels": y,
            "out": out,
            "count": 1 if axis is None else x.shape[axis],
            "rate": RATE,
        }
        result = call(getattr(self.worker, network.back), *(given[r] for r in network.roles))
        self._take_live()
        found = collected(result, self.worker, network.state, before)
        for name, after in self.arrays.items():
            if name in before and name not in found and not np.array_equal(after, before[name]):
                found[name] = (before[name] - after) / self._rate
                self.operation.by_update.add(name)
        return found

    @property
    def _rate(self) -> float:
        """The learning rate of an update: what was given, or the network's own, or 1."""
        if "rate" in self.operation.network.roles:
            return RATE
        numbers = self.operation.network.state.numbers
        return next((v for n, v in numbers.items() if is_named(n, RATES) and v), 1.0)


def collected(result: Any, worker: Any, state: State, before: Arrays) -> Arrays:
    """Return the gradients that a network returned, or left, by the names of its parameters.

    Lists are matched with lists of parameters, as ``nabla_b`` with ``self.biases``: by their
    lengths and shapes. Single arrays by their keys, or their shapes.
    """
    expected = {name: array.shape for name, array in before.items()}
    found: Arrays = {}
    # Of all that the network holds: the gradients of what the loss does not feel are listed, too.
    groups = grouped({name: array.shape for name, array in state.arrays.items()})
    shapes_of = {name: array.shape for name, array in state.arrays.items()}
    lists = [item for item in result if is_list(item)] if isinstance(result, tuple | list) else []
    if is_list(result) and not lists:
        lists = [result]
    for item in lists:
        arrays = [np.asarray(array) for array in item]
        free = [g for g in groups if len(g) == len(arrays) and not found.keys() & set(g)]
        if free:
            best = max(free, key=lambda names: _fitting(names, arrays, shapes_of))
            found |= dict(zip(best, arrays, strict=True))
    found = {name: array for name, array in found.items() if name in expected}
    if not found:
        for key, array in gradients.leaves(result):
            name = gradients.by_key(key, expected, array.shape) if key is not None else None
            if name is None:
                free_names = [n for n in expected if n not in found]
                name = next((n for n in free_names if expected[n] == array.shape), None)
            if name is not None and name not in found:
                found[name] = array
    held = gradients.Held(worker)
    for name, shape in expected.items():
        if name not in found:
            left = _left(held, state.places[name], shape)
            if left is not None:
                found[name] = left
    return {n: numbers_of(n, g, expected[n]) for n, g in found.items()}


def is_list(item: Any) -> bool:
    """Return whether something is a list of arrays, one a layer."""
    if isinstance(item, np.ndarray):
        return item.dtype == object and item.ndim == 1
    return (
        isinstance(item, list | tuple)
        and len(item) > 0
        and all(isinstance(array, np.ndarray | np.generic) for array in item)
    )


def grouped(expected: Mapping[str, tuple[int, ...]]) -> list[list[str]]:
    """Return the names of parameters that are in one list, or called alike, together."""
    groups: dict[str, list[str]] = {}
    for name in expected:
        around, _, leaf = name.rpartition(".")
        key = around if leaf.isdigit() else name.rstrip("0123456789")
        groups.setdefault(key, []).append(name)
    return list(groups.values())


def _fitting(
    names: Sequence[str], arrays: Sequence[Array], expected: Mapping[str, tuple[int, ...]]
) -> int:
    return sum(expected[n] == array.shape for n, array in zip(names, arrays, strict=True))


def _left(held: gradients.Held, place: Place, shape: tuple[int, ...]) -> Array | None:
    """Return the gradient that was left beside a parameter."""
    found = held.of([place], shape)
    if found is not None and found.dtype.kind == "f":
        return found
    beside = held.by_holder.get(place.steps[:-1], {})
    for name, (at, value) in beside.items():
        if at != place and has_part(name, ("grad", "delta", "nabla")) and np.shape(value) == shape:
            return np.asarray(value)
    return None


class NetworkOperation(DrawnOperation):
    """A network with its loss.

    Attributes
    ----------
    network : Network
    loss : Loss
    parameters : tuple of str
    by_update : set of str
        The parameters whose gradient is told by how backward moved them.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        x: Draw,
        y: Draw,
        parameters: Sequence[str],
        seed: int,
    ):
        arrays = network.state.arrays
        super().__init__(
            {"x": x},
            np.random.default_rng(seed),
            at={name: np.array(arrays[name], np.float64) for name in parameters},
            label_draw=y,
            kind="network",
            takes_dout=False,
            exempt=frozenset({"x"}),
        )
        self.network, self.loss = network, loss
        self.parameters = tuple(parameters)
        self.by_update: set[str] = set()
        if loss.is_assumed:
            self.remarks = [f"no loss is written in the code: {loss.name} was assumed"]
        elif loss.is_slope:
            self.remarks = [f"no loss is written in the code, but its derivative {loss.name}"]

    def open(self, arrays: Arrays, labels: Array | None = None) -> NetworkSession:
        """Return a session with a fresh copy of the network."""
        if labels is None and self.labels is not None:
            labels = self.labels.copy()
        return NetworkSession(self, arrays, labels)

    def upstreams(self, out: Array, rng: np.random.Generator) -> list[Upstream]:
        """Return the derivative of the loss, where only that is written; else ones."""
        if not self.loss.is_slope:
            return super().upstreams(out, rng)
        session = self.open({n: a.copy() for n, a in self.at.items()})
        x, y = session._given()
        slope = first_array(self.loss.value(session.worker, x, y, np.array(out)))
        if slope.shape != out.shape:
            raise UserCodeError(
                f"{self.loss.name} has the shape {slope.shape}, and the output {out.shape}."
            )
        return [Upstream(np.array(slope, np.float64))]


# ---- what fits it


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
    session = operation.open({n: a.copy() for n, a in operation.at.items()})
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
        return list(shapes.labels(x, {"x": x}, network.state, request))
    across = 0 if x.axis == -1 or (x.axis is None and out.ndim == 2) else -1
    is_one = out.ndim > 0 and out.shape[across] == 1
    found: list[Draw] = []
    kinds: tuple[Kinds, ...] = ("bits",) if is_one else ("onehot",)
    if across == 0 and out.ndim == 2 and not is_one:
        # One column, or several: an example is drawn down the first axis.
        found += [Draw(out.shape, "onehot", -1)] if x.axis == -1 else []
    if request.labels != "index" and not found:
        found += [Draw(out.shape, kind, x.axis) for kind in kinds]
    if request.labels != "onehot" and x.axis is not None and not is_one:
        found.append(Draw((out.shape[x.axis],), "index", 0, classes=out.shape[across]))
    return found


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
        out = network.ahead(worker, x.sample(np.random.default_rng(request.seed)))
    refused: UserCodeError | None = None
    for y in labels_for(out, x, network, request):
        y = _in_columns(y, x)
        runs = False
        for group in losses(network, code):
            found = []
            for loss in group:
                if loss.needs_output and network.forward is None:
                    continue
                try:
                    found.append(_finished(network, loss, x, y, request.seed))
                except UserCodeError as error:
                    refused = refused or error
            if found and (group[0].name not in _names_beside(code) or _any_right(found, request)):
                return found
            runs = runs or bool(found)
        if out is not None:
            guessed = _assumed(network, x, y, out, request)
            if guessed:
                return guessed
    raise refused or UserCodeError(
        f"{code.target} has no loss: write a method cost(x, y) that returns one number."
    )


def _names_beside(code: Code) -> set[str]:
    return {loss.name for loss in _losses_beside(code.module)}


def _any_right(found: Sequence[NetworkOperation], request: Request) -> bool:
    return any(is_right(operation, request.seed) for operation in found)


def _in_columns(y: Draw, x: Draw) -> Draw:
    """Return how labels are drawn of one example in a column: as a row, of one example."""
    if x.axis is None and len(y.shape) == 2 and y.shape[1] == 1 and y.kind == "onehot":
        # Drawn down the column, as of several columns of which there is one.
        return replace(y, axis=-1)
    return y


def _assumed(
    network: Network, x: Draw, y: Draw, out: Array, request: Request
) -> list[NetworkOperation]:
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
    return [] if best is None else [best]


def _finished(network: Network, loss: Loss, x: Draw, y: Draw, seed: int) -> NetworkOperation:
    """Return the operation with the parameters that the network holds.

    Raises
    ------
    UserCodeError
        If it does not run, or if its loss is not finite.
    """
    state = network.state
    names = [name for name in state.arrays if name not in network.held]
    whole = NetworkOperation(network, loss, x, y, names, seed)
    session = whole.open({n: a.copy() for n, a in whole.at.items()})
    out = session.forward().copy()
    if not loss.is_slope and out.size not in (1, whole.batch_size):
        raise UserCodeError(
            f"{loss.name} gives an array of the shape {out.shape}, where a loss is one number, or "
            "one an example."
        )
    if not np.all(np.isfinite(out)):
        raise UserCodeError(f"The loss {loss.name} is not finite at random inputs.")
    written = {
        name
        for name in names
        if not np.array_equal(np.asarray(state.places[name].get(session.worker)), whole.at[name])
    }
    kept = [name for name in names if name not in written and _moves(whole, name, out)]
    representatives = [n for n in kept if not any(m in kept for m in _earlier(state, n))]
    operation = NetworkOperation(network, loss, x, y, representatives, seed)
    found = _one_pass(operation)
    if not found:
        raise UserCodeError(
            f"{network.back} gives no gradients: return them, in the order of the parameters."
        )
    operation.is_scalar = out.size == 1 and not loss.is_slope
    operation.moved = frozenset(operation.by_update)
    for name in operation.parameters:
        notes = ["by what the update moved"] if name in operation.by_update else []
        if loss.is_assumed:
            notes.append(f"of {loss.name}, assumed")
        if notes:
            operation.methods[name] = ", ".join(notes)
    return operation


def _one_pass(operation: NetworkOperation) -> Arrays:
    session = operation.open({n: a.copy() for n, a in operation.at.items()})
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
