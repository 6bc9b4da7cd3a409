"""Losses as objects: forward(x, t) and backward(), backward(pred, true), grad, and both at once."""

import numpy as np


class HuberLoss:
    """Quadratic near 0, linear further out."""

    def __init__(self, delta=1.0):
        self.delta = delta

    def forward(self, y_pred, y_true):
        r = y_pred - y_true
        small = np.abs(r) <= self.delta
        return np.mean(np.where(small, 0.5 * r**2, self.delta * (np.abs(r) - 0.5 * self.delta)))

    def backward(self, y_pred, y_true):
        r = y_pred - y_true
        return np.clip(r, -self.delta, self.delta) / r.size


class HuberSign(HuberLoss):
    def backward(self, y_pred, y_true):
        return np.clip(y_true - y_pred, -self.delta, self.delta) / y_true.size


class LogCosh:
    """The labels come first."""

    def loss(self, y_true, y_pred):
        d = np.abs(y_pred - y_true)
        return np.sum(d + np.log1p(np.exp(-2 * d)) - np.log(2)) / len(d)

    def gradient(self, y_true, y_pred):
        return np.tanh(y_pred - y_true) / len(y_true)


class LogCoshNoMean(LogCosh):
    def gradient(self, y_true, y_pred):
        return np.tanh(y_pred - y_true)


class BinaryCrossEntropy:
    """One loss for each entry, as the training loop takes the mean."""

    def loss(self, y, p):
        p = np.clip(p, 1e-15, 1 - 1e-15)
        return -y * np.log(p) - (1 - y) * np.log(1 - p)

    def gradient(self, y, p):
        p = np.clip(p, 1e-15, 1 - 1e-15)
        return -(y / p) + (1 - y) / (1 - p)


class BinaryTwice:
    """p - t would be right, if a sigmoid stood before it and was taken along."""

    def forward(self, p, t):
        self.p, self.t = p, t
        return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))

    def backward(self):
        return (self.p - self.t) / self.p.size


class BinaryTwiceEpsilon:
    eps = 1e-7

    def forward(self, p, t):
        self.p, self.t = p, t
        q = t * np.log(p + self.eps) + (1 - t) * np.log(1 - p + self.eps)
        return -q.sum() / len(p)

    def backward(self):
        return (self.p - self.t) / len(self.p)


class BinaryTwiceNoMean:
    def forward(self, prob, target):
        self.d = prob - target
        return -np.mean(target * np.log(prob) + (1 - target) * np.log(1 - prob))

    def backward(self):
        return self.d


class BinaryNoMean:
    def forward(self, prob, target):
        self.prob, self.target = prob, target
        return -np.mean(target * np.log(prob) + (1 - target) * np.log(1 - prob))

    def backward(self):
        return (self.prob - self.target) / (self.prob * (1 - self.prob))


class LogisticLoss:
    """On logits, so p - t is right."""

    def forward(self, z, t):
        self.z, self.t = z, t
        return np.mean(np.maximum(z, 0) - t * z + np.log1p(np.exp(-np.abs(z))))

    def backward(self):
        p = 1 / (1 + np.exp(-self.z))
        return (p - self.t) / self.z.size


class LogisticTwice(LogisticLoss):
    def backward(self):
        p = 1 / (1 + np.exp(-self.z))
        return (p - self.t) * p * (1 - p) / self.z.size


class CategoricalCrossentropy:
    """As in a book: one loss a sample, and the gradient is left in dinputs."""

    def forward(self, y_pred, y_true):
        clipped = np.clip(y_pred, 1e-9, 1 - 1e-9)
        return -np.log(np.sum(clipped * y_true, axis=1))

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        self.dinputs = -y_true / dvalues
        self.dinputs = self.dinputs / samples


