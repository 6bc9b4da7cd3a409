"""The schedules: which share of the learning rate is used, as training goes from 0 to 1.

A schedule is a function of the progress, steps done over steps in all, so it knows neither of
epochs nor of batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable

WARM_UP = 0.3
"""The share of a one-cycle run in which the learning rate rises."""
START = 1 / 25
"""The share of the peak at which a one-cycle run starts."""


def constant(progress: float) -> float:
    """Return 1: the learning rate as it was given, all the time."""
    return 1.0


def cosine(progress: float) -> float:
    """Return ``(1 + cos π·progress)/2``: from 1 to 0, with no warm-up (Loshchilov, Hutter 2017)."""
    return (1 + math.cos(math.pi * progress)) / 2


def one_cycle(progress: float) -> float:
    """Return the share of one cycle: from 1/25 up to 1, then down to 0, along cosines.

    The large rates in the middle find a flat valley, and the small ones at the end its floor (after
    Smith and Topin 2018, whose cycle is made of straight lines).
    """
    if progress < WARM_UP:
        return START + (1 - START) * cosine(1 - progress / WARM_UP)
    return cosine((progress - WARM_UP) / (1 - WARM_UP))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "one-cycle": one_cycle,
}
