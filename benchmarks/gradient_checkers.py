"""How much three gradient checkers see, side by side, on the same wrong and right gradients.

    pip install torch==2.13.0 && python benchmarks/gradient_checkers.py

The wrong ones are the classes of ``tests/gradcheck/wrong_code.py``, and mistakes planted in each of
its right layers and losses: factors, rows, columns, blocks, and single entries off by 1e-1 to 1e-9
of the mean entry; a batch size that is written as a number, right for the batch that is drawn; what
is clipped, dout at ±50 or the gradient itself; the parameters of losses and of networks with their
loss, from ``tests/gradcheck/corpus``; and one entry among the 101,770 of the network. The right
ones are drawn anew for each seed, with batches of 1 to 64, 1 to 300 columns, exact zeros, ties and
large values.

The checkers are ``mnist_cli.gradcheck``, ``torch.autograd.gradcheck`` with its defaults and in its
fast mode, and the usual central difference, h = 1e-5 with a relative tolerance of 1e-5.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from mnist_cli.parallel import leave_cores_to_us

leave_cores_to_us()

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "gradcheck"))

import wrong_code
from corpus import losses, networks

from mnist_cli.gradcheck import check_layer, check_loss
from mnist_cli.gradcheck.adapters.recognise import recognise
from mnist_cli.gradcheck.checking import check_code
from mnist_cli.gradcheck.comparison import compare_gradient
from mnist_cli.gradcheck.operation import Arrays, Session
from mnist_cli.gradcheck.request import Code, Request
from mnist_cli.gradcheck.result import Check
from mnist_cli.gradcheck.user_code import positional
from mnist_cli.nn.layers import Linear, ReLU, Softmax
from mnist_cli.nn.losses import CrossEntropy, SoftmaxCrossEntropy
from mnist_cli.nn.mlp import CLASSES, INPUTS, MLP

TOLERANCE = 1e-10
BATCH = 6
"""The batch that is drawn, and that a planted batch size is right for."""
LAYERS = [
    wrong_code.Softmax,
    wrong_code.ReLU,
    wrong_code.LeakyReLU,
    wrong_code.Sigmoid,
    wrong_code.Tanh,
    wrong_code.Dense,
]
LOSSES = [wrong_code.SoftmaxLoss, wrong_code.CrossEntropy, wrong_code.SquaredError]
WITH_PARAMETERS = [
    (losses.CentreLoss, ["dcentres"]),
    (losses.Ridge, ["dw"]),
    (networks.ThreeLayer, ["dW1", "db1", "dW2", "db2"]),
]
"""Losses, and networks with their loss, and the gradients of their parameters."""
CLASSES_OF = {losses.CentreLoss: 3}
"""How many classes there are, where the code does not say it."""

Plant = Callable[[Any, int], Any]
"""Returns a wrong gradient for a right one and the batch size."""

Case = tuple[Any, str, str, str]
"""A wrong subject, the row that should fail, the diagnosis, and what it is counted as."""


def planted_kind(kind: type, target: str, plant: Plant) -> type:
    """Return a class that does what another does, with a mistake planted in one gradient."""

    class Planted(kind):  # type: ignore[misc]
        def changed(self, dx: Any) -> Any:
            if target == "x":
                return plant(np.array(dx), self.batch_size)
            right = np.array(getattr(self, target))
            setattr(self, target, plant(right, self.batch_size))
            return dx

    class PlantedLoss(Planted):
        def forward(self, x: Any, t: Any) -> Any:
            self.batch_size = len(x)
            return super().forward(x, t)

        def backward(self) -> Any:
            return self.changed(super().backward())

    class PlantedLossWithDout(PlantedLoss):
        def backward(self, dout: Any) -> Any:
            return self.changed(kind.backward(self, dout))

    class PlantedLayer(Planted):
        def forward(self, x: Any) -> Any:
            self.batch_size = len(x)
            return super().forward(x)

        def backward(self, dout: Any) -> Any:
            if target == "dout":
                return super().backward(plant(np.array(dout), self.batch_size))
            return self.changed(super().backward(dout))

    if kind in LAYERS:
        return PlantedLayer
    takes_dout = positional(kind.backward) > 1
    return PlantedLossWithDout if takes_dout else PlantedLoss


def plants(rng: np.random.Generator) -> Iterator[tuple[str, Plant]]:
    """Yield mistakes with the names that they should be given."""
    yield "sign-flipped", lambda g, n: -g
    yield "factor-two", lambda g, n: 2 * g
    yield "factor-half", lambda g, n: g / 2
    yield "batch-size-missing", lambda g, n: g * n
    yield "batch-size-twice", lambda g, n: g / n
    yield "constant-factor", lambda g, n: 1.001 * g
    yield "constant-factor", lambda g, n: 1.1 * g
    yield "gradient-missing", lambda g, n: np.zeros_like(g)
    yield "precision-lost", lambda g, n: g.astype(np.float32).astype(np.float64)

    def at(index: Any, change: Callable[[Any], Any]) -> Plant:
        def plant(g: Any, n: int) -> Any:
            g[index] = change(g[index])
            return g

        return plant

    yield "wrong-rows", at(np.s_[-1:], lambda part: part * 1.5 + 0.1)
    yield "wrong-columns", at(np.s_[..., 1:3], lambda part: part * 1.5 + 0.1)
    yield "wrong-block", at(np.s_[1:3, 1:3], lambda part: part * 1.5 + 0.1)
    for exponent in range(1, 10):
        where = rng.random()

        def plant(g: Any, n: int, exponent: int = exponent, where: float = where) -> Any:
            off = 10.0**-exponent * np.abs(g).mean()
            g.flat[int(where * g.size)] += off
            return g

        yield "single-entry", plant


def planted(seed: int) -> Iterator[Case]:
    """Yield layers and losses in one of whose gradients a mistake is planted."""
    rng = np.random.default_rng(seed)
    for kind in LAYERS + LOSSES:
        targets = ("x", "dW", "db") if kind is wrong_code.Dense else ("x",)
        for target in targets:
            for name, plant in plants(rng):
                if target == "db" and name in ("wrong-rows", "wrong-columns", "wrong-block"):
                    continue
                subject = planted_kind(kind, target, plant)()
                yield subject, row_of(target), name_of(name, target), name


def new_kinds(seed: int) -> Iterator[Case]:
    """Yield mistakes that show at another batch size, another dout, or in a loss's parameters."""
    rng = np.random.default_rng(seed)

    def for_one_batch_size(g: Any, n: int) -> Any:
        return g * n / BATCH

    def clip(g: Any, n: int) -> Any:
        return np.clip(g, -0.4 * np.abs(g).max(), 0.4 * np.abs(g).max())

    for kind in LAYERS + LOSSES:
        targets = ("x", "dW", "db") if kind is wrong_code.Dense else ("x",)
        for target in targets:
            subject = planted_kind(kind, target, for_one_batch_size)()
            yield subject, "batch sizes", "batch-size-fixed", "batch size fixed"
            subject = planted_kind(kind, target, clip)()
            yield subject, row_of(target), "clipped", "gradient clipped"
        if kind in LAYERS:
            subject = planted_kind(kind, "dout", lambda dout, n: np.clip(dout, -50, 50))()
            yield subject, "linear in dout", "clipped", "dout clipped at ±50"
    np.random.seed(seed)  # noqa: NPY002 (the corpus draws its weights so)
    for kind, targets_of_loss in WITH_PARAMETERS:
        for target in targets_of_loss:
            for name, plant in plants(rng):
                if name.startswith("wrong-") and target.startswith("db"):
                    continue
                subject = planted_kind(kind, target, plant)()
                yield subject, row_of(target), name, "parameter of a loss"


