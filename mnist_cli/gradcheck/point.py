"""What is known at a point: what went in, what came out, what came back, and what is right."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.comparison import (
    ROUNDING,
    Comparison,
    compare,
    compare_gradient,
)
from mnist_cli.gradcheck.operation import (
    Array,
    Arrays,
    Operation,
    Session,
    Upstream,
    are_probabilities,
)
from mnist_cli.gradcheck.reference import EPSILON, SINGLE, STEP, Derivative
from mnist_cli.gradcheck.user_code import UserCodeError

SMALL = 2000
"""Up to so many elements, gradients that somebody might have meant are computed as well."""
RTOL, ATOL = 1e-9, 1e-12
"""How far two outputs may be apart that are the same but for rounding."""
EXACT, SINGLE_EXACT = 1e-9, 1e-5
"""How far gradients may be apart that are computed once more in another order; in float32, too."""


class Point:
    """An operation with what went forward and back through it.

    Parameters
    ----------
    operation : Operation
    rng : Generator
        Draws the gradient from above.
    upstream : Upstream, optional
        The gradient from above, where it is not to be drawn.

    Attributes
    ----------
    out, dout : array
    computed : dict of array
        The gradients that the code gives, by name.
    written : list of (str, str)
        Which method wrote into which array: ``("backward", "dout")``.
    meaning : str
        What the gradients are of, where the output is one loss an example.
    jacobian : array or None
        The Jacobian that backward has given, where it gives one.
    second : dict of array
        Gradients that the code gives a second time, where the two differ.
    """

    def __init__(
        self, operation: Operation, rng: np.random.Generator, upstream: Upstream | None = None
    ):
        self.operation = operation
        self.rng = rng
        session = self.opened()
        session.clear()
        returned = session.forward()
        self.out = returned.copy()
        self.written = self._written("forward", session)
        self.meaning = ""
        upstreams = [upstream] if upstream else operation.upstreams(self.out, rng)
        self.dout = upstreams[0].dout
        given = self.dout.copy()
        self.computed = {name: np.array(g) for name, g in session.backward(given).items()}
        self.jacobian = None if session.jacobian is None else np.array(session.jacobian)
        self.second = {name: np.array(g) for name, g in (session.second or {}).items()}
        self.written += self._written("backward", session)
        if not np.array_equal(given, self.dout, equal_nan=True):
            self.written.append(("backward", "dout"))
        if not np.array_equal(returned, self.out, equal_nan=True):
            self.written.append(("backward", "out"))
        if len(upstreams) > 1:
            best = min(upstreams, key=self._distance)
            self.dout, self.meaning = best.dout, best.meaning

    def opened(self, **replaced: Array) -> Session:
        """Return a fresh copy of the code at this point, with some arrays replaced."""
        return self.operation.open(copies(self.operation.at | replaced))

    def _written(self, method: str, session: Session) -> list[tuple[str, str]]:
        """Return which arrays a method wrote into, and put them back as they were."""
        written = []
        before = dict(self.operation.at)
        after = dict(session.arrays)
        if self.operation.labels is not None and session.labels is not None:
            before["labels"], after["labels"] = self.operation.labels, session.labels
        for name, array in before.items():
            if name in self.operation.moved or name not in after:
                continue
            if not np.array_equal(after[name], array, equal_nan=True):
                written.append((method, name))
        if method == "backward":
            earlier = {name for _, name in self.written}
            written = [(method, name) for _, name in written if name not in earlier]
        return written

    def _distance(self, upstream: Upstream) -> float:
        """Return how far the gradients are from those that another gradient from above gives."""
        far = 0.0
        for name, computed in self.computed.items():
            exact = self.along(name, self._direction(name), upstream.dout)
            if computed.shape != self.operation.at[name].shape:
                return np.inf
            claimed = float((computed * self._direction(name)).sum())
            far = max(far, abs(claimed - exact) / (abs(exact) or 1.0))
        return far

    def _direction(self, name: str) -> Array:
        shape = self.operation.at[name].shape
        return np.random.default_rng(len(name)).uniform(0.5, 1.5, shape)

    def along(self, name: str, direction: Array, dout: Array | None = None) -> float:
        """Return the right derivative along one direction."""
        return float(self.derivative(name, dout).along(direction))

    def derivative(
        self, name: str, dout: Array | None = None, at: Array | None = None
    ) -> Derivative:
        """Return the right derivative; for another gradient from above, or elsewhere."""
        where = self.operation.at[name] if at is None else at
        return Derivative(self.weighted(name, dout), where, self.rng, self.epsilon)

    @cached_property
    def epsilon(self) -> float:
        """How exact forward computes, in relation to its output: to float64, or to float32."""
        is_single = self.out.dtype in (np.float32, np.float16)
        return SINGLE if is_single or self._is_staircase(np.random.default_rng(0)) else EPSILON

    @property
    def rerun_tolerance(self) -> float:
        """How far what is computed once more in another way may be from what it was."""
        return EXACT if self.epsilon == EPSILON else SINGLE_EXACT

    def along_in_extended(self, name: str, direction: Array) -> float:
        """Return the right derivative along one direction, computed with more than 16 digits."""
        at: Arrays = {n: a.astype(np.longdouble) for n, a in self.at.items()}
        at[name] = at[name] + np.clongdouble(1j * STEP) * direction
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            out = self.operation.open(at).forward()
        return float(np.imag((self.dout * out).sum()) / STEP)

    @property
    def at(self) -> Arrays:
        """The arrays that are differentiated, by name."""
        return self.operation.at

    @cached_property
    def upstream_size(self) -> float:
        """The size of the gradient from above, which rounding is in relation to."""
        return float(np.abs(self.dout).max(initial=0)) or 1.0

    def weighted(self, name: str, dout: Array | None = None) -> Callable[[Array], Any]:
        """Return ``Σ dout·out`` as a function of one array."""
        at = self.operation.at
        upstream = self.dout if dout is None else dout

        def f(values: Array) -> Any:
            return (upstream * self.operation.value(at | {name: values})).sum()

        return f

    def exact(
        self, name: str, dout: Array | None = None, at: Array | None = None
    ) -> NDArray[np.float64]:
        """Return the right gradient to an array; for another gradient from above, or elsewhere."""
        where = self.operation.at[name] if at is None else at
        return self.derivative(name, dout, where).gradient()

    def compare(self, name: str, tolerance: float, *, second: bool = False) -> Comparison:
        """Compare the gradient to an array with the right one; or that in the second place."""
        return compare_gradient(
            (self.second if second else self.computed)[name],
            self.weighted(name),
            self.operation.at[name],
            tolerance,
            self.rng,
            upstream=self.upstream_size,
            epsilon=self.epsilon,
        )

    def compare_jacobian(self, name: str, tolerance: float) -> Comparison:
        """Compare the Jacobian that the code gives with the right one, entry by entry.

        A row of it is the gradient for a dout that is 1 at one of the outputs, and 0 elsewhere.
        """
        assert self.jacobian is not None
        size = self.out.size
        is_flat = self.jacobian.shape == (size, size)  # of all outputs to all inputs
        rows = []
        for output in range(size if is_flat else self.out.shape[-1]):
            dout = np.zeros(self.out.shape)
            if is_flat:
                dout.flat[output] = 1
            else:
                dout[..., output] = 1
            row = self.exact(name, dout)
            rows.append(row.ravel() if is_flat else row)
        return compare(self.jacobian, np.stack(rows, axis=-2), tolerance)

    def again(self, dout: Array | None = None, **replaced: Array) -> Arrays:
        """Return the gradients of a fresh copy, for another gradient from above or other arrays."""
        session = self.opened(**replaced)
        session.clear()
        session.forward()
        given = np.array(self.dout if dout is None else dout)
        return {name: np.array(g) for name, g in session.backward(given).items()}

    def run(self, **replaced: Array) -> Array:
        """Return the output with some arrays replaced."""
        return np.asarray(self.operation.value(self.operation.at | replaced))

    # ---- facts, each found out when somebody asks

    @cached_property
    def x_name(self) -> str | None:
        """The name of the one input, or None if there are none or several."""
        return self.operation.data[0] if len(self.operation.data) == 1 else None

    @cached_property
    def is_repeatable(self) -> bool:
        """Whether forward gives the same for the same arrays once more, on the same copy."""
        session = self.opened()
        first = session.forward().copy()
        session.arrays.update(copies({n: self.at[n] for n in self.operation.data}))
        return np.array_equal(first, session.forward(), equal_nan=True)

    def is_felt(self, name: str) -> bool:
        """Return whether an array affects the output."""
        try:
            out = self.run(**{name: elsewhere(self.at[name])})
        except UserCodeError:
            return True
        return not np.array_equal(out, self.out, equal_nan=True)

    @cached_property
    def x(self) -> Array:
        """The one input, with an example in each row."""
        assert self.x_name is not None
        return self.operation.rows(self.at[self.x_name])

    @cached_property
    def is_elementwise(self) -> bool:
        """Whether each element of the output depends on one element of the input alone."""
        if self.x_name is None:
            return False
        x = self.at[self.x_name]
        if self.out.shape != x.shape or x.ndim == 0:
            return False
        moved = x.copy()
        moved[..., 0] += 0.5
        out = self.run(**{self.x_name: moved})
        if x.shape[-1] > 1 and not np.allclose(
            out[..., 1:], self.out[..., 1:], rtol=RTOL, atol=ATOL
        ):
            return False
        if x.ndim > 1 and len(x) > 1:
            moved = x.copy()
            moved[0] += 0.5
            return bool(
                np.allclose(
                    self.run(**{self.x_name: moved})[1:], self.out[1:], rtol=RTOL, atol=ATOL
                )
            )
        return True

    @cached_property
    def is_softmax(self) -> bool:
        """Whether the output is a distribution over more than one class in each row."""
        if self.x_name is None or self.out.shape != self.at[self.x_name].shape:
            return False
        rows = self.operation.rows(self.out)
        return rows.ndim > 1 and rows.shape[-1] > 1 and are_probabilities(rows)

    @cached_property
    def is_staircase(self) -> bool:
        """Whether the output feels a large change of the input, but not a small one.

        The small one is 1e-8 of the large one, and so is what it should do to the output; that
        must be seen where it is well above rounding, as it is not where a function saturates.
        """
        return self._is_staircase(self.rng)

    def _is_staircase(self, rng: np.random.Generator) -> bool:
        if not self.operation.data:
            return False
        shares = {n: rng.uniform(0.5, 1, self.at[n].shape) for n in self.operation.data}
        small, large = (
            self.run(**{n: self.at[n] * (1 + size * share) for n, share in shares.items()})
            for size in (1e-11, 1e-3)
        )
        if not np.array_equal(small, self.out):
            return False
        with np.errstate(all="ignore"):
            expected = 1e-8 * np.abs(large - self.out)
        return bool(np.any(expected > ROUNDING * (np.abs(self.out) + np.abs(large))))

    @cached_property
    def ignores_dout(self) -> bool:
        """Whether backward says the same of another gradient from above."""
        if not self.operation.takes_dout:
            return False
        other = 3 * self.dout
        if not self.operation.is_scalar:
            other = self.rng.standard_normal(self.dout.shape)
        again = self.again(other)
        return bool(self.computed) and all(
            np.array_equal(again.get(name, ()), computed) and bool(computed.any())
            for name, computed in self.computed.items()
            if name in self.operation.data or not self.operation.data
        )

    @cached_property
    def draws_in_backward(self) -> bool:
        """Whether backward says something else when it is called once more."""
        if not self.operation.takes_dout or self.operation.moved:
            return False
        session = self.opened()
        session.forward()
        first = {n: np.array(g) for n, g in session.backward(self.dout.copy()).items()}
        again = session.backward(self.dout.copy())
        return any(
            not np.array_equal(first[name], again[name], equal_nan=True)
            for name in self.operation.data
            if name in first and name in again
        )

    @cached_property
    def rows_leak(self) -> bool:
        """Whether one example affects what another one gives."""
        if self.x_name is None or self.operation.batch_axis is None:
            return False
        return self._loss_leaks() if self.out.size == 1 else self._layer_leaks()

    def _layer_leaks(self) -> bool:
        x, out = self.x, self.operation.rows(self.out)
        if x.ndim < 2 or len(x) < 2 or len(out) != len(x):
            return False
        moved = x.copy()
        moved[0] = self.rng.standard_normal(moved[0].shape)
        after = self.operation.rows(self.run(**self._as_given(moved)))
        return not np.allclose(after[1:], out[1:], rtol=RTOL, atol=ATOL)

    def _loss_leaks(self) -> bool:
        x = self.x
        if x.ndim < 2 or len(x) < 2:
            return False
        shares = self.rng.uniform(0.5, 1.5, x.shape)
        corners = []
        for changed in ([], [0], [1], [0, 1]):
            moved = x.copy()
            moved[changed] *= shares[changed]
            corners.append(float(self.run(**self._as_given(moved)).sum()))
        twist = corners[0] - corners[1] - corners[2] + corners[3]
        return abs(twist) > 1e-9 * max(map(abs, corners))

    def _as_given(self, rows: Array) -> Arrays:
        """Return an input with its examples in rows as the code has it, by its name."""
        assert self.x_name is not None
        at = self.at[self.x_name]
        return {self.x_name: self.operation.rows(rows).reshape(at.shape)}

    @cached_property
    def follows_leak(self) -> bool:
        """Whether the first row of ``dout`` is felt by another row of the gradient to the input."""
        if self.x_name is None or self.x_name not in self.computed:
            return False
        dx, rows = self.computed[self.x_name], self.operation.rows
        if dx.shape != self.at[self.x_name].shape or self.dout.size == 1:
            return False
        dout = rows(self.dout).copy()
        if len(dout) != len(rows(dx)):
            return False
        dout[0] = self.rng.standard_normal(dout[0].shape)
        again = self.again(rows(dout).reshape(self.dout.shape))[self.x_name]
        return not np.allclose(rows(again)[1:], rows(dx)[1:], rtol=1e-9)


def elsewhere(array: Array) -> Array:
    """Return an array with each number moved by another amount.

    Moved all alike, a bias before a softmax would not be felt.
    """
    shares = np.linspace(0.25, 0.75, array.size).reshape(array.shape)
    return np.asarray(array * 1.5 + shares)


def copies(arrays: Arrays) -> Arrays:
    """Return copies of some arrays, by the same names."""
    return {name: array.copy() for name, array in arrays.items()}
