"""Whatever somebody's code does, status 0 and a report mean that it was judged."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mnist_cli.gradcheck.isolation import NotJudgedError, check_apart
from mnist_cli.gradcheck.request import Request

PROGRAM = [sys.executable, "-m", "mnist_cli", "gradcheck"]

LAYER = """
import os, signal, subprocess, sys, time
class Double:
    def forward(self, x):
        return 2 * x
    def backward(self, dout):
        return 2 * dout
"""

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="POSIX processes and signals"),
    pytest.mark.long,
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, name: str = "mine.py") -> None:
    Path(name).write_text(text)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command on ``mine.py:Double``, or on what is said instead."""
    return subprocess.run(
        [*PROGRAM, *(arguments or ["mine.py:Double"])],
        env=os.environ | environment,
        input="an answer\n",
        capture_output=True,
        text=True,
        timeout=60,
    )


def has_ended(process: int) -> bool:
    """Return whether a process ends within some seconds."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            try:
                os.kill(process, 0)
            except ProcessLookupError:
                return True
            state = ""
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def number_in(name: str) -> int:
    """Return the number that is written into a file, sooner or later."""
    path = Path(name)
    for _ in range(200):
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"nobody wrote {name}")


def test_a_right_layer_passes_and_a_wrong_one_fails() -> None:
    write(LAYER)
    result = run()
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1].startswith("All ")
    write(LAYER.replace("2 * dout", "3 * dout"))
    result = run()
    assert result.returncode == 1
    assert result.stderr.startswith("Error: 1 of ")


ENDINGS = {
    "os._exit(0)": "ended with status 0 and without a report",
    "os._exit(7)": "ended with status 7",
    "sys.exit(0)": "SystemExit: 0",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "os.kill(os.getpid(), signal.SIGKILL)": "SIGKILL, as happens when memory runs out",
    "os.kill(os.getpid(), signal.SIGSEGV)": "ended by SIGSEGV",
    "os.kill(os.getpid(), signal.SIGTERM)": "ended by SIGTERM",
    "os.kill(os.getpid(), signal.SIGINT)": "ended by SIGINT",
    "os.execvp('true', ['true'])": "ended with status 0",
    "if os.fork(): os._exit(0)": "ended with status 0",
    "os.closerange(3, 256)": "or close files that are not its own",
    "os.closerange(3, 256); kept = [open(f'kept{i}', 'w') for i in range(9)]": "or close files",
}


@pytest.mark.parametrize("line", ENDINGS)
def test_code_that_ends_its_process_has_not_passed(line: str) -> None:
    write(LAYER + line)
    # Of one thing and of the whole file in turn: what runs it is the same.
    arguments = ["mine.py", "mine.py:Double"][list(ENDINGS).index(line) % 2]
    result = run(arguments, "--json")
    assert result.returncode == 2
    assert ENDINGS[line] in result.stderr
    assert "Traceback" not in result.stderr
    assert "error" in json.loads(result.stdout)
    assert not any(path.stat().st_size for path in Path().glob("kept*"))


@pytest.mark.parametrize("end", ["raise SystemExit(0)", "os._exit(0)", "sys.exit()"])
@pytest.mark.parametrize("method", ["__deepcopy__(self, memo)", "backward(self, dout)"])
def test_a_method_that_ends_its_process_has_not_passed(end: str, method: str) -> None:
    write(f"{LAYER}    def {method}: {end}\n")
    result = run()
    assert (result.returncode, result.stdout) == (2, "")
    assert "SystemExit" in result.stderr or "status 0 and without a report" in result.stderr


def test_nothing_that_runs_at_the_end_alters_the_report() -> None:
    write(
        LAYER
        + """
import atexit, threading
atexit.register(os._exit, 3)
atexit.register(print, "by atexit")
atexit.register(time.sleep, 100)
threading.Thread(target=time.sleep, args=(100,)).start()
"""
    )
    start = time.monotonic()
    result = run("mine.py:Double", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["passed"]
    assert time.monotonic() - start < 30


def test_what_the_code_prints_goes_to_stderr() -> None:
    write(
        LAYER
        + """
