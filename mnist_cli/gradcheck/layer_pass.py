"""A pass through a layer that is checked: what went in, what came out, and how to run it again."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck import conduct
from mnist_cli.gradcheck.calling import UserCodeError, numbers
from mnist_cli.gradcheck.derivative import Derivative
from mnist_cli.gradcheck.gradient import ROUNDING
from mnist_cli.gradcheck.subject import SHAPE, Subject

SMALL = 2000
"""Up to so many elements, gradients that somebody might have meant are computed as well."""

NUDGE = 1e-3
"""How far parameters are moved away from a kink."""


class LayerPass:
    """A layer with what went through it.

    Attributes
    ----------
    subject : Subject
        The layer, in float64, as it was before the pass.
    x, out, dout, dx : array
        What went forward and back.
    values, gradients : dict
        The parameters and what backward says of them, by name.
    arguments : Check
        Whether the pass wrote into what it was given.
    repeatable : bool
        Whether forward gives the same for the same input again.
    without_gradient : list of str
        Arrays that forward looks at, and to which backward left no gradient.
    plain_numbers : list of str
        Parameters that are no arrays, and so cannot be exchanged.
    is_restricted : bool
        Whether the layer is finite at positive inputs only.
    """

    def __init__(
        self,
        subject: Subject,
        x: NDArray[np.float64] | None,
        shape: tuple[int, ...] | None,
        seed: int,
    ):
        self.rng = np.random.default_rng(seed)
        self.subject = subject.in_double_precision()
        self.is_restricted = False
        self.x = self._draw(shape) if x is None else np.array(x, np.float64)
        self.batch_size = self.x.shape[0] if self.x.ndim else 1

        worker = self.subject.copied()
        worker.clear()
        given = {"x": self.x.copy()}
        returned = worker.forward(given["x"])
        after_forward = {"x": given["x"].copy()}
        self.out = numbers(returned, "forward").copy()
        self.dout = self.rng.standard_normal(self.out.shape)
        given["dout"] = self.dout.copy()
        self.dx = numbers(worker.backward(given["dout"]), "backward").copy()
        # What is an array only after forward is no parameter, but something that was kept.
        names = [name for name in worker.parameters() if self.subject.has_array(name)]
        self.gradients = {name: worker.gradient(name) for name in names}
        self.values = {name: self.subject.value(name) for name in self.gradients}
        self.are_returned = bool(worker.returned)
        self.plain_numbers = worker.numbers_with_gradient()
        self.without_gradient = [n for n in worker.without_gradient() if self._is_felt(n)]
        before = {"x": self.x, "dout": self.dout, "out": self.out} | self.values
        after = given | {name: worker.value(name) for name in self.values}
        after["out"] = numbers(returned, "forward")
        self.arguments = conduct.check_arguments_kept(before, before | after_forward, after)
        # A layer whose forward is random gives the same again only on a new copy.
        twin = self.subject.copied()
        outs = [numbers(twin.forward(self.x.copy()), "forward").copy() for _ in range(2)]
        self.repeatable = np.array_equal(outs[0], outs[1], equal_nan=True)
        self.twin = twin
        if not np.array_equal(outs[0], self.out, equal_nan=True):
            raise UserCodeError(
                "forward gives another result for the same input each time: give the layer a "
                "generator of its own, with a seed."
            )

    def _draw(self, shape: tuple[int, ...] | None) -> NDArray[np.float64]:
        """Return an input that the layer takes, and is finite at."""
        shapes = [shape] if shape else self.subject.input_shapes(SHAPE)
        refused: UserCodeError | None = None
        for candidate in shapes:
            normal = self.rng.standard_normal(candidate)
            for x in (normal, np.abs(normal) + 0.5):
                try:
                    out = numbers(self.subject.copied().forward(x.copy()), "forward")
                except UserCodeError as error:
                    refused = refused or error
                    break
                self.is_restricted = x is not normal
                if np.all(np.isfinite(out)):
                    return x
        if refused:
            raise UserCodeError(f"{refused}\nIf the shape is wrong, give one with --shape.")
        raise UserCodeError(
            "forward is not finite at random inputs, neither at normal nor at positive ones: check "
            "it from Python, by check_layer(layer, x=...)."
        )

    def at_telling_parameters(self) -> LayerPass:
        """Return this pass, or one with other parameters where these would hide a mistake.

        A factor that is 1 everywhere, as a scale is at first, can be forgotten without a trace.
        And with weights of zero before a rectifier, every example is at a kink of its own, and
        what backward may say of their sum is not between the sum's two sides.
        """
        values: dict[int, NDArray[Any]] = {}
        for v in self.values.values():
            if v.size > 1 and v.min() == v.max() != 0:
                values[id(v)] = v * self.rng.uniform(0.7, 1.3, v.shape)
        if any(map(self._is_at_kink, self.values)):
            for v in self.values.values():
                noise = NUDGE * self.rng.standard_normal(v.shape)
                values[id(v)] = values.get(id(v), v) + noise
        order = self._order_of_returned()
        if not values and not order:
            return self
        self.subject.order = order
        beside = LayerPass(self.subject.copied(values), self.x, None, int(self.rng.integers(2**32)))
        beside.is_restricted = self.is_restricted
        return beside

    def _order_of_returned(self) -> dict[str, str]:
        """Return in whose place each gradient is returned, if it is in another order than made.

        Parameters of one shape can be returned in any order, and nothing but the numbers tells it.
        """
        names = [name for name in self.gradients if self.values[name].size <= SMALL]
        if not self.are_returned or len(names) < 2:
            return {}
        right = {}
        for name in names:
            value = np.array(self.values[name], np.float64)
            f = self.with_parameter(name, self.dout)
            right[name] = Derivative(f, value, self.rng).gradient()
        order = {}
        for name in names:
            alike = [
                other
                for other in names
                if self.gradients[other].shape == right[name].shape
                and np.allclose(self.gradients[other], right[name], rtol=1e-6, atol=1e-9)
            ]
            if len(alike) != 1:
                return {}
            order[name] = alike[0]
        return order if any(name != other for name, other in order.items()) else {}

    def _is_felt(self, name: str) -> bool:
        """Return whether forward looks at an array that the layer has."""
        old = self.subject.value(name)
        other = np.asarray(old * 1.5 + 0.25)
        try:
            out = numbers(self.subject.copied({id(old): other}).forward(self.x.copy()), "forward")
        except UserCodeError:
            return True
        return not np.array_equal(out, self.out, equal_nan=True)

    def _is_at_kink(self, name: str) -> bool:
        value = np.array(self.values[name], np.float64)
        right = Derivative(self.with_parameter(name, self.dout), value, self.rng)
        direction = self.rng.standard_normal(value.shape)
        return right.sides(direction, size=float(np.abs(value).max(initial=0))).is_kink

    def run(self, x: NDArray[Any]) -> Any:
        """Return the output for ``x``."""
        subject = self.twin if self.repeatable else self.subject.copied()
        return np.asarray(subject.forward(x.copy()))

    def weighted(self, x: NDArray[Any], dout: NDArray[Any]) -> Any:
        """Return the number ``Σ dout·out`` for ``x``."""
        return (dout * self.run(x)).sum()

    def with_parameter(self, name: str, dout: NDArray[Any]) -> Any:
        """Return ``Σ dout·out`` as a function of a parameter."""
        old = self.values[name]
        probe = np.asarray(np.array(old, np.float64) * 1.5 + 0.25)
        buffer = probe.copy()
        replaced = self.subject.copied({id(old): buffer}).forward(self.x.copy())
        if not np.array_equal(replaced, self._in_place(name, probe), equal_nan=True):
            # The parameter is seen by another name as well, as a view or in a closure.
            return lambda values: (dout * self._in_place(name, values)).sum()
        buffers: dict[type, tuple[NDArray[Any], Subject]] = {}

        def f(values: NDArray[Any]) -> Any:
            kind = values.dtype.type
            if kind not in buffers or not self.repeatable:
                buffer = np.array(values)
                buffers[kind] = buffer, self.subject.copied({id(old): buffer})
            buffer, subject = buffers[kind]
            buffer[...] = values
            return (dout * np.asarray(subject.forward(self.x.copy()))).sum()

        return f

    def _in_place(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Return the output with the parameter overwritten in the object itself, for a moment."""
        if np.iscomplexobj(values):
            raise TypeError("an array of real numbers cannot hold complex ones")
        state = getattr(self.subject.thing, "__dict__", {})
        attributes = dict(state)
        array = self.values[name]
        kept = array.copy()
        array[...] = values
        try:
            return np.array(self.subject.forward(self.x.copy()))
        finally:
            array[...] = kept
            state.clear()
            state.update(attributes)

    def vjp(self, dout: NDArray[Any], at: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Return the right gradient to the input for another gradient from above."""
        at = self.x if at is None else at
        right = Derivative(lambda x: self.weighted(x, dout), at, self.rng)
        return right.gradient()

    @cached_property
    def draws_in_backward(self) -> bool:
        """Whether backward says something else when it is called once more."""
        worker = self.subject.copied()
        worker.forward(self.x.copy())
        first = np.array(worker.backward(self.dout.copy()))
        again = np.array(worker.backward(self.dout.copy()))
        return not np.array_equal(first, again, equal_nan=True)

    @cached_property
    def ignores_dout(self) -> bool:
        """Whether backward says the same of another gradient from above."""
        worker = self.subject.copied()
        worker.forward(self.x.copy())
        other = np.asarray(worker.backward(self.rng.standard_normal(self.dout.shape)))
        return np.array_equal(other, self.dx) and bool(self.dx.any())

    @cached_property
    def is_elementwise(self) -> bool:
        """Whether the first column of the input is felt by the first of the output alone."""
        if self.out.shape != self.x.shape:
            return False
        x = self.x.copy()
        x[..., 0] += 0.5
        return np.array_equal(self.run(x)[..., 1:], self.out[..., 1:])

    @cached_property
    def is_staircase(self) -> bool:
        """Whether the output feels a large change of the input, but not a small one.

        The small one is 1e-8 of the large one, and so is what it should do to the output; that
        must be seen where it is well above rounding, as it is not where a function saturates.
        """
        shares = self.rng.uniform(0.5, 1, self.x.shape)
        small, large = (self.run(self.x * (1 + size * shares)) for size in (1e-11, 1e-3))
        if not np.array_equal(small, self.out):
            return False
        with np.errstate(all="ignore"):
            expected = 1e-8 * np.abs(large - self.out)
        return bool(np.any(expected > ROUNDING * (np.abs(self.out) + np.abs(large))))

    @cached_property
    def follows_leak(self) -> bool:
        """Whether the first row of ``dout`` is felt by another row of the gradient to the input."""
        if self.dx.shape != self.x.shape or len(self.dout) != len(self.x):
            return False
        worker = self.subject.copied()
        worker.forward(self.x.copy())
        dout = self.dout.copy()
        dout[0] = self.rng.standard_normal(dout[0].shape)
        return not np.allclose(np.asarray(worker.backward(dout))[1:], self.dx[1:], rtol=1e-9)

    @cached_property
    def rows_leak(self) -> bool:
        """Whether the first row of the input is felt by another row of the output."""
        if self.x.ndim < 2 or len(self.x) < 2 or len(self.out) != len(self.x):
            return False
        x = self.x.copy()
        x[0] = self.rng.standard_normal(x[0].shape)
        return not np.allclose(self.run(x)[1:], self.out[1:], rtol=1e-9, atol=1e-12)
