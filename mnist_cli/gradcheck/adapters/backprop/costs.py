"""What a network's gradients are of: a loss that is written, its derivative, or a usual one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Literal

import numpy as np

from mnist_cli.gradcheck.adapters.nodes.attributes import peek
from mnist_cli.gradcheck.adapters.nodes.classes import unwrapped, vars_of_class
from mnist_cli.gradcheck.adapters.places import is_own
from mnist_cli.gradcheck.adapters.signature import arguments
from mnist_cli.gradcheck.adapters.vocabulary import (
    INPUT,
    LABELS,
    has_part,
    is_guess,
    is_label,
    is_named,
    plain,
)
from mnist_cli.gradcheck.operation import Array, are_probabilities
from mnist_cli.gradcheck.user_code import call, required

COSTS = ("cost", "loss", "error", "criterion", "objective", "entropy", "mse")
"""What is in the name of a loss."""
SLOPES = ("deriv", "prime", "grad", "delta", "_d", "diff")
"""What is in the name of a loss's derivative."""
VALUES_OF_LOSS = ("fn", "forward", "__call__", "loss", "cost", "f", "compute", "calculate", "value")
"""What an object that is a loss calls its method."""

Value = Callable[[Any, Array, Array, Array | None], Any]
"""A loss of a copy of the network, x, y and the output."""


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
    function : str
        The function of the file that it is, if it is one.
    """

    name: str
    value: Value
    needs_output: bool = True
    is_slope: bool = False
    is_assumed: bool = False
    function: str = ""


def is_truth(name: str) -> bool:
    """Return whether an argument is called as labels are: ``y``, ``y_batch``, ``targets``."""
    if is_guess(name):
        return False
    return is_label(name) or plain(name.partition("_")[0]) in LABELS - {"a"}


def is_cost(name: str) -> bool:
    """Return whether a function is called as a loss is, and not as its derivative."""
    return has_part(name, COSTS) and not has_part(name, SLOPES) and not name.startswith("__")


# ---- losses that are written


def losses(thing: Any, module: Mapping[str, Any]) -> Iterator[list[Loss]]:
    """Yield the losses that may be meant, in groups: those that are written nearest come first.

    Parameters
    ----------
    thing : object
        The network.
    module : mapping
        The names beside it.
    """
    methods = list(_own_losses(thing))
    yield [loss for loss in methods if not loss.is_slope]
    yield list(_losses_of_attributes(thing))
    yield list(_losses_of_networks(module))
    yield [loss for loss in methods if loss.is_slope]
    yield list(losses_beside(module))


def _own_losses(thing: Any) -> Iterator[Loss]:
    """Yield the losses among the methods of a network: of x and y, or of the output and y."""
    for name, method in vars_of_class(type(thing)).items():
        if not has_part(name, COSTS) or not callable(unwrapped(method)):
            continue
        bound = peek(thing, name)
        if not inspect.isroutine(bound) or required(bound) != 2:
            continue
        first, second = _names(bound)
        is_slope, is_flipped = has_part(name, SLOPES), _is_flipped(bound)
        written, of_worker = f"{name}({first}, {second})", attrgetter(name)
        of_a = Loss(written, _of_output(of_worker, is_flipped=is_flipped), is_slope=is_slope)
        of_x = Loss(written, _of_input(of_worker), needs_output=False)
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
        if inspect.isfunction(held):
            if required(held) == 2 and not has_part(name, SLOPES):
                yield _of_function(name, held)
        elif not inspect.ismethod(held) and (is_own(held) or isinstance(held, type)):
            for inner in VALUES_OF_LOSS:
                if inner == "__call__" and isinstance(held, type):
                    continue
                method = peek(held, inner)
                if callable(method) and required(method) == 2:
                    yield _of_function(f"{name}.{inner}", method)
                    break


def _losses_of_networks(module: Mapping[str, Any]) -> Iterator[Loss]:
    """Yield the functions of the file that are losses of a network: ``loss_fn(net, X, y)``."""
    for name, function in module.items():
        if not (inspect.isfunction(function) and is_cost(name)):
            continue
        names = _names(function)
        roles = ["y" if is_truth(n) else "x" if is_named(n, INPUT) else "network" for n in names]
        if sorted(roles) == ["network", "x", "y"]:
            value = _of_network(function, roles)
            yield Loss(f"{name}({', '.join(names)})", value, needs_output=False, function=name)


def _of_network(function: Callable[..., Any], roles: Sequence[str]) -> Value:
    """Return a loss by a function that runs the network, which it is given among its arguments."""

    def value(worker: Any, x: Array, y: Array, out: Array | None) -> Any:
        given = {"network": worker, "x": x, "y": y}
        return call(function, *(given[role] for role in roles))

    return value


def losses_beside(module: Mapping[str, Any]) -> Iterator[Loss]:
    """Yield the functions of the file that are called as losses are, and take two arrays."""
    for name, function in module.items():
        if inspect.isfunction(function) and is_cost(name) and required(function) == 2:
            yield replace(_of_function(name, function), function=name)


def _of_function(name: str, function: Callable[..., Any]) -> Loss:
    """Return the loss that a function of outputs and labels is, in the order of its names."""
    value = _of_output(lambda worker: function, is_flipped=_is_flipped(function))
    return Loss(f"{name}(a, y)", value)


def _of_output(of_worker: Callable[[Any], Any], *, is_flipped: bool) -> Value:
    """Return a loss of the output, by the function that a copy of the network has for it."""

    def value(worker: Any, x: Array, y: Array, out: Array | None) -> Any:
        return call(of_worker(worker), *((y, out) if is_flipped else (out, y)))

    return value


def _of_input(of_worker: Callable[[Any], Any]) -> Value:
    """Return a loss of the input, by the function that a copy of the network has for it."""

    def value(worker: Any, x: Array, y: Array, out: Array | None) -> Any:
        return call(of_worker(worker), x, y)

    return value


def _is_flipped(function: Callable[..., Any]) -> bool:
    """Return whether a function of two is given the labels first."""
    names = _names(function)
    return len(names) == 2 and is_truth(names[0]) and not is_truth(names[1])


def _names(function: Callable[..., Any]) -> list[str]:
    return [argument.name for argument in arguments(function) if argument.is_required]


# ---- losses that are assumed


@dataclass(frozen=True)
class Form:
    """A usual loss: a sum over all outputs and labels, times a factor, over their number.

    Attributes
    ----------
    name : str
    total : callable
        Of the output and the labels.
    factor : float
    over : str or None
        What it is divided by the number of: ``examples``, or ``outputs``.
    """

    name: str
    total: Callable[[Array, Array], Any]
    factor: float = 1.0
    over: Literal["examples", "outputs"] | None = None

    def loss(self, axis: int | None) -> Loss:
        """Return it as a loss, of examples that lie along an axis."""

        def value(worker: Any, x: Array, y: Array, out: Array | None) -> Any:
            assert out is not None
            total = self.total(out, as_rows(y, out, axis))
            return np.asarray(self.factor * total / self._count(out, axis))

        return Loss(self.name, value, is_assumed=True)

    def _count(self, out: Array, axis: int | None) -> int:
        if self.over == "outputs":
            return out.size
        return 1 if self.over is None or axis is None else out.shape[axis]


def _squares(a: Array, y: Array) -> Any:
    return ((a - y) ** 2).sum()


def _of_classes(a: Array, y: Array) -> Any:
    return -(y * np.log(a)).sum()


def _of_bits(a: Array, y: Array) -> Any:
    return -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum()


BY_SQUARES = (
    Form("½Σ(a − y)²", _squares, 0.5),
    Form("½Σ(a − y)² / m", _squares, 0.5, "examples"),
    Form("Σ(a − y)²", _squares),
    Form("Σ(a − y)² / m", _squares, 1.0, "examples"),
    Form("the mean of (a − y)²", _squares, 1.0, "outputs"),
)
BY_CLASSES = (
    Form("−Σ y·log a / m", _of_classes, 1.0, "examples"),
    Form("−Σ y·log a", _of_classes),
)
BY_BITS = (
    Form("−Σ (y·log a + (1 − y)·log(1 − a)) / m", _of_bits, 1.0, "examples"),
    Form("−Σ (y·log a + (1 − y)·log(1 − a))", _of_bits),
)


def as_rows(y: Array, out: Array, axis: int | None) -> Array:
    """Return labels in the shape of the output: indices of classes become one-hot."""
    if y.ndim == out.ndim or y.dtype.kind != "i":
        return y
    hot = np.eye(out.shape[0 if axis == -1 else -1])[y]
    return hot.T if axis == -1 else hot


def assumed(out: Array, y: Array, axis: int | None) -> list[Loss]:
    """Return the losses that code may have in mind which has written none, the likeliest first.

    Parameters
    ----------
    out, y : array
        An output, and labels, in the same shape or as indices of classes.
    axis : int or None
        That of the examples.
    """
    if out.shape != as_rows(y, out, axis).shape:
        return []
    rows = out.T if axis == -1 or (axis is None and out.ndim == 2) else out
    rows = rows if rows.ndim > 1 else rows[None]
    forms: tuple[Form, ...] = BY_SQUARES
    if rows.shape[-1] > 1 and are_probabilities(rows):
        forms = (*BY_CLASSES, *BY_SQUARES)
    elif np.all((out > 0) & (out < 1)):
        forms = (*BY_SQUARES, *BY_BITS)
    return [form.loss(axis) for form in forms]
