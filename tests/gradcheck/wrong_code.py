"""Layers, activations and losses as people write them, with the mistakes that people make.

`CASES` names for each what the checker must say: the check that fails, and its diagnosis.
"""

from __future__ import annotations

import math

import numpy as np

N, K, C = 5, 10, 10


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# ---- right ones, which the wrong ones are made of


class Softmax:
    def forward(self, x):
        self.x, self.out = x, softmax(x)
        return self.out

    def backward(self, dout):
        return self.out * (dout - (dout * self.out).sum(axis=-1, keepdims=True))


class ReLU:
    def forward(self, x):
        self.x = x
        return np.maximum(0, x)

    def backward(self, dout):
        return dout * (self.x > 0)


class LeakyReLU:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0.1 * x)

    def backward(self, dout):
        return np.where(self.mask, dout, 0.1 * dout)


class Sigmoid:
    def forward(self, x):
        self.x = x
        with np.errstate(over="ignore"):
            self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)


class Tanh:
    def forward(self, x):
        self.x, self.out = x, np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


class Dense:
    def __init__(self):
        rng = np.random.default_rng(3)
        self.W, self.b = rng.standard_normal((7, 4)), rng.standard_normal(4)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Square(Dense):
    """A dense layer with as many outputs as inputs, in which a transpose does not show."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.W, self.b = rng.standard_normal((6, 6)), rng.standard_normal(6)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)


class DictDense:
    """Parameters in dictionaries, which the attributes share their arrays with."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.W, self.b = rng.standard_normal((10, 3)), np.zeros((1, 3))
        self.params = {"W": self.W, "b": self.b}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.grads["W"] = np.dot(self.x.T, dout)
        self.grads["b"] = dout.sum(axis=0, keepdims=True)
        return np.dot(dout, self.W.T)


class ListDense(Dense):
    """Parameters and gradients in lists, the gradients written in place."""

    def __init__(self):
        super().__init__()
        self.params, self.grads = [self.W, self.b], [np.zeros((7, 4)), np.zeros(4)]

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = dout.sum(axis=0)
        return dout @ self.W.T


class Accumulating(Dense):
    """Gradients that add up, and a way to clear them."""

    def backward(self, dout):
        self.dW += self.x.T @ dout
        self.db += dout.sum(axis=0)
        return dout @ self.W.T

    def zero_grad(self):
        self.dW[...] = 0
        self.db[...] = 0


class BatchNorm:
    """Rows that depend on each other, and a backward that knows it."""

    def forward(self, x):
        self.d = x - x.mean(axis=0)
        self.s = np.sqrt((self.d**2).mean(axis=0) + 1e-5)
        return self.d / self.s

    def backward(self, dout):
        y = self.d / self.s
        return (dout - dout.mean(axis=0) - y * (dout * y).mean(axis=0)) / self.s


class Dropout:
    """Random, from a generator of its own."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        self.mask = (self.rng.random(x.shape) < 0.5) / 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class Exp:
    """Infinite at 1000, and rightly so."""

    def forward(self, x):
        self.out = np.exp(x)
        return self.out

    def backward(self, dout):
        return dout * self.out


class Softplus:
    """logaddexp refuses complex numbers."""

    def forward(self, x):
        self.x = x
        return np.logaddexp(0, x)

    def backward(self, dout):
        with np.errstate(over="ignore"):
            return dout / (1 + np.exp(-self.x))


class Absolute:
    """The absolute value of a complex number loses its imaginary part."""

    def forward(self, x):
        self.x = x
        return np.abs(x)

    def backward(self, dout):
        return dout * np.sign(self.x)


class KeptDense:
    """Other names, and a backward that leaves the gradient as an attribute."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.weights, self.biases = rng.standard_normal((8, 3)), np.zeros((1, 3))
        self.dweights, self.dbiases = None, None

    def forward(self, inputs):
        print("forward")
        self.inputs = inputs
        return np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


