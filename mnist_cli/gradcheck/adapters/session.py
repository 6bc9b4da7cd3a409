"""A copy of somebody's code, called as a reading says, and the gradients that it leaves."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_cli.gradcheck.adapters import gradients
from mnist_cli.gradcheck.adapters.optimisers import STEP, Recorder
from mnist_cli.gradcheck.adapters.places import Place, is_own, walk
from mnist_cli.gradcheck.adapters.reading import Reading, Slot
from mnist_cli.gradcheck.adapters.results import numbers_of, output_of, pulled_back
from mnist_cli.gradcheck.adapters.surroundings import replaced
from mnist_cli.gradcheck.adapters.vocabulary import CLEARING, OUTPUTS
from mnist_cli.gradcheck.operation import Array, Arrays, Session
from mnist_cli.gradcheck.user_code import UserCodeError, call, required

if TYPE_CHECKING:
    from mnist_cli.gradcheck.adapters.code import CodeOperation

OWN_INPUT_GRADIENTS = ("dinputs", "dx", "dX", "d_inputs", "dinput")
"""Where the gradient to the input is kept, and nothing else."""

GLOBAL_STATE: Any = np.random.RandomState(0).get_state(legacy=False)


@contextmanager
def same_random_numbers(operation: CodeOperation) -> Iterator[None]:
    """Let NumPy's global generator draw the same numbers in each pass, and note if it draws any."""
    before = np.random.get_state()  # noqa: NPY002 (it is theirs that is looked after)
    np.random.set_state(GLOBAL_STATE)  # noqa: NPY002
    try:
        yield
    finally:
        after = np.random.get_state(legacy=False)  # noqa: NPY002
        operation.has_drawn |= not _is_at_start(after)
        np.random.set_state(before)  # noqa: NPY002


def _is_at_start(state: Any) -> bool:
    here, start = state["state"], GLOBAL_STATE["state"]
    return bool(here["pos"] == start["pos"] and np.array_equal(here["key"], start["key"]))


