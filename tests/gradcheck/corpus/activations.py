"""Activation functions as objects: called, with gradient, derivative or prime beside it."""

import numpy as np


class Swish:
    def __init__(self, beta=1.5):
        self.beta = beta

    def __call__(self, x):
        return x / (1 + np.exp(-self.beta * x))

    def gradient(self, x):
        s = 1 / (1 + np.exp(-self.beta * x))
        return s + self.beta * x * s * (1 - s)


class SwishProduct(Swish):
    """The product rule has two terms."""

    def gradient(self, x):
        s = 1 / (1 + np.exp(-self.beta * x))
        return s + x * s * (1 - s)


class Selu:
    a, scale = 1.67326, 1.0507

    def __call__(self, x):
        return self.scale * np.where(x > 0, x, self.a * (np.exp(np.minimum(x, 0)) - 1))

    def gradient(self, x):
        return self.scale * np.where(x > 0, 1, self.a * np.exp(np.minimum(x, 0)))


class SeluSide(Selu):
    def gradient(self, x):
        return self.scale * np.where(x > 0, 1, np.exp(np.minimum(x, 0)))


class Softsign:
    def activate(self, x):
        return x / (1 + np.abs(x))

    def derivative(self, x):
        return 1 / (1 + np.abs(x)) ** 2


class SoftsignNoAbs(Softsign):
    def derivative(self, x):
        return 1 / (1 + np.maximum(x, 0)) ** 2


class Logistic:
    """The derivative takes what the function gave."""

    def forward(self, x):
        return 0.5 * (1 + np.tanh(0.5 * x))

    def derivative(self, output):
        return output * (1 - output)


class LogisticOfX(Logistic):
    def derivative(self, x):
        return x * (1 - x)


class HardTanh:
    def __call__(self, x):
        return np.clip(x, -1, 1)

    def gradient(self, x):
        return np.where((x > -1) & (x < 1), 1.0, 0.0)


class HardSwish:
    """Flat below -3, and the identity above 3."""

    def __call__(self, x):
        return x * np.clip(x + 3, 0, 6) / 6

    def gradient(self, x):
        return (2 * x + 3) / 6


class Softmax:
    """The Jacobian of each row, (N, C, C)."""

    def __call__(self, z):
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def gradient(self, z):
        s = self(z)
        return s[..., :, None] * np.eye(s.shape[-1]) - s[..., :, None] * s[..., None, :]


class SoftmaxRowsDiagonal(Softmax):
    def gradient(self, z):
        s = self(z)
        return s * (1 - s)


class VectorSoftmax:
    """Of one vector; the Jacobian is filled by two loops."""

    def __call__(self, v):
        e = np.exp(v - v.max())
        return e / e.sum()

    def gradient(self, v):
        p = self(v)
        J = np.zeros((len(v), len(v)))
        for i in range(len(v)):
            for j in range(len(v)):
                J[i, j] = p[i] * ((i == j) - p[j])
        return J


class VectorSoftmaxInput(VectorSoftmax):
    def gradient(self, v):
        J = np.zeros((len(v), len(v)))
        for i in range(len(v)):
            for j in range(len(v)):
                J[i, j] = v[i] * ((i == j) - v[j])
        return J


class VectorSoftmaxSign(VectorSoftmax):
    def gradient(self, v):
        p = self(v).reshape(-1, 1)
        J = p @ p.T
        np.fill_diagonal(J, (p - p**2).ravel())
        return J


class Gaussian:
    def __call__(self, x):
        return np.exp(-(x**2))

    def prime(self, x):
        return -2 * x * np.exp(-(x**2))


class GaussianHalf(Gaussian):
    def prime(self, x):
        return -x * np.exp(-(x**2))


class ReLUKind:
    """forward and backward as well as a gradient from above: backward(dA, Z)."""

    def forward(self, Z):
        return np.maximum(Z, 0)

    def backward(self, dA, Z):
        return np.where(Z > 0, dA, 0)


class ReLUKindOfGradient(ReLUKind):
    def backward(self, dA, Z):
        return np.where(dA > 0, dA, 0)
