"""The check of an activation that gives its elementwise derivative, in place of a backward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck import conduct
from mnist_cli.gradcheck.calling import numbers
from mnist_cli.gradcheck.check import TOLERANCE, Check, Comparison, Diagnosis
from mnist_cli.gradcheck.derivative import Derivative
from mnist_cli.gradcheck.diagnosis import Suspect, diagnose
from mnist_cli.gradcheck.gradient import check_gradient
from mnist_cli.gradcheck.layer_mistakes import FAR, WIDER
from mnist_cli.gradcheck.mistakes import is_softmax, softmax_suspects
from mnist_cli.gradcheck.subject import SHAPE, Subject


def check_activation(
    activation: Any,
    *,
    x: NDArray[np.float64] | None = None,
    shape: tuple[int, ...] = SHAPE,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    forward: str = "__call__",
    backward: str = "gradient",
) -> list[Check]:
    """Check an activation with ``__call__(x)`` and ``gradient(x)``, its elementwise derivative.

    Whoever uses it multiplies: ``dx = dout·gradient(x)``. That is checked; and for a function
    whose outputs depend on more than one input each, as the softmax's do, it cannot be right.

    Parameters
    ----------
    activation : object
    x, shape, seed, tolerance
        See `mnist_cli.gradcheck.check_layer`.
    forward, backward : str
        The names of the methods: of the function, and of its derivative.

    Returns
    -------
    list of Check

    Raises
    ------
    UserCodeError
        If the activation raises something, or returns something else than an array of numbers.
    """
    subject = Subject(activation, forward, backward)
    return list(_Activation(subject, x, shape, seed, tolerance).checks())


class _Activation:
    """An activation with what went through it."""

    def __init__(
        self,
        subject: Subject,
        x: NDArray[np.float64] | None,
        shape: tuple[int, ...],
        seed: int,
        tolerance: float,
    ):
        self.rng = np.random.default_rng(seed)
        self.tolerance = tolerance
        self.subject = subject
        self.x = np.array(self.rng.standard_normal(shape) if x is None else x, np.float64)
        self.is_restricted = x is None and not np.all(np.isfinite(self._run(self.x)))
        if self.is_restricted:
            self.x = np.abs(self.x) + 0.5
        given = {"x": self.x.copy()}
        self.out = numbers(subject.forward(given["x"]), "the function").copy()
        after_forward = {"x": given["x"].copy()}
        self.slope = numbers(subject.backward(given["x"]), "the derivative").copy()
        self.is_whole = self.slope.dtype.kind in "biu"
        if self.slope.ndim == 0 or self.is_whole:
            # 0 and 1 need no point, and a constant no array.
            self.slope = np.array(np.broadcast_to(self.slope, self.out.shape), np.float64)
        self.arguments = conduct.check_arguments_kept({"x": self.x}, after_forward, given)
        self.dout = self.rng.standard_normal(self.out.shape)

    def checks(self) -> Iterator[Check]:
        """Yield all checks."""
        fits = self.slope.shape == self.dout.shape
        derivative = check_gradient(
            "elementwise derivative",
            "dx = dout·f′(x)",
            self.dout * self.slope if fits else self.slope,
            lambda x: (self.dout * self._run(x)).sum(),
            self.x,
            self.tolerance,
            self.rng,
            upstream=float(np.abs(self.dout).max(initial=0)) or 1.0,
            diagnose=self._diagnose,
        )
        yield derivative
        if derivative.passed and not self.is_restricted:
            yield self._at_wider_inputs()
        yield self.arguments
        yield conduct.check_precision({"the output": self.out, "the derivative": self.slope})
        if self.is_restricted:
            yield conduct.large_inputs_skipped()
            return
        large = conduct.large_inputs(self.x.shape, self.rng)
        yield conduct.check_large_inputs(
            large,
            self._run,
            lambda x: self.subject.backward(x.copy()),
            lambda n: self._run(large[n : n + 1]),
            is_elementwise=self._is_elementwise(),
        )

    def _at_wider_inputs(self) -> Check:
        """Check the derivative where a function that is cut off at 3 or 6 has its other side."""
        x = WIDER * self.x
        slope = numbers(self.subject.backward(x.copy()), "the derivative")
        return check_gradient(
            f"derivative at {WIDER} times x",
            "dx = dout·f′(x)",
            np.array(self.dout * slope, np.float64),
            lambda x: (self.dout * self._run(x)).sum(),
            x,
            self.tolerance,
            self.rng,
            upstream=float(np.abs(self.dout).max(initial=0)) or 1.0,
            diagnose=lambda comparison: diagnose(comparison, len(x), [], FAR),
        )

    def _run(self, x: NDArray[Any]) -> Any:
        return np.asarray(self.subject.forward(x.copy()))

    def _is_elementwise(self) -> bool:
        if self.out.shape != self.x.shape:
            return False
        x = self.x.copy()
        x[..., 0] += 0.5
        return np.allclose(self._run(x)[..., 1:], self.out[..., 1:], rtol=1e-9, atol=1e-12)

    def _diagnose(self, comparison: Comparison) -> Diagnosis:
        if not self._is_elementwise():
            told = (
                "This function is not elementwise: each output depends on several inputs, so no "
                "product of dout and an elementwise derivative can be right; give it a "
                "backward(dout)"
            )
            found = Diagnosis("not-elementwise", f"{told}.")
            if is_softmax(self.out):
                for suspect in softmax_suspects(self.x, self.out, self.dout):
                    if suspect.name in ("softmax-diagonal-only", "softmax-input-for-output"):
                        only = diagnose(comparison, len(self.x), [suspect])
                        if only.name == suspect.name:
                            return Diagnosis(only.name, f"{only.explanation} {told}.")
            return found
        return diagnose(comparison, len(self.x), self._suspects())

    def _suspects(self) -> Iterator[Suspect]:
        right = Derivative(self._run, self.x, self.rng).along(np.ones_like(self.x))
        at_output = numbers(self.subject.backward(self.out.copy()), "the derivative")
        if at_output.shape == right.shape and np.allclose(at_output, right, rtol=1e-6, atol=1e-9):
            yield Suspect(
                "input-for-output",
                "The derivative is right if it is given the output of the function, as in "
                "value·(1 − value); here it was given the input, so call it with the output, or "
                "compute the output first.",
                self.dout * self.slope,
            )
        x, out = self.x, self.out
        yield Suspect(
            "input-for-output",
            "It is value·(1 − input), where value·(1 − value) is right.",
            self.dout * out * (1 - x),
        )
        slopes = np.unique(np.round(right, 6))
        if len(slopes) in (2, 3) and np.all(np.isin(np.round(self.slope, 6), slopes)):
            yield Suspect(
                "wrong-mask",
                "The function has a kink, and the derivative has its sides at another place: "
                "entries have the slope of the wrong side.",
                self.dout * self.slope,
            )
