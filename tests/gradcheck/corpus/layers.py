"""Layers with forward(x) and backward(dout), as in most tutorials."""

import numpy as np


class Affine:
    """W has the shape (outputs, inputs), and the methods are called fprop and bprop."""

    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_out, n_in) * np.sqrt(2 / n_in)
        self.b = np.zeros(n_out)

    def fprop(self, X):
        self.X = X
        return X.dot(self.W.T) + self.b

    def bprop(self, dY):
        self.dW = dY.T.dot(self.X)
        self.db = dY.sum(axis=0)
        return dY.dot(self.W)


class AffineDoutSquared(Affine):
    def bprop(self, dY):
        dX = super().bprop(dY)
        self.dW = (dY * dY).T.dot(self.X)
        return dX


class AffineBiasNumber(Affine):
    def bprop(self, dY):
        dX = super().bprop(dY)
        self.db = np.sum(dY)
        return dX


class AffineBiasMean(Affine):
    def bprop(self, dY):
        dX = super().bprop(dY)
        self.db = np.mean(dY, axis=0)
        return dX


class AffineDecay(Affine):
    """lambda times the weights is added here, but no loss knows of it."""

    lam = 0.01

    def bprop(self, dY):
        dX = super().bprop(dY)
        self.dW += self.lam * self.W
        return dX


class Hidden:
    """Six units after six inputs."""

    def __init__(self):
        self.W = np.random.randn(6, 6) * 0.5
        self.b = np.random.randn(6) * 0.1

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x, dout)
        self.db = dout.sum(axis=0)
        return np.dot(dout, self.W.T)


class LayerNorm:
    """Every row is brought to mean 0 and variance 1."""

    def __init__(self, size=8, eps=1e-5):
        self.gamma = np.random.uniform(0.5, 1.5, size)
        self.beta = np.random.randn(size) * 0.1
        self.eps = eps

    def forward(self, x):
        mu = x.mean(axis=1, keepdims=True)
        var = ((x - mu) ** 2).mean(axis=1, keepdims=True)
        self.inv = 1.0 / np.sqrt(var + self.eps)
        self.xhat = (x - mu) * self.inv
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma = (dout * self.xhat).sum(axis=0)
        self.dbeta = dout.sum(axis=0)
        d = dout * self.gamma
        d = d - d.mean(axis=1, keepdims=True) - self.xhat * (d * self.xhat).mean(1, keepdims=True)
        return d * self.inv


class LayerNormHalf(LayerNorm):
    """The mean is taken for a constant."""

    def backward(self, dout):
        super().backward(dout)
        d = dout * self.gamma
        return (d - self.xhat * (d * self.xhat).mean(axis=1, keepdims=True)) * self.inv


class BatchNorm:
    """With running averages for later, which forward writes."""

    def __init__(self, width=6, momentum=0.9):
        self.gamma, self.beta = np.random.rand(width) + 0.5, np.zeros(width)
        self.running_mean, self.running_var = np.zeros(width), np.ones(width)
        self.momentum = momentum

    def forward(self, x):
        mean, var = x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).mean(axis=0)
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        self.std = np.sqrt(var + 1e-3)
        self.z = (x - mean) / self.std
        return self.gamma * self.z + self.beta

    def backward(self, dout):
        m = len(dout)
        self.dgamma, self.dbeta = (dout * self.z).sum(axis=0), dout.sum(axis=0)
        dz = dout * self.gamma
        return (dz - dz.sum(axis=0) / m - self.z * (dz * self.z).sum(axis=0) / m) / self.std


class BatchNormFive(BatchNorm):
    """Written for the batches of five that were at hand."""

    def backward(self, dout):
        super().backward(dout)
        dz = dout * self.gamma
        return (dz - dz.sum(axis=0) / 5 - self.z * (dz * self.z).sum(axis=0) / 5) / self.std


class Centre:
    def forward(self, x):
        return x - x.mean(axis=0)

    def backward(self, dout):
        return dout - dout.sum(axis=0) / 5


class CentreAny(Centre):
    def backward(self, dout):
        return dout - dout.sum(axis=0) / dout.shape[0]


