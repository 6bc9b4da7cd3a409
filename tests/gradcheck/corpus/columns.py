"""Features down, examples across."""

import numpy as np


class Dense:
    """W has the shape (outputs, inputs), b is a column."""

    def __init__(self):
        self.W, self.b = np.random.randn(3, 5), np.zeros((3, 1))

    def forward(self, A_prev):
        self.A_prev = A_prev
        return np.dot(self.W, A_prev) + self.b

    def backward(self, dZ):
        self.dW = np.dot(dZ, self.A_prev.T)
        self.db = np.sum(dZ, axis=1, keepdims=True)
        return np.dot(self.W.T, dZ)


class DenseOnlyWeights(Dense):
    """The mean is taken of the one and not of the other."""

    def backward(self, dZ):
        dA = super().backward(dZ)
        self.dW = self.dW / dZ.shape[1]
        return dA


class DenseMeanOverall(Dense):
    """The course's convention: the mean over the examples is taken here, and dZ knows nothing."""

    def backward(self, dZ):
        m = dZ.shape[1]
        dA = super().backward(dZ)
        self.dW, self.db = self.dW / m, self.db / m
        return dA


class DenseNotSummed(Dense):
    def backward(self, dZ):
        dA = super().backward(dZ)
        self.db = dZ
        return dA


class DenseNotTurned(Dense):
    def __init__(self):
        self.W, self.b = np.random.randn(4, 4), np.zeros((4, 1))

    def backward(self, dZ):
        super().backward(dZ)
        return np.dot(self.W, dZ)


class Softmax:
    """Along axis 0."""

    def forward(self, Z):
        self.Z = Z
        e = np.exp(Z - np.max(Z, axis=0))
        self.A = e / np.sum(e, axis=0)
        return self.A

    def backward(self, dA):
        return self.A * (dA - np.sum(dA * self.A, axis=0))


class SoftmaxOfZ(Softmax):
    """The Jacobian is made of what went in."""

    def backward(self, dA):
        dZ = np.empty_like(dA)
        for n in range(dA.shape[1]):
            z = self.Z[:, [n]]
            dZ[:, n] = (np.diagflat(z) - z @ z.T) @ dA[:, n]
        return dZ


class SoftmaxDiagonal(Softmax):
    def backward(self, dA):
        return dA * self.A * (1 - self.A)


class SoftmaxOverAll(Softmax):
    """The sum runs over the examples, too."""

    def backward(self, dA):
        return self.A * (dA - np.sum(dA * self.A))


class CrossEntropy:
    """Softmax and its loss together, for one-hot columns."""

    def forward(self, Z, Y):
        shifted = Z - Z.max(axis=0)
        self.logA, self.Y = shifted - np.log(np.exp(shifted).sum(axis=0)), Y
        return -np.sum(Y * self.logA) / Y.shape[1]

    def backward(self):
        return (np.exp(self.logA) - self.Y) / self.Y.shape[1]


class CrossEntropyClasses(CrossEntropy):
    """Divides by the number of classes, which is what len gives."""

    def backward(self):
        return (np.exp(self.logA) - self.Y) / len(self.Y)


def linear_forward(A_prev, W, b):
    return W @ A_prev + b, (A_prev, W, b)


def linear_backward(dZ, cache):
    A_prev, W, _ = cache
    m = A_prev.shape[1]
    return W.T @ dZ, dZ @ A_prev.T / m, np.sum(dZ, axis=1, keepdims=True) / m


def dense_forward(A_prev, W, b):
    return W @ A_prev + b, (A_prev, W, b)


def dense_backward(dZ, cache):
    """dA_prev is divided as well."""
    A_prev, W, _ = cache
    m = A_prev.shape[1]
    return W.T @ dZ / m, dZ @ A_prev.T / m, np.sum(dZ, axis=1, keepdims=True) / m


def sigmoid_forward(Z):
    A = 1 / (1 + np.exp(-Z))
    return A, A


def sigmoid_backward(dA, cache):
    return dA * cache * (1 - cache)


class SoftmaxNet:
    """As many classes as there are rows of W, though the bias has one column."""

    def __init__(self, n_x=4, n_y=3):
        self.W, self.b = np.random.randn(n_y, n_x), np.zeros((n_y, 1))

    def forward(self, X, Y):
        Z = self.W @ X + self.b
        Z = Z - Z.max(axis=0)
        log_a = Z - np.log(np.exp(Z).sum(axis=0))
        self.X, self.Y, self.A = X, Y, np.exp(log_a)
        return -np.sum(Y * log_a) / X.shape[1]

    def backward(self):
        dZ = (self.A - self.Y) / self.X.shape[1]
        self.dW, self.db = dZ @ self.X.T, dZ.sum(axis=1, keepdims=True)


class SoftmaxNetBias(SoftmaxNet):
    def backward(self):
        super().backward()
        self.db = (self.A - self.Y).mean(axis=1, keepdims=True) * self.X.shape[1]