def name_of(name: str, target: str) -> str:
    """Return what a mistake is called: of a layer's bias, one batch size too many is a mean."""
    is_bias = target.startswith("db")
    return "bias-averaged" if is_bias and name == "batch-size-twice" else name


def row_of(target: str) -> str:
    """Return the row of the gradient in which a mistake is planted; of the input, the first."""
    return "" if target == "x" else f"to {target.removeprefix('d')}"


def request_of(subject: Any, seed: int) -> Request:
    """Return what is asked of a subject."""
    kinds = [kind for kind in CLASSES_OF if isinstance(subject, kind)]
    return Request(seed=seed, classes=CLASSES_OF[kinds[0]] if kinds else None)


class AsFunction:
    """A layer or a loss as a function of its input and its parameters, for the other checkers."""

    def __init__(self, subject: Any, request: Request, given: Arrays | None = None):
        code = Code(type(subject).__name__, subject)
        ((_, self.operation),) = recognise(code, request, given)
        # What has a gradient is known only after backward.
        out, session = self.forward()
        self.names = list(self.given(session, np.ones(out.shape)))
        self.inputs = [np.array(self.operation.at[name]) for name in self.names]

    def forward(self, *inputs: Any) -> tuple[Any, Session]:
        """Return the output, and the copy that computed it."""
        at = {name: array.copy() for name, array in self.operation.at.items()}
        if inputs:
            at |= {n: np.array(value) for n, value in zip(self.names, inputs, strict=True)}
        session = self.operation.open(at)
        session.clear()
        return np.array(session.forward()), session

    def given(self, session: Session, dout: Any) -> Arrays:
        """Return the gradients by name; a backward without an argument is multiplied."""
        if self.operation.takes_dout:
            return session.backward(dout)
        return {name: dout * gradient for name, gradient in session.backward(dout).items()}

    def gradients(self, session: Session, dout: Any) -> list[Any]:
        """Return what backward says of the input and of every parameter."""
        found = self.given(session, dout)
        return [np.array(found[name]) for name in self.names]


def torch_passes(function: AsFunction, fast: bool) -> bool:
    """Return whether `torch.autograd.gradcheck` accepts the gradients."""
    import torch

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            out, ctx.session = function.forward(*(value.detach().numpy() for value in inputs))
            return torch.as_tensor(out)

        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            return tuple(map(torch.as_tensor, function.gradients(ctx.session, dout.numpy().copy())))

    inputs = tuple(
        torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in function.inputs
    )
    try:
        return bool(torch.autograd.gradcheck(Function.apply, inputs, fast_mode=fast))
    except Exception:
        return False


