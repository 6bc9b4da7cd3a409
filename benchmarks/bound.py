"""How near a training step comes to its bound: the matrix products alone, as fast as they go.

    python benchmarks/bound.py

The bound is what ``sgemm`` takes for the five products of a step at their very shapes, by NumPy on
as many threads as there are cores; the step is that of ``mnist-cli train``. Each is measured in a
process of its own, as the threads of NumPy are fixed when it is loaded.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

SIZES = [(32, 128), (128, 32), (128, 128), (128, 512), (300, 128), (800, 128)]
IMAGES = 60_000
ROUNDS = 5


def seconds_a_call(call: Callable[[], object], calls: int) -> float:
    """Return the median over rounds of what a call takes."""
    found = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(calls):
            call()
        found.append((time.perf_counter() - started) / calls)
    return statistics.median(found)


def products(hidden: int, batch_size: int) -> None:
    """Print what the five products of a step take, in seconds."""
    import numpy as np

    rng = np.random.default_rng(0)

    def matrix(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    x, W1, a1 = matrix(batch_size, 784), matrix(784, hidden), matrix(batch_size, hidden)
    W2, delta2 = matrix(hidden, 10), matrix(batch_size, 10)
    total = 0.0
    for left, right in ((x, W1), (a1, W2), (a1.T, delta2), (delta2, W2.T), (x.T, a1)):
        out = np.empty((left.shape[0], right.shape[1]), np.float32)
        calls = max(10, 20_000_000 // left.size)

        def product(left: np.ndarray = left, right: np.ndarray = right, out: np.ndarray = out):
            np.matmul(left, right, out=out)

        total += seconds_a_call(product, calls)
    print(total)


def step(hidden: int, batch_size: int) -> None:
    """Print what a step takes, in seconds: the median of epochs over their number of steps."""
    import numpy as np

    from mnist_cli.data.dataset import Split
    from mnist_cli.nn.mlp import MLP
    from mnist_cli.recipe import Recipe
    from mnist_cli.training.descent import Descent

    rng = np.random.default_rng(0)
    # As much ink as MNIST has: 717 pixels of 784 are used.
    images = np.zeros((IMAGES, 784), np.uint8)
    images[:, 40:757] = rng.integers(0, 256, (IMAGES, 717), dtype=np.uint8)
    labels = rng.integers(10, size=IMAGES).astype(np.uint8)
    recipe = Recipe(hidden=hidden, batch_size=batch_size, learning_rate=1e-3)
    network = MLP(hidden)
    network.initialize(rng)
    descent = Descent(recipe, network, Split(images.reshape(-1, 28, 28), labels), rng)
    seconds = seconds_a_call(lambda: descent.epoch(1), 1)
    print(seconds / -(-IMAGES // batch_size))


def measure(what: str, size: tuple[int, int], threads: int) -> float:
    """Return what ``products`` or ``step`` prints, of a process of its own."""
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    command = [sys.executable, __file__, what, *map(str, size)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def main() -> None:
    """Print a row for each size."""
    cores = os.cpu_count() or 1
    print(f"products by NumPy on {cores} threads, and the step of mnist-cli, in microseconds")
    print(f"{'784-hidden-10':>14}{'batch':>7}{'GFLOP/s':>9}{'products':>10}{'step':>8}{'share':>7}")
    for hidden, batch_size in SIZES:
        size = hidden, batch_size
        bound = min(measure("products", size, threads) for threads in {1, cores})
        whole = measure("step", size, 1)
        operations = 2 * batch_size * hidden * (2 * 784 + 3 * 10)
        print(
            f"{hidden:14}{batch_size:7}{operations / bound / 1e9:9.0f}{bound * 1e6:10.0f}"
            f"{whole * 1e6:8.0f}{bound / whole:7.0%}"
        )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        {"products": products, "step": step}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
