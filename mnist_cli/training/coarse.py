"""Epochs on coarse images: the network at 14×14, where ``W1`` is a quarter as large.

With the orthonormal ``Q`` of `mnist_cli.images.coarse`, the coarse network has ``V = Qᵀ·W1`` in the
place of ``W1``, and is given ``x·Q``. As ``(x·Q)·V = (x·Q·Qᵀ)·W1``, it is the network itself, on
images whose 2×2 pixels have their mean. It learns as that would, too: its gradient is
``dV = Qᵀ·dW1``, so a step ``V ← V − η·dV`` is a step ``W1 ← W1 − η·dW1`` of a ``W1 = Q·V``.

At the end, ``W1`` is ``Q·V``: each row of ``V`` is repeated for its four pixels, and halved. (With
the means as inputs, half of ``x·Q``, it would be quartered. That is the same function, but one that
learns at a quarter of the rate.) What an optimizer remembers changes as gradients do: a velocity
``v`` becomes ``Q·v``. A mean of squared gradients becomes a quarter of itself for each pixel, as
each has half of the gradient.

Between epochs all is kept as the whole network has it. To go there and back changes no bit, as it
halves numbers, and adds four that are equal.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.images.augmentation import Distorter
from mnist_cli.images.coarse import COARSE, PLACES, QUARTERS, add_quarters, sums
from mnist_cli.nn.layers import Array
from mnist_cli.nn.mlp import CLASSES, INPUTS, MLP
from mnist_cli.parallel import side_by_side
from mnist_cli.training.batches import Batches
from mnist_cli.training.descent import Descent, State


class CoarseBatches(Batches):
    """The inputs ``x·Q`` of the steps of an epoch; `inked` are coarse pixels."""

    def _find_inked(self, images: NDArray[np.uint8]) -> NDArray[np.intp]:
        is_inked = images.reshape(len(images), -1).max(axis=0) > 0
        return np.flatnonzero(is_inked[QUARTERS].any(axis=0))

    def _distorted(self) -> NDArray[np.intp]:
        return QUARTERS[:, self.inked].reshape(-1)

    def _undistorted(self, images: NDArray[np.uint8]) -> NDArray[np.uint16]:
        taken = np.empty((len(images), len(self.inked)), np.uint16)
        middle = len(images) // 2

        def work(member: int) -> None:
            half = slice(middle) if member == 0 else slice(middle, None)
            np.take(sums(images[half]), self.inked, axis=1, out=taken[half], mode="clip")

        side_by_side(work, 2)
        return taken

    def _put(self, images: NDArray[Any], distorter: Distorter | None, out: Array) -> None:
        if distorter:
            fine = distorter.distort(images).reshape(len(images), 4, len(self.inked))
            np.multiply(add_quarters(fine.swapaxes(0, 1)), 0.5, out=out)
        else:
            np.multiply(images, 0.5 / 255, out=out, dtype=out.dtype)


class CoarseDescent(Descent):
    """The descent of a network at 14×14; `finish` brings the whole network up to date.

    Parameters
    ----------
    recipe : Recipe
    network : MLP
        What is trained. Its ``W1`` begins as ``Q·Qᵀ·W1``: the rest sees nothing in coarse images.
    data : Split
        The images to learn from, 28×28.
    rng : Generator
        Draws the order of the images.
    parts : int, optional
        See `Descent`.
    """

    batches_of = CoarseBatches

    def _stand_in(self, network: MLP) -> MLP:
        self.whole = network
        coarse = MLP(network.hidden, network.parameters.dtype, COARSE)
        coarse.parameters[:] = coarsened(network.parameters)
        return coarse

    def finish(self) -> MLP:
        """Return the network as it is now, whole."""
        self.whole.parameters[:] = refined(super().finish().parameters)
        return self.whole

    def state(self) -> State:
        """Return a copy of all that `restore` needs; that of a `Descent` takes it as well."""
        coarse = super().state()
        memory = {name: refined(coarse.memory[name], self._degree(name)) for name in coarse.memory}
        return replace(coarse, parameters=refined(coarse.parameters), memory=memory)

    def restore(self, state: State, epochs: int) -> None:
        """Go back to a state that a descent with the same recipe and data had after some epochs."""
        memory = {name: coarsened(state.memory[name], self._degree(name)) for name in state.memory}
        parameters = coarsened(state.parameters)
        super().restore(replace(state, parameters=parameters, memory=memory), epochs)
        self.whole.parameters[:] = state.parameters

    def _degree(self, name: str) -> int:
        """Return 2 if the optimizer remembers squares of gradients by that name, else 1."""
        return 2 if name in self.parts.optimizers[0].squares else 1


def refined(vector: Array, degree: int = 1) -> Array:
    """Return a vector for the whole network, of one for the coarse network.

    Parameters
    ----------
    vector : array, shape ((196 + 1)·hidden + (hidden + 1)·10,)
        Parameters, or what an optimizer remembers, in their order.
    degree : int
        The power of a gradient that it is: each of four pixels has ``1/2**degree`` of it.
    """
    V, rest = split(vector, COARSE)
    return np.concatenate([(0.5**degree * V)[PLACES].reshape(-1), rest])


def coarsened(vector: Array, degree: int = 1) -> Array:
    """Return a vector for the coarse network, of one for the whole: it undoes `refined`."""
    W, rest = split(vector, INPUTS)
    return np.concatenate([(2.0**degree / 4 * add_quarters(W[QUARTERS])).reshape(-1), rest])


def split(vector: Array, inputs: int) -> tuple[Array, Array]:
    """Return what belongs to ``W1``, in its shape, of a vector for so many inputs; and the rest."""
    hidden = (len(vector) - CLASSES) // (inputs + 1 + CLASSES)
    end = inputs * hidden
    return vector[:end].reshape(inputs, hidden), vector[end:]
