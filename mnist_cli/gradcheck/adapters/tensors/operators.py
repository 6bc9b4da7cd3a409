"""The operators of arrays, as parts to check: ``a*b``, ``a*a``, ``a*b`` with a row for all rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mnist_cli.gradcheck.adapters.drawing import Draw

HIDDEN = 2
"""The width of the second factor of a matrix product."""
OPERATORS: dict[str, tuple[str, Callable[..., Any]]] = {
    "__add__": ("a+b", lambda a, b: a + b),
    "__sub__": ("a-b", lambda a, b: a - b),
    "__mul__": ("a*b", lambda a, b: a * b),
    "__truediv__": ("a/b", lambda a, b: a / b),
    "__pow__": ("a**3", lambda a: a**3),
    "__neg__": ("-a", lambda a: -a),
    "__matmul__": ("a@b", lambda a, b: a @ b),
    "__abs__": ("abs(a)", lambda a: abs(a)),
    "__radd__": ("2+a", lambda a: 2.0 + a),
    "__rsub__": ("2-a", lambda a: 2.0 - a),
    "__rmul__": ("2*a", lambda a: 2.0 * a),
    "__rtruediv__": ("2/a", lambda a: 2.0 / a),
    "__rpow__": ("2**a", lambda a: 2.0**a),
    "__getitem__": ("a[..., 1:]", lambda a: a[..., 1:]),
}
"""Operators by their methods: how they are written, and what they do."""
ELEMENTWISE = ("__add__", "__sub__", "__mul__", "__truediv__")
"""The operators that also take a row for all rows."""
OF_ARRAYS = ("__getitem__", "__matmul__")
"""The operators that single numbers have not."""
BINARY = {
    **dict.fromkeys(("add", "sub", "subtract", "mul", "multiply", "div", "divide"), False),
    **dict.fromkeys(("truediv", "maximum", "minimum"), False),
    **dict.fromkeys(("dot", "matmul", "mm"), True),
}
"""Methods of two arrays, and whether they are matrix products."""


@dataclass(frozen=True)
class Part:
    """An operator, a method, or a function of such arrays.

    Attributes
    ----------
    label : str
    function : callable
        Of leaves.
    draws : dict of Draw
        How the numbers of each leaf are drawn; none where it is not known what it is to be given.
    is_broadcast : bool
        Whether the second is one row for all, which some classes do not take.
    is_twice : bool
        Whether one array goes in twice, as in ``a*a``: its two gradients must add up.
    """

    label: str
    function: Callable[..., Any]
    draws: Mapping[str, Draw] = field(default_factory=dict)
    is_broadcast: bool = False
    is_twice: bool = False


def of_operators(own: Mapping[str, Any], a: Draw, *, is_scalar: bool) -> Iterator[Part]:
    """Yield the parts of the operators that a class has.

    Parameters
    ----------
    own : mapping
        What the class defines.
    a : Draw
        How the first array is drawn.
    is_scalar : bool
        Whether the class is one of single numbers.
    """
    for name, (label, operator) in OPERATORS.items():
        if name not in own or (is_scalar and name in OF_ARRAYS):
            continue
        if len(inspect.signature(operator).parameters) == 1:
            yield Part(label, operator, {"a": a})
            continue
        if name == "__matmul__":
            yield Part(label, operator, {"a": a, "b": factor(a)})
            continue
        yield Part(label, operator, {"a": a, "b": replace(a)})
        if name in ("__mul__", "__add__"):
            yield of_one_twice(label.replace("b", "a"), operator, a)
        if name in ELEMENTWISE and len(a.shape) == 2 and not is_scalar:
            row = Draw(a.shape[1:], axis=None)
            yield Part(f"{label}, b a row", operator, {"a": a, "b": row}, is_broadcast=True)


def factor(a: Draw) -> Draw:
    """Return how the second factor of a matrix product is drawn."""
    return Draw((*a.shape[:-2], a.shape[-1], HIDDEN), axis=None)


def of_one_twice(label: str, operator: Callable[..., Any], a: Draw) -> Part:
    """Return the part in which an operator of two arrays is given one, twice."""
    return Part(label, lambda a: operator(a, a), {"a": a}, is_twice=True)
