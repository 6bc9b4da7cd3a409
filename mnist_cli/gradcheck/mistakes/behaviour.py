# ruff: noqa: D401 - the docstrings of mistakes are what users read
"""Mistakes that are seen in how code behaves: what it overwrites, remembers, loses, overflows.

Each has a name in capitals here, for the rows that look for it, and a function where its sentence
has names in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mnist_cli.gradcheck.mistakes import places
from mnist_cli.gradcheck.mistakes.likeness import alike, ratio
from mnist_cli.gradcheck.mistakes.registry import MISTAKES, Claim, also, behaviour
from mnist_cli.gradcheck.operation import Array, Arrays
from mnist_cli.gradcheck.result import NOT_CHECKED as NOT_CHECKED_NAME
from mnist_cli.gradcheck.result import Diagnosis
from mnist_cli.gradcheck.user_code import UserCodeError

if TYPE_CHECKING:
    from mnist_cli.gradcheck.evidence import Evidence
    from mnist_cli.gradcheck.point import Point

LARGE = 1000.0
"""About how large the inputs are at which overflow is looked for."""

COPIES = "NumPy user guide, 'Copies and views'"
ZERO_GRAD = "PyTorch documentation, torch.optim.Optimizer.zero_grad"
STABLE = (
    "Blanchard, Higham and Higham (2021), Accurately computing the log-sum-exp and softmax "
    "functions"
)
GRIEWANK = "Griewank and Walther (2008), Evaluating Derivatives, chapter 3"
CHECKS = "CS231n (Stanford), notes 'Learning and Evaluation', section on gradient checks"
NOTES = "CS231n (Stanford), notes 'Backpropagation, Intuitions'"

# ---- what it overwrites

INPUT_CHANGED = behaviour(
    "input-changed-in-place",
    "The code writes into its input, which the caller still needs: work on a copy, such as "
    "x.copy() or what np.where returns.",
    wrong="x[x < 0] = 0;  return x",
    right="return np.maximum(0, x)",
    source=COPIES,
)
DOUT_CHANGED = behaviour(
    "dout-changed-in-place",
    "backward writes into dout, which the caller still needs: work on a copy, such as dout.copy() "
    "or what np.where returns.",
    wrong="dout[self.x <= 0] = 0;  return dout",
    right="return np.where(self.x > 0, dout, 0)",
    source=COPIES,
)
OUTPUT_CHANGED = behaviour(
    "output-changed-in-place",
    "backward writes into the array that forward has returned, and that the caller still has: work "
    "on a copy.",
    wrong="self.out *= 1 - self.out;  return dout * self.out",
    right="return dout * self.out * (1 - self.out)",
    source=COPIES,
)
PARAMETERS_CHANGED = behaviour(
    "parameters-changed",
    "A pass changes a parameter: leave that to the optimiser, which does it once all gradients "
    "are there.",
    wrong="self.dW = x.T @ dout;  self.W -= 0.1 * self.dW",
    right="self.dW = x.T @ dout  # and optimiser.step() after the pass",
    source=NOTES,
)


def overwrites(method: str, name: str, *, is_parameter: bool = False) -> Diagnosis:
    """Return what is said of a method that writes into an array.

    Parameters
    ----------
    method : str
    name : str
        ``dout``, ``out``, or what the array is called.
    is_parameter : bool
    """
    if name == "out":
        return OUTPUT_CHANGED.diagnosis(
            f"{method} writes into the array that forward has returned, and that the caller still "
            "has: work on a copy."
        )
    if is_parameter and method == "forward":
        return PARAMETERS_CHANGED.diagnosis(
            f"forward changes the parameter {name} and continues with the new one, so backward "
            "gives the gradient to another array than the optimiser has: let forward put it into "
            "an array of its own, and backward go through that step as well."
        )
    if is_parameter:
        return PARAMETERS_CHANGED.diagnosis(
            f"{method} changes the parameter {name}: leave that to the optimiser, which does it "
            "once all gradients are there."
        )
    made = DOUT_CHANGED if name == "dout" else INPUT_CHANGED
    return made.diagnosis(
        f"{method} writes into {name}, which the caller still needs: work on a copy, such as "
        f"{name}.copy() or what np.where returns."
    )


# ---- what it remembers

GRADIENTS_GROW = behaviour(
    "gradients-grow",
    "A gradient grows from call to call: backward adds to what the last call left, and nothing "
    "has cleared it. If that is meant, give it a method zero_gradients().",
    wrong="self.dW += x.T @ dout",
    right="self.dW = x.T @ dout",
    source=ZERO_GRAD,
)
NEVER_CLEARED = behaviour(
    "accumulates-never-cleared",
    "A node adds to its parents' gradients, as it should, but nothing ever sets them to 0, so each "
    "pass adds to those before it: clear them before each backward.",
    wrong="for x, t in batches: loss(x, t).backward();  step()",
    right="for x, t in batches: zero_gradients();  loss(x, t).backward();  step()",
    source=ZERO_GRAD,
)
STALE_STATE = behaviour(
    "stale-state",
    "A gradient is not that of the last forward: something is left from an earlier one. Each "
    "forward must store its own.",
    wrong="if self.mask is None: self.mask = x > 0",
    right="self.mask = x > 0",
    source=NOTES,
)
FIRST_INPUT_KEPT = behaviour(
    "first-input-kept",
    "The gradient stays that of the first input: forward stores only the first, perhaps by "
    "appending to a list whose entry 0 is read, or by `if self.x is None`. Store x in each "
    "forward.",
    wrong="self.inputs.append(x);  dx = 2 * self.inputs[0] * dout",
    right="self.x = x;  dx = 2 * self.x * dout",
    source=NOTES,
)
GRADIENT_OVERWRITTEN = behaviour(
    "gradient-overwritten",
    "A node sets its parents' gradients, but must add to them: a parent with two children gets one "
    "gradient from each, and its own is their sum. Write += for =.",
    formula="dx = Σ over all that x flows into",
    wrong="x.grad = self.grad * 2 * x.data",
    right="x.grad += self.grad * 2 * x.data",
    source=GRIEWANK,
)
BACKWARD_NOT_REPEATABLE = behaviour(
    "backward-not-repeatable",
    "Called again, backward gives another gradient: it draws random numbers, or uses up what "
    "forward has kept. Use what forward has drawn, and leave it unchanged.",
    wrong="return dout * (rng.random(dout.shape) < keep)",
    right="return dout * self.mask  # drawn in forward",
    source="Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), Dropout",
)


def gradients_grow(name: str, *, can_clear: bool = False) -> Diagnosis:
    """Return what is said of a gradient that grows from call to call."""
    advice = "" if can_clear else "; if that is meant, give it a method zero_gradients()"
    return GRADIENTS_GROW.diagnosis(
        f"The gradient to {name} grows from call to call: backward adds to what the last call "
        f"left, and nothing has cleared it{advice}."
    )


def stale_state(name: str) -> Diagnosis:
    """Return what is said of a gradient that is not that of the last forward."""
    return STALE_STATE.diagnosis(
        f"The gradient to {name} is not that of the last forward: something is left from an "
        "earlier one. Each forward must store its own."
    )


def first_input_kept(name: str) -> Diagnosis:
    """Return what is said of a gradient that stays that of the first pass."""
    return FIRST_INPUT_KEPT.diagnosis(
        f"The gradient to {name} stays that of the first input: forward stores only the first, "
        "perhaps by appending to a list whose entry 0 is read, or by `if self.x is None`. Store "
        "the input in each forward."
    )


def remembered(point: Point, name: str, got: Array, earlier: Arrays) -> Diagnosis:
    """Return what is said of a gradient after an earlier pass, which is not that of the last.

    Parameters
    ----------
    point : Point
        The last pass.
    name : str
        The array whose gradient it is.
    got : array
        What the code gave for it after the earlier pass.
    earlier : dict of array
        The examples of the earlier pass, by name.
    """
    try:
        of_first = point.again(**earlier).get(name)
    except UserCodeError:
        of_first = None
    if of_first is not None and alike(got, of_first):
        return first_input_kept(name)
    return stale_state(name)


def gradient_overwritten(name: str) -> Diagnosis:
    """Return what is said of a node that sets a parent's gradient."""
    return GRADIENT_OVERWRITTEN.diagnosis(
        f"The node sets the gradient of {name}, but must add to it: a parent with two children "
        "gets one gradient from each, and its own is their sum. Write += for =."
    )


