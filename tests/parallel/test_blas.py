"""Training and evaluation compute on one BLAS thread, whoever calls them and however."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mnist_cli.data.loading import load_split
from mnist_cli.evaluation import evaluate
from mnist_cli.parallel import BLAS_THREADS, blas
from mnist_cli.parallel.blas import one_blas_thread
from mnist_cli.parallel.threads import ProcessWide
from mnist_cli.recipe import Recipe
from mnist_cli.training.loop import train

RECIPE = Recipe(hidden=160, epochs=2)
threads = blas._threads()
needs_threads = pytest.mark.skipif(threads is None, reason="a BLAS that cannot be told")

FROM_PYTHON = """
import sys
import numpy as np
np.ones((500, 500)) @ np.ones((500, 500))  # BLAS has made its threads
from mnist_cli.training.loop import train
from mnist_cli.data.loading import load_split
from mnist_cli.recipe import Recipe
data = load_split("mnist", "train", sys.argv[1])
model = train(Recipe(hidden=160, epochs=2), data).model
sys.stdout.buffer.write(model.network.parameters.tobytes())
"""


def digest(folder: Path) -> str:
    """Return what training ends with, as a process pool asks for it."""
    network = train(RECIPE, load_split("mnist", "train", folder)).model.network
    return hashlib.sha256(network.parameters.tobytes()).hexdigest()


@needs_threads
def test_the_threads_are_put_back_when_the_last_block_ends() -> None:
    assert threads
    before = threads.get()
    threads.set(2)
    try:
        with one_blas_thread():
            assert threads.get() == 1
            with one_blas_thread():
                assert threads.get() == 1
            assert threads.get() == 1
        assert threads.get() == 2
        with pytest.raises(KeyError), one_blas_thread():
            raise KeyError
        assert threads.get() == 2
    finally:
        threads.set(before)


@needs_threads
def test_training_and_evaluation_compute_on_one(
    small_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert threads
    data = load_split("mnist", "train", small_dir)
    seen = []
    matmul = np.matmul
    before = threads.get()
    threads.set(2)

    def watch(*arguments: object, **options: object) -> object:
        seen.append(threads.get())
        return matmul(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(np, "matmul", watch)
    model = train(Recipe(hidden=4, epochs=1, deskew=True), data).model
    during = set(seen)
    seen.clear()
    monkeypatch.setattr(
        "mnist_cli.nn.mlp.Linear.forward", lambda self, x: watch(x, self.W) + self.b
    )
    evaluate(model, data)
    after = threads.get()
    threads.set(before)
    assert during == set(seen) == {1}
    assert after == 2


def test_overlapping_blocks_in_threads_leave_what_was_there() -> None:
    value = 7
    both = threading.Barrier(2)

    def put(new: int) -> None:
        nonlocal value
        value = new

    wide = ProcessWide(lambda: value, put)

    def work(first_out: bool) -> None:
        with wide.at(1):
            both.wait()
            if first_out:
                assert value == 1
        if not first_out:
            return

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, [True, False]))
    assert value == 7


def test_the_same_bits_from_python_a_thread_a_process_pool_and_the_command(
    small_dir: Path, tmp_path: Path
) -> None:
    environment = {key: v for key, v in os.environ.items() if key not in BLAS_THREADS}
    script = subprocess.run(
        [sys.executable, "-c", FROM_PYTHON, str(small_dir)],
        env=environment,
        check=True,
        capture_output=True,
    )
    out = tmp_path / "m.npz"
    command = ["train", "--data-dir", str(small_dir), "--hidden", "160", "--epochs", "2", "-q"]
    subprocess.run([sys.executable, "-m", "mnist_cli", *command, "--out", str(out)], check=True)
    with np.load(out) as arrays:
        expected = hashlib.sha256(arrays["parameters"].tobytes()).hexdigest()
    assert hashlib.sha256(script.stdout).hexdigest() == expected
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(digest, [small_dir] * 2)) == [expected] * 2
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as processes:
        assert processes.submit(digest, small_dir).result() == expected


def test_a_blas_that_has_no_such_functions_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a file that cannot be loaded, as one of another system, is passed over."""
    monkeypatch.setattr(blas, "NAMES", (("nobody_gets_threads", "nobody_sets_threads"),))
    blas._threads.cache_clear()
    try:
        assert blas._threads() is None
    finally:
        monkeypatch.undo()
        blas._threads.cache_clear()
    monkeypatch.setattr("mnist_cli.parallel.blas.ctypes.CDLL", unloadable)
    assert list(blas._libraries()) == []


def unloadable(path: str) -> object:
    raise OSError(path)


def test_where_it_cannot_be_set_that_is_said_once(
    small_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blas, "_threads", lambda: None)
    monkeypatch.setattr(blas, "_said", [])
    for name in BLAS_THREADS:
        monkeypatch.delenv(name, raising=False)
    said: list[str] = []
    for _ in range(2):
        with one_blas_thread(said.append):
            pass
    assert len(said) == 1
    assert "OMP_NUM_THREADS=1" in said[0]
    monkeypatch.setattr(blas, "_said", [])
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    with one_blas_thread(said.append):
        pass
    assert len(said) == 1
