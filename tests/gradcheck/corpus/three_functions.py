"""Networks in three functions: the output, its cost, and the gradients, by a file's own names."""

import numpy as np


def initialize_parameters(n_x=6, n_h=4, n_y=1):
    return {
        "W1": np.random.randn(n_h, n_x),
        "b1": np.zeros((n_h, 1)),
        "W2": np.random.randn(n_y, n_h),
        "b2": np.zeros((n_y, 1)),
    }


def forward_propagation(X, parameters):
    Z1 = parameters["W1"] @ X + parameters["b1"]
    A1 = np.tanh(Z1)
    Z2 = parameters["W2"] @ A1 + parameters["b2"]
    A2 = 1 / (1 + np.exp(-Z2))
    return A2, {"A1": A1, "A2": A2}


def compute_cost(A2, Y):
    cost = -(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)).sum() / Y.shape[1]
    return float(np.squeeze(cost))


def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    dZ2 = cache["A2"] - Y
    dZ1 = parameters["W2"].T @ dZ2 * (1 - cache["A1"] ** 2)
    return {
        "dW1": dZ1 @ X.T / m,
        "db1": dZ1.sum(axis=1, keepdims=True) / m,
        "dW2": dZ2 @ cache["A1"].T / m,
        "db2": dZ2.sum(axis=1, keepdims=True) / m,
    }


def scores_forward(X, parameters):
    """The same output, for a backward that forgets the slope of the tangent."""
    return forward_propagation(X, parameters)


def scores_backward(parameters, cache, X, Y):
    m = X.shape[1]
    dZ2 = cache["A2"] - Y
    dZ1 = parameters["W2"].T @ dZ2
    return {
        "dW1": dZ1 @ X.T / m,
        "db1": dZ1.sum(axis=1, keepdims=True) / m,
        "dW2": dZ2 @ cache["A1"].T / m,
        "db2": dZ2.sum(axis=1, keepdims=True) / m,
    }


def totals_forward(X, parameters):
    """The same output, for a backward that forgets to divide by the number of examples."""
    return forward_propagation(X, parameters)


def totals_backward(parameters, cache, X, Y):
    grads = backward_propagation(parameters, cache, X, Y)
    return {name: X.shape[1] * gradient for name, gradient in grads.items()}


def model_forward(X, parameters):
    """The caches in a list, and the output given to backward."""
    A, caches = X, []
    last = len(parameters) // 2
    for layer in range(1, last + 1):
        W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
        Z = W @ A + b
        caches.append((A, W, Z))
        A = 1 / (1 + np.exp(-Z)) if layer == last else np.maximum(0, Z)
    return A, caches


def model_backward(AL, Y, caches):
    grads = {}
    m = Y.shape[1]
    dA = (-Y / AL + (1 - Y) / (1 - AL)) / m
    for layer in reversed(range(len(caches))):
        A, W, Z = caches[layer]
        is_last = layer == len(caches) - 1
        s = 1 / (1 + np.exp(-Z))
        dZ = dA * s * (1 - s) if is_last else dA * (Z > 0)
        grads[f"dW{layer + 1}"] = dZ @ A.T
        grads[f"db{layer + 1}"] = dZ.sum(axis=1, keepdims=True)
        dA = W.T @ dZ
    return grads


def ridge_forward(X, parameters):
    return forward_propagation(X, parameters)


def ridge_cost(A2, Y, parameters, lambd):
    squares = (parameters["W1"] ** 2).sum() + (parameters["W2"] ** 2).sum()
    return compute_cost(A2, Y) + lambd * squares / (2 * Y.shape[1])


def ridge_backward(parameters, cache, X, Y, lambd):
    grads = backward_propagation(parameters, cache, X, Y)
    for name in ("W1", "W2"):
        grads["d" + name] = grads["d" + name] + lambd * parameters[name] / X.shape[1]
    return grads


def lasso_forward(X, parameters):
    return forward_propagation(X, parameters)


def lasso_backward(parameters, cache, X, Y, lambd):
    """The cost has a regulariser, and the gradient has none."""
    return backward_propagation(parameters, cache, X, Y)
