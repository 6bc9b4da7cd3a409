"""The page on sweeps is run: its outputs are compared, its ranges read, its cluster started."""

from __future__ import annotations

import os
import re
import shlex
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from cluster import started
from console import blocks, compare, run

from mnist_cli.training.grid import read_vary

pytestmark = pytest.mark.long

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "sweep.md").read_text("utf-8")
BLOCKS = blocks(PAGE)


def test_every_output_on_the_page_is_what_the_command_prints(
    mnist_dir: Path, tmp_path: Path
) -> None:
    console = [block for block in BLOCKS if block.kind == "console"]
    assert len(console) == 3
    for block in console:
        compare(block, tmp_path, MNIST_CLI_DATA_DIR=str(mnist_dir))


def test_the_ranges_are_what_the_page_says() -> None:
    rows = re.findall(r"^\| `--vary (\S+)` \| a range .*: ([\d., ]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for text, values in rows:
        (read,) = read_vary([text]).values()
        assert ", ".join(map(str, read)) == values


@pytest.mark.cluster
@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_the_commands_for_several_machines_do_a_sweep(small_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra dask")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = next(block.text for block in BLOCKS if "dask scheduler" in block.text)
    lines = text.replace("8786", str(port)).replace("HOST", "127.0.0.1").splitlines()
    scheduler, worker, sweep = map(shlex.split, lines)
    python = [sys.executable, "-m"]
    environment = {"MNIST_CLI_DATA_DIR": str(small_dir)}
    with ExitStack() as stack:
        for command, ready in (
            ([*scheduler, "--no-dashboard"], r"(Scheduler at)"),
            ([*worker, "--no-dashboard"], r"(?s)(Registered to.*Registered to)"),
        ):
            log = tmp_path / f"{command[1]}.log"
            ours = [*python, *command]
            stack.enter_context(started(ours, log, ready, tmp_path, **environment))
        done = run(sweep, tmp_path, **environment)
    assert done.returncode == 0, done.stdout
    assert "4 runs · 2 at once" in done.stdout
    assert len(list(tmp_path.glob("runs/*/model.npz"))) == 4
