"""``mnist-cli sweep`` as a person or a script meets it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli, on_a_terminal

from mnist_cli.config import config_folder
from mnist_cli.model import Model

SMALL = ("--hidden", 4, "--epochs", 1)
ONE_JOB = ("--jobs", 1)
"""Where a test is not about processes: each takes a third of a second to start."""
PROGRAM = [sys.executable, "-m", "mnist_cli"]
POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


def test_the_models_are_those_of_train_and_a_larger_sweep_takes_a_smaller_one(
    cli: Cli, small_dir: Path
) -> None:
    how: tuple[object, ...] = ("--data-dir", small_dir, "--epochs", 2, "--augment", "elastic")
    result = cli("sweep", *how, "--vary", "seed=0..1", "--jobs", 2)
    assert result.exit_code == 0, result.stderr
    assert f"{small_dir}: 1,000 images · 2 runs · 2 at once\n" in result.stderr
    larger = cli("sweep", *how, "--vary", "seed=0..2", "--vary", "digit-width=0,16")
    assert larger.exit_code == 0, larger.stderr
    assert "6 runs, 2 done already" in larger.stderr
    assert cli("train", *how, "--seed", 1, "-q", "--out", "one.npz").exit_code == 0
    how = (*how, "--seed", 2, "--digit-width", 16)
    assert cli("train", *how, "-q", "--out", "other.npz").exit_code == 0
    assert Path("runs/seed=1/model.npz").read_bytes() == Path("one.npz").read_bytes()
    other = Path("runs/seed=2,digit-width=16/model.npz")
    assert other.read_bytes() == Path("other.npz").read_bytes()
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        *("seed=0", "seed=0,digit-width=16", "seed=1", "seed=1,digit-width=16"),
        *("seed=2,digit-width=0", "seed=2,digit-width=16"),
    ]


def test_the_table_is_sorted_and_says_by_what(cli: Cli, small_dir: Path) -> None:
    how = ("sweep", "--data-dir", small_dir, "--epochs", 3, "--vary", "hidden=1,16", *ONE_JOB)
    result = cli(*how, "--vary", "seed=0..1")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["hidden", "runs", "test", "accuracy", "loss", "seconds"]
    assert [line.split()[0] for line in lines[1:3]] == ["16", "1"]
    assert re.search(r"\d\d\.\d\d ± \d+\.\d\d%", lines[1])
    assert "do not choose by this" in result.stdout
    assert max(map(len, lines)) <= 80
    judged = cli(*how, "--validation", 200, "--out", "judged")
    assert "Ranked by the 200 validation images. The test images were not" in judged.stdout
    tested = cli(*how, "--validation", 200, "--out", "judged", "--test")
    found = re.search(r"looked at by the best alone: (\d\d\.\d\d%)\.", tested.stdout)
    assert found
    evaluated = cli("evaluate", "judged/hidden=16/model.npz", "--data-dir", small_dir, "--json")
    assert found[1] == f"{json.loads(evaluated.stdout)['accuracy']:.2%}"


def test_json_and_csv_have_every_run_and_every_group(cli: Cli, small_dir: Path) -> None:
    grid = ("--vary", "hidden=2,3", "--vary", "seed=0..1")
    data = ("--data-dir", small_dir, "--validation", 100)
    how = ("sweep", *data, *grid, *ONE_JOB, "--epochs", 1, "-q")
    result = cli(*how, "--json", "--log", "log.csv")
    assert result.stderr == ""
    document: dict[str, Any] = json.loads(result.stdout)
    assert set(document) == {"runs", "groups", "failures"}
    assert [run["settings"] for run in document["runs"]] == [
        {"hidden": hidden, "seed": seed} for hidden in (2, 3) for seed in (0, 1)
    ]
    for run in document["runs"]:
        assert set(run) == {
            *("settings", "model", "test_accuracy", "validation_accuracy", "seconds")
        }
        model = Model.load(Path("runs", run["model"]))
        assert run["test_accuracy"] is None
        assert run["validation_accuracy"] == model.history[-1].validation_accuracy
    for group in document["groups"]:
        runs = [
            run
            for run in document["runs"]
            if run["settings"]["hidden"] == group["settings"]["hidden"]
        ]
        first, second = (run["validation_accuracy"] for run in runs)
        assert group["runs"] == 2
        assert group["mean"] == pytest.approx((first + second) / 2)
        assert group["standard_deviation"] == pytest.approx(abs(first - second) / 2**0.5)
    rows = list(csv.DictReader(io.StringIO(Path("log.csv").read_text())))
    assert {row["model"] for row in rows} == {run["model"] for run in document["runs"]}
    table = list(csv.DictReader(io.StringIO(cli(*how, "--csv").stdout)))
    assert [float(row["mean"]) for row in table] == [g["mean"] for g in document["groups"]]
    assert list(table[0]) == [*("hidden", "runs", "mean", "standard_deviation", "loss", "seconds")]
    tested = json.loads(cli(*how, "--json", "--test").stdout)
    best = tested["groups"][0]["settings"]
    for run in tested["runs"]:
        is_best = run["settings"]["hidden"] == best["hidden"]
        assert (run["test_accuracy"] is not None) == is_best


def test_a_dry_run_lists_and_does_nothing(cli: Cli) -> None:
    how = ("sweep", "--vary", "seed=0..1", "--vary", "lr=0.1,0.2", "--dry-run")
    assert cli(*how).stdout.split() == [
        *("seed=0,lr=0.1", "seed=0,lr=0.2", "seed=1,lr=0.1", "seed=1,lr=0.2")
    ]
    listed = json.loads(cli(*how, "--json", "--random", 1).stdout)["runs"]
    assert len(listed) == 1
    assert listed[0]["name"] == "seed={seed},lr={learning_rate}".format(**listed[0]["settings"])
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Nothing is varied: say what, as with --vary seed=0..4."),
        (["--vary", "hiden=3"], "--vary has 'hiden', which is not a setting: did you mean hidden?"),
        (["--vary", "dropout=2"], "--vary gives --dropout 2, but it must be at least 0"),
        (["--vary", "seed=0..1", "--seed", "1"], "--seed is given, and varied as well"),
        (["--vary", "rotation=1,2"], "To vary --rotation has no effect without --augment"),
        (["--vary", "seed=0..1", "--rotation", "1"], "--rotation has no effect without --augment"),
        (["--vary", "seed=0..1", "--test"], "--test has no effect without --validation"),
        (["--vary", "seed=0..1", "--random-seed", "1"], "--random-seed has no effect without"),
        (["--vary", "seed=0..1", "--json", "--csv"], "--json and --csv cannot be used together"),
        (
            ["--vary", "seed=0..1", "--jobs", "1", "--scheduler", "tcp://h:1"],
            "--scheduler and --jobs cannot be used together",
        ),
        (["--vary", "seed=0..1", "--out", "file"], "file"),
        (["--vary", "seed=0..1", "--log", "runs"], "give them different names"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_starts(
    options: list[str], sentence: str, cli: Cli, small_dir: Path
) -> None:
    Path("file").touch()
    result = cli("sweep", "--data-dir", small_dir, *options)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == "" or "--json" in options
    assert not Path("runs").exists()


def test_distortions_may_be_given_where_they_are_varied(cli: Cli) -> None:
    how = ("--vary", "augment=affine,elastic", "--rotation", 5, "--dry-run")
    assert cli("sweep", *how).exit_code == 0


def test_a_run_that_diverges_is_told_and_the_status_is_1(cli: Cli, small_dir: Path) -> None:
    how = ("sweep", "--data-dir", small_dir, *SMALL, "--vary", "lr=0.1,1e30", *ONE_JOB)
    result = cli(*how)
    assert result.exit_code == 1
    assert "lr=1e+30  not done: Training diverged" in result.stderr
    assert "Error: Not done: 1 of 2 runs (lr=1e+30), as training diverged: try a" in result.stderr
    assert result.stdout.splitlines()[1].split()[0] == "0.1"
    document = json.loads(cli(*how, "--json").stdout)
    assert [failure["settings"] for failure in document["failures"]] == [{"learning_rate": 1e30}]
    assert len(document["runs"]) == 1


def test_a_config_says_what_is_varied_and_train_takes_its_settings(
    cli: Cli, small_dir: Path
) -> None:
    Path("c.toml").write_text(
        '[train]\nhidden = 4\nepochs = 1\nout = "m.npz"\nquiet = true\n'
        '[sweep]\nvary = ["seed=0..1", "digit-width=0,16"]\n'
    )
    data = ("--data-dir", small_dir)
    assert cli("sweep", "--config", "c.toml", *data, *ONE_JOB).exit_code == 0
    assert len(list(Path("runs").glob("*/model.npz"))) == 4
    other = cli("sweep", "--config", "c.toml", *data, "--vary", "seed=5", "--dry-run")
    assert other.stdout == "seed=5\n"
    assert cli("train", "--config", "c.toml", *data).exit_code == 0
    recipe = Model.load("m.npz").recipe
    assert recipe
    assert recipe.hidden == 4


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("[sweep]\nhidden = 3\n", "c.toml has 'hidden' in [sweep]: there is 'vary' only."),
        ('[sweep]\nvary = "seed=0"\n', "c.toml has vary = 'seed=0': give a list"),
        ("[sweep]\nvary = [1]\n", "give a list"),
        ("sweep = 3\n", "c.toml has 'sweep' at the top"),
        ('[sweep]\nvary = ["hiden=1"]\n', "which is not a setting"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(table: str, sentence: str, cli: Cli) -> None:
    Path("c.toml").write_text(table)
    result = cli("sweep", "--config", "c.toml")
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_the_committee_of_25_has_25_members(cli: Cli) -> None:
    listed = cli("sweep", "--config", "committee-25", "--dry-run").stdout.split()
    assert len(listed) == 25
    assert "digit-width=24,seed=3" in listed
    assert (config_folder() / "committee-25.toml").exists()


def test_evaluate_takes_a_sweep_for_a_committee(cli: Cli, small_dir: Path) -> None:
    data = ("--data-dir", small_dir)
    assert cli("sweep", *data, *SMALL, *ONE_JOB, "--vary", "seed=0..2", "-q").exit_code == 0
    result = cli("evaluate", "runs", *data)
    assert "committee  of 3" in result.stdout
    assert "runs/seed=1/model.npz" in result.stdout
    files = sorted(map(str, Path("runs").glob("*/model.npz")))
    alone = cli("evaluate", *files, *data, "--json")
    assert alone.stdout == cli("evaluate", "runs", *data, "--json").stdout
    empty = cli("evaluate", "runs/seed=1", *data)
    assert empty.exit_code == 2
    assert "is a folder without runs" in empty.stderr


def test_without_dask_its_extra_is_named(
    cli: Cli, small_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    how = ("--data-dir", small_dir, "--vary", "seed=0..1", "--scheduler", "tcp://h:1")
    result = cli("sweep", *how)
    assert result.exit_code == 2
    assert '--scheduler needs Dask: install it with "pip install distributed"' in (result.stderr)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that have not ended."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def wait_until_gone(pids: list[int]) -> None:
    for _ in range(600):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return
        time.sleep(0.1)
    raise AssertionError(f"{pids} are still there")


@pytest.mark.long
@POSIX
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_a_signal_keeps_what_is_done_and_leaves_no_process(
    number: int, status: int, small_dir: Path, tmp_path: Path
) -> None:
    how = ["sweep", "--data-dir", str(small_dir), "--hidden", "4", "--epochs", "40"]
    how += ["--vary", "seed=0..9", "--jobs", "2", "--out", str(tmp_path / "runs")]
    with subprocess.Popen(
        [*PROGRAM, *how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while not list(tmp_path.glob("runs/*/model.npz")):
            assert process.poll() is None
            time.sleep(0.02)
        pids = children(process.pid)
        assert len(pids) >= 2
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == status
    if status > 0:
        assert re.search(
            r"Error: Interrupted: \d of 10 runs are done and kept in .*runs; to continue, give the "
            r"same command again\.\n\Z",
            stderr,
        )
        assert "Traceback" not in stderr
    wait_until_gone(pids)
    done = {file: file.stat().st_mtime_ns for file in tmp_path.glob("runs/*/model.npz")}
    assert 1 <= len(done) < 10
    again = subprocess.run([*PROGRAM, *how], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert f"10 runs, {len(done)} done already" in again.stderr
    assert all(file.stat().st_mtime_ns == then for file, then in done.items())
    assert len(list(tmp_path.glob("runs/*/model.npz"))) == 10


@POSIX
def test_ctrl_c_on_a_terminal_is_for_all_and_one_sentence_is_left(
    small_dir: Path, tmp_path: Path
) -> None:
    """The terminal sends it to the processes of the pool as well."""
    how = ["sweep", "--data-dir", str(small_dir), "--hidden", "4", "--epochs", "200"]
    how += ["--vary", "seed=0..9", "--jobs", "2"]
    status, shown = on_a_terminal(how, tmp_path, interrupt=b"best ")
    assert status == 130
    assert b"Traceback" not in shown
    assert b"give the same command again." in shown
