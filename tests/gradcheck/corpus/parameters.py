"""Parameters and gradients, wherever people keep them."""

import numpy as np


class Parameter:
    def __init__(self, value):
        self.value = value
        self.grad = np.zeros_like(value)

    def zero(self):
        self.grad[...] = 0


class Linear:
    """Parameters as objects."""

    def __init__(self, n_in, n_out):
        self.weight = Parameter(np.random.randn(n_in, n_out))
        self.bias = Parameter(np.random.randn(n_out))

    def parameters(self):
        return [self.weight, self.bias]

    def zero_grad(self):
        for p in self.parameters():
            p.zero()

    def forward(self, x):
        self.x = x
        return x @ self.weight.value + self.bias.value

    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


class LinearHalf(Linear):
    def backward(self, dout):
        self.weight.grad += 0.5 * self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


class Tensor:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros(data.shape)


class NeverCleared:
    """The gradient of the weights is added to, and nobody clears it."""

    def __init__(self):
        self.w, self.b = Tensor(np.random.randn(4, 3)), Tensor(np.random.randn(3))

    def forward(self, x):
        self.x = x
        return x @ self.w.data + self.b.data

    def backward(self, dout):
        self.w.grad += 3 * self.x.T @ dout
        self.b.grad = dout.sum(axis=0)
        return dout @ self.w.data.T


class Keyed:
    """Two dictionaries, the gradients under keys of their own."""

    def __init__(self):
        self.parameters = {"weights": np.random.randn(4, 6), "bias": np.random.randn(6)}
        self.gradients = {}

    def forward(self, x):
        self.x = x
        return x @ self.parameters["weights"] + self.parameters["bias"]

    def backward(self, dout):
        self.gradients["d_weights"] = self.x.T @ dout
        self.gradients["d_bias"] = dout.sum(axis=0)
        return dout @ self.parameters["weights"].T


class KeyedMean(Keyed):
    def backward(self, dout):
        dx = super().backward(dout)
        self.gradients["d_bias"] = dout.mean(axis=0)
        return dx


class Plain:
    def __init__(self):
        self.W, self.b = np.random.randn(3, 5), np.random.randn(5)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.keep(self.x.T @ dout, dout.sum(axis=0))
        return dout @ self.W.T


class NamedByLoss(Plain):
    def keep(self, to_weights, to_bias):
        self.dLdW, self.dLdb = to_weights, to_bias


class NamedByLossSign(Plain):
    def keep(self, to_weights, to_bias):
        self.dLdW, self.dLdb = -to_weights, to_bias


class NamedGrad(Plain):
    def keep(self, to_weights, to_bias):
        self.gradW, self.gradB = to_weights, to_bias


class NamedGradDouble(Plain):
    def keep(self, to_weights, to_bias):
        self.gradW, self.gradB = 2 * to_weights, to_bias


class NamedSmall(Plain):
    def keep(self, to_weights, to_bias):
        self.dw, self.db = to_weights, to_bias


class NamedSmallTurned(Plain):
    def keep(self, to_weights, to_bias):
        self.dw, self.db = to_weights.T, to_bias


class NamedAfter(Plain):
    def keep(self, to_weights, to_bias):
        self.W_grad, self.b_grad = to_weights, to_bias


class NamedAfterOne(Plain):
    def keep(self, to_weights, to_bias):
        self.W_grad, self.b_grad = to_weights, to_bias.sum()


class Lazy:
    """Made when the first batch comes."""

    def __init__(self, units=4):
        self.units = units
        self.w = None

    def forward(self, x):
        if self.w is None:
            self.w = np.random.randn(x.shape[1], self.units) / np.sqrt(x.shape[1])
            self.c = np.zeros(self.units)
        self.x = x
        return x @ self.w + self.c

    def backward(self, dout):
        self.dw, self.dc = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.w.T


class LazySign(Lazy):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dw = -self.dw
        return dx


class WithBiasRow:
    """The last row of the weights is the bias."""

    def __init__(self):
        self.weights = np.random.randn(5, 3)

    def forward(self, x):
        self.inputs = np.column_stack([x, np.ones(len(x))])
        return self.inputs @ self.weights

    def backward(self, dout):
        self.weights_gradient = self.inputs.T @ dout
        return dout @ self.weights[:-1].T


class WithBiasRowForgotten(WithBiasRow):
    """The row of the bias stays at zero."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.weights_gradient[-1] = 0
        return dx


class Both:
    """Two layers in a list, with a rectifier between them."""

    def __init__(self):
        self.layers = [Linear(4, 6), Linear(6, 2)]

    def zero_grad(self):
        for layer in self.layers:
            layer.zero_grad()

    def forward(self, x):
        first, second = self.layers
        self.hidden = first.forward(x)
        return second.forward(np.maximum(self.hidden, 0))

    def backward(self, dout):
        first, second = self.layers
        return first.backward(second.backward(dout) * (self.hidden > 0))


class BothWithoutMask(Both):
    def backward(self, dout):
        first, second = self.layers
        return first.backward(second.backward(dout))


class PReLU:
    """The slope is learned; or it would be, if it had a gradient."""

    def __init__(self):
        self.alpha = np.full(6, 0.25)

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1.0, self.alpha)


class PReLULearned(PReLU):
    def backward(self, dout):
        self.dalpha = np.sum(dout * np.where(self.x > 0, 0.0, self.x), axis=0)
        return super().backward(dout)


class Projection:
    """Fixed at random, and not to be learned."""

    def __init__(self):
        self.matrix = np.random.randn(8, 3)

    def forward(self, x):
        return x @ self.matrix

    def backward(self, dout):
        return dout @ self.matrix.T


class Listed:
    """Parameters and gradients in two lists of one order."""

    def __init__(self):
        self.params = [np.random.randn(6, 2), np.random.randn(2)]
        self.grads = [None, None]

    def forward(self, x):
        self.x = x
        return x.dot(self.params[0]) + self.params[1]

    def backward(self, dout):
        self.grads[0] = self.x.T.dot(dout)
        self.grads[1] = dout.sum(axis=0)
        return dout.dot(self.params[0].T)


class ListedLast(Listed):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads[0] = np.outer(self.x[-1], dout[-1])
        return dx


class Recorder:
    """Keeps its inputs on a stack, and takes them off again on the way back."""

    def __init__(self):
        self.kept = []

    def forward(self, x):
        self.kept.append(x)
        return np.sin(x)

    def backward(self, dout):
        return dout * np.cos(self.kept.pop())


class RecorderFirst(Recorder):
    def backward(self, dout):
        return dout * np.cos(self.kept[0])


class ReturnsList:
    """dx, and the gradients of the parameters in a list after it."""

    def __init__(self):
        self.W, self.b = np.random.randn(5, 2), np.random.randn(1, 2)

    def forward(self, X):
        self.X = X
        return X @ self.W + self.b

    def backward(self, grad):
        return grad @ self.W.T, [self.X.T @ grad, grad.sum(axis=0, keepdims=True)]


class ReturnsDictionary(ReturnsList):
    def backward(self, grad):
        return grad @ self.W.T, {"W": self.X.T @ grad / len(grad), "b": grad.sum(0, keepdims=True)}


class RecorderCleared(Recorder):
    """Goes back through the first one that is kept; clear() is called between two steps."""

    def backward(self, dout):
        return dout * np.cos(self.kept[0])

    def clear(self):
        self.kept = []
