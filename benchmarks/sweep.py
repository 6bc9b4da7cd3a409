"""What a sweep costs beside its trainings, and whether kills of workers lose a run.

    python benchmarks/sweep.py --data-dir DIR              # 100 trainings of a second, six ways
    python benchmarks/sweep.py --data-dir DIR --bare       # a sweep beside two bare processes
    python benchmarks/sweep.py --data-dir DIR --seeds      # four seeds of the default recipe
    python benchmarks/sweep.py --data-dir DIR --scale      # what decides how far a cluster scales
    python benchmarks/sweep.py --data-dir DIR --kills 20   # kills of Dask's workers

All ways take turns, several rounds of them, so that all meet the same conditions. Dask is started
here, by its own commands, on the loopback: the extra ``dask`` is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = [sys.executable, "-m", "mnist_cli"]
DASK = [sys.executable, "-m", "dask"]
DEFAULT = ["--hidden", "128"]
SECOND = [*DEFAULT, "--epochs", "2"]
"""A training of about a second on one thread."""

ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@contextmanager
def started(command: list[str], log: Path, ready: str, **environment: str) -> Iterator[str]:
    """Start a program in a process group of its own, and yield what it says it is ready by."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env={**os.environ, **environment},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        while not (found := re.search(ready, log.read_text())):
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.05)
        yield found[1]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def start_cluster(stack: ExitStack, folder: Path, data_dir: Path, workers: int) -> str:
    """Start a scheduler, and workers, each under a nanny that starts it again."""
    command = [*DASK, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    ready = r"Scheduler at: +(tcp://\S+)"
    patient = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "100"}
    address = stack.enter_context(started(command, folder / "scheduler.log", ready, **patient))
    for number in range(workers):
        command = [*DASK, "worker", address, "--nthreads", "1", "--no-dashboard"]
        command += ["--local-directory", str(folder), "--name", f"w{number}"]
        log, ready = folder / f"worker{number}.log", r"Registered to: +(tcp://\S+)"
        environment = {"MNIST_CLI_DATA_DIR": str(data_dir), **ONE_BLAS_THREAD}
        stack.enter_context(started(command, log, ready, **environment))
    return address


@dataclass
class Cost:
    """What something took: seconds by the clock, and of all processors together."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)


def run(command: list[str]) -> tuple[Cost, str]:
    """Return what a command took, its processes too, and what it printed."""
    begun, used = time.perf_counter(), os.times()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    now = os.times()
    cpu = now.children_user + now.children_system - used.children_user - used.children_system
    return Cost(time.perf_counter() - begun, cpu), done.stdout


def swept(out: Path, data_dir: Path, seeds: range, *options: str) -> Cost:
    """Return what a sweep takes."""
    command = [*PROGRAM, "sweep", "--data-dir", str(data_dir), "--out", str(out), "--json", "-q"]
    return run([*command, "--vary", f"seed={seeds[0]}..{seeds[-1]}", *options])[0]


def swept_by(address: str, out: Path, data_dir: Path, seeds: range, *options: str) -> Cost:
    """Return what a sweep takes with the workers of a scheduler, whose time is counted, too."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        before = sum(client.run(time.process_time).values())
        cost = swept(out, data_dir, seeds, "--scheduler", address, *options)
        cost.cpu += sum(client.run(time.process_time).values()) - before
    return cost


def looped(out: Path, data_dir: Path, seeds: range, *options: str) -> Cost:
    """Return what a shell loop of ``train`` takes."""
    total = Cost()
    for seed in seeds:
        command = [*PROGRAM, "train", "--data-dir", str(data_dir), "--seed", str(seed), *options]
        total += run([*command, "--out", str(out / f"{seed}.npz"), "-q"])[0]
    return total


