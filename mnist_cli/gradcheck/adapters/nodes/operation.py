"""A node as an operation: made anew in each forward, and gone back through twice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mnist_cli.gradcheck.adapters.drawing import Draw
from mnist_cli.gradcheck.adapters.drawn import DrawnOperation
from mnist_cli.gradcheck.adapters.nodes.adding import contribution, left_by_others
from mnist_cli.gradcheck.adapters.nodes.passes import Kind
from mnist_cli.gradcheck.operation import Array, Arrays, Session
from mnist_cli.gradcheck.point import copies


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
        left = left_by_others(operation.at, dout)
        twin = node.forward(copies(self.arrays))
        found = {}
        for name, after in node.backward(twin, dout, left).items():
            if operation.gives is not None and name not in operation.gives:
                continue
            found[name] = contribution(
                clean.get(name, after), after, left[name] if node.adds else None
            )
        return found


class NodeOperation(DrawnOperation):
    """A node, with numbers for its parents.

    Attributes
    ----------
    node : Kind
    gives : set of str or None
        The parents that it gives a gradient; not known yet if None.
    """

    def __init__(self, node: Kind, draws: Mapping[str, Draw], seed: int):
        super().__init__(draws, np.random.default_rng(seed))
        self.node = node
        self.gives: set[str] | None = None

    def open(self, arrays: Arrays, labels: Array | None = None) -> NodeSession:
        """Return a session with these numbers in the parents."""
        return NodeSession(self, arrays)

    def value(self, arrays: Arrays) -> Array:
        """Return the numbers of a node that is made of these."""
        return self.node.forward(dict(arrays)).out

    def if_overwritten(self, name: str, exact: Array, dout: Array) -> Array | None:
        """Return the gradient that seems to come where the node sets what it must add to."""
        left = left_by_others(self.at, dout).get(name)
        return None if left is None else self.node.if_overwritten(exact, left)
