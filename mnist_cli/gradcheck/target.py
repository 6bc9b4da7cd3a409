"""What a target names: ``FILE``, ``FILE:NAME``, ``FILE:FORWARD,BACKWARD``, ``'FILE:NAME(4, 3)'``.

``FILE`` is a Python file, a notebook, a module (``package.module``) or a package.
"""

from __future__ import annotations

import ast
import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnist_cli.gradcheck.discovery import Candidate, Found, is_function, whole
from mnist_cli.gradcheck.importing import (
    Imported,
    guarded,
    import_file,
    import_folder,
    import_module,
)
from mnist_cli.gradcheck.partners import partner
from mnist_cli.gradcheck.request import Code, interned
from mnist_cli.gradcheck.user_code import UserCodeError

FORMS = (
    "FILE.py, FILE.py:NAME, FILE.py:FORWARD,BACKWARD, 'FILE.py:NAME(4, 3)' or package.module:NAME; "
    "for example layers.py:Softmax"
)
_SUFFIXES = (".py", ".ipynb")


@dataclass(frozen=True)
class Term:
    """A name, and the arguments that it is called with, if any."""

    name: str
    arguments: tuple[Any, ...] | None = None
    keywords: dict[str, Any] = field(default_factory=dict)


def find(target: str, methods: tuple[str, ...] = ()) -> Found:
    """Import what a target names, and return what there is to check.

    Parameters
    ----------
    target : str
    methods : tuple of str
        Names of methods that are asked for, beside the usual ones.

    Raises
    ------
    UserCodeError
        If the target has another form, if there is no such file or name, or if the file raises.
    """
    place, terms = parse(target)
    imported: Imported = guarded(_import, place)
    if terms:
        found: Found = guarded(_named, target, place, terms, imported)
    else:
        found = guarded(whole, place, imported, methods)
    return found


def parse(target: str) -> tuple[str, list[Term]]:
    """Return the file or module that a target names, and the names in it: none, one or two.

    A colon in a path, or in a literal, is told from the one between them by what follows: it is
    the first behind which there is Python of the right form, to the end.
    """
    if os.path.exists(target) or (target.strip() and ":" not in target):
        return target, []
    refused: UserCodeError | None = None
    for colon in (place for place, letter in enumerate(target) if letter == ":"):
        try:
            terms = _terms(target[colon + 1 :])
        except UserCodeError as error:
            refused = refused or error
            continue
        if terms and colon:
            return target[:colon], terms
    if target.endswith((".py", ".ipynb")):
        return target, []
    raise refused or UserCodeError(f"{target!r} names nothing to check: write {FORMS}.")


def _terms(text: str) -> list[Term]:
    """Return the names in a text, with their arguments; none where it has another form."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    nodes = tree.elts if isinstance(tree, ast.Tuple) else [tree]
    calls = [node if isinstance(node, ast.Call) else ast.Call(node, [], []) for node in nodes]
    if not 1 <= len(calls) <= 2 or not all(_is_name(node.func) for node in calls):
        return []
    if text.endswith(_SUFFIXES):  # a colon in the path of a file
        return []
    if text.strip().endswith(","):
        raise UserCodeError(
            f"There is nothing after the comma of {text.strip()}: leave it out, or name the "
            "derivative there, as in layers.py:tanh,tanh_prime."
        )
    return [
        Term(ast.unparse(made.func), *_literals(node)) if made is node else Term(ast.unparse(node))
        for made, node in zip(calls, nodes, strict=True)
    ]


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_name(node.value))


def _literals(call: ast.expr) -> tuple[tuple[Any, ...], dict[str, Any]]:
    assert isinstance(call, ast.Call)
    for node in (*call.args, *call.keywords):
        if isinstance(node, ast.Starred) or (isinstance(node, ast.keyword) and node.arg is None):
            raise UserCodeError(f"{ast.unparse(call)} must have its arguments written out.")
    return (
        tuple(_literal(node) for node in call.args),
        {str(node.arg): _literal(node.value) for node in call.keywords},
    )


def _literal(node: ast.expr) -> Any:
    try:
        return interned(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise UserCodeError(
            f"{ast.unparse(node)} is not a literal: give numbers, strings in quotes, lists, tuples "
            "or dictionaries; or write a function without arguments that makes the object, and "
            "name that."
        ) from error


def _import(place: str) -> Imported:
    path = Path(place)
    if os.path.isfile(place):
        if path.suffix not in (".py", ".ipynb"):
            raise UserCodeError(f"{place} is neither a Python file nor a notebook: write {FORMS}.")
        return import_file(path)
    if os.path.isdir(place) and place.rstrip("/\\") and (path / "__init__.py").is_file():
        return import_folder(path)
    if all(part.isidentifier() for part in place.split(".")) and path.suffix not in _SUFFIXES:
        return import_module(place)
    if os.path.exists(place) and not os.path.isdir(place):
        raise UserCodeError(f"{place} is a pipe or a device: name a file.")
    if os.path.isdir(place):
        raise UserCodeError(f"{place} is a folder, but not a package: name a file in it.")
    beside = path.parent if os.path.isdir(path.parent) else Path()
    names = [item.name for item in beside.iterdir() if item.suffix in _SUFFIXES]
    near = _near(path.name, names)
    raise UserCodeError(f"There is no file {place}: {near or 'check its path.'}")


def _named(target: str, place: str, terms: list[Term], imported: Imported) -> Found:
    module = imported.modules[0]
    failed = imported.remarks
    names = dict(vars(module))
    things = [_take(place, term, module, failed) for term in terms]
    if len(things) == 2:
        code = Code(target, things[0], things[1], names)
        for term, thing in zip(terms, things, strict=True):
            if isinstance(thing, type) or not callable(thing):
                kind = "a class" if isinstance(thing, type) else "no function"
                raise UserCodeError(
                    f"{term.name} of {place} is {kind}, and two names are a function and its "
                    f"derivative: name each by itself, as {place}:{terms[0].name}."
                )
    else:
        code = Code(target, things[0], None, names)
        if terms[0].arguments is None and is_function(things[0]):
            functions = [name for name, thing in names.items() if is_function(thing)]
            pair = partner(terms[0].name, functions)
            if pair:
                code = Code(target, names[pair[0]], names[pair[1]], names)
    return Found([Candidate(code, terms[0].name)], failed)


def _take(place: str, term: Term, module: Any, failed: list[str]) -> Any:
    """Return what a name is in a module, called with its literals."""
    thing = module
    for part in term.name.split("."):
        owner = thing
        try:
            thing = getattr(owner, part)
        except AttributeError as error:
            names = [name for name in dir(owner) if not name.startswith("_")]
            near = _near(part, names) or "name a class, a function or an object of it."
            raise UserCodeError(
                " ".join((f"{place} has no {term.name}: {near}", *failed))
            ) from error
    arguments = term.arguments
    if arguments is None:
        return thing
    if not callable(thing):
        raise UserCodeError(f"{term.name} of {place} cannot be called: leave its arguments out.")
    return guarded(lambda: thing(*arguments, **term.keywords))


def _near(name: str, names: list[str]) -> str:
    """Return a question for a name that was perhaps meant, or nothing."""
    lower = {other.lower(): other for other in names}
    near = difflib.get_close_matches(name.lower(), lower, n=3)
    return f"did you mean {' or '.join(lower[other] for other in near)}?" if near else ""
