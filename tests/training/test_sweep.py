"""A sweep as a library: which runs are done, which are not done again, and what is on disk."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mnist_cli.data.dataset import Dataset
from mnist_cli.data.loading import load_data
from mnist_cli.errors import DataError, ModelError, SettingsError
from mnist_cli.evaluation import Evaluation, evaluate
from mnist_cli.model import Model
from mnist_cli.recipe import Recipe
from mnist_cli.training import sweep as module
from mnist_cli.training.grid import Planned, plan, read_vary
from mnist_cli.training.pool import processes
from mnist_cli.training.ranking import rank
from mnist_cli.training.run import run
from mnist_cli.training.runs import Result, member_files, results, save
from mnist_cli.training.sweep import Setup, Swept, measured_on_test, perform, sweep

SMALL: dict[str, Any] = {"hidden": 4, "epochs": 1}


@pytest.fixture
def data(small_dir: Path) -> Dataset:
    return load_data("mnist", small_dir)


class Here(Executor):
    """Does all calls at once, in this thread, and remembers how many there were."""

    calls = 0

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls += 1
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def swept(data: Dataset, small_dir: Path, tmp_path: Path) -> Callable[..., tuple[Swept, int]]:
    """Return a function that sweeps, and returns what came of it and how many runs were done."""

    def do(*vary: str, out: str = "runs", **settings: Any) -> tuple[Swept, int]:
        executor = Here()
        force = settings.pop("force", False)
        planned = plan(SMALL | settings, read_vary(vary))
        done = sweep(planned, data, tmp_path / out, executor, data_dir=str(small_dir), force=force)
        return done, executor.calls

    return do


Sweeping = Callable[..., tuple[Swept, int]]


def test_each_run_has_the_model_of_run_its_log_and_its_recipe(
    swept: Sweeping, data: Dataset, tmp_path: Path
) -> None:
    done, _ = swept("seed=0..1", "augment=none,elastic", epochs=2)
    assert len(done.results) == 4
    for each, result in zip(done.planned, done.results, strict=True):
        folder = tmp_path / "runs" / each.name
        alone = run(each.recipe, data, out=tmp_path / "alone.npz", force=True)
        assert (folder / "model.npz").read_bytes() == (tmp_path / "alone.npz").read_bytes()
        assert Recipe.from_toml(folder / "recipe.toml") == each.recipe
        epochs = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        logged = [{**epoch.to_dict(), "seconds": None} for epoch in alone.history]
        assert [epoch | {"seconds": None} for epoch in epochs] == logged
        assert alone.test
        assert result.test_accuracy == alone.test.accuracy == result.accuracy
        assert result.seconds == sum(epoch["seconds"] for epoch in epochs)


def test_what_is_there_is_not_done_again_and_a_larger_sweep_takes_it(swept: Sweeping) -> None:
    first, calls = swept("seed=0..1")
    assert calls == 2
    again, calls = swept("seed=0..1")
    assert calls == 0
    assert again == first
    larger, calls = swept("hidden=4,5", "seed=0..2")
    assert calls == 4
    assert [result.name for result in larger.results[:2]] == ["seed=0", "seed=1"]
    assert larger.results[:2] == first.results


@pytest.mark.parametrize("name", ["mnist_cli_version", "numpy_version"])
def test_a_run_of_another_version_is_done_again(name: str, swept: Sweeping, tmp_path: Path) -> None:
    swept("seed=0..1")
    file = tmp_path / "runs" / "seed=1" / "model.npz"
    right = file.read_bytes()
    model = Model.load(file)
    model.metadata[name] = "0.0.1"
    model.save(file)
    _, calls = swept("seed=0..1")
    assert calls == 1
    assert file.read_bytes() == right


def test_a_run_that_was_interrupted_is_done_again(swept: Sweeping, tmp_path: Path) -> None:
    """Its log and its recipe are there, but no model."""
    swept("seed=0..1")
    model = tmp_path / "runs" / "seed=0" / "model.npz"
    model.unlink()
    assert swept("seed=0..1")[1] == 1
    assert model.exists()


def test_other_settings_or_data_or_files_are_not_replaced_unless_forced(
    swept: Sweeping, tmp_path: Path
) -> None:
    swept("seed=0..1")
    file = tmp_path / "runs" / "seed=0" / "model.npz"
    before = file.read_bytes()
    with pytest.raises(SettingsError, match="another recipe"):
        swept("seed=0..1", hidden=5)
    model = Model.load(file)
    model.metadata["data"] = {"other": "0"}
    model.save(file)
    with pytest.raises(SettingsError, match="another data"):
        swept("seed=0..1")
    file.write_text("mine")
    with pytest.raises(SettingsError, match="not a model"):
        swept("seed=0..1")
    assert file.read_text() == "mine"
    assert swept("seed=0..1", force=True)[1] == 1
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["log.jsonl", "recipe.toml"])
def test_files_that_no_sweep_has_written_are_not_replaced_unless_forced(
    name: str, swept: Sweeping, tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "seed=0"
    swept("seed=0")
    (folder / "model.npz").unlink()  # what is left of a sweep that was killed is no hindrance
    assert swept("seed=0")[1] == 1
    (folder / "model.npz").unlink()
    (folder / name).write_text("my thesis")
    with pytest.raises(SettingsError, match=f"{name} is there already, and no sweep has written"):
        swept("seed=0")
    assert (folder / name).read_text() == "my thesis"
    assert not (folder / "model.npz").exists()
    assert swept("seed=0", force=True)[1] == 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "seed=0").touch()
    with pytest.raises(SettingsError, match="seed=0 is there already, and no folder"):
        swept("seed=0", out="other", force=False)


def test_what_is_wrong_is_refused_before_anything_starts(
    swept: Sweeping, data: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="leaves none to learn from"):
        swept("validation=100,1000")
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be written"):
        swept("seed=0..1", out="file")
    assert not (tmp_path / "runs").exists()


def test_with_validation_the_test_images_are_looked_at_by_the_best_alone(
    swept: Sweeping, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def look(*arguments: Any) -> Evaluation:
        looks.append(arguments)
        return evaluate(*arguments)

    monkeypatch.setattr(module, "evaluate", look)
    done, _ = swept("hidden=2,16", "seed=0..1", validation=300, epochs=3)
    assert [result.test_accuracy for result in done.results] == [None] * 4
    for each, result in zip(done.planned, done.results, strict=True):
        model = Model.load(tmp_path / "runs" / result.model)
        assert "test_accuracy" not in model.metadata
        assert model.W1.tobytes() == run(each.recipe, data).model.W1.tobytes()
        assert result.validation_accuracy == model.history[-1].validation_accuracy
    groups = rank([each.varied for each in done.planned], done.results)
    assert groups[0].varied == {"hidden": 16}
    best = measured_on_test(groups[0], tmp_path / "runs", data)
    assert len(looks) == 2
    for result in best.runs:
        model = Model.load(tmp_path / "runs" / result.model)
        assert result.test_accuracy == evaluate(model, data.test).accuracy
    assert best.mean == groups[0].mean


def test_with_a_patience_the_accuracy_is_that_of_the_epoch_that_is_kept(
    swept: Sweeping, tmp_path: Path
) -> None:
    done, _ = swept("seed=0", validation=300, patience=2, epochs=30, hidden=16, learning_rate=1.5)
    (result,) = done.results
    history = Model.load(tmp_path / "runs" / result.model).history
    best = max(history, key=lambda epoch: epoch.validation_accuracy or 0)
    assert result.accuracy == best.validation_accuracy
    assert result.loss == best.validation_loss
    assert best.epoch < len(history)


def test_a_run_that_diverges_does_not_end_the_others(swept: Sweeping, tmp_path: Path) -> None:
    done, _ = swept("lr=0.1,1e30")
    assert [result.name for result in done.results] == ["lr=0.1"]
    (failure,) = done.failures
    assert failure.planned.name == "lr=1e+30"
    assert "diverged" in failure.sentence
    assert not failure.is_lost
    assert not (tmp_path / "runs" / "lr=1e+30").exists()


def test_a_worker_of_another_version_or_with_other_data_is_named(
    data: Dataset, small_dir: Path, tmp_path: Path
) -> None:
    here = Setup.here(data)
    perform(Recipe(**SMALL), "mnist", str(small_dir), here)
    for other, sentence in (
        (replace(here, versions={**here.versions, "NumPy": "1.0"}), r"has NumPy .* and not 1\.0"),
        (replace(here, data={**here.data, "t10k-labels": "0"}), r"other data .* in t10k-labels"),
    ):
        with pytest.raises(SettingsError, match=rf"The worker on .* {sentence}"):
            perform(Recipe(**SMALL), "mnist", str(small_dir), other)
    with pytest.raises(DataError, match=r"The worker on .* cannot load the data: .*train-images"):
        perform(Recipe(**SMALL), "mnist", str(tmp_path), here)


def test_a_run_that_cannot_be_written_ends_the_sweep(
    swept: Sweeping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs" / "seed=1" / "recipe.toml").mkdir(parents=True)
    with pytest.raises(ModelError, match="seed=1 cannot be written"):
        swept("seed=0..2")


def test_the_best_so_far_is_beside_the_bar(data: Dataset, small_dir: Path, tmp_path: Path) -> None:
    from contextlib import nullcontext

    from mnist_cli.progress import Progress

    class Shown(Progress):
        texts: list[str] = []  # noqa: RUF012
        done = 0

        def bar(self, description: str, total: int, unit: str, done: int = 0) -> Any:
            assert (total, unit) == (2, "run")
            self.done = done
            return nullcontext(self)

        def update(self, n: int) -> None:
            self.done += n

        def describe(self, text: str) -> None:
            self.texts.append(text)

    shown = Shown()
    planned = plan({"epochs": 3}, read_vary(["hidden=1,16"]))
    done = sweep(planned, data, tmp_path / "runs", Here(), data_dir=str(small_dir), progress=shown)
    assert shown.done == 2
    assert shown.texts[-1] == f"best {done.results[1].accuracy:.2%}, hidden=16"


def test_the_members_of_a_committee_are_the_runs_of_a_folder(
    swept: Sweeping, tmp_path: Path
) -> None:
    swept("seed=0..1")
    folder = tmp_path / "runs"
    files = [folder / f"seed={seed}" / "model.npz" for seed in (0, 1)]
    assert member_files(folder) == files
    assert member_files(files[0]) == files[:1]
    with pytest.raises(ModelError, match="is a folder without runs"):
        member_files(folder / "seed=0")


def test_a_run_without_a_log_has_no_seconds(swept: Sweeping, tmp_path: Path) -> None:
    done, _ = swept("seed=0..1")
    model = Model.load(tmp_path / "runs" / "seed=1" / "model.npz")
    (tmp_path / "runs" / "seed=0" / "log.jsonl").write_text("{}\n")
    (tmp_path / "runs" / "seed=1" / "log.jsonl").unlink()
    found = results(tmp_path / "runs")
    assert [result.seconds for result in found] == [None, None]
    assert replace(found[0], seconds=done.results[0].seconds) == done.results[0]
    assert save(tmp_path / "runs", "seed=1", model).seconds is None


@pytest.mark.skipif(os.name != "posix", reason="POSIX pipes")
@pytest.mark.parametrize("log", ["pipe", "large", "deep", "no text"])
def test_a_run_whose_log_is_something_else_is_done_all_the_same(
    log: str, swept: Sweeping, tmp_path: Path
) -> None:
    swept("seed=0")
    path = tmp_path / "runs" / "seed=0" / "log.jsonl"
    path.unlink()
    if log == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes({"deep": b"[" * 100_000 + b"\n", "no text": b"\xff\n"}.get(log, b""))
        if log == "large":
            os.truncate(path, 6 << 30)
    (found,) = results(tmp_path / "runs")
    assert found.seconds is None


def test_processes_give_the_bits_of_threads_and_threads_do_too(
    data: Dataset, small_dir: Path, tmp_path: Path
) -> None:
    planned = plan({"epochs": 2, "augment": "elastic"}, read_vary(["seed=0..3"]))
    with processes(2) as pool, ThreadPoolExecutor(2) as threads:
        for name, executor in (("a", pool), ("b", threads)):
            sweep(planned, data, tmp_path / name, executor, data_dir=str(small_dir))
    for each in planned:
        alone = run(each.recipe, data).model.network.parameters
        for name in ("a", "b"):
            model = Model.load(tmp_path / name / each.name / "model.npz")
            assert model.network.parameters.tobytes() == alone.tobytes()


def test_the_data_are_loaded_once_in_a_process(
    small_dir: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    module._data.cache_clear()
    loads = []

    def count(*arguments: Any) -> Dataset:
        loads.append(arguments)
        return load_data(*arguments)

    monkeypatch.setattr(module, "load_data", count)
    for seed in range(3):
        perform(Recipe(**SMALL, seed=seed), "mnist", str(small_dir), Setup.here(data))
    assert len(loads) == 1


def pid_after(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_a_process_that_is_killed_loses_what_is_not_done_and_says_so(
    data: Dataset, small_dir: Path, tmp_path: Path
) -> None:
    planned = plan({"epochs": 1, "hidden": 4}, read_vary(["seed=0..5"]))
    told: list[Planned] = []
    with processes(1) as pool:
        pid = pool.submit(pid_after, 0).result()

        def kill(each: Planned, result: Result) -> None:
            told.append(each)
            if len(told) == 2:
                os.kill(pid, signal.SIGKILL)

        # Each run is long enough for the second to be told before the last is done.
        long = [replace(p, recipe=replace(p.recipe, epochs=40)) for p in planned]
        done = sweep(long, data, tmp_path / "runs", pool, data_dir=str(small_dir), on_result=kill)
    assert 2 <= len(done.results) < 6
    assert len(done.results) + len(done.failures) == 6
    assert all(failure.is_lost for failure in done.failures)
    there = {result.name for result in results(tmp_path / "runs")}
    assert there == {result.name for result in done.results}


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_the_processes_end_at_once_when_the_block_ends_by_an_exception(
    data: Dataset, small_dir: Path
) -> None:
    started = time.monotonic()
    pids: list[int] = []
    endless = (Recipe(hidden=4, epochs=10**6), "mnist", str(small_dir), Setup.here(data))

    def work_until_interrupted() -> None:
        with processes(2) as pool:
            first = [pool.submit(pid_after, 0.2) for _ in range(2)]
            pids.extend(future.result() for future in first)
            for _ in range(6):
                pool.submit(perform, *endless)
            time.sleep(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work_until_interrupted()
    assert time.monotonic() - started < 30
    assert not any(map(is_running, pids))


def test_a_pool_that_is_broken_from_the_start_loses_all(data: Dataset, tmp_path: Path) -> None:
    class Broken(Executor):
        def submit(self, function: Callable[..., Any], /, *a: Any, **k: Any) -> Future[Any]:
            raise BrokenExecutor("gone")

    done = sweep(plan(SMALL, read_vary(["seed=0..1"])), data, tmp_path / "runs", Broken())
    assert done.results == []
    assert [failure.is_lost for failure in done.failures] == [True, True]