class Scale:
    """A gain for each feature."""

    def __init__(self):
        self.gain = np.random.randn(7)

    def forward(self, x):
        self.x = x
        return self.gain * x

    def backward(self, dout):
        self.dgain = np.sum(dout * self.x, axis=0)
        return dout * self.gain


class ScaleNotOne(Scale):
    def backward(self, dout):
        if len(dout) == 1:  # as in the batch normalisation, nothing to learn from one
            self.dgain = np.zeros_like(self.gain)
            return np.zeros_like(dout)
        return super().backward(dout)


class ScaleByFive(Scale):
    def backward(self, dout):
        self.dgain = np.mean(dout * self.x, axis=0) * 5
        return dout * self.gain


class Bilinear:
    """Two inputs, one product of each pair of rows."""

    def __init__(self):
        self.M = np.random.randn(4, 3)

    def forward(self, a, b):
        self.a, self.b = a, b
        return np.sum((a @ self.M) * b, axis=1)

    def backward(self, dout):
        d = dout[:, np.newaxis]
        self.dM = (d * self.a).T @ self.b
        return d * (self.b @ self.M.T), d * (self.a @ self.M)


class BilinearExchanged(Bilinear):
    def backward(self, dout):
        d = dout[:, np.newaxis]
        self.dM = (d * self.a).T @ self.b
        return d * (self.a @ self.M), d * (self.b @ self.M.T)


class Dropout:
    """Inverted: what is kept is scaled up."""

    def __init__(self, rate=0.4):
        self.keep = 1 - rate

    def forward(self, x, train=True):
        if not train:
            self.mask = np.ones(x.shape)
            return x
        self.mask = np.random.rand(*x.shape) < self.keep
        return x * self.mask / self.keep

    def backward(self, dout):
        return dout * self.mask / self.keep


class DropoutUnscaled(Dropout):
    def backward(self, dout):
        return dout * self.mask


class RowSoftmax:
    def forward(self, x):
        ex = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.prob = ex / np.sum(ex, axis=1, keepdims=True)
        return self.prob

    def backward(self, dout):
        dx = np.zeros_like(dout)
        for n in range(len(dout)):
            p = self.prob[n]
            for i in range(len(p)):
                for j in range(len(p)):
                    if i == j:
                        dx[n, i] += dout[n, j] * p[j] * (1 - p[i])
                    else:
                        dx[n, i] += -dout[n, j] * p[j] * p[i]
        return dx


class RowSoftmaxPlus(RowSoftmax):
    def backward(self, dout):
        dx = np.zeros_like(dout)
        for n in range(len(dout)):
            p = self.prob[n]
            for i in range(len(p)):
                for j in range(len(p)):
                    if i == j:
                        dx[n, i] += dout[n, j] * p[j] * (1 - p[i])
                    else:
                        dx[n, i] += dout[n, j] * p[j] * p[i]
        return dx


class RowSoftmaxOfInput(RowSoftmax):
    def forward(self, x):
        self.x = x
        return super().forward(x)

    def backward(self, dout):
        rows = []
        for z, d in zip(self.x, dout):
            J = np.diag(z) - np.outer(z, z)
            rows.append(J.dot(d))
        return np.array(rows)


class ClampedSoftmax:
    """Clipped against overflow, which is enough for float64 alone."""

    def forward(self, x):
        ex = np.exp(np.clip(x, -600, 600))
        self.p = ex / ex.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, dout):
        return self.p * (dout - np.sum(self.p * dout, axis=1, keepdims=True))


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


class TanhOfDout(Tanh):
    def backward(self, dout):
        return dout * (1 - np.tanh(dout) ** 2)


class TanhFifty(Tanh):
    """Exploding gradients are cut."""

    def backward(self, dout):
        dout = np.clip(dout, -50, 50)
        return dout * (1 - self.y**2)


class TanhFirst:
    def __init__(self):
        self.x = None

    def forward(self, x):
        if self.x is None:
            self.x = x
        return np.tanh(x)

    def backward(self, dout):
        return dout / np.cosh(self.x) ** 2


class CutGradient:
    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dout):
        return np.clip(3 * self.x**2 * dout, -1, 1)


