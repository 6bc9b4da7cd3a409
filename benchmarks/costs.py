"""Where the time of ``mnist-cli train`` goes: start-up, loading, each part of a step, distortions.

    python benchmarks/costs.py --data-dir DIR

The parts of a step are those of one part of the network, on one thread and undisturbed; in
training, the parts run side by side, and wait for each other and for Python's global lock.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mnist_cli.parallel import leave_cores_to_us

leave_cores_to_us()

ROUNDS = 7


def milliseconds(call: Callable[[], object], calls: int = 1) -> float:
    """Return the median over rounds of what a call takes."""
    found = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(calls):
            call()
        found.append((time.perf_counter() - started) / calls * 1e3)
    return statistics.median(found)


def row(what: str, cost: float) -> None:
    """Print a line."""
    print(f"  {what:48}{cost:9.3f} ms")


def process(*arguments: str) -> Callable[[], object]:
    """Return a call of Python in a process of its own."""
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Print all costs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    data_dir = parser.parse_args().data_dir

    print("processes")
    row("python -c pass", milliseconds(process("-c", "pass")))
    row("python -c 'import numpy'", milliseconds(process("-c", "import numpy")))
    row("mnist-cli --version", milliseconds(process("-m", "mnist_cli", "--version")))
    row("mnist-cli --help", milliseconds(process("-m", "mnist_cli", "--help")))

    import numpy as np

    from mnist_cli.data.idx import read_idx
    from mnist_cli.data.loading import load_split
    from mnist_cli.data.mnist import STEMS, find_file
    from mnist_cli.evaluation import evaluate
    from mnist_cli.images.inputs import to_inputs
    from mnist_cli.model import Model
    from mnist_cli.nn.losses import SoftmaxCrossEntropy
    from mnist_cli.nn.mlp import MLP
    from mnist_cli.nn.optimizers import Optimizer
    from mnist_cli.recipe import Recipe
    from mnist_cli.training.batches import BATCHES_AHEAD
    from mnist_cli.training.descent import Descent

    print("once a run")
    path = find_file(data_dir, STEMS["train"][0])
    assert path is not None
    row("the training images, unpacked anew", milliseconds(lambda: read_idx(path)))
    row(
        "the training set, unpacked before",
        milliseconds(lambda: load_split("mnist", "train", data_dir)),
    )
    row(
        "the test set, unpacked before", milliseconds(lambda: load_split("mnist", "test", data_dir))
    )
    data, test = (load_split("mnist", split, data_dir) for split in ("train", "test"))
    recipe = Recipe()
    network = MLP(recipe.hidden)
    network.initialize(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    row(
        "blank pixels left out, network cut",
        milliseconds(lambda: Descent(recipe, network, data, rng)),
    )
    row("evaluation of 10,000 images", milliseconds(lambda: evaluate(Model(network), test)))
    with tempfile.TemporaryDirectory() as folder:
        row("the model saved", milliseconds(lambda: Model(network).save(Path(folder) / "m.npz")))

    print("an epoch, 784-128-10, batch 128")
    descent = Descent(recipe, network, data, rng)
    whole = milliseconds(lambda: descent.epoch(1))
    steps = -(-len(data) // recipe.batch_size)
    row("as it trains", whole)
    row("a step of it", whole / steps)

    print("the parts of a step")
    batch = rng.permutation(len(data))[: recipe.batch_size]
    labels = np.eye(10, dtype=np.float32)[data.labels[batch]]
    part, optimizer, criterion = (
        descent.parts.networks[0],
        descent.parts.optimizers[0],
        SoftmaxCrossEntropy(),
    )

    def gather() -> np.ndarray:
        return to_inputs(np.take(descent.batches.pixels, batch, axis=0), np.dtype(np.float32))

    x = gather()
    part.forward(x)
    criterion.forward(part.z2, labels)
    part.backward(criterion.backward(), overwrite=True)
    da1 = part.delta2 @ part.W2.T
    for what, call in (
        ("the batch gathered (second thread)", gather),
        ("part: z1 = x·W1 + b1", lambda: part.linear1.forward(x)),
        ("part: a1 = relu(z1)", lambda: part.relu.forward(part.z1)),
        ("part: z2 = a1·W2 + b2", lambda: part.linear2.forward(part.a1)),
        ("softmax and loss (first thread)", lambda: criterion.forward(part.z2, labels)),
        ("delta2 = (softmax − labels)/N (first thread)", criterion.backward),
        ("part: dW2, db2, delta2·W2ᵀ", lambda: part.linear2.backward(part.delta2, overwrite=True)),
        ("part: ⊙ [z1 > 0]", lambda: part.relu.backward(da1)),
        ("part: dW1, db1", lambda: part.linear1.accumulate(part.delta1, overwrite=True)),
        ("part: step of SGD", lambda: optimizer.step(part.parameters, part.gradients, 0.0)),
    ):
        row(what, milliseconds(call, 200))
    delta2 = criterion.backward()

    def loss() -> None:
        criterion.forward(part.z2, labels)
        criterion.backward()

    loss_cost = milliseconds(loss, 200)

    print("784-800-10, batch 128, in parts; on paper, without what meeting costs")
    for parts in (1, 2, 4, 8):
        descent = Descent(Recipe(hidden=800), MLP(800), data, rng, parts)
        part, optimizer = descent.parts.networks[0], descent.parts.optimizers[0]

        def step(part: MLP = part, optimizer: Optimizer = optimizer) -> None:
            part.forward(x)
            part.backward(delta2, overwrite=True)
            optimizer.step(part.parameters, part.gradients, 0.0)

        cost = milliseconds(step, 100)
        row(f"{parts} of {part.hidden} units: a part's step, on one thread", cost)
        for cores in (core for core in (1, 2, 4, 8, 16) if core <= parts):
            row(f"   the whole step, on {cores}", loss_cost + -(-parts // cores) * cost)

    print("distortions, 784-800-10, batch 128")
    epochs = {}
    for augment in ("none", "affine", "elastic"):
        recipe = Recipe(hidden=800, augment=augment)
        descent = Descent(recipe, MLP(recipe.hidden), data, rng)
        epochs[augment] = milliseconds(lambda descent=descent: descent.epoch(1))
        distorter = descent.batches.distorters[0]
        if distorter:
            batch = descent.batches.pixels[: BATCHES_AHEAD * recipe.batch_size // 2]
            cost = milliseconds(lambda d=distorter, b=batch: d.distort(b), 20)
            print(f"  {augment}: images a second, on one thread{1e3 * len(batch) / cost:19,.0f}")
    for augment, cost in epochs.items():
        row(f"an epoch, {augment}: {cost / epochs['none']:.2f} times one without", cost)


if __name__ == "__main__":
    main()
