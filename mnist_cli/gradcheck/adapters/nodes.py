"""Nodes of a graph: made of their parents, they add to their parents' gradients.

    class Sigmoid(Node):                       computes when it is made
        def __init__(self, x):    super().__init__(1 / (1 + np.exp(-x.data)), x)
        def _back(self, x):       x.g += self.g * self.data * (1 - self.data)

    class Linear(Node):                        reads its parents, and keeps a gradient for each
        def forward(self):        X, W, b = self.inbound_nodes;  self.value = X.value @ W.value …
        def backward(self):       self.gradients[X] += child.gradients[self] @ W.value.T

    class Mul(Function):                       is called with variables
        def forward(self, a, b):  return a * b
        def backward(self, gy):   return gy * self.inputs[1].data, gy * self.inputs[0].data

    class Mul(Function):                       a context remembers
        def forward(ctx, a, b):   ctx.save_for_backward(a, b);  return a * b
        def backward(ctx, gy):    a, b = ctx.saved_tensors;  return gy * b, gy * a

The parents are leaves of the user's own class where one can be made of an array alone, else
stand-ins with the usual attributes. A node is run once with its parents' gradients at 0, and once
with what another child has left there, to which it must add.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters import shapes
from mnist_cli.gradcheck.adapters.drawing import Draw
from mnist_cli.gradcheck.adapters.drawing import Kind as Kinds
from mnist_cli.gradcheck.adapters.gradients import as_numbers, assigned, leaves
from mnist_cli.gradcheck.adapters.making import seeded
from mnist_cli.gradcheck.adapters.signature import Argument, arguments, takes_any
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.adapters.vocabulary import BACKWARDS, DOUT, is_label, is_named
from mnist_cli.gradcheck.operation import Array, Arrays, Operation, Session
from mnist_cli.gradcheck.point import Point
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError, call, required

VALUES = (
    *("data", "value", "val", "array", "out", "output", "values", "tensor", "v", "loss", "result"),
)
"""What nodes call their numbers."""
GRADIENTS = ("g", "grad", "gradient", "dx", "d", "delta", "grads", "dvalue", "diff", "adjoint")
"""What nodes call the gradient to their numbers."""
BY_PARENT = ("gradients", "grads", "grad", "gradient")
"""What nodes call the dictionary in which they keep a gradient for each parent."""
ABOVE = ("inbound", "parent", "input", "prev", "inp", "operand", "args")
BELOW = ("outbound", "child", "consumer", "output", "next", "succ", "outs")
"""What is in the names of the lists of a node's parents, and of its children."""
CONTEXTS = {"ctx", "context", "cx"}
SHARE = 0.25
"""How much of the gradient from above the first of two children brings."""
LONGEST = 3
"""How many parents a node is tried with that takes any number of them."""
MOST = 6
"""How many ways to draw the parents are handed on."""
PAIRS = ({"a", "b"}, {"u", "v"}, {"left", "right"}, {"lhs", "rhs"})
"""What two parents of one kind are called."""
A_NUMBER = 2.0
"""What an argument of the constructor is given that is a number, and no parent."""
RIGHT = 1e-6
"""How exact gradients have to be to count as right where a reading is chosen."""


class DrawnOperation(Operation):
    """An operation whose arrays are drawn, and can be drawn again.

    Attributes
    ----------
    draws : dict of Draw
        How each array is drawn; those that have no axis of examples are parameters.
    label_draw : Draw or None
    """

    def __init__(
        self,
        draws: Mapping[str, Draw],
        rng: np.random.Generator,
        *,
        at: Arrays | None = None,
        label_draw: Draw | None = None,
        **fields: Any,
    ):
        drawn = {name: draw.sample(rng) for name, draw in draws.items()}
        axes = [draw.axis for draw in draws.values() if draw.axis is not None]
        examples = tuple(name for name, draw in draws.items() if draw.axis is not None)
        kinds = [draw.kind for draw in draws.values()]
        super().__init__(
            at={**drawn, **(at or {})},
            data=examples or tuple(draws),
            labels=None if label_draw is None else label_draw.sample(rng),
            batch_axis=min(axes) if axes else None,
            domain=next((kind for kind in kinds if kind in DOMAINS), _domain(draws)),
            **fields,
        )
        self.draws, self.label_draw = dict(draws), label_draw

    def resized(self, batch_size: int, rng: np.random.Generator) -> Operation | None:
        """Return the same with newly drawn examples, as many as are asked for."""
        return None if self.batch_axis is None else self._drawn(rng, batch_size)

    def redrawn(self, rng: np.random.Generator) -> Operation:
        """Return the same with newly drawn examples, as many as before."""
        return self._drawn(rng, None)

    def _drawn(self, rng: np.random.Generator, batch_size: int | None) -> Operation:
        def sample(draw: Draw) -> Array:
            return (draw if batch_size is None else draw.resized(batch_size)).sample(rng)

        other = self.moved_to(self.at | {name: sample(self.draws[name]) for name in self.data})
        if self.label_draw is not None:
            other.labels = sample(self.label_draw)
        return other


