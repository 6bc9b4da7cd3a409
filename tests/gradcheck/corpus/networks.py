"""Whole networks: a loss and the gradients of all their parameters."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def softmax_loss(scores, y):
    shifted = scores - scores.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    n = np.arange(len(y))
    d = np.exp(logp)
    d[n, y] -= 1
    return -logp[n, y].mean(), d / len(y)


class TwoLayerNet:
    """loss(X, y) gives the loss and a dictionary of gradients; without y, the scores."""

    def __init__(self, input_size=6, hidden_size=8, num_classes=3, reg=0.05):
        self.params = {
            "W1": 0.5 * np.random.randn(input_size, hidden_size),
            "b1": 0.1 * np.random.randn(hidden_size),
            "W2": 0.5 * np.random.randn(hidden_size, num_classes),
            "b2": np.zeros(num_classes),
        }
        self.reg = reg

    def penalty(self):
        return self.reg * (np.sum(self.params["W1"] ** 2) + np.sum(self.params["W2"] ** 2))

    def loss(self, X, y=None):
        W1, W2 = self.params["W1"], self.params["W2"]
        hidden = np.maximum(0, X @ W1 + self.params["b1"])
        scores = hidden @ W2 + self.params["b2"]
        if y is None:
            return scores
        data_loss, dscores = softmax_loss(scores, y)
        dhidden = dscores @ W2.T
        dhidden[hidden <= 0] = 0
        grads = {
            "W1": X.T @ dhidden + 2 * self.reg * W1,
            "b1": dhidden.sum(axis=0),
            "W2": hidden.T @ dscores + 2 * self.reg * W2,
            "b2": dscores.sum(axis=0),
        }
        return data_loss + self.penalty(), grads


class TwoLayerNetForgets(TwoLayerNet):
    """The penalty is in the loss alone."""

    def loss(self, X, y=None):
        if y is None:
            return super().loss(X)
        loss, grads = super().loss(X, y)
        grads["W1"] -= 2 * self.reg * self.params["W1"]
        grads["W2"] -= 2 * self.reg * self.params["W2"]
        return loss, grads


class TwoLayerNetHalfPenalty(TwoLayerNet):
    """Half of the squares in the loss, and the gradient of all of them."""

    def penalty(self):
        return 0.5 * super().penalty()


class TwoLayerNetNoPenalty(TwoLayerNet):
    def penalty(self):
        return 0.0


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class Sigmoid:
    def forward(self, x):
        self.out = sigmoid(x)
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)


class SigmoidPassing(Sigmoid):
    def backward(self, dout):
        return dout


class LayeredNet:
    """A list of layers; loss(x, t) and gradient(x, t) are two methods."""

    middle = Sigmoid

    def __init__(self, sizes=(5, 7, 4)):
        n, h, c = sizes
        self.params = {"W1": np.random.randn(n, h), "b1": np.zeros(h)}
        self.params.update({"W2": np.random.randn(h, c), "b2": np.zeros(c)})
        self.layers = [Affine(self.params["W1"], self.params["b1"]), self.middle()]
        self.layers.append(Affine(self.params["W2"], self.params["b2"]))

    def predict(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        return softmax_loss(self.predict(x), t)[0]

    def gradient(self, x, t):
        _, dout = softmax_loss(self.predict(x), t)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        first, _, last = self.layers
        return {"W1": first.dW, "b1": first.db, "W2": last.dW, "b2": last.db}


class LayeredNetPassing(LayeredNet):
    middle = SigmoidPassing


class ThreeLayer:
    """forward(x, t) is the loss, and backward() fills dW1, db1, and so on."""

    def __init__(self):
        self.W1, self.b1 = np.random.randn(4, 5), np.zeros(5)
        self.W2, self.b2 = np.random.randn(5, 3), np.zeros(3)

    def forward(self, x, t):
        self.x = x
        self.h = np.tanh(x @ self.W1 + self.b1)
        self.diff = self.h @ self.W2 + self.b2 - t
        return np.sum(self.diff**2) / (2 * len(x))

    def backward(self):
        d = self.diff / len(self.x)
        self.dW2, self.db2 = self.h.T @ d, d.sum(axis=0)
        dh = d @ self.W2.T * (1 - self.h**2)
        self.dW1, self.db1 = self.x.T @ dh, dh.sum(axis=0)


class ThreeLayerSeven(ThreeLayer):
    def backward(self):
        super().backward()
        self.dW1 = 7 * self.dW1


class ThreeLayerFive(ThreeLayer):
    def backward(self):
        n = len(self.x)
        super().backward()
        for name in ("dW1", "db1", "dW2", "db2"):
            setattr(self, name, getattr(self, name) * n / 5)


class ThreeLayerOneBias(ThreeLayer):
    def backward(self):
        super().backward()
        self.db1 = self.db1.sum()


class QuadraticCost:
    @staticmethod
    def fn(a, y):
        return 0.5 * np.sum((a - y) ** 2)

    @staticmethod
    def delta(z, a, y):
        return (a - y) * sigmoid_prime(z)


class CrossEntropyCost:
    @staticmethod
    def fn(a, y):
        return np.sum(-y * np.log(a) - (1 - y) * np.log(1 - a))

    @staticmethod
    def delta(z, a, y):
        return a - y


class WrongDelta(QuadraticCost):
    """The delta of the cross-entropy with the quadratic cost."""

    @staticmethod
    def delta(z, a, y):
        return a - y


class Network:
    """One example at a time, in a column; backprop gives nabla_b and nabla_w."""

    def __init__(self, sizes, cost=QuadraticCost):
        self.sizes, self.cost = sizes, cost
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = sigmoid(w @ a + b)
        return a

    def backprop(self, x, y):
        nabla_b = [np.zeros_like(b) for b in self.biases]
        nabla_w = [np.zeros_like(w) for w in self.weights]
        activations, zs = [x], []
        for b, w in zip(self.biases, self.weights):
            zs.append(w @ activations[-1] + b)
            activations.append(sigmoid(zs[-1]))
        delta = self.cost.delta(zs[-1], activations[-1], y)
        nabla_b[-1], nabla_w[-1] = delta, delta @ activations[-2].T
        for layer in range(2, len(self.sizes)):
            delta = (self.weights[1 - layer].T @ delta) * sigmoid_prime(zs[-layer])
            nabla_b[-layer] = delta
            nabla_w[-layer] = delta @ activations[-layer - 1].T
        return nabla_b, nabla_w


class EntropyNetwork(Network):
    def __init__(self):
        super().__init__([5, 4, 3], CrossEntropyCost)


class MismatchedNetwork(Network):
    def __init__(self):
        super().__init__([5, 4, 3], WrongDelta)


class DerivativeNetwork:
    """There is no cost here, only its derivative to the activations of the last layer."""

    def __init__(self, sizes):
        self.num_layers = len(sizes)
        self.biases = [np.random.randn(y, 1) for y in sizes[1:]]
        self.weights = [np.random.randn(y, x) for x, y in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = sigmoid(np.dot(w, a) + b)
        return a

    def cost_derivative(self, output_activations, y):
        return output_activations - y

    def slope(self, z):
        return sigmoid_prime(z)

    def backprop(self, x, y):
        inputs, zs = [x], []
        for b, w in zip(self.biases, self.weights):
            zs.append(np.dot(w, inputs[-1]) + b)
            inputs.append(sigmoid(zs[-1]))
        delta = self.cost_derivative(inputs.pop(), y) * sigmoid_prime(zs.pop())
        nabla_b, nabla_w = [], []
        for w, a in zip(reversed(self.weights), reversed(inputs)):
            nabla_b.insert(0, delta)
            nabla_w.insert(0, np.dot(delta, a.T))
            if zs:
                delta = np.dot(w.T, delta) * self.slope(zs.pop())
        return nabla_b, nabla_w


class DerivativeNetworkOfActivation(DerivativeNetwork):
    """sigmoid_prime is given what is an activation already."""

    def slope(self, z):
        return sigmoid_prime(sigmoid(z))


def propagate(w, b, X, Y):
    """Logistic regression; the examples are columns of X."""
    m = X.shape[1]
    A = sigmoid(np.dot(w.T, X) + b)
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    dw = np.dot(X, (A - Y).T) / m
    db = np.sum(A - Y) / m
    return {"dw": dw, "db": db}, cost


def propagate_sum(w, b, X, Y):
    m = X.shape[1]
    A = sigmoid(np.dot(w.T, X) + b)
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    return {"dw": np.dot(X, (A - Y).T) / m, "db": np.sum(A - Y)}, cost


params = {
    "W1": np.array([[0.5, -0.3, 0.8, 0.2], [-0.6, 0.9, 0.1, -0.4], [0.3, 0.7, -0.5, 0.6]]),
    "b1": np.zeros((3, 1)),
    "W2": np.array([[0.4, -0.9, 0.7], [-0.2, 0.5, 0.8]]),
    "b2": np.zeros((2, 1)),
}


def model(params, X, Y):
    """Two layers in columns, with the squared error."""
    m = X.shape[1]
    A1 = np.tanh(params["W1"] @ X + params["b1"])
    dZ2 = (params["W2"] @ A1 + params["b2"] - Y) / m
    dZ1 = params["W2"].T @ dZ2 * (1 - A1**2)
    grads = {
        "dW2": dZ2 @ A1.T,
        "db2": dZ2.sum(axis=1, keepdims=True),
        "dW1": dZ1 @ X.T,
        "db1": dZ1.sum(axis=1, keepdims=True),
    }
    return grads, 0.5 * m * np.sum(dZ2**2)


def model_transposed(params, X, Y):
    """The same, but for the hidden layer, whose derivative takes Z for A."""
    grads, cost = model(params, X, Y)
    m = X.shape[1]
    Z1 = params["W1"] @ X + params["b1"]
    dZ2 = (params["W2"] @ np.tanh(Z1) + params["b2"] - Y) / m
    dZ1 = params["W2"].T @ dZ2 * (1 - Z1**2)
    grads["dW1"], grads["db1"] = dZ1 @ X.T, dZ1.sum(axis=1, keepdims=True)
    return grads, cost


class LogisticRegression:
    """One weight vector; loss gives the gradient with it."""

    def __init__(self):
        self.w = np.random.randn(6)

    def loss(self, X, y):
        z = X @ self.w
        loss = np.mean(np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z))))
        return loss, X.T @ (sigmoid(z) - y) / len(y)


class LogisticRegressionSign(LogisticRegression):
    def loss(self, X, y):
        loss, grad = super().loss(X, y)
        return loss, -grad


class BookNet:
    """forward returns both activations, which backward is given; labels are indices."""

    def __init__(self, num_features, num_hidden, num_classes):
        rng = np.random.RandomState(1)
        self.num_classes = num_classes
        self.weight_h = rng.normal(0, 0.3, (num_hidden, num_features))
        self.bias_h = rng.normal(0, 0.3, num_hidden)
        self.weight_o = rng.normal(0, 0.3, (num_classes, num_hidden))
        self.bias_o = rng.normal(0, 0.3, num_classes)

    def forward(self, x):
        act_h = sigmoid(x @ self.weight_h.T + self.bias_h)
        act_o = sigmoid(act_h @ self.weight_o.T + self.bias_o)
        return act_h, act_o

    def deltas(self, act_h, act_o, y):
        onehot = np.eye(self.num_classes)[y]
        delta_o = 2 * (act_o - onehot) / len(y) * act_o * (1 - act_o)
        return delta_o, delta_o @ self.weight_o * act_h * (1 - act_h)

    def backward(self, x, act_h, act_o, y):
        delta_o, delta_h = self.deltas(act_h, act_o, y)
        return delta_o.T @ act_h, delta_o.sum(axis=0), delta_h.T @ x, delta_h.sum(axis=0)


class BookNetHiddenPassed(BookNet):
    def deltas(self, act_h, act_o, y):
        delta_o, _ = super().deltas(act_h, act_o, y)
        return delta_o, delta_o @ self.weight_o


class BookNetBiasMean(BookNet):
    def backward(self, x, act_h, act_o, y):
        delta_o, delta_h = self.deltas(act_h, act_o, y)
        return delta_o.T @ act_h, delta_o.mean(axis=0), delta_h.T @ x, delta_h.sum(axis=0)


class ForwardLossGradient:
    """forward(X), loss(X, y) and gradient(X, y) beside each other."""

    def __init__(self):
        self.W1 = np.random.randn(5, 4)
        self.b1 = np.zeros((1, 4))
        self.W2 = np.random.randn(4, 3)
        self.b2 = np.zeros((1, 3))

    def forward(self, X):
        self.a1 = sigmoid(X @ self.W1 + self.b1)
        z2 = self.a1 @ self.W2 + self.b2
        e = np.exp(z2 - z2.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def loss(self, X, y):
        return -np.mean(np.sum(y * np.log(self.forward(X)), axis=1))

    def slope(self):
        return self.a1 * (1 - self.a1)

    def gradient(self, X, y):
        d2 = (self.forward(X) - y) / len(X)
        d1 = d2 @ self.W2.T * self.slope()
        return {
            "W1": X.T @ d1,
            "b1": self.over_examples(d1),
            "W2": self.a1.T @ d2,
            "b2": self.over_examples(d2),
        }

    def over_examples(self, d):
        return d.sum(axis=0, keepdims=True)


class ForwardLossGradientHalf(ForwardLossGradient):
    def slope(self):
        return 1 - self.a1


class LearnsAtOnce:
    """backward updates the weights; far out, where all is saturated, it leaves them as they are."""

    def __init__(self, n_in=5, n_hidden=4, n_out=1):
        self.w1, self.b1 = np.random.randn(n_in, n_hidden), np.zeros((1, n_hidden))
        self.w2, self.b2 = np.random.randn(n_hidden, n_out), np.zeros((1, n_out))

    def forward(self, X):
        self.a1 = sigmoid(X @ self.w1 + self.b1)
        return sigmoid(self.a1 @ self.w2 + self.b2)

    def loss(self, y, output):
        return 0.5 * np.sum((y - output) ** 2)

    def backward(self, X, y, output, lr=0.1):
        d2 = (output - y) * output * (1 - output)
        d1 = d2 @ self.w2.T * self.a1 * (1 - self.a1)
        self.w2 -= lr * self.a1.T @ d2
        self.b2 -= lr * d2.sum(axis=0, keepdims=True)
        self.w1 -= lr * X.T @ d1
        self.b1 -= lr * d1.sum(axis=0, keepdims=True)


class WithProbabilities:
    """forward(X) -> a1, the probabilities, without a name; backward(X, y, a1, probs)."""

    def __init__(self):
        self.W1, self.b1 = np.random.randn(4, 5), np.zeros((1, 5))
        self.W2, self.b2 = np.random.randn(5, 3), np.zeros((1, 3))

    def forward(self, X):
        a1 = np.tanh(X @ self.W1 + self.b1)
        e = np.exp(a1 @ self.W2 + self.b2)
        return a1, e / e.sum(axis=1, keepdims=True)

    def loss(self, X, y):
        return -np.log(self.forward(X)[1][np.arange(len(X)), y]).sum()

    def backward(self, X, y, a1, probs):
        d2 = probs.copy()
        d2[np.arange(len(X)), y] -= 1
        d1 = d2 @ self.W2.T * (1 - a1**2)
        dW1, db1 = X.T @ d1, d1.sum(axis=0, keepdims=True)
        return dW1, db1, a1.T @ d2, d2.sum(axis=0, keepdims=True)


class WithProbabilitiesEpsilon(WithProbabilities):
    """The loss has an ε in its logarithm, and the gradients have none."""

    def loss(self, X, y):
        return -np.log(self.forward(X)[1][np.arange(len(X)), y] + 1e-7).sum()


class Exclusive:
    """Three hidden units and one output: with three examples, a delta has the shape of W2."""

    def __init__(self):
        self.W1 = np.random.randn(2, 3)
        self.W2 = np.random.randn(3, 1)

    def forward(self, X):
        self.z1 = np.dot(X, self.W1)
        self.a1 = sigmoid(self.z1)
        return sigmoid(np.dot(self.a1, self.W2))

    def slope(self, a):
        return a * (1 - a)

    def backward(self, X, y, o):
        self.o_error = y - o
        self.o_delta = self.o_error * self.slope(o)
        self.a1_delta = self.o_delta.dot(self.W2.T) * self.slope(self.a1)
        self.W1 += X.T.dot(self.a1_delta)
        self.W2 += self.a1.T.dot(self.o_delta)


class ExclusiveOfInput(Exclusive):
    """The slope of the hidden layer is that of z1, where the formula takes the output."""

    def backward(self, X, y, o):
        self.o_error = y - o
        self.o_delta = self.o_error * self.slope(o)
        self.a1_delta = self.o_delta.dot(self.W2.T) * self.slope(self.z1)
        self.W1 += X.T.dot(self.a1_delta)
        self.W2 += self.a1.T.dot(self.o_delta)
