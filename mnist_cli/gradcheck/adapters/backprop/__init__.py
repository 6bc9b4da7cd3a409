"""Whole networks that go back from the labels: what they return, leave or update is compared.

    net.feedforward(x)    net.backprop(x, y) -> (nabla_b, nabla_w)     one example, in a column
    net.forward(X)        net.backward(X, y, output) -> grads           a batch
    net.predict(X)        net.back_prop(y)                              left in the layers
    net.feedforward()     net.backprop()                                from self.x and self.y

The loss is ``cost(x, y)`` or ``cost(a, y)`` of the network, that of ``self.cost``, or a function of
the file. Where there is only ``cost_derivative(a, y)``, that is the gradient from above of the
output. Where nothing is written, the usual losses are tried, and the report says which was assumed.
"""

from mnist_cli.gradcheck.adapters.backprop.fitting import applies, operations
from mnist_cli.gradcheck.adapters.backprop.operation import NetworkOperation

__all__ = ["NetworkOperation", "applies", "operations"]