class CategoricalForgetsSign(CategoricalCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = y_true / dvalues / len(dvalues)


class SoftmaxAtOnce:
    """Gives the loss and the gradient together."""

    def __call__(self, logits, labels):
        z = logits - logits.max(axis=1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        rows = np.arange(len(labels))
        grad = np.exp(logp)
        grad[rows, labels] -= 1
        return -logp[rows, labels].mean(), grad / len(labels)


class SoftmaxAtOnceTwiceMean(SoftmaxAtOnce):
    def __call__(self, logits, labels):
        loss, grad = super().__call__(logits, labels)
        return loss, grad / len(labels)


class RoundedLog:
    """The maximum is subtracted, and the logarithm is taken of what may be 0."""

    def forward(self, scores, onehot):
        ex = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.q = ex / ex.sum(axis=1, keepdims=True)
        self.onehot = onehot
        return -np.mean(np.sum(onehot * np.log(self.q), axis=1))

    def backward(self):
        return (self.q - self.onehot) / len(self.q)


class Weighted:
    """Some classes count more; the weights are no parameters."""

    def __init__(self):
        self.class_weights = np.array([1.0, 2.0, 0.5, 1.5])

    def forward(self, z, t):
        z = z - z.max(axis=1, keepdims=True)
        self.logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.w, self.t = (t * self.class_weights).sum(axis=1, keepdims=True), t
        return -(self.w * t * self.logp).sum() / len(t)

    def backward(self):
        return self.w * (np.exp(self.logp) - self.t) / len(self.t)


class CentreLoss:
    """Pulls every row to the centre of its class; the centres are learned."""

    def __init__(self):
        self.centres = np.random.randn(3, 4)

    def forward(self, x, labels):
        self.labels = labels
        self.diff = x - self.centres[labels]
        return 0.5 * np.sum(self.diff**2) / len(x)

    def backward(self):
        dx = self.diff / len(self.diff)
        self.dcentres = np.zeros_like(self.centres)
        np.add.at(self.dcentres, self.labels, -dx)
        return dx


class CentreLossSign(CentreLoss):
    def backward(self):
        dx = self.diff / len(self.diff)
        self.dcentres = np.zeros_like(self.centres)
        np.add.at(self.dcentres, self.labels, dx)
        return dx


class Ridge:
    """A linear model with its loss and a penalty on the weights."""

    lam = 0.1

    def __init__(self):
        self.w = np.random.randn(5, 2)

    def forward(self, X, y):
        self.X, self.err = X, X @ self.w - y
        return np.sum(self.err**2) / len(X) + self.lam * np.sum(self.w**2)

    def backward(self):
        self.dw = 2 * self.X.T @ self.err / len(self.X) + 2 * self.lam * self.w
        return 2 * self.err @ self.w.T / len(self.X)


class RidgeForgotten(Ridge):
    def backward(self):
        dX = super().backward()
        self.dw = 2 * self.X.T @ self.err / len(self.X)
        return dX


class RidgeTwice(Ridge):
    def backward(self):
        dX = super().backward()
        self.dw += 2 * self.lam * self.w
        return dX


class RidgeNotInLoss(Ridge):
    def forward(self, X, y):
        self.X, self.err = X, X @ self.w - y
        return np.sum(self.err**2) / len(X)


class MultiHinge:
    """One class against the others, with a margin of 1."""

    def forward(self, scores, y):
        n = np.arange(len(y))
        margins = np.maximum(0, 1 + scores - scores[n, y][:, None])
        margins[n, y] = 0
        self.over, self.y = margins > 0, y
        return margins.sum() / len(y)

    def backward(self):
        n = np.arange(len(self.y))
        d = self.over.astype(float)
        d[n, self.y] = -d.sum(axis=1)
        return d / len(self.y)


class MultiHingeCount(MultiHinge):
    """The right class gets -1, however many margins were broken."""

    def backward(self):
        d = self.over.astype(float)
        d[np.arange(len(self.y)), self.y] = -1
        return d / len(self.y)


class MeanSquared:
    def loss(self, predicted, actual):
        return np.mean((predicted - actual) ** 2)

    def grad(self, predicted, actual):
        return 2 * (predicted - actual) / len(actual)


class SquaredFive:
    def forward(self, y, t):
        self.d = y - t
        return 0.5 * np.sum(self.d**2) / len(y)

    def backward(self):
        return self.d / 5


class Distance:
    """One distance a row."""

    def loss(self, a, b):
        return 0.5 * np.sum((a - b) ** 2, axis=1)

    def derivative(self, a, b):
        return a - b


class DistanceDouble(Distance):
    def derivative(self, a, b):
        return 2 * (a - b)


class WithProbabilities:
    """forward gives the loss and the probabilities."""

    def forward(self, logits, target):
        z = logits - np.max(logits, axis=1, keepdims=True)
        logp = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
        self.probs, self.target = np.exp(logp), target
        return -np.mean(np.sum(target * logp, axis=1)), self.probs

    def backward(self):
        return (self.probs - self.target) / len(self.target)


class WithProbabilitiesAdded(WithProbabilities):
    def backward(self):
        return (self.probs + self.target) / len(self.target)


class Contrastive:
    """Two inputs with a gradient each, and a weight that is learned."""

    def __init__(self):
        self.scale = np.random.uniform(0.5, 1.5, 4)

    def forward(self, a, b):
        self.diff = a - b
        return np.mean(np.sum(self.scale * self.diff**2, axis=1))

    def backward(self):
        n = len(self.diff)
        self.dscale = np.sum(self.diff**2, axis=0)
        return 2 * self.scale * self.diff / n


class SquaresOfDout:
    """A loss with a gradient from above, whose sign is wrong: t is no input, and x no table."""

    def forward(self, x, t):
        self.difference = x - t
        return (self.difference**2).mean()

    def backward(self, dout=1.0):
        return -2 * dout * self.difference / self.difference.size