# ---- what it loses, and where it overflows

PRECISION_LOST = MISTAKES["precision-lost"]
STAIRCASE = PRECISION_LOST.diagnosis(places.STAIRCASE)


def wrong_type(what: str, dtype: object) -> Diagnosis:
    """Return what is said of a result that is not float64."""
    return PRECISION_LOST.diagnosis(
        f"{what} is {dtype}, though float64 went in: something converts it, or fills a buffer of "
        "that type."
    )


OVERFLOW = behaviour(
    "overflow",
    f"Inputs of ±{LARGE:.0f} give NaN or infinity: exp overflows above 709, and where it has "
    "rounded to 0, its logarithm is infinite. Subtract the maximum of the row first, which changes "
    "no ratio, and take the logarithm of a softmax as x − max − log Σ exp(x − max).",
    formula="softmax(x) = softmax(x − max x)",
    wrong="e = np.exp(x);  s = e / e.sum(-1, keepdims=True)",
    right="e = np.exp(x - x.max(-1, keepdims=True));  s = e / e.sum(-1, keepdims=True)",
    source=STABLE,
)
OVERFLOW_OF_ROWS = OVERFLOW.diagnosis()
OVERFLOW_ELEMENTWISE = OVERFLOW.diagnosis(
    f"Inputs of ±{LARGE:.0f} give NaN or infinity. If that is exp, which overflows above 709: "
    "write it so that exp is only taken of what is at most 0, by np.where, np.tanh or "
    "np.logaddexp."
)
OF_LOGARITHM = (
    "make a probability that is rounded to 0, and its logarithm is infinite. Compute it without "
    "probabilities: for a softmax, which is safe itself, as x − max − log Σ exp(x − max); for a "
    "sigmoid, as −np.logaddexp(0, −x)."
)
OVERFLOW_OF_LOGARITHM = OVERFLOW.diagnosis(f"Inputs of ±{LARGE:.0f} {OF_LOGARITHM}")


