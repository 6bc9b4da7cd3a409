"""From a reading to an operation: the numbers that the code takes, and the parameters it holds.

What can be found out is found out by trying: inputs and labels are drawn as `trials` suggests,
until forward gives finite numbers and backward runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import shapes, updates
from mnist_cli.gradcheck.adapters.code import CodeOperation
from mnist_cli.gradcheck.adapters.optimisers import by_move
from mnist_cli.gradcheck.adapters.places import attributes, holders, is_float_array, walk
from mnist_cli.gradcheck.adapters.reading import Reading
from mnist_cli.gradcheck.adapters.session import CodeSession
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.trials import drawn, has_labels, names_of, trials
from mnist_cli.gradcheck.adapters.vocabulary import NO_PARAMETERS, is_label, is_named
from mnist_cli.gradcheck.operation import Array, Arrays
from mnist_cli.gradcheck.point import elsewhere
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.user_code import UserCodeError

MANY = 6
"""At how many shapes code with several arguments is tried."""
NORMALISED = (
    "backward moves parameters as far for a small gradient as for a large one, as Adam does: their "
    "gradients are not told by that."
)


def fittings(
    reading: Reading, request: Request, seed: int, given: Arrays | None = None
) -> Iterator[CodeOperation]:
    """Yield the operations that a reading makes, at the first numbers that the code takes.

    Where several arrays are arguments, their shapes are not told by trying alone: a row can be
    added to a batch, and so can a batch; there, several operations are yielded.

    Parameters
    ----------
    reading : Reading
        Without draws: what is drawn is found here.
    request : Request
    seed : int
    given : dict of array, optional
        Arguments that are not drawn: the input under its name, the labels as ``labels``.

    Raises
    ------
    UserCodeError
        If the code takes none of the numbers, in the words of what it raised at the likeliest.
    """
    most = MANY if len(names_of(reading)) > 1 or reading.state.lists else 1
    refused: UserCodeError | None = None
    was_infinite, count = False, 0
    repeated: CodeOperation | None = None
    accepted: set[tuple[tuple[int, ...], ...]] = set()
    for draws, labels in trials(reading, request, seed, given or {}):
        sizes = tuple(draw.shape for draw in draws.values())
        if sizes in accepted and {draw.kind for draw in draws.values()} & {"positive", "unit"}:
            continue
        operation = drawn(reading, draws, labels, seed)
        session = operation.open({n: a.copy() for n, a in operation.at.items()})
        try:
            out = session.forward()
            if not out.size:
                continue  # too few numbers went in, as for a window that is wider than they are
            if not np.all(np.isfinite(out)):
                was_infinite = True
                continue
            out = out.copy()
            dout = operation.upstreams(out, np.random.default_rng(seed))[0].dout
            computed = session.backward(dout.copy())
            whole = _with_parameters(operation, seed)
        except UserCodeError as error:
            refused = refused or error
            continue
        if not request.shapes and (
            is_repeated(operation, computed) or is_jacobian_of_all(operation, session)
        ):
            repeated = repeated or whole
            continue
        yield whole
        count += sizes not in accepted
        accepted.add(sizes)
        if count >= most and not (
            # What takes a vector may be meant for a column.
            len(sizes) == 1
            and operation.batch_axis is None
            and labels is None
            and not (request.shapes or given)
        ):
            return
    if count:
        return
    if repeated is not None:
        yield repeated
        return
    if refused is not None:
        raise refused
    if was_infinite:
        where = (
            "logits, nor at random probabilities"
            if has_labels(reading)
            else "inputs, nor at positive ones"
        )
        raise UserCodeError(
            f"forward is not finite at random {where}: check it from Python, by "
            "check(layer, x=...)."
        )
    raise UserCodeError("No shape was found that forward takes: give one with --shape.")


def is_repeated(operation: CodeOperation, computed: Arrays) -> bool:
    """Return whether NumPy has broadcast an input over a larger array of the code.

    The gradient then has another shape than the input: more axes, where the code expects images,
    say; or more numbers than a column, or one axis, where it does not expect a single column.
    """
    for name in operation.data:
        shape = operation.at[name].shape
        if name in computed and computed[name].ndim > max(2, len(shape)):
            return True
        if 1 in shape and name in computed:
            without = tuple(size for size in shape if size != 1)
            is_vector = computed[name].shape == without and operation.batch_axis is None
            if computed[name].size > operation.at[name].size or is_vector:
                return True
    return False


def is_jacobian_of_all(operation: CodeOperation, session: CodeSession) -> bool:
    """Return whether a derivative is the Jacobian of all numbers of a batch: it is for a vector."""
    derivative, out = session.derivative, np.asarray(session.out)
    is_batch = operation.batch_axis is not None and out.ndim > 1
    return is_batch and derivative is not None and derivative.shape == (out.size, out.size)


def _with_parameters(trial: CodeOperation, seed: int) -> CodeOperation:
    """Return the operation with all arrays that the object holds and that move the output."""
    reading = trial.reading
    state = reading.state
    if state.thing is not None:
        made = _made_at_first_forward(trial, seed)
        if made is not None:
            state = made
            reading = replace(reading, state=state)
    arguments = {name: trial.at[name] for name in reading.draws}
    held_data = [name for name in reading.draws if name in trial.parameters]
    candidates = [
        name
        for name in (*state.arrays, *numbers_of(state))
        if name not in arguments or name in held_data
    ]
    if not candidates:
        return _finished(CodeOperation(reading, arguments, trial.labels, ()), reading, arguments)
    whole = CodeOperation(reading, arguments, trial.labels, candidates)
    session, before, after, _ = _passed(whole)
    if reading.guessed_rate and not updates.is_proportional(whole):
        raise UserCodeError(
            f"What backward changes is not proportional to its argument {reading.guessed_rate}."
        )
    if not (reading.has_rate or session.update_rate or session.noted):
        reading = replace(reading, own_rate=updates.own_rate(whole))
        if reading.own_rate:
            whole = CodeOperation(reading, arguments, trial.labels, candidates)
            session, before, after, _ = _passed(whole)
    if session.update_rate and updates.are_normalised(whole, after[2]):
        reading = replace(reading, has_normalised_steps=True, remark=reading.remark or NORMALISED)
        whole = CodeOperation(reading, arguments, trial.labels, candidates)
        session, before, after, _ = _passed(whole)
    lively = not_zero(whole, seed)
    written = {
        name
        for name in state.arrays
        if name in before and name in after[0] and not _same(before[name], after[0][name])
    }
    computed = after[2]
    names = [
        name
        for name in candidates
        if name in computed
        and (name not in written or (shapes.is_parameter(name) and _is_felt(lively, name)))
        and state.twins(name)[0] == name
        # What an update moves may be no parameter: the velocity of one, say.
        and (name not in session.by_update or _is_felt(lively, name))
    ]
    for name in state.arrays:
        group = state.group(name)
        if any(other in names or other in written for other in group) or name != group[0]:
            continue
        if _is_felt(lively, name):
            names.append(name)
    unused = {n for n in names if is_unused_bias(state, n) and not _is_felt(lively, n)}
    names = [name for name in candidates if name in {*names, *held_data} - unused]
    operation = not_zero(CodeOperation(reading, arguments, trial.labels, names), seed)
    return _finished(operation, reading, arguments)


def is_unused_bias(state: State, name: str) -> bool:
    """Return whether an array is the bias of an object that is told to use none.

    As with ``use_bias=False``. What backward may give for it is nobody's.
    """
    flags = [(n, v) for h in holders(state.thing) for n, v in attributes(h).items()]
    is_told = any(value is False and "bias" in attribute.lower() for attribute, value in flags)
    return is_told and shapes.is_bias(state.places[name].leaf)


def numbers_of(state: State) -> list[str]:
    """Return the numbers that an object holds and that may be parameters."""
    return [n for n in state.numbers if not is_named(state.places[n].leaf, NO_PARAMETERS)]


def not_zero(operation: CodeOperation, seed: int) -> CodeOperation:
    """Return the operation with other numbers in the place of parameters that are all zero.

    Behind a layer of zeros nothing is felt, and any gradient to what stands before it is right.
    Where the code cannot be run with other numbers, it stays as it is.
    """
    rng = np.random.default_rng([seed, 2])
    filled: Arrays = {}
    for name in operation.parameters:
        if name not in operation.data and name not in filled and not operation.at[name].any():
            array = 0.5 * rng.standard_normal(operation.at[name].shape)
            filled |= dict.fromkeys(_names_of_one(operation, name), array)
    if not filled:
        return operation
    moved = operation.moved_to(operation.at | filled)
    assert isinstance(moved, CodeOperation)
    try:
        _, _, _, out = _passed(moved)
    except UserCodeError:
        return operation
    return moved if np.all(np.isfinite(out)) else operation


def _has_other_outputs(session: CodeSession) -> bool:
    """Return whether forward returned other arrays of as many rows, which backward is not given."""
    given, out = {slot.role for slot in session.reading.wants}, session.out
    if "dout" not in given or "cache" in given or not isinstance(out, np.ndarray):
        return False
    return any(
        isinstance(part, np.ndarray) and part.dtype.kind == "f" and part.shape[:1] == out.shape[:1]
        for part in session.rest
    )


def _finished(operation: CodeOperation, reading: Reading, arguments: Arrays) -> CodeOperation:
    """Note what backward changes, whether forward repeats itself, and what has no gradient."""
    session, before, (_, after_backward, computed), out = _passed(operation)
    moved = {
        name
        for name in operation.parameters
        if name in after_backward and not _same(before[name], after_backward[name])
    }
    rate = session.update_rate
    by_design = {
        name
        for name in moved
        if operation.reading.has_rate
        or operation.reading.has_normalised_steps
        or name in session.by_update
        or updates.is_step(before[name] - after_backward[name], computed.get(name), rate)
    }
    operation.moved = frozenset(by_design | (moved & session.noted))
    for name in operation.moved & session.by_update:
        operation.methods[name] = by_move(before[name], computed[name], rate)
    if reading.gives == "slope" and _is_jacobian(session):
        operation.reading = replace(operation.reading, gives="jacobian")
    operation.exempt |= frozenset(n for n in operation.given_numbers if n not in computed)
    operation.returns_more = bool(session.rest)
    if reading.remark:
        operation.remarks.append(reading.remark)
    if reading.looks_up:
        names = ", ".join(operation.labels_names)
        operation.remarks.append(f"not differentiated: {names}, the places in a table")
    if reading.outputs:
        operation.remarks.append(f"The {reading.outputs} outputs are taken side by side, as one.")
    elif _has_other_outputs(session):
        operation.remarks.append(
            "Only the first of the arrays that forward returns is checked, as backward takes one "
            "gradient."
        )
    axis = operation.batch_axis
    if (
        axis is not None
        and out.size > 1
        and (
            not out.ndim
            or out.shape[axis] != operation.batch_size
            or _is_told_of_shape(reading.state, [operation.at[name].shape for name in arguments])
        )
    ):
        operation.batch_axis = None  # what lies along that axis are not examples
    is_loss = has_labels(reading) or (session.out is not None and session.out.size == 1)
    if is_loss and is_activation(operation, out):
        operation.kind, is_loss = "activation", False
    if is_loss:
        operation.kind = "loss"
        others = [name for name in computed if name not in operation.data]
        if others:
            operation.exempt |= frozenset(n for n in operation.data if n not in computed)
        # What a loss sees around it is its data, but for what is called as weights are.
        around = [n for n in reading.state.outside if not shapes.is_parameter(n)]
        operation.exempt |= frozenset(n for n in around if n not in computed)
    again = operation.open({n: a.copy() for n, a in operation.at.items()})
    first = again.forward().copy()
    again.arrays |= {n: operation.at[n].copy() for n in arguments}
    if operation.labels is not None:
        again.labels = operation.labels.copy()
    operation.is_repeatable = _same(first, again.forward())
    if not _same(first, out):
        raise UserCodeError(
            "forward gives another result for the same input each time: give the layer a "
            "generator of its own, with a seed."
        )
    operation.draws_globally = operation.has_drawn
    return operation


def _is_told_of_shape(state: State, shapes: Sequence[tuple[int, ...]]) -> bool:
    """Return whether an object was told the shape of what it is given, with one example in it."""
    own = attributes(state.thing).values() if state.thing is not None else ()
    told = [tuple(v) for v in own if isinstance(v, tuple | list) and all(map(is_size, v))]
    return any(shape in shapes for shape in told)


def is_size(value: Any) -> bool:
    """Return whether something may be one of the numbers of a shape."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_activation(operation: CodeOperation, out: Array) -> bool:
    """Return whether what looks like a loss is elementwise, with an argument that is no label.

    As ``elu(x, alpha)`` is, and its derivative ``elu_prime(x, alpha)``.
    """
    if operation.takes_dout or len(operation.data) != 1 or not out.ndim:
        return False
    is_alike = out.shape == operation.at[operation.data[0]].shape
    return is_alike and out.size > 1 and not any(map(is_label, operation.labels_names))


