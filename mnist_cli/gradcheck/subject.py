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
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mnist_cli.errors import MnistCliError

SHAPE = (5, 10)
"""The shape of the input that is drawn, if nothing says another."""
OWN_FOLDER = str(Path(__file__).parent)
GLOBAL_STATE = np.random.RandomState(0).get_state()
KEPT_GRADIENTS = ("dinputs", "dx")
KEPT_OUTPUTS = ("output", "out")
PARAMETERS = ("W", "b", "weights", "weight", "biases", "bias")
"""Attributes that should have a gradient, whatever else an object keeps."""
GRADIENT_NAMES = ("d{}", "grad_{}", "{}_grad", "d_{}", "{}_gradient", "gradient_{}")
CLEARING = ("zero_gradients", "zero_grad", "zero_grads", "clear_gradients", "clear_grads")


class UserCodeError(MnistCliError):
    """The code that was to be checked cannot be: it raised something, or lacks a method."""


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call somebody's function; what it raises becomes a `UserCodeError` with its own lines."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            return function(*arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
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
    is_exchanged : bool
        Whether forward takes its two arguments the other way round.
    within : set of int
        The `id` of each object that this one is a part of.
    """

    def __init__(
        self,
        thing: Any,
        forward: str = "forward",
        backward: str = "backward",
        *,
        is_exchanged: bool = False,
        within: frozenset[int] = frozenset(),
    ):
        self.thing = thing
        self.is_exchanged = is_exchanged
        self.within = within | {id(thing)}
        self.names = (forward, backward)
        self.fed: tuple[int, ...] | None = None
        """The shape of what forward was given last."""
        self.returned: list[Any] = []
        """What backward returned after the gradient to the input: those to the parameters."""
        self.arrays = [name for name in self._names() if self.has_array(name)]

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
        return Subject(thing, *self.names, is_exchanged=self.is_exchanged)

    def in_double_precision(self) -> Subject:
        """Return the object with float64 parameters: itself, or a copy if they are not."""
        names = (*PARAMETERS, *self._gradients())
        arrays = [value for name in names if _is_parameter(value := self.value_or_none(name))]
        arrays += [g for g in self._gradients().values() if isinstance(g, np.ndarray)]
        replaced = {
            id(array): array.astype(np.float64)
            for array in arrays
            if array.dtype.kind == "f" and array.dtype != np.float64
        }
        return self.copied(replaced) if replaced else self

    def value_or_none(self, name: str) -> Any:
        """Return a parameter, or None if there is none of that name."""
        try:
            return self.value(name)
        except (StopIteration, ValueError, IndexError):
            return None

    def has_array(self, name: str) -> bool:
        """Return whether there is a parameter of that name."""
        return _is_parameter(self.value_or_none(name))

    def input_shapes(self, default: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the shapes that an input may have, by those of a weight matrix."""
        shapes = [default]
        for name in ("weights", "W"):
            W = self._get(name) if hasattr(self.thing, name) else self.value_or_none(name)
            if isinstance(W, np.ndarray) and W.ndim == 2:
                shapes = [(*default[:-1], W.shape[0]), (*default[:-1], W.shape[1]), *shapes]
        return shapes

    def forward(self, *arguments: Any) -> Any:
        """Call the forward method, with NumPy's global generator as it always is."""
        self.fed = np.shape(arguments[0])
        if self.is_exchanged:
            arguments = arguments[::-1]
        before = np.random.get_state()  # noqa: NPY002 (it is theirs that is looked after)
        np.random.set_state(GLOBAL_STATE)  # noqa: NPY002
        try:
            result = call(getattr(self.thing, self.names[0]), *arguments)
        finally:
            np.random.set_state(before)  # noqa: NPY002
        if result is None:
            result = self._first_of(KEPT_OUTPUTS)
        return result

    def backward(self, *arguments: Any) -> Any:
        """Call the backward method; of several results, the first is the gradient to the input."""
        result = call(getattr(self.thing, self.names[1]), *arguments)
        if result is None:
            result = self._first_of(KEPT_GRADIENTS)
        if isinstance(result, tuple | list) and len(result) and not self._is_one(result):
            result, *self.returned = result
        return result

    def _is_one(self, result: Any) -> bool:
        """Return whether a list is the gradient to the input itself, row by row."""
        if isinstance(result, tuple):
            return False
        try:
            return bool(np.shape(result) == self.fed)
        except ValueError:
            return False

    def _first_of(self, names: tuple[str, ...]) -> Any:
        """Return the first of some attributes that is there: some code leaves its results so."""
        kept = (self._get(name) for name in names)
        return next((array for array in kept if array is not None), None)

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
        cleared = [part.clear() for part in self._parts().values()]
        return any(cleared)

    def parameters(self) -> list[str]:
        """Return the names of the parameters whose gradients are there, as after backward."""
        return [name for name, gradient in self._gradients().items() if gradient is not None]

    def numbers_with_gradient(self) -> list[str]:
        """Return the names of plain numbers that, as after backward, have a gradient."""
        return [
            name
            for name, value in getattr(self.thing, "__dict__", {}).items()
            if type(value) is float
            and any(hasattr(self.thing, form.format(name)) for form in GRADIENT_NAMES)
        ]

    def without_gradient(self) -> list[str]:
        """Return the names of the parameters to which, as after backward, there is no gradient."""
        there = self.parameters()
        return [name for name in self.arrays if name not in there]

    def value(self, name: str) -> NDArray[Any]:
        """Return a parameter: an element of ``params``, or an attribute."""
        place, _, inner = name.rpartition(".")
        if place in (parts := self._parts()):
            return parts[place].value(inner)
        values = self._params()
        if isinstance(values, Mapping):
            found = next(value for key, value in values.items() if str(key) == name)
        elif isinstance(values, list | tuple):
            found = values[int(name.removeprefix("params[").removesuffix("]"))]
        else:
            found = self._get(name)
        return cast("NDArray[Any]", found)

    def gradient(self, name: str) -> NDArray[Any]:
        """Return a copy of the gradient of a parameter."""
        gradient = np.array(self._gradients()[name])
        if gradient.dtype.kind not in "fiub":
            raise UserCodeError(f"The gradient of {name} is no array of numbers: {gradient!r}.")
        return gradient

    def _get(self, name: str) -> Any:
        return call(getattr, self.thing, name, None)

    def _params(self) -> Any:
        """Return ``params``, unless it only tells the names of attributes."""
        values = self._get("params")
        is_names = isinstance(values, list | tuple) and any(isinstance(v, str) for v in values)
        return None if is_names else values

    def _names(self) -> list[str]:
        """Return the names under which there may be parameters."""
        values = self._params()
        if isinstance(values, Mapping):
            return [str(key) for key in values]
        if isinstance(values, list | tuple):
            return [f"params[{i}]" for i in range(len(values))]
        own = dict.fromkeys([*getattr(self.thing, "__dict__", {}), *PARAMETERS])
        parts = self._parts().items()
        return [*own, *(f"{place}.{name}" for place, part in parts for name in part._names())]

    def _parts(self) -> dict[str, Subject]:
        """Return the layers that this one is made of, by where it has them."""
        if self._params() is not None:
            return {}  # they are told of there
        found: dict[str, Subject] = {}
        seen = set(self.within)
        for name, value in getattr(self.thing, "__dict__", {}).items():
            if isinstance(value, list | tuple):
                inside = {f"{name}[{i}]": item for i, item in enumerate(value)}
            elif isinstance(value, Mapping):
                inside = {f"{name}[{key!r}]": item for key, item in value.items()}
            else:
                inside = {name: value}
            for place, thing in inside.items():
                is_layer = all(callable(getattr(thing, method, None)) for method in self.names)
                if is_layer and not isinstance(thing, type) and id(thing) not in seen:
                    seen.add(id(thing))
                    found[place] = Subject(thing, *self.names, within=self.within)
        return found

    def _gradients(self) -> dict[str, Any]:
        """Return the gradients of all parameters by name; None where there is none yet."""
        values, gradients = self._params(), self._get("grads")
        if isinstance(values, Mapping):
            given = gradients if isinstance(gradients, Mapping) else {}
            found = {str(key): given.get(key, given.get(f"d{key}")) for key in values}
        elif isinstance(values, list | tuple):
            there = gradients if isinstance(gradients, list | tuple) else ()
            found = {f"params[{i}]": g for i, g in zip(range(len(values)), there, strict=False)}
        else:
            names = dict.fromkeys(["W", "b", *getattr(self.thing, "__dict__", {})])
            found = {
                name: self._get(form.format(name))
                for name in names
                for form in GRADIENT_NAMES
                if hasattr(self.thing, form.format(name))
            }
        found = {
            name: gradient for name, gradient in found.items() if _is_parameter(self.value(name))
        }
        for place, part in self._parts().items():
            found |= {f"{place}.{name}": gradient for name, gradient in part._gradients().items()}
        if all(gradient is None for gradient in found.values()):
            found |= self._returned_gradients()
        return found

    def _returned_gradients(self) -> dict[str, Any]:
        """Return what came back beside the gradient to the input, by the parameters' names.

        They belong to the parameters in their order if they are as many, else to those of their
        shape.
        """
        if self.returned and isinstance(given := self.returned[0], Mapping):
            by_name = {name: given.get(name, given.get(f"d{name}")) for name in self.arrays}
            return {name: gradient for name, gradient in by_name.items() if gradient is not None}
        gradients = [np.asarray(gradient) for gradient in self.returned]
        if len(gradients) == len(self.arrays):
            return dict(zip(self.arrays, gradients, strict=True))
        found: dict[str, Any] = {}
        for gradient in gradients:
            fitting = (name for name in self.arrays if self.value(name).shape == gradient.shape)
            name = next((name for name in fitting if name not in found), None)
            if name is not None:
                found[name] = gradient
        return found


def _is_parameter(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


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


def numbers(value: Any, method: str) -> NDArray[Any]:
    """Return what a method returned as an array, or say that it is none."""
    try:
        array = np.array(None) if isinstance(value, tuple) else np.asarray(value)
    except Exception:
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        kind = type(value).__name__
        if isinstance(value, np.ndarray):
            kind = f"an array of {value.dtype}"
        raise UserCodeError(
            f"{method} returned {kind}, where an array of real numbers is expected: return the "
            "result."
        )
    return array
