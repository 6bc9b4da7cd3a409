"""Somebody's layer, loss or activation, and the ways to call it that are common.

Whatever it raises is a `UserCodeError`, which shows that code's own lines and none of ours.
"""

from __future__ import annotations

import copy
import inspect
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.errors import MnistCliError

OWN_FOLDER = str(Path(__file__).parent)
KEPT_GRADIENTS = ("dinputs", "dx")
PARAMETERS = {"W": "dW", "b": "db", "weights": "dweights", "biases": "dbiases"}
CLEARING = ("zero_gradients", "zero_grad", "zero_grads", "clear_gradients", "clear_grads")


class UserCodeError(MnistCliError):
    """The code that was to be checked cannot be: it raised something, or lacks a method."""


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call somebody's function; what it raises becomes a `UserCodeError` with its own lines."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(*arguments)
    except (Exception, SystemExit) as error:
        raise UserCodeError(tell(error)) from error


def tell(error: BaseException) -> str:
    """Return an exception as Python shows it, from the first line that is not ours on."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((OWN_FOLDER, "<frozen"))
    ]
    what = "".join(traceback.format_exception_only(error)).strip()
    if not frames:
        return f"The code to check cannot be called as it should be: {what}"
    lines = "".join(traceback.format_list(frames)).rstrip()
    return f"The code to check raised {what}\n{lines}"


class Subject:
    """An object with a forward method, and maybe parameters.

    Parameters
    ----------
    thing : object
    forward, backward : str
        The names of its methods.
    """

    def __init__(self, thing: Any, forward: str = "forward", backward: str = "backward"):
        self.thing = thing
        self.names = (forward, backward)

    def copied(self, replaced: Mapping[int, Any] | None = None) -> Subject:
        """Return a copy, in which arrays are replaced wherever the object refers to them.

        Parameters
        ----------
        replaced : mapping, optional
            New arrays by the `id` of the old ones.
        """
        try:
            thing = copy.deepcopy(self.thing, dict(replaced or {}))
        except Exception as error:
            raise UserCodeError(
                f"The object to check cannot be copied ({error}): name a class or a function that "
                "makes one, without open files, locks or the like."
            ) from error
        return Subject(thing, *self.names)

    def in_double_precision(self) -> Subject:
        """Return a copy whose parameters and their gradients are float64."""
        replaced = {
            id(array): np.asarray(array, np.float64)
            for pair in self._pairs().values()
            for array in pair
            if isinstance(array, np.ndarray) and array.dtype.kind == "f"
            if array.dtype != np.float64
        }
        return self.copied(replaced)

    def input_shape(self, default: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of an input: that of a ``W`` with as many rows, or the default."""
        for name in ("W", "weights"):
            W = self.parameters().get(name, getattr(self.thing, name, None))
            if isinstance(W, np.ndarray) and W.ndim == 2:
                return (*default[:-1], W.shape[0])
        return default

    def forward(self, *arguments: Any) -> Any:
        """Call the forward method."""
        return call(getattr(self.thing, self.names[0]), *arguments)

    def backward(self, *arguments: Any) -> Any:
        """Call the backward method; of several results, the first is the gradient to the input."""
        result = call(getattr(self.thing, self.names[1]), *arguments)
        if result is None:
            # Some code leaves the gradient as an attribute.
            kept = (getattr(self.thing, name, None) for name in KEPT_GRADIENTS)
            result = next((array for array in kept if array is not None), None)
        return result[0] if isinstance(result, tuple | list) and len(result) else result

    def takes_upstream(self) -> bool:
        """Return whether backward takes an argument."""
        return positional(getattr(self.thing, self.names[1])) > 0

    def clear(self) -> bool:
        """Clear the gradients of the parameters, and return whether there is a way to."""
        for name in CLEARING:
            method = getattr(self.thing, name, None)
            if callable(method):
                call(method)
                return True
        return False

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Return the parameters by name: those of ``params``, or ``W`` and ``b``."""
        return {name: value for name, (value, _) in self._pairs().items()}

    def gradient(self, name: str) -> NDArray[Any]:
        """Return a copy of the gradient of a parameter."""
        return np.array(self._pairs()[name][1])

    def _pairs(self) -> dict[str, tuple[NDArray[Any], Any]]:
        values = getattr(self.thing, "params", None)
        gradients = getattr(self.thing, "grads", None)
        if isinstance(values, Mapping) and isinstance(gradients, Mapping):
            pairs = {str(key): (value, gradients.get(key)) for key, value in values.items()}
        elif isinstance(values, list | tuple) and isinstance(gradients, list | tuple):
            pairs = {
                f"params[{i}]": pair for i, pair in enumerate(zip(values, gradients, strict=False))
            }
        else:
            pairs = {
                name: (getattr(self.thing, name), getattr(self.thing, gradient, None))
                for name, gradient in PARAMETERS.items()
                if hasattr(self.thing, name) and hasattr(self.thing, gradient)
            }
        return {
            name: (value, gradient)
            for name, (value, gradient) in pairs.items()
            if isinstance(value, np.ndarray)
        }


def positional(function: Callable[..., Any]) -> int:
    """Return how many arguments a function can be given without names."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return 9
    return sum(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in parameters
    )


def required(function: Callable[..., Any]) -> int:
    """Return how many arguments a function must be given without names."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    return sum(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
        for parameter in parameters
    )
