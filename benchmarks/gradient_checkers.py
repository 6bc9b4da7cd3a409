"""How much three gradient checkers see, side by side, on the same wrong and right gradients.

    pip install torch==2.13.0 && python benchmarks/gradient_checkers.py

The wrong ones are the classes of ``tests/wrong_code.py``, and mistakes planted in each of its right
layers and losses: factors, rows, columns, blocks, and single entries off by 1e-1 to 1e-9 of the
mean entry; and one entry among the 101,770 of the network. The right ones are drawn anew for each
seed, with batches of 1 to 64, 1 to 300 columns, exact zeros, ties and large values.

The checkers are ``mnist_cli.gradcheck``, ``torch.autograd.gradcheck`` with its defaults and in its
fast mode, and the usual central difference, h = 1e-5 with a relative tolerance of 1e-5.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import wrong_code

from mnist_cli.gradcheck import Check, check_layer, check_loss
from mnist_cli.gradcheck.calling import required
from mnist_cli.gradcheck.gradient import check_gradient
from mnist_cli.gradcheck.subject import Subject
from mnist_cli.nn.layers import Linear, ReLU, Softmax
from mnist_cli.nn.losses import CrossEntropy, SoftmaxCrossEntropy
from mnist_cli.nn.mlp import CLASSES, INPUTS, MLP

TOLERANCE = 1e-10
LAYERS = [
    wrong_code.Softmax,
    wrong_code.ReLU,
    wrong_code.LeakyReLU,
    wrong_code.Sigmoid,
    wrong_code.Tanh,
    wrong_code.Dense,
]
LOSSES = [wrong_code.SoftmaxLoss, wrong_code.CrossEntropy, wrong_code.SquaredError]
SHAPES = {wrong_code.Dense: (5, 7)}


class Planted:
    """A right layer or loss, in whose gradient a mistake is planted."""

    def __init__(self, thing: Any, target: str, plant: Callable[[Any], Any]):
        self.thing, self.target, self.plant = thing, target, plant

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "thing":
            raise AttributeError(name)
        return getattr(self.thing, name)

    def forward(self, *arguments: Any) -> Any:
        """Compute what the right one does."""
        return self.thing.forward(*arguments)

    def backward(self, dout: Any) -> Any:
        """Compute the right gradients, and change one of them."""
        takes_none = isinstance(self.thing, wrong_code.CrossEntropy)
        dx = dout * self.thing.backward() if takes_none else self.thing.backward(dout)
        if self.target == "x":
            return self.plant(np.array(dx))
        setattr(self.thing, self.target, self.plant(np.array(getattr(self.thing, self.target))))
        return dx


def plants(batch_size: int, rng: np.random.Generator) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Yield mistakes with the names that they should be given."""
    yield "sign-flipped", lambda g: -g
    yield "factor-two", lambda g: 2 * g
    yield "factor-half", lambda g: g / 2
    yield "batch-size-missing", lambda g: g * batch_size
    yield "batch-size-twice", lambda g: g / batch_size
    yield "constant-factor", lambda g: 1.001 * g
    yield "constant-factor", lambda g: 1.1 * g
    yield "gradient-missing", np.zeros_like
    yield "precision-lost", lambda g: g.astype(np.float32).astype(np.float64)

    def at(index: Any, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def plant(g: Any) -> Any:
            g[index] = change(g[index])
            return g

        return plant

    yield "wrong-rows", at(np.s_[-1:], lambda part: part * 1.5 + 0.1)
    yield "wrong-columns", at(np.s_[..., 1:3], lambda part: part * 1.5 + 0.1)
    yield "wrong-block", at(np.s_[1:3, 1:3], lambda part: part * 1.5 + 0.1)
    for exponent in range(1, 10):
        where = rng.random()

        def plant(g: Any, exponent: int = exponent, where: float = where) -> Any:
            off = 10.0**-exponent * np.abs(g).mean()
            g.flat[int(where * g.size)] += off
            return g

        yield "single-entry", plant


def planted(seed: int) -> Iterator[tuple[str, Any, str, str]]:
    """Yield wrong subjects: their kind, the object, the check that should fail, and the name."""
    rng = np.random.default_rng(seed)
    for kind in LAYERS + LOSSES:
        targets = ("x", "dW", "db") if kind is wrong_code.Dense else ("x",)
        for target in targets:
            for name, plant in plants(5, rng):
                if target == "db" and name in ("wrong-rows", "wrong-columns", "wrong-block"):
                    continue
                kind_of_subject = "loss" if kind in LOSSES else "layer"
                check = f"to {target.removeprefix('d')}"
                yield kind_of_subject, Planted(kind(), target, plant), check, name


def backward(worker: Subject, dout: Any) -> Any:
    """Return the gradient to the input; a backward without an argument is multiplied."""
    if worker.takes_upstream():
        return np.asarray(worker.backward(dout))
    return np.asarray(worker.backward()) * dout


class AsFunction:
    """A layer or a loss as a function of its input and its parameters, for the other checkers."""

    def __init__(self, subject: Any, x: Any, labels: Any):
        self.subject, self.labels = Subject(subject), labels
        self.parameters: list[Any] = []
        # Some parameters have a gradient only after backward.
        out, worker = self.forward(x)
        backward(worker, np.ones(out.shape))
        self.names = [name for name in worker.parameters() if self.subject.has_array(name)]
        self.parameters = [self.subject.value(name) for name in self.names]

    def gradients(self, worker: Subject, dout: Any) -> list[Any]:
        """Return what backward says of the input and of every parameter."""
        dx = backward(worker, dout)
        return [dx, *(np.asarray(worker.gradient(name)) for name in self.names)]

    def forward(self, x: Any, *parameters: Any) -> tuple[Any, Subject]:
        """Return the output, and the copy that computed it."""
        pairs = zip(self.parameters, parameters, strict=True)
        worker = self.subject.copied({id(old): np.array(new) for old, new in pairs})
        worker.clear()
        return np.asarray(worker.forward(np.array(x), *self.labels)), worker


def torch_passes(function: AsFunction, x: Any, fast: bool) -> bool:
    """Return whether `torch.autograd.gradcheck` accepts the gradients."""
    import torch

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            out, ctx.worker = function.forward(*(value.detach().numpy() for value in inputs))
            return torch.as_tensor(np.array(out))

        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            return tuple(map(torch.as_tensor, function.gradients(ctx.worker, dout.numpy().copy())))

    inputs = tuple(
        torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for value in (x, *function.parameters)
    )
    try:
        return bool(torch.autograd.gradcheck(Function.apply, inputs, fast_mode=fast))
    except Exception:
        return False


def central_passes(function: AsFunction, x: Any) -> bool:
    """Return whether the usual central difference accepts the gradients."""
    rng = np.random.default_rng(1)
    inputs = [np.array(value, np.float64) for value in (x, *function.parameters)]
    out, worker = function.forward(*inputs)
    dout = rng.standard_normal(out.shape)
    computed = function.gradients(worker, dout.copy())
    h = 1e-5
    for value, gradient in zip(inputs, computed, strict=True):
        if gradient.shape != value.shape:
            return False
        for index in np.ndindex(value.shape):
            kept = value[index]
            sides = []
            for sign in (1, -1):
                value[index] = kept + sign * h
                sides.append((dout * function.forward(*inputs)[0]).sum())
            value[index] = kept
            numeric = (sides[0] - sides[1]) / (2 * h)
            scale = max(abs(numeric), abs(gradient[index]), 1e-8)
            if not abs(numeric - gradient[index]) <= 1e-5 * scale:
                return False
    return True


def inputs_of(subject: Any, kind: str, rng: np.random.Generator) -> tuple[Any, tuple[Any, ...]]:
    """Return an input and labels for the checkers that do not draw them."""
    shape = SHAPES.get(type(getattr(subject, "thing", subject)), (5, 10))
    W = getattr(subject, "W", None)
    if isinstance(W, np.ndarray):
        shape = (5, len(W))
    x = rng.standard_normal(shape)
    if kind == "layer":
        return x, ()
    indices = rng.integers(shape[1], size=shape[0])
    rows = np.eye(shape[1])[indices]
    name = type(getattr(subject, "thing", subject)).__mro__
    if wrong_code.SoftmaxLoss in name:
        return x, (indices,)
    if wrong_code.CrossEntropy in name:
        return Softmax().forward(x), (rows,)
    return x, (rows,)


def by_hand() -> Iterator[tuple[str, Any, str, str]]:
    """Yield the classes of the tests that have a forward and a backward."""
    for kind, check, name in wrong_code.CASES:
        if hasattr(kind, "backward"):
            subject = kind()
            is_loss = required(subject.forward) == 2
            yield ("loss" if is_loss else "layer"), subject, check, name


class Tally:
    """How many of each kind there were, and how many were caught and named."""

    def __init__(self) -> None:
        self.total: dict[str, int] = defaultdict(int)
        self.caught: dict[tuple[str, str], int] = defaultdict(int)
        self.named: dict[str, int] = defaultdict(int)


def ours(subject: Any, kind: str, seed: int) -> list[Check]:
    """Return the checks of `mnist_cli.gradcheck`."""
    return (check_layer if kind == "layer" else check_loss)(subject, seed=seed)


def measure_caught(seeds: int, compared: int) -> None:
    """Print what share of the wrong gradients each checker caught, and named."""
    tally = Tally()
    checkers = ["ours", "torch", "torch fast", "central"]
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for kind, subject, check, name in (*planted(seed), *by_hand()):
            label = name
            rows = {row.name: row for row in ours(subject, kind, seed)}
            row = rows[check]
            tally.total[label] += 1
            tally.caught[label, "ours"] += not row.passed
            found = row.diagnosis.name if row.diagnosis else None
            tally.named[label] += found == name or (
                # A row or a column with one entry that counts is one entry.
                found == "single-entry" and len(row.worst) == 1
            )
            if seed >= compared:
                continue
            x, labels = inputs_of(subject, kind, rng)
            function = AsFunction(subject, x, labels)
            tally.caught[label, "compared"] += 1
            tally.caught[label, "torch"] += not torch_passes(function, x, fast=False)
            tally.caught[label, "torch fast"] += not torch_passes(function, x, fast=True)
            tally.caught[label, "central"] += not central_passes(function, x)
    print(f"{'mistake':28}{'cases':>7}" + "".join(f"{name:>12}" for name in checkers) + "  named")
    sums: dict[str, int] = defaultdict(int)
    for label, total in sorted(tally.total.items()):
        compared_total = tally.caught[label, "compared"]
        shares = [
            tally.caught[label, name] / (total if name == "ours" else compared_total)
            for name in checkers
        ]
        for name in checkers:
            sums[name] += tally.caught[label, name]
        cells = "".join(f"{share:>12.1%}" for share in shares)
        print(f"{label:28}{total:>7}{cells}{tally.named[label] / total:>7.1%}")
    total = sum(tally.total.values())
    compared_total = sum(tally.caught[label, "compared"] for label in tally.total)
    cells = "".join(
        f"{sums[name] / (total if name == 'ours' else compared_total):>12.1%}" for name in checkers
    )
    print(f"{'all':28}{total:>7}{cells}{sum(tally.named.values()) / total:>7.1%}")


def network_gradient(seed: int, hidden: int, batch_size: int) -> tuple[MLP, Callable[[Any], Any]]:
    """Return the network with its gradients, and its loss as a function of all parameters."""
    rng = np.random.default_rng(seed)
    network = MLP(hidden, np.float64)
    network.initialize(rng)
    x = rng.random((batch_size, INPUTS))
    labels = rng.integers(CLASSES, size=batch_size)
    loss = SoftmaxCrossEntropy()
    loss.forward(network.forward(x), labels)
    network.backward(loss.backward())

    def f(parameters: Any) -> Any:
        twin = MLP(hidden, parameters.dtype)
        twin.parameters[:] = parameters
        return SoftmaxCrossEntropy().forward(twin.forward(x), labels)

    return network, f


def measure_network(seeds: int) -> None:
    """Print how often one entry of the network's gradient, off by 1e-9, is seen, and found."""
    import torch

    caught = found = fast_caught = 0
    for seed in range(seeds):
        network, f = network_gradient(seed, 128, 8)
        rng = np.random.default_rng(seed)
        computed = network.gradients.copy()
        index = int(rng.integers(computed.size))
        computed[index] += 1e-9 * np.abs(computed).mean()
        row = check_gradient("", "", computed, f, network.parameters, TOLERANCE, rng)
        caught += not row.passed
        found += [entry.index for entry in row.worst] == [(index,)]

        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, p: Any, f: Any = f) -> Any:
                return torch.as_tensor(float(f(p.detach().numpy())), dtype=torch.float64)

            @staticmethod
            def backward(ctx: Any, dout: Any, computed: Any = computed) -> Any:
                return dout * torch.as_tensor(computed)

        p = torch.tensor(network.parameters, requires_grad=True)
        try:
            torch.autograd.gradcheck(Function.apply, (p,), fast_mode=True)
        except Exception:
            fast_caught += 1
    print(
        f"one entry of 101,770 off by 1e-9, {seeds} seeds: caught {caught / seeds:.1%}, found "
        f"{found / seeds:.1%}; torch fast caught {fast_caught / seeds:.1%}"
    )