class LoopSoftmax:
    """The product with the Jacobian, an example at a time, in an array of float64."""

    def forward(self, x):
        self.out = np.zeros(x.shape)
        for n, row in enumerate(x):
            e = np.exp(row - max(row))
            self.out[n] = e / e.sum()
        return self.out

    def backward(self, dout):
        dx = np.empty_like(dout)
        for n, (s, d) in enumerate(zip(self.out, dout, strict=True)):
            s = s.reshape(-1, 1)
            dx[n] = (np.diagflat(s) - s @ s.T) @ d
        return dx


class LateDense:
    """Gradients that are not there before the first backward."""

    def __init__(self):
        self.W, self.b = np.random.default_rng(3).standard_normal((6, 4)), np.zeros((1, 4))

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0, keepdims=True)
        return dout @ self.W.T


class OtherKeysDense(LateDense):
    """Gradients under keys of their own, and a running mean that has none."""

    def __init__(self):
        super().__init__()
        self.params = {"W": self.W, "b": self.b, "mean": np.zeros(6)}

    def backward(self, dout):
        dx = super().backward(dout)
        self.grads = {"dW": self.dW, "db": self.db}
        return dx


class ViewDense:
    """A weight matrix that is a view, made anew each time it is asked for."""

    def __init__(self):
        self.theta = np.random.default_rng(3).standard_normal(24)

    @property
    def W(self):
        return self.theta.reshape(6, 4)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class TiedDense:
    """One array under two names."""

    def __init__(self):
        self.W = np.random.default_rng(3).standard_normal((6, 4))
        self.transposed = self.W.T

    def forward(self, x):
        self.x, self.h = x, x @ self.W
        return self.h @ self.transposed

    def backward(self, dout):
        dh = dout @ self.W
        self.dW = self.x.T @ dh + dout.T @ self.h
        return dh @ self.W.T


class OutInDense:
    """W of the shape (outputs, inputs)."""

    def __init__(self):
        self.W = np.random.default_rng(3).standard_normal((4, 6))

    def forward(self, x):
        self.x = x
        return x @ self.W.T

    def backward(self, dout):
        self.dW = dout.T @ self.x
        return dout @ self.W


class Logarithm:
    """For positive numbers only."""

    def forward(self, x):
        self.x = x
        with np.errstate(all="ignore"):
            return np.log(x)

    def backward(self, dout):
        return dout / self.x


class GlobalDropout:
    """Random, from NumPy's global generator."""

    def forward(self, x):
        self.mask = np.random.rand(*x.shape) < 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class ClippedCrossEntropy:
    """On probabilities, and finite for anything, as it clips."""

    def forward(self, p, t):
        self.p, self.t = np.clip(p, 1e-7, 1 - 1e-7), t
        return -np.log(self.p[np.arange(len(t)), t]).mean()

    def backward(self):
        return -np.eye(self.p.shape[1])[self.t] / self.p / len(self.p)


class Divergence:
    """Takes the logarithm of the labels, too, which must not be 0."""

    def forward(self, q, p):
        self.q, self.p = q, p
        with np.errstate(all="ignore"):
            return (p * np.log(p / q)).sum() / len(q)

    def backward(self):
        return -self.p / self.q / len(self.q)


class PenalisedError:
    """A small term in it loses the imaginary part."""

    def forward(self, y, t):
        self.y, self.d = y, y - t
        return (self.d**2).mean() + 1e-5 * np.abs(y).sum()

    def backward(self):
        return 2 * self.d / self.d.size + 1e-5 * np.sign(self.y)


class SoftmaxLoss:
    """On logits, with class indices."""

    def forward(self, x, t):
        self.p, self.t, self.x = softmax(x), t, x
        z = x - x.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -log_p[np.arange(len(t)), t].mean()

    def onehot(self):
        return np.eye(self.p.shape[1])[self.t]

    def backward(self, dout=1.0):
        return dout * (self.p - self.onehot()) / len(self.p)


class CrossEntropy:
    """On probabilities, with one-hot rows; backward takes nothing."""

    def forward(self, p, t):
        self.p, self.t = p, t
        return -(t * np.log(p)).sum() / len(p)

    def backward(self):
        return -self.t / self.p / len(self.p)


