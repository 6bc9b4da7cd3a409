"""Which convention somebody's code is written in: each is tried, and what was tried is told."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice, permutations

import numpy as np

from mnist_cli.gradcheck.adapters import backprop, composed, functions, nodes, objects, tensors
from mnist_cli.gradcheck.adapters.advice import why_not
from mnist_cli.gradcheck.adapters.code import CodeOperation
from mnist_cli.gradcheck.adapters.drawing import FEATURES
from mnist_cli.gradcheck.adapters.fitting import fittings
from mnist_cli.gradcheck.adapters.making import in_training, made, seeded
from mnist_cli.gradcheck.adapters.modes import OTHER, has_default, mode_of
from mnist_cli.gradcheck.adapters.places import is_own
from mnist_cli.gradcheck.adapters.reading import Reading, Slot
from mnist_cli.gradcheck.adapters.settings import is_felt, other_settings
from mnist_cli.gradcheck.operation import Arrays, Operation
from mnist_cli.gradcheck.partners import calls_gradient
from mnist_cli.gradcheck.point import Point, copies
from mnist_cli.gradcheck.reference import EPSILON
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError, required

ROUGHLY = 1e-6
"""How far a gradient may be from the right one for a reading to be believed."""
TRIED = 16
"""How many readings are tried."""
ADAPTERS = (nodes, tensors, backprop)
"""Conventions that are told by a class alone; everything else is an object or a function."""
MOST_ALIKE = 4
"""Of how many gradients of one shape all orders are tried."""


def recognise(
    code: Code, request: Request, given: Arrays | None = None
) -> list[tuple[str, Operation]]:
    """Return the operations that somebody's code is: one, or one for each operator of a class.

    Where it can be read in several ways, it is the first in which its gradients are right; else
    the first that runs. A wrong gradient is right in another reading by no chance, but for a
    forgotten 1/N, which one example does not show: then several are taken. Where two readings
    differ only in a sign, as of ``(x − t)²``, the names of the arguments decide.

    Returns
    -------
    list of (str, Operation)
        With the name of each part, empty where there is but one.

    Raises
    ------
    UserCodeError
        If it runs in none: what was tried, why each failed, and what would make it checkable.
    """
    refuse_what_is_no_code(code)
    is_graph = any(a.applies(code.thing, code.module) for a in (nodes, tensors))
    mode = None if is_graph else mode_of(code, request)
    if mode is not None:
        return in_each_mode(code, mode, request, given)
    for adapter in ADAPTERS:
        if adapter.applies(code.thing, code.module):
            return best_of_each(adapter.operations(code, request), request)
    search = searched(code, request, given)
    if search.found is None:
        raise UserCodeError(why_not(code, search.refused, request))
    parts = [("", search.found)]
    if search.is_certain:
        parts += wrong_otherwise(code, search.found, request, given)
    return parts


def searched(code: Code, request: Request, given: Arrays | None) -> Search:
    """Return the search for a reading of the code, after it has ended."""
    search = Search(request)
    readings = list(islice(candidates(code, request), TRIED))
    for reading in readings:
        if search.try_reading(reading, given):
            break
    search.settle()
    if search.found is None and search.refused and not given:
        search.try_square_batches(readings)
    if search.found is not None and request.labels == "index" and not search.is_certain:
        refuse_rows_as_indices(code, search.found, replace(request, labels="onehot"))
    return search


def wrong_otherwise(
    code: Code, default: Operation, request: Request, given: Arrays | None
) -> Iterator[tuple[str, Operation]]:
    """Yield what right code is with another setting than its default, if it is wrong there.

    Where it cannot be read with another, or has no derivative, nothing is said.
    """
    for name, choices in other_settings(code, default, request):
        for value in choices:
            try:
                found = otherwise(code, default, name, request.told(name, value), given)
            except UserCodeError:
                continue
            if found is None:
                continue
            operation, is_right = found
            if not is_right:
                text = "given" if isinstance(value, np.ndarray) else value
                yield f"{name}={text}", operation
            break


def otherwise(
    code: Code, default: Operation, name: str, told: Request, given: Arrays | None
) -> tuple[Operation, bool] | None:
    """Return what code is with another setting, and whether it is right there.

    None where it does not run with that, where the setting does not affect the output, or where
    there is no derivative.
    """
    search = Search(told)
    is_array = isinstance(told.arguments[name], np.ndarray)
    for reading in candidates(code, told):
        if isinstance(default, CodeOperation) and is_alike(reading, default, name):
            if is_array:  # it fits examples of these shapes alone
                reading = replace(reading, draws=default.reading.draws)
            search.try_reading(reading, given)
            break
    search.settle()
    if search.found is None or not is_felt(default, search.found):
        return None
    if not (search.is_certain or is_array):
        search = searched(code, told, given)  # it may be right in another reading
    if search.found is None:
        return None
    if search.is_certain:
        return search.found, True
    point = at_random(search.found, told)
    if is_array:  # an object that was given it holds it, and it is no parameter
        search.found.exempt |= search.found.at.keys() - point.computed.keys()
    is_right = agrees(point) and (is_array or search.found is not search.lacking)
    return None if is_flat(point) else (search.found, is_right)


def is_alike(reading: Reading, operation: CodeOperation, name: str) -> bool:
    """Return whether a reading is that of an operation, but for one argument.

    It calls the same two methods or functions with the same besides, and what both hold is of the
    same shapes.
    """

    def besides(slots: Iterable[Slot]) -> list[tuple[str, str]]:
        return [(s.role, s.name) for s in slots if s.role != "literal" and s.name != name]

    other = operation.reading
    both = reading.state.arrays.keys() & other.state.arrays.keys()
    return (
        (reading.forward, reading.backward) == (other.forward, other.backward)
        and besides(reading.takes) == besides(other.takes)
        and besides(reading.wants) == besides(other.wants)
        and all(reading.state.arrays[n].shape == other.state.arrays[n].shape for n in both)
    )


def refuse_what_is_no_code(code: Code) -> None:
    """Raise UserCodeError for an object of NumPy's or of Python's, as a generator is."""
    kind = type(code.thing)
    home = str(getattr(kind, "__module__", "")).partition(".")[0]
    if not callable(code.thing) and (home == "numpy" or not is_own(code.thing)):
        raise UserCodeError(
            f"{code.target} is an object of {kind.__name__}, which has no gradient: name a class "
            "or a function of your own."
        )


def refuse_rows_as_indices(code: Code, found: Operation, with_rows: Request) -> None:
    """Raise UserCodeError if a loss takes one-hot labels, though it also runs with indices.

    Code that means indices raises for fractions. Code that means one-hot rows computes with any
    numbers, and NumPy repeats them over all classes.
    """
    if found.labels is None:
        return
    try:
        found.open(copies(found.at), found.labels + 0.5).forward()
    except UserCodeError:
        return
    search = Search(with_rows)
    if any(search.try_reading(each) for each in islice(candidates(code, with_rows), TRIED)):
        raise UserCodeError(
            f"{code.target} takes one-hot labels: it does arithmetic with them, which "
            "means nothing for class indices. Leave out --labels index, or say --labels onehot."
        )


def in_each_mode(
    code: Code, mode: tuple[str, list[str | None]], request: Request, given: Arrays | None
) -> list[tuple[str, Operation]]:
    """Return the operations that code is with each text that selects what it computes.

    With its default, it must be understood. A remark names the texts with which it is not.
    """
    name, values = mode
    parts: list[tuple[str, Operation]] = []
    refused: list[str] = []
    for value in values:
        told = request.told(name, value)
        try:
            found = recognise(code, told, given)
        except UserCodeError:
            if value != OTHER and not (parts and has_default(code, name)):
                raise
            refused += [str(value)] if value != OTHER else []
            continue
        labels = (f"{name}={value}, {part}" if part else f"{name}={value}" for part, _ in found)
        parts += zip(labels, (operation for _, operation in found), strict=True)
    if refused:
        remark = f"With {name}={' or '.join(refused)} it is not understood, and not checked."
        parts[0][1].remarks.append(remark)
    return parts if len(parts) > 1 else [("", parts[0][1])]


def best_of_each(
    operations: Iterable[tuple[str, Operation]], request: Request
) -> list[tuple[str, Operation]]:
    """Return for each part the first operation whose gradients are right, else the first."""
    found: dict[str, Operation] = {}
    certain: set[str] = set()
    for label, operation in operations:
        if label in certain:
            continue
        if agrees(at_random(operation, request)):
            found[label] = operation
            certain.add(label)
        found.setdefault(label, operation)
    return list(found.items())


def at_random(operation: Operation, request: Request) -> Point:
    """Return the operation with a pass through it."""
    return Point(operation, np.random.default_rng([request.seed, 1]))


class Search:
    """The search for the reading in which somebody's code is right, or else runs.

    Attributes
    ----------
    found : Operation or None
        The best so far.
    refused : list of (str, UserCodeError)
        The readings in which it did not run, and why.
    """

    def __init__(self, request: Request):
        self.request = request
        self.found: Operation | None = None
        self.refused: list[tuple[str, UserCodeError]] = []
        self.lacking: Operation | None = None
        """The first that is right, and in which a parameter has no gradient."""
        self.partial: Operation | None = None
        """The first that is right, where another mistake would be, too."""
        self.is_certain = False
        self._has_several_outputs = False
        self._lacks_mean = False
        """Whether with several examples the 1/N is missing, which one example does not show."""
        self._rank = (0, 0, 0)
        """Whether what is found has no gradients, some, or all of the right shapes; how many are
        right but for a factor; and how many are not zero."""

    def settle(self) -> None:
        """Take what is next best, where no reading was right beyond doubt."""
        if not self.is_certain:
            self.found = self.lacking or self.found or self.partial

    def try_reading(self, reading: Reading, given: Arrays | None = None) -> bool:
        """Try a reading, and return whether it is the right one beyond doubt.

        Where a forward has several outputs, and backward takes a gradient of each, all of them are
        looked at.
        """
        if self._has_several_outputs and not reading.outputs:
            return False
        if reading.looks_up and not self._wants_integers():
            return False
        try:
            for operation in fittings(reading, self.request, self.request.seed, given):
                if reading.is_against_names and is_symmetric(operation):
                    continue
                if self._is_right(operation):
                    self.is_certain = True
                    return True
        except UserCodeError as error:
            self.refused.append((reading.convention, error))
        return False

    def _wants_integers(self) -> bool:
        """Return whether nothing has run so far, since numbers are no places in a table."""
        is_open = not (self.found or self.lacking or self.partial)
        return is_open and any(
            "indices" in error.raised or "integer" in error.raised for _, error in self.refused
        )

    def _is_right(self, operation: CodeOperation) -> bool:
        point = at_random(operation, self.request)
        self._has_several_outputs |= bool(operation.reading.outputs)
        if operation.reading.backward is None and not point.computed:
            return False  # a function of its own, which returns no gradient
        if operation.reading.backward is None and not self._is_loss_with_gradient(point, operation):
            return False
        if operation.has_label_gradient:
            self.partial = self.partial or operation  # what has a gradient may be no labels
            return False
        has_all = is_whole(point, operation.reading.draws)
        if has_all and agrees(point):
            if any(
                n not in point.computed for n in operation.parameters if n not in operation.data
            ):
                self.lacking = self.lacking or operation  # another shape may have them all
                return False
            if is_degenerate(point) or (operation.batch_axis is None and self._lacks_mean):
                self.partial = self.partial or operation
                return False
            self.found = operation
            return True
        if self.request.columns and is_mean_of_columns(point):
            self.found = operation.with_mean_of_columns()
            return True
        if keeps_examples(point):
            summed = operation.with_sum_of_examples()
            if agrees(at_random(summed, self.request)):
                self.found = summed
                return True
        for order in orders(operation):
            other = operation.reordered(order)
            if agrees(at_random(other, self.request)):
                self.found = other
                return True
        fit = [gradient.shape == point.at[name].shape for name, gradient in point.computed.items()]
        felt = {name: gradient for name, gradient in point.computed.items() if gradient.any()}
        right = sum(agrees(point, {name: gradient}) for name, gradient in felt.items())
        if right == len(point.computed):
            right = 0  # it is this reading that is not to be believed, see above
        elif all(fit):
            # With other labels, say, what is off by a factor would be wrong in another way, too.
            right = sum(is_multiple(point, name) for name in felt)
        self._lacks_mean |= has_all and lacks_mean(point)
        rank = (0 if not fit else 2 if all(fit) else 1, right, len(felt))
        if self.found is None or rank > self._rank:
            self.found, self._rank = operation, rank
        return False

    def _is_loss_with_gradient(self, point: Point, operation: CodeOperation) -> bool:
        """Return whether what a function returns beside its value is a gradient, and no cache.

        It is where it is called so; else a loss has one that is as large as an argument.
        """
        reading = operation.reading
        if calls_gradient(reading.method(reading.state.thing, reading.forward)):
            return True
        return point.out.size == 1 and all(
            computed.shape == point.at[name].shape for name, computed in point.computed.items()
        )

    def try_square_batches(self, readings: Iterable[Reading]) -> None:
        """Try as many examples as features, where backward raises since the two differ.

        If it runs there and is wrong, the gradient is; if it is right, the code is of use for no
        other batch, and cannot be judged.
        """
        if self.request.shapes:
            return
        for reading in readings:
            sizes = {size for a in reading.state.arrays.values() for size in a.shape}
            for size in (*sorted(sizes), FEATURES):
                square = replace(self.request, shapes={"": (size, size)})
                try:
                    operation = next(fittings(reading, square, self.request.seed))
                except (UserCodeError, StopIteration):
                    continue
                point = at_random(operation, self.request)
                if not all(g.shape == point.at[n].shape for n, g in point.computed.items()):
                    continue  # the code means other shapes, and NumPy has broadcast these
                if point.computed and not agrees(point):
                    raised = self.refused[0][1].raised
                    operation.remarks.append(
                        f"It runs only where the batch is as large as the features, here {size}; "
                        f"else it raises {raised}."
                    )
                    self.found = operation
                    return


def orders(operation: CodeOperation) -> Iterator[tuple[str, ...]]:
    """Yield other orders in which gradients of one shape may have been returned.

    Of parameters that an object holds, nothing but the numbers tells them apart, unless they are
    returned by names. Arguments have an order, and what is returned in another is a mistake.
    """
    expected = operation.expected
    shapes = [operation.at[name].shape for name in expected]
    held = [i for i, name in enumerate(expected) if name in operation.parameters]
    movable = [i for i in held if [shapes[k] for k in held].count(shapes[i]) > 1]
    if not operation.was_returned or operation.called or not 2 <= len(movable) <= MOST_ALIKE:
        return
    for permuted in list(permutations(movable))[1:]:
        order = list(expected)
        for index, other in zip(movable, permuted, strict=True):
            order[index] = expected[other]
        if [operation.at[name].shape for name in order] == shapes:
            yield tuple(order)


def candidates(code: Code, request: Request) -> Iterator[Reading]:
    """Yield the ways in which code may be read."""
    thing = code.thing
    if code.backward is not None:
        request = composed.with_architecture(code, request)
        modules = list(composed.with_parameters(code, request))
        for module in modules:
            yield from composed.readings(code, request, module)
        yield from functions.readings(thing, code.backward, request, modules[0])
        if modules[0] is not code.module:
            # What is called as a dictionary of parameters may be none.
            yield from functions.readings(thing, code.backward, request, code.module)
        return
    if inspect.isroutine(thing):
        if not required(thing):
            thing = seeded(thing)
        else:
            yield from functions.readings(thing, None, request, code.module)
            return
    for made_thing in made(code.target, thing, request):
        trained, remark = in_training(made_thing)
        for reading in chain(
            functions.of_flagged_methods(trained, request, code.module),
            composed.of_methods(trained, request, code.module),
            objects.readings(trained, request),
        ):
            yield replace(reading, remark=f"{reading.remark} {remark}".strip())


def is_whole(point: Point, names: Iterable[str]) -> bool:
    """Return whether there is a gradient to each of the arguments, where one is asked for."""
    return all(name in point.computed or name in point.operation.exempt for name in names)


def is_multiple(point: Point, name: str) -> bool:
    """Return whether a gradient is right, or off by a factor, which two directions tell."""
    computed = point.computed[name]
    if computed.size < 2:
        return agrees(point, {name: computed})
    derivative = point.derivative(name)
    directions = point.rng.uniform(0.5, 1.5, (2, *computed.shape))
    directions *= point.rng.choice([-1, 1], directions.shape)
    (a, b), (c, d) = (
        (float((computed * each).sum()), float(derivative.along(each))) for each in directions
    )
    is_zero = min(abs(b), abs(d)) <= ROUGHLY * max(abs(a), abs(c))  # of which nothing is a multiple
    return not is_zero and abs(a * d - b * c) <= ROUGHLY * (abs(a * d) + abs(b * c))


def lacks_mean(point: Point) -> bool:
    """Return whether gradients are wrong by the number of examples alone."""
    size = point.operation.batch_size
    wrong = {n: g for n, g in point.computed.items() if not agrees(point, {n: g})}
    return size > 1 and bool(wrong) and agrees(point, {n: g / size for n, g in wrong.items()})


def is_degenerate(point: Point) -> bool:
    """Return whether there is so little at a point that most mistakes are right there.

    As where a softmax has one class alone, and all its gradients are 0.
    """
    has_zeros = any(computed.size and not computed.any() for computed in point.computed.values())
    return has_zeros or not all(point.is_felt(name) for name in point.operation.data)


def is_flat(point: Point) -> bool:
    """Return whether the output has no derivative but 0, as of numbers that are rounded."""
    draw = point.rng.standard_normal
    return not any(point.along(name, draw(point.at[name].shape)) for name in point.computed)


def keeps_examples(point: Point) -> bool:
    """Return whether the gradients to all parameters have one for each example, along axis 0.

    That of a matrix must be among them: where there are biases and scales alone, somebody forgot
    the sum.
    """
    operation = point.operation
    names = [name for name in point.computed if name not in operation.data]
    each = (operation.batch_size,)
    return (
        operation.batch_axis == 0
        and operation.batch_size > 1
        and any(point.at[name].ndim > 1 for name in names)
        and all(point.computed[name].shape == each + point.at[name].shape for name in names)
    )


def is_symmetric(operation: CodeOperation) -> bool:
    """Return whether the input and the labels of a loss may change places.

    Of ``(x − t)²``, the gradient to t is that to x with its sign flipped: there the names of the
    arguments decide which is which.
    """
    (name, *others), labels = operation.data, operation.labels
    if labels is None or others or labels.shape != operation.at[name].shape:
        return False
    try:
        swapped = operation.open({**operation.at, name: labels.copy()}, operation.at[name].copy())
        out = swapped.forward()
    except UserCodeError:
        return False
    return bool(np.allclose(out, operation.value(operation.at)))


def agrees(point: Point, gradients: Arrays | None = None) -> bool:
    """Return whether all gradients are right along one direction each."""
    for name, computed in (gradients or point.computed).items():
        value = point.at[name]
        if computed.shape != value.shape or not np.all(np.isfinite(computed)):
            return False
        direction = point.rng.uniform(0.5, 1.5, value.shape) * point.rng.choice(
            [-1, 1], value.shape
        )
        claimed = float((computed * direction).sum())
        scale = float(np.abs(computed * direction).sum())
        derivative = point.derivative(name)
        right = float(derivative.along(direction))
        slack = 0.0 if point.epsilon == EPSILON else derivative.uncertainty
        if abs(claimed - right) > ROUGHLY * max(scale, abs(right)) + slack:
            return False
    return bool(point.computed)


def is_mean_of_columns(point: Point) -> bool:
    """Return whether the gradients to the parameters are the mean over the columns.

    Then dout is that of each example's own loss, as a well-known course has it; all of them must
    be so, and the gradient to the input must be exact.
    """
    operation = point.operation
    names = [name for name in point.computed if name not in operation.data]
    size = operation.batch_size
    if operation.batch_axis != -1 or not names or not operation.takes_dout or size < 2:
        return False
    scaled = {name: size * point.computed[name] for name in names}
    inputs = {n: g for n, g in point.computed.items() if n in operation.data}
    return agrees(point, scaled | inputs)
