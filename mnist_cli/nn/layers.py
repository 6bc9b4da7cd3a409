"""The layers: each maps a batch forwards, and the gradient of the loss backwards.

``forward`` remembers what ``backward`` needs, so the two are called in that order. A row of a
batch is an example: ``x`` has the shape (N, inputs). Every formula also holds for complex numbers
(a comparison looks at the real part), which is what lets ``gradcheck`` differentiate this very
code to the last digit.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
"""float32 to train and float64 to study; and complex128 to differentiate, which type checkers are
not told of, as NumPy's stubs would then know nothing of any result."""


class Linear:
    """The affine map ``x·W + b``.

    The layer does not own its memory: it is given views of one parameter vector and of one
    gradient vector, and two layers that are given the same views are one layer used twice.

    Parameters
    ----------
    W : array, shape (inputs, outputs)
    b : array, shape (outputs,)
    dW, db : array, optional
        Where the gradients of ``W`` and ``b`` are added up; zeros of their own if not given.
    """

    def __init__(self, W: Array, b: Array, dW: Array | None = None, db: Array | None = None):
        self.W = W
        self.b = b
        self.dW = np.zeros_like(W) if dW is None else dW
        self.db = np.zeros_like(b) if db is None else db

    def forward(self, x: Array) -> Array:
        """Return ``x·W + b``, shape (N, outputs), for ``x`` of shape (N, inputs)."""
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Array, *, overwrite: bool = False) -> Array:
        """Add to ``dW`` and ``db``, and return ``dx = dout·Wᵀ``, shape (N, inputs).

        Entry (n, i) of ``x`` reaches the loss through every output j, each time by ``W[i, j]``:
        ``dx[n, i] = Σⱼ dout[n, j]·W[i, j]``.
        """
        self.accumulate(dout, overwrite=overwrite)
        return dout @ self.W.T

    def accumulate(self, dout: Array, *, overwrite: bool = False) -> None:
        """Add ``dW = xᵀ·dout`` and ``db = 1ᵀ·dout`` to the gradients that are there.

        Every row of the batch went through the same ``b``, so the contributions of the rows add
        up: ``db`` is a sum over the batch, and ``dW[i, j] = Σₙ x[n, i]·dout[n, j]`` is one too.
        For the same reason it is ``+=``: where two places of a network use the same ``W``, its
        gradient is the sum of what both of them say. `zero_gradients` starts anew.

        With ``overwrite``, what is there counts as zero, and is replaced.
        """
        if overwrite:  # neither set to zero nor added to: 3% of a step
            np.matmul(self.x.T, dout, out=self.dW)
            np.sum(dout, axis=0, out=self.db)
        else:
            self.dW += self.x.T @ dout
            self.db += dout.sum(axis=0)

    def zero_gradients(self) -> None:
        """Set ``dW`` and ``db`` to zero, as before each new pass."""
        self.dW[...] = 0
        self.db[...] = 0


class ReLU:
    """The rectifier ``max(x, 0)``, with the derivative 1 where ``x > 0`` and 0 elsewhere.

    At ``x = 0`` there is no derivative; 0 is taken, as is usual (Glorot, Bordes and Bengio 2011).
    """

    def forward(self, x: Array) -> Array:
        """Return ``x`` where it is positive and 0 elsewhere, in the shape of ``x``."""
        # np.where takes 18 µs where this takes 7, at 128 x 128.
        self.out = np.maximum(x, 0)
        return self.out

    def backward(self, dout: Array) -> Array:
        """Return ``dx = dout`` where ``x`` was positive and 0 elsewhere."""
        return dout * (self.out > 0)


class Dropout:
    """Puts random units out, a share ``p`` of them, and makes up for it in the others.

    ``x ⊙ m``, where each entry of ``m`` is 0 with the probability ``p`` and else ``1/(1 − p)``, so
    that the mean stays what it was. As nothing can rely on a unit that may be missing, each has
    to be useful by itself (Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014). It
    belongs in training alone.

    Parameters
    ----------
    rate : float
        ``p``, at least 0 and below 1.
    rng : Generator
        Draws a new ``m`` in each pass.
    """

    def __init__(self, rate: float, rng: np.random.Generator):
        self.rate = rate
        self.rng = rng

    def forward(self, x: Array) -> Array:
        """Return ``x ⊙ m``, in the shape of ``x``."""
        is_kept = self.rng.random(x.shape, dtype=np.float32) >= self.rate
        self.mask = is_kept * x.real.dtype.type(1 / (1 - self.rate))
        return x * self.mask

    def backward(self, dout: Array) -> Array:
        """Return ``dx = dout ⊙ m``: what was put out has no part in the loss."""
        return dout * self.mask


def log_softmax(x: Array) -> Array:
    """Return ``x − m − log Σ exp(x − m)`` over the last axis, m being the maximum of the row.

    Multiplying every ``exp(x_i)`` by the same ``exp(−m)`` changes none of their ratios, so the
    shift changes nothing in the result; but the largest exponent becomes 0, and ``exp`` of it 1,
    where ``exp(x)`` itself is infinite from 89 upwards in float32, and from 710 in float64.

    Parameters
    ----------
    x : array, shape (..., C)

    Returns
    -------
    array, shape (..., C), of the dtype of ``x``
        At most 0, and finite where ``softmax`` rounds to 0: for a distance of 2e4, say.
    """
    shifted: Array = x - x.real.max(axis=-1, keepdims=True)
    totals: Array = np.exp(shifted).sum(axis=-1, keepdims=True)
    return shifted - np.log(totals)


class Softmax:
    """The probabilities ``s_i = exp(x_i) / Σ_k exp(x_k)`` of every row.

    Differentiating the quotient gives the two cases ::

        ∂s_i/∂x_i = s_i·(1 − s_i)        on the diagonal, and
        ∂s_i/∂x_j = −s_i·s_j             off it,

    in which ``s`` is the layer's output, never its input. Together: ``diag(s) − s·sᵀ``.
    """

    def forward(self, x: Array) -> Array:
        """Return the softmax over the last axis, each row shifted by its maximum first."""
        exponentials: Array = np.exp(x - x.real.max(axis=-1, keepdims=True))
        totals: Array = exponentials.sum(axis=-1, keepdims=True)
        self.s = exponentials / totals
        return self.s

    def jacobian(self) -> Array:
        """Return ``diag(s) − s·sᵀ`` of every row, shape (..., C, C).

        Entry (n, i, j) is ∂s_i/∂x_j of row n. No row depends on another, so that is all of it.
        """
        s = self.s
        return (
            s[..., :, None] * np.eye(s.shape[-1], dtype=s.dtype) - s[..., :, None] * s[..., None, :]
        )

    def backward(self, dout: Array) -> Array:
        """Return ``dx = s ⊙ (dout − Σ dout ⊙ s)``, in the shape of ``dout``.

        That is ``dout·(diag(s) − s·sᵀ)`` multiplied out: C numbers a row, where the Jacobian
        takes C².
        """
        s = self.s
        weighted_mean: Array = (dout * s).sum(axis=-1, keepdims=True)
        return s * (dout - weighted_mean)