def overflow_in_single(
    size: float = LARGE, *, is_elementwise: bool = False, is_of_logarithm: bool = False
) -> Diagnosis:
    """Return what is said of code that overflows in float32, and not in float64."""
    if is_of_logarithm:
        return OVERFLOW.diagnosis(f"In float32, inputs of ±{size:.0f} {OF_LOGARITHM}")
    cure = (
        "write it so that exp is only taken of what is at most 0"
        if is_elementwise
        else "subtract the maximum of the row first, and do not clip instead"
    )
    return OVERFLOW.diagnosis(
        f"In float32, inputs of ±{size:.0f} give NaN or infinity, and in float64 they do not: "
        f"exp overflows above 88 there, and above 709 here; {cure}."
    )


def overflow_on_the_way(size: float = LARGE) -> Diagnosis:
    """Return what is said of code whose clip keeps exp finite in float64, and not in float32."""
    return OVERFLOW.diagnosis(
        f"In float32, a step on the way is infinite at inputs of ±{size:.0f}, and in float64 none "
        "is: exp overflows above 88 there, and above 709 here, so a clip that is wide enough for "
        "the one is too wide for the other. Write it so that exp is only taken of what is at most "
        "0, as by np.where, np.tanh or np.logaddexp, or clip at ±88."
    )


def overflow_raises(raised: str) -> Diagnosis:
    """Return what is said of code that raises something at large inputs."""
    return OVERFLOW.diagnosis(f"Inputs of ±{LARGE:.0f} raise {raised}.")


ROWS_LEAK = MISTAKES["rows-leak"]


def rows_leak(row: int) -> Diagnosis:
    """Return what is said of a row that is not finite beside the others, and is so alone."""
    return ROWS_LEAK.diagnosis(
        f"Row {row} gives NaN or infinity in the batch, and is finite by itself: a maximum or a "
        "sum is taken over the whole batch, where each row needs its own (axis=-1, keepdims=True)."
    )


FAR_FROM_ZERO = MISTAKES["wrong-far-from-zero"]
NOT_FINITE = MISTAKES["not-finite"]


def not_finite_at_zero(name: str) -> Diagnosis:
    """Return what is said of a gradient that is NaN or infinite where an input is exactly 0."""
    return NOT_FINITE.diagnosis(
        f"The gradient is NaN or infinite where a number of {name} is exactly 0, as after a "
        "rectifier, though the function has a derivative there: do not divide by what may be 0, "
        "as x*x/x for x or out/x for what forward multiplied x by."
    )


NOT_ELEMENTWISE = MISTAKES["not-elementwise"]
BATCH_SIZE_FIXED = MISTAKES["batch-size-fixed"]
ZERO_FOR_ONE_EXAMPLE = MISTAKES["zero-for-one-example"]
CLIPPED = MISTAKES["clipped"]

# ---- what it does not take

