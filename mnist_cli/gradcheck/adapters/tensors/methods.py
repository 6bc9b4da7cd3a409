"""The methods of arrays, as parts to check: ``a.relu()``, ``a.dot(b)``, ``a.sum(axis=1)``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.drawing import Draw
from mnist_cli.gradcheck.adapters.nodes.classes import vars_of_class
from mnist_cli.gradcheck.adapters.signature import Argument, arguments, takes_any
from mnist_cli.gradcheck.adapters.tensors.classes import TensorClass
from mnist_cli.gradcheck.adapters.tensors.operators import BINARY, Part, factor, of_one_twice
from mnist_cli.gradcheck.adapters.vocabulary import BACKWARDS, CLEARING, has_part

AXES = {"axis", "dim", "axes", "dims"}
SHAPES = {"shape", "newshape", "size", "newsize"}
INDICES = ("target", "label", "indic", "index", "idx", "ids")
"""What is in the names of arguments that are whole numbers, one a row."""
NO_DERIVATIVE = (
    *("detach", "copy", "clone", "numpy", "item", "tolist", "zero", "one", "rand", "eye", "empty"),
    *("argmax", "argmin", "sign", "round", "floor", "ceil", "astype", "float", "int", "double"),
    *("cpu", "cuda", "gpu", "to", "size", "dim", "numel", "parameters", "build", "topo", "grad"),
    *("graph", "dot_graph", "trace", "show", "print", "draw", "eval", "train", "step", "update"),
    *("half", "long", "bool", "requires", "retain", "register", "set", "get", "is", "hash"),
    *("assign", "realize", "fill", "arange", "full", "seed", "init", "all", "any", "nonzero"),
)
"""How the names of methods begin that have no derivative, or make no new array."""


def of_methods(tensors: TensorClass, a: Draw) -> Iterator[Part]:
    """Yield the parts of the methods that a class has.

    Parameters
    ----------
    tensors : TensorClass
    a : Draw
        How the first array is drawn.
    """
    for name in _names(tensors.kind, vars_of_class(tensors.kind)):
        if name == "T":
            yield Part("a.T", lambda a: a.T, {"a": a})
        else:
            yield from _of_method(name, tensors, a)


def _names(kind: type, own: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of methods of a class that may give a new array; ``T`` is one, too."""
    for name, method in own.items():
        if name.startswith(("_", "zero", "ones", "rand")) or name.endswith("_"):
            continue
        if name in (*BACKWARDS, *CLEARING):
            continue
        if any(name == word or name.startswith(f"{word}_") for word in NO_DERIVATIVE):
            continue
        if isinstance(method, property):
            if name == "T":
                yield name
        elif not isinstance(method, staticmethod | classmethod) and callable(
            getattr(kind, name, None)
        ):
            yield name


def _of_method(name: str, tensors: TensorClass, a: Draw) -> Iterator[Part]:
    """Yield the parts of a method: as it is, and along an axis where it takes one."""
    method = getattr(tensors.kind, name)
    # The signature of a partialmethod tells nothing.
    is_partial = isinstance(vars_of_class(tensors.kind)[name], functools.partialmethod)
    wanted = [] if is_partial else arguments(method)[1:]
    required_ones = [argument for argument in wanted if argument.is_required]
    if name in BINARY and (is_partial or len(required_ones) == 1):
        yield from _of_two(name, a, is_scalar=tensors.is_scalar)
        return
    if takes_any(method) and not is_partial and name in ("transpose", "permute"):
        wanted, required_ones = [], []
    if len(required_ones) == 1 and has_part(required_ones[0].name, INDICES):
        yield Part(f"a.{name}({required_ones[0].name})", _indexing(name, tensors), {"a": a})
        return
    given = _given_to(wanted, a)
    if given is None:
        yield Part(f"a.{name}(…)", _calling(name))
        return
    told = ", ".join(map(str, given))
    yield Part(f"a.{name}({told})", _calling(name, *given), {"a": a})
    if len(a.shape) == 2 and not tensors.is_scalar:
        yield from _along_axes(name, wanted, given, a)


def _of_two(name: str, a: Draw, *, is_scalar: bool) -> Iterator[Part]:
    """Yield the parts of a method of two arrays; of one, taken twice, too."""
    is_product = BINARY[name]
    if is_scalar and is_product:
        return
    b = factor(a) if is_product else replace(a)
    yield Part(f"a.{name}(b)", _calling(name), {"a": a, "b": b})
    if name in ("mul", "multiply", "add"):
        yield of_one_twice(f"a.{name}(a)", _calling(name), a)


def _along_axes(
    name: str, wanted: Sequence[Argument], given: Sequence[Any], a: Draw
) -> Iterator[Part]:
    """Yield the parts of a method along each axis; along the last, with the axis kept."""
    along = next((argument for argument in wanted if argument.name in AXES), None)
    if along is None:
        return
    keeping = {x.name: True for x in wanted if x.name in ("keepdims", "keepdim")}
    for axis, kept in ((0, {}), (1, keeping)):
        if along.is_required and axis == given[0]:
            continue
        named = {along.name: axis, **kept}
        told = ", ".join(f"{key}={value}" for key, value in named.items())
        yield Part(f"a.{name}({told})", _calling(name, **named), {"a": a})


def _indexing(name: str, tensors: TensorClass) -> Callable[..., Any]:
    """Return the call of a method with whole numbers, one a row: as a tensor, or as an array."""

    def function(a: Any) -> Any:
        shape = tensors.numbers(a).shape
        index = np.arange(shape[0]) % shape[-1]
        try:
            return getattr(a, name)(tensors.kind(index))
        except Exception:
            return getattr(a, name)(index)

    return function


def _calling(name: str, *given: Any, **named: Any) -> Callable[..., Any]:
    return lambda a, *rest: getattr(a, name)(*rest, *given, **named)


def _given_to(wanted: Sequence[Argument], a: Draw) -> list[Any] | None:
    """Return what a method's own arguments are given; None if that is not known."""
    found: list[Any] = []
    for argument in wanted:
        if not argument.is_required:
            break
        name = argument.name.lower()
        if name in AXES:
            found.append(len(a.shape) - 1)
        elif name in ("dim0", "axis0", "axis1", "dim1", "start", "end"):
            found.append(int(name.endswith("1")))
        elif name in SHAPES:
            found.append((*a.shape[:-2], *a.shape[-2:][::-1]) if a.shape else ())
        elif name in ("n", "p", "power", "exponent", "e", "k"):
            found.append(3)
        elif name in ("slope", "alpha", "negative_slope", "c", "scalar", "value"):
            found.append(0.5)
        else:
            return None
    return found
