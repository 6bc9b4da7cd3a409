"""What forward and backward return: the output among it, and gradients as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import gradients
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.user_code import UserCodeError


def numbers_of(
    name: str, gradient: Array, shape: tuple[int, ...], *, is_data: bool = False
) -> Array:
    """Return a gradient in the shape of what it is to, or say that it is none.

    One number may have any shape of one element. The gradient to a parameter (1, n) may be (n,), as
    what it is subtracted from stays (1, n).
    """
    if gradient.size == 1 and int(np.prod(shape)) == 1:
        gradient = gradient.reshape(shape)
    if not is_data and 0 < gradient.ndim < len(shape):
        ones = (1,) * (len(shape) - gradient.ndim)
        gradient = gradient.reshape(shape) if shape == ones + gradient.shape else gradient
    if gradient.dtype.kind not in "fiub":
        raise UserCodeError(
            f"The gradient to {name} is an array of {gradient.dtype}, where real numbers are "
            "expected: return the result."
        )
    return gradient


def output_of(result: Any, which: int | None, *, of_layer: bool = False) -> tuple[Array, list[Any]]:
    """Return the output among what forward returned, as an array, and all the rest.

    Among several results, a single number is taken for the loss. A layer has no loss: its output is
    the first array, and a number after it is a penalty or the like.
    """
    if isinstance(result, tuple) or (
        isinstance(result, list)
        and not all(isinstance(v, int | float) for v in result)
        and gradients.as_numbers(result) is None
    ):
        parts = list(result)
        if which is None:
            arrays = [gradients.as_numbers(part) for part in parts]
            scalars = [i for i, a in enumerate(arrays) if a is not None and a.size == 1]
            any_array = [i for i, a in enumerate(arrays) if a is not None]
            which = next(iter([*([] if of_layer else scalars), *any_array]), None)
        if which is not None and which < len(parts):
            out = gradients.as_numbers(parts[which])
            if out is not None:
                return out, parts[:which] + parts[which + 1 :]
    out = gradients.as_numbers(result)
    if out is None and not isinstance(result, Mapping):
        inside = gradients.leaves(result)
        out = inside[0][1] if len(inside) == 1 else None
    if out is None:
        kind = type(result).__name__
        if isinstance(result, np.ndarray):
            kind = f"an array of {result.dtype}"
        raise UserCodeError(
            f"forward returned {kind}, where an array of real numbers is expected: return the "
            "result."
        )
    return out, []


def pulled_back(derivative: Array, dout: Array, gives: str) -> Array:
    """Return the gradient to the input that a derivative gives, for a gradient from above.

    ``dout·f′(x)`` for an elementwise derivative; ``dx_j = Σ_i dout_i·∂out_i/∂x_j`` for a Jacobian,
    of one example or of each.
    """
    if dout.size == 1:
        return derivative
    if gives == "jacobian":
        if derivative.ndim == dout.ndim + 1 and derivative.shape[:-1] == dout.shape:
            product: Array = np.einsum("...i,...ij->...j", dout, derivative)
            return product
        if derivative.ndim == 2 and dout.size == len(derivative):
            flat: Array = dout.ravel() @ derivative
            return flat.reshape(dout.shape)
        return derivative
    slope = derivative
    if (slope.ndim == 0 or slope.dtype.kind in "biu") and slope.size in (1, dout.size):
        # 0 and 1 need no point, and a constant no array.
        slope = np.array(np.broadcast_to(slope, dout.shape), np.float64)
    return dout * slope if slope.shape == dout.shape else slope
