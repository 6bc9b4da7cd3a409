"""A class of arrays that remember: how its arrays are made, where their gradients are."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.nodes.attributes import (
    GRADIENTS,
    an_array,
    numbers_in,
    peek,
    value_name,
    vars_of,
)
from mnist_cli.gradcheck.adapters.nodes.classes import names_in, vars_of_class
from mnist_cli.gradcheck.adapters.signature import Argument, arguments
from mnist_cli.gradcheck.adapters.tensors.operators import BINARY, OPERATORS
from mnist_cli.gradcheck.adapters.vocabulary import BACKWARDS, DOUT, is_named, plain
from mnist_cli.gradcheck.operation import Array
from mnist_cli.gradcheck.user_code import UserCodeError, call, required

ASKING = ("requiresgrad", "requiresgradient", "trainable", "autograd", "needsgrad", "requiregrad")
"""What a constructor calls the flag that asks for a gradient."""
OF_ARRAYS = {"np", "numpy", "xp", "shape", "ndim", "dot", "cp"}
"""Names in the code of what has to do with arrays."""


def is_tensor(kind: type) -> bool:
    """Return whether a class is one of arrays that remember how they were made."""
    if kind.__module__ in ("builtins", "numpy") or issubclass(kind, np.ndarray):
        return False
    own = vars_of_class(kind)
    if not any(callable(own.get(name)) for name in BACKWARDS):
        return False
    if "forward" in own and "__mul__" not in own:
        return False
    operators = [name for name in OPERATORS if name in own and name != "__getitem__"]
    methods = [name for name in (*BINARY, "relu", "sum", "exp") if name in own]
    return (len(operators) >= 1 or len(methods) >= 2) and required(kind) == 1


class TensorClass:
    """How arrays of a class are made, and where they have their numbers and their gradient.

    Parameters
    ----------
    kind : type

    Attributes
    ----------
    kind : type
    value, gradient : str
        Attributes.
    is_scalar : bool
        Whether it is one of single numbers.
    wraps_gradient : bool
        Whether a gradient is such an array itself.
    back : str
        The method that goes back.
    takes_dout : Argument or None
        The argument in which that takes a gradient from above, if it takes one.
    refuses_complex : bool
        Whether complex numbers cannot be put into it.

    Raises
    ------
    UserCodeError
        If no array of it can be made.
    """

    value: str

    def __init__(self, kind: type):
        self.kind = kind
        own = vars_of_class(kind)
        self.back = next(name for name in BACKWARDS if callable(own.get(name)))
        self.base = next(
            each
            for each in reversed(kind.__mro__[:-1])
            if set(vars(each)) & {*OPERATORS, self.back}
        )
        taken = [argument.name for argument in arguments(kind)]
        self.keywords: dict[str, Any] = {n: True for n in taken if plain(n) in ASKING}
        made = self._first(in_doubles="dtype" in taken)
        held = vars_of(made)
        self.gradient = next((n for n in GRADIENTS if n in held or hasattr(kind, n)), "grad")
        first = peek(made, self.gradient)
        self.wraps_gradient = isinstance(first, self.base)
        if isinstance(first, int | float) and not _knows_arrays(own):
            self.is_scalar = True
        self.takes_dout = _dout_of(arguments(own[self.back])[1:])
        self.refuses_complex = self._refuses_complex()

    def _first(self, *, in_doubles: bool) -> Any:
        """Make one of an array, or else of a number, and see where it holds that."""
        self.is_scalar, array = False, an_array()
        try:
            made: Any = call(self.made, array)
            value = value_name(made, array) or holder_of(made, array)
        except UserCodeError:
            value = None
        if value is None:
            self.is_scalar, array = True, np.asarray(0.5)
            made = call(self.made, array)
            value = value_name(made, array)
        if value is None:
            raise UserCodeError(
                f"{self.kind.__name__} takes an array, and keeps it in no attribute such as .data."
            )
        self.value = value
        is_double = np.asarray(peek(made, value)).dtype == np.float64
        if in_doubles and not self.is_scalar and not is_double:
            self.keywords["dtype"] = np.float64
            made = call(self.made, array)
        return made

    def _refuses_complex(self) -> bool:
        """Return whether no array can be made of complex numbers, or only of their real parts."""
        array = np.asarray(0.5 + 0.5j) if self.is_scalar else an_array() + 0.5j
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            try:
                call(self.made, array)
            except UserCodeError:
                return True
        return False

    def made(self, array: Array) -> Any:
        """Return a leaf with these numbers, which asks for a gradient."""
        return self.kind(self.given(array), **self.keywords)

    def constant(self, array: Array) -> Any:
        """Return a leaf with these numbers, which asks for none."""
        return self.kind(self.given(array))

    def given(self, array: Array) -> Any:
        """Return numbers as the class is given them: an array, or one number of Python's own."""
        if not self.is_scalar:
            return array
        number = array[()]
        return complex(number) if np.iscomplexobj(number) else float(number)

    def holds(self, tensor: Any) -> bool:
        """Return whether something is an array of this class."""
        return isinstance(tensor, self.base)

    def numbers(self, tensor: Any) -> Array:
        """Return the numbers of a tensor.

        Raises
        ------
        UserCodeError
            If it is none.
        """
        array = numbers_in(peek(tensor, self.value)) if self.holds(tensor) else None
        if array is None:
            raise UserCodeError(
                f"It gives {type(tensor).__name__}, where a {self.kind.__name__} with numbers is "
                "expected."
            )
        return array

    def set_gradient(self, tensor: Any, array: Array) -> None:
        """Put a gradient there."""
        given = call(self.constant, array) if self.wraps_gradient else self.given(array)
        call(setattr, tensor, self.gradient, given)


def holder_of(made: Any, array: Array) -> str | None:
    """Return the attribute in which an object holds an array, where that has no usual name."""
    own = vars_of(made).items()
    return next((n for n, a in own if isinstance(a, np.ndarray) and np.array_equal(a, array)), None)


def _knows_arrays(own: Mapping[str, Any]) -> bool:
    """Return whether the methods of a class have anything to do with arrays."""
    if "__matmul__" in own:
        return True
    methods = [method for method in own.values() if inspect.isfunction(method)]
    return any(names_in(method) & OF_ARRAYS for method in methods)


def _dout_of(taken: list[Argument]) -> Argument | None:
    """Return the argument of a backward that is a gradient from above, and no flag."""
    for argument in taken:
        default = argument.default
        if isinstance(default, bool):
            continue
        is_number = default is None or isinstance(default, int | float)
        if argument.is_required or is_number or is_named(argument.name, DOUT):
            return argument
    return None
