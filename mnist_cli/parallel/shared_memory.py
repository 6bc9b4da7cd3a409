"""Arrays that a process and all that it forks have in common: what one writes, the others read."""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def shared_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return zeros in memory that is the same for this process and all that it forks later.

    Raises
    ------
    MemoryError
        If there is not so much.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    try:
        memory = mmap.mmap(-1, max(1, size))
    except (OSError, ValueError, OverflowError) as error:
        raise MemoryError(f"no {size:,} bytes to share") from error
    return np.ndarray(shape, dtype, memory)