def right_inputs(seed: int) -> tuple[Any, Any, Any]:
    """Return a batch with its probabilities and labels, of a shape and a kind drawn at random."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(1, 65)), int(rng.integers(1, 301))
    kind = rng.integers(5)
    x = rng.standard_normal(shape)
    if kind == 1:
        x[rng.random(shape) < 0.3] = 0  # exact zeros
    elif kind == 2:
        x = rng.integers(-2, 3, shape).astype(np.float64)  # ties
    elif kind == 3:
        x *= 30
    elif kind == 4:
        x *= 1000
    rows = np.eye(shape[1])[rng.integers(shape[1], size=shape[0])]
    return x, Softmax().forward(np.clip(x, -30, 30)), rows


def measure_false_alarms(first: int, seeds: int, compared: int) -> None:
    """Print how often each checker refuses what is right."""
    total = alarms = compared_total = 0
    others: dict[str, int] = defaultdict(int)
    for seed in range(first, first + seeds):
        x, p, rows = right_inputs(seed)
        rng = np.random.default_rng(seed)
        hidden = int(rng.integers(1, 301))
        linear = Linear(
            rng.standard_normal((x.shape[1], 10)) / np.sqrt(x.shape[1]), rng.standard_normal(10)
        )
        for subject, at, labels in (
            (linear, x, ()),
            (ReLU(), x, ()),
            (Softmax(), x, ()),
            (wrong_code.LeakyReLU(), x, ()),
            (wrong_code.Tanh(), x, ()),
            (SoftmaxCrossEntropy(), x, (rows,)),
            (SoftmaxCrossEntropy(), x, (rows.argmax(axis=1),)),
            (CrossEntropy(), p, (rows,)),
        ):
            checks = (
                check_loss(subject, x=at, labels=labels[0], seed=seed)
                if labels
                else check_layer(subject, x=at, seed=seed)
            )
            total += 1
            failed = [check for check in checks if not check.passed]
            alarms += bool(failed)
            if failed:
                print(f"false alarm: seed {seed}, {type(subject).__name__}: {failed[0]}")
            if seed < first + compared:
                small, few = at[:5, :10], tuple(label[:5] for label in labels)
                few = tuple(
                    label[:, :10] if label.ndim == 2 else label % small.shape[1] for label in few
                )
                if subject is linear:
                    small = at[:5]
                function = AsFunction(subject, small, few)
                compared_total += 1
                others["torch"] += not torch_passes(function, small, fast=False)
                others["torch fast"] += not torch_passes(function, small, fast=True)
                others["central"] += not central_passes(function, small)
        network, f = network_gradient(seed, hidden, len(x))
        row = check_gradient("", "", network.gradients, f, network.parameters, TOLERANCE, rng)
        total += 1
        alarms += not row.passed
        if not row.passed:
            print(f"false alarm: seed {seed}, network of {hidden} hidden: {row}")
    print(f"right gradients, {seeds} seeds: {alarms} false alarms in {total:,} checks of ours")
    for name, count in others.items():
        print(f"  {name}: {count} in {compared_total:,}, on the same inputs cut to 5 x 10")


def main() -> None:
    """Run all measurements, and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1000, help="of what is right; 0: none")
    parser.add_argument("--first-seed", type=int, default=0, help="of what is right")
    parser.add_argument("--corpus-seeds", type=int, default=10, help="of what is wrong; 0: none")
    parser.add_argument(
        "--compared", type=int, default=20, help="of these seeds, for the others too"
    )
    arguments = parser.parse_args()
    started = time.perf_counter()
    if arguments.corpus_seeds:
        measure_caught(arguments.corpus_seeds, arguments.compared)
        measure_network(100)
    if arguments.seeds:
        measure_false_alarms(arguments.first_seed, arguments.seeds, arguments.compared)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
