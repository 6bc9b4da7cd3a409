"""Layers whose backward takes the learning rate and moves the weights itself."""

import numpy as np


class Layer:
    def forward(self, input):
        raise NotImplementedError

    def backward(self, output_gradient, learning_rate):
        raise NotImplementedError


class Dense(Layer):
    """One example, in a column."""

    def __init__(self, n_inputs, n_outputs):
        self.weights = np.random.randn(n_outputs, n_inputs)
        self.bias = np.random.randn(n_outputs, 1)

    def forward(self, input):
        self.input = input
        return self.weights @ input + self.bias

    def backward(self, output_gradient, learning_rate):
        to_input = self.weights.T @ output_gradient
        self.weights -= learning_rate * output_gradient @ self.input.T
        self.bias -= learning_rate * output_gradient
        return to_input


class DenseMovedFirst(Dense):
    def backward(self, output_gradient, learning_rate):
        self.weights -= learning_rate * output_gradient @ self.input.T
        self.bias -= learning_rate * output_gradient
        return self.weights.T @ output_gradient


class DenseUphill(Dense):
    def backward(self, output_gradient, learning_rate):
        to_input = self.weights.T @ output_gradient
        self.weights += learning_rate * output_gradient @ self.input.T
        self.bias -= learning_rate * output_gradient
        return to_input


class Activation(Layer):
    def __init__(self, function, prime):
        self.function, self.prime = function, prime

    def forward(self, input):
        self.input = input
        return self.function(input)

    def backward(self, output_gradient, learning_rate):
        return np.multiply(output_gradient, self.prime(self.input))


class Tanh(Activation):
    def __init__(self):
        super().__init__(np.tanh, lambda x: 1 - np.tanh(x) ** 2)


class TanhTwice(Activation):
    def __init__(self):
        super().__init__(np.tanh, lambda x: (1 - np.tanh(x) ** 2) ** 2)


class Sine(Activation):
    def __init__(self):
        super().__init__(np.sin, lambda x: -np.cos(x))


class Softmax(Layer):
    """One vector in a column."""

    def forward(self, input):
        e = np.exp(input - input.max())
        self.output = e / np.sum(e)
        return self.output

    def backward(self, output_gradient, learning_rate):
        n = self.output.size
        tiled = np.tile(self.output, n)
        return (tiled * (np.identity(n) - tiled.T)) @ output_gradient


class SoftmaxInput(Softmax):
    def forward(self, input):
        self.input = input
        return super().forward(input)

    def backward(self, output_gradient, learning_rate):
        n = self.input.size
        tiled = np.tile(self.input, n)
        return (tiled * (np.identity(n) - tiled.T)) @ output_gradient


class Reshape(Layer):
    def __init__(self, input_shape, output_shape):
        self.input_shape, self.output_shape = input_shape, output_shape

    def forward(self, input):
        return np.reshape(input, self.output_shape)

    def backward(self, output_gradient, learning_rate):
        return np.reshape(output_gradient, self.input_shape)


class Convolution(Layer):
    """One image with one channel, valid, and a few kernels."""

    def __init__(self, image=(6, 5), size=3, depth=2):
        self.size = size
        self.kernels = np.random.randn(depth, size, size)
        self.biases = np.random.randn(depth, image[0] - size + 1, image[1] - size + 1)

    def forward(self, image):
        self.image = image
        out = self.biases.copy()
        for i in range(self.size):
            for j in range(self.size):
                part = image[i : i + out.shape[1], j : j + out.shape[2]]
                out += self.kernels[:, i, j, None, None] * part
        return out

    def backward(self, output_gradient, learning_rate):
        h, w = output_gradient.shape[1:]
        to_kernels, to_image = np.zeros_like(self.kernels), np.zeros(self.image.shape)
        for i in range(self.size):
            for j in range(self.size):
                part = self.image[i : i + h, j : j + w]
                to_kernels[:, i, j] = (output_gradient * part).sum(axis=(1, 2))
                weighted = self.kernels[:, i, j, None, None] * output_gradient
                to_image[i : i + h, j : j + w] += weighted.sum(axis=0)
        self.kernels -= learning_rate * to_kernels
        self.biases -= learning_rate * output_gradient
        return to_image


