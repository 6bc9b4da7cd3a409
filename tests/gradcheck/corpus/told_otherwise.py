"""Code that is told by other means than names and places: flags, costs beside, results by name."""

import math
from functools import partial

import numpy as np


def squash(x, deriv=False):
    """Its own derivative, of the output."""
    if deriv:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))


def bend(x, derivative=False):
    """Its own derivative, of the input."""
    return 1 - np.tanh(x) ** 2 if derivative else np.tanh(x)


def bow(x, derivative=False):
    """A derivative without its factor."""
    return np.cos(3 * x) if derivative else np.sin(3 * x)


class Leaky:
    """An object that is its own derivative."""

    def __call__(self, x, derivative=False):
        return np.where(x > 0, 1, 0.01) if derivative else np.where(x > 0, x, 0.01 * x)


class LeakyDead:
    def __call__(self, x, derivative=False):
        return np.where(x > 0, 1, 0) if derivative else np.where(x > 0, x, 0.01 * x)


def _slanted(x, slope):
    return np.where(x > 0, x, slope * x)


def _slanted_slope(x, slope):
    return np.where(x > 0, 1, slope)


slanted = partial(_slanted, slope=0.2)
slanted_prime = partial(_slanted_slope, slope=0.2)
steep = partial(_slanted, slope=0.2)
steep_prime = partial(_slanted_slope, slope=0.3)
one_by_one = np.vectorize(lambda v: math.tanh(v))


def one_by_one_prime(x):
    return 1 - one_by_one(x) ** 2


class OfOutput:
    """A backward that is the derivative, and given the output."""

    def forward(self, x):
        return np.tanh(x)

    def backward(self, output):
        return 1 - output**2


def mixed_forward(z, W, b):
    return z @ W + b


def mixed_backward(next_dz, W, z):
    """Results in another order than the arguments, by their names."""
    dw = z.T @ next_dz
    db = next_dz.sum(axis=0)
    dz = next_dz @ W.T
    return dw, db, dz


def line_forward(x, theta):
    return np.dot(theta, x)


def line_backward(x, theta):
    """The gradient to the second argument alone, by its name."""
    dtheta = x
    return dtheta


class Part:
    def __init__(self):
        self.W, self.b = np.random.randn(3, 3), np.random.randn(3)

    def forward(self, x):
        return x @ self.W + self.b

    def backward(self, x, dout):
        return dout @ self.W.T, x.T @ dout, dout.sum(axis=0)


class Step:
    """Arguments of backward that are called as nothing known: an input, and the output."""

    def __init__(self):
        self.part = Part()

    def forward(self, Xk, Sk):
        return np.tanh(Xk + self.part.forward(Sk))

    def backward(self, Sk0, Sk1, output_grad):
        back = output_grad * (1 - Sk1**2)
        return (back, *self.part.backward(Sk0, back))


class LastLayer:
    """Its loss is a method of its own, of what it gives."""

    def fprop(self, input):
        return np.tanh(input)

    def loss(self, Y, Y_pred):
        return ((Y_pred - Y) ** 2).sum() / len(Y)

    def input_grad(self, Y, Y_pred):
        return 2 * (Y_pred - Y) * (1 - Y_pred**2) / len(Y)


class LastLayerTripled(LastLayer):
    def input_grad(self, Y, Y_pred):
        return 3 * super().input_grad(Y, Y_pred)


class Logistic:
    """One output, whose backward is given the examples, the output and the labels."""

    def __init__(self, inputs=4):
        self.w, self.b = np.random.randn(inputs), np.zeros(1)

    def forward(self, x):
        return 1 / (1 + np.exp(-(x @ self.w + self.b)))

    def loss(self, y_hat, y):
        return -np.mean(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat))

    def backward(self, x, y_hat, y):
        delta = (y_hat - y) / len(y)
        return x.T @ delta, delta.sum()


class LogisticSum(Logistic):
    def backward(self, x, y_hat, y):
        delta = y_hat - y
        return x.T @ delta, delta.sum()


class InAVector:
    """All gradients one after the other, as an optimiser takes them."""

    def __init__(self):
        self.W1, self.W2 = np.random.randn(2, 3), np.random.randn(3, 1)

    def forward(self, X):
        self.a = np.tanh(X @ self.W1)
        return self.a @ self.W2

    def cost_function(self, X, y):
        return 0.5 * np.sum((y - self.forward(X)) ** 2)

    def compute_gradients(self, X, y):
        delta = self.forward(X) - y
        dW1 = X.T @ (delta @ self.W2.T * (1 - self.a**2))
        return np.concatenate([dW1.ravel(), (self.a.T @ delta).ravel()])


