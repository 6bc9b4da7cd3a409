"""Functions that return a cache for the way back, and losses that return their gradient."""

import numpy as np


def affine_forward(x, w, b):
    """x may have any number of axes after the first."""
    flat = x.reshape(len(x), -1)
    return flat @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    return dx, dw, np.sum(dout, axis=0)


def fc_forward(x, w, b):
    return x.dot(w) + b, (x, w, b)


def fc_backward(dout, cache):
    x, w, _ = cache
    return dout.dot(w.T), x.T.dot(dout), dout.mean(axis=0)


def rectify_forward(x):
    return x * (x > 0), x


def rectify_backward(dout, cache):
    return dout * (cache > 0)


def relu_forward(x):
    out = np.maximum(0, x)
    return out, x


def relu_backward(dout, cache):
    dx = dout.copy()
    dx[dout < 0] = 0
    return dx


def layernorm_forward(x, gamma, beta):
    mean = np.mean(x, axis=1, keepdims=True)
    inv_std = 1 / np.sqrt(np.mean((x - mean) ** 2, axis=1, keepdims=True) + 1e-5)
    normed = (x - mean) * inv_std
    return gamma * normed + beta, (normed, gamma, inv_std)


def layernorm_backward(dout, cache):
    normed, gamma, inv_std = cache
    dnormed = dout * gamma
    centred = dnormed - np.mean(dnormed, axis=1, keepdims=True)
    dx = inv_std * (centred - normed * np.mean(dnormed * normed, axis=1, keepdims=True))
    return dx, np.sum(dout * normed, axis=0), np.sum(dout, axis=0)


def batchnorm_forward(x, gamma, beta):
    mean = np.mean(x, axis=0)
    inv_std = 1 / np.sqrt(np.mean((x - mean) ** 2, axis=0) + 1e-3)
    normed = (x - mean) * inv_std
    return gamma * normed + beta, (normed, gamma, inv_std)


def batchnorm_backward(dout, cache):
    """The mean is forgotten on the way back."""
    normed, gamma, inv_std = cache
    dnormed = dout * gamma
    dx = inv_std * (dnormed - normed * np.mean(dnormed * normed, axis=0))
    return dx, np.sum(dout * normed, axis=0), np.sum(dout, axis=0)


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h * next_h)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def gru_gate_forward(x, h, Wx, Wh, b):
    gate = 1 / (1 + np.exp(-(x @ Wx + h @ Wh + b)))
    return gate, (x, h, Wx, Wh, gate)


def gru_gate_backward(dgate, cache):
    x, h, Wx, Wh, gate = cache
    da = dgate * gate * (1 - gate)
    return da @ Wx.T, dgate @ Wh.T, x.T @ da, h.T @ da, da.sum(axis=0)


def svm_loss(x, y):
    n = np.arange(x.shape[0])
    gaps = np.maximum(0, x - x[n, y][:, np.newaxis] + 1)
    gaps[n, y] = 0
    dx = (gaps > 0).astype(x.dtype)
    dx[n, y] -= dx.sum(axis=1)
    return gaps.sum() / len(n), dx / len(n)


def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    logp = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    n = np.arange(len(x))
    dx = np.exp(logp)
    dx[n, y] -= 1
    return -np.mean(logp[n, y]), dx / len(x)


def softmax_cost(x, y):
    """Forgets the division in the gradient."""
    shifted = x - np.max(x, axis=1, keepdims=True)
    logp = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    dx = np.exp(logp)
    dx[np.arange(len(x)), y] -= 1
    return -np.mean(logp[np.arange(len(x)), y]), dx


def softmax_loss_naive(W, X, y, reg):
    loss, dW = 0.0, np.zeros_like(W)
    for i in range(len(X)):
        scores = X[i] @ W
        scores = scores - scores.max()
        total = np.exp(scores).sum()
        loss += np.log(total) - scores[y[i]]
        p = np.exp(scores) / total
        for k in range(W.shape[1]):
            dW[:, k] += (p[k] - (k == y[i])) * X[i]
    loss = loss / len(X) + reg * np.sum(W * W)
    return loss, dW / len(X) + 2 * reg * W


def svm_loss_naive(W, X, y, reg):
    """The penalty is in the loss alone."""
    loss, dW = 0.0, np.zeros_like(W)
    for i in range(len(X)):
        scores = X[i] @ W
        for k in range(W.shape[1]):
            margin = scores[k] - scores[y[i]] + 1
            if k != y[i] and margin > 0:
                loss += margin
                dW[:, k] += X[i]
                dW[:, y[i]] -= X[i]
    return loss / len(X) + reg * np.sum(W * W), dW / len(X)


def svm_loss_vectorized(W, X, y, reg):
    """Half the penalty in the loss, and twice what belongs to it in the gradient."""
    n = np.arange(len(X))
    scores = X @ W
    gaps = np.maximum(0, scores - scores[n, y][:, None] + 1)
    gaps[n, y] = 0
    over = (gaps > 0) * 1.0
    over[n, y] = -over.sum(axis=1)
    return gaps.sum() / len(X) + 0.5 * reg * np.sum(W * W), X.T @ over / len(X) + 2 * reg * W