class ConvolutionFlipped(Convolution):
    """The kernels are turned round on the way back, as for a true convolution."""

    def backward(self, output_gradient, learning_rate):
        turned = self.kernels[:, ::-1, ::-1].copy()
        super().backward(output_gradient, learning_rate)
        h, w = output_gradient.shape[1:]
        to_image = np.zeros(self.image.shape)
        for i in range(self.size):
            for j in range(self.size):
                weighted = turned[:, i, j, None, None] * output_gradient
                to_image[i : i + h, j : j + w] += weighted.sum(axis=0)
        return to_image


class FullyConnected:
    """A batch in rows."""

    def __init__(self):
        self.W = np.random.randn(5, 4) * 0.3
        self.b = np.zeros((1, 4))

    def forward(self, X):
        self.X = X
        return np.dot(X, self.W) + self.b

    def backward(self, grad, lr=0.01):
        dX = np.dot(grad, self.W.T)
        self.W = self.W - lr * np.dot(self.X.T, grad)
        self.b = self.b - lr * np.sum(grad, axis=0, keepdims=True)
        return dX


class FullyConnectedSum(FullyConnected):
    def backward(self, grad, lr=0.01):
        dX = np.dot(grad, self.W.T)
        self.W = self.W - lr * np.dot(self.X.T, grad)
        self.b = self.b - lr * grad.sum()
        return dX


class FullyConnectedMean(FullyConnected):
    def backward(self, grad, lr=0.01):
        dX = np.dot(grad, self.W.T)
        self.W = self.W - lr * np.dot(self.X.T, grad) / len(self.X)
        self.b = self.b - lr * np.sum(grad, axis=0, keepdims=True)
        return dX


class FullyConnectedMoved(FullyConnected):
    def backward(self, grad, lr=0.01):
        self.W = self.W - lr * np.dot(self.X.T, grad)
        self.b = self.b - lr * np.sum(grad, axis=0, keepdims=True)
        return np.dot(grad, self.W.T)


class SGD:
    def __init__(self, learning_rate=0.1):
        self.learning_rate = learning_rate

    def update(self, w, grad):
        return w - self.learning_rate * grad


class Momentum:
    def __init__(self, learning_rate=0.1, momentum=0.9):
        self.learning_rate, self.momentum, self.v = learning_rate, momentum, None

    def update(self, w, grad):
        if self.v is None:
            self.v = np.zeros(np.shape(w))
        self.v = self.momentum * self.v + (1 - self.momentum) * grad
        return w - self.learning_rate * self.v


class WithOptimizer:
    """An optimiser for each of the two parameters."""

    def __init__(self):
        self.W, self.w0 = np.random.uniform(-1, 1, (4, 3)), np.zeros((1, 3))
        self.W_opt, self.w0_opt = Momentum(), Momentum()

    def forward_pass(self, X, training=True):
        self.layer_input = X
        return X.dot(self.W) + self.w0

    def backward_pass(self, accum_grad):
        W = self.W
        self.W = self.W_opt.update(self.W, self.layer_input.T.dot(accum_grad))
        self.w0 = self.w0_opt.update(self.w0, accum_grad.sum(axis=0, keepdims=True))
        return accum_grad.dot(W.T)


class WithOptimizerFive(WithOptimizer):
    def backward_pass(self, accum_grad):
        W = self.W
        self.W = self.W_opt.update(self.W, self.layer_input.T.dot(accum_grad))
        self.w0 = self.w0_opt.update(self.w0, 5 * accum_grad.mean(axis=0, keepdims=True))
        return accum_grad.dot(W.T)