DOMAINS = ("positive", "probabilities", "unit")


def _domain(draws: Mapping[str, Draw]) -> str:
    """Return in which kind of numbers arrays are that were given."""
    arrays = [draw.given for draw in draws.values() if draw.given is not None]
    if not arrays:
        return "normal"
    return "unit" if all(np.all(array <= 1) for array in arrays) else "positive"


# ---- parents


class StandIn:
    """In the place of a parent whose class nobody wrote down: has the attributes in use.

    Its numbers go by any name of `VALUES`, their gradient by any of `GRADIENTS`.
    """

    def __init__(self, array: Array):
        self.__dict__["held"] = array
        self.__dict__["left"] = np.zeros(np.shape(array))
        self.__dict__["was_read"] = False

    def __getattr__(self, name: str) -> Any:
        if name in VALUES:
            self.__dict__["was_read"] = True
            return self.__dict__["held"]
        if name in GRADIENTS:
            return self.__dict__["left"]
        if name in ("shape", "ndim", "size", "dtype"):
            return getattr(self.__dict__["held"], name)
        if name == "requires_grad":
            return True
        if name in BACKWARDS:
            return lambda *given, **named: None
        if not name.startswith("__") and any(part in name for part in (*ABOVE, *BELOW)):
            return self.__dict__.setdefault(name, [])
        raise AttributeError(f"a parent has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in VALUES:
            name = "held"
        elif name in GRADIENTS:
            name = "left"
        self.__dict__[name] = value


Leaf = Callable[[Array], Any]


def leaf_makers(kinds: Sequence[Any], module: Mapping[str, Any]) -> Iterator[Leaf]:
    """Yield what makes a parent of an array: a base class, a class beside it, a stand-in.

    Parameters
    ----------
    kinds : sequence of type
        The classes to try first.
    module : mapping
        The names beside them.
    """
    classes = [*kinds, *(v for v in module.values() if isinstance(v, type) and v not in kinds)]
    for kind in classes:
        if getattr(kind, "__module__", "builtins") in ("builtins", "numpy", "abc", "typing"):
            continue
        for maker in _makers(kind):
            try:
                node = call(maker, np.full((2, 3), 0.5))
            except UserCodeError:
                continue
            if value_name(node, np.full((2, 3), 0.5)) is not None:
                yield maker
                break
    yield StandIn


def _makers(kind: type) -> list[Leaf]:
    """Return the ways to make an object with an array in it: of that, or by setting it later."""

    def of_array(array: Array) -> Any:
        return kind(array)

    def set_later(array: Array) -> Any:
        node: Any = kind()
        setattr(node, next(name for name in VALUES if hasattr(node, name)), array)
        return node

    makers: list[Leaf] = [of_array, set_later]
    return makers[: max(0, 2 - required(kind))]


def value_name(node: Any, array: Array) -> str | None:
    """Return the attribute in which a node holds an array, or None."""
    for name in VALUES:
        held = peek(node, name)
        if isinstance(held, np.ndarray | np.generic | float) and np.array_equal(held, array):
            return name
    return None


def peek(thing: Any, name: str) -> Any:
    """Return an attribute, or None if there is none or it raises."""
    try:
        return getattr(thing, name, None)
    except Exception:
        return None


def numbers_in(thing: Any) -> Array | None:
    """Return the numbers that a value is, or that a node holds; None if there are none."""
    array = as_numbers(thing)
    if array is not None:
        return array
    if thing is None or isinstance(thing, str | bytes | dict | list | tuple):
        return None
    found = (as_numbers(peek(thing, name)) for name in VALUES)
    return next((array for array in found if array is not None), None)


def names_in(function: Any) -> set[str]:
    """Return the names of attributes and variables in the code of a function."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    found: set[str] = set()
    waiting = [code] if code is not None else []
    while waiting:
        current = waiting.pop()
        found |= {*current.co_names, *current.co_freevars}
        waiting += [c for c in current.co_consts if isinstance(c, types.CodeType)]
    return found


# ---- the kinds of nodes


class Pass:
    """A node that was made and has computed: what is needed to go back through it."""

    def __init__(self, out: Any, node: Any, parents: Sequence[Any] = ()):
        array = numbers_in(out)
        if array is None or array.dtype.kind not in "fiuc":
            raise UserCodeError(
                f"The node holds {type(out).__name__} after forward, where an array of numbers "
                f"is expected: leave the result in self.{VALUES[0]} or self.{VALUES[1]}."
            )
        self.out, self.node, self.parents = array, node, list(parents)


class Kind(ABC):
    """A way in which nodes are made and run.

    Attributes
    ----------
    names : list of str
        What the parents are called.
    """

    names: list[str]

    def forward(self, arrays: Arrays) -> Pass:
        """Make a node with these numbers in its parents, and compute."""
        return Pass(*call(self.build, arrays))

    @abstractmethod
    def build(self, arrays: Arrays) -> tuple[Any, Any, Sequence[Any]]:
        """Return what a node with these numbers in its parents has computed, itself, and they.

        In one unguarded call, as it is made thousands of times.
        """

    @abstractmethod
    def backward(self, made: Pass, dout: Array, left: Arrays) -> Arrays:
        """Go back, with this in the parents' gradients, and return what is there afterwards."""

    adds = False
    """Whether gradients are added to what another child has left with the parents."""

    def if_overwritten(self, exact: Array, left: Array) -> Array | None:
        """Return the gradient that a node seems to give that sets it where it must add."""
        return exact - left if self.adds else None


class Graph(Kind):
    """Nodes that are made of their parents, and leave gradients with them, or by them.

    Parameters
    ----------
    kind : type
    names : list of str
    leaf : callable
    back : str
        The name of the method that goes back.
    literals : dict
        Arguments of the constructor that are no parents.

    Attributes
    ----------
    pulls : bool
        Whether it computes in a forward of its own, which takes nothing.
    reads_one_child : bool
        Whether it reads the gradient of its first child alone.
    """

    def __init__(
        self, kind: type, names: list[str], leaf: Leaf, back: str, literals: Mapping[str, Any]
    ):
        self.kind, self.names, self.leaf, self.back = kind, names, leaf, back
        self.literals = dict(literals)
        method = getattr(kind, back)
        self.used = names_in(method)
        self.wanted = arguments(method)[1:]
        self.takes_parents = takes_any(method) or bool(
            self.wanted and not is_named(self.wanted[0].name, DOUT)
        )
        self.pulls = _takes_nothing(kind, "forward")
        self.reads_one_child = False
        probe = leaf(np.full((2, 3), 0.5))
        self.value = value_name(probe, np.full((2, 3), 0.5)) or VALUES[0]
        held = [name for name in GRADIENTS if name in vars_of(probe)]
        usual = [name for name in GRADIENTS if name in self.used]
        self.gradient = next(iter([*(n for n in held if n in usual), *held, *usual]), "grad")

    def build(self, arrays: Arrays) -> tuple[Any, Any, Sequence[Any]]:
        """Make the parents, and the node of them."""
        parents = [self.leaf(array) for array in arrays.values()]
        for name, parent in zip(arrays, parents, strict=True):
            held = peek(parent, self.value)
            if isinstance(held, np.ndarray) and held.dtype == arrays[name].dtype:
                arrays[name] = held  # where it would be overwritten
            if not isinstance(parent, StandIn):
                quiet(parent, self.back)
        by_name = dict(zip(self.names, parents, strict=True)) if self.literals else {}
        node = self.kind(*([] if by_name else parents), **by_name, **self.literals)
        if self.pulls:
            node.forward()
        return self.value_of(node), node, parents

    def backward(self, made: Pass, dout: Array, left: Arrays) -> Arrays:
        """Put the gradient from above where the node looks for it, and go back."""
        node, parents = made.node, made.parents
        if self.keeps_by_parent(node):
            return self._by_parent(made, dout, bool(left))
        self.adds = True
        for name, parent in zip(self.names, parents, strict=True):
            there = left.get(name)
            zero = np.zeros(np.shape(peek(parent, self.value)))
            setattr(parent, self.gradient, zero if there is None else there.copy())
        setattr(node, self.gradient, np.array(dout))
        result = call(getattr(node, self.back), *self._given(parents, dout))
        found = {}
        for name, parent in zip(self.names, parents, strict=True):
            after = numbers_in(peek(parent, self.gradient))
            if after is not None:
                found[name] = after
        if result is not None and all(
            name in found and np.array_equal(found[name], left.get(name, 0.0 * found[name]))
            for name in self.names
        ):
            return self._returned(result, made)
        return found

    def value_of(self, node: Any) -> Any:
        """Return the numbers of a node: under its parents' name for them, or another."""
        found = (peek(node, name) for name in (self.value, *VALUES))
        return next((value for value in found if as_numbers(value) is not None), None)

    def keeps_by_parent(self, node: Any) -> bool:
        """Return whether a node keeps a dictionary of gradients, one for each parent."""
        return any(isinstance(peek(node, n), dict) and n in self.used for n in BY_PARENT)

    def _by_parent(self, made: Pass, dout: Array, has_two: bool) -> Arrays:
        """Go back where the children keep the gradients: one child, or two that share it."""
        node, parents = made.node, made.parents
        name = next(n for n in BY_PARENT if isinstance(peek(node, n), dict) and n in self.used)
        children = _children_of(node, self.used)
        shares = (SHARE, 1 - SHARE) if has_two and not self.reads_one_child else (1.0,)
        made_children = [types.SimpleNamespace(**{name: {node: s * dout}}) for s in shares]
        if children is not None:
            children[:] = made_children
        call(getattr(node, self.back))
        kept = peek(node, name)
        found = {}
        for parent_name, parent in zip(self.names, parents, strict=True):
            array = numbers_in(kept.get(parent)) if isinstance(kept, dict) else None
            if array is not None:
                found[parent_name] = array
        return found

    def _given(self, parents: list[Any], dout: Array) -> list[Any]:
        if self.takes_parents:
            return parents
        return [dout] if self.wanted else []

    def _returned(self, result: Any, made: Pass) -> Arrays:
        expected = {
            name: np.shape(peek(parent, self.value))
            for name, parent in zip(self.names, made.parents, strict=True)
        }
        self.adds = False
        return assigned(leaves(result, expected.values()), expected, None)

    def if_overwritten(self, exact: Array, left: Array) -> Array | None:
        """Return the gradient that a node seems to give that sets it where it must add."""
        return exact - left if self.adds else (1 - SHARE) * exact


class Made(Graph):
    """A node that was made by the user, with its parents, and computes in its own forward."""

    def __init__(self, node: Any, parents: Sequence[Any], back: str):
        kind = type(node)
        names = [a.name for a in arguments(vars_of_class(kind)["__init__"])[1:]]
        if len(names) != len(parents):
            names = [f"x{index}" for index in range(len(parents))]
        super().__init__(kind, names, StandIn, back, {})
        self.template = node
        array = numbers_in(parents[0])
        self.value = (None if array is None else value_name(parents[0], array)) or "value"

    def build(self, arrays: Arrays) -> tuple[Any, Any, Sequence[Any]]:
        """Put the numbers into the parents of a copy, and let it compute."""
        node = copy.deepcopy(self.template)
        parents = parents_of(node) or []
        for parent, array in zip(parents, arrays.values(), strict=True):
            setattr(parent, self.value, array)
        node.forward()
        return self.value_of(node), node, parents


class Called(Kind):
    """A function that is given nodes; its backward returns the gradients, or leaves them there."""

    def __init__(self, kind: type, names: list[str], leaf: Leaf, ahead: str = "__call__"):
        self.kind, self.names, self.leaf, self.ahead = kind, names, leaf, ahead
        held = vars_of(leaf(np.full((2, 3), 0.5)))
        self.gradient = next((name for name in GRADIENTS if name in held), None)

    def build(self, arrays: Arrays) -> tuple[Any, Any, Sequence[Any]]:
        """Make the nodes and the function, and call it with them."""
        parents = [self.leaf(array) for array in arrays.values()]
        function: Any = self.kind()
        out = getattr(function, self.ahead)(*parents)
        if isinstance(out, tuple | list) and len(out) == 1:
            out = out[0]
        # The function may hold its output weakly.
        return out, function, [*parents, out]

    def backward(self, made: Pass, dout: Array, left: Arrays) -> Arrays:
        """Give backward the gradient from above, as an array or as a node."""
        parents = dict(zip(self.names, made.parents, strict=False))
        expected = {n: np.asarray(numbers_in(parent)).shape for n, parent in parents.items()}
        if self.gradient is not None:
            for name, parent in parents.items():
                there = left.get(name)
                zero = np.zeros(expected[name])
                setattr(parent, self.gradient, zero if there is None else there.copy())
        try:
            result = call(made.node.backward, dout)
        except UserCodeError as error:
            try:
                result = call(made.node.backward, self.leaf(dout))
            except UserCodeError:
                raise error from None
        self.adds = result is None
        if not self.adds or self.gradient is None:
            return assigned(leaves(result, expected.values()), expected, None)
        after = {n: numbers_in(peek(parent, self.gradient)) for n, parent in parents.items()}
        return {name: array for name, array in after.items() if array is not None}


class Context:
    """In the place of a context that remembers arrays between forward and backward."""

    def __init__(self) -> None:
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *arrays: Any) -> None:
        """Remember some arrays."""
        self.saved_tensors = (*self.saved_tensors, *arrays)

    @property
    def saved_values(self) -> tuple[Any, ...]:
        """The arrays, by another name in use."""
        return self.saved_tensors

    saved_variables = saved_values
    needs_input_grad = (True,) * 9


