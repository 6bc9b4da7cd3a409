"""Nodes of a graph that add to the gradients of their parents, and a tensor with operators."""

import numpy as np


class NetNode:
    """Holds data and a gradient, and knows its parents."""

    def __init__(self, data, *parents):
        self.data = np.asarray(data, dtype=float)
        self.g = np.zeros_like(self.data)
        self.parents = parents

    def _back(self, *parents):
        for parent in self.parents:
            if parent.parents:
                parent._back(*parent.parents)


class Product(NetNode):
    def __init__(self, a, b):
        super().__init__(a.data * b.data, a, b)

    def _back(self, a, b):
        a.g += self.g * b.data
        b.g += self.g * a.data


class ProductOverwriting(Product):
    def _back(self, a, b):
        a.g = self.g * b.data
        b.g = self.g * a.data


class ProductOwn(Product):
    """Everyone gets his own value."""

    def _back(self, a, b):
        a.g += self.g * a.data
        b.g += self.g * b.data


class MatMul(NetNode):
    def __init__(self, x, w):
        super().__init__(x.data @ w.data, x, w)

    def _back(self, x, w):
        x.g += self.g @ w.data.T
        w.g += x.data.T @ self.g


class MatMulOverwriting(MatMul):
    def _back(self, x, w):
        x.g += self.g @ w.data.T
        w.g = x.data.T @ self.g


class RowMean(NetNode):
    def __init__(self, x):
        super().__init__(x.data.mean(axis=1, keepdims=True), x)

    def _back(self, x):
        x.g += self.g * np.ones_like(x.data) / x.data.shape[1]


class RowMeanSum(RowMean):
    def _back(self, x):
        x.g += self.g * np.ones_like(x.data)


class Sigmoid(NetNode):
    def __init__(self, x):
        super().__init__(1 / (1 + np.exp(-x.data)), x)

    def _back(self, x):
        x.g += self.g * self.data * (1 - self.data)


class SigmoidDoutTwice(Sigmoid):
    def _back(self, x):
        x.g += self.g * self.data * (1 - self.data) * self.g


class Cube:
    """A layer with a node inside, whose gradient is never cleared."""

    def forward(self, x):
        if not hasattr(self, "node") or self.node.data.shape != x.shape:
            self.node = NetNode(x)
        self.node.data = x
        return x**3

    def backward(self, dout):
        self.node.g += dout * self.node.data**2
        return self.node.g.copy()


class CubeRight(Cube):
    """Only what is never cleared is wrong with it."""

    def backward(self, dout):
        self.node.g += 3 * dout * self.node.data**2
        return self.node.g.copy()


def unbroadcast(grad, shape):
    while grad.ndim > len(shape):
        grad = grad.sum(axis=0)
    for axis, n in enumerate(shape):
        if n == 1:
            grad = grad.sum(axis=axis, keepdims=True)
    return grad


class Tensor:
    """An array that remembers how it was made."""

    def __init__(self, data, children=()):
        self.data = np.array(data, dtype=float)
        self.grad = np.zeros_like(self.data)
        self._children = children
        self._backward = lambda: None

    def _wrap(self, other):
        return other if isinstance(other, Tensor) else type(self)(other)

    def __add__(self, other):
        other = self._wrap(other)
        out = type(self)(self.data + other.data, (self, other))

        def _backward():
            self.grad += unbroadcast(out.grad, self.data.shape)
            other.grad += unbroadcast(out.grad, other.data.shape)

        out._backward = _backward
        return out

    def __mul__(self, other):
        other = self._wrap(other)
        out = type(self)(self.data * other.data, (self, other))

        def _backward():
            self.grad += unbroadcast(out.grad * other.data, self.data.shape)
            other.grad += unbroadcast(out.grad * self.data, other.data.shape)

        out._backward = _backward
        return out

    def __matmul__(self, other):
        out = type(self)(self.data @ other.data, (self, other))

        def _backward():
            self.grad += out.grad @ other.data.T
            other.grad += self.data.T @ out.grad

        out._backward = _backward
        return out

    def __pow__(self, n):
        out = type(self)(self.data**n, (self,))

        def _backward():
            self.grad += n * self.data ** (n - 1) * out.grad

        out._backward = _backward
        return out

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-self._wrap(other))

    def sum(self, axis=None, keepdims=False):
        out = type(self)(self.data.sum(axis=axis, keepdims=keepdims), (self,))

        def _backward():
            grad = out.grad
            if axis is not None and not keepdims:
                grad = np.expand_dims(grad, axis)
            self.grad += np.ones_like(self.data) * grad

        out._backward = _backward
        return out

    def relu(self):
        out = type(self)(np.maximum(0, self.data), (self,))

        def _backward():
            self.grad += (self.data > 0) * out.grad

        out._backward = _backward
        return out

    def exp(self):
        out = type(self)(np.exp(self.data), (self,))

        def _backward():
            self.grad += out.data * out.grad

        out._backward = _backward
        return out

    def log(self):
        out = type(self)(np.log(self.data), (self,))

        def _backward():
            self.grad += out.grad / self.data

        out._backward = _backward
        return out

    def tanh(self):
        out = type(self)(np.tanh(self.data), (self,))

        def _backward():
            self.grad += (1 - out.data**2) * out.grad

        out._backward = _backward
        return out

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for child in node._children:
                    visit(child)
                order.append(node)

        visit(self)
        self.grad = np.ones_like(self.data)
        for node in reversed(order):
            node._backward()


