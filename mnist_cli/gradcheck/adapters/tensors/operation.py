"""A part of a class of arrays that remember, as an operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mnist_cli.gradcheck.adapters.drawn import DrawnOperation
from mnist_cli.gradcheck.adapters.nodes.adding import contribution, left_by_others
from mnist_cli.gradcheck.adapters.nodes.attributes import numbers_in, peek
from mnist_cli.gradcheck.adapters.tensors.classes import TensorClass
from mnist_cli.gradcheck.adapters.tensors.operators import Part
from mnist_cli.gradcheck.adapters.tensors.starts import Start, go_back
from mnist_cli.gradcheck.operation import Array, Arrays, Session, Upstream
from mnist_cli.gradcheck.point import copies
from mnist_cli.gradcheck.user_code import UserCodeError, call


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
        left = left_by_others(operation.at, dout)
        leaves, result = operation.made(copies(self.arrays))
        after = operation.gone_back(leaves, result, dout, left)
        return {n: contribution(clean[n], after[n], left[n]) for n in clean if n in after}


class TensorOperation(DrawnOperation):
    """One part of a class of arrays that remember.

    Parameters
    ----------
    tensors : TensorClass
    part : Part
    seed : int

    Attributes
    ----------
    tensors : TensorClass
    part : Part
    start : str
        How the gradient from above is handed in; see `Start`.
    adds : bool
        Whether leaves are run with what others have left in their gradients.
    is_refused : bool
        Whether backward raises, so that there are no gradients to compare.
    """

    def __init__(self, tensors: TensorClass, part: Part, seed: int):
        super().__init__(part.draws, np.random.default_rng(seed))
        self.tensors, self.part = tensors, part
        self.start: Start = "ones"
        self.adds = False
        self.is_refused = False

    def open(self, arrays: Arrays, labels: Array | None = None) -> TensorSession:
        """Return a session with these numbers in the leaves."""
        return TensorSession(self, arrays)

    def value(self, arrays: Arrays) -> Array:
        """Return the numbers of the result."""
        if self.tensors.refuses_complex and any(a.dtype.kind == "c" for a in arrays.values()):
            # Known beforehand: that they were asked again took a sixth of a report's time.
            raise UserCodeError(f"{self.tensors.kind.__name__} takes no complex numbers.")
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

    def if_overwritten(self, name: str, exact: Array, dout: Array) -> Array | None:
        """Return the gradient that seems to come where one is set that must be added to."""
        if self.part.is_twice and not self.adds:
            return exact / 2  # a*a and a+a, of which the second is kept
        return exact - left_by_others(self.at, dout)[name] if self.adds else None

    def upstreams(self, out: Array, rng: np.random.Generator) -> list[Upstream]:
        """Return the gradient from above: ones, where the class takes none."""
        if self.start == "ones":
            return [Upstream(np.ones(out.shape), "" if out.size == 1 else "of the sum")]
        return super().upstreams(out, rng)

    def once(self, dout: Array, left: Arrays | None = None) -> Arrays:
        """Make the leaves here, go back once, and return their gradients as they are left.

        Parameters
        ----------
        dout : array
        left : dict of array, optional
            What is in the leaves' gradients before.
        """
        leaves, result = self.made(copies(self.at))
        return self.gone_back(leaves, result, dout, left)

    def gone_back(
        self, leaves: Mapping[str, Any], result: Any, dout: Array, left: Arrays | None = None
    ) -> Arrays:
        """Go back from the result, and return the gradients of the leaves."""
        for name, array in (left or {}).items():
            for leaf, number in self._each(leaves[name], array):
                self.tensors.set_gradient(leaf, number.copy())
        for tensor, number in self._each(result, dout):
            go_back(self.tensors, tensor, number, self.start)
        found = {name: self._gradient(leaf) for name, leaf in leaves.items()}
        return {name: gradient for name, gradient in found.items() if gradient is not None}

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