class WithOptimizerAfter(WithOptimizer):
    """Goes back through the weights that the optimiser has already moved."""

    def __init__(self):
        super().__init__()
        self.W_opt, self.w0_opt = SGD(), SGD()

    def backward_pass(self, accum_grad):
        self.W = self.W_opt.update(self.W, self.layer_input.T.dot(accum_grad))
        self.w0 = self.w0_opt.update(self.w0, accum_grad.sum(axis=0, keepdims=True))
        return accum_grad.dot(self.W.T)


class DoubleStep:
    """Named after the Greek letter, and without a bias."""

    def __init__(self, n_in=5, n_out=2):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, eta):
        dW, dx = self.x.T @ dout, dout @ self.W.T
        self.W -= eta * 2 * dW
        return dx


class Perceptrons:
    """feed_forward and back_propagate, with an eta."""

    def __init__(self, inputs=4, outputs=3):
        self.w = np.random.uniform(-1, 1, (inputs, outputs))

    def feed_forward(self, x):
        self.x = x
        self.s = 1 / (1 + np.exp(-(x @ self.w)))
        return self.s

    def back_propagate(self, error, eta):
        delta = error * self.s * (1 - self.s)
        back = delta @ self.w.T
        self.w -= eta * (self.x.T @ delta)
        return back


class PerceptronsPlain(Perceptrons):
    """The error goes back as it came, past the sigmoid."""

    def back_propagate(self, error, eta):
        delta = error * self.s * (1 - self.s)
        back = error @ self.w.T
        self.w -= eta * (self.x.T @ delta)
        return back


class Momentous:
    """A learning rate and a momentum for the update."""

    def __init__(self, inputs=4, outputs=3):
        self.weights = np.random.randn(inputs, outputs)
        self.bias = np.zeros((1, outputs))
        self.v_weights, self.v_bias = np.zeros_like(self.weights), np.zeros_like(self.bias)

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, delta, learning_rate, momentum):
        back = delta @ self.weights.T
        self.v_weights = momentum * self.v_weights - learning_rate * self.x.T @ delta
        self.v_bias = momentum * self.v_bias - learning_rate * delta.sum(axis=0, keepdims=True)
        self.weights += self.v_weights
        self.bias += self.v_bias
        return back


class Paced:
    """Numbers that are not called as what they are."""

    def __init__(self, inputs=4, outputs=3):
        self.W = np.random.randn(inputs, outputs)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, softness, pace):
        back = dout @ self.W.T
        self.W -= pace * self.x.T @ dout / softness
        return back


class PacedTooFast(Paced):
    """Three times the gradient."""

    def backward(self, dout, softness, pace):
        return super().backward(dout, softness, 3 * pace)


class Decaying(Paced):
    """A weight decay that backward alone is told of."""

    def backward(self, dout, eta, weight_decay):
        back = dout @ self.W.T
        self.W -= eta * (self.x.T @ dout + weight_decay * self.W)
        return back


class OwnPace(Paced):
    """A learning rate of its own, by another name."""

    def __init__(self, inputs=4, outputs=3):
        super().__init__(inputs, outputs)
        self.mu = 0.05

    def backward(self, dout):
        back = dout @ self.W.T
        self.W = self.W - self.mu * (self.x.T @ dout)
        return back


class OwnPaceUphill(OwnPace):
    """Up, and not down."""

    def backward(self, dout):
        back = dout @ self.W.T
        self.W = self.W + self.mu * (self.x.T @ dout)
        return back


class HandedOptimizer(Paced):
    """The optimiser is an argument of backward."""

    def backward(self, dout, optimizer):
        back = dout @ self.W.T
        self.W = optimizer.update(self.W, self.x.T @ dout)
        return back


class HandedOptimizerTransposed(Paced):
    """And is given something else."""

    def __init__(self, inputs=4, outputs=4):
        super().__init__(inputs, outputs)

    def backward(self, dout, optimizer):
        back = dout @ self.W.T
        optimizer.step([(self.W, dout.T @ self.x)])
        return back


class HandedOptimizerRate(Paced):
    """An optimiser that is asked for its learning rate alone."""

    def backward(self, dout, opt):
        back = dout @ self.W.T
        self.W -= opt.lr * self.x.T @ dout
        return back