class WithContext(Kind):
    """Two static methods, with a context between them."""

    def __init__(self, kind: type, names: list[str]):
        self.kind, self.names = kind, names
        own = vars_of_class(kind)
        self.ahead, self.back = unwrapped(own["forward"]), unwrapped(own["backward"])

    def build(self, arrays: Arrays) -> tuple[Any, Any, Sequence[Any]]:
        """Call forward with an empty context."""
        context, inputs = Context(), list(arrays.values())
        return self.ahead(context, *inputs), context, inputs

    def backward(self, made: Pass, dout: Array, left: Arrays) -> Arrays:
        """Call backward with the same context."""
        result = call(self.back, made.node, dout)
        expected = {n: np.shape(a) for n, a in zip(self.names, made.parents, strict=True)}
        return assigned(leaves(result, expected.values()), expected, None)


def quiet(parent: Any, back: str) -> None:
    """Let a parent have nothing behind it, so that going back ends there."""
    try:
        setattr(parent, back, lambda *given, **named: None)
    except Exception:
        return


def unwrapped(method: Any) -> Callable[..., Any]:
    """Return the function of a static or class method."""
    function: Callable[..., Any] = getattr(method, "__func__", method)
    return function


def vars_of(thing: Any) -> dict[str, Any]:
    """Return the attributes of an object, those of a stand-in being all in use."""
    if isinstance(thing, StandIn):
        return dict.fromkeys((*VALUES, *GRADIENTS))
    slots = {n: None for k in type(thing).__mro__ for n in getattr(k, "__slots__", ())}
    return {**slots, **getattr(thing, "__dict__", {})}


