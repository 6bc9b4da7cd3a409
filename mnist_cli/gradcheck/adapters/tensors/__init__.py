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

from mnist_cli.gradcheck.adapters.tensors.fitting import applies, is_step, operations
from mnist_cli.gradcheck.adapters.tensors.operation import TensorOperation

__all__ = ["TensorOperation", "applies", "is_step", "operations"]