LEARNING_RATE = 0.05


class OfTheModule:
    """The learning rate is a constant of the module."""

    def __init__(self, n_in, n_out):
        self.w = np.random.normal(0, n_in**-0.5, (n_in, n_out))
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, dout):
        back = dout @ self.w.T
        self.w -= LEARNING_RATE * (self.x.T @ dout)
        self.b -= LEARNING_RATE * dout.sum(axis=0)
        return back


class OfTheClass(OfTheModule):
    """The learning rate is one of the class."""

    lr = 0.1

    def backward(self, dout):
        back = dout @ self.w.T
        self.w -= self.lr * (self.x.T @ dout)
        self.b -= self.lr * dout.sum(axis=0)
        return back


class OfTheClassUphill(OfTheClass):
    def backward(self, dout):
        back = dout @ self.w.T
        self.w += self.lr * (self.x.T @ dout)
        self.b -= self.lr * dout.sum(axis=0)
        return back


class OneRow:
    """One example at a time, as a row: the bias is moved by dout itself."""

    def __init__(self, input_size, output_size):
        self.weights = np.random.rand(input_size, output_size) - 0.5
        self.bias = np.random.rand(1, output_size) - 0.5

    def forward_propagation(self, input_data):
        self.input = input_data
        return np.dot(self.input, self.weights) + self.bias

    def backward_propagation(self, output_error, learning_rate):
        input_error = np.dot(output_error, self.weights.T)
        self.weights -= learning_rate * np.dot(self.input.T, output_error)
        self.bias -= learning_rate * output_error
        return input_error


class OneRowMoved(OneRow):
    def backward_propagation(self, output_error, learning_rate):
        self.weights -= learning_rate * np.dot(self.input.T, output_error)
        self.bias -= learning_rate * output_error
        return np.dot(output_error, self.weights.T)


class Windows:
    """Kernels on one signal: where it is shorter than they are, there is no output."""

    def __init__(self, kernels=2, size=3):
        self.k = np.random.randn(kernels, size) * 0.5
        self.b = np.zeros(kernels)

    def forward(self, x):
        self.x = x
        size = self.k.shape[1]
        windows = [x[i : i + size] for i in range(x.shape[0] - size + 1)]
        return np.array([[np.sum(w * k) + b for w in windows] for k, b in zip(self.k, self.b)])

    def backward(self, dout, lr):
        dk, dx = np.zeros_like(self.k), np.zeros_like(self.x)
        size = self.k.shape[1]
        for f in range(len(self.k)):
            for i in range(dout.shape[1]):
                dk[f] += dout[f, i] * self.x[i : i + size]
                dx[i : i + size] += dout[f, i] * self.of_input(f)
        self.k -= lr * dk
        self.b -= lr * dout.sum(axis=1)
        return dx

    def of_input(self, f):
        return self.k[f]


class WindowsFlipped(Windows):
    def of_input(self, f):
        return self.k[f][::-1]


class DecayingByDefault(OfTheModule):
    """A weight decay that the loss has no part in, as a default."""

    def backward(self, dout, lr=0.1, weight_decay=1e-4):
        back = dout @ self.w.T
        self.w = self.w - lr * (self.x.T @ dout + weight_decay * self.w)
        self.b = self.b - lr * dout.sum(axis=0)
        return back


class DecayingByDefaultMean(DecayingByDefault):
    def backward(self, dout, lr=0.1, weight_decay=1e-4):
        back = dout @ self.w.T
        self.w = self.w - lr * (self.x.T @ dout + weight_decay * self.w)
        self.b = self.b - lr * dout.mean(axis=0)
        return back


class Leaking(OfTheModule):
    """A slope that is called as some call a learning rate."""

    alpha = 0.1

    def forward(self, x):
        self.z = super().forward(x)
        return np.where(self.z > 0, self.z, self.alpha * self.z)

    def backward(self, dout):
        return super().backward(dout * np.where(self.z > 0, 1.0, self.alpha))