def vars_of_class(kind: type) -> dict[str, Any]:
    """Return what a class and its bases define, without what every object has."""
    found: dict[str, Any] = {}
    for each in reversed(kind.__mro__[:-1]):
        if each.__module__ not in ("abc", "typing", "builtins"):
            found |= vars(each)
    return found


def _takes_nothing(kind: type, name: str) -> bool:
    """Return whether a class has a method of this name that takes only the object."""
    method = vars_of_class(kind).get(name)
    return inspect.isfunction(method) and not _wanted(method)


def _wanted(method: Any) -> list[Argument]:
    """Return the arguments that a method must be given, without the object."""
    return [argument for argument in arguments(method)[1:] if argument.is_required]


def _children_of(node: Any, used: set[str]) -> list[Any] | None:
    for name, value in vars_of(node).items():
        if isinstance(value, list) and name in used and any(part in name for part in BELOW):
            return value
    return None


# ---- which classes are nodes


def applies(thing: Any, module: Mapping[str, Any]) -> bool:
    """Return whether something is a node of a graph, or a function that makes one."""
    if isinstance(thing, type):
        return next(kinds_of(thing, module, Request()), None) is not None
    if inspect.isfunction(thing):
        made = made_by(thing)
        return made is not None and parents_of(made) is not None
    return parents_of(thing) is not None


