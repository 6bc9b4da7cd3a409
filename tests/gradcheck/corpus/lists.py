"""Static methods that take a list of inputs and give a list of gradients."""

import numpy as np


class MatMul:
    @staticmethod
    def forward(inputs):
        return inputs[0] @ inputs[1]

    @staticmethod
    def backward(inputs, gradient):
        x, w = inputs
        return [gradient @ w.T, x.T @ gradient]


class MatMulExchanged(MatMul):
    @staticmethod
    def backward(inputs, gradient):
        x, w = inputs
        return [x.T @ gradient, gradient @ w.T]


class AddBias:
    """inputs[1] is one row for all."""

    @staticmethod
    def forward(inputs):
        return inputs[0] + inputs[1]

    @staticmethod
    def backward(inputs, gradient):
        return [gradient, gradient.sum(axis=0)]


class AddBiasWhole(AddBias):
    @staticmethod
    def backward(inputs, gradient):
        return [gradient, gradient]


class ReLU:
    @staticmethod
    def forward(inputs):
        return np.maximum(inputs[0], 0)

    @staticmethod
    def backward(inputs, gradient):
        return [gradient * (inputs[0] > 0)]


class ReLUIgnores(ReLU):
    @staticmethod
    def backward(inputs, gradient):
        return [(inputs[0] > 0) * 1.0]


class SquareLoss:
    """Of a prediction and of the truth, with the gradients to both."""

    @staticmethod
    def forward(inputs):
        return np.mean(np.square(inputs[0] - inputs[1]))

    @staticmethod
    def backward(inputs, gradient):
        d = gradient * 2 * (inputs[0] - inputs[1]) / inputs[0].size
        return [d, -d]


class SquareLossBoth(SquareLoss):
    """The truth has the same gradient as the prediction."""

    @staticmethod
    def backward(inputs, gradient):
        d = gradient * 2 * (inputs[0] - inputs[1]) / inputs[0].size
        return [d, d]


class Concatenate:
    @staticmethod
    def forward(inputs):
        return np.concatenate(inputs, axis=1)

    @staticmethod
    def backward(inputs, gradient):
        n = inputs[0].shape[1]
        return [gradient[:, :n], gradient[:, n:]]


class AnyNumber:
    """forward(*inputs), of which there are two."""

    def forward(self, *inputs):
        self.inputs = inputs
        return inputs[0] * np.sin(inputs[1])

    def backward(self, dout):
        a, b = self.inputs
        return dout * np.sin(b), dout * a * np.cos(b)


class AnyNumberReversed(AnyNumber):
    def backward(self, dout):
        da, db = super().backward(dout)
        return db, da
