"""What a backward moves that updates its own parameters: by which learning rate, how exactly."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import numpy as np

from mnist_cli.gradcheck.adapters.code import CodeOperation
from mnist_cli.gradcheck.adapters.optimisers import STEP
from mnist_cli.gradcheck.operation import Array, Arrays
from mnist_cli.gradcheck.user_code import UserCodeError

EXACTLY = 1e-6
"""How far from half a move may be that is made with half the learning rate."""
SMALL = 1e-3
"""By what the gradient from above is multiplied where steps are compared."""
ROUGHLY = 1e-2
"""How far apart two steps may be that are of one length: there is an ε in their denominator."""


def moves(operation: CodeOperation, rate: float = STEP, scale: float = 1.0) -> Arrays:
    """Return by how much a backward moves each parameter that it moves.

    Parameters
    ----------
    operation : CodeOperation
    rate : float
        The learning rate that backward is given, if it takes one.
    scale : float
        How large the gradient from above is.
    """
    session = operation.open({name: array.copy() for name, array in operation.at.items()})
    session.rate = rate
    out = session.forward().copy()
    before = {name: session.arrays[name].copy() for name in operation.parameters}
    session.backward(scale * operation.upstreams(out, np.random.default_rng(0))[0].dout)
    return {
        name: session.arrays[name] - old
        for name, old in before.items()
        if session.arrays[name].shape == old.shape and not np.array_equal(session.arrays[name], old)
    }


def is_proportional(operation: CodeOperation) -> bool:
    """Return whether what backward moves is in proportion to the learning rate that it is given."""
    return _are_halves(moves(operation), lambda: moves(operation, STEP / 2))


def own_rate(operation: CodeOperation) -> str:
    """Return the number of the object to which what backward moves is in proportion, or ""."""

    def halved(name: str) -> Arrays:
        other = operation.moved_to(operation.at | {name: operation.at[name] / 2})
        assert isinstance(other, CodeOperation)
        return moves(other)

    whole = moves(operation)
    held = operation.reading.state.numbers
    numbers = [name for name in operation.parameters if held.get(name)]
    return next((n for n in numbers if whole and _are_halves(whole, partial(halved, n))), "")


def is_step(move: Array, gradient: Array | None, rate: float) -> bool:
    """Return whether a parameter was moved by its gradient, which is kept as well, times a rate."""
    if gradient is None or not rate or gradient.shape != move.shape:
        return False
    return np.allclose(move, rate * gradient, rtol=EXACTLY, atol=EXACTLY * np.abs(move).max())


def are_normalised(operation: CodeOperation, names: Collection[str]) -> bool:
    """Return whether some parameters are moved as far for a gradient from above half as large.

    As by Adam's first step, which is the learning rate itself. Both are small, below any bound that
    a gradient may be clipped to.
    """
    if not names or not operation.takes_dout:
        return False
    whole, half = moves(operation, scale=SMALL), moves(operation, scale=SMALL / 2)
    return any(
        name in whole
        and name in half
        and whole[name].size > 1  # a number may be of another thing, as a rate that decays is
        and np.allclose(whole[name], half[name], rtol=ROUGHLY)
        for name in names
    )


def _are_halves(whole: Arrays, half: Callable[[], Arrays]) -> bool:
    """Return whether all moves are half as large in a second pass, and there are any."""
    if not whole:
        return False
    try:
        halves = half()
    except UserCodeError:
        return False
    return whole.keys() == halves.keys() and all(
        np.allclose(2 * halves[name], move, rtol=EXACTLY, atol=EXACTLY * np.abs(move).max())
        for name, move in whole.items()
    )
