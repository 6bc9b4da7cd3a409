"""Recurrent cells, whose hidden state is an input and an output, and tables of vectors."""

import numpy as np


def _gate(x):
    return 1 / (1 + np.exp(-x))


def gru_cell_forward(x, h_prev, Wx, Wh, b):
    """Two gates: how much of the state is renewed, and how much of it is looked at."""
    size = h_prev.shape[1]
    ax, ah = x @ Wx + b, h_prev @ Wh
    z = _gate(ax[:, :size] + ah[:, :size])
    r = _gate(ax[:, size : 2 * size] + ah[:, size : 2 * size])
    n = np.tanh(ax[:, 2 * size :] + r * ah[:, 2 * size :])
    return z * h_prev + (1 - z) * n, (x, h_prev, Wx, Wh, z, r, n, ah[:, 2 * size :])


def gru_cell_backward(dh, cache):
    x, h_prev, Wx, Wh, z, r, n, state = cache
    dn = dh * (1 - z) * (1 - n**2)
    dz = dh * (h_prev - n) * z * (1 - z)
    dr = dn * state * r * (1 - r)
    dax = np.hstack([dz, dr, dn])
    dah = np.hstack([dz, dr, dn * r])
    return dax @ Wx.T, dah @ Wh.T + dh * z, x.T @ dax, h_prev.T @ dah, dax.sum(axis=0)


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    """Two outputs, and a gradient from above for each."""
    size = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, o = (_gate(a[:, k * size : (k + 1) * size]) for k in range(3))
    g = np.tanh(a[:, 3 * size :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    t = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - t**2)
    da = np.hstack(
        [
            dc * g * i * (1 - i),
            dc * prev_c * f * (1 - f),
            dnext_h * t * o * (1 - o),
            dc * i * (1 - g**2),
        ]
    )
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def peephole_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    return lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b)


def peephole_step_backward(dnext_h, dnext_c, cache):
    """What comes down the cell itself is forgotten."""
    return lstm_step_backward(dnext_h, np.zeros_like(dnext_c), cache)


class Cell:
    """A hidden state by its side."""

    def __init__(self, inputs=5, hidden=3):
        self.Wx = np.random.randn(inputs, hidden)
        self.Wh = np.random.randn(hidden, hidden)
        self.b = np.zeros(hidden)

    def forward(self, x, h_prev):
        self.x, self.h_prev = x, h_prev
        self.h = np.tanh(x @ self.Wx + h_prev @ self.Wh + self.b)
        return self.h

    def backward(self, dh):
        da = dh * (1 - self.h**2)
        self.dWx, self.dWh, self.db = self.x.T @ da, self.h_prev.T @ da, da.sum(axis=0)
        return da @ self.Wx.T, da @ self.Wh.T


class CellDoubled(Cell):
    """The gradient to the state is twice what it should be."""

    def backward(self, dh):
        dx, dh_prev = super().backward(dh)
        return dx, 2 * dh_prev


class Memory:
    """A class with two outputs."""

    def __init__(self, inputs=5, hidden=3):
        self.W = np.random.randn(inputs + hidden, 4 * hidden) / 2
        self.b = np.zeros(4 * hidden)

    def forward(self, x, h, c):
        self.x, self.h, self.c = x, h, c
        a = np.hstack([x, h]) @ self.W + self.b
        self.i, self.f, self.o, g = np.split(a, 4, axis=1)
        self.i, self.f, self.o, self.g = _gate(self.i), _gate(self.f), _gate(self.o), np.tanh(g)
        self.c_next = self.f * c + self.i * self.g
        return self.o * np.tanh(self.c_next), self.c_next

    def backward(self, dh, dc):
        t = np.tanh(self.c_next)
        dc = dc + dh * self.o * (1 - t**2)
        da = np.hstack(
            [
                dc * self.g * self.i * (1 - self.i),
                dc * self.c * self.f * (1 - self.f),
                dh * t * self.o * (1 - self.o),
                dc * self.i * (1 - self.g**2),
            ]
        )
        self.dW, self.db = np.hstack([self.x, self.h]).T @ da, da.sum(axis=0)
        back = da @ self.W.T
        return back[:, : self.x.shape[1]], back[:, self.x.shape[1] :], dc * self.f


class Embedding:
    """Rows of a table, which are looked up by their numbers."""

    def __init__(self, words=9, width=4):
        self.table = np.random.randn(words, width)

    def forward(self, words):
        self.words = words
        return self.table[words]

    def backward(self, dout):
        self.dtable = np.zeros_like(self.table)
        np.add.at(self.dtable, self.words, dout)


