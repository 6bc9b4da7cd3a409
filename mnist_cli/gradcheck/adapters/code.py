"""Somebody's code as an operation: a reading of it, with arrays for all that it takes and holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.drawing import Draw
from mnist_cli.gradcheck.adapters.optimisers import optimisers
from mnist_cli.gradcheck.adapters.reading import Reading
from mnist_cli.gradcheck.adapters.session import CodeSession
from mnist_cli.gradcheck.adapters.signature import arguments, returned_names
from mnist_cli.gradcheck.operation import Array, Arrays, Operation, Upstream, are_probabilities

TOLD = ("labels", "places")
"""What forward is given that is not differentiated."""


def argument_names(reading: Reading) -> frozenset[str]:
    """Return the names of all arguments: of forward, of backward, and of the constructor."""
    thing = reading.state.thing
    functions = [
        reading.method(thing, which) for which in (reading.forward, reading.backward) if which
    ]
    if thing is not None:
        functions.append(type(thing))
    return frozenset(argument.name for f in functions for argument in arguments(f))


def domain(reading: Reading, names: Sequence[str]) -> str:
    """Return in what kind of numbers the examples are drawn."""
    kinds = [reading.draws[name].kind for name in names if name in reading.draws]
    kind = kinds[0] if kinds and kinds[0] != "given" else "normal"
    if "given" in kinds and reading.labels is not None:
        given = next(d.given for d in reading.draws.values() if d.kind == "given")
        if given is not None and are_probabilities(given):
            return "probabilities"
    return kind


class CodeOperation(Operation):
    """Somebody's code, read in one way, with arrays for all that it takes and holds.

    Attributes
    ----------
    reading : Reading
    parameters : tuple of str
        The arrays that the object holds.
    """

    def __init__(
        self,
        reading: Reading,
        arguments: Arrays,
        labels: Array | None,
        parameters: Sequence[str],
    ):
        state = reading.state
        held = {
            name: np.array(state.arrays.get(name, state.numbers.get(name)), np.float64)
            for name in parameters
        }
        draws = {name: reading.draws[name] for name in arguments}
        axes = {draw.axis for draw in draws.values() if draw.axis is not None}
        data_names = tuple(name for name, draw in draws.items() if draw.axis is not None) or tuple(
            name for name, draw in draws.items() if not draw.is_parameter or len(draws) == 1
        )
        super().__init__(
            at={**arguments, **{n: v for n, v in held.items() if n not in arguments}},
            data=data_names,
            labels=labels,
            kind=reading.kind,
            takes_dout=reading.takes_dout,
            batch_axis=min(axes) if axes else 0 if reading.looks_up else None,
            domain=domain(reading, data_names),
            wide=tuple(n for n in data_names if draws[n].kind in ("normal", "given")),
            exempt=reading.exempt,
        )
        self.reading = reading
        self.parameters = tuple(parameters)
        self.given_numbers = [
            n for n, draw in draws.items() if draw.kind == "given" and not draw.shape
        ]
        self.expected = tuple(self.at)
        """What may have a gradient, in the order in which they are returned."""
        self.optimisers = optimisers(state) if state.thing is not None else []
        self.draws_globally = True
        """Whether forward draws from NumPy's global generator, as far as is known."""
        self.has_drawn = False
        self.is_repeatable = False
        self.is_mean_of_columns = False
        self.keeps_examples = False
        """Whether the gradients to parameters have one for each example, which are summed here."""
        self.arguments = argument_names(reading)
        of_cost = (reading.cost.labels,) if reading.cost is not None else ()
        if reading.cost is not None and not isinstance(reading.cost.function, str):
            self.uses = (reading.cost.function.__name__,)
        self.labels_names = of_cost + tuple(
            slot.name for slot in reading.takes if slot.role in TOLD
        )
        back = reading.backward and reading.method(reading.state.thing, reading.backward)
        self.called = returned_names(back) if back else ()
        """What the gradients are called where they are returned."""
        self.was_returned = False
        """Whether some of the gradients to parameters were returned, and not kept."""
        self.has_label_gradient = False
        """Whether backward returned one gradient more, in the shape of the labels."""
        self._twins: dict[Any, CodeSession] = {}

    def open(self, arrays: Arrays, labels: Array | None = None) -> CodeSession:
        """Return a fresh copy of the object with these arrays in it."""
        if labels is None and self.labels is not None:
            labels = self.labels.copy()
        return CodeSession(self, arrays, labels)

    def value(self, arrays: Arrays) -> Array:
        """Return the output; of a copy that is kept, where forward always gives the same.

        It writes into the arrays of that copy, which makes a difference of a hundred copies.
        """
        if not self.is_repeatable:
            given = {n: a.copy() if n not in self.parameters else a for n, a in arrays.items()}
            return self.open(given).forward()
        changed = [n for n in self.parameters if arrays[n] is not self.at[n]]
        key = tuple((name, arrays[name].dtype.char) for name in changed)
        if key not in self._twins:
            self._twins[key] = self.open(arrays)
        session = self._twins[key]
        for name in changed:
            place = self.reading.state.places[name]
            if name in session.around:
                session.around[name] = arrays[name]
            elif name in self.reading.state.lists:
                place.set(session.worker, arrays[name].tolist())
            elif name in self.reading.state.numbers:
                place.set(session.worker, arrays[name][()])
            else:
                place.get(session.worker)[...] = arrays[name]
        session.arrays |= {n: arrays[n].copy() for n in arrays if n not in self.parameters}
        if self.labels is not None:
            session.labels = self.labels.copy()
        return session.forward()

    def with_mean_of_columns(self) -> CodeOperation:
        """Return the same, with dout taken as that of each example's own loss.

        The gradients to the parameters are then the mean over the columns, and the number of
        columns times too small for the sum that everything else here means.
        """
        other = self._with_parameters_by(
            "mean over the columns",
            "dout is the gradient of each example's own loss. The layer takes the mean over the "
            "columns itself, in the gradients to its parameters.",
        )
        other.is_mean_of_columns = True
        return other

    def with_sum_of_examples(self) -> CodeOperation:
        """Return the same, with the gradients of each example's own loss summed over them."""
        other = self._with_parameters_by(
            "sum over the examples",
            "backward gives a gradient for each example to the parameters: their sum over the "
            "batch was compared, so take that before an update.",
        )
        other.keeps_examples = True
        return other

    def _with_parameters_by(self, method: str, remark: str) -> CodeOperation:
        """Return the same, with a method for its parameters, and a remark that says so."""
        other = self.moved_to(self.at)
        assert isinstance(other, CodeOperation)
        parameters = [name for name in self.at if name not in self.data]
        other.methods = {**self.methods, **dict.fromkeys(parameters, method)}
        other.remarks = [*self.remarks, remark]
        return other

    def reordered(self, order: tuple[str, ...]) -> CodeOperation:
        """Return the same with its gradients returned in another order of the names."""
        other = self.moved_to(self.at)
        assert isinstance(other, CodeOperation)
        other.reading = replace(self.reading, order=order)
        return other

    def moved_to(self, at: Arrays) -> Operation:
        """Return the same at another point, with no copies that were made for this one."""
        other = super().moved_to(at)
        assert isinstance(other, CodeOperation)
        other._twins = {}
        return other

    def resized(self, batch_size: int, rng: np.random.Generator) -> Operation | None:
        """Return the same with newly drawn examples, as many as are asked for."""
        return None if self.batch_axis is None else self._drawn(rng, batch_size)

    def redrawn(self, rng: np.random.Generator) -> Operation:
        """Return the same with newly drawn examples, as many as before."""
        return self._drawn(rng, None)

    def _drawn(self, rng: np.random.Generator, batch_size: int | None) -> Operation:
        def sample(draw: Draw) -> Array:
            return draw.other(rng) if batch_size is None else draw.resized(batch_size).sample(rng)

        draws = self.reading.draws
        other = self.moved_to(self.at | {name: sample(draws[name]) for name in self.data})
        if self.reading.labels is not None:
            other.labels = sample(self.reading.labels)
        return other

    def upstreams(self, out: Array, rng: np.random.Generator) -> list[Upstream]:
        """Return the gradients from above to check with."""
        if self.reading.gives != "gradient" and out.size > 1:
            return [Upstream(rng.standard_normal(out.shape))]
        if self.kind == "activation" and out.size > 1:
            return [Upstream(np.ones(out.shape))]
        self.is_scalar = out.size == 1
        return super().upstreams(out, rng)