def central_passes(function: AsFunction) -> bool:
    """Return whether the usual central difference accepts the gradients."""
    rng = np.random.default_rng(1)
    inputs = [np.array(value, np.float64) for value in function.inputs]
    out, session = function.forward(*inputs)
    dout = rng.standard_normal(out.shape)
    computed = function.gradients(session, dout.copy())
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


def by_hand() -> Iterator[Case]:
    """Yield the classes of the tests that have a forward and a backward."""
    for kind, row, name in wrong_code.CASES:
        if hasattr(kind, "backward"):
            yield kind(), row, name, name


class Tally:
    """How many of each kind there were, and how many were caught and named."""

    def __init__(self) -> None:
        self.total: dict[str, int] = defaultdict(int)
        self.caught: dict[tuple[str, str], int] = defaultdict(int)
        self.named: dict[str, int] = defaultdict(int)


CHECKERS = ("ours", "torch", "torch fast", "central")


def measure_caught(
    cases: Callable[[int], Iterable[Case]], seeds: int, compared: int, verbose: bool
) -> None:
    """Print what share of the wrong gradients each checker caught, and named."""
    tally = Tally()
    for seed in range(seeds):
        for subject, name_of_row, name, label in cases(seed):
            request = request_of(subject, seed)
            rows = {
                row.name: row
                for row in check_code(Code(type(subject).__name__, subject), request).checks
            }
            row = rows.get(name_of_row) if name_of_row else next(iter(rows.values()))
            tally.total[label] += 1
            is_named = row is not None and is_named_as(row, name)
            tally.caught[label, "ours"] += row is not None and not row.passed
            tally.named[label] += is_named
            if verbose and not is_named:
                kind = next(k for k in type(subject).__mro__ if "Planted" not in k.__name__)
                found = {r.name: r.diagnosis.name for r in rows.values() if r.diagnosis}
                print(f"seed {seed}, {kind.__name__}, {name_of_row}: {found}, not {name}")
            if seed >= compared:
                continue
            function = AsFunction(subject, request)
            tally.caught[label, "compared"] += 1
            tally.caught[label, "torch"] += not torch_passes(function, fast=False)
            tally.caught[label, "torch fast"] += not torch_passes(function, fast=True)
            tally.caught[label, "central"] += not central_passes(function)
    print(f"{'mistake':28}{'cases':>7}" + "".join(f"{name:>12}" for name in CHECKERS) + "  named")
    for label in sorted(tally.total):
        print_shares(label, [label], tally)
    print_shares("all", list(tally.total), tally)


def print_shares(title: str, labels: list[str], tally: Tally) -> None:
    """Print a row of the table."""
    total = sum(tally.total[label] for label in labels)
    compared = sum(tally.caught[label, "compared"] for label in labels)
    cells = ""
    for name in CHECKERS:
        among = total if name == "ours" else compared
        caught = sum(tally.caught[label, name] for label in labels)
        cells += f"{caught / among:>12.1%}" if among else f"{'':12}"
    named = sum(tally.named[label] for label in labels)
    print(f"{title:28}{total:>7}{cells}{named / total:>7.1%}")


def is_named_as(row: Check, name: str) -> bool:
    """Return whether a row has the right diagnosis."""
    found = row.diagnosis.name if row.diagnosis else None
    # A row or a column with one entry that counts is one entry.
    return found == name or (found == "single-entry" and len(row.worst) == 1)


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
        comparison = compare_gradient(computed, f, network.parameters, TOLERANCE, rng)
        caught += not comparison.passed
        found += [entry.index for entry in comparison.worst] == [(index,)]

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
                given = {"": at[:5] if subject is linear else at[:5, :10]}
                for label in labels:
                    few = label[:5]
                    width = given[""].shape[1]
                    given["labels"] = few[:, :10] if few.ndim == 2 else few % width
                function = AsFunction(subject, Request(seed=seed), given)
                compared_total += 1
                others["torch"] += not torch_passes(function, fast=False)
                others["torch fast"] += not torch_passes(function, fast=True)
                others["central"] += not central_passes(function)
        network, f = network_gradient(seed, hidden, len(x))
        found = compare_gradient(network.gradients, f, network.parameters, TOLERANCE, rng)
        total += 1
        alarms += not found.passed
        if not found.passed:
            print(f"false alarm: seed {seed}, network of {hidden} hidden: {found.error}")
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
    parser.add_argument("--verbose", action="store_true", help="show what is not named rightly")
    arguments = parser.parse_args()
    started = time.perf_counter()
    if arguments.corpus_seeds:
        how = (arguments.corpus_seeds, arguments.compared, arguments.verbose)
        measure_caught(
            lambda seed: (case for of in (planted(seed), by_hand()) for case in of), *how
        )
        print("\nwhat shows at other batch sizes, for a large dout, and in a loss's parameters:")
        measure_caught(new_kinds, *how)
        print()
        measure_network(100)
    if arguments.seeds:
        measure_false_alarms(arguments.first_seed, arguments.seeds, arguments.compared)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