class CodeSession(Session):
    """A copy of somebody's object, called as a reading says."""

    def __init__(self, operation: CodeOperation, arrays: Arrays, labels: Array | None):
        self.operation = operation
        self.reading = operation.reading
        state = self.reading.state
        inside = {name: arrays[name] for name in operation.parameters}
        self.worker = state.copied(inside)
        self.around = {n: a for n, a in inside.items() if n in state.outside}
        self.arrays = dict(arrays)
        self.labels = labels
        self.rest: list[Any] = []
        self.out: Any = None
        self.derivative: Array | None = None
        """The derivative that backward gave, where it gives one."""
        self.recorders: list[Recorder] = []
        self.noted: set[str] = set()
        """The parameters whose gradient was given to an optimiser inside."""
        self.settings: dict[int, Any] = {}
        """Copies of dictionaries that are arguments, in which code may keep a running mean."""
        self.rate = STEP
        self.by_update: set[str] = set()
        """The parameters whose gradient is told by what backward moved them alone."""
        self.given_optimiser = Recorder(self._live)
        self.recorders.append(self.given_optimiser)
        for place in operation.optimisers:
            recorder = Recorder(self._live)
            place.set(self.worker, recorder)
            self.recorders.append(recorder)
        self.arrays |= self._live()

    @property
    def own_rate(self) -> float:
        """The learning rate that the object has of its own; 0 if it has none."""
        state, own = self.reading.state, self.reading.own_rate
        return state.numbers[own] if own else state.rate or 0.0

    @property
    def update_rate(self) -> float:
        """The learning rate that backward updates with: what it was given, or the object's own."""
        asked = any(recorder.was_asked_rate for recorder in self.recorders)
        return self.rate if self.reading.has_rate or asked else self.own_rate

    def _live(self) -> Arrays:
        """Return the parameters as the copy has them now."""
        state = self.reading.state
        found = {}
        for name in self.operation.parameters:
            if name in self.around:
                found[name] = np.asarray(self.around[name])
                continue
            value = state.places[name].get(self.worker)
            if name in state.lists:
                value = gradients.as_numbers(value)
            if isinstance(value, np.ndarray):
                found[name] = value
            elif isinstance(value, float | complex | np.number):
                found[name] = np.asarray(value)
        return found

    def clear(self) -> bool:
        """Call the object's own method that clears gradients, or those of what it is made of."""
        cleared = False
        waiting, seen = [self.worker], set()
        while waiting:
            thing = waiting.pop()
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            for name in CLEARING:
                method = getattr(thing, name, None) if thing is not None else None
                if callable(method) and required(method) == 0:
                    call(method)
                    cleared = True
                    break
            else:
                waiting += layers_within(thing, self.reading)
        return cleared

    def _feed(self) -> None:
        """Put examples that the object holds itself where it holds them."""
        for name in self.operation.data:
            if name in self.operation.parameters:
                place = self.reading.state.places[name]
                if place.get(self.worker) is not self.arrays[name]:
                    place.set(self.worker, self.arrays[name])

    def forward(self) -> Array:
        """Call forward, with NumPy's global generator as it always is."""
        reading = self.reading
        self._feed()
        positional, named = self._arguments(reading.takes)
        with self._drawing_the_same(), self._surrounded():
            result = call(reading.method(self.worker, reading.forward), *positional, **named)
        if result is None:
            result = self._left_output()
        if reading.outputs:
            out, self.rest = self._joined(result)
        else:
            of_layer = reading.takes_dout and self.labels is None
            out, self.rest = output_of(result, reading.output, of_layer=of_layer)
        self.out = out
        if reading.cost is not None:
            values, others = self._arguments(reading.cost.takes)
            with self._surrounded():
                loss = call(reading.method(self.worker, reading.cost.function), *values, **others)
            out, _ = output_of(loss, None)
            if out.size not in (1, self.operation.batch_size):
                raise UserCodeError(
                    f"The loss has the shape {out.shape}, where it is one number, or one an "
                    "example."
                )
        self.arrays |= self._live()
        return out

    def _joined(self, result: Any) -> tuple[Array, list[Any]]:
        """Return several outputs side by side as one, and what forward returned besides."""
        count = self.reading.outputs
        parts = list(result) if isinstance(result, tuple | list) else []
        outs = [
            array for part in parts[:count] if (array := gradients.as_numbers(part)) is not None
        ]
        axis = 0 if self.operation.batch_axis == -1 else -1
        if len(outs) < count or not all(out.ndim == outs[0].ndim > 0 for out in outs):
            raise UserCodeError(f"forward returned no {count} arrays, as many as backward takes.")
        self.ends = np.cumsum([out.shape[axis] for out in outs])[:-1]
        try:
            return np.concatenate(outs, axis), parts[count:]
        except ValueError as error:
            raise UserCodeError(f"The outputs are of different sizes: {error}.") from error

    def _drawing_the_same(self) -> AbstractContextManager[None]:
        """Let NumPy's global generator draw the same numbers, if a pass draws any.

        Its state has 624 numbers: to put them there and back for a forward that draws none would
        take longer than many a forward does.
        """
        draws = self.operation.draws_globally
        return same_random_numbers(self.operation) if draws else nullcontext()

    def _surrounded(self) -> AbstractContextManager[None]:
        """Let what the code sees around it be as it is for this copy."""
        return replaced(self.reading.state.outside, self.around) if self.around else nullcontext()

    def _cache(self) -> Any:
        """Return what forward returned besides: all of it, or the one thing that is no array."""
        kept = [part for part in self.rest if not isinstance(part, np.ndarray)]
        whole = self.rest if len(kept) != 1 else kept
        return whole[0] if len(whole) == 1 else tuple(whole)

    def _kept_output(self) -> Any:
        """Return what the object keeps as its output, in the shape of its input."""
        shape = np.shape(self.arrays[self.operation.data[0]])
        kept = (gradients.as_numbers(getattr(self.worker, name, None)) for name in OUTPUTS)
        return next((a for a in kept if a is not None and a.shape == shape), None)

    def _left_output(self) -> Any:
        """Return the attribute in which a forward that returns nothing left its output."""
        for name in OUTPUTS:
            value = getattr(self.worker, name, None)
            array = gradients.as_numbers(value)
            if array is not None and array.dtype.kind in "fc":  # a 0 there was written by __init__
                return value
        return None

    def backward(self, dout: Array) -> Arrays:
        """Call backward, and collect the gradients from wherever it left them."""
        reading = self.reading
        before = {name: array.copy() for name, array in self._live().items()}
        kept = dict(vars(self.worker)) if hasattr(self.worker, "__dict__") else {}
        if reading.backward is None:
            result: Any = self.rest
        else:
            positional, named = self._arguments(reading.wants, dout)
            if reading.dout_attribute:
                setattr(self.worker, reading.dout_attribute, dout)
            with self._surrounded():
                result = call(reading.method(self.worker, reading.backward), *positional, **named)
        found = self._collected(result, before, kept)
        self.arrays |= self._live()
        if reading.gives != "gradient":
            name = self.operation.data[0]
            if name in found:
                self.derivative = found[name]
                found[name] = pulled_back(self.derivative, dout, reading.gives)
                if reading.gives == "jacobian":
                    self.jacobian = self.derivative
        if self.operation.is_mean_of_columns:
            size = self.operation.batch_size
            found |= {n: size * g for n, g in found.items() if n not in self.operation.data}
        if self.operation.keeps_examples:
            shapes = {n: (self.operation.batch_size, *a.shape) for n, a in self.arrays.items()}
            found |= {
                n: g.sum(axis=0)
                for n, g in found.items()
                if n not in self.operation.data and g.shape == shapes[n]
            }
        return found

    def _arguments(
        self, slots: Sequence[Slot], dout: Array | None = None
    ) -> tuple[list[Any], dict[str, Any]]:
        values = [(slot.keyword, self._argument(slot, dout)) for slot in slots]
        return (
            [value for keyword, value in values if keyword is None],
            {keyword: value for keyword, value in values if keyword is not None},
        )

    def _argument(self, slot: Slot, dout: Array | None) -> Any:
        if slot.role == "data":
            array = self.arrays[slot.name]
            return array if array.ndim else array[()]
        if slot.role in ("labels", "places"):
            return self.labels
        if slot.role == "packed":
            container = slot.value.copy()
            for key, name in slot.parts:
                container[key] = self.labels if name is None else self.arrays[name]
            return container
        if slot.role == "dout":
            # A loss is asked with a number, as it gives one.
            assert dout is not None
            if slot.value is not None:
                axis = 0 if self.operation.batch_axis == -1 else -1
                return np.split(dout, self.ends, axis)[slot.value]
            return dout if dout.ndim else float(dout)
        if slot.role == "out":
            return self.out
        if slot.role == "kept":
            return self._kept_output()
        if slot.role == "collect":
            self.collected: dict[Any, Any] = {}
            return self.collected
        if slot.role == "cache":
            return self._cache()
        if slot.role == "beside":
            if slot.value >= len(self.rest):
                raise UserCodeError("forward returned less than backward is to be given.")
            return self.rest[slot.value]
        if slot.role == "rate":
            return self.rate
        if slot.role == "optimiser":
            return self.given_optimiser
        if isinstance(slot.value, dict):
            return self.settings.setdefault(id(slot), copy.deepcopy(slot.value))
        return slot.value

    def _has_one_more(self, returned: Sequence[gradients.Leaf], count: int) -> bool:
        """Return whether a gradient was returned that may be that to the labels."""
        if self.labels is None or self.reading.backward is None or self.labels.dtype.kind != "f":
            return False
        alike = [g for _, g in returned if g.shape == self.labels.shape and g.any()]
        return len(returned) > count and bool(alike)

    def _note_seconds(
        self,
        returned: Sequence[gradients.Leaf],
        found: Arrays,
        attributes: Arrays,
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        """Note gradients that are both returned and kept, and differ: each must be right."""
        if self.reading.gives != "gradient" or self.operation.is_mean_of_columns:
            return
        told = gradients.assigned([leaf for leaf in returned if leaf[0] is not None], shapes)
        if sum(key is None for key, _ in returned) == len(shapes):
            order = self.reading.order
            told |= gradients.assigned(returned, shapes, order, self.operation.parameters)
        kept = dict(attributes)
        if len(self.operation.data) == 1 and self.operation.data[0] in found and returned:
            name = self.operation.data[0]
            told.setdefault(name, found[name])
            for attribute in OWN_INPUT_GRADIENTS:
                array = gradients.as_numbers(getattr(self.worker, attribute, None))
                if array is not None and array.shape == shapes[name]:
                    kept[name] = array
        self.second = {
            name: (kept if name in found and found[name] is not kept[name] else told)[name]
            for name in told
            if name in kept
            and told[name].shape == kept[name].shape == shapes[name]
            and not np.allclose(told[name], kept[name], rtol=1e-9, atol=1e-12)
        }

    def _collected(self, result: Any, before: Arrays, kept: Mapping[str, Any]) -> Arrays:
        operation, reading = self.operation, self.reading
        shapes = {name: operation.at[name].shape for name in operation.expected}
        returned = gradients.leaves(result, shapes.values())
        returned += gradients.leaves(getattr(self, "collected", None))
        place_of = reading.state.places
        around = [reading.state.outside[name] for name in self.around]
        has_held = self.worker is not None or around
        held = gradients.Held(self.worker, around) if has_held else None
        attributes: Arrays = {}
        renamed: Arrays = {}
        if held is not None:
            for name in operation.parameters:
                places = [place_of[other] for other in reading.state.twins(name)]
                gradient = held.of(places, operation.at[name].shape)
                if gradient is not None:
                    attributes[name] = gradient
                    second = held.of_second_name(place_of[name], gradient)
                    renamed |= {} if second is None else {name: second}
        held_names, called = operation.parameters, operation.called
        # What is told of in an attribute need not be among what is returned.
        unkeyed = sum(key is None for key, _ in returned)
        if attributes and not reading.order and unkeyed < len(shapes):
            first = {n: s for n, s in shapes.items() if n not in attributes}
            found = gradients.assigned(returned, first, None, held_names, called)
        else:
            found = gradients.assigned(returned, shapes, reading.order, held_names, called)
        self._note_seconds(returned, found, attributes, shapes)
        self.second = renamed | (self.second or {})
        operation.was_returned = operation.was_returned or len(found) > 1
        operation.has_label_gradient |= self._has_one_more(returned, len(found))
        kept_right = {n: g for n, g in attributes.items() if g.shape == shapes[n]}
        found = attributes | found
        found |= {n: g for n, g in kept_right.items() if found[n].shape != shapes[n]}
        for recorder in self.recorders:
            self.noted |= set(recorder.noted)
            found |= {n: g for n, g in recorder.noted.items() if n not in found}
        rate = self.update_rate
        if rate and not reading.has_normalised_steps:
            for name, after in self._live().items():
                is_moved = not np.array_equal(after, before[name])
                if name not in found and (is_moved or name in self.operation.methods):
                    found[name] = (before[name] - after) / rate
                    self.by_update.add(name)
        for name in operation.data:
            if name not in found and held is not None and not returned:
                shape = operation.at[name].shape
                left = held.input_gradient(shape, lambda attribute: True)
                if left is None:
                    left = held.of(places_of(self.arrays[name], self.worker), shape)
                known = (*attributes.values(), *found.values())
                if left is not None and not any(left is g for g in known):
                    found[name] = left
        return {
            name: numbers_of(name, g, operation.at[name].shape, is_data=name in operation.data)
            for name, g in found.items()
        }


def places_of(array: Array, thing: Any) -> list[Place]:
    """Return where an object keeps an array that it was given."""
    return [place for place, value in walk(thing) if value is array]


def layers_within(thing: Any, reading: Reading) -> list[Any]:
    """Return the objects of which an object is made, which may have gradients to clear."""
    found: list[Any] = []
    for value in (vars(thing) if hasattr(thing, "__dict__") else {}).values():
        if isinstance(value, list | tuple):
            found += value
        elif isinstance(value, Mapping):
            found += value.values()
        else:
            found.append(value)
    return [each for each in found if is_own(each) and hasattr(each, "__dict__")]
