"""Sweeps on a real Dask scheduler and two real workers, on the loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from cluster import PROGRAM, Loopback

from mnist_cli.data.idx import write_idx

pytest.importorskip("distributed", reason="needs the extra dask")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.name != "posix", reason="POSIX signals"),
]

SLOW = ("--hidden", 8, "--epochs", 60)
"""About a second a run: long enough to be interrupted."""


@pytest.fixture
def loopback(tmp_path: Path, small_dir: Path) -> Iterator[Loopback]:
    with ExitStack() as stack:
        yield Loopback(stack, tmp_path, small_dir)


def wait_for(condition: Callable[[], object]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came about")


def check_models(folder: Path, data_dir: Path, seeds: int, *options: object) -> None:
    """Compare every model with that of ``mnist-cli train``, byte for byte."""
    assert len(list(folder.glob("*/model.npz"))) == seeds
    for seed in range(seeds):
        out = folder / "train.npz"
        words = ["train", "--data-dir", data_dir, *options, "--seed", seed, "--out", out, "--force"]
        subprocess.run([*PROGRAM, *map(str, words), "-q"], check=True, capture_output=True)
        assert (folder / f"seed={seed}" / "model.npz").read_bytes() == out.read_bytes()


def test_a_worker_that_is_killed_loses_no_run_and_every_model_is_that_of_train(
    loopback: Loopback, small_dir: Path
) -> None:
    first, _ = loopback.worker("first"), loopback.worker("second")
    runs = loopback.folder / "runs"
    command = loopback.command(*SLOW, "--vary", "seed=0..7", "--json")
    environment = {**os.environ, "MNIST_CLI_DATA_DIR": str(small_dir)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: len(list(runs.glob("*/model.npz"))) >= 2)
        os.killpg(first.pid, signal.SIGKILL)
        done = len(list(runs.glob("*/model.npz")))
        stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert done < 8
    document = json.loads(stdout)
    assert len(document["runs"]) == 8
    assert document["failures"] == []
    told = re.findall(r"^(seed=\d)  test accuracy", stderr, re.MULTILINE)
    assert sorted(told) == [f"seed={seed}" for seed in range(8)]
    check_models(runs, small_dir, 8, *SLOW)


def test_a_run_that_dask_gives_up_is_named_and_the_same_command_does_it_again(
    tmp_path: Path, small_dir: Path
) -> None:
    """As Dask does where more workers died with it than ``allowed-failures``: here, one."""
    with ExitStack() as stack:
        patience = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
        loopback = Loopback(stack, tmp_path, small_dir, **patience)
        first, _ = loopback.worker("first"), loopback.worker("second")
        runs = loopback.folder / "runs"
        command = loopback.command(*SLOW, "--vary", "seed=0..5", "--json")
        environment = {**os.environ, "MNIST_CLI_DATA_DIR": str(small_dir)}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            wait_for(lambda: len(list(runs.glob("*/model.npz"))) >= 1)
            os.killpg(first.pid, signal.SIGKILL)
            stdout, stderr = process.communicate(timeout=300)
        assert process.returncode == 2
        assert re.search(
            r"Error: Not done: \d of 6 runs \(.*seed=\d.*\), as a worker was ended", stderr
        )
        document = json.loads(stdout)
        assert 1 <= len(document["failures"]) <= 2
        assert len(document["runs"]) + len(document["failures"]) == 6
        again = loopback.sweep(*SLOW, "--vary", "seed=0..5")
        assert again.returncode == 0, again.stderr
        assert f"6 runs, {len(document['runs'])} done already" in again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_client_that_ends_in_the_middle_goes_on_when_it_is_started_again(
    number: int, loopback: Loopback, small_dir: Path
) -> None:
    loopback.worker("first")
    loopback.worker("second")
    runs = loopback.folder / "runs"
    environment = {**os.environ, "MNIST_CLI_DATA_DIR": str(small_dir)}
    how = (*SLOW, "--vary", "seed=0..5")
    with subprocess.Popen(
        loopback.command(*how), env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: len(list(runs.glob("*/model.npz"))) >= 2)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    done = {file: file.stat().st_mtime_ns for file in runs.glob("*/model.npz")}
    assert 2 <= len(done) < 6
    if number == signal.SIGINT:
        assert process.returncode == 130
        # The last one may have been kept just when the signal came, and before it was told.
        counts = [len(done) - 1, len(done)]
        assert any(f"Interrupted: {n} of 6 runs are done and kept" in stderr for n in counts)
        assert "Traceback" not in stderr
    again = loopback.sweep(*how)
    assert again.returncode == 0, again.stderr
    assert f"6 runs, {len(done)} done already · 2 at once" in again.stderr
    assert all(file.stat().st_mtime_ns == then for file, then in done.items())
    check_models(runs, small_dir, 6, *SLOW)


def test_a_worker_of_other_versions_is_refused_by_name_before_anything_starts(
    loopback: Loopback,
) -> None:
    preload = loopback.folder / "older.py"
    preload.write_text("import mnist_cli\nmnist_cli.__version__ = '0.0.9'\n")
    loopback.worker("right")
    loopback.worker("older", "--preload", str(preload))
    done = loopback.sweep("--vary", "seed=0..1")
    assert done.returncode == 2
    assert re.search(
        r"\AError: The worker tcp://\S+ has mnist-cli 0\.0\.9 and not \S+: install the same on all "
        r"machines\.\n\Z",
        done.stderr,
    )
    assert not (loopback.folder / "runs").exists()


def test_a_worker_without_mnist_cli_is_refused_by_name(loopback: Loopback) -> None:
    preload = loopback.folder / "without.py"
    preload.write_text("import sys\nsys.modules['mnist_cli'] = None\n")
    loopback.worker("without", "--preload", str(preload))
    done = loopback.sweep("--vary", "seed=0..1")
    assert done.returncode == 2
    assert re.search(r"Error: The worker tcp://\S+ cannot run mnist-cli", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_worker_without_the_data_is_told_by_name_what_is_missing(
    loopback: Loopback, tmp_path: Path, small_dir: Path
) -> None:
    folder = tmp_path / "incomplete"
    folder.mkdir()
    for file in small_dir.glob("t10k*.gz"):
        (folder / file.name).symlink_to(file)
    loopback.worker("without", MNIST_CLI_DATA_DIR=str(folder))
    done = loopback.sweep("--vary", "seed=0..1", "--hidden", 4, "--epochs", 1)
    assert done.returncode == 2
    assert re.search(r"Error: The worker on \S+ cannot load the data: .*incomplete", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_worker_with_other_data_is_told_by_name_which(
    loopback: Loopback, tmp_path: Path, small_dir: Path
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for file in small_dir.glob("t*.gz"):
        if not file.name.startswith("t10k-labels"):
            (folder / file.name).symlink_to(file)
    labels = np.arange(200)[::-1] % 10
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", labels.astype(np.uint8))
    loopback.worker("other", MNIST_CLI_DATA_DIR=str(folder))
    done = loopback.sweep("--vary", "seed=0..1", "--hidden", 4, "--epochs", 1)
    assert done.returncode == 2
    assert re.search(r"The worker on \S+ has other data than .* in t10k-labels", done.stderr)


def test_a_worker_without_the_data_fetches_it(
    loopback: Loopback, mnist_dir: Path, tmp_path: Path
) -> None:
    """From a mirror on the loopback, which takes the place of those that are published."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(mnist_dir))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        preload = tmp_path / "mirror.py"
        preload.write_text(
            "from dataclasses import replace\n"
            "from mnist_cli.data.sources import MNIST, SOURCES\n"
            f"here = replace(MNIST, mirrors=('http://127.0.0.1:{server.server_port}/',))\n"
            "SOURCES['mnist'] = replace(SOURCES['mnist'], published=here)\n"
        )
        folder = tmp_path / "fetched"
        environment = {"MNIST_CLI_DATA_DIR": str(folder)}
        loopback.worker("without", "--preload", str(preload), **environment)
        loopback.data_dir = mnist_dir
        done = loopback.sweep("--vary", "seed=0..1", "--hidden", 4, "--epochs", 1)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert len(list(folder.glob("*.gz"))) == 4


def test_a_scheduler_that_is_not_there_or_has_no_workers_is_told_in_a_sentence(
    loopback: Loopback,
) -> None:
    done = loopback.sweep("--vary", "seed=0..1")
    assert done.returncode == 2
    assert "has no workers: start some with 'dask worker tcp://" in done.stderr
    loopback.address = "tcp://127.0.0.1:9"
    done = loopback.sweep("--vary", "seed=0..1")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: There is no Dask scheduler at tcp://127.0.0.1:9: start")
    loopback.address = "nonsense://"
    done = loopback.sweep("--vary", "seed=0..1")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: There is no Dask scheduler at nonsense://")