class EmbeddingOnce(Embedding):
    """A word that stands there twice counts once."""

    def backward(self, dout):
        self.dtable = np.zeros_like(self.table)
        self.dtable[self.words] += dout


def lookup_forward(places, W):
    return W[places], (places, W.shape)


def lookup_backward(dout, cache):
    places, shape = cache
    dW = np.zeros(shape)
    np.add.at(dW, places, dout)
    return dW


def rnn_forward(x, h_prev, W_hh, W_xh, b_h):
    """Weights that are named after what they lead from and to."""
    h = np.tanh(x @ W_xh + h_prev @ W_hh + b_h)
    return h, (x, h_prev, W_hh, W_xh, h)


def rnn_backward(dh, cache):
    x, h_prev, W_hh, W_xh, h = cache
    dz = dh * (1 - h * h)
    return dz @ W_xh.T, dz @ W_hh.T, h_prev.T @ dz, x.T @ dz, dz.sum(axis=0)


def rnn_backward_transposed(dh, cache):
    dx, _, *others = rnn_backward(dh, cache)
    _, _, W_hh, _, h = cache
    return dx, dh * (1 - h * h) @ W_hh, *others


def update_forward(x, h, Wz, Uz, bz, Wn, Un, bn):
    """A cell with one gate: W for the input, U for the hidden state."""
    z = 1 / (1 + np.exp(-(x @ Wz + h @ Uz + bz)))
    n = np.tanh(x @ Wn + h @ Un + bn)
    return (1 - z) * n + z * h, (x, h, Wz, Uz, Wn, Un, z, n)


def update_backward(dout, cache):
    x, h, Wz, Uz, Wn, Un, z, n = cache
    dn = dout * (1 - z) * (1 - n**2)
    dz = dout * (h - n) * z * (1 - z)
    dx = dn @ Wn.T + dz @ Wz.T
    dh = dout * z + dn @ Un.T + dz @ Uz.T
    return dx, dh, x.T @ dz, h.T @ dz, dz.sum(axis=0), x.T @ dn, h.T @ dn, dn.sum(axis=0)


def sequence_forward(x, h0, Wx, Wh, b):
    """All steps of a sequence, (N, T, D), in one function."""
    h, caches = h0, []
    for t in range(x.shape[1]):
        before, h = h, np.tanh(x[:, t] @ Wx + h @ Wh + b)
        caches.append((x[:, t], before, h))
    return np.stack([after for _, _, after in caches], axis=1), (caches, Wx, Wh)


def sequence_backward(dh, cache):
    caches, Wx, Wh = cache
    dx, dWx, dWh, db = [], np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(len(Wh))
    dprev = np.zeros_like(caches[0][1])
    for t in reversed(range(len(caches))):
        x, before, h = caches[t]
        da = (dh[:, t] + dprev) * (1 - h**2)
        dprev = da @ Wh.T
        dx.insert(0, da @ Wx.T)
        dWx, dWh, db = dWx + x.T @ da, dWh + before.T @ da, db + da.sum(axis=0)
    return np.stack(dx, axis=1), dprev, dWx, dWh, db


def sequence_backward_cut(dh, cache):
    """Nothing comes back from a later step."""
    caches, Wx, Wh = cache
    das = [dh[:, t] * (1 - h**2) for t, (_, _, h) in enumerate(caches)]
    dWx = sum(x.T @ da for (x, _, _), da in zip(caches, das))
    dWh = sum(before.T @ da for (_, before, _), da in zip(caches, das))
    dx = np.stack([da @ Wx.T for da in das], axis=1)
    return dx, das[0] @ Wh.T, dWx, dWh, sum(da.sum(axis=0) for da in das)


class GivenCell:
    """The weights are given to the constructor, and kept in a list."""

    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(p) for p in self.params]

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        h_next = np.tanh(np.dot(h_prev, Wh) + np.dot(x, Wx) + b)
        self.cache = (x, h_prev, h_next)
        return h_next

    def backward(self, dh_next):
        Wx, Wh, _ = self.params
        x, h_prev, h_next = self.cache
        dt = dh_next * (1 - h_next**2)
        self.grads[0][...] = np.dot(x.T, dt)
        self.grads[1][...] = np.dot(h_prev.T, dt)
        self.grads[2][...] = dt.sum(axis=0)
        return np.dot(dt, Wx.T), np.dot(dt, Wh.T)


class GivenCellBiasMean(GivenCell):
    def backward(self, dh_next):
        back = super().backward(dh_next)
        self.grads[2][...] /= len(dh_next)
        return back
