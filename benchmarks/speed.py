"""How fast this is, beside what people would have picked instead: PyTorch, JAX, scikit-learn.

    python benchmarks/speed.py --data-dir DIR
    python benchmarks/speed.py --data-dir DIR --kernel Haswell

An environment for it is made first, with the frameworks from the package index, and kept for the
next time. All sides then run in turn, several rounds of the same order, each in a process of its
own. That one step of each gives the same loss and the same gradients is checked before.

Variables that hold OpenBLAS to other kernels or threads than it would choose are taken away first,
as the other frameworks do not look at them; ``--kernel`` names one, such as that of processors
with AVX2 alone. Which one ran is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent
NEEDED = ["torch==2.13.0", "scikit-learn", "threadpoolctl"]
OPTIONAL = ["jax"]
SIDES = {
    "numpy": "mnist-cli",
    "torch": "PyTorch, index batches",
    "torch_compile": "PyTorch, compiled",
    "torch_loader": "PyTorch, DataLoader",
    "sklearn": "scikit-learn",
    "jax": "JAX, jit and scan",
}
SIZES = [(128, 128), (32, 128), (300, 128), (800, 128), (128, 32), (128, 512)]
WHOLE = [(3, 0.05), (4, 0.0), (10, 0.0)]
"""The epochs and the label smoothing of the whole commands: all of them read 98%."""
AGREEMENT = 1e-4
HELD = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
"""What may hold NumPy back from the kernels and threads that it would choose."""


def make_environment(folder: Path) -> tuple[Path, list[str]]:
    """Return the Python of an environment with all frameworks, and the sides that it can run."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        print(f"making the environment {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, str(PROJECT), *NEEDED], check=True)
    missing = [] if subprocess.run([*install, *OPTIONAL]).returncode == 0 else ["jax"]
    compiled = "import torch; torch.compile(lambda x: x * 2)(torch.ones(3))"
    if subprocess.run([python, "-c", compiled], stderr=subprocess.DEVNULL).returncode:
        print("torch.compile does not work here: it needs a C++ compiler", file=sys.stderr)
        missing.append("torch_compile")
    return python, [side for side in SIDES if side not in missing]


def call(python: Path, side: str, what: str, *arguments: object) -> str:
    """Return what a side prints."""
    command = [python, HERE / "frameworks" / f"{side}_side.py", what, *arguments]
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def check_agreement(
    python: Path, sides: list[str], data_dir: Path, folder: Path, smoothed: float
) -> None:
    """Stop unless one step of every side gives the same loss and gradients."""
    script = (
        "import sys, numpy as np\n"
        "first, *others = map(np.load, sys.argv[1:])\n"
        "for other in others:\n"
        "    for key in first.files:\n"
        "        a, b = first[key], other[key]\n"
        "        print(np.abs(a - b).max() / np.abs(a).max())\n"
    )
    files = []
    for side in sides:
        files.append(folder / f"{side}.npz")
        size = ("--hidden", 128, "--batch-size", 128)
        smoothing = ("--label-smoothing", smoothed)
        call(python, side, "step", "--data-dir", data_dir, *size, *smoothing, "--out", files[-1])
    command = list(map(str, [python, "-c", script, *files]))
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    worst = max(map(float, done.stdout.split()))
    if worst > AGREEMENT:
        raise SystemExit(f"one step differs by {worst:.0e}: the sides do not do the same")
    print(f"one step, labels softened by {smoothed}: all sides agree to {worst:.0e}")


def seconds_an_epoch(
    python: Path, sides: list[str], data_dir: Path, size: tuple[int, int], rounds: int
) -> dict[str, list[float]]:
    """Return what each side took for an epoch, without its first, in which JAX compiles."""
    found: dict[str, list[float]] = {side: [] for side in sides}
    arguments = ("--hidden", size[0], "--batch-size", size[1])
    for _ in range(rounds):
        for side in sides:
            output = call(python, side, "epochs", "--data-dir", data_dir, *arguments)
            found[side] += json.loads(output)["seconds"][1:]
    return found


def print_ratios(rows: dict[str, list[float]], digits: int) -> None:
    """Print the median of each side, and how many times that of the first it is."""
    medians = {side: statistics.median(seconds) for side, seconds in rows.items()}
    first = next(iter(medians.values()))
    for side, median in medians.items():
        fastest = min(rows[side])
        print(f"  {side:28}{median:8.{digits}f}{fastest:9.{digits}f}{median / first:9.2f}")