@functools.lru_cache(maxsize=8)
def made_by(function: Callable[..., Any]) -> Any:
    """Return what a function without arguments makes, or None; it is called once."""
    if required(function) or takes_any(function):
        return None
    try:
        return seeded(function)
    except UserCodeError:
        return None


def parents_of(node: Any) -> list[Any] | None:
    """Return the parents that a node was made of; None if something is no such node."""
    if isinstance(node, type | np.ndarray) or not hasattr(node, "__dict__"):
        return None
    if not any(callable(peek(node, name)) for name in BACKWARDS):
        return None
    for name, value in vars(node).items():
        if not isinstance(value, list | tuple) or not any(part in name for part in ABOVE):
            continue
        if value and all(_is_node(parent) for parent in value):
            return list(value)
    return None


def _is_node(thing: Any) -> bool:
    """Return whether something is an object that holds an array."""
    if isinstance(thing, np.ndarray) or type(thing).__module__ == "builtins":
        return False
    return isinstance(numbers_in(thing), np.ndarray)


def kinds_of(kind: type, module: Mapping[str, Any], request: Request) -> Iterator[Kind]:
    """Yield the ways in which a class may be a node."""
    own = vars_of_class(kind)
    forward, init = own.get("forward"), own.get("__init__")
    if forward is not None and "backward" in own:
        wanted = arguments(unwrapped(forward))
        if wanted and wanted[0].name in CONTEXTS:
            for names in _names(unwrapped(forward), request):
                yield WithContext(kind, names)
            return
        calling = own.get("__call__")
        if (
            calling is not None
            and not required(kind)
            and {"forward", *VALUES[:3]} & names_in(calling) > {"forward"}
        ):
            for leaf in leaf_makers((), module):
                if leaf is not StandIn:
                    for names in _names(unwrapped(forward), request):
                        yield Called(kind, names, leaf)
                    return
    if forward is not None and not required(kind):
        yield from _of_forward(kind, forward, module, request)
        return
    back = _back_of(kind)
    if request.backward and inspect.isfunction(own.get(request.backward)):
        back = request.backward
    if back is None or not inspect.isfunction(init) or not _is_graph(kind, init, own, back):
        return
    taken = {argument.name for argument in arguments(init)}
    literals = {n: v for n, v in request.arguments.items() if n in taken}
    for names in _names(init, request):
        told = dict(literals)
        unread = _unread(kind, names, told)
        if len(unread) == len(names):
            continue
        if unread and _unread(kind, names, told | dict.fromkeys(unread, A_NUMBER)) == unread:
            told |= dict.fromkeys(unread, A_NUMBER)
        names = [name for name in names if name not in told]
        for leaf in leaf_makers(kind.__mro__[1:-1], module):
            yield Graph(kind, names, leaf, back, told)
        return


def _of_forward(
    kind: type, forward: Any, module: Mapping[str, Any], request: Request
) -> Iterator[Kind]:
    """Yield the kind of nodes made of nothing, whose forward is given nodes."""
    if not inspect.isfunction(forward) or not names_in(forward) & set(VALUES):
        return
    for names in _names(forward, request):
        parents = [StandIn(np.full((3, 3), 0.5)) for _ in names]
        # It may raise because of the shape: what matters is whether it has looked.
        with contextlib.suppress(UserCodeError):
            call(call(kind).forward, *parents)
        if parents and any(parent.was_read for parent in parents):
            for leaf in leaf_makers(kind.__mro__[1:-1], module):
                yield Called(kind, names, leaf, "forward")
                return