def alone(data_dir: Path, seeds: range, hidden: int, epochs: int, processes: int = 1) -> Cost:
    """Return what the runs take with nothing around them, each process on one thread.

    Several processes share the runs beforehand, and the last to end counts.
    """
    code = (
        "import sys, time\n"
        "from mnist_cli.parallel import leave_cores_to_us, one_thread\n"
        "leave_cores_to_us()\n"
        "from mnist_cli import Recipe, load_data, run\n"
        "folder, hidden, epochs, *seeds = sys.argv[1:]\n"
        "data = load_data('mnist', folder)\n"
        "input()\n"
        "begun, used = time.time(), time.process_time()\n"
        "with one_thread():\n"
        "    for seed in seeds:\n"
        "        run(Recipe(hidden=int(hidden), epochs=int(epochs), seed=int(seed)), data)\n"
        "print(time.time() - begun, time.process_time() - used)\n"
    )
    words = [sys.executable, "-c", code, str(data_dir), str(hidden), str(epochs)]
    started = [
        subprocess.Popen(
            [*words, *map(str, seeds[number::processes])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for process in started:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    costs = [Cost(*map(float, process.communicate()[0].split())) for process in started]
    return Cost(max(cost.wall for cost in costs), sum(cost.cpu for cost in costs))


def compare(ways: dict[str, Callable[[Path, range], Cost]], runs: int, rounds: int) -> None:
    """Print what so many runs take by each way, in several rounds, in which all take turns.

    What the processors did beyond the first way is lost; this hardly depends on what else runs.
    """
    took: dict[str, list[Cost]] = {way: [] for way in ways}
    for number in range(rounds):
        for way, measured in ways.items():
            with tempfile.TemporaryDirectory() as out:
                seeds = range(number * runs, (number + 1) * runs)
                took[way].append(measured(Path(out), seeds))
    first = next(iter(took.values()))
    print("                               seconds  of the first  processors' seconds  lost")
    for way, costs in took.items():
        total = sum(costs, Cost())
        ratio = statistics.median(
            mine.wall / theirs.wall for mine, theirs in zip(costs, first, strict=True)
        )
        lost = 1 - sum(first, Cost()).cpu / total.cpu
        print(f"{way:30} {total.wall:7.1f} {ratio:13.2f} {total.cpu:20.1f} {lost:5.1%}")


def measure_engine(data_dir: Path, runs: int, rounds: int) -> None:
    """Print what so many trainings of a second take, by each way."""
    print(f"{runs} runs of train {' '.join(SECOND)}, in {rounds} rounds\n")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        address = start_cluster(stack, Path(name), data_dir, 2)
        ways: dict[str, Callable[[Path, range], Cost]] = {
            "runs alone, one process": lambda out, s: alone(data_dir, s, 128, 2),
            "runs alone, two processes": lambda out, s: alone(data_dir, s, 128, 2, 2),
            "sweep --jobs 1": lambda out, s: swept(out, data_dir, s, *SECOND, "--jobs", "1"),
            "sweep --jobs 2": lambda out, s: swept(out, data_dir, s, *SECOND, "--jobs", "2"),
            "sweep --scheduler, 2 workers": lambda out, s: swept_by(
                address, out, data_dir, s, *SECOND
            ),
            "train, one after another": lambda out, s: looped(out, data_dir, s, *SECOND),
        }
        compare(ways, runs // rounds, rounds)


def measure_bare(data_dir: Path, runs: int, rounds: int) -> None:
    """Print what so many trainings of a second take in two processes, with a sweep and without."""
    print(f"{runs} runs of train {' '.join(SECOND)}, in {rounds} rounds\n")
    ways: dict[str, Callable[[Path, range], Cost]] = {
        "runs alone, two processes": lambda out, s: alone(data_dir, s, 128, 2, 2),
        "sweep --jobs 2": lambda out, s: swept(out, data_dir, s, *SECOND, "--jobs", "2"),
    }
    compare(ways, runs // rounds, rounds)


def measure_seeds(data_dir: Path, rounds: int) -> None:
    """Print what four seeds of the default recipe take, by each way."""
    print(f"four seeds of the default recipe, {rounds} rounds\n")
    ways: dict[str, Callable[[Path, range], Cost]] = {
        "sweep --jobs 1": lambda out, s: swept(out, data_dir, s, "--jobs", "1"),
        "sweep --jobs 2": lambda out, s: swept(out, data_dir, s, "--jobs", "2"),
        "train, one after another": lambda out, s: looped(out, data_dir, s, *DEFAULT),
    }
    compare(ways, 4, rounds)


def measure_scale(data_dir: Path, tasks: int) -> None:
    """Print the bytes to and from a worker, and what a task costs scheduler and client."""
    from distributed import Client

    from mnist_cli.data.loading import load_data
    from mnist_cli.recipe import Recipe
    from mnist_cli.training import runs
    from mnist_cli.training.run import run as train
    from mnist_cli.training.sweep import Setup

    data = load_data("mnist", data_dir)
    call = (Recipe(), "mnist", None, Setup.here(data))
    print(f"{len(pickle.dumps(call)):,} bytes to a worker")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        address = start_cluster(stack, folder, data_dir, 2)
        client = stack.enter_context(Client(address, set_as_default=False))
        for hidden in (128, 800):
            result = train(Recipe(hidden=hidden, epochs=1), data)
            payload = pickle.dumps(result)
            used = time.process_time()
            for number in range(100):
                runs.save(folder / "runs", f"{hidden}-{number}", result.model)
            written = (time.process_time() - used) / 100
            executor = client.get_executor(pure=False)
            begun, used = time.perf_counter(), time.process_time()
            before = client.run_on_scheduler(time.process_time)
            for future in [executor.submit(bytes, len(payload)) for _ in range(tasks)]:
                future.result()
            wall, client_cpu = time.perf_counter() - begun, time.process_time() - used
            scheduler_cpu = client.run_on_scheduler(time.process_time) - before
            print(
                f"{hidden} hidden: {len(payload):,} bytes from a worker; for a task that does "
                f"nothing but send as many, the scheduler's processor takes "
                f"{1000 * scheduler_cpu / tasks:.1f} ms, the client's "
                f"{1000 * client_cpu / tasks:.1f} ms, and the clock {1000 * wall / tasks:.1f} ms; "
                f"to write a run takes {1000 * written:.1f} ms of the client's processor"
            )


def measure_kills(data_dir: Path, kills: int, runs: int) -> None:
    """Kill workers while a sweep lasts, and count the runs that were lost or done twice."""
    from distributed import Client

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        address = start_cluster(stack, folder, data_dir, 2)
        client = stack.enter_context(Client(address, set_as_default=False))
        out = folder / "runs"
        command = [*PROGRAM, "sweep", "--data-dir", str(data_dir), "--out", str(out), "--json"]
        command += [*SECOND, "--vary", f"seed=0..{runs - 1}", "--scheduler", address]
        draw = random.Random(0)
        killed = 0
        with (folder / "sweep.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        while process.poll() is None:
            time.sleep(draw.uniform(2, 6))
            # A worker's own process, which its nanny starts again.
            pids = list(client.run(os.getpid, on_error="ignore").values())
            has_begun = bool(list(out.glob("*/model.npz")))
            if process.poll() is None and killed < kills and pids and has_begun:
                os.kill(draw.choice(pids), signal.SIGKILL)
                killed += 1
        assert process.stdout
        printed = process.stdout.read()
        told = re.findall(r"^(seed=\d+)  test accuracy", (folder / "sweep.log").read_text(), re.M)
        done = len(json.loads(printed)["runs"])
        models = len(list(out.glob("*/model.npz")))
        different = 0
        for seed in range(0, runs, max(1, runs // 10)):
            train = [*PROGRAM, "train", "--data-dir", str(data_dir), *SECOND, "--seed", str(seed)]
            run([*train, "--out", str(folder / "alone.npz"), "--force", "-q"])
            model = out / f"seed={seed}" / "model.npz"
            different += model.read_bytes() != (folder / "alone.npz").read_bytes()
    print(
        f"{killed} kills of 2 workers in {runs} runs; status {process.returncode}; {done} runs and "
        f"{models} models, {runs - done} lost, {len(told) - len(set(told))} came back twice; "
        f"{different} of those compared differ from train's"
    )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="the folder of MNIST's files")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--seeds", action="store_true")
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--kills", type=int, default=0)
    arguments = parser.parse_args()
    data_dir = arguments.data_dir.resolve()
    if arguments.bare:
        measure_bare(data_dir, arguments.runs, arguments.rounds)
    elif arguments.seeds:
        measure_seeds(data_dir, arguments.rounds)
    elif arguments.scale:
        measure_scale(data_dir, 10 * arguments.runs)
    elif arguments.kills:
        measure_kills(data_dir, arguments.kills, arguments.runs)
    else:
        measure_engine(data_dir, arguments.runs, arguments.rounds)


if __name__ == "__main__":
    main()
