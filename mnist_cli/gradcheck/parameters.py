"""The parameters of somebody's layer, and their gradients, under the names that are common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mnist_cli.gradcheck.calling import UserCodeError, call

PARAMETERS = ("W", "b", "weights", "weight", "biases", "bias")
"""Attributes that should have a gradient, whatever else an object keeps."""
GRADIENT_NAMES = ("d{}", "grad_{}", "{}_grad", "d_{}", "{}_gradient", "gradient_{}")
CLEARING = ("zero_gradients", "zero_grad", "zero_grads", "clear_gradients", "clear_grads")


class Parameters:
    """What is learned in a layer, and in the layers that it is made of.

    Parameters
    ----------
    thing : object
    methods : tuple of str
        What every layer has, this one and those that it is made of.
    within : set of int
        The `id` of each object that this one is a part of.
    arrays : list of str, optional
        The names of all arrays that are there before a pass, where they are known already.
    """

    def __init__(
        self,
        thing: Any,
        methods: tuple[str, str],
        within: frozenset[int] = frozenset(),
        arrays: list[str] | None = None,
    ):
        self.thing = thing
        self.names = methods
        self.within = within | {id(thing)}
        self.returned: list[Any] = []
        """What backward returned after the gradient to the input: those to the parameters."""
        self.order: dict[str, str] = {}
        """For a parameter, another one in whose place its gradient is returned."""
        if arrays is None:
            # A layer around another may have its arrays as well: they are one parameter.
            there = {
                id(self.value(name)): name for name in self._names()[::-1] if self.has_array(name)
            }
            arrays = list(there.values())[::-1]
        self.arrays = arrays

    def value_or_none(self, name: str) -> Any:
        """Return a parameter, or None if there is none of that name."""
        try:
            return self.value(name)
        except (StopIteration, ValueError, IndexError):
            return None

    def has_array(self, name: str) -> bool:
        """Return whether there is a parameter of that name."""
        return is_parameter(self.value_or_none(name))

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
        there = {id(self.value(name)) for name in self.parameters()}
        return [name for name in self.arrays if id(self.value(name)) not in there]

    def value(self, name: str) -> NDArray[Any]:
        """Return a parameter: an element of ``params``, or an attribute."""
        if "." in name:
            for place, part in self._parts().items():
                if name.startswith(f"{place}."):
                    return part.value(name.removeprefix(f"{place}."))
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

    def _parts(self) -> dict[str, Parameters]:
        """Return the layers that this one is made of, by where it has them."""
        if self._params() is not None:
            return {}  # they are told of there
        found: dict[str, Parameters] = {}
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
                    found[place] = Parameters(thing, self.names, self.within, [])
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
            name: gradient for name, gradient in found.items() if is_parameter(self.value(name))
        }
        seen = {(id(self.value(name)), id(gradient)) for name, gradient in found.items()}
        for place, part in self._parts().items():
            found |= {
                f"{place}.{name}": gradient
                for name, gradient in part._gradients().items()
                if (id(part.value(name)), id(gradient)) not in seen
            }
        if all(gradient is None for gradient in found.values()):
            found |= self._returned_gradients()
        return found

    def _returned_gradients(self) -> dict[str, Any]:
        """Return what came back beside the gradient to the input, by the parameters' names.

        They belong to the parameters in their order if they are as many, else to those of their
        shape; unless `order` says otherwise.
        """
        if self.returned and isinstance(given := self.returned[0], Mapping):
            by_name = {name: given.get(name, given.get(f"d{name}")) for name in self.arrays}
            return {name: gradient for name, gradient in by_name.items() if gradient is not None}
        gradients = [np.asarray(gradient) for gradient in self.returned]
        if len(gradients) == len(self.arrays):
            found = dict(zip(self.arrays, gradients, strict=True))
            return {name: found[self.order.get(name, name)] for name in found}
        found = {}
        for gradient in gradients:
            fitting = (name for name in self.arrays if self.value(name).shape == gradient.shape)
            name = next((name for name in fitting if name not in found), None)
            if name is not None:
                found[name] = gradient
        return found


def is_parameter(value: Any) -> bool:
    """Return whether a value is an array of real numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