print("printed é")
sys.__stdout__.write("written\\n")
os.write(1, b"by the system\\n")
subprocess.run(["echo", "by a program"])
if not os.fork():
    print("by a fork")
    os._exit(0)
os.wait()
sys.stderr.write("stderr as well\\n")
"""
    )
    result = run("mine.py:Double", "--json")
    assert json.loads(result.stdout)["passed"]
    for words in ("printed é", "written", "system", "program", "by a fork", "stderr as well"):
        assert words in result.stderr


def test_a_fork_that_comes_through_the_check_reports_nothing() -> None:
    write(
        LAYER.replace(
            "return 2 * dout",
            "if not forked: forked.append(os.fork())\n        return 2 * dout",
        )
        + "forked = []\n"
    )
    result = run("mine.py:Double", "--json")
    assert json.loads(result.stdout)["passed"]
    assert result.stdout.count('"tolerance"') == 1


def test_a_report_that_is_forged_is_not_believed() -> None:
    write(
        LAYER.replace("2 * dout", "3 * dout")
        + """
report = b'{"groups": [], "remarks": [], "left_out": []}'
for file in range(3, 20):
    for nonce in (b"", b"0" * 32, os.environ.get("NONCE", "").encode()):
        try:
            os.write(file, b"\\n%s all %d\\n%s" % (nonce, len(report), report))
        except OSError:
            pass
"""
    )
    result = run("mine.py:Double", "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["checks"][0]["passed"] is False


def test_the_nonce_is_neither_an_argument_nor_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    nonce = bytes(range(16))
    with monkeypatch.context() as patch:
        patch.setattr("mnist_cli.gradcheck.isolation.os.urandom", lambda size: nonce[:size])
        write(
            LAYER
            + "said = open('/proc/self/cmdline').read() + open('/proc/self/environ').read()\n"
            + "open('said', 'w').write(said + repr(sys.argv) + repr(os.environ))\n"
        )
        check_apart("mine.py:Double", Request())
    assert nonce.hex() not in Path("said").read_text()


def test_the_json_module_may_be_broken_by_the_file() -> None:
    write(LAYER + "import json\njson.dumps = json.loads = os.write = os._exit = os.getpid = None\n")
    assert run().returncode == 0


def test_a_report_larger_than_a_pipe_holds_arrives() -> None:
    write("raise ValueError('x' * 300_000)\n")
    assert "x" * 300_000 in run().stderr


def test_code_that_hangs_is_ended_with_all_that_it_started() -> None:
    write(
        LAYER
        + """
other = subprocess.Popen(["sleep", "100"])
open("number", "w").write(str(other.pid))
if not os.fork():
    open("fork", "w").write(str(os.getpid()))
time.sleep(100)
"""
    )
    start = time.monotonic()
    result = run("mine.py:Double", "--time-limit", "3")
    assert time.monotonic() - start < 15
    assert result.returncode == 2
    assert "not checked within 3 s: give it longer with --time-limit" in result.stderr
    assert has_ended(number_in("number"))
    assert has_ended(number_in("fork"))


def test_what_the_code_leaves_running_is_ended() -> None:
    write(LAYER + "open('number', 'w').write(str(subprocess.Popen(['sleep', '100']).pid))\n")
    assert run().returncode == 0
    assert has_ended(number_in("number"))


def test_of_a_whole_file_the_sentence_names_what_did_not_end() -> None:
    hangs = LAYER.replace("Double", "Hangs").replace("return 2 * dout", "time.sleep(100)")
    crashes = LAYER.replace("Double", "Crashes").replace("return 2 * dout", "os.abort()")
    write(LAYER + hangs)
    assert "mine.py:Hangs was not checked" in run("mine.py", "--time-limit", "3").stderr
    write(LAYER + crashes)
    assert "The process of mine.py:Crashes was ended by SIGABRT" in run("mine.py").stderr


@pytest.mark.parametrize(
    ("number", "status", "sentence"),
    [
        (signal.SIGINT, 130, "\nError: Interrupted.\n"),
        (signal.SIGTERM, 143, "\nError: Terminated.\n"),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_a_signal_ends_the_code_as_well(number: int, status: int, sentence: str) -> None:
    if number == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("nobody tells the child of it")
    write(
        LAYER
        + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
other = subprocess.Popen(["sleep", "100"])
open("other", "w").write(str(other.pid))
open("number", "w").write(str(os.getpid()))
time.sleep(100)
"""
    )
    process = subprocess.Popen(
        [*PROGRAM, "mine.py:Double"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if number != signal.SIGKILL else subprocess.DEVNULL,
        text=True,
    )
    child = number_in("number")
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr or "") == (status, "", sentence)
    assert has_ended(child)
    assert has_ended(number_in("other"))