def _back_of(kind: type) -> str | None:
    """Return the method that goes back, of the class that is nearest.

    A base class may have a ``backward`` that starts at ones and calls each node's own ``_back``.
    """
    for each in kind.__mro__[:-1]:
        found = [name for name in BACKWARDS if inspect.isfunction(vars(each).get(name))]
        if found:
            return max(found, key=lambda name: name.startswith("_"))
    return None


def _names(function: Callable[..., Any], request: Request) -> Iterator[list[str]]:
    """Yield what the parents are called; several numbers of them where any number is taken."""
    wanted = [a.name for a in arguments(function)[1:] if a.is_required]
    if wanted or not takes_any(function):
        yield [name for name in wanted if name not in request.arguments]
        return
    for count in range(1, LONGEST + 1):
        yield ["x"] if count == 1 else [f"x{index}" for index in range(count)]


def _is_graph(kind: type, init: Any, own: Mapping[str, Any], back: str) -> bool:
    """Return whether a class may be a node, to judge by its code alone."""
    if not (_wanted(init) or takes_any(init)):
        return False
    forward = own.get("forward")
    if forward is None or not inspect.isfunction(forward):
        return bool(names_in(init) & set(VALUES))
    return not _wanted(forward) and not _wanted(own[back]) and bool(names_in(forward) & set(VALUES))


def _unread(kind: type, names: Sequence[str], literals: Mapping[str, Any]) -> list[str]:
    """Return the arguments whose numbers a class does not read when it is made, and computes.

    All of them, where it raises with these literals before it has read any.
    """
    parents = {n: StandIn(np.full((3, 3), 0.5)) for n in names if n not in literals}
    order = arguments(vars_of_class(kind)["__init__"])[1:]
    given = {**parents, **literals}
    try:
        if takes_any(vars_of_class(kind)["__init__"]):
            node = call(kind, *parents.values(), **literals)
        else:
            node = call(kind, **{a.name: given[a.name] for a in order if a.name in given})
        if _takes_nothing(kind, "forward"):
            call(node.forward)
    except UserCodeError:
        if any(name in literals for name in names):
            return list(names)  # that was no number
    return [n for n in names if n in literals or not parents[n].was_read]


# ---- operations


class NodeSession(Session):
    """A node that is made anew in each forward."""

    def __init__(self, operation: NodeOperation, arrays: Arrays):
        self.operation, self.arrays = operation, dict(arrays)

    def forward(self) -> Array:
        """Make the node, and return its numbers."""
        self.made = self.operation.node.forward(self.arrays)
        return self.made.out

    def backward(self, dout: Array) -> Arrays:
        """Go back twice: with nothing in the parents' gradients, and with what others left."""
        operation, node = self.operation, self.operation.node
        clean = {n: np.array(g) for n, g in node.backward(self.made, dout, {}).items()}
        left = operation.left(dout)
        twin = node.forward({name: array.copy() for name, array in self.arrays.items()})
        found = {}
        for name, after in node.backward(twin, dout, left).items():
            if operation.gives is not None and name not in operation.gives:
                continue
            found[name] = contribution(
                clean.get(name, after), after, left[name] if node.adds else None
            )
        return found


def contribution(clean: Array, after: Array, left: Array | None) -> Array:
    """Return what a node has added; where it has set the gradient, what seems to be missing.

    What right code adds is taken from the run in which nothing was left, as it is exact there.
    """
    there = np.zeros(clean.shape) if left is None else left
    if after.shape != clean.shape or there.shape != clean.shape:
        return clean
    slack = 1e-9 * max(1.0, float(np.abs(np.nan_to_num(there)).max(initial=0)))
    scale = slack * (1 + float(np.abs(np.nan_to_num(clean)).max(initial=0)))
    if np.allclose(after, clean + there, rtol=1e-9, atol=scale, equal_nan=True):
        return clean
    return np.asarray(after - there)


class NodeOperation(DrawnOperation):
    """A node, with numbers for its parents.

    Attributes
    ----------
    node : Kind
    gives : set of str or None
        The parents that it gives a gradient; not known yet if None.
    """

    def __init__(self, node: Kind, draws: Mapping[str, Draw], seed: int, **fields: Any):
        super().__init__(draws, np.random.default_rng(seed), **fields)
        self.node = node
        self.gives: set[str] | None = None

    def open(self, arrays: Arrays, labels: Array | None = None) -> NodeSession:
        """Return a session with these numbers in the parents."""
        return NodeSession(self, arrays)

    def value(self, arrays: Arrays) -> Array:
        """Return the numbers of a node that is made of these."""
        return self.node.forward(dict(arrays)).out

    def node_out(self) -> Array:
        """Return the numbers of the node here."""
        return self.value({name: array.copy() for name, array in self.at.items()})

    def left(self, dout: Array) -> Arrays:
        """Return what another child has left in the gradients, of the size of what will come."""
        size = float(np.abs(dout).max(initial=0)) or 1.0
        return {
            name: size * np.random.default_rng(index).uniform(0.5, 1.5, array.shape)
            for index, (name, array) in enumerate(self.at.items())
        }

    def if_overwritten(self, name: str, exact: Array, dout: Array) -> Array | None:
        """Return the gradient that seems to come where the node sets what it must add to."""
        left = self.left(dout).get(name)
        return None if left is None else self.node.if_overwritten(exact, left)