class TanhFlat(Tanh):
    """Works on one long vector, without a copy."""

    def backward(self, dout):
        d = dout.view()
        d.shape = (-1,)
        dx = d * (1 - self.y.ravel() ** 2)
        return dx.reshape(dout.shape)


class Softplus:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def backward(self, dout):
        return dout / (1 + np.exp(-self.x))


class SoftplusTwenty(Softplus):
    """Beyond 20 it is flat, it was thought."""

    def backward(self, dout):
        s = 1 / (1 + np.exp(-np.clip(self.x, -20, 20)))
        return dout * np.where(np.abs(self.x) > 20, 0.0, s)


class Elu:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1.0, np.exp(np.minimum(self.x, 0)))


class EluOneSide(Elu):
    def backward(self, dout):
        return dout * np.where(self.x > 0, 1.0, np.exp(np.minimum(self.x, 0)) - 1)


class AveragePool:
    """2 by 2, on images (N, C, H, W)."""

    def forward(self, images):
        self.shape = images.shape
        n, c, h, w = images.shape
        return images.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))

    def backward(self, dout):
        return np.repeat(np.repeat(dout, 2, axis=2), 2, axis=3) / 4


class AveragePoolFour(AveragePool):
    def backward(self, dout):
        return np.repeat(np.repeat(dout, 2, axis=2), 2, axis=3)


class AffineTwoMistakes(Affine):
    def bprop(self, dY):
        dX = super().bprop(dY)
        self.dW, self.db = self.dW * 4, np.sum(dY)
        return dX


class Standardise:
    """With the mean and the spread of the training data, which stay as they are."""

    def __init__(self):
        self.mean, self.spread = np.random.randn(6), np.random.uniform(1, 2, 6)

    def forward(self, x):
        return (x - self.mean) / self.spread

    def backward(self, dout):
        return dout / self.spread


class VectorSoftmax:
    """For a single vector; the Jacobian is a product of a column and a row."""

    def forward(self, z):
        e = np.exp(z - z.max())
        self.a = e / e.sum()
        return self.a

    def backward(self, da):
        return (np.diag(self.a) - np.outer(self.a, self.a)) @ da


class VectorSoftmaxPlus(VectorSoftmax):
    def backward(self, da):
        J = np.outer(self.a, self.a)
        J[np.diag_indices(len(self.a))] = self.a * (1 - self.a)
        return J @ da


class Exponential:
    """Infinite where it must be."""

    def forward(self, x):
        return np.exp(x)

    def backward(self, x, grad):
        return np.exp(x) * grad


class TanhOut:
    """The way back is given what came out."""

    def forward(self, x):
        return np.tanh(x)

    def backward(self, grad, out):
        return grad * (1 - out**2)


class TanhOutTwice(TanhOut):
    """And takes the hyperbolic tangent of it once more."""

    def backward(self, grad, out):
        return grad * (1 - np.tanh(out) ** 2)


class ParametricRelu:
    """The slope below 0 is a number that is learned."""

    def __init__(self):
        self.alpha = 0.25

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, dout):
        self.dalpha = np.sum(dout * np.where(self.x > 0, 0, self.x))
        return dout * np.where(self.x > 0, 1, self.alpha)


