"""Arrays that remember how they were made: checked operator by operator, method by method.

    class Tensor:
        def __mul__(self, other):
            out = Tensor(self.data * other.data, (self, other))
            def _backward():
                self.grad += out.grad * other.data
                other.grad += out.grad * self.data
            out._backward = _backward
            return out

        def backward(self): …                 or backward(grad); or of what stands in self.grad

    def relu(x): …                            a function that takes and gives such an array

Also of single numbers. Each operator and each method is a part of its own; ``a*a`` is one, too, in
which the gradient must add up.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from mnist_cli.gradcheck.adapters.drawing import BATCH, Draw
from mnist_cli.gradcheck.adapters.drawing import Kind as Kinds
from mnist_cli.gradcheck.adapters.nodes import (
    GRADIENTS,
    DrawnOperation,
    contribution,
    names_in,
    numbers_in,
    peek,
    value_name,
    vars_of,
    vars_of_class,
)
from mnist_cli.gradcheck.adapters.signature import Argument, arguments, takes_any
from mnist_cli.gradcheck.adapters.vocabulary import (
    BACKWARDS,
    CLEARING,
    DOUT,
    has_part,
    is_named,
    plain,
)
from mnist_cli.gradcheck.operation import Array, Arrays, Operation, Session, Upstream
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.user_code import UserCodeError, call, required

WIDTH, HIDDEN = 3, 2
"""The width of an array, and that of the second factor of a matrix product."""
OPERATORS: dict[str, tuple[str, Callable[..., Any]]] = {
    "__add__": ("a+b", lambda a, b: a + b),
    "__sub__": ("a-b", lambda a, b: a - b),
    "__mul__": ("a*b", lambda a, b: a * b),
    "__truediv__": ("a/b", lambda a, b: a / b),
    "__pow__": ("a**3", lambda a: a**3),
    "__neg__": ("-a", lambda a: -a),
    "__matmul__": ("a@b", lambda a, b: a @ b),
    "__abs__": ("abs(a)", lambda a: abs(a)),
    "__radd__": ("2+a", lambda a: 2.0 + a),
    "__rsub__": ("2-a", lambda a: 2.0 - a),
    "__rmul__": ("2*a", lambda a: 2.0 * a),
    "__rtruediv__": ("2/a", lambda a: 2.0 / a),
    "__rpow__": ("2**a", lambda a: 2.0**a),
    "__getitem__": ("a[..., 1:]", lambda a: a[..., 1:]),
}
"""Operators by their methods: how they are written, and what they do."""
ELEMENTWISE = ("__add__", "__sub__", "__mul__", "__truediv__")
"""The operators that also take a row for all rows."""
BINARY = {
    **dict.fromkeys(("add", "sub", "subtract", "mul", "multiply", "div", "divide"), False),
    **dict.fromkeys(("truediv", "maximum", "minimum"), False),
    **dict.fromkeys(("dot", "matmul", "mm"), True),
}
"""Methods of two arrays, and whether they are matrix products."""
OTHERS = {"other", "o", "y", "b", "that", "rhs", "right", "w", "weight", "x", "tensor"}
AXES = {"axis", "dim", "axes", "dims"}
SHAPES = {"shape", "newshape", "size", "newsize"}
ASKING = ("requiresgrad", "requiresgradient", "trainable", "autograd", "needsgrad", "requiregrad")
"""What a constructor calls the flag that asks for a gradient."""
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
STARTS = Literal["argument", "wrapped", "attribute", "root", "product", "ones"]
FOUND_OUT = 1e-9
"""By how much, at least, gradients differ that follow another gradient from above."""


def applies(thing: Any, module: Mapping[str, Any]) -> bool:
    """Return whether something is a class of arrays that remember, or a function of such arrays."""
    if isinstance(thing, type):
        return is_tensor(thing)
    if inspect.isfunction(thing):
        if not required(thing) or not any(is_tensor(kind) for kind in _classes(thing, module)):
            return False
        return next(of_function(Code("", thing, None, dict(module)), Request()), None) is not None
    return False


def _classes(thing: Any, module: Mapping[str, Any]) -> list[type]:
    """Return the classes that a function sees, those of its own file first."""
    names = {**module, **getattr(inspect.unwrap(thing), "__globals__", {})}
    return [value for value in names.values() if isinstance(value, type)]


def is_tensor(kind: type) -> bool:
    """Return whether a class is one of arrays that remember how they were made."""
    if kind.__module__ in ("builtins", "numpy") or issubclass(kind, np.ndarray):
        return False
    own = vars_of_class(kind)
    if not any(callable(own.get(name)) for name in BACKWARDS):
        return False
    if "forward" in own and "__mul__" not in own:
        return False
    operators = [name for name in OPERATORS if name in own and name != "__getitem__"]
    methods = [name for name in (*BINARY, "relu", "sum", "exp") if name in own]
    return (len(operators) >= 1 or len(methods) >= 2) and required(kind) == 1


# ---- a class of such arrays


class TensorClass:
    """How arrays of a class are made, and where they have their numbers and their gradient.

    Attributes
    ----------
    kind : type
    value, gradient : str
        Attributes.
    is_scalar : bool
        Whether it is one of single numbers.
    back : str
        The method that goes back.
    takes_dout : Argument or None
        The argument in which that takes a gradient from above, if it takes one.

    Raises
    ------
    UserCodeError
        If no array of it can be made.
    """

    def __init__(self, kind: type):
        self.kind = kind
        own = vars_of_class(kind)
        self.back = next(name for name in BACKWARDS if callable(own.get(name)))
        self.base = next(
            each
            for each in reversed(kind.__mro__[:-1])
            if set(vars(each)) & {*OPERATORS, self.back}
        )
        taken = [argument.name for argument in arguments(kind)]
        self.keywords: dict[str, Any] = {n: True for n in taken if plain(n) in ASKING}
        self.is_scalar = False
        array = np.full((2, 3), 0.5)
        try:
            made: Any = call(self.made, array)
            self.value = value_name(made, array)
        except UserCodeError:
            self.value = None
        if self.value is None:
            self.is_scalar, array = True, np.asarray(0.5)
            made = call(self.made, array)
            self.value = value_name(made, array)
        held_numbers = peek(made, self.value or "")
        if not self.is_scalar and np.asarray(held_numbers).dtype != np.float64 and "dtype" in taken:
            self.keywords["dtype"] = np.float64
            made = call(self.made, array)
        if self.value is None:
            raise UserCodeError(
                f"{kind.__name__} is made of an array and does not hold it in .data or .value."
            )
        held = vars_of(made)
        self.gradient = next((n for n in GRADIENTS if n in held or hasattr(kind, n)), "grad")
        first = peek(made, self.gradient)
        self.wraps_gradient = isinstance(first, self.base)
        self.starts_with = first
        if isinstance(first, int | float) and not _knows_arrays(own):
            self.is_scalar = True
        usable = [a for a in arguments(own[self.back])[1:] if not isinstance(a.default, bool)]
        self.takes_dout = next(
            (
                argument
                for argument in usable
                if is_named(argument.name, DOUT)
                or argument.is_required
                or argument.default is None
                or isinstance(argument.default, int | float)
            ),
            None,
        )

    def made(self, array: Array) -> Any:
        """Return a leaf with these numbers, which asks for a gradient."""
        return self.kind(self._given(array), **self.keywords)

    def constant(self, array: Array) -> Any:
        """Return a leaf with these numbers, which asks for none."""
        return self.kind(self._given(array))

    def _given(self, array: Array) -> Any:
        if not self.is_scalar:
            return array
        number = array[()]
        return complex(number) if np.iscomplexobj(number) else float(number)

    def holds(self, tensor: Any) -> bool:
        """Return whether something is an array of this class."""
        return isinstance(tensor, self.base)

    def numbers(self, tensor: Any) -> Array:
        """Return the numbers of a tensor.

        Raises
        ------
        UserCodeError
            If it is none.
        """
        array = numbers_in(peek(tensor, self.value or "data")) if self.holds(tensor) else None
        if array is None:
            raise UserCodeError(
                f"It gives {type(tensor).__name__}, where a {self.kind.__name__} with numbers is "
                "expected."
            )
        return array

    def set_gradient(self, tensor: Any, array: Array) -> None:
        """Put a gradient there."""
        value: Any = self._given(array) if self.is_scalar else array
        given = call(self.constant, array) if self.wraps_gradient else value
        call(setattr, tensor, self.gradient, given)


def _knows_arrays(own: Mapping[str, Any]) -> bool:
    """Return whether the methods of a class have anything to do with arrays."""
    words = {"np", "numpy", "xp", "shape", "ndim", "dot", "cp"}
    if "__matmul__" in own:
        return True
    return any(names_in(method) & words for method in own.values() if inspect.isfunction(method))


# ---- its parts


@dataclass(frozen=True)
class Part:
    """An operator, a method, or a function of such arrays.

    Attributes
    ----------
    label : str
    function : callable
        Of leaves.
    draws : dict of Draw
        How the numbers of each leaf are drawn.
    is_broadcast : bool
        Whether the second is one row for all, which some classes do not take.
    """

    label: str
    function: Callable[..., Any]
    draws: Mapping[str, Draw] = field(default_factory=dict)
    is_broadcast: bool = False


def parts(tensors: TensorClass, request: Request) -> Iterator[Part]:
    """Yield what there is to check of a class, with a shape for each."""
    own = vars_of_class(tensors.kind)
    a = one(tensors, request)
    two = {"a": a, "b": replace(a)}
    for name, (label, operator) in OPERATORS.items():
        if name not in own or (tensors.is_scalar and name in ("__getitem__", "__matmul__")):
            continue
        count = len(inspect.signature(operator).parameters)
        if count == 1:
            yield Part(label, operator, {"a": a})
        elif name == "__matmul__":
            yield Part(label, operator, {"a": a, "b": factor(a)})
        else:
            yield Part(label, operator, two)
            if name in ("__mul__", "__add__"):
                yield Part(label.replace("b", "a"), _of_one(operator), {"a": a})
            if name in ELEMENTWISE and len(a.shape) == 2 and not tensors.is_scalar:
                row = Draw(a.shape[1:], axis=None)
                yield Part(f"{label}, b a row", operator, {"a": a, "b": row}, is_broadcast=True)
    for name in methods(tensors.kind, own):
        yield from of_method(name, tensors, a)


def one(tensors: TensorClass, request: Request) -> Draw:
    """Return how the first array is drawn."""
    if tensors.is_scalar:
        return Draw((BATCH, 1))
    shape = request.shapes.get("") or request.shapes.get("a") or (BATCH, WIDTH)
    return Draw(tuple(shape), axis=0 if len(shape) > 1 else None)


def factor(a: Draw) -> Draw:
    """Return how the second factor of a matrix product is drawn."""
    width = a.shape[-1]
    return Draw((*a.shape[:-2], width, HIDDEN), axis=None)


def _of_one(operator: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a: operator(a, a)


def methods(kind: type, own: Mapping[str, Any]) -> list[str]:
    """Return the methods of a class that may give a new array, by their names."""
    found = []
    for name, method in own.items():
        if name.startswith("_") or name.endswith("_") or name in (*BACKWARDS, *CLEARING):
            continue
        if any(name == word or name.startswith(f"{word}_") for word in NO_DERIVATIVE):
            continue
        if isinstance(method, property) and name == "T":
            found.append(name)
        if isinstance(method, staticmethod | classmethod | property) or not callable(
            getattr(kind, name, None)
        ):
            continue
        if name.startswith(("zero", "ones", "rand")):
            continue
        found.append(name)
    return found


def of_method(name: str, tensors: TensorClass, a: Draw) -> Iterator[Part]:
    """Yield the parts of a method: as it is, and along an axis where it takes one."""
    if name == "T":
        yield Part("a.T", lambda a: a.T, {"a": a})
        return
    method = getattr(tensors.kind, name)
    wanted = arguments(method)
    # The signature of a partialmethod tells nothing.
    is_partial = isinstance(vars_of_class(tensors.kind)[name], functools.partialmethod)
    wanted = [] if is_partial else wanted[1:]
    if name in BINARY and (is_partial or len([x for x in wanted if x.is_required]) == 1):
        b = factor(a) if BINARY[name] else replace(a)
        if not (tensors.is_scalar and BINARY[name]):
            yield Part(f"a.{name}(b)", _calling(name), {"a": a, "b": b})
            if not BINARY[name] and name in ("mul", "multiply", "add"):
                yield Part(f"a.{name}(a)", _of_one(_calling(name)), {"a": a})
        return
    if takes_any(method) and not is_partial and name in ("transpose", "permute"):
        wanted = []
    required_ones = [x for x in wanted if x.is_required]
    if len(required_ones) == 1 and has_part(required_ones[0].name, INDICES):
        yield Part(f"a.{name}({required_ones[0].name})", _indexing(name, tensors), {"a": a})
        return
    along = next((x for x in wanted if x.name in AXES), None)
    given = _given_to(wanted, a)
    if given is None:
        yield Part(f"a.{name}(…)", _calling(name), {})
        return
    told = "".join(f"{value}, " for value in given).removesuffix(", ")
    yield Part(f"a.{name}({told})", _calling(name, *given), {"a": a})
    if along is not None and len(a.shape) == 2 and not tensors.is_scalar:
        keeps = {x.name: True for x in wanted if x.name in ("keepdims", "keepdim")}
        for which, named in ((0, {}), (1, keeps)):
            if along.is_required and which == given[0]:
                continue
            more = "".join(f", {key}={value}" for key, value in named.items())
            label = f"a.{name}({along.name}={which}{more})"
            yield Part(label, _calling(name, **{along.name: which}, **named), {"a": a})


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


# ---- how a gradient from above is handed in


class TensorSession(Session):
    """Leaves with some numbers, and what a part makes of them."""

    def __init__(self, operation: TensorOperation, arrays: Arrays):
        self.operation, self.arrays = operation, dict(arrays)

    def forward(self) -> Array:
        """Make the leaves, and the result."""
        self.leaves, self.result = self.operation.made(self.arrays)
        out = self.operation.numbers(self.result)
        for name, leaf in self.leaves.items():
            held, given = self.operation.numbers(leaf), self.arrays[name]
            if (held.dtype, held.shape) == (given.dtype, given.shape):
                self.arrays[name] = held  # where it would be overwritten
        return out

    def backward(self, dout: Array) -> Arrays:
        """Go back, and return what the leaves have; where the class adds, with what was left."""
        operation = self.operation
        if operation.is_refused:
            return {}
        clean = operation.gone_back(self.leaves, self.result, dout)
        self.leaves, self.result = operation.made(self.arrays)  # some free the graph behind them
        if not operation.adds:
            return clean
        left = operation.left(dout)
        leaves, result = operation.made({n: a.copy() for n, a in self.arrays.items()})
        after = operation.gone_back(leaves, result, dout, left)
        return {n: contribution(clean[n], after[n], left[n]) for n in clean if n in after}


class TensorOperation(DrawnOperation):
    """One part of a class of arrays that remember.

    Attributes
    ----------
    tensors : TensorClass
    part : Part
    start : str
        How the gradient from above is handed in: as the ``argument`` of backward, ``wrapped`` in
        the class; put into the ``attribute`` of the result; by a ``root`` put behind the result,
        which hands it on; by the class's own ``product`` with it, and sum; ``ones`` if not at all.
    adds : bool
        Whether leaves are run with what others have left in their gradients.
    is_refused : bool
        Whether backward raises, so that there are no gradients to compare.
    """

    def __init__(self, tensors: TensorClass, part: Part, seed: int):
        super().__init__(part.draws, np.random.default_rng(seed))
        self.tensors, self.part = tensors, part
        self.start: STARTS = "ones"
        self.adds = False
        self.is_refused = False

    def open(self, arrays: Arrays, labels: Array | None = None) -> TensorSession:
        """Return a session with these numbers in the leaves."""
        return TensorSession(self, arrays)

    def value(self, arrays: Arrays) -> Array:
        """Return the numbers of the result."""
        return self.numbers(self.made(arrays)[1])

    def made(self, arrays: Arrays) -> tuple[dict[str, Any], Any]:
        """Return the leaves, and the result; lists of them, of single numbers."""
        found: tuple[dict[str, Any], Any] = call(self._made, arrays)
        return found

    def _made(self, arrays: Arrays) -> tuple[dict[str, Any], Any]:
        # In one guarded call, as it is made thousands of times.
        make, function = self.tensors.made, self.part.function
        if self.tensors.is_scalar:
            many = {n: [make(np.asarray(x)) for x in a.ravel()] for n, a in arrays.items()}
            return many, [function(*each) for each in zip(*many.values(), strict=True)]
        leaves = {name: make(array) for name, array in arrays.items()}
        return leaves, function(*leaves.values())

    def numbers(self, result: Any) -> Array:
        """Return the numbers of a leaf or a result, or of a list of them."""
        if self.tensors.is_scalar:
            each = [self.tensors.numbers(tensor) for tensor in result]
            return np.array(each).reshape(-1, 1)
        return self.tensors.numbers(result)

    def left(self, dout: Array) -> Arrays:
        """Return what another use of the leaves has left in their gradients."""
        size = float(np.abs(dout).max(initial=0)) or 1.0
        return {
            name: size * np.random.default_rng(index).uniform(0.5, 1.5, array.shape)
            for index, (name, array) in enumerate(self.at.items())
        }

    def if_overwritten(self, name: str, exact: Array, dout: Array) -> Array | None:
        """Return the gradient that seems to come where one is set that must be added to."""
        if len(self.at) == 1 and self.part.label.count("a") > 1 and not self.adds:
            return exact / 2  # a*a and a+a, of which the second is kept
        return exact - self.left(dout)[name] if self.adds else None

    def upstreams(self, out: Array, rng: np.random.Generator) -> list[Upstream]:
        """Return the gradient from above: ones, where the class takes none."""
        if self.start == "ones":
            return [Upstream(np.ones(out.shape), "" if out.size == 1 else "of the sum")]
        return super().upstreams(out, rng)

    def gone_back(
        self, leaves: Mapping[str, Any], result: Any, dout: Array, left: Arrays | None = None
    ) -> Arrays:
        """Go back from the result, and return the gradients of the leaves."""
        for name, array in (left or {}).items():
            for leaf, number in self._each(leaves[name], array):
                self.tensors.set_gradient(leaf, number.copy())
        for tensor, number in self._each(result, dout):
            start_back(self.tensors, tensor, number, self.start)
        found = {}
        for name, leaf in leaves.items():
            gradient = self._gradient(leaf)
            if gradient is not None:
                found[name] = gradient
        return found

    def _each(self, tensor: Any, array: Array) -> list[tuple[Any, Array]]:
        """Return tensors with what belongs to each; of single numbers, many."""
        if self.tensors.is_scalar:
            return list(zip(tensor, map(np.asarray, array.ravel()), strict=True))
        return [(tensor, array)]

    def _gradient(self, leaf: Any) -> Array | None:
        """Return the gradient that leaves have, or None if they have none."""
        name = self.tensors.gradient
        if not self.tensors.is_scalar:
            gradient = numbers_in(peek(leaf, name))
            return None if gradient is None else np.array(gradient)
        each = [numbers_in(peek(tensor, name)) for tensor in leaf]
        known = [gradient for gradient in each if gradient is not None]
        return np.array(known, np.float64).reshape(-1, 1) if len(known) == len(each) else None


def start_back(tensors: TensorClass, result: Any, dout: Array, start: STARTS) -> None:
    """Hand a gradient from above in, and go back."""
    back = tensors.back
    if start in ("argument", "wrapped"):
        given = call(tensors.constant, dout) if start == "wrapped" else dout
        call(getattr(result, back), float(dout) if tensors.is_scalar else given)
    elif start == "attribute":
        tensors.set_gradient(result, dout.copy())
        call(getattr(result, back))
    elif start == "root":
        call(getattr(root_behind(tensors, result, dout), back))
    elif start == "product":
        scaled = call(lambda: result * tensors.constant(dout))
        call(getattr(call(scaled.sum) if hasattr(scaled, "sum") else scaled, back))
    else:
        call(getattr(result, back))


def root_behind(tensors: TensorClass, result: Any, dout: Array) -> Any:
    """Return a tensor of which the result is the one parent, and which hands ``dout`` to it.

    So the class's own backward runs through its own graph, with any gradient from above.
    """
    root = copy.copy(result)
    held = vars_of(result)
    parents = next(
        (
            n
            for n, v in held.items()
            if isinstance(v, list | tuple | set | frozenset)
            and v
            and all(tensors.holds(parent) for parent in v)
        ),
        None,
    )
    step = next(
        (
            n
            for n, v in held.items()
            if callable(v)
            and not isinstance(v, type)
            and (
                plain(n) in ("backward", "back", "bwd", "gradfn", "backwardfn", "backpropagate")
                or "backward" in n
            )
        ),
        None,
    )
    if parents is None or step is None or step == tensors.back:
        raise UserCodeError("its graph is kept in another way")

    def hand_on(*given: Any, **named: Any) -> None:
        there = peek(result, tensors.gradient)
        value = tensors._given(dout) if tensors.is_scalar else dout
        setattr(result, tensors.gradient, value if there is None else there + value)

    setattr(root, parents, type(held[parents])([result]))
    setattr(root, step, hand_on)
    return root


def find_start(operation: TensorOperation, seed: int) -> None:
    """Find out how a gradient from above can be handed in so that it is followed.

    Raises
    ------
    UserCodeError
        What backward raises, where none of the ways runs.
    """
    tensors = operation.tensors
    ways: list[STARTS] = ["attribute", "root", "product"]
    if tensors.takes_dout is not None:
        ways = ["wrapped", "argument"] if tensors.wraps_gradient else ["argument", "wrapped"]
        ways.append("attribute")
    out = np.asarray(operation.value(operation.at))
    rng = np.random.default_rng(seed)
    dout, refused = rng.standard_normal(out.shape), None
    for way in ways:
        operation.start = way
        try:
            one_way = _once(operation, dout)
            other = _once(operation, -3 * dout)
        except UserCodeError as error:
            refused = refused or error
            continue
        if _follows(one_way, other, dout):
            return
    operation.start = "ones"
    try:
        _once(operation, np.ones(out.shape))
    except UserCodeError:
        raise refused or UserCodeError("backward cannot be called") from None


def _follows(one_way: Arrays, other: Arrays, dout: Array) -> bool:
    """Return whether gradients follow the one from above; however, even if wrongly."""
    noise = FOUND_OUT * float(np.abs(dout).max(initial=0))
    return any(
        name not in other
        or other[name].shape != gradient.shape
        or float(np.abs(other[name] - gradient).max(initial=0)) > noise
        for name, gradient in one_way.items()
    )


def same_start(found: Sequence[TensorOperation]) -> None:
    """Hand the gradient from above in everywhere as it works somewhere in the class.

    Where a method ignores it, that is a mistake, and no property of the class.
    """
    start = next((o.start for o in found if o.start != "ones" and not o.is_refused), None)
    for operation in found:
        if start is None or operation.is_refused or operation.start != "ones":
            continue
        operation.start = start
        try:
            _once(operation, np.ones(np.shape(operation.value(operation.at))))
        except UserCodeError:
            operation.start = "ones"
        operation.takes_dout = operation.start != "ones"


def _once(operation: TensorOperation, dout: Array, left: Arrays | None = None) -> Arrays:
    leaves, result = operation.made({n: a.copy() for n, a in operation.at.items()})
    return operation.gone_back(leaves, result, dout, left)


# ---- operations


def operations(code: Code, request: Request) -> Iterator[tuple[str, Operation]]:
    """Yield an operation for each operator and method of a class, with its label.

    What raises on plain use is left out, and the first operation says so in a remark. Where
    forward runs and backward raises, the operation gives no gradients, and says why.

    Raises
    ------
    UserCodeError
        If no array of the class can be made, or if nothing of it runs.
    """
    if inspect.isfunction(code.thing):
        yield from of_function(code, request)
        return
    tensors = TensorClass(code.thing)
    found: list[TensorOperation] = []
    left_out: list[str] = []
    unknown: list[str] = []
    refused: UserCodeError | None = None
    for part in parts(tensors, request):
        if not part.draws:
            unknown.append(part.label)
            continue
        try:
            operation = fitted(tensors, part, request.seed)
        except UserCodeError as error:
            refused = refused or error
            left_out.append(part.label)
            continue
        if operation is not None:
            found.append(operation)
    found = _with_broadcasting(found, left_out)
    if not found:
        raise refused or UserCodeError(
            f"{code.target} has no operator and no method that gives a new {code.thing.__name__}."
        )
    same_start(found)
    note_adding(found, request.seed)
    if left_out:
        found[0].remarks.append(f"not checked, as it raises on plain use: {', '.join(left_out)}")
    if unknown:
        found[0].remarks.append(
            f"not checked, as what they are to be given is not known: {', '.join(unknown)}"
        )
    yield from ((operation.part.label, operation) for operation in found)


def of_function(code: Code, request: Request) -> Iterator[tuple[str, Operation]]:
    """Yield the operation of a function that takes such arrays, and gives one."""
    wanted = [argument.name for argument in arguments(code.thing) if argument.is_required]
    wanted = [name for name in wanted if name not in request.arguments]
    known = {a.name for a in arguments(code.thing)}
    literals = {n: v for n, v in request.arguments.items() if n in known}
    for kind in _classes(code.thing, code.module):
        if not is_tensor(kind):
            continue
        tensors = TensorClass(kind)

        def function(*leaves: Any) -> Any:
            return code.thing(**dict(zip(wanted, leaves, strict=True)), **literals)

        for draws in _of_arguments(wanted, tensors, request):
            try:
                operation = fitted(tensors, Part("", function, draws), request.seed)
            except UserCodeError:
                continue
            if operation is not None:
                note_adding([operation], request.seed)
                yield "", operation
                return


def _of_arguments(
    names: Sequence[str], tensors: TensorClass, request: Request
) -> Iterator[Mapping[str, Draw]]:
    from mnist_cli.gradcheck.adapters import shapes
    from mnist_cli.gradcheck.adapters.state import State

    if tensors.is_scalar:
        yield dict.fromkeys(names, Draw((BATCH, 1)))
        return
    for draws in shapes.inputs(names, State(None), request):
        if request.shapes or all(1 not in draw.shape for draw in draws.values()):
            yield draws


def fitted(tensors: TensorClass, part: Part, seed: int) -> TensorOperation | None:
    """Return the operation of a part, at numbers where it is finite; None if it is no operation.

    Raises
    ------
    UserCodeError
        If forward raises.
    """
    kinds: tuple[Kinds, ...] = ("normal", "positive", "unit")
    for kind in kinds:
        draws = {n: d.of(kind) for n, d in part.draws.items()}
        operation = TensorOperation(tensors, replace(part, draws=draws), seed)
        leaves, result = operation.made({n: a.copy() for n, a in operation.at.items()})
        first = result[0] if tensors.is_scalar else result
        made = [leaf[0] if tensors.is_scalar else leaf for leaf in leaves.values()]
        if not tensors.holds(first) or any(first is leaf for leaf in made):
            return None
        out = operation.numbers(result)
        if np.all(np.isfinite(out)) and out.dtype.kind == "f":
            break
    else:
        return None
    operation.is_scalar = out.size == 1
    if not _is_function_of(operation):
        return None
    try:
        find_start(operation, seed)
    except UserCodeError as error:
        operation.remarks.append(f"backward raises: {error.raised}")
        operation.is_refused = True
    operation.takes_dout = operation.start != "ones"
    return operation


def _is_function_of(operation: TensorOperation) -> bool:
    """Return whether the result moves with a leaf, as that of ``ones_like()`` does not."""
    before = operation.value(operation.at)
    moved = {n: 1.25 * a + 0.125 for n, a in operation.at.items()}
    return not np.array_equal(before, operation.value(moved))


def _with_broadcasting(found: list[TensorOperation], left_out: list[str]) -> list[TensorOperation]:
    """Return the operations, without those of broadcasting where the class has no idea of it.

    If a row for all rows has a gradient of its own shape in one operator, it must in all. If it
    has in none, broadcasting is not offered; that forward takes it is NumPy's doing.
    """
    rows = [operation for operation in found if operation.part.is_broadcast]
    fits = [operation for operation in rows if _has_right_shapes(operation)]
    left_out[:] = [label for label in left_out if not label.endswith(", b a row")]
    if fits:
        return found
    kept = [operation for operation in found if not operation.part.is_broadcast]
    if rows and kept:
        kept[0].remarks.append(
            "broadcasting is not checked, as no operator sums the gradient over what it repeated"
        )
    return kept


def _has_right_shapes(operation: TensorOperation) -> bool:
    if operation.is_refused:
        return False
    out = np.asarray(operation.value(operation.at))
    found = _once(operation, np.ones(out.shape))
    return all(n in found and found[n].shape == a.shape for n, a in operation.at.items())


def note_adding(found: Sequence[TensorOperation], seed: int) -> None:
    """Note which operations are to be run with something left in the gradients of their leaves.

    If one operation adds to it, all must; a class in which none does clears gradients itself, or
    sets them in ``a*a``, too, where that is seen.
    """
    rng = np.random.default_rng(seed)
    fitting = []
    for operation in found:
        if operation.is_refused:
            continue
        dout = rng.standard_normal(np.shape(operation.value(operation.at)))
        if operation.start == "ones":
            dout = np.ones(dout.shape)
        left = operation.left(dout)
        try:
            clean, after = _once(operation, dout), _once(operation, dout, left)
        except UserCodeError:
            continue
        fitting.append(operation)
        operation.adds = bool(clean) and all(
            n in after and after[n].shape == g.shape and np.allclose(after[n], g + left[n])
            for n, g in clean.items()
            if g.shape == left[n].shape
        )
    if any(operation.adds for operation in fitting):
        for operation in fitting:
            is_twice = len(operation.at) == 1 and operation.part.label in ("a*a", "a+a")
            operation.adds = operation.adds or not is_twice