class SquaredError:
    def forward(self, y, t):
        self.d = y - t
        return 0.5 * (self.d**2).sum() / len(y)

    def backward(self, dout=1.0):
        return dout * self.d / len(self.d)


class SigmoidActivation:
    def __call__(self, x):
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-x))

    def gradient(self, x):
        return self(x) * (1 - self(x))


class ReLUActivation:
    def __call__(self, x):
        return np.where(x >= 0, x, 0)

    def derivative(self, x):
        return np.where(x >= 0, 1.0, 0.0)


class WholeDerivative(ReLUActivation):
    def derivative(self, x):
        return (x >= 0).astype(int)


class ZeroReLU(Dense):
    """Weights of zero before a rectifier, where every example is at its kink."""

    def __init__(self):
        super().__init__()
        self.W[:], self.b[:] = 0, 0

    def forward(self, x):
        self.z = super().forward(x)
        return np.maximum(0, self.z)

    def backward(self, dout):
        return super().backward(dout * (self.z > 0))


class ReturningDense:
    """A dense layer that returns its gradients, and keeps none."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.w, self.bias = rng.standard_normal((10, 10)), rng.standard_normal(10)

    def forward(self, x):
        self.x = x
        return x @ self.w + self.bias

    def backward(self, dout):
        return dout @ self.w.T, self.x.T @ dout, dout.sum(axis=0)


class ReturningByName(Dense):
    def __init__(self):
        super().__init__()
        del self.dW, self.db

    def forward(self, x):
        self.cache = x
        return x @ self.W + self.b

    def backward(self, dout):
        return dout @ self.W.T, {"W": self.cache.T @ dout, "b": dout.sum(axis=0)}


class ScalarSlope:
    """A rectifier whose slope below zero is a parameter without dimensions."""

    def __init__(self):
        self.params, self.grads = {"a": np.array(0.25)}, {}

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.params["a"] * x)

    def backward(self, dout):
        self.grads["a"] = np.sum(dout * self.x * (self.x <= 0))
        return dout * np.where(self.x > 0, 1, self.params["a"])


class ReturnedInAnotherOrder:
    """A right layer, which returns its gradients in another order than it has its parameters."""

    def __init__(self):
        self.gain, self.shift = np.linspace(1, 2, 10), np.linspace(0, 1, 10)

    def forward(self, x):
        self.x = x
        return x * self.gain + self.shift

    def backward(self, dout):
        return dout * self.gain, dout.sum(axis=0), (dout * self.x).sum(axis=0)


RIGHT = [
    ScalarSlope,
    ZeroReLU,
    ReturningDense,
    ReturningByName,
    Softmax,
    ReLU,
    LeakyReLU,
    Sigmoid,
    Tanh,
    ReturnedInAnotherOrder,
    Dense,
    Square,
    DictDense,
    ListDense,
    Accumulating,
    BatchNorm,
    Dropout,
    Exp,
    Softplus,
    Absolute,
    KeptDense,
    LoopSoftmax,
    LateDense,
    OtherKeysDense,
    ViewDense,
    TiedDense,
    OutInDense,
    Logarithm,
    GlobalDropout,
    ClippedCrossEntropy,
    Divergence,
    PenalisedError,
    WholeDerivative,
    SoftmaxLoss,
    CrossEntropy,
    SquaredError,
    SigmoidActivation,
    ReLUActivation,
]

# ---- wrong ones

CASES = []


def case(check, diagnosis):
    """Say which check of the class fails, and with which diagnosis."""

    def register(kind):
        CASES.append((kind, check, diagnosis))
        return kind

    return register


@case("to x", "sign-flipped")
class TanhSign(Tanh):
    def backward(self, dout):
        return dout * (self.out**2 - 1)


@case("to y", "factor-two")
class SquaredErrorTwo(SquaredError):
    def backward(self, dout=1.0):
        return 2 * dout * self.d / len(self.d)


@case("to y", "factor-half")
class SquaredErrorHalf(SquaredError):
    def forward(self, y, t):
        return 2 * super().forward(y, t)


@case("to x", "batch-size-missing")
class LossWithoutMean(SoftmaxLoss):
    def backward(self, dout=1.0):
        return dout * (self.p - self.onehot())


@case("to x", "batch-size-missing")
class LossWithoutMeanOrDout(SoftmaxLoss):
    def backward(self, dout=1.0):
        return self.p - self.onehot()


@case("to x", "batch-size-twice")
class LossMeanTwice(SoftmaxLoss):
    def backward(self, dout=1.0):
        return super().backward(dout) / len(self.p)


@case("to W", "batch-size-twice")
class DenseMean(Dense):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW /= len(dout)
        return dx


@case("to x", "constant-factor")
class LossOfClasses(SoftmaxLoss):
    def backward(self, dout=1.0):
        return super().backward(dout) / 10


@case("to x", "softmax-diagonal-only")
class SoftmaxDiagonal(Softmax):
    def backward(self, dout):
        return dout * self.out * (1 - self.out)


@case("elementwise derivative", "softmax-diagonal-only")
class SoftmaxActivation:
    def __call__(self, x):
        return softmax(x)

    def gradient(self, x):
        p = self(x)
        return p * (1 - p)


@case("to x", "softmax-input-for-output")
class SoftmaxInput(Softmax):
    def backward(self, dout):
        return dout * self.out * (1 - self.x)


@case("to x", "softmax-input-for-output")
class SoftmaxJacobianOfInput(Softmax):
    def backward(self, dout):
        return self.x * (dout - (dout * self.x).sum(axis=-1, keepdims=True))


@case("elementwise derivative", "softmax-input-for-output")
class SoftmaxActivationInput(SoftmaxActivation):
    def gradient(self, x):
        return self(x) * (1 - x)


@case("elementwise derivative", "not-elementwise")
class NormalisedActivation:
    def __call__(self, x):
        return x / x.std(axis=-1, keepdims=True)

    def gradient(self, x):
        return 1 / x.std(axis=-1, keepdims=True) * np.ones_like(x)


@case("elementwise derivative", "input-for-output")
class SigmoidActivationInput(SigmoidActivation):
    def gradient(self, x):
        return x * (1 - x)


@case("elementwise derivative", "wrong-mask")
class ReLUActivationMask(ReLUActivation):
    def derivative(self, x):
        return np.where(x >= 0.5, 1.0, 0.0)


@case("to x", "input-for-output")
class SigmoidInput(Sigmoid):
    def backward(self, dout):
        return dout * self.x * (1 - self.x)


@case("to x", "output-for-input")
class SigmoidTwice(Sigmoid):
    def backward(self, dout):
        again = 1 / (1 + np.exp(-self.out))
        return dout * again * (1 - again)


@case("to x", "softmax-of-dout")
class SoftmaxOfDelta(Softmax):
    def backward(self, dout):
        s = softmax(dout)
        return s * (1 - s)


@case("to x", "softmax-twice")
class SoftmaxLayerTwice(Softmax):
    def backward(self, dout):
        return super().backward(super().backward(dout))


@case("to x", "softmax-not-differentiated")
class SoftmaxPassed(Softmax):
    def backward(self, dout):
        return dout.copy()


@case("to x", "softmax-twice")
class LossTwice(SoftmaxLoss):
    def backward(self, dout=1.0):
        d = super().backward(dout)
        return self.p * (d - (d * self.p).sum(axis=1, keepdims=True))


@case("to p", "softmax-twice")
class CrossEntropyOfLogits(CrossEntropy):
    def backward(self):
        return (self.p - self.t) / len(self.p)


@case("to x", "softmax-not-differentiated")
class LossNotDifferentiated(SoftmaxLoss):
    def backward(self, dout=1.0):
        return dout * -self.onehot() / self.p / len(self.p)


@case("to x", "softmax-diagonal-only")
class LossDiagonal(SoftmaxLoss):
    def backward(self, dout=1.0):
        return dout * -self.onehot() * (1 - self.p) / len(self.p)


@case("to x", "labels-missing")
class LossWithoutLabels(SoftmaxLoss):
    def backward(self, dout=1.0):
        return dout * self.p / len(self.p)


@case("to x", "differentiated-twice")
class TanhTwice(Tanh):
    def backward(self, dout):
        return dout * (1 - self.out**2) ** 2


@case("to x", "not-differentiated")
class TanhPassed(Tanh):
    def backward(self, dout):
        return dout.copy()


@case("to x", "dout-ignored")
class ReLUIgnoring(ReLU):
    def backward(self, dout):
        return (self.x > 0) * 1.0


@case("to x", "dout-ignored")
class SoftmaxIgnoring(Softmax):
    def backward(self, dout):
        return self.out * (1 - self.out)


@case("to x", "dout-ignored")
class LossIgnoring(SoftmaxLoss):
    def backward(self, dout=1.0):
        return (self.p - self.onehot()) / len(self.p)


@case("to W", "dout-ignored")
class DenseIgnoring(Dense):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.x.T @ np.ones_like(dout)
        return dx


@case("to W", "transposed")
class DenseTransposed(Dense):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = dout.T @ self.x
        return dx


@case("to W", "transposed")
class SquareTransposed(Square):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = dout.T @ self.x
        return dx


@case("to x", "transposed")
class SquareNotTransposed(Square):
    def backward(self, dout):
        super().backward(dout)
        return dout @ self.W


@case("to b", "bias-not-summed")
class DenseBias(Dense):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout
        return dx


@case("to b", "bias-averaged")
class DenseBiasMean(DictDense):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["b"] = dout.mean(axis=0, keepdims=True)
        return dx


@case("to W", "one-example-only")
class DenseLastExample(Dense):
    def backward(self, dout):
        dx = super().backward(dout)
        for x, d in zip(self.x, dout, strict=True):
            self.dW = np.outer(x, d)
        return dx


@case("to x", "jacobian-returned")
class SoftmaxJacobian(Softmax):
    def backward(self, dout):
        s = self.out
        return s[:, :, None] * np.eye(s.shape[1]) - s[:, :, None] * s[:, None, :]


@case("to x", "wrong-shape")
class TanhSummed(Tanh):
    def backward(self, dout):
        return super().backward(dout).sum(axis=0)


@case("to x", "wrong-shape")
class TanhFlat(Tanh):
    def backward(self, dout):
        return super().backward(dout).ravel()


@case("to x", "rows-leak")
class SoftmaxColumns(Softmax):
    def forward(self, x):
        e = np.exp(x - np.max(x))
        self.x, self.out = x, e / e.sum(axis=0)
        return self.out


@case("large inputs", "rows-leak")
class SoftmaxWholeMaximum(Softmax):
    def forward(self, x):
        e = np.exp(x - np.max(x))
        self.x, self.out = x, e / e.sum(axis=1, keepdims=True)
        return self.out


@case("to x", "rows-leak")
class LossWholeBatch(SoftmaxLoss):
    def backward(self, dout=1.0):
        e = np.exp(self.x - self.x.max())
        return dout * (e / e.sum() - self.onehot()) / len(self.p)


@case("to x", "rows-leak")
class LossOfWholeBatch:
    """The softmax of a vector, given a batch."""

    def forward(self, x, t):
        self.t = t
        e = np.exp(x - np.max(x))
        self.y = e / np.sum(e)
        return -np.sum(t * np.log(self.y + 1e-7))

    def backward(self, dout=1):
        return dout * (self.y - self.t) / len(self.t)


@case("to x", "epsilon-in-logarithm")
class LossWithEpsilon(SoftmaxLoss):
    def forward(self, x, t):
        super().forward(x, t)
        return -np.log(self.p[np.arange(len(t)), t] + 1e-7).mean()


@case("to x", "dout-ignored")
class LossWithEpsilonIgnoring(LossWithEpsilon):
    def backward(self, dout=1):
        return (self.p - self.onehot()) / len(self.p)


@case("to W", "sign-flipped")
class LateDenseSign(LateDense):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW *= -1
        return dx


@case("to b", "bias-not-summed")
class LateDenseBias(LateDense):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout
        return dx


@case("arguments kept", "parameters-changed")
class LateDenseStep(LateDense):
    def backward(self, dout):
        dx = super().backward(dout)
        self.W -= 0.1 * self.dW
        return dx


@case("precision kept", "precision-lost")
class LateDenseSingle(LateDense):
    def forward(self, x):
        return super().forward(x.astype(np.float32))


@case("to x", "rows-leak")
class SoftmaxSumOfColumns(Softmax):
    def backward(self, dout):
        return self.out * (dout - (dout * self.out).sum(axis=0))


@case("large inputs", "rows-leak")
class LossWholeMaximum(SoftmaxLoss):
    def forward(self, x, t):
        super().forward(x, t)
        e = np.exp(x - np.max(x))
        return np.log(e.sum(axis=1)).mean() + np.max(x) - x[np.arange(len(t)), t].mean()


@case("to x", "softmax-missing")
class LossOfLogits(SoftmaxLoss):
    def backward(self, dout=1.0):
        return dout * (self.x - self.onehot()) / len(self.x)


@case("to x", "epsilon-in-logarithm")
class LossWithTinyEpsilon(SoftmaxLoss):
    def forward(self, x, t):
        super().forward(x, t)
        return -np.log(self.p[np.arange(len(t)), t] + 1e-9).mean()


@case("large inputs", "overflow")
class SigmoidLoop(Sigmoid):
    def forward(self, x):
        self.out = np.array([[1 / (1 + math.exp(-v)) for v in row] for row in x])
        return self.out


@case("to y", "unknown")
class PenaltyForgotten(PenalisedError):
    def backward(self):
        return 2 * self.d / self.d.size


@case("arguments kept", "dout-changed-in-place")
class ReLUWriting(ReLU):
    def backward(self, dout):
        dout[self.x <= 0] = 0
        return dout


@case("arguments kept", "input-changed-in-place")
class ReLUWritingInput(ReLU):
    def forward(self, x):
        self.x = x.copy()
        x[x < 0] = 0
        return x


@case("second pass", "gradients-grow")
class DenseGrowing(Dense):
    def backward(self, dout):
        self.dW += self.x.T @ dout
        self.db += dout.sum(axis=0)
        return dout @ self.W.T


@case("second pass", "first-input-kept")
class TanhStale(Tanh):
    def forward(self, x):
        out = np.tanh(x)
        if not hasattr(self, "out"):
            self.out = out
        return out


@case("to x", "wrong-mask")
class ReLUMaskOfDout(ReLU):
    def backward(self, dout):
        return dout * (dout > 0)


@case("to x", "wrong-mask")
class LeakyReLUMask(LeakyReLU):
    def backward(self, dout):
        return np.where(self.mask, 0.1 * dout, dout)


@case("to x", "single-entry")
class TanhEntry(Tanh):
    def backward(self, dout):
        dx = super().backward(dout)
        dx[2, 3] *= 1 + 1e-6
        return dx


@case("to x", "wrong-rows")
class TanhRow(Tanh):
    def backward(self, dout):
        dx = super().backward(dout)
        dx[-1] = 0
        return dx


@case("to x", "wrong-columns")
class TanhColumn(Tanh):
    def backward(self, dout):
        dx = super().backward(dout)
        dx[:, 2:4] *= 1.5
        return dx


@case("to x", "wrong-block")
class TanhBlock(Tanh):
    def backward(self, dout):
        dx = super().backward(dout)
        dx[1:3, 4:7] += 1
        return dx


@case("large inputs", "overflow")
class SoftmaxNaive(Softmax):
    def forward(self, x):
        e = np.exp(x)
        self.x, self.out = x, e / e.sum(axis=1, keepdims=True)
        return self.out


@case("large inputs", "overflow")
class LossNaive(SoftmaxLoss):
    def forward(self, x, t):
        super().forward(x, t)
        e = np.exp(x)
        return -np.log(e / e.sum(axis=1, keepdims=True))[np.arange(len(t)), t].mean()


@case("precision kept", "precision-lost")
class DenseSingle(Dense):
    def backward(self, dout):
        return super().backward(dout).astype(np.float32)


@case("to x", "precision-lost")
class TanhThroughSingle(Tanh):
    def backward(self, dout):
        return super().backward(dout).astype(np.float32).astype(np.float64)


@case("precision kept", "precision-lost")
class IntegerReLU(ReLU):
    def backward(self, dout):
        return super().backward(dout).astype(int)


@case("to x", "not-finite")
class TanhNaN(Tanh):
    def backward(self, dout):
        with np.errstate(all="ignore"):
            return super().backward(dout) * np.where(self.x > 0.5, np.nan, 1.0)


@case("to W", "gradient-missing")
class DenseForgetting(Dense):
    def backward(self, dout):
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


@case("to bias", "bias-not-summed")
class ReturningBias(ReturningDense):
    def backward(self, dout):
        dx, dw, _ = super().backward(dout)
        return dx, dw, dout


@case("to W", "factor-two")
class ReturningTwice(ReturningByName):
    def backward(self, dout):
        dx, gradients = super().backward(dout)
        return dx, {**gradients, "W": 2 * gradients["W"]}


@case("to W", "wrong-columns")
class ZeroReLUColumn(ZeroReLU):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW[:, 1] += 0.1
        return dx


@case("to W", "weight-decay-included")
class DenseDecay(Dense):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW += 1e-4 * self.W
        return dx


@case("to x", "labels-added")
class LossAdding(SoftmaxLoss):
    def backward(self, dout=1.0):
        return dout * (self.p + self.onehot()) / len(self.p)


@case("to x", "unknown")
class TanhRandom(Tanh):
    def backward(self, dout):
        return np.random.default_rng(1).standard_normal(dout.shape) * dout


# ---- mistakes that hide where one looks first


@case("to x", "unknown")
class BatchNormWithoutScale(BatchNorm):
    """The scale is 1 at first, and so can be forgotten without a trace, but for other scales."""

    def __init__(self):
        self.gamma, self.beta = np.ones(10), np.zeros(10)

    def forward(self, x):
        return super().forward(x) * self.gamma + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.d / self.s).sum(axis=0), dout.sum(axis=0)
        return super().backward(dout)


@case("to x, at 4 times x", "wrong-far-from-zero")
class ReLU6:
    def forward(self, x):
        self.mask = x > 0
        return np.clip(x, 0, 6)

    def backward(self, dout):
        return dout * self.mask


@case("derivative at 4 times x", "wrong-far-from-zero")
class HardTanhActivation:
    def __call__(self, x):
        return np.clip(x, -3, 3)

    def gradient(self, x):
        return np.ones_like(x)


@case("arguments kept", "output-changed-in-place")
class TanhInPlace(Tanh):
    def backward(self, dout):
        self.out *= -self.out
        self.out += 1
        return dout * self.out


@case("to x", "backward-not-repeatable")
class DropoutOfTwoMasks:
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        return x * (self.rng.random(x.shape) > 0.5)

    def backward(self, dout):
        return dout * (self.rng.random(dout.shape) > 0.5)


@case("to x", "skip-connection-missing")
class Residual:
    def forward(self, x):
        self.inner = np.tanh(x)
        return x + self.inner

    def backward(self, dout):
        return dout * (1 - self.inner**2)


@case("to gain", "gradients-swapped")
class Exchanged(ReturnedInAnotherOrder):
    """It gives the gradient of the one for both."""

    def backward(self, dout):
        dx, dshift, _ = super().backward(dout)
        return dx, dshift, dshift.copy()


@case("to layers.1.W", "batch-size-twice")
class Nested:
    def __init__(self):
        self.layers = [Tanh(), DenseMean()]
        self.layers[1].W = np.random.default_rng(4).standard_normal((10, 4))

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in self.layers[::-1]:
            dout = layer.backward(dout)
        return dout


class LogisticOfOneClass:
    """The loss of logits, (N, 1), whose gradient knows the labels 1 alone."""

    def forward(self, z, t):
        self.z, self.t = z, t
        return np.mean(np.logaddexp(0, z) - t * z)

    def backward(self):
        return self.t * (1 / (1 + np.exp(-self.z)) - 1) / self.z.size


class LabelsFirst:
    """A right loss, which is given the labels first."""

    def forward(self, t, y):
        self.d = y - t
        return np.sum(self.d**2)

    def backward(self):
        return 2 * self.d
