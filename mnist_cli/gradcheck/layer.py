"""The check of a layer: whether ``backward`` is the derivative of ``forward``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck import conduct
from mnist_cli.gradcheck.calling import numbers
from mnist_cli.gradcheck.check import TOLERANCE, Check
from mnist_cli.gradcheck.diagnosis import diagnose
from mnist_cli.gradcheck.gradient import check_gradient
from mnist_cli.gradcheck.layer_mistakes import FAR, WIDER, diagnose_input, diagnose_parameter
from mnist_cli.gradcheck.layer_pass import LayerPass
from mnist_cli.gradcheck.subject import Subject


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
    passed = LayerPass(Subject(layer, forward, backward), x, shape, seed).at_telling_parameters()
    return list(_checks(passed, tolerance))


def _checks(layer: LayerPass, tolerance: float) -> Iterator[Check]:
    check = partial(
        check_gradient,
        tolerance=tolerance,
        rng=layer.rng,
        upstream=float(np.abs(layer.dout).max(initial=0)) or 1.0,
    )
    to_x = check(
        "to x",
        "dx = Σ dout·∂out/∂x",
        layer.dx,
        lambda x: layer.weighted(x, layer.dout),
        layer.x,
        diagnose=partial(diagnose_input, layer),
    )
    yield to_x
    for name, value in layer.values.items():
        yield check(
            f"to {name}",
            f"d{name} = Σ dout·∂out/∂{name}",
            layer.gradients[name],
            layer.with_parameter(name, layer.dout),
            np.array(value, np.float64),
            diagnose=partial(diagnose_parameter, layer, name),
        )
    for name in layer.without_gradient:
        formula = f"d{name} = Σ dout·∂out/∂{name}"
        yield conduct.skipped(f"to {name}", formula, f"forward has {name}; no d{name} is found")
    for name in layer.plain_numbers:
        formula = f"d{name} = Σ dout·∂out/∂{name}"
        yield conduct.skipped(f"to {name}", formula, f"{name} is no array: make it np.array(…)")
    if to_x.passed and layer.is_elementwise and not layer.is_restricted:
        yield _at_wider_inputs(layer, tolerance)
    yield layer.arguments
    if layer.repeatable and layer.arguments.passed:
        yield _second_pass(layer, tolerance)
    else:
        why = "forward draws random numbers" if layer.arguments.passed else "arguments are changed"
        yield conduct.skipped("second pass", "as the first", why)
    yield conduct.check_precision(
        {"the output": layer.out, "the gradient to x": layer.dx}
        | {f"the gradient to {name}": array for name, array in layer.gradients.items()},
        is_staircase=layer.is_staircase,
    )
    yield _large_inputs(layer)


def _at_wider_inputs(layer: LayerPass, tolerance: float) -> Check:
    """Check the gradient to x where a function that is cut off at 3 or 6 has its other side."""
    x = WIDER * layer.x
    worker = layer.subject.copied()
    worker.forward(x.copy())
    return check_gradient(
        f"to x, at {WIDER} times x",
        "dx = Σ dout·∂out/∂x",
        numbers(worker.backward(layer.dout.copy()), "backward"),
        lambda x: layer.weighted(x, layer.dout),
        x,
        tolerance=tolerance,
        rng=layer.rng,
        upstream=float(np.abs(layer.dout).max(initial=0)) or 1.0,
        diagnose=lambda comparison: diagnose(comparison, layer.batch_size, [], FAR),
    )


def _second_pass(layer: LayerPass, tolerance: float) -> Check:
    """Let a pass with other numbers come first, and see whether it leaves traces."""
    worker = layer.subject.copied()
    x, dout = (layer.rng.standard_normal(array.shape) for array in (layer.x, layer.dout))
    worker.clear()
    worker.forward(x)
    between = {"x": np.array(worker.backward(dout))}
    between |= {name: worker.gradient(name) for name in layer.gradients}
    can_clear = worker.clear()
    worker.forward(layer.x.copy())
    second = {"x": np.array(worker.backward(layer.dout.copy()))}
    second |= {name: worker.gradient(name) for name in layer.gradients}
    second |= {f"after {name}": array for name, array in between.items()}
    first = {"x": layer.dx} | layer.gradients
    return conduct.check_second_pass(first, second, tolerance, can_clear)


def _large_inputs(layer: LayerPass) -> Check:
    if layer.is_restricted:
        return conduct.large_inputs_skipped()
    x = conduct.large_inputs(layer.x.shape, layer.rng)

    def backward(x: NDArray[Any]) -> Any:
        worker = layer.subject.copied()
        worker.forward(x.copy())
        return worker.backward(layer.dout.copy())

    return conduct.check_large_inputs(
        x,
        layer.run,
        backward,
        lambda n: layer.run(x[n : n + 1]),
        is_elementwise=layer.is_elementwise,
    )
