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

from mnist_cli.gradcheck.adapters.nodes.fitting import applies, operations
from mnist_cli.gradcheck.adapters.nodes.operation import NodeOperation

__all__ = ["NodeOperation", "applies", "operations"]