def _is_jacobian(session: CodeSession) -> bool:
    """Return whether a derivative is a Jacobian: of one vector, or of each row."""
    derivative, out = session.derivative, np.asarray(session.out)
    if derivative is None or not out.ndim:
        return False
    is_of_rows = derivative.shape == (*out.shape, out.shape[-1])
    return is_of_rows or (derivative.shape == (out.size, out.size) and out.size > 1)


def _passed(
    operation: CodeOperation,
) -> tuple[CodeSession, Arrays, tuple[Arrays, Arrays, Arrays], Array]:
    """Run a pass, and return the parameters before and after forward, and after backward.

    With the gradients, and the output as it was before backward.
    """
    session = operation.open({n: a.copy() for n, a in operation.at.items()})
    session.clear()
    before = {n: a.copy() for n, a in session.arrays.items() if n in operation.parameters}
    out = session.forward().copy()
    after_forward = {n: a.copy() for n, a in session.arrays.items()}
    dout = operation.upstreams(out, np.random.default_rng(0))[0].dout
    computed = session.backward(dout.copy())
    return session, before, (after_forward, dict(session.arrays), computed), out


def _same(a: Array, b: Array) -> bool:
    return np.array_equal(a, b, equal_nan=True)


def _is_felt(operation: CodeOperation, name: str) -> bool:
    """Return whether an array that the object holds affects the output."""
    old = operation.at[name]
    outs = []
    for value in (old, elsewhere(old)):
        try:
            at = {n: a.copy() for n, a in operation.at.items()}
            at |= {twin: value.copy() for twin in _names_of_one(operation, name)}
            outs.append(operation.open(at).forward().copy())
        except UserCodeError:
            return True
    return not _same(*outs)


