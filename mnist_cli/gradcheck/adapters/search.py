"""The search for the reading in which somebody's code is right, or else runs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice, permutations

from mnist_cli.gradcheck.adapters import composed, functions, objects
from mnist_cli.gradcheck.adapters.agreement import (
    agrees,
    at_random,
    is_degenerate,
    is_mean_of_columns,
    is_multiple,
    is_symmetric,
    is_whole,
    keeps_examples,
    lacks_mean,
)
from mnist_cli.gradcheck.adapters.code import CodeOperation
from mnist_cli.gradcheck.adapters.drawing import FEATURES
from mnist_cli.gradcheck.adapters.fitting import fittings
from mnist_cli.gradcheck.adapters.making import in_training, made, seeded
from mnist_cli.gradcheck.adapters.reading import Reading
from mnist_cli.gradcheck.operation import Arrays, Operation
from mnist_cli.gradcheck.partners import calls_gradient
from mnist_cli.gradcheck.point import Point, copies
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError, required

TRIED = 16
"""How many readings are tried."""
MOST_ALIKE = 4
"""Of how many gradients of one shape all orders are tried."""


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