def test_the_code_has_default_signals_and_no_input() -> None:
    write(
        LAYER
        + """
handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
masked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
print(handlers == [signal.SIG_DFL] * 3, masked, os.environ["MPLBACKEND"], sys.argv[1:])
input("What?")
"""
    )
    line = f"trap '' INT TERM HUP; echo yes | {shlex.join(PROGRAM)} mine.py:Double"
    result = subprocess.run(
        ["sh", "-c", line],
        env=os.environ | {"MPLBACKEND": "TkAgg"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2
    assert "True set() Agg []" in result.stderr
    assert "EOFError" in result.stderr


def test_stderr_may_be_closed_and_stdout_is_still_the_report_alone() -> None:
    write(LAYER + "print('printed')\n")
    result = subprocess.run(
        ["sh", "-c", f"{shlex.join(PROGRAM)} mine.py:Double --json 2>&-"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0
    assert json.loads(result.stdout)["passed"]


def test_the_parent_needs_no_numpy() -> None:
    write(LAYER)
    write(
        """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "numpy":
            raise ImportError("NumPy is not to be imported here")
sys.meta_path.insert(0, Blocker())
from mnist_cli.cli.main import main
main(sys.argv[1:])
""",
        "parent.py",
    )
    for arguments in (["mine.py:Double"], ["mine.py", "--json"], ["--help"]):
        command = [sys.executable, "parent.py", "gradcheck", *arguments]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (result.returncode, result.stderr) == (0, ""), arguments


@pytest.mark.parametrize(
    ("target", "shape"),
    [
        ("mine.py:Double", "99999999999999999999,1"),
        ("mine.py", "4611686018427387904,2"),
        ("mine.py:Double", ",".join(["1"] * 65)),
    ],
)
def test_a_shape_that_numpy_cannot_have_is_one_sentence(target: str, shape: str) -> None:
    write(LAYER)
    result = run(target, "--shape", shape)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    assert len(result.stderr) < 500


ODD = {
    "def __getattr__(name): raise ValueError('odd ' + name)": (
        "Missing",
        "ValueError: odd Missing",
    ),
    "class Double(Double):\n  @property\n  def __dict__(self): raise ValueError('no dict')": (
        *("Double", "ValueError: no dict"),
    ),
    "def again(): return again()\nagain()": ("Double", "RecursionError"),
    "import numpy as np; np.array = None": ("Double", "'NoneType' object is not callable"),
    "raise MemoryError('no more')": ("Double", "MemoryError: no more"),
    "class Odd(Exception):\n  def __str__(self): raise ValueError\nraise Odd": ("Double", "Odd"),
    "class Double": ("Double", "SyntaxError: expected ':'"),
}


@pytest.mark.parametrize("source", ODD)
def test_an_odd_file_is_one_sentence_with_its_own_words(source: str) -> None:
    name, words = ODD[source]
    write(f"{LAYER}{source}\n")
    result = run(f"mine.py:{name}")
    assert (result.returncode, result.stdout) == (2, "")
    first, *lines = result.stderr.splitlines()
    assert first.startswith("Error: ")
    assert words in first
    assert len(lines) < 40
    assert "mnist_cli/" not in result.stderr


def test_a_code_that_cannot_be_judged_is_an_error_in_python_as_well() -> None:
    write("import sys\nsys.exit(0)\n")
    with pytest.raises(NotJudgedError, match="SystemExit: 0"):
        check_apart("mine.py", Request())
