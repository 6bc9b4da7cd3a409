"""The face of the checker: what to call from Python, in a test or in a notebook."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mnist_cli.gradcheck.adapters.gradients import short
from mnist_cli.gradcheck.adapters.recognise import recognise
from mnist_cli.gradcheck.checks import inspect
from mnist_cli.gradcheck.operation import Arrays, Operation
from mnist_cli.gradcheck.outcome import Outcome
from mnist_cli.gradcheck.report import Checks
from mnist_cli.gradcheck.request import Code, Labels, Request
from mnist_cli.gradcheck.result import TOLERANCE, Check, Group
from mnist_cli.gradcheck.summary import what_failed
from mnist_cli.gradcheck.user_code import UserCodeError

Shape = tuple[int, ...]


def check(
    thing: Any,
    *,
    x: ArrayLike | None = None,
    labels: Labels | ArrayLike | None = None,
    shape: Shape | Mapping[str, Shape] | None = None,
    arguments: Mapping[str, Any] | None = None,
    classes: int | None = None,
    columns: bool = False,
    constants: Iterable[str] = (),
    skip: Iterable[str] = (),
    seed: int = 0,
    tolerance: float = TOLERANCE,
    forward: str | None = None,
    backward: str | None = None,
) -> Checks:
    """Check every gradient that somebody's code gives, and how it behaves besides.

    The thing itself is left as it was: copies are checked.

    Parameters
    ----------
    thing : object
        A layer, a loss, an activation, a network, a class of one, or a function that returns a
        loss with its gradients; see docs/gradcheck.md for what is understood.
    x : array, optional
        The input to check at; drawn if it is not given.
    labels : {"onehot", "index"} or array, optional
        The labels, or their form; what the code takes if it is not given.
    shape : tuple of int, or dict of them, optional
        The shape of the input to draw, or of each named array.
    arguments : dict, optional
        Values of further arguments, by their names.
    classes : int, optional
        How many classes the labels are of.
    columns : bool
        Whether examples are columns.
    constants : iterable of str
        Arrays that move the output and have no gradient on purpose.
    skip : iterable of str
        Rows to leave out, as ``large-inputs``.
    seed : int
        Decides the random numbers.
    tolerance : float
        The largest relative error that passes.
    forward, backward : str, optional
        The names of the methods, where they are not among the usual ones.

    Returns
    -------
    Checks
        A list of `Check`; ``passed`` says whether all is right.

    Raises
    ------
    UserCodeError
        If the code cannot be judged: it raises something, or is written in no way that is known.
    """
    return _check(
        Code(_name(thing), thing),
        x,
        labels,
        shape,
        arguments,
        classes=classes,
        columns=columns,
        constants=frozenset(constants),
        skip=frozenset(skip),
        seed=seed,
        tolerance=tolerance,
        forward=forward,
        backward=backward,
    )


def check_layer(
    layer: Any, *, forward: str = "forward", backward: str = "backward", **options: Any
) -> Checks:
    """Check a layer with ``forward(x)`` and ``backward(dout)``; see `check` for the options."""
    return check(layer, forward=forward, backward=backward, **options)


def check_loss(
    loss: Any, *, forward: str = "forward", backward: str = "backward", **options: Any
) -> Checks:
    """Check a loss with ``forward(x, t)``, and ``backward()``, ``backward(dout)`` or the like.

    See `check` for the options.
    """
    return check(loss, forward=forward, backward=backward, **options)


def check_network(network: Any, **options: Any) -> Checks:
    """Check a whole network with its loss; see `check` for the options.

    As ``loss(x, t)`` that returns the loss with its gradients, ``loss(x, t)`` with
    ``gradient(x, t)``, ``forward(x, t)`` with ``backward()``, or ``backprop(x, y)``.
    """
    return check(network, **options)


def check_functions(
    forward: Callable[..., Any], backward: Callable[..., Any] | None = None, **options: Any
) -> Checks:
    """Check a function and its derivative; or one that returns a loss with its gradients.

    As ``tanh`` and ``tanh_prime``, ``mse`` and ``mse_derivative``, or ``linear_forward``, which
    returns what is kept as well, and ``linear_backward(dout, cache)``. See `check` for the options.
    """
    return _check(Code(_name(forward), forward, backward), **_defaults(options))


def assert_gradients(thing: Any, **options: Any) -> None:
    """Raise an AssertionError, unless all gradients of ``thing`` are right.

    Its first line, which pytest shows in its summary, says what is wrong; the report follows. For
    a test of your own; see `check` for the options.
    """
    checks = check(thing, **options)
    if not checks.passed:
        outcome = Outcome([Group(_name(thing), list(checks))])
        raise AssertionError(f"{what_failed(outcome, with_mistakes=True)}\n\n{checks}")


def check_code(code: Code, request: Request, given: Arrays | None = None) -> Group:
    """Check what a target names; see `check`.

    Parameters
    ----------
    code : Code
    request : Request
    given : dict of array, optional
        Arrays that are not drawn: the input as "", the labels as "labels".
    """
    checks: list[Check] = []
    remarks: list[str] = []
    uses: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # large inputs overflow, and are meant to
        found_as = recognise(code, request, given)
        refuse_unknown_names(code, request, [operation for _, operation in found_as])
        for part, operation in found_as:
            found = inspect(operation, request)
            remarks += [*operation.remarks, *found.remarks]
            uses += operation.uses
            label = f"{part}: " if part else ""
            checks += [replace(check, name=f"{label}{check.name}") for check in found.checks]
    group = Group(code.target, checks, list(dict.fromkeys(remarks)), tuple(uses))
    return group.named(code.target)


def refuse_unknown_names(code: Code, request: Request, operations: Sequence[Operation]) -> None:
    """Raise UserCodeError where a shape or a constant is said of an array that there is none of."""
    known: dict[str, None] = {"labels": None}
    for operation in operations:
        for name in operation.at:
            known |= {name: None, short(name): None}
        known |= dict.fromkeys(operation.labels_names)
    takes = [operation.arguments for operation in operations]
    if None not in takes:
        all_arguments = {name for names in takes for name in names or ()}
        for name in request.arguments:
            if name not in all_arguments:
                raise UserCodeError(
                    f"--arg names {name}, and {code.target} has no argument of that name: it has "
                    f"{', '.join(sorted(all_arguments)) or 'none'}."
                )
    for option, names in (("shape", request.shapes), ("constant", request.constants)):
        for name in names:
            if name and name not in known:
                has = ", ".join(dict.fromkeys(short(n) for o in operations for n in o.at))
                raise UserCodeError(
                    f"--{option} names {name}, and {code.target} has no array of that name: it has "
                    f"{has}."
                )


def _check(
    code: Code,
    x: ArrayLike | None = None,
    labels: Labels | ArrayLike | None = None,
    shape: Shape | Mapping[str, Shape] | None = None,
    arguments: Mapping[str, Any] | None = None,
    **options: Any,
) -> Checks:
    given: Arrays = {}
    if x is not None:
        given[""] = np.array(x, np.float64)
    form: Labels | None = None
    if isinstance(labels, str):
        form = "onehot" if labels == "onehot" else "index"
    elif labels is not None:
        given["labels"] = np.asarray(labels)
    shapes = shape if isinstance(shape, Mapping) else {} if shape is None else {"": shape}
    request = Request(shapes=dict(shapes), arguments=dict(arguments or {}), labels=form, **options)
    group = check_code(code, request, given)
    return Checks(group.checks, group.remarks)


def _defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with sets in the place of lists, as a request has them."""
    sets = {n: frozenset(options[n]) for n in ("constants", "skip") if n in options}
    return {**options, **sets}


def _name(thing: Any) -> str:
    """Return what a thing is called in a report."""
    return getattr(thing, "__name__", type(thing).__name__)
