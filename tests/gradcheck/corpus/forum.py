"""What is asked in forums: a softmax by loops, an affine layer with +=, softmax nodes."""

import numpy as np


class LoopedSoftmax:
    """One number for each input, overwritten in the inner loop, of the value and the input."""

    def __init__(self):
        self.input = np.random.randn(10)
        self.gradient = np.zeros(10)

    def softmax(self, x):
        powers = np.exp(x - np.max(x))
        return powers / np.sum(powers)

    def forward(self):
        self.value = self.softmax(self.input)

    def backward(self):
        for k in range(len(self.input)):
            for m in range(len(self.value)):
                if k == m:
                    self.gradient[k] = self.value[k] * (1 - self.input[k])
                else:
                    self.gradient[k] = -self.value[k] * self.input[m]


class LoopedJacobian(LoopedSoftmax):
    """A number for each pair, as the answers say."""

    def __init__(self):
        super().__init__()
        self.gradient = np.zeros((10, 10))

    def backward(self):
        for k in range(len(self.input)):
            for m in range(len(self.value)):
                delta = 1 if k == m else 0
                self.gradient[k, m] = self.value[k] * (delta - self.value[m])


class VectorisedJacobian(LoopedSoftmax):
    def backward(self):
        column = self.value.reshape(-1, 1)
        self.gradient = np.diagflat(self.value) - np.dot(column, column.T)


class VectorisedJacobianInput(LoopedSoftmax):
    def backward(self):
        column = self.input.reshape(-1, 1)
        self.gradient = np.diagflat(self.input) - np.dot(column, column.T)


class AffineAdding:
    """db and dw are added to, for there may be several uses of one layer."""

    def __init__(self, inputs=6, outputs=4):
        self.w = np.random.randn(inputs, outputs)
        self.b = np.random.randn(outputs)
        self.zero_gradients()

    def zero_gradients(self):
        self.dw, self.db = np.zeros_like(self.w), np.zeros_like(self.b)

    def forward(self, x):
        self.x = x
        return np.dot(x, self.w) + self.b

    def backward(self, dout):
        self.db += np.dot(np.ones(len(self.x)), dout)
        self.dw += np.dot(self.x.T, dout)
        return np.dot(dout, self.w.T)


class AffineAddingNumber(AffineAdding):
    def backward(self, dout):
        self.db += dout.sum()
        self.dw += np.dot(self.x.T, dout)
        return np.dot(dout, self.w.T)


class StaticSoftmaxLoss:
    """A list of scores and labels in, a list of gradients out; of the logarithm of the softmax."""

    @staticmethod
    def log_softmax(scores):
        shifted = scores - scores.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    @staticmethod
    def forward(inputs):
        scores, labels = inputs
        return -np.sum(labels * StaticSoftmaxLoss.log_softmax(scores)) / len(scores)

    @staticmethod
    def backward(inputs, gradient):
        scores, labels = inputs
        logp = StaticSoftmaxLoss.log_softmax(scores)
        # of any labels, not only of those that add up to 1
        total = labels.sum(axis=1, keepdims=True)
        to_scores = gradient * (total * np.exp(logp) - labels) / len(scores)
        return [to_scores, -gradient * logp / len(scores)]


class StaticSoftmaxLossRounded:
    """Takes the logarithm of a softmax that may have been rounded to 0."""

    @staticmethod
    def probabilities(scores):
        powers = np.exp(scores - np.max(scores, axis=1, keepdims=True))
        return powers / np.sum(powers, axis=1, keepdims=True)

    @staticmethod
    def forward(inputs):
        q = StaticSoftmaxLossRounded.probabilities(inputs[0])
        return np.mean(np.sum(-inputs[1] * np.log(q), axis=1))

    @staticmethod
    def backward(inputs, gradient):
        q, n = StaticSoftmaxLossRounded.probabilities(inputs[0]), len(inputs[0])
        return [gradient * (q - inputs[1]) / n, -gradient * np.log(q) / n]


class GraphNode:
    def __init__(self, data, *parents):
        self.data, self.parents = data, parents
        self.g = np.zeros_like(data)

    def _back(self, *parents):
        for parent in self.parents:
            parent._back(*parent.parents)


class SoftmaxNode(GraphNode):
    def __init__(self, x):
        powers = np.exp(x.data - np.max(x.data, axis=1, keepdims=True))
        super().__init__(powers / np.sum(powers, axis=1, keepdims=True), x)

    def _back(self, x):
        inner = np.sum(self.g * self.data, axis=1, keepdims=True)
        x.g += self.data * (self.g - inner)
        super()._back()


class SoftmaxNodeSquare(SoftmaxNode):
    """np.eye of the rows, which fits a square batch alone, and is wrong there as well."""

    def _back(self, x):
        local = self.data * (np.eye(len(self.data)) - self.data)
        x.g += self.g * local
        super(SoftmaxNode, self)._back()


class CrossEntropyNode(GraphNode):
    """Of probabilities, so it is -t/p, and the softmax is another node's."""

    def __init__(self, p, t):
        super().__init__(np.mean(-np.sum(t.data * np.log(p.data), axis=1)), p, t)

    def _back(self, p, t):
        p.g += -self.g * t.data / p.data / len(t.data)
        t.g += -self.g * np.log(p.data) / len(t.data)
        super()._back()


class CrossEntropyNodeJoint(CrossEntropyNode):
    """p - t belongs to the softmax and the cross-entropy in one."""

    def _back(self, p, t):
        p.g += self.g * (p.data - t.data) / len(t.data)
        t.g += -self.g * np.log(p.data) / len(t.data)
        super(CrossEntropyNode, self)._back()
