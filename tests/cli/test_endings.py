"""How commands end: by signals, with closed streams, and with files that must not be lost."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli, on_a_terminal

from mnist_cli.cli.output import printable
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.training.checkpoint import Checkpoint

PROGRAM = [sys.executable, "-m", "mnist_cli"]

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="POSIX signals and devices"),
    pytest.mark.long,
]


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell, in which ``$M`` is the program."""
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env=os.environ | {"M": shlex.join(PROGRAM)} | environment,
        capture_output=True,
        text=True,
    )


def stopped(
    command: list[str], is_ready: Callable[[int], bool], number: int = signal.SIGTERM
) -> Any:
    """Return what a command printed that was sent a signal soon after its process was ready."""
    process = subprocess.Popen(
        [*PROGRAM, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not is_ready(process.pid):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(number)
    return (*process.communicate(timeout=60), process.returncode)


def test_the_command_that_goes_on_can_be_pasted(small_dir: Path, tmp_path: Path) -> None:
    """With spaces and a quote in its names; and the files are those of the first command."""
    folder = tmp_path / "it's mine"
    folder.mkdir()
    data, out, file = small_dir, folder / "my model.npz", folder / "my checkpoint"
    command = ["train", "--data-dir", data, "--hidden", 4, "--epochs", 400, "-q", "--out", out]
    command += ["--checkpoint", file, "--checkpoint-every", 50]
    _, stderr, status = stopped(list(map(str, command)), lambda _: file.exists())
    assert status == 143
    pasted = stderr.splitlines()[-1].partition("resume it with: mnist-cli ")[2]
    done = shell(f"$M {pasted}", tmp_path / "it's mine")
    assert done.returncode == 0, done.stderr
    assert out.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["my checkpoint", "my model.npz"]
    assert len(Checkpoint.load(file).history) == 400


def test_an_unfinished_checkpoint_is_not_written_over(cli: Cli, small_dir: Path) -> None:
    how = ("--data-dir", small_dir, "--hidden", 4, "--checkpoint", "c", "-q")
    stopped(["train", *map(str, how), "--epochs", "3000"], lambda _: Path("c").exists())
    before = Path("c").read_bytes()
    result = cli("train", *how, "--epochs", 2)
    assert result.exit_code == 2
    assert "of 3000 epochs of an interrupted training" in result.stderr
    assert f"mnist-cli train --resume c --data-dir {small_dir} --quiet" in result.stderr
    assert Path("c").read_bytes() == before
    # A finished one is a result that may be replaced, as a model is.
    Path("c").unlink()
    for _ in range(2):
        assert cli("train", *how, "--epochs", 2).exit_code == 0


def test_no_file_that_is_read_is_written_over(cli: Cli, small_dir: Path) -> None:
    how = ("--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "-q")
    assert cli("train", *how, "--checkpoint", "c").exit_code == 0
    Path("t.toml").write_text("[train]\nseed = 3\n")
    for first, second in (
        (["--resume", "c", "--checkpoint", "d"], ["--out", "c"]),
        (["--resume", "c", "--checkpoint", "d"], ["--log", "./c"]),
        (["--config", "t.toml"], ["--out", "t.toml"]),
        (["--config", "t.toml"], ["--checkpoint", "t.toml"]),
    ):
        before = Path(first[1]).read_bytes()
        result = cli("train", *how, *first, *second)
        assert result.exit_code == 2
        assert "give them different names" in result.stderr
        assert Path(first[1]).read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_on_a_full_disk_does_not_cost_the_training(cli: Cli, small_dir: Path) -> None:
    result = cli("train", "--data-dir", small_dir, "--hidden", 4, "--log", "/dev/full")
    assert result.exit_code == 0
    assert Path("model.npz").exists()
    sentence = "--log /dev/full cannot be written (No space left on device): continuing without it."
    assert result.stderr.count(f"{sentence}\n") == 1


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full", "2>/dev/null"])
def test_without_stderr_there_is_still_a_result(
    stderr: str, small_dir: Path, tmp_path: Path
) -> None:
    done = shell(f"$M train --data-dir {small_dir} --hidden 4 --json {stderr}", tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["hidden"] == 4
    failed = shell(f"$M train --nope --json {stderr}", tmp_path)
    assert failed.returncode == 2
    assert "--nope" in json.loads(failed.stdout)["error"]


def test_who_no_longer_reads_the_remarks_does_not_end_the_training(
    small_dir: Path, tmp_path: Path
) -> None:
    line = f"($M train --data-dir {small_dir} --hidden 4 --epochs 30 2>&1 >out) | head -1"
    assert shell(line, tmp_path).stdout.startswith(f"{small_dir}: 1,000 images")
    assert "test accuracy" in (tmp_path / "out").read_text()


def test_help_that_nobody_reads_ends_quietly(tmp_path: Path) -> None:
    done = shell("($M --help; echo $? >&2) | true", tmp_path)
    assert done.stderr in ("141\n", "0\n")  # the help may be through before the pipe is closed


@pytest.mark.parametrize("arguments", ["--config nope", "--nope", "--resume nope", "--hidden x"])
def test_json_by_a_variable_is_a_document_of_early_errors_too(
    arguments: str, tmp_path: Path
) -> None:
    done = shell(f"$M train {arguments}", tmp_path, MNIST_CLI_TRAIN_JSON="1")
    assert done.returncode == 2
    assert done.stderr == f"Error: {json.loads(done.stdout)['error']}\n"


def has_two_threads(process: int) -> bool:
    """Return whether the program computes, as on nothing but data it does on two cores."""
    return "\nThreads:\t2\n" in Path(f"/proc/{process}/status").read_text()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_while_the_data_are_drawn_is_a_sentence_and_a_document(
    number: int, expected: int, tmp_path: Path
) -> None:
    command = ["train", "--dataset", "synthetic", "--json", "--out", str(tmp_path / "m.npz")]
    stdout, stderr, status = stopped(command, has_two_threads, number)
    assert status == expected
    assert stderr.lstrip() == "Error: Terminated.\n"
    assert json.loads(stdout)["error"] == "Terminated."
    assert not (tmp_path / "m.npz").exists()


def test_a_terminal_that_is_closed_costs_no_epoch_but_the_last(
    small_dir: Path, tmp_path: Path
) -> None:
    """SIGHUP comes, and the bar cannot be drawn any more."""
    import fcntl
    import pty
    import termios

    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 80))
    how = ["--data-dir", str(small_dir), "--checkpoint", "c", "--checkpoint-every", "100000"]
    with subprocess.Popen(
        [*PROGRAM, "train", "--epochs", "100000", "--hidden", "4", *how],
        cwd=tmp_path,
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(end, termios.TIOCSCTTY, 0),
    ) as process:
        os.close(end)
        shown = b""
        while b"%|" not in shown or b"    50/100000" not in shown:
            shown += os.read(terminal, 4096)
        os.close(terminal)
    assert process.returncode == 129
    assert len(Checkpoint.load(tmp_path / "c").history) >= 50


def test_after_nohup_a_closed_terminal_ends_nothing(small_dir: Path, tmp_path: Path) -> None:
    how = f"--data-dir {small_dir} --hidden 4 --epochs 200 --checkpoint c -q"
    line = f"nohup $M train {how} & while ! test -e c; do sleep 0.05; done; kill -HUP $!; wait $!"
    done = shell(line, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout


@pytest.mark.parametrize(
    "variable",
    [
        *("MININTERVAL=abc", "NCOLS=abc", "ASCII=x", "COLOUR=foo", "FILE=abc", "GUI=1", "SELF=1"),
        *("POSITION=50", "SMOOTHING=nan", "KWARGS=3"),
    ],
)
def test_rubbish_in_the_variables_of_the_bars_costs_at_most_a_bar(
    variable: str, small_dir: Path, tmp_path: Path
) -> None:
    name, _, value = variable.partition("=")
    command = ["train", "--data-dir", str(small_dir), "--epochs", "30", "--hidden", "64"]
    status, shown = on_a_terminal(command, tmp_path, None, **{f"TQDM_{name}": value})
    assert status == 0
    assert b"test accuracy" in shown
    assert b"30/30" in shown
    for word in (b"Traceback", b"Warning", b"ignored"):
        assert word not in shown


def test_in_the_background_ctrl_c_is_not_ours(small_dir: Path, tmp_path: Path) -> None:
    how = f"--data-dir {small_dir} --hidden 4 --epochs 200 --checkpoint c -q"
    line = f"$M train {how} & while ! test -e c; do sleep 0.05; done; kill -INT $!; wait $!"
    done = shell(line, tmp_path)
    assert done.returncode == 0
    assert "test accuracy" in done.stdout


def test_what_a_checked_file_writes_past_python_is_not_in_the_document(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import os, sys\n"
        "class Same:\n"
        "    def forward(self, x):\n"
        "        os.system('echo from a child')\n"
        "        sys.__stdout__.write('noise')\n"
        "        return x\n"
        "    def backward(self, dout):\n"
        "        return dout\n"
    )
    done = shell("$M gradcheck mine.py:Same --json", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"]
    assert "from a child" in done.stderr
    assert "noise" in done.stderr


def test_weights_that_are_far_too_large_are_no_model(cli: Cli, small_dir: Path) -> None:
    network = MLP(4)
    network.parameters[:] = 1e38
    Model(network, metadata={"dataset": "mnist"}).save("m.npz")
    network.parameters[:] = 0
    Model(network, metadata={"dataset": "mnist"}).save("good.npz")
    for models in (["m.npz"], ["good.npz", "m.npz"]):
        result = cli("evaluate", *models, "--data-dir", small_dir)
        assert result.exit_code == 2
        assert result.stderr.startswith("Error: m.npz gives no finite loss")
        assert result.stdout == ""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_evaluate_ends_soon_when_it_is_told_to(small_dir: Path, tmp_path: Path) -> None:
    """And does not look at the other half of the images a hundred times first, for 10 s."""
    model = tmp_path / "m.npz"
    Model(MLP(12_000), metadata={"dataset": "mnist"}).save(model)
    command = ["evaluate", str(model), "--split", "train", "--views", "100"]
    ready = 0.0

    def is_ready(process: int) -> bool:
        nonlocal ready
        ready = time.monotonic()
        return has_two_threads(process)

    stdout, _, status = stopped([*command, "--data-dir", str(small_dir)], is_ready)
    assert (stdout, status) == ("", 143)
    assert time.monotonic() - ready < 6


def test_no_text_commands_the_terminal(cli: Cli) -> None:
    assert printable("a\x1b]0;x\x07b\nc\td é") == "a?]0;x?b\nc\td é"
    result = cli("evaluate", "\x1b[31m")
    assert "\x1b" not in result.stderr


def test_a_model_of_an_unknown_data_set_is_none(cli: Cli) -> None:
    network = MLP(4)
    network.parameters[:] = np.arange(network.parameters.size) % 3
    Model(network, metadata={"dataset": "\x1b[31mfoo"}).save("m.npz")
    assert "m.npz is broken" in cli("evaluate", "m.npz").stderr
