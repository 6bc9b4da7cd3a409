"""The parts of a class that run, how they are gone back through, and which must add up."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import CodeType
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import shapes
from mnist_cli.gradcheck.adapters.drawing import BATCH, Draw, Kind
from mnist_cli.gradcheck.adapters.nodes.adding import left_by_others
from mnist_cli.gradcheck.adapters.nodes.classes import vars_of_class
from mnist_cli.gradcheck.adapters.signature import arguments
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.tensors.classes import TensorClass, is_tensor
from mnist_cli.gradcheck.adapters.tensors.methods import of_methods
from mnist_cli.gradcheck.adapters.tensors.operation import TensorOperation
from mnist_cli.gradcheck.adapters.tensors.operators import Part, of_operators
from mnist_cli.gradcheck.adapters.tensors.starts import follows, ways
from mnist_cli.gradcheck.operation import Array, Operation
from mnist_cli.gradcheck.point import copies
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError, required

WIDTH = 3
"""The width of an array."""
KINDS: tuple[Kind, ...] = ("normal", "positive", "unit")
"""The numbers at which a part is tried, until it is finite."""
RAISES, UNKNOWN = "it raises on plain use", "what they are to be given is not known"
"""Why parts are not checked."""


def applies(thing: Any, module: Mapping[str, Any]) -> bool:
    """Return whether something is a class of arrays that remember, or a function of such arrays."""
    if isinstance(thing, type):
        return is_tensor(thing)
    if not inspect.isfunction(thing) or not required(thing):
        return False
    if not any(is_tensor(kind) for kind in _classes(thing, module)):
        return False
    return next(of_function(Code("", thing, None, dict(module)), Request()), None) is not None


def is_step(thing: Any, module: Mapping[str, Any]) -> bool:
    """Return whether a function is written as one that makes such an array, with its way back.

    It names the class, and has a function within; nothing of it is run.
    """
    code = getattr(inspect.unwrap(thing), "__code__", None)
    if code is None or not any(isinstance(part, CodeType) for part in code.co_consts):
        return False
    return any(
        is_tensor(kind) for kind in _classes(thing, module) if kind.__name__ in code.co_names
    )


def _classes(thing: Any, module: Mapping[str, Any]) -> list[type]:
    """Return the classes that a function sees, those of its own file first."""
    names = {**module, **getattr(inspect.unwrap(thing), "__globals__", {})}
    return [value for value in names.values() if isinstance(value, type)]


def operations(code: Code, request: Request) -> Iterator[tuple[str, Operation]]:
    """Yield an operation for each operator and method of a class, with its label.

    What raises on plain use is left out, and the first operation says so in a remark. Where
    forward runs and backward raises, the operation gives no gradients, and says why.

    Raises
    ------
    UserCodeError
        If no array of the class can be made, or if nothing of it runs.
    """
    if inspect.isfunction(code.thing):
        yield from of_function(code, request)
        return
    tensors = TensorClass(code.thing)
    found: list[TensorOperation] = []
    left_out: list[str] = []
    unknown: list[str] = []
    refused: UserCodeError | None = None
    for part in parts(tensors, request):
        if not part.draws:
            unknown.append(part.label)
            continue
        try:
            operation = fitted(tensors, part, request.seed)
        except UserCodeError as error:
            refused = refused or error
            left_out += [] if part.is_broadcast else [part.label]
            continue
        if operation is not None:
            found.append(operation)
    found = _with_broadcasting(found)
    if not found:
        raise refused or UserCodeError(
            f"{code.target} has no operator and no method that gives a new {code.thing.__name__}."
        )
    same_start(found)
    note_adding(found, request.seed)
    for why, labels in ((RAISES, left_out), (UNKNOWN, unknown)):
        if labels:
            found[0].remarks.append(f"not checked, as {why}: {', '.join(labels)}")
    yield from ((operation.part.label, operation) for operation in found)


def parts(tensors: TensorClass, request: Request) -> Iterator[Part]:
    """Yield what there is to check of a class, with a shape for each."""
    shape = tuple(request.shapes.get("") or request.shapes.get("a") or (BATCH, WIDTH))
    a = Draw(shape, axis=0 if len(shape) > 1 else None)
    if tensors.is_scalar:
        a = Draw((BATCH, 1))
    own = vars_of_class(tensors.kind)
    yield from of_operators(own, a, is_scalar=tensors.is_scalar)
    yield from of_methods(tensors, a)


def of_function(code: Code, request: Request) -> Iterator[tuple[str, Operation]]:
    """Yield the operation of a function that takes such arrays, and gives one."""
    known = arguments(code.thing)
    literals = {a.name: request.arguments[a.name] for a in known if a.name in request.arguments}
    wanted = [a.name for a in known if a.is_required and a.name not in literals]

    def function(*leaves: Any) -> Any:
        return code.thing(**dict(zip(wanted, leaves, strict=True)), **literals)

    for kind in _classes(code.thing, code.module):
        if not is_tensor(kind):
            continue
        tensors = TensorClass(kind)
        refused: TensorOperation | None = None
        for draws in _of_arguments(wanted, tensors, request):
            try:
                operation = fitted(tensors, Part("", function, draws), request.seed)
            except UserCodeError:
                continue
            if operation is not None and operation.is_refused:
                refused = refused or operation  # forward may have repeated a row, say
            elif operation is not None:
                note_adding([operation], request.seed)
                yield "", operation
                return
        if refused is not None:
            yield "", refused
            return


def _of_arguments(
    names: Sequence[str], tensors: TensorClass, request: Request
) -> Iterator[Mapping[str, Draw]]:
    """Yield how the arguments of a function may be drawn."""
    if tensors.is_scalar:
        yield dict.fromkeys(names, Draw((BATCH, 1)))
        return
    for draws in shapes.inputs(names, State(None), request):
        if request.shapes or all(1 not in draw.shape for draw in draws.values()):
            yield draws


def fitted(tensors: TensorClass, part: Part, seed: int) -> TensorOperation | None:
    """Return the operation of a part, at numbers where it is finite; None if it is no operation.

    Raises
    ------
    UserCodeError
        If forward raises.
    """
    for kind in KINDS:
        draws = {n: d.of(kind) for n, d in part.draws.items()}
        operation = TensorOperation(tensors, replace(part, draws=draws), seed)
        leaves, result = operation.made(copies(operation.at))
        first = result[0] if tensors.is_scalar else result
        made = [leaf[0] if tensors.is_scalar else leaf for leaf in leaves.values()]
        if not tensors.holds(first) or any(first is leaf for leaf in made):
            return None
        out = operation.numbers(result)
        if np.all(np.isfinite(out)) and out.dtype.kind == "f":
            break
    else:
        return None
    operation.is_scalar = out.size == 1
    if not _is_function_of(operation):
        return None
    try:
        find_start(operation, seed)
    except UserCodeError as error:
        operation.remarks.append(f"backward raises: {error.raised}")
        operation.is_refused = True
    operation.takes_dout = operation.start != "ones"
    return operation


def _is_function_of(operation: TensorOperation) -> bool:
    """Return whether the result moves with a leaf, as that of ``ones_like()`` does not."""
    before = operation.value(operation.at)
    moved = {n: 1.25 * a + 0.125 for n, a in operation.at.items()}
    return not np.array_equal(before, operation.value(moved))


def find_start(operation: TensorOperation, seed: int) -> None:
    """Find out how a gradient from above can be handed in so that it is followed.

    Raises
    ------
    UserCodeError
        What backward raises, where none of the ways runs.
    """
    shape = np.shape(operation.value(operation.at))
    dout = np.random.default_rng(seed).standard_normal(shape)
    refused: UserCodeError | None = None
    for way in ways(operation.tensors):
        operation.start = way
        try:
            one_way, other = operation.once(dout), operation.once(-3 * dout)
        except UserCodeError as error:
            refused = refused or error
            continue
        if follows(one_way, other, dout):
            return
    operation.start = "ones"
    try:
        operation.once(np.ones(shape))
    except UserCodeError:
        raise refused or UserCodeError("backward cannot be called") from None


def same_start(found: Sequence[TensorOperation]) -> None:
    """Hand the gradient from above in everywhere as it works somewhere in the class.

    Where a method ignores it, that is a mistake, and no property of the class.
    """
    usable = [operation for operation in found if not operation.is_refused]
    start = next((operation.start for operation in usable if operation.start != "ones"), None)
    if start is None:
        return
    for operation in usable:
        if operation.start != "ones":
            continue
        operation.start = start
        try:
            operation.once(np.ones(np.shape(operation.value(operation.at))))
        except UserCodeError:
            operation.start = "ones"
        operation.takes_dout = operation.start != "ones"


def _with_broadcasting(found: list[TensorOperation]) -> list[TensorOperation]:
    """Return the operations, without those of broadcasting where the class has no idea of it.

    If a row for all rows has a gradient of its own shape in one operator, it must in all. If it
    has in none, broadcasting is not offered; that forward takes it is NumPy's doing.
    """
    rows = [operation for operation in found if operation.part.is_broadcast]
    if any(_has_right_shapes(operation) for operation in rows):
        return found
    kept = [operation for operation in found if not operation.part.is_broadcast]
    if rows and kept:
        kept[0].remarks.append(
            "broadcasting is not checked, as no operator sums the gradient over what it repeated"
        )
    return kept


def _has_right_shapes(operation: TensorOperation) -> bool:
    """Return whether each leaf has a gradient of its own shape."""
    if operation.is_refused:
        return False
    found = operation.once(np.ones(np.shape(operation.value(operation.at))))
    return all(n in found and found[n].shape == a.shape for n, a in operation.at.items())


def note_adding(found: Sequence[TensorOperation], seed: int) -> None:
    """Note which operations are to be run with something left in the gradients of their leaves.

    If one operation adds to it, all must; a class in which none does clears gradients itself, or
    sets them in ``a*a``, too, where that is seen.
    """
    rng = np.random.default_rng(seed)
    fitting = []
    for operation in found:
        if operation.is_refused:
            continue
        dout = rng.standard_normal(np.shape(operation.value(operation.at)))
        if operation.start == "ones":
            dout = np.ones(dout.shape)
        try:
            operation.adds = _adds(operation, dout)
        except UserCodeError:
            continue
        fitting.append(operation)
    if any(operation.adds for operation in fitting):
        for operation in fitting:
            operation.adds = operation.adds or not operation.part.is_twice


def _adds(operation: TensorOperation, dout: Array) -> bool:
    """Return whether all gradients are added to what another use of the leaves has left."""
    left = left_by_others(operation.at, dout)
    clean, after = operation.once(dout), operation.once(dout, left)
    return bool(clean) and all(
        n in after and after[n].shape == g.shape and np.allclose(after[n], g + left[n])
        for n, g in clean.items()
        if g.shape == left[n].shape
    )