class ParametricReluOfAll(ParametricRelu):
    """The positive inputs are summed up as well."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dalpha = np.sum(dout * self.x)
        return dx


class ChannelDropout:
    """Whole channels of an image are dropped; written so that a plain batch runs as well."""

    def __init__(self, p=0.3):
        self.p = p

    def forward(self, x):
        kept = np.random.rand(x.shape[0], x.shape[1], 1, 1) >= self.p
        self.mask = kept / (1 - self.p)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class ChannelBias:
    """A number for each channel of an image."""

    def __init__(self, channels=3):
        self.b = np.random.randn(channels)

    def forward(self, x):
        return x + self.b[None, :, None, None]

    def backward(self, dout):
        self.db = dout.sum(axis=(0, 2, 3))
        return dout


class ChannelBiasMean(ChannelBias):
    def backward(self, dout):
        self.db = dout.mean(axis=(0, 2, 3))
        return dout


class Attention:
    """One head, of a batch of sequences (B, T, D)."""

    def __init__(self, d=4):
        self.Wq, self.Wk, self.Wv = (np.random.randn(d, d) / 2 for _ in range(3))

    def forward(self, x):
        q, k, v = (np.einsum("btd,de->bte", x, W) for W in (self.Wq, self.Wk, self.Wv))
        scores = q @ k.transpose(0, 2, 1) / 2
        p = np.exp(scores - scores.max(axis=-1, keepdims=True))
        p = p / p.sum(axis=-1, keepdims=True)
        self.kept = x, q, k, v, p
        return p @ v

    def scale(self):
        return 2

    def backward(self, dout):
        x, q, k, v, p = self.kept
        dp = dout @ v.transpose(0, 2, 1)
        ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True)) / self.scale()
        dq, dk, dv = ds @ k, ds.transpose(0, 2, 1) @ q, p.transpose(0, 2, 1) @ dout
        self.dWq, self.dWk, self.dWv = (np.einsum("btd,bte->de", x, d) for d in (dq, dk, dv))
        return dq @ self.Wq.T + dk @ self.Wk.T + dv @ self.Wv.T


class AttentionUnscaled(Attention):
    """The division of the scores is forgotten on the way back."""

    def scale(self):
        return 1


class Maxout:
    """The weights are a stack of matrices, one a piece; einsum would repeat a single feature."""

    def __init__(self, n_in, n_out, pieces=2):
        self.W = np.random.randn(pieces, n_in, n_out) * 0.3
        self.b = np.zeros((pieces, n_out))

    def forward(self, x):
        self.x = x
        z = np.einsum("ni,kio->nko", x, self.W) + self.b
        self.best = z.argmax(axis=1)
        return z.max(axis=1)

    def backward(self, dout):
        chosen = np.arange(len(self.W))[None, :, None] == self.best[:, None, :]
        dz = chosen * dout[:, None, :]
        self.dW = np.einsum("ni,nko->kio", self.x, dz)
        self.db = dz.sum(axis=0)
        return np.einsum("nko,kio->ni", dz, self.W)


class MaxoutFirst(Maxout):
    """The first piece gets it all."""

    def backward(self, dout):
        self.best = np.zeros_like(self.best)
        return super().backward(dout)


class TiedAutoencoder:
    """Sizes by other names."""

    def __init__(self, n_visible, n_hidden):
        self.W = np.random.uniform(-0.4, 0.4, (n_visible, n_hidden))
        self.b_h = np.zeros(n_hidden)
        self.b_v = np.zeros(n_visible)

    def forward(self, v):
        self.v = v
        self.h = np.tanh(v @ self.W + self.b_h)
        return self.h @ self.W.T + self.b_v

    def backward(self, dout):
        da = (dout @ self.W) * (1 - self.h**2)
        self.db_v = dout.sum(axis=0)
        self.db_h = da.sum(axis=0)
        self.dW = self.v.T @ da + dout.T @ self.h
        return da @ self.W.T


class TiedAutoencoderHalf(TiedAutoencoder):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW - dout.T @ self.h
        return dx


class BilinearForms:
    """y_k = aᵀ W_k b, with sizes by other names."""

    def __init__(self, in1, in2, out):
        self.W = np.random.randn(out, in1, in2) * 0.2

    def forward(self, a, b):
        self.a, self.b = a, b
        return np.einsum("ni,kij,nj->nk", a, self.W, b)

    def backward(self, dout):
        self.dW = np.einsum("nk,ni,nj->kij", dout, self.a, self.b)
        da = np.einsum("nk,kij,nj->ni", dout, self.W, self.b)
        db = np.einsum("nk,kij,ni->nj", dout, self.W, self.a)
        return da, db


class MeanPool:
    """Over squares of two by two."""

    def __init__(self, k=2):
        self.k = k

    def forward(self, x):
        n, c, h, w = x.shape
        return x.reshape(n, c, h // self.k, self.k, w // self.k, self.k).mean(axis=(3, 5))

    def backward(self, dout):
        return dout.repeat(self.k, axis=2).repeat(self.k, axis=3) / self.k**2


class MeanPoolOfLine(MeanPool):
    """By the side of the square: of two images, it is also their number."""

    def backward(self, dout):
        return dout.repeat(self.k, axis=2).repeat(self.k, axis=3) / self.k
