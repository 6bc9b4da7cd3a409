"""All that can be checked in a file or a package: its classes, its functions, its objects."""

from __future__ import annotations

import dis
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import tensors
from mnist_cli.gradcheck.adapters.signature import derivative_flag
from mnist_cli.gradcheck.adapters.vocabulary import BACKWARDS, DERIVATIVES, plain
from mnist_cli.gradcheck.importing import Imported
from mnist_cli.gradcheck.outcome import LeftOut
from mnist_cli.gradcheck.partners import function_of, partner, returns_gradient
from mnist_cli.gradcheck.request import Code
from mnist_cli.gradcheck.user_code import UserCodeError

FORWARD = re.compile(r"forward|fprop|fwd|__call__|predict|activat|^f$|^fn$|func|loss|cost", re.I)
BACKWARD = re.compile(r"back|bprop|bwd|grad|deriv|prime|jac|(?-i:^d[A-Z_])|delta|diff", re.I)
"""Names of methods that may be the two; whether they are is found out by the adapters."""
DERIVATIVE = re.compile(r"backward|bprop|_grad$|deriv|prime|jacobian", re.I)
"""Names of functions that are derivatives, surely."""
_DERIVATIVES = {plain(name) for name in (*BACKWARDS, *DERIVATIVES)}


@dataclass(frozen=True)
class Candidate:
    """Something that may be checked.

    Attributes
    ----------
    code : Code
    name : str
        Its name in the file.
    needs : tuple of str
        What its constructor must be given.
    instead_of : str or None
        For an object: the target of its class, with which the object need not be checked as well.
    """

    code: Code
    name: str
    needs: tuple[str, ...] = ()
    instead_of: str | None = None


@dataclass(frozen=True)
class Found:
    """What a target names.

    Attributes
    ----------
    candidates : list of Candidate
    remarks : list of str
    left_out : list of LeftOut
    is_whole : bool
        Whether a whole file or package was named; otherwise there is one candidate.
    """

    candidates: list[Candidate]
    remarks: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    is_whole: bool = False


def whole(place: str, imported: Imported, methods: tuple[str, ...]) -> Found:
    """Return what a whole file or package itself defines that can be checked."""
    candidates: list[Candidate] = []
    left_out = list(imported.left_out)
    for module in imported.modules:
        # A package's parts are named by their own names.
        where = place if len(imported.modules) == 1 else module.__name__
        names = dict(vars(module))
        own = {
            name: thing
            for name, thing in names.items()
            if not name.startswith("_") and _home(thing) == module.__name__
        }
        items = chain(
            _classes(where, own, names, methods),
            _functions(where, own, names),
            _objects(where, names, module.__name__),
        )
        for item in items:
            if isinstance(item, LeftOut):
                left_out.append(item)
            else:
                candidates.append(item)
    if not candidates:
        told = "".join(f"\n  {item.target}: {item.reason}" for item in left_out)
        remarks = "".join(f"\n  {remark}" for remark in imported.remarks)
        raise UserCodeError(
            f"{place} has nothing to check: it needs a class with forward and backward, or a "
            f"function with its derivative beside it, such as f and f_prime.{told}{remarks}"
        )
    return Found(candidates, imported.remarks, left_out, is_whole=True)


def _classes(
    where: str, own: dict[str, Any], names: dict[str, Any], methods: tuple[str, ...]
) -> Iterator[Candidate | LeftOut]:
    classes = {name: thing for name, thing in own.items() if isinstance(thing, type)}
    seen: set[int] = set()
    for name, thing in classes.items():
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        target = f"{where}:{name}"
        forward, backward = _methods(thing, methods)
        if issubclass(thing, BaseException):
            continue
        if not backward and not any(derivative_flag(method) for method in forward):
            yield LeftOut(target, "no backward, gradient or derivative")
            continue
        has_heirs = any(
            other is not thing and issubclass(other, thing)
            for other in own.values()
            if isinstance(other, type)
        )
        if any(
            group and all(_is_missing(method, has_heirs) for method in group)
            for group in (forward, backward)
        ):
            yield LeftOut(target, "base class, with methods that are missing")
            continue
        yield Candidate(Code(target, thing, None, names), name, _needed(thing))