def ridge_naive(W, X, y, reg):
    """The penalty is in the gradient alone."""
    err = X @ W - y
    return np.sum(err**2) / len(X), 2 * X.T @ err / len(X) + 2 * reg * W


def linear_regression(w, X, y, reg):
    err = X @ w - y
    loss = 0.5 * np.mean(err**2) + 0.5 * reg * w @ w
    return loss, X.T @ err / len(y) + reg * w


def dropout_forward(x, dropout_param):
    """dropout_param holds p, mode and seed."""
    keep = dropout_param["p"]
    if dropout_param["mode"] == "test":
        return x, (dropout_param, None)
    rng = np.random.default_rng(dropout_param["seed"])
    mask = (rng.random(x.shape) < keep) / keep
    return x * mask, (dropout_param, mask)


def dropout_backward(dout, cache):
    _, mask = cache
    return dout if mask is None else dout * mask


def thinning_forward(x, thinning_param):
    rng = np.random.default_rng(thinning_param["seed"])
    mask = rng.random(x.shape) < thinning_param["p"]
    return x * mask / thinning_param["p"], (thinning_param, mask)


def thinning_backward(dout, cache):
    _, mask = cache
    return dout * mask


def spatial_forward(x, gamma, beta, bn_param):
    """A normalisation over the batch that keeps a running mean in its settings."""
    mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
    mean = bn_param.get("running_mean", np.zeros(x.shape[1], x.dtype))
    if mode == "train":
        mu, std = x.mean(axis=0), np.sqrt(x.var(axis=0) + eps)
        bn_param["running_mean"] = 0.9 * mean + 0.1 * mu
    unit = (x - mu) / std
    return gamma * unit + beta, (unit, gamma, std)


def spatial_backward(dout, cache):
    unit, gamma, std = cache
    g = dout * gamma
    dx = (g - g.mean(axis=0) - unit * (g * unit).mean(axis=0)) / std
    return dx, (dout * unit).sum(axis=0), dout.sum(axis=0)


def pool_forward(x, pool_param):
    height, width, stride = (
        pool_param["pool_height"],
        pool_param["pool_width"],
        pool_param["stride"],
    )
    n, c, h, w = x.shape
    out = np.zeros((n, c, 1 + (h - height) // stride, 1 + (w - width) // stride), x.dtype)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            rows, columns = i * stride, j * stride
            out[:, :, i, j] = x[:, :, rows : rows + height, columns : columns + width].max((2, 3))
    return out, (x, pool_param)


def pool_backward(dout, cache):
    """The gradient goes to the corner, and not to the largest."""
    x, pool_param = cache
    dx, stride = np.zeros_like(x), pool_param["stride"]
    dx[:, :, : dout.shape[2] * stride : stride, : dout.shape[3] * stride : stride] = dout
    return dx


def highway_forward(x, Wh, bh, Wt, bt):
    """A gate beside what it lets through: both weights take the input, and are square."""
    h = np.maximum(x @ Wh + bh, 0)
    t = 1 / (1 + np.exp(-(x @ Wt + bt)))
    return h * t + x * (1 - t), (x, Wh, Wt, h, t)


def highway_backward(dout, cache):
    x, Wh, Wt, h, t = cache
    dh = dout * t * (h > 0)
    dt = dout * (h - x) * t * (1 - t)
    dx = dout * (1 - t) + dh @ Wh.T + dt @ Wt.T
    return dx, x.T @ dh, dh.sum(axis=0), x.T @ dt, dt.sum(axis=0)


def glu_forward(x, W1, b1, W2, b2):
    """Two halves side by side, of which one is the gate of the other."""
    a, s = x @ W1 + b1, 1 / (1 + np.exp(-(x @ W2 + b2)))
    return a * s, (x, W1, W2, a, s)


def glu_backward(dout, cache):
    x, W1, W2, a, s = cache
    da, dz = dout * s, dout * a * s * (1 - s)
    return da @ W1.T + dz @ W2.T, x.T @ da, da.sum(axis=0), x.T @ dz, dz.sum(axis=0)


def glu_backward_open(dout, cache):
    """The gate is differentiated as if it were never closed."""
    x, W1, W2, a, s = cache
    da, dz = dout * s, dout * a * s
    return da @ W1.T + dz @ W2.T, x.T @ da, da.sum(axis=0), x.T @ dz, dz.sum(axis=0)


def steps_forward(x, w, b):
    n, t, d = x.shape
    return x.reshape(n * t, d).dot(w).reshape(n, t, len(b)) + b, (x, w, b)


def steps_backward(dout, cache):
    x, w, b = cache
    n, t, d = x.shape
    flat = dout.reshape(n * t, len(b))
    return flat.dot(w.T).reshape(x.shape), x.reshape(n * t, d).T.dot(flat), dout.sum(axis=(0, 1))


def steps_backward_mean(dout, cache):
    dx, dw, db = steps_backward(dout, cache)
    return dx, dw, db / dout.shape[1]
