"""Everything in attributes: forward(self) reads self.input, backward(self) fills self.gradient."""

import numpy as np


class SigmoidUnit:
    """The local derivative, entry by entry."""

    def __init__(self, size=8):
        self.input = np.random.randn(size)
        self.value = np.zeros(size)
        self.gradient = np.zeros(size)

    def forward(self):
        self.value = 1 / (1 + np.exp(-self.input))

    def backward(self):
        self.gradient = self.value * (1 - self.value)


class SigmoidUnitInput(SigmoidUnit):
    def backward(self):
        self.gradient = self.input * (1 - self.input)


class TanhUnit(SigmoidUnit):
    def forward(self):
        self.value = np.tanh(self.input)

    def backward(self):
        self.gradient = self.value**2 - 1


class CubeUnit(SigmoidUnit):
    def forward(self):
        self.value = self.input**3

    def backward(self):
        self.gradient[:] = 3 * self.input * self.input


class SoftmaxUnit:
    """The Jacobian by two loops."""

    def __init__(self):
        self.input = np.random.randn(6)
        self.gradient = np.zeros((6, 6))

    def forward(self):
        e = np.exp(self.input - np.max(self.input))
        self.value = e / e.sum()

    def backward(self):
        for i in range(6):
            for j in range(6):
                if i == j:
                    self.gradient[i, j] = self.value[i] * (1 - self.value[j])
                else:
                    self.gradient[i, j] = -self.value[i] * self.value[j]


class SoftmaxUnitMixed(SoftmaxUnit):
    """The value for one factor and the input for the other."""

    def backward(self):
        for i in range(6):
            for j in range(6):
                if i == j:
                    self.gradient[i, j] = self.value[i] * (1 - self.input[j])
                else:
                    self.gradient[i, j] = -self.value[i] * self.input[j]


class SoftmaxUnitPlus(SoftmaxUnit):
    def backward(self):
        for i in range(6):
            for j in range(6):
                if i == j:
                    self.gradient[i, j] = self.value[i] * (1 - self.value[j])
                else:
                    self.gradient[i, j] = self.value[i] * self.value[j]


class LinearUnit:
    """What comes from above is an attribute, too."""

    def __init__(self):
        self.x = np.random.randn(5, 4)
        self.w, self.b = np.random.randn(4, 3), np.random.randn(3)
        self.grad_output = np.ones((5, 3))

    def forward(self):
        self.output = self.x @ self.w + self.b

    def backward(self):
        self.grad_x = self.grad_output @ self.w.T
        self.grad_w = self.x.T @ self.grad_output
        self.grad_b = self.grad_output.sum(axis=0)


class LinearUnitDouble(LinearUnit):
    def backward(self):
        super().backward()
        self.grad_w = 2 * self.grad_w


class SquaredErrorUnit:
    """A loss that holds both what was predicted and what was wanted."""

    def __init__(self):
        self.prediction = np.random.randn(7)
        self.target = np.random.randn(7)

    def forward(self):
        self.loss = np.mean((self.prediction - self.target) ** 2)
        return self.loss

    def backward(self):
        self.grad = 2 * (self.prediction - self.target) / len(self.target)
        return self.grad


class SquaredErrorUnitNoMean(SquaredErrorUnit):
    def backward(self):
        self.grad = 2 * (self.prediction - self.target)
        return self.grad


class ForLater:
    """The input is to be set by whoever uses it."""

    def __init__(self):
        self.input = None
        self.value = None
        self.gradient = None

    def forward(self):
        powers = np.exp(self.input - np.max(self.input))
        self.value = powers / powers.sum()

    def backward(self):
        s = self.value.reshape(-1, 1)
        self.gradient = np.diagflat(s) - s @ s.T


class ForLaterOfInput:
    """The same without a word of it before, and of the input in the place of the output."""

    def forward(self):
        powers = np.exp(self.input - np.max(self.input))
        self.value = powers / powers.sum()

    def backward(self):
        x = self.input.reshape(-1, 1)
        self.gradient = np.diagflat(x) - x @ x.T


class SigmoidOfShape:
    """Its size is called a shape."""

    def __init__(self, shape):
        self.shape = shape
        self.input = np.zeros(shape)
        self.output = np.zeros(shape)
        self.gradient = np.zeros(shape)

    def forward(self):
        for i in range(self.shape):
            self.output[i] = 1 / (1 + np.exp(-self.input[i]))

    def backward(self):
        for i in range(self.shape):
            self.gradient[i] = self.output[i] * (1 - self.output[i])


class SigmoidOfShapeInput(SigmoidOfShape):
    def backward(self):
        for i in range(self.shape):
            self.gradient[i] = self.input[i] * (1 - self.input[i])