NOT_LINEAR_IN_DOUT = behaviour(
    "not-linear-in-dout",
    "backward is not proportional to dout: a multiple of dout must give the same multiple of the "
    "gradient, however large or small it is. Look for clipping, rounding, a threshold, or dout "
    "squared.",
    formula="backward(a·dout) = a·backward(dout)",
    wrong="dx = np.clip(dout, -50, 50) * (1 - out**2)",
    right="dx = dout * (1 - out**2)",
    source="Griewank and Walther (2008), Evaluating Derivatives, section 3.2",
)


def not_linear_in_dout(point: Point, name: str, large: Array) -> Diagnosis:
    """Return what is said of a gradient that is not proportional to dout.

    Parameters
    ----------
    point : Point
    name : str
        The array whose gradient it is.
    large : array
        The gradient that the code gives where dout is larger than any bound in all its entries.
        If it is clipped, only the signs are left of dout, times the bound.
    """
    bound = None
    if point.at[name].size <= 2000 and point.dout.all():
        bound = ratio(large, point.exact(name, np.sign(point.dout)))
    if not bound or bound < 0:
        return NOT_LINEAR_IN_DOUT.diagnosis()
    return CLIPPED.diagnosis(
        f"dout, the gradient from above, is clipped to ±{bound:.6g}: what is larger becomes the "
        "bound, and the layers below never learn how large it was. Pass it on as it is, and clip "
        "once all gradients are there."
    )


STRIDED_DOUT_REFUSED = behaviour(
    "strided-dout-refused",
    "backward raises, or returns something else, for a dout that is not contiguous, such as a "
    "transpose or every second column: use reshape, which copies if it must. Do not set its shape, "
    "view it as another type, or loop over it by np.nditer, which follows its order in memory.",
    wrong="dout.shape = (-1,)",
    right="dout = dout.reshape(-1)",
    source=COPIES,
)
READ_ONLY_DOUT_REFUSED = behaviour(
    "read-only-dout",
    "backward raises for a dout that is read-only, such as np.broadcast_to returns: it writes into "
    "dout, so work on a copy.",
    wrong="dout *= self.mask;  return dout",
    right="return dout * self.mask",
    source=COPIES,
)
NOT_CHECKED = behaviour(
    NOT_CHECKED_NAME,
    "An array moves the output, and no gradient to it was found, so nothing can be said about it. "
    "Return the gradient or leave it in an attribute; or use --constant NAME, if the array has "
    "none on purpose.",
    wrong="def backward(self, dout): return dout @ self.W.T",
    right="def backward(self, dout):;      self.dW = self.x.T @ dout;      return dout @ self.W.T",
    source=CHECKS,
)
UNKNOWN = behaviour(
    "unknown",
    "No mistake that this program knows gives these numbers: work out one entry by hand, and "
    "compare each step with the code.",
    wrong="",
    right="",
    source=CHECKS,
)


def not_checked(name: str) -> Diagnosis:
    """Return what is said of an array that moves the output and has no gradient."""
    return NOT_CHECKED.diagnosis(
        f"{name} moves the output, and no gradient to it was found: return it, leave it in "
        f"d{name}, or use --constant {name} if it has none on purpose."
    )


def batch_size_fixed(right: int, wrong: int) -> Diagnosis:
    """Return what is said of a gradient that is right at one batch size and not at another."""
    return BATCH_SIZE_FIXED.diagnosis(
        f"The gradient is right for a batch of {right}, and wrong for one of {wrong}: a batch size "
        "is written as a number. Take it from the data, as len(x)."
    )


# ---- what is said of a gradient that no mistake in the formula explains


@also("backward-not-repeatable", "last")
def not_repeatable(evidence: Evidence) -> Iterator[Claim]:
    """Called once more, backward gives another gradient.

    It draws random numbers, or spends what forward has kept; take what forward has drawn, and
    leave it as it is.
    """
    point = evidence.point
    if point.draws_in_backward and not point.written and not adds_up(evidence):
        yield evidence.computed, BACKWARD_NOT_REPEATABLE.sentence


def adds_up(evidence: Evidence) -> bool:
    """Return whether a second backward gives twice the first: it adds to what is there."""
    point = evidence.point
    session = point.opened()
    session.clear()
    session.forward()
    first = {n: np.array(g) for n, g in session.backward(point.dout.copy()).items()}
    second = session.backward(point.dout.copy())
    return all(
        name in second and np.allclose(second[name], 2 * gradient, rtol=1e-9)
        for name, gradient in first.items()
        if name in evidence.operation.data
    )
