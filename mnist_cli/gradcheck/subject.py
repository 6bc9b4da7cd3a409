"""Somebody's layer, loss or activation, and the ways to call it that are common."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mnist_cli.gradcheck.calling import UserCodeError, call, names_of, positional
from mnist_cli.gradcheck.parameters import PARAMETERS, Parameters, is_parameter

SHAPE = (5, 10)
"""The shape of the input that is drawn, if nothing says another."""
GLOBAL_STATE = np.random.RandomState(0).get_state()
TRUTH = ("true", "truth", "target", "label", "actual", "expected")
"""What is in the names of labels."""
GUESSES = ("hat", "pred", "prob", "logit", "score", "out")
"""What is in the names of a network's outputs."""
INPUTS = ("x", "z", "a", "p", "s")
"""What else they are called."""
KEPT_GRADIENTS = ("dinputs", "dx")
KEPT_OUTPUTS = ("output", "out")


class Subject(Parameters):
    """An object with a forward method, and maybe parameters.

    Parameters
    ----------
    thing : object
    forward, backward : str
        The names of its methods.
    is_exchanged : bool
        Whether forward takes its two arguments the other way round.
    arrays : list of str, optional
        See `Parameters`.
    """

    def __init__(
        self,
        thing: Any,
        forward: str = "forward",
        backward: str = "backward",
        *,
        is_exchanged: bool = False,
        arrays: list[str] | None = None,
    ):
        super().__init__(thing, (forward, backward), arrays=arrays)
        self.is_exchanged = is_exchanged
        self.fed: tuple[int, ...] | None = None
        """The shape of what forward was given last."""

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
        subject = Subject(thing, *self.names, is_exchanged=self.is_exchanged, arrays=self.arrays)
        subject.order = self.order
        return subject

    def in_double_precision(self) -> Subject:
        """Return the object with float64 parameters: itself, or a copy if they are not."""
        names = (*PARAMETERS, *self._gradients())
        arrays = [value for name in names if is_parameter(value := self.value_or_none(name))]
        arrays += [g for g in self._gradients().values() if isinstance(g, np.ndarray)]
        replaced = {
            id(array): array.astype(np.float64)
            for array in arrays
            if array.dtype.kind == "f" and array.dtype != np.float64
        }
        return self.copied(replaced) if replaced else self

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

    def takes_labels_first(self) -> bool:
        """Return whether forward's two arguments are called as if the first were the labels."""
        called = [name.lower() for name in names_of(getattr(self.thing, self.names[0]))[:2]]
        are_labels = [name in ("t", "gt") or contains(name, TRUTH) for name in called]
        are_inputs = [name in INPUTS or contains(name, GUESSES) for name in called]
        if are_labels == [False, False] and called[:1] == ["y"]:
            return are_inputs[1:] == [True]  # or else it may be the output, and labels come after
        return are_labels == [True, False]

    def takes_upstream(self) -> bool:
        """Return whether backward takes an argument."""
        return positional(getattr(self.thing, self.names[1])) > 0


def contains(name: str, parts: Sequence[str]) -> bool:
    """Return whether one of the parts is in the name."""
    return any(part in name for part in parts)
