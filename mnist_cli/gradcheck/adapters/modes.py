"""Texts that select what code computes: with each of them, it is another function or layer.

The members of an enumeration do the same.

linear_activation_forward(A, W, b, activation)    if activation == "relu": ...
cross_entropy(logits, labels, reduction="mean")   if reduction == "sum": ...
Dense(n_in, n_out, activation="relu")             if self.activation == "tanh": ...
Dense(n_in, n_out, activation=Act.RELU)           if self.activation is Act.TANH: ...
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from mnist_cli.gradcheck.adapters.signature import Argument, arguments
from mnist_cli.gradcheck.adapters.vocabulary import has_part
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.source import methods_of, tree_of

NO_MODES = (
    *("mode", "phase", "split", "init", "optim", "solver", "update", "schedule"),
    *("name", "label", "dtype", "device", "backend"),
)
"""Parts of the names of arguments whose texts are not tried, as they select no other derivative.

They select training or testing, how weights begin and are updated, or the type of the numbers.
"""
OTHER = "other"
"""A text that no code compares with, so that it takes the ``else``."""


def mode_of(code: Code, request: Request) -> tuple[str, list[Any]] | None:
    """Return the argument that selects what code computes, and the texts to try for it.

    The default comes first, and may be None; if it is a member of an enumeration, all others
    follow. The texts of a function and of its derivative are put together, as the ``else`` of one
    may be a text of the other; beside a single text, `OTHER` is tried. None if there is no such
    argument, or if the user gave its value.
    """
    if isinstance(code.thing, type):
        return _first_of(arguments(code.thing), [code.thing], request)
    functions = [function for function in (code.thing, code.backward) if function is not None]
    if not all(map(inspect.isfunction, functions)):
        return None
    taken = [argument for function in functions for argument in arguments(function)]
    return _first_of(taken, functions, request)


def texts_beside(name: str, default: str, code: Code) -> list[str]:
    """Return the texts that stand where one is selected of which an argument has the default.

    They are the keys of a dictionary with that key, which the source writes out or which the class
    or the module has; and what a constructor compares the argument with.
    """
    functions = [function for function in (code.thing, code.backward) if function is not None]
    around: list[Any] = []
    if isinstance(code.thing, type):
        functions = methods_of(code.thing)
        around += [value for kind in code.thing.__mro__[:-1] for value in vars(kind).values()]
    trees = [tree_of(each) for each in functions]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    around += [value for key, value in code.module.items() if key in used]
    keys = [list(value) for value in around if isinstance(value, dict)]
    found: list[Any] = []
    for tree in trees:
        keys += [
            [key.value for key in node.keys if isinstance(key, ast.Constant)]
            for node in ast.walk(tree)
            if isinstance(node, ast.Dict)
        ]
        found += _texts(tree, lambda left: left.id if isinstance(left, ast.Name) else None).get(
            name, ()
        )
    found += [key for each in keys if default in each for key in each]
    return list(dict.fromkeys(text for text in found if isinstance(text, str)))


def has_default(code: Code, name: str) -> bool:
    """Return whether an argument has a default, with which the code is made or called."""
    return any(a.name == name and not a.is_required for a in arguments(code.thing))


def _first_of(
    taken: Iterable[Argument], within: Iterable[Any], request: Request
) -> tuple[str, list[Any]] | None:
    told = [_comparisons(each) for each in within]
    for argument in taken:
        name, default = argument.name, argument.default
        if name in request.arguments:
            continue
        if isinstance(default, Enum) and not has_part(name, NO_MODES):
            return name, list(dict.fromkeys([default, *type(default)]))
        is_text = default is None or isinstance(default, str)
        if not argument.is_required and (not is_text or has_part(name, NO_MODES)):
            continue
        found = [text for texts in told for text in texts.get(name, ())]
        if found:
            values = found if argument.is_required else [default, *found]
            is_binary = len(set(values)) == 1 and not has_part(name, NO_MODES)
            other = [OTHER] if is_binary else []
            return name, list(dict.fromkeys([*values, *other]))
    return None


def _comparisons(code: type | Callable[..., Any]) -> dict[str, list[str]]:
    """Return the texts that names are compared with in a function, or in the methods of a class.

    In a class, only what is kept under the name counts, as ``self.activation``: the constructor
    compares much that is no part of a pass.
    """
    if not isinstance(code, type):
        tree = tree_of(code)
        return _texts(tree, lambda left: left.id if isinstance(left, ast.Name) else None)
    found: dict[str, list[str]] = {}
    for method in methods_of(code):
        tree = tree_of(method)
        own = _texts(tree, lambda left: left.attr if isinstance(left, ast.Attribute) else None)
        for name, texts in own.items():
            found.setdefault(name, []).extend(texts)
    return found


def _texts(tree: ast.AST, name_of: Callable[[ast.expr], str | None]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            left, rights = node.left, list[ast.AST](node.comparators)
        elif isinstance(node, ast.Match):
            left, rights = node.subject, [case.pattern for case in node.cases]
        else:
            continue
        if (name := name_of(left)) is not None:
            parts = [part for right in rights for part in ast.walk(right)]
            constants = [part.value for part in parts if isinstance(part, ast.Constant)]
            texts = [text for text in constants if isinstance(text, str)]
            if texts:
                found.setdefault(name, []).extend(texts)
    return found