def _methods(thing: type, asked: tuple[str, ...]) -> tuple[list[Any], list[Any]]:
    """Return what may be the forward methods of a class, and what the backward ones."""
    forward, backward = [], []
    for name in dir(thing):
        if name.startswith("__") and name != "__call__":
            continue
        method = inspect.getattr_static(thing, name)
        method = getattr(method, "__func__", method)
        if not callable(method) or isinstance(method, type):
            continue
        is_forward = re.search("forward|fprop", name) and "back" not in name
        if not is_forward and (
            BACKWARD.search(name)
            or plain(name) in _DERIVATIVES
            or name in asked
            or returns_gradient(method, name)
        ):
            backward.append(method)
        elif FORWARD.search(name):
            forward.append(method)
    return forward, backward


def _is_missing(method: Any, has_heirs: bool) -> bool:
    """Whether a method does nothing but raise NotImplementedError, or is left to the heirs."""
    if getattr(method, "__isabstractmethod__", False):
        return True
    code = getattr(method, "__code__", None)
    if code is None:
        return False
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("RESUME", "NOP")]
    returns = [step for step in steps if step.opname.startswith("RETURN")]
    if not returns:
        return bool({"NotImplementedError", "NotImplemented"} & {*code.co_names})
    # `pass`, or a docstring alone.
    is_empty = len(steps) <= 2 and all(
        (step.opname == "LOAD_CONST" and step.argval is None) or step in returns for step in steps
    )
    return is_empty and has_heirs


def _functions(
    where: str, own: dict[str, Any], names: dict[str, Any]
) -> Iterator[Candidate | LeftOut]:
    functions = {name: thing for name, thing in own.items() if is_function(thing)}
    around = {name: thing for name, thing in names.items() if is_function(thing)}
    pairs: dict[tuple[str, str], None] = {}
    for name in functions:
        pair = partner(name, functions)
        forward = None if pair else function_of(name, around)  # which may be imported
        if pair or forward:
            pairs[pair or (str(forward), name)] = None
    in_pairs = {name for pair in pairs for name in pair}
    for forward, backward in pairs:
        code = Code(f"{where}:{forward},{backward}", around[forward], functions[backward], names)
        yield Candidate(code, forward)
    for name, function in functions.items():
        if name in in_pairs:
            continue
        if returns_gradient(function, name) or derivative_flag(function):
            yield Candidate(Code(f"{where}:{name}", function, None, names), name)
        elif tensors.is_step(function, names):
            if tensors.applies(function, names):
                yield Candidate(Code(f"{where}:{name}", function, None, names), name)
            else:
                why = "it runs with none of the arrays that were tried: name it, and use --arg"
                yield LeftOut(f"{where}:{name}", why)
        else:
            is_derivative = plain(name) in _DERIVATIVES or DERIVATIVE.search(name)
            lacks = "no function that it is the derivative of" if is_derivative else "no derivative"
            yield LeftOut(f"{where}:{name}", f"{lacks} beside it")


def _objects(where: str, names: dict[str, Any], home: str) -> Iterator[Candidate]:
    """Yield the objects that a module makes of its own classes."""
    seen: set[int] = set()
    for name, thing in names.items():
        kind = type(thing)
        if name.startswith("_") or _home(kind) != home or id(thing) in seen:
            continue
        seen.add(id(thing))
        if _methods(kind, ())[1]:
            code = Code(f"{where}:{name}", thing, None, names)
            yield Candidate(code, name, instead_of=f"{where}:{kind.__name__}")


def is_function(thing: Any) -> bool:
    """Return whether something is a function, or one that is made of another."""
    return inspect.isroutine(thing) or isinstance(thing, partial | np.vectorize)


def _home(thing: Any) -> str | None:
    """Return the module in which something was defined."""
    if not isinstance(thing, type) and not inspect.isroutine(thing):
        return None
    try:
        home = thing.__module__
    except Exception:
        return None
    return home if isinstance(home, str) else None


def _needed(thing: type) -> tuple[str, ...]:
    """Return the names of the arguments that a class must be given."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except Exception:  # __signature__ may raise anything
        return ()
    return tuple(
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    )