def operations(code: Code, request: Request) -> Iterator[tuple[str, Operation]]:
    """Yield the ways in which a node may be run, the likeliest first.

    Raises
    ------
    UserCodeError
        If it is a node and runs in none; where it does so because two sizes differ, it is tried
        with as many examples as features, and handed on if it is wrong there.
    """
    thing: Any = made_by(code.thing) if inspect.isfunction(code.thing) else code.thing
    module, given = dict(code.module), None
    parents = None if isinstance(thing, type) else parents_of(thing)
    kinds: Iterator[Kind] = iter(())
    if parents is not None:
        given = [numbers_in(parent) for parent in parents]
        module |= {type(parent).__name__: type(parent) for parent in parents}
        back = _back_of(type(thing))
        if back is not None and _takes_nothing(type(thing), "forward"):
            kinds = iter([Made(thing, parents, back)])
        else:
            kinds = kinds_of(type(thing), module, request)
    elif isinstance(thing, type):
        kinds = kinds_of(thing, module, request)
    refused: UserCodeError | None = None
    for kind in kinds:
        found, error = _tried(kind, request, given)
        yield from (("", operation) for operation in found)
        if found:
            return
        refused = refused or error
    raise refused or UserCodeError(
        f"{code.target} is not finite at random numbers, nor at positive ones."
    )


def _tried(
    kind: Kind, request: Request, given: list[Array | None] | None
) -> tuple[list[Operation], UserCodeError | None]:
    """Return the ways to run nodes of a kind, and why the likeliest that does not run fails.

    The first shapes at which it runs are taken: at others, as a single column, what is wrong may
    be right by chance.
    """
    refused: UserCodeError | None = None
    is_stuck = False
    for draws in _draws(kind, request, given):
        try:
            out = NodeOperation(kind, draws, request.seed).node_out()
        except UserCodeError as error:
            refused = refused or error
            continue
        try:
            found = [
                operation
                for variant in _variants(draws, out)
                for operation in runs(NodeOperation(kind, variant, request.seed), request.seed)
            ]
        except UserCodeError as error:
            if is_stuck:
                continue
            is_stuck, refused = True, error
            found = _as_many_as_features(kind, draws, request, error)
            if not found and any(shapes.is_weight(n) or shapes.is_bias(n) for n in draws):
                break
        if found:
            return [*found, *_in_columns(kind, draws, found[0], request)][:MOST], None
    return [], refused


def _in_columns(
    kind: Kind, draws: Mapping[str, Draw], first: Operation, request: Request
) -> list[Operation]:
    """Return a loss of one column, where its gradients are in a column whatever it is given."""
    if not first.is_scalar or not is_matrix_pair(draws) or request.shapes:
        return []
    session = first.open({n: a.copy() for n, a in first.at.items()})
    found = session.backward(np.ones(session.forward().shape))
    if all(np.shape(found[n]) != first.at[n].shape for n in found):
        column = {n: Draw((d.shape[0], 1), d.kind, d.axis) for n, d in draws.items()}
        return runs(NodeOperation(kind, column, request.seed), request.seed)
    return []


def _draws(
    kind: Kind, request: Request, given: list[Array | None] | None
) -> Iterator[Mapping[str, Draw]]:
    """Yield how the parents may be drawn, by their names, or as those that there are."""
    if given is None:
        found = list(shapes.inputs(kind.names, State(None), request))
        if set(kind.names) in PAIRS:
            # Here b is no bias, but the other of two.
            found.sort(key=lambda draws: len({draw.shape for draw in draws.values()}) > 1)
        yield from found
        return
    if len(given) != len(kind.names):
        return
    arrays = [array for array in given if array is not None]
    across = -1 if request.columns else 0
    first = next((a.shape[across] for a in reversed(arrays) if a.ndim > 1), 0)
    if not request.columns:
        first = arrays[0].shape[0] if arrays[0].ndim > 1 else first
    yield {
        name: _like(array, across if array.ndim > 1 and array.shape[across] == first else None)
        for name, array in zip(kind.names, arrays, strict=True)
    }


def _like(array: Array, axis: int | None) -> Draw:
    """Return how a parent is drawn that was given: anew, or out of its rows if it is special."""
    if (array < 0).any() or array.dtype.kind != "f":
        return Draw(array.shape, axis=axis)
    return Draw(array.shape, "given", axis, given=array)