def _names_of_one(operation: CodeOperation, name: str) -> list[str]:
    """Return all names among the parameters of one array, of which it has several if held twice."""
    return [n for n in operation.reading.state.twins(name) if n in operation.parameters]


def _made_at_first_forward(trial: CodeOperation, seed: int) -> State | None:
    """Return the state after a forward, if that has made parameters; None if it has made none.

    What is a parameter stays as it is when another input comes, and moves the output.
    """
    session = trial.open({n: a.copy() for n, a in trial.at.items()})
    session.forward()
    there = set(trial.reading.state.arrays)
    first = {
        place.name: value.copy()
        for place, value in walk(session.worker)
        if is_float_array(value) and place.name not in there
    }
    if not first:
        return None
    rng = np.random.default_rng(seed + 1)
    fed = {n: rng.permuted(a, axis=-1) if a.ndim else a for n, a in trial.at.items()}
    session.arrays |= {n: a + 0.25 for n, a in fed.items()}
    try:
        session.forward()
    except UserCodeError:
        return None
    state = State(session.worker, trial.reading.state.outside)
    kept = [
        name
        for name, value in first.items()
        if name in state.arrays
        and name not in trial.reading.draws
        and _same(state.arrays[name], value)
    ]
    if not kept:
        return None
    arguments = {name: trial.at[name] for name in trial.reading.draws}
    warmed = CodeOperation(replace(trial.reading, state=state), arguments, trial.labels, kept)
    return state if any(_is_felt(warmed, name) for name in kept) else None