class TensorSets(Tensor):
    """Sets the gradients of a product, which shows for x * x alone."""

    def __mul__(self, other):
        other = self._wrap(other)
        out = type(self)(self.data * other.data, (self, other))

        def _backward():
            self.grad = unbroadcast(out.grad * other.data, self.data.shape)
            other.grad = unbroadcast(out.grad * self.data, other.data.shape)

        out._backward = _backward
        return out


class TensorNotTurned(Tensor):
    def __matmul__(self, other):
        out = type(self)(self.data @ other.data, (self, other))

        def _backward():
            self.grad += out.grad @ other.data.T
            other.grad += (out.grad.T @ self.data).reshape(other.data.shape)

        out._backward = _backward
        return out


class TensorPower(Tensor):
    def __pow__(self, n):
        out = type(self)(self.data**n, (self,))

        def _backward():
            self.grad += n * out.data * out.grad

        out._backward = _backward
        return out


class TensorLog(Tensor):
    def log(self):
        out = type(self)(np.log(self.data), (self,))

        def _backward():
            self.grad += out.grad / out.data

        out._backward = _backward
        return out


class Node:
    """The other kind of graph: gradients are kept by the child, one for each parent."""

    def __init__(self, inbound_nodes=()):
        self.inbound_nodes, self.outbound_nodes = list(inbound_nodes), []
        self.value, self.gradients = None, {}
        for node in self.inbound_nodes:
            node.outbound_nodes.append(self)


class Linear(Node):
    def __init__(self, X, W, b):
        super().__init__([X, W, b])

    def forward(self):
        X, W, b = (node.value for node in self.inbound_nodes)
        self.value = X @ W + b

    def backward(self):
        X, W, b = self.inbound_nodes
        self.gradients = {node: np.zeros_like(node.value) for node in self.inbound_nodes}
        for child in self.outbound_nodes:
            above = child.gradients[self]
            self.gradients[X] += above @ W.value.T
            self.gradients[W] += X.value.T @ above
            self.gradients[b] += above.sum(axis=0)


class LinearOneBias(Linear):
    def backward(self):
        super().backward()
        b = self.inbound_nodes[2]
        self.gradients[b] = np.zeros_like(b.value)
        for child in self.outbound_nodes:
            self.gradients[b] += np.sum(child.gradients[self])


class Branch:
    """A node that takes any number of parents, and hands gradients on by calling them."""

    def __init__(self, *inputs):
        self.inputs, self.grad = inputs, 0
        self.data = self._compute(*[node.data for node in inputs])

    def backward(self, grad):
        self.grad = self.grad + grad
        for node, share in zip(
            self.inputs, self._share(grad, *[node.data for node in self.inputs]), strict=True
        ):
            node.backward(share)


class BranchProduct(Branch):
    def _compute(self, a, b):
        return a * b

    def _share(self, grad, a, b):
        return grad * b, grad * a


class BranchProductSwapped(BranchProduct):
    def _share(self, grad, a, b):
        return grad * a, grad * b


class Wire:
    """A leaf with a gradient."""

    def __init__(self, data):
        self.data, self.grad = np.asarray(data), np.zeros(np.shape(data))


class TanhOfWire:
    """It is called with a node, makes one, and is given the parent to go back."""

    def __call__(self, x):
        self.out = Wire(np.tanh(x.data))
        return self.out

    def _back(self, x):
        x.grad += self.out.grad * (1 - self.out.data**2)


class TanhOfWireSets(TanhOfWire):
    def _back(self, x):
        x.grad = self.out.grad * (1 - self.out.data**2)


class RectifierOfWire:
    """It is the node that it makes."""

    def forward(self, x):
        self.x, self.data = x, np.maximum(0, x.data)
        self.grad = np.zeros_like(self.data)
        return self

    def backward(self):
        self.x.grad += self.grad * (self.x.data > 0)


class Step:
    """Parents and gradients are set from outside; values are computed by forward."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        self.value = None
        self.grad = None


class ProductOfMatrices(Step):
    """Here b is a matrix, and no bias."""

    def forward(self):
        self.value = self.a.value @ self.b.value

    def backward(self):
        self.a.grad += self.grad @ self.b.value.T
        self.b.grad += self.a.value.T @ self.grad


class ProductOfMatricesSets(ProductOfMatrices):
    def backward(self):
        self.a.grad = self.grad @ self.b.value.T
        self.b.grad += self.a.value.T @ self.grad


class Difference:
    def __init__(self, a, b):
        self.a, self.b = a, b
        self.value = a.value - b.value
        self.grad = np.zeros_like(self.value)

    def backward(self):
        self.a.grad += self.grad
        self.b.grad -= self.grad


class DifferenceAdds(Difference):
    def backward(self):
        self.a.grad += self.grad
        self.b.grad += self.grad
