"""Which of a file's functions are a pair: a function, and the one that is its derivative."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from mnist_cli.gradcheck.adapters.shapes import is_weight
from mnist_cli.gradcheck.source import tree_of

WORDS = (
    "backward",
    "backwards",
    "backprop",
    "bprop",
    "back",
    "bwd",
    "derivative",
    "derivate",
    "deriv",
    "der",
    "gradient",
    "grads",
    "grad",
    "jacobian",
    "jac",
    "prime",
    "diff",
    "delta",
    "dx",
)
"""What people put before or behind the name of a function to name its derivative."""

FORWARDS = (
    ("backwards", "forwards"),
    ("backward", "forward"),
    ("backprop", "forwardprop"),
    ("backprop", "forward"),
    ("bprop", "fprop"),
    ("bwd", "fwd"),
    ("back", "forward"),
)
"""A word in a derivative's name, and the one that stands in its place in the function's."""

LOSSES = (
    ("gradients", "loss"),
    ("gradients", "cost"),
    ("gradient", "loss"),
    ("gradient", "cost"),
    ("grad", "loss"),
    ("grad", "cost"),
)
"""The same, where it is that of a loss."""

GRADIENT = re.compile(
    r"(d|g|d_\w+|d[A-Z]\w*|d[a-z]\d*|\w*grads?|\w*grads?_\w+|\w*gradients?\w*"
    r"|nabla\w*|delta\w*|jac\w*|dj_?d\w+|d[a-zA-Z]_d\w+|d(out|loss|scores|logits|params)"
    r"|d_?(theta|alpha|beta|gamma|sigma|mu|bias(es)?|weights?|coefs?|coefficients)\d*)"
)
"""What people call a gradient in the code that computes it."""

ITERATIONS = re.compile(r"iter|epoch", re.IGNORECASE)
"""What is in the name of the argument that says how long to train."""

PRODUCTS = {"dot", "matmul", "outer", "einsum", "tensordot"}
"""Functions by which a gradient is computed."""


def partner(name: str, names: Collection[str]) -> tuple[str, str] | None:
    """Return the pair that a function belongs to: the function, and its derivative.

    Parameters
    ----------
    name : str
        The name of either.
    names : collection of str
        The names of the functions beside it.

    Returns
    -------
    tuple of str, or None
        The name of the function and that of its derivative; None if nothing is called so.
    """
    forward = function_of(name, names)
    if forward is not None:
        return forward, name
    for other in names:
        if function_of(other, names) == name:
            return name, other
    return None


def function_of(name: str, names: Collection[str]) -> str | None:
    """Return the function that one is the derivative of, to judge by its name, or None."""
    known: dict[str, list[str]] = {}
    for other in names:
        if other != name:
            known.setdefault(_plain(other), []).append(other)
    for stem in _stems(name):
        for form in (stem, f"{stem}forward", f"forward{stem}", f"{stem}fwd"):
            if stem and form in known:
                # Of softmax and soft_max, soft_max_prime belongs to the one that is in its name.
                return min(known[form], key=lambda other: other not in name)
    return None


def _plain(name: str) -> str:
    """Return a name without underscores and capitals, which people set as they like."""
    return name.replace("_", "").lower()


def _stems(name: str) -> Iterator[str]:
    """Yield what the function may be called whose derivative has this name."""
    plain = _plain(name)
    yield from _exchanged(plain, FORWARDS)
    for word in WORDS:
        if plain.endswith(word):
            stem = plain.removesuffix(word)
            yield from (stem, stem.removesuffix("2"))  # relu2deriv
        if plain.startswith(word):
            yield from (plain.removeprefix(word), plain.removeprefix(word).removeprefix("of"))
    # Of softmax and softmax_loss, softmax_grad belongs to the one that is in its name.
    yield from _exchanged(plain, LOSSES)
    if name.endswith(("_d", "_D")):
        yield plain[:-1]
    if plain.startswith("d"):
        yield plain[1:]


def _exchanged(plain: str, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a derivative's name with the word for a function in the place of its own."""
    for backward, forward in pairs:
        if backward in plain:
            yield plain.replace(backward, forward)
            # batchnorm_backward_alt is one more derivative of batchnorm_forward.
            yield plain[: plain.index(backward)] + forward


def returns_gradient(function: Any, name: str = "") -> bool:
    """Return whether a function is written as if it returned a gradient: ``return loss, dW``.

    So it is called; or it is computed there, of weights: ``return loss, X.T @ (p - y)``.

    Parameters
    ----------
    function : callable
    name : str
        What it is called: of a loss, whatever else it returns is taken for a gradient.
    """
    is_loss = _plain(name).endswith(("loss", "cost", "propagate", "objective"))
    arguments, tuples = _returned(function)
    if {f"d{_plain(argument)}" for argument in arguments} & {*map(_plain, arguments)}:
        return False  # an update, which is given the gradients
    if any(ITERATIONS.search(argument) for argument in arguments):
        return False  # a whole training, which returns the last of its gradients
    if is_loss or calls_gradient(function):
        return bool(tuples)
    has_weights = any(is_weight(argument) for argument in arguments)
    return has_weights and any(map(_is_computed, (part for parts in tuples for part in parts[1:])))


def calls_gradient(function: Any) -> bool:
    """Return whether something that a function returns in a tuple is called as a gradient is."""
    arguments, tuples = _returned(function)
    of_arguments = {f"d{_plain(argument)}" for argument in arguments}
    return any(
        isinstance(part, ast.Name)
        and (GRADIENT.fullmatch(part.id) or _plain(part.id) in of_arguments)
        for elements in tuples
        for element in elements
        for part in ast.walk(element)
    )


def _returned(function: Any) -> tuple[list[str], list[list[ast.expr]]]:
    """Return a function's arguments, and the elements of each tuple that it returns."""
    nodes = list(ast.walk(tree_of(function)))
    arguments = next((node.args for node in nodes if isinstance(node, ast.FunctionDef)), None)
    return (
        [argument.arg for argument in arguments.args] if arguments else [],
        [
            node.value.elts
            for node in nodes
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple)
        ],
    )


def _is_computed(element: ast.expr) -> bool:
    """Return whether an expression is a product, a sum or the like of something with a name."""
    if isinstance(element, ast.Call):
        called = element.func
        return isinstance(called, ast.Attribute) and called.attr in PRODUCTS
    is_arithmetic = isinstance(element, ast.BinOp | ast.UnaryOp)
    return is_arithmetic and any(isinstance(part, ast.Name) for part in ast.walk(element))
