"""NumPy's matrix products on one thread, for as long as we compute on two of our own.

BLAS's threads spin while they wait: where anything else wants the second core, training took up to
48 times as long. And how many there are decides in which order a product is added up, and so its
last digits. So training and evaluation keep BLAS on one thread, wherever they are called from, and
put it back when they are done.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from mnist_cli.parallel import BLAS_THREADS
from mnist_cli.parallel.threads import ProcessWide

NAMES = (
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
    ("bli_thread_get_num_threads", "bli_thread_set_num_threads"),
)
"""What asks for the number of threads, and what sets it: NumPy's own OpenBLAS, then those that
NumPy may have been built with (OpenBLAS, MKL, BLIS)."""


@contextmanager
def one_blas_thread(remark: Callable[[str], object] = lambda sentence: None) -> Iterator[None]:
    """Keep NumPy's matrix products on one thread while the block lasts.

    Blocks may overlap, in several threads: the last to end puts back what was there before the
    first.

    Parameters
    ----------
    remark : callable
        Is told, once in a process, where BLAS takes no number of threads while it runs.
    """
    threads = _threads()
    if threads is None:
        _say_once(remark)
        yield
        return
    with threads.at(1):
        yield


@cache
def _threads() -> ProcessWide[int] | None:
    """Return the number of BLAS's threads as it can be read and set, or None if it cannot."""
    for library in _libraries():
        for ask, tell in NAMES:
            if hasattr(library, ask) and hasattr(library, tell):
                return ProcessWide(getattr(library, ask), getattr(library, tell))
    return None


def _libraries() -> Iterator[ctypes.CDLL]:
    """Yield libraries, all loaded already, in which BLAS may be found."""
    # What a loaded library exports is looked for in those that it was linked with, too: so NumPy's
    # own products name the BLAS that makes them. Windows does not look there.
    products = importlib.import_module("numpy._core._multiarray_umath")
    beside = Path(np.__file__).parent.with_name("numpy.libs")
    for path in (products.__file__, *sorted(map(str, beside.glob("*blas*")))):
        try:
            yield ctypes.CDLL(path)
        except OSError:
            continue


_said: list[str] = []


def _say_once(remark: Callable[[str], object]) -> None:
    """Remark that BLAS decides its threads itself, unless it was told before it was loaded."""
    if not _said and "1" not in (os.environ.get(name) for name in BLAS_THREADS):
        _said.append(
            "NumPy's BLAS cannot be told here to compute on one thread: training may take longer, "
            "and end with other digits; set OMP_NUM_THREADS=1 before Python starts."
        )
        remark(_said[0])