def measure_whole(
    python: Path, sides: list[str], data_dir: Path, folder: Path, settings: tuple, rounds: int
) -> None:
    """Print what whole commands take, from reading the files to the saved model."""
    epochs, smoothing = settings
    recipe = ["--hidden", "128", "--epochs", str(epochs), "--label-smoothing", str(smoothing)]
    ours = {SIDES["numpy"]: recipe}
    if settings == WHOLE[0]:
        ours["mnist-cli, --config quick"] = ["--config", "quick"]
    seconds: dict[str, list[float]] = {}
    accuracies: dict[str, float] = {}
    for _ in range(rounds):
        for label, options in ours.items():
            taken, accuracies[label] = train(python, data_dir, folder, options)
            seconds.setdefault(label, []).append(taken)
        for side in ("torch", "jax"):
            if side in sides:
                started = time.perf_counter()
                out = ("--batch-size", 128, "--out", folder / f"{side}.model")
                text = call(python, side, "whole", "--data-dir", data_dir, *recipe, *out)
                seconds.setdefault(SIDES[side], []).append(time.perf_counter() - started)
                accuracies[SIDES[side]] = json.loads(text)["accuracy"]
    print(f"\nwhole command: mnist-cli train {' '.join(recipe)}")
    print("  seconds                       median  fastest    ratio")
    print_ratios(seconds, 2)
    told = ", ".join(f"{label} {accuracy:.2%}" for label, accuracy in accuracies.items())
    print(f"  test accuracy: {told}")


def train(
    python: Path, data_dir: Path, folder: Path, options: Sequence[str]
) -> tuple[float, float]:
    """Return the seconds that ``mnist-cli train`` takes with these options, and its accuracy."""
    out = ["--out", str(folder / "model.npz"), "--force", "--json", "--quiet"]
    program = str(python.with_name("mnist-cli"))
    command = [program, "train", *options, "--data-dir", str(data_dir), *out]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - started, json.loads(done.stdout)["test_accuracy"]


def describe(python: Path) -> None:
    """Print the machine, the versions and the threads."""
    script = (
        "import importlib.metadata as m\n"
        "for name in ('numpy', 'torch', 'scikit-learn', 'jax'):\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: print(name, 'is not there')\n"
        "import numpy, threadpoolctl\n"
        "for pool in threadpoolctl.threadpool_info():\n"
        "    print('kernels', pool.get('architecture'), 'of', pool['internal_api'])\n"
        "from mnist_cli.parallel import workers_for\n"
        "print('mnist-cli', workers_for(2, share_memory=True).kind)\n"
    )
    versions = subprocess.run([str(python), "-c", script], stdout=subprocess.PIPE, text=True)
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    print(f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}; ", end="")
    print(", ".join(versions.stdout.split("\n")).rstrip(", "))
    print("the others with as many threads as they choose\n")


def main() -> None:
    """Run all sides, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="the folder of MNIST's files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", action="store_true", help="time --config elastic-800, too")
    parser.add_argument("--kernel", help="hold OpenBLAS to these kernels: Haswell, SkylakeX, …")
    cache = Path(tempfile.gettempdir()) / "mnist-cli-speed"
    parser.add_argument("--environment", type=Path, default=cache)
    arguments = parser.parse_args()
    data_dir = arguments.data_dir.resolve()
    for name in HELD:
        os.environ.pop(name, None)
    if arguments.kernel:
        os.environ["OPENBLAS_CORETYPE"] = arguments.kernel
    python, sides = make_environment(arguments.environment)
    describe(python)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check_agreement(python, sides, data_dir, folder, 0.0)
        softened = [side for side in sides if side != "sklearn"]  # which has no label smoothing
        check_agreement(python, softened, data_dir, folder, 0.05)
        print("\nan epoch: seconds             median  fastest    ratio")
        for size in SIZES:
            print(f"784-{size[0]}-10, batch {size[1]}")
            at_all_sizes = [side for side in sides if side != "torch_loader"]
            chosen = sides if size == SIZES[0] else at_all_sizes
            rows = seconds_an_epoch(python, chosen, data_dir, size, arguments.rounds)
            print_ratios({SIDES[side]: found for side, found in rows.items()}, 3)
        for settings in WHOLE:
            measure_whole(python, sides, data_dir, folder, settings, arguments.rounds)
        if arguments.long:
            seconds, accuracy = train(python, data_dir, folder, ["--config", "elastic-800"])
            print(f"\nmnist-cli train --config elastic-800: {seconds:.0f} s, {accuracy:.2%}")


if __name__ == "__main__":
    main()