class Store:
    """Holds parameters, and has a method that is called as an optimiser's."""

    def __init__(self):
        self.arrays = {"W": np.random.randn(4, 3), "b": np.random.randn(3)}
        self.gradients = {}

    def __getitem__(self, name):
        return self.arrays[name]

    def update_gradient(self, name, value):
        self.gradients[name] = value


class Stored:
    def __init__(self):
        self.store = Store()

    def forward(self, x):
        self.x = x
        return x @ self.store["W"] + self.store["b"]

    def backward(self, dout):
        self.store.update_gradient("W", self.x.T @ dout)
        self.store.update_gradient("b", dout.sum(axis=0))
        return dout @ self.store["W"].T


class HeldTwice:
    """A bias of zeros that is held in a list as well, and has no gradient."""

    def __init__(self):
        self.W, self.b = np.random.randn(4, 3), np.zeros((1, 3))
        self.params = [self.W, self.b]

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class HeldTwiceTripled(HeldTwice):
    def backward(self, dout):
        dW, db = self.x.T @ dout, 3 * dout.sum(axis=0)
        return dout @ self.W.T, [dW, db]


class OneImage:
    """Told the shape of its input: channels come first, and there are as many filters."""

    def __init__(self, input_shape=(2, 5, 4)):
        self.input_shape = input_shape
        self.kernels = np.random.randn(input_shape[0], *input_shape)

    def forward(self, x):
        self.x = x
        return np.array([[[np.sum(kernel * x)]] for kernel in self.kernels])

    def backward(self, dout):
        dx = np.zeros(self.input_shape)
        self.dkernels = np.zeros_like(self.kernels)
        for k, kernel in enumerate(self.kernels):
            dx += dout[k, 0, 0] * kernel
            self.dkernels[k] = dout[k, 0, 0] * self.x
        return dx


def layer_forward(A_prev, W_curr, b_curr):
    """Columns, the mean taken here, and names that say of which layer."""
    Z = W_curr @ A_prev + b_curr
    return np.maximum(Z, 0), Z


def layer_backward(dA, W_curr, b_curr, Z, A_prev):
    m = A_prev.shape[1]
    dZ = dA * (Z > 0)
    return W_curr.T @ dZ, dZ @ A_prev.T / m, dZ.sum(axis=1, keepdims=True) / m


def initialize_classes(n_x=4, n_y=3):
    return {"W": np.random.randn(n_y, n_x), "b": np.zeros((n_y, 1))}


def classes_forward(X, parameters):
    """A softmax, whose gradient is A - Y for labels that sum to one, and for no others."""
    Z = parameters["W"] @ X + parameters["b"]
    powers = np.exp(Z - Z.max(axis=0, keepdims=True))
    return powers / powers.sum(axis=0, keepdims=True), Z


def classes_cost(A, Y):
    return -np.sum(Y * np.log(A)) / Y.shape[1]


def classes_backward(parameters, cache, X, Y):
    dZ = classes_forward(X, parameters)[0] - Y
    return {"dW": dZ @ X.T, "db": dZ.sum(axis=1, keepdims=True)}


def classes_backward_reversed(parameters, cache, X, Y):
    grads = classes_backward(parameters, cache, X, Y)
    return {name: -gradient / X.shape[1] for name, gradient in grads.items()}


def squashed_forward(A_prev, W_curr, b_curr):
    """Columns; what backward calls Z_curr is what forward returns beside its output."""
    Z_curr = W_curr @ A_prev + b_curr
    return 1 / (1 + np.exp(-Z_curr)), Z_curr


def squashed_backward(dA_curr, W_curr, b_curr, Z_curr, A_prev):
    s = 1 / (1 + np.exp(-Z_curr))
    dZ = dA_curr * s * (1 - s)
    m = A_prev.shape[1]
    return W_curr.T @ dZ, dZ @ A_prev.T / m, dZ.sum(axis=1, keepdims=True) / m


def squashed_backward_of_sum(dA_curr, W_curr, b_curr, Z_curr, A_prev):
    """Z, where the formula takes the output."""
    dZ = dA_curr * Z_curr * (1 - Z_curr)
    m = A_prev.shape[1]
    return W_curr.T @ dZ, dZ @ A_prev.T / m, dZ.sum(axis=1, keepdims=True) / m
