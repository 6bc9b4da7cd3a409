"""The check of a layer: whether ``backward`` is the derivative of ``forward``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck import conduct
from mnist_cli.gradcheck.check import Check, Comparison, Diagnosis
from mnist_cli.gradcheck.derivative import Derivative
from mnist_cli.gradcheck.diagnosis import Suspect, diagnose
from mnist_cli.gradcheck.gradient import ROUNDING, check_gradient
from mnist_cli.gradcheck.mistakes import is_softmax, softmax_suspects
from mnist_cli.gradcheck.subject import Subject, UserCodeError

SHAPE = (5, 10)
TOLERANCE = 1e-10
SMALL = 2000
"""Up to so many elements, gradients that somebody might have meant are computed as well."""


def check_layer(
    layer: Any,
    *,
    x: NDArray[np.float64] | None = None,
    shape: tuple[int, ...] | None = None,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    forward: str = "forward",
    backward: str = "backward",
) -> list[Check]:
    """Check a layer with ``forward(x)`` and ``backward(dout)``.

    Its gradients to the input and to every parameter are held against the derivative of
    ``forward``; and it is seen whether it changes its arguments, remembers an earlier pass, loses
    precision, or overflows. The layer itself is left as it was: copies are checked.

    Parameters
    ----------
    layer : object
        Parameters are found as ``params`` and ``grads``, or as ``W, b`` with ``dW, db``.
    x : array of float64, optional
        The input to check at; drawn from the normal distribution if it is not given.
    shape : tuple of int, optional
        The shape of the input to draw: (5, 10), or (5, inputs) for a layer that has a ``W``.
    seed : int
        Decides the random numbers.
    tolerance : float
        The largest relative error that passes.
    forward, backward : str
        The names of the methods.

    Returns
    -------
    list of Check

    Raises
    ------
    UserCodeError
        If the layer raises something, or returns something else than an array of numbers.
    """
    return _Layer(Subject(layer, forward, backward), x, shape, seed, tolerance).checks()


class _Layer:
    """A layer with what went through it."""

    def __init__(
        self,
        subject: Subject,
        x: NDArray[np.float64] | None,
        shape: tuple[int, ...] | None,
        seed: int,
        tolerance: float,
    ):
        self.rng = np.random.default_rng(seed)
        self.tolerance = tolerance
        self.subject = subject.in_double_precision()
        self.is_restricted = False
        self.x = self._draw(shape) if x is None else np.array(x, np.float64)
        self.batch_size = self.x.shape[0] if self.x.ndim else 1

        worker = self.subject.copied()
        worker.clear()
        given = {"x": self.x.copy()}
        out = worker.forward(given["x"])
        after_forward = {"x": given["x"].copy()}
        self.out = numbers(out, "forward").copy()
        self.dout = self.rng.standard_normal(self.out.shape)
        given["dout"] = self.dout.copy()
        self.dx = numbers(worker.backward(given["dout"]), "backward").copy()
        # What is an array only after forward is no parameter, but something that was kept.
        names = [name for name in worker.parameters() if self.subject.has_array(name)]
        self.gradients = {name: worker.gradient(name) for name in names}
        self.values = {name: self.subject.value(name) for name in self.gradients}
        before = {"x": self.x, "dout": self.dout} | self.values
        after = given | {name: worker.value(name) for name in self.values}
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

    def checks(self) -> list[Check]:
        """Return all checks."""
        return list(self._checks())

    def _checks(self) -> Iterator[Check]:
        check = partial(
            check_gradient,
            tolerance=self.tolerance,
            rng=self.rng,
            upstream=float(np.abs(self.dout).max(initial=0)) or 1.0,
        )
        yield check(
            "to x",
            "dx = Σ dout·∂out/∂x",
            self.dx,
            lambda x: self._weighted(x, self.dout),
            self.x,
            diagnose=self._diagnose_input,
        )
        for name, value in self.values.items():
            yield check(
                f"to {name}",
                f"d{name} = Σ dout·∂out/∂{name}",
                self.gradients[name],
                self._with_parameter(name, self.dout),
                np.array(value, np.float64),
                diagnose=partial(self._diagnose_parameter, name),
            )
        yield self.arguments
        if self.repeatable and self.arguments.passed:
            yield self._second_pass()
        yield conduct.check_precision(
            {"the output": self.out, "the gradient to x": self.dx}
            | {f"the gradient to {name}": array for name, array in self.gradients.items()},
            is_staircase=self._is_staircase,
        )
        if not self.is_restricted:
            yield self._large_inputs()

    def _run(self, x: NDArray[Any]) -> Any:
        """Return the output for ``x``."""
        subject = self.twin if self.repeatable else self.subject.copied()
        return np.asarray(subject.forward(x.copy()))

    def _weighted(self, x: NDArray[Any], dout: NDArray[Any]) -> Any:
        return (dout * self._run(x)).sum()

    def _with_parameter(self, name: str, dout: NDArray[Any]) -> Any:
        """Return the function of a parameter whose gradient backward should have found."""
        old = self.values[name]
        probe = np.array(old, np.float64) * 1.5 + 0.25
        buffer = probe.copy()
        replaced = self.subject.copied({id(old): buffer}).forward(self.x.copy())
        if not np.array_equal(replaced, self._in_place(name, probe), equal_nan=True):
            # The parameter is seen by another name as well, as a view or in a closure.
            return lambda values: (dout * self._in_place(name, values)).sum()
        buffers: dict[type, tuple[NDArray[Any], Subject]] = {}

        def f(values: NDArray[Any]) -> Any:
            kind = values.dtype.type
            if kind not in buffers or not self.repeatable:
                buffer = values.copy()
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

    def _second_pass(self) -> Check:
        """Let a pass with other numbers come first, and see whether it leaves traces."""
        worker = self.subject.copied()
        x, dout = (self.rng.standard_normal(array.shape) for array in (self.x, self.dout))
        worker.clear()
        worker.forward(x)
        between = {"x": np.array(worker.backward(dout))}
        between |= {name: worker.gradient(name) for name in self.gradients}
        can_clear = worker.clear()
        worker.forward(self.x.copy())
        second = {"x": np.array(worker.backward(self.dout.copy()))}
        second |= {name: worker.gradient(name) for name in self.gradients}
        second |= {f"after {name}": array for name, array in between.items()}
        return conduct.check_second_pass(
            {"x": self.dx} | self.gradients, second, self.tolerance, can_clear
        )

    def _large_inputs(self) -> Check:
        x = conduct.large_inputs(self.x.shape, self.rng)

        def backward(x: NDArray[Any]) -> Any:
            worker = self.subject.copied()
            worker.forward(x.copy())
            return worker.backward(self.dout.copy())

        return conduct.check_large_inputs(
            x,
            self._run,
            backward,
            lambda n: self._run(x[n : n + 1]),
            is_elementwise=self._is_elementwise,
        )

    def _vjp(self, dout: NDArray[Any], at: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Return the right gradient to the input for another gradient from above."""
        at = self.x if at is None else at
        right = Derivative(lambda x: self._weighted(x, dout), at, self.rng)
        return right.gradient()

    @cached_property
    def _ignores_dout(self) -> bool:
        worker = self.subject.copied()
        worker.forward(self.x.copy())
        other = np.asarray(worker.backward(self.rng.standard_normal(self.dout.shape)))
        return np.array_equal(other, self.dx) and bool(self.dx.any())

    @cached_property
    def _is_elementwise(self) -> bool:
        if self.out.shape != self.x.shape:
            return False
        x = self.x.copy()
        x[..., 0] += 0.5
        return np.array_equal(self._run(x)[..., 1:], self.out[..., 1:])

    @cached_property
    def _is_staircase(self) -> bool:
        """Return whether the output feels a large change of the input, but not a small one.

        The small one is 1e-8 of the large one, and so is what it should do to the output; that
        must be seen where it is well above rounding, as it is not where a function saturates.
        """
        shares = self.rng.uniform(0.5, 1, self.x.shape)
        small, large = (self._run(self.x * (1 + size * shares)) for size in (1e-11, 1e-3))
        if not np.array_equal(small, self.out):
            return False
        with np.errstate(all="ignore"):
            expected = 1e-8 * np.abs(large - self.out)
        return bool(np.any(expected > ROUNDING * (np.abs(self.out) + np.abs(large))))

    @cached_property
    def _rows_leak(self) -> bool:
        if self.x.ndim < 2 or len(self.x) < 2 or len(self.out) != len(self.x):
            return False
        x = self.x.copy()
        x[0] = self.rng.standard_normal(x[0].shape)
        return not np.allclose(self._run(x)[1:], self.out[1:], rtol=1e-9, atol=1e-12)

    def _diagnose_input(self, comparison: Comparison) -> Diagnosis:
        if self._ignores_dout and comparison.computed.shape == comparison.exact.shape:
            return self._diagnose_ignored(comparison)
        otherwise = Diagnosis("rows-leak", _LEAK) if self._rows_leak else None
        if self._is_staircase:
            otherwise = conduct.STAIRCASE
        return diagnose(comparison, self.batch_size, self._suspects(comparison.exact), otherwise)

    def _diagnose_ignored(self, comparison: Comparison) -> Diagnosis:
        """Say that dout is ignored, and what else is wrong if it were all ones."""
        explanation = _IGNORED
        if is_softmax(self.out) and self.out.shape == self.x.shape:
            suspects = softmax_suspects(self.x, self.out, np.ones_like(self.dout))
            more = diagnose(comparison, self.batch_size, suspects)
            if more.name.startswith("softmax"):
                explanation = f"{_IGNORED} And besides: {more.explanation}"
        return Diagnosis("dout-ignored", explanation)

    def _diagnose_parameter(self, name: str, comparison: Comparison) -> Diagnosis:
        value = np.array(self.values[name], np.float64)

        def right(dout: NDArray[Any]) -> NDArray[np.float64]:
            return Derivative(self._with_parameter(name, dout), value, self.rng).gradient()

        def suspects() -> Iterator[Suspect]:
            if value.size > SMALL:
                return
            yield Suspect("dout-ignored", _IGNORED, right(np.ones_like(self.dout)))
            if value.ndim == 2 and value.shape[0] == value.shape[1]:
                yield Suspect("transposed", "It is transposed.", comparison.exact.T)
            for n, word in ((0, "first"), (-1, "last")):
                only = np.zeros_like(self.dout)
                only[n] = self.dout[n]
                yield Suspect(
                    "one-example-only",
                    f"It is the gradient of the {word} example alone: sum over the batch.",
                    right(only),
                )

        return diagnose(comparison, self.batch_size, suspects())

    def _suspects(self, exact: NDArray[Any]) -> Iterator[Suspect]:
        """Yield the mistakes that a gradient to the input may have."""
        x, out, dout = self.x, self.out, self.dout
        if x.size > SMALL:
            return
        if x.ndim > 1:
            yield Suspect("dout-ignored", _IGNORED, self._vjp(np.ones_like(dout)))
        if not out.shape == x.shape == exact.shape:
            yield from self._of_weights()
            return
        if is_softmax(out):
            yield from softmax_suspects(x, out, dout)
        elif self.dx.shape == x.shape and self._has_wrong_mask(exact):
            yield Suspect(
                "wrong-mask",
                "Forward has a kink, and backward has its sides at another place: entries have the "
                "slope of the wrong side; take the mask from the input of forward.",
                self.dx,
            )
        else:
            yield Suspect(
                "input-for-output",
                "It is value·(1 − input): the derivative is a function of the output here, as "
                "s·(1 − s) is, and the input has been put in its place.",
                dout * out * (1 - x),
            )
            yield Suspect(
                "input-for-output",
                "The derivative is a function of the output here, and the input has been put in "
                "its place.",
                dout * x * (1 - x),
            )
            yield Suspect(
                "input-for-output",
                "The derivative is a function of the output here, 1 − tanh², and the input has "
                "been put in its place.",
                dout * (1 - x**2),
            )
        twice = self._vjp(self._vjp(dout))
        yield Suspect(
            "differentiated-twice",
            "The derivative of the layer has been multiplied in twice.",
            twice,
        )
        yield Suspect(
            "not-differentiated",
            "dout is passed on as it came: the derivative of the layer is missing.",
            dout,
        )
        with np.errstate(all="ignore"):
            yield Suspect(
                "output-for-input",
                "The derivative is taken at the output, where it should be taken at the input.",
                self._vjp(dout, at=out),
            )
        yield from self._of_weights()

    def _of_weights(self) -> Iterator[Suspect]:
        """Yield the mistakes of a layer ``x·W + b``."""
        W = self.values.get("W")
        if W is None or W.ndim != 2 or self.dout.ndim != 2:
            return
        if self.dout.shape[1] == W.shape[0]:
            yield Suspect(
                "transposed",
                "It is dout·W, where dx = dout·Wᵀ is right: W has to be transposed.",
                self.dout @ W,
            )

    def _has_wrong_mask(self, exact: NDArray[Any]) -> bool:
        """Return whether each entry has one of the few slopes of the layer, but not the right."""
        with np.errstate(all="ignore"):
            right, got = (np.round(d / self.dout, 6) for d in (exact, self.dx))
        if np.array_equal(right, got):
            return False
        slopes = np.unique(right)
        return bool(len(slopes) in (2, 3) and np.all(np.isin(got, slopes)))


_IGNORED = (
    "dout, the gradient from above, is ignored or taken to be all ones: multiply by it, as the "
    "chain rule says, even where it happens to be 1 today."
)
_LEAK = (
    "The rows of the batch leak into each other: changing the first row changes the output of the "
    "others, and backward does not know it; take sums and maxima along axis=-1, with keepdims=True."
)


def numbers(value: Any, method: str) -> NDArray[Any]:
    """Return what a method returned as an array, or say that it is none."""
    try:
        array = np.array(None) if isinstance(value, tuple) else np.asarray(value)
    except Exception:
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        raise UserCodeError(
            f"{method} returned {type(value).__name__}, where an array of numbers is expected: "
            "return the result."
        )
    return array
