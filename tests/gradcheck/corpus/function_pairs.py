"""Plain functions and their derivatives, named after them in the usual ways."""

import numpy as np


def relu(x):
    return np.maximum(0.0, x)


def relu_deriv(x):
    return 1.0 * (x > 0)


def leaky(x, slope=0.05):
    return np.where(x > 0, x, slope * x)


def leaky_derivative(x, slope=0.05):
    return np.where(x > 0, 1, slope)


def leaky_relu(x, alpha=0.2):
    return np.maximum(alpha * x, x)


def leaky_relu_prime(x, alpha=0.2):
    return np.where(x >= 0, 1.0, 0.0)


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def logistic(x):
    return 1 / (1 + np.exp(-x))


def logistic_derivative(a):
    """Takes the activation, not its argument."""
    return a * (1 - a)


def tanh(x):
    return np.tanh(x)


def tanh_derivative(x):
    return 1 - x**2


def softplus(x):
    return np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x)))


def d_softplus(x):
    return 1 / (1 + np.exp(-x))


def cubic(x):
    return x**3 - x


def dcubic(x):
    return 3 * x**2 - 1


def arctan(x):
    return np.arctan(x)


def arctan_grad(x):
    return 1 / (1 - x**2)


def softsign(x):
    return x / (1 + np.abs(x))


def softsign_prime(x):
    return 1 / (1 + x) ** 2


def softmax(v):
    e = np.exp(v - np.max(v))
    return e / np.sum(e)


def softmax_grad(v):
    """The Jacobian of one vector."""
    s = softmax(v).reshape(-1, 1)
    return np.diagflat(s) - s @ s.T


def soft_max(v):
    e = np.exp(v - np.max(v))
    return e / np.sum(e)


def soft_max_prime(v):
    s = soft_max(v)
    return s * (1 - s)


def mse(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / np.size(y_true)


def rms(y_true, y_pred):
    return np.mean((y_true - y_pred) ** 2) / 2


def rms_prime(y_true, y_pred):
    return (y_true - y_pred) / np.size(y_true)


def bce(y_true, y_pred):
    return np.mean(-y_true * np.log(y_pred) - (1 - y_true) * np.log(1 - y_pred))


def bce_prime(y_true, y_pred):
    return ((1 - y_true) / (1 - y_pred) - y_true / y_pred) / np.size(y_true)


def binary_loss(y_true, y_pred):
    return np.mean(-y_true * np.log(y_pred) - (1 - y_true) * np.log(1 - y_pred))


def binary_loss_derivative(y_true, y_pred):
    return (1 - y_true) / (1 - y_pred) - y_true / y_pred


def absolute_error(pred, target):
    return np.abs(pred - target).sum()


def absolute_error_grad(pred, target):
    return np.sign(pred - target)


def quartic_error(pred, target):
    return np.sum((pred - target) ** 4) / 4


def quartic_error_grad(pred, target):
    return 4 * (pred - target) ** 3


def root(x):
    """Of positive numbers."""
    return np.sqrt(x)


def root_prime(x):
    return 0.5 / np.sqrt(x)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def gelu_derivative(x):
    """The inner derivative is that of x alone."""
    t = np.tanh(0.7978845608 * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * 0.7978845608


def softmax_of_rows(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_of_rows_grad(x):
    """The Jacobian of one vector, though the function would take several."""
    s = softmax_of_rows(x).reshape(-1, 1)
    return np.diagflat(s) - s @ s.T


def softmax_of_rows_loss(x, y):
    """A loss with its gradient, which has the function above in its name."""
    n = np.arange(len(x))
    shifted = x - x.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dx = np.exp(log_p)
    dx[n, y] -= 1
    return -log_p[n, y].mean(), dx / len(x)


def divergence(p, q):
    return np.sum(p * np.log(p / q), axis=-1).mean()


def divergence_grad(p, q):
    """The gradient to the second argument."""
    return -p / q / len(p)
