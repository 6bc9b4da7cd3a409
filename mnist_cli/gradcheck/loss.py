"""The check of a loss: whether ``backward`` is the gradient of what ``forward`` returns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck import conduct
from mnist_cli.gradcheck.calling import UserCodeError, numbers
from mnist_cli.gradcheck.check import TOLERANCE, Check, Comparison, Diagnosis
from mnist_cli.gradcheck.diagnosis import Suspect, diagnose
from mnist_cli.gradcheck.gradient import check_gradient
from mnist_cli.gradcheck.mistakes import are_probabilities, cross_entropy_suspects
from mnist_cli.gradcheck.subject import SHAPE, Subject
from mnist_cli.nn.layers import Softmax

UPSTREAM = -2.5
"""The gradient from above that a loss is asked with: neither 1 nor positive."""

Labels = Literal["onehot", "index"]


def check_loss(
    loss: Any,
    *,
    x: NDArray[Any] | None = None,
    labels: Labels | NDArray[Any] | None = None,
    shape: tuple[int, ...] = SHAPE,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    forward: str = "forward",
    backward: str = "backward",
) -> list[Check]:
    """Check a loss with ``forward(x, t)``, and ``backward()`` or ``backward(dout)``.

    Parameters
    ----------
    loss : object
    x : array of float64, shape (N, C), optional
        The input to check at; logits from the normal distribution if it is not given, or their
        softmax if the loss is not finite there.
    labels : {"onehot", "index"} or array, optional
        The labels, or the form to draw them in; the form that the loss takes if it is not given.
    shape : tuple of int
        The shape of the input to draw.
    seed, tolerance, forward, backward
        See `mnist_cli.gradcheck.check_layer`.

    Returns
    -------
    list of Check

    Raises
    ------
    UserCodeError
        If the loss raises something, or returns something else than one number.
    """
    subject = Subject(loss, forward, backward)

    def check(subject: Subject) -> tuple[list[Check], bool]:
        asked = _Loss(subject, x, labels, shape, seed, tolerance)
        return list(asked.checks()), asked.is_symmetric()

    if not subject.takes_labels_first():
        return check(subject)[0]
    # The gradient is then that to the second argument.
    exchanged = Subject(loss, forward, backward, is_exchanged=True)
    try:
        (first, *others), is_symmetric = check(exchanged)
    except UserCodeError:
        return check(subject)[0]
    formula = f"{first.formula}, x being the second argument"
    checks = [replace(first, formula=formula), *others]
    # Of (x − t)², the gradient to t is that to x with its sign flipped: there the names decide.
    if not first.passed and not is_symmetric:
        with suppress(UserCodeError):
            as_documented = check(subject)[0]
            return as_documented if as_documented[0].passed else checks
    return checks


class _Loss:
    """A loss with what went through it."""

    def __init__(
        self,
        subject: Subject,
        x: NDArray[Any] | None,
        labels: Labels | NDArray[Any] | None,
        shape: tuple[int, ...],
        seed: int,
        tolerance: float,
    ):
        self.rng = np.random.default_rng(seed)
        self.tolerance = tolerance
        self.subject = subject
        logits = self.rng.standard_normal(shape)
        self.is_binary = len(shape) > 1 and shape[-1] == 1
        likely = 1 / (1 + np.exp(-logits)) if self.is_binary else Softmax().forward(logits)
        inputs: list[NDArray[Any]] = [logits, likely]
        if x is not None:
            inputs = [np.array(x, np.float64)]
            shape = x.shape
        self.rows = np.eye(shape[-1])[self.rng.integers(shape[-1], size=shape[:-1])]
        if self.is_binary:
            # Each entry is an example, and of one class or of the other.
            self.rows = self.rng.permutation(np.arange(logits.size) % 2.0).reshape(shape)
        self.x, self.t = self._accepted(inputs, labels)
        self.batch_size = len(self.x)
        self.on_logits = self.x is logits or (x is not None and not are_probabilities(x))
        self.scaled = subject.takes_upstream()
        self.twin = subject.copied()

        worker = subject.copied()
        given = {"x": self.x.copy(), "t": self.t.copy()}
        worker.forward(given["x"], given["t"])
        after_forward = {name: array.copy() for name, array in given.items()}
        self.value = self._number(subject.copied().forward(self.x.copy(), self.t.copy()))
        self.dx = numbers(self._backward(worker, UPSTREAM), "backward").copy()
        before = {"x": self.x, "t": self.t}
        self.arguments = conduct.check_arguments_kept(before, after_forward, given)

    def _accepted(
        self, inputs: list[NDArray[Any]], labels: Labels | NDArray[Any] | None
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Return the first input and form of labels that the loss takes and is finite at."""
        indices = self.rows.astype(int) if self.is_binary else self.rows.argmax(axis=-1)
        forms: list[NDArray[Any]] = [self.rows, indices]
        if labels is None:
            # Some losses take the logarithm of the labels, too.
            forms.append(0.9 * self.rows + 0.1 / max(2, self.rows.shape[-1]))
        if isinstance(labels, str):
            forms = forms[:1] if labels == "onehot" else forms[1:]
        elif labels is not None:
            forms = [np.asarray(labels)]
        refused: UserCodeError | None = None
        taken: tuple[NDArray[np.float64], NDArray[Any]] | None = None
        if len(inputs) > 1 and (
            self._is_cut_off(inputs[0], forms) or self._is_of_probabilities(inputs[1], forms)
        ):
            inputs = inputs[::-1]
        for x in inputs:
            for t in forms:
                try:
                    value = self._number(self.subject.copied().forward(x.copy(), t.copy()))
                except UserCodeError as error:
                    refused = refused or error
                    continue
                if np.isfinite(value):
                    return x, t
                taken = taken or (x, t)
        if taken is None:
            assert refused is not None
            raise refused
        raise UserCodeError(
            "forward is not finite at random logits, nor at random probabilities: check it from "
            "Python, by check_loss(loss, x=..., labels=...)."
        )

    def _is_of_probabilities(self, p: NDArray[Any], forms: list[NDArray[Any]]) -> bool:
        """Return whether the loss is the cross-entropy of probabilities, of classes or of bits."""
        t = self.rows
        with np.errstate(all="ignore"):
            classes = -(t * np.log(p)).sum()
            bits = classes - ((1 - t) * np.log(1 - p)).sum()
        for form in forms[:2]:
            try:
                value = self._number(self.subject.copied().forward(p.copy(), form.copy()))
            except UserCodeError:
                continue
            sizes = (1, len(p), p.size)
            if any(np.isclose(value, total / n) for total in (classes, bits) for n in sizes):
                return True
        return False

    def _is_cut_off(self, x: NDArray[Any], forms: list[NDArray[Any]]) -> bool:
        """Return whether the loss cuts off what is no probability."""
        for form in forms:
            try:
                values = [
                    self._number(self.subject.copied().forward(each.copy(), form.copy()))
                    for each in (x, np.clip(x, 0, 1))
                ]
            except UserCodeError:
                continue
            return bool(np.isfinite(values[0]) and values[0] == values[1])
        return False

    def _number(self, value: Any) -> Any:
        array = numbers_or_complex(value)
        if array.size != 1:
            raise UserCodeError(
                f"forward(x, t) returned an array of shape {array.shape}: a loss is one number, "
                "as the mean over the batch."
            )
        return array.reshape(())[()]

    def _backward(self, worker: Subject, upstream: float) -> Any:
        return worker.backward(upstream) if self.scaled else worker.backward()

    def _run(self, x: NDArray[Any]) -> Any:
        return self._number(self.twin.forward(x.copy(), self.t.copy()))

    def is_symmetric(self) -> bool:
        """Return whether the input and the labels may change places."""
        try:
            value = self._number(self.subject.copied().forward(self.t.copy(), self.x.copy()))
        except UserCodeError:
            return False
        return bool(np.isclose(value, self.value))

    def checks(self) -> Iterator[Check]:
        """Yield all checks."""
        upstream = UPSTREAM if self.scaled else 1.0
        yield check_gradient(
            "to x",
            "dx = dout·∂loss/∂x" if self.scaled else "dx = ∂loss/∂x",
            self.dx,
            lambda x: upstream * self._run(x),
            self.x,
            self.tolerance,
            self.rng,
            upstream=abs(upstream),
            diagnose=self._diagnose,
        )
        yield self.arguments
        yield self._second_pass()
        yield conduct.check_precision(
            {"the loss": np.asarray(self.value), "the gradient to x": self.dx}
        )
        if self.on_logits:
            yield self._large_inputs()
        else:
            yield conduct.large_inputs_skipped("the loss is one of probabilities")

    def _second_pass(self) -> Check:
        worker = self.subject.copied()
        x = self.x[::-1] * 0.5 + 0.5 / self.x.shape[-1]
        worker.forward(x.copy(), self.t[::-1].copy())
        between = np.array(self._backward(worker, UPSTREAM))
        worker.forward(self.x.copy(), self.t.copy())
        second = np.array(self._backward(worker, UPSTREAM))
        return conduct.check_second_pass(
            {"x": self.dx}, {"x": second, "after x": between}, self.tolerance, can_clear=True
        )

    def _large_inputs(self) -> Check:
        x = conduct.large_inputs(self.x.shape, self.rng)

        def backward(x: NDArray[Any]) -> Any:
            worker = self.subject.copied()
            worker.forward(x.copy(), self.t.copy())
            return self._backward(worker, UPSTREAM)

        def alone(n: int) -> Any:
            return self.subject.copied().forward(x[n : n + 1].copy(), self.t[n : n + 1].copy())

        return conduct.check_large_inputs(x, self._run, backward, alone)

    def _suspects(self, upstream: float) -> Iterator[Suspect]:
        return cross_entropy_suspects(self.x, self.t, float(self.value), upstream)

    def _leak(self) -> Diagnosis | None:
        """Return a diagnosis if what the first row adds to the loss depends on the second."""
        if self.x.ndim < 2 or len(self.x) < 2:
            return None
        shares = self.rng.uniform(0.5, 1.5, self.x.shape)
        corners = []
        for changed in ([], [0], [1], [0, 1]):
            x = self.x.copy()
            x[changed] *= shares[changed]
            corners.append(float(self._run(x)))
        if abs(corners[0] - corners[1] - corners[2] + corners[3]) <= 1e-9 * max(map(abs, corners)):
            return None
        return Diagnosis(
            "rows-leak",
            "The rows of the batch leak into each other: what the first row adds to the loss "
            "depends on the second, and backward does not know it; take sums and maxima along "
            "axis=-1, with keepdims=True.",
        )

    def _ignores_dout(self) -> bool:
        if not self.scaled:
            return False
        worker = self.subject.copied()
        worker.forward(self.x.copy(), self.t.copy())
        other = np.asarray(self._backward(worker, 3 * UPSTREAM))
        return np.array_equal(other, self.dx) and bool(self.dx.any())

    def _diagnose(self, comparison: Comparison) -> Diagnosis:
        if self._ignores_dout():
            # What else is wrong shows when the gradient from above is 1, as such code takes it.
            plain = Comparison(comparison.computed, comparison.exact / UPSTREAM, comparison.wrong)
            ignored = Diagnosis(
                "dout-ignored",
                "dout, the gradient from above, is ignored: multiply by it, even where it is 1 "
                "today.",
            )
            if plain.computed.shape != plain.exact.shape:
                return ignored
            if np.allclose(plain.computed, plain.exact, rtol=1e-6, atol=1e-9):
                return ignored
            more = diagnose(plain, self.batch_size, self._suspects(1.0), self._leak())
            if more.name == "unknown":
                return ignored
            # An ε is the lesser mistake of the two.
            first, second = (ignored, more) if more.name.startswith("epsilon") else (more, ignored)
            return Diagnosis(first.name, f"{first.explanation} And besides: {second.explanation}")
        scale = UPSTREAM if self.scaled else 1.0
        return diagnose(comparison, self.batch_size, self._suspects(scale), self._leak())


def numbers_or_complex(value: Any) -> NDArray[Any]:
    """Return a number or an array of numbers, complex ones too, as an array."""
    array = np.asarray(value)
    return array if array.dtype.kind == "c" else numbers(value, "forward")