def _variants(draws: Mapping[str, Draw], out: Array) -> Iterator[Mapping[str, Draw]]:
    """Yield in which kinds of numbers a node is to be run.

    Ordinary ones, if it is finite there. A loss of two rows may be one of logits, or of
    probabilities, and rows that sum to one. Else positive ones, which a logarithm takes.
    """
    is_finite = bool(np.all(np.isfinite(out)))
    if is_finite:
        yield draws
    if any(draw.kind == "given" for draw in draws.values()):
        return
    names = list(draws)
    if out.size == 1 and len(names) == 2 and is_matrix_pair(draws):
        truth = next((n for n in names if is_label(n)), names[1])
        kinds: list[tuple[Kinds, Kinds]] = [("probabilities", "soft"), ("unit", "unit")]
        if is_finite:
            kinds.insert(0, ("normal", "soft"))
        if 1 in draws[truth].shape:  # a row of one number sums to one in one way
            kinds = kinds[-1:]
        for of_guess, of_truth in kinds:
            yield {n: d.of(of_truth if n == truth else of_guess) for n, d in draws.items()}
    elif not is_finite:
        yield {n: d.of("positive") for n, d in draws.items()}
        yield {n: d.of("unit") for n, d in draws.items()}


def is_matrix_pair(draws: Mapping[str, Draw]) -> bool:
    """Return whether two arrays are matrices of one shape."""
    return len({draw.shape for draw in draws.values()}) == 1 and all(
        len(draw.shape) == 2 for draw in draws.values()
    )


def runs(operation: NodeOperation, seed: int) -> list[Operation]:
    """Return an operation if it is finite; a second one, if it takes no gradient from above.

    Raises
    ------
    UserCodeError
        If forward or backward raises.
    """
    session = operation.open({n: a.copy() for n, a in operation.at.items()})
    out = session.forward().copy()
    if not np.all(np.isfinite(out)):
        return []
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal(out.shape), 2 + rng.standard_normal(out.shape)
    found = session.backward(first)
    operation.is_scalar = out.size == 1
    operation.kind = "loss" if operation.is_scalar else "layer"
    operation.gives = {n for n, g in found.items() if np.any(g)}
    operation.exempt = frozenset(
        n for n in operation.at if n not in operation.gives and is_label(n)
    )
    node = operation.node
    if isinstance(node, Graph) and _reads_one_child(node, operation, first):
        node.reads_one_child = True
        operation.remarks.append("backward reads its first child alone: with two, it is wrong")
        found = session.backward(first)
    again = operation.open({n: a.copy() for n, a in operation.at.items()})
    again.forward()
    other = again.backward(second)
    ignores = bool(operation.gives) and all(
        n in other and np.array_equal(found[n], other[n]) for n in operation.gives
    )
    if not (ignores and operation.is_scalar):
        return [operation]
    last = operation.moved_to(operation.at)
    last.takes_dout = False
    last.remarks = ["backward takes no gradient from above: it can only be the last node"]
    is_last = isinstance(node, Graph) and node.pulls
    return [last] if is_last else [operation, last]


def _reads_one_child(node: Graph, operation: NodeOperation, dout: Array) -> bool:
    """Return whether a node that has two children takes the gradient of the first alone."""
    made = node.forward({n: a.copy() for n, a in operation.at.items()})
    if not node.keeps_by_parent(made.node):
        return False
    clean = {n: np.array(g) for n, g in node.backward(made, dout, {}).items()}
    made = node.forward({n: a.copy() for n, a in operation.at.items()})
    two = node.backward(made, dout, operation.left(dout))
    return any(np.any(g) for g in clean.values()) and all(
        n in two and two[n].shape == g.shape and np.allclose(two[n], SHARE * g)
        for n, g in clean.items()
    )


def _as_many_as_features(
    kind: Kind, draws: Mapping[str, Draw], request: Request, refused: UserCodeError
) -> list[Operation]:
    """Return the operation with as many examples as features, if it runs and is wrong there.

    Raises
    ------
    UserCodeError
        What backward raises at other sizes, where it is right at this one.
    """
    first = next((draw for draw in draws.values() if draw.axis is not None), None)
    if first is None or len(first.shape) != 2:
        return []
    features = first.shape[1 if first.axis == 0 else 0]
    square = {name: draw.resized(features) for name, draw in draws.items()}
    try:
        found = runs(NodeOperation(kind, square, request.seed), request.seed)
        wrong = [operation for operation in found if not is_right(operation, request.seed)]
    except UserCodeError:
        return []
    if found and not wrong:
        raise refused
    for operation in wrong[:1]:
        operation.remarks.append(
            f"backward raises unless there are as many examples as features ({refused.raised}): "
            f"{features} were drawn"
        )
    return wrong[:1]


def is_right(operation: Operation, seed: int) -> bool:
    """Return whether an operation gives gradients, and all are right."""
    point = Point(operation, np.random.default_rng(seed))
    return bool(point.computed) and all(
        point.compare(name, RIGHT).passed for name in point.computed
    )
