"""``mnist-cli gradcheck`` as it is typed: options, output, exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli

from mnist_cli.cli import gradcheck as command
from mnist_cli.cli.gradcheck_options import SKIP_HELP
from mnist_cli.gradcheck import isolation, kinds, result
from mnist_cli.gradcheck.checks import ROWS
from mnist_cli.gradcheck.outcome import Outcome
from mnist_cli.gradcheck.request import Request

SOURCE = """
import numpy as np

class Linear:
    def __init__(self, rows=4, columns=3):
        self.W = np.random.default_rng(1).standard_normal((rows, columns))
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T

class Wrong(Linear):
    def backward(self, dout):
        super().backward(2 * dout)
        return dout @ self.W.T

class Base:
    def forward(self, x): raise NotImplementedError
    def backward(self, dout): raise NotImplementedError
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list to which what is asked for is written, instead of being checked."""
    calls: list[Any] = []

    def note(target: str, request: Request, time_limit: float) -> Outcome:
        calls.extend([target, request, time_limit])
        raise isolation.NotJudgedError("That is enough.")

    monkeypatch.setattr(isolation, "check_apart", note)
    return calls


def test_the_status_says_what_came_of_it(cli: Cli, file: Path) -> None:
    assert cli("gradcheck", "mine.py:Linear").exit_code == 0
    result = cli("gradcheck", "mine.py:Wrong")
    assert result.exit_code == 1
    assert result.stderr == "Error: 1 of 7 checks failed: to W.\n" or "to W" in result.stderr
    assert cli("gradcheck", "mine.py:Missing").exit_code == 2
    assert cli("gradcheck", "mine.py").exit_code == 1


def test_a_whole_file_has_a_group_of_rows_for_each_of_its_parts(cli: Cli, file: Path) -> None:
    result = cli("gradcheck", "mine.py")
    lines = result.stdout.splitlines()
    assert lines[0] == "mine.py:Linear"
    assert "mine.py:Wrong" in lines
    assert "Left out: Base: base class, with methods that are missing" in lines
    at = next(number for number, line in enumerate(lines) if line.startswith("Wrong, to W: "))
    assert not any(line.startswith(("pass", "FAIL", "Left")) for line in lines[at:])
    document = json.loads(cli("gradcheck", "mine.py", "--json").stdout)
    assert not document["passed"]
    assert {row["target"] for row in document["checks"]} == {"mine.py:Linear", "mine.py:Wrong"}
    assert [item["target"] for item in document["left_out"]] == ["mine.py:Base"]
    failed = next(row for row in document["checks"] if not row["passed"])
    assert (failed["argument"], failed["kind"], failed["target"]) == (
        *("W", "gradient", "mine.py:Wrong"),
    )


def test_the_report_fits_the_terminal(cli: Cli, file: Path) -> None:
    for columns in (60, 80, 120):
        result = cli("gradcheck", "mine.py", COLUMNS=str(columns))
        assert max(map(len, result.stdout.splitlines())) <= columns
    assert "complex step" in result.stdout
    narrow = ("gradcheck", "mine.py:Linear")
    assert "complex step" not in cli(*narrow, COLUMNS="80").stdout
    assert "complex step" in cli(*narrow, "--verbose", COLUMNS="80").stdout


def test_the_default_run_fits_80_columns_as_well(cli: Cli) -> None:
    result = cli("gradcheck", "--hidden", "5", COLUMNS="80")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("refused   batch size twice") for line in lines)
    assert lines[-1].startswith("All ")
    assert lines[-1].endswith("wrong answers refused.")
    document = json.loads(cli("gradcheck", "--hidden", "5", "--json").stdout)
    assert document["passed"]
    assert len(document["wrong_answers"]) == 6


def test_options_come_to_a_request(cli: Cli, asked: list[Any]) -> None:
    options = (
        *("--shape", "5,4", "--shape", "w=4,3", "--shape", "params.W1=3,4", "--shape", "v=10"),
        *("--arg", "reg=0.1", "--arg", "mode=train", "--arg", "sizes=[4, 3]", "--arg", "on=True"),
        *("--arg", "text='a=b'", "--arg", "url=a=b:c,d", "--arg", "sign=-1", "--arg", "empty="),
        *("--classes", "3", "--columns", "--labels", "index", "--forward-method", "f"),
        *("--backward-method", "b", "--constant", "x", "--constant", "params.mask"),
        *("--skip", "large-inputs", "--skip", "to W", "--seed", "7", "--tolerance", "1e-6"),
        *("--time-limit", "1.5"),
    )
    assert cli("gradcheck", "mine.py:Linear(4, 3)", *options).exit_code == 2
    target, request, time_limit = asked
    assert (target, time_limit) == ("mine.py:Linear(4, 3)", 1.5)
    assert request == Request(
        shapes={"": (5, 4), "w": (4, 3), "params.W1": (3, 4), "v": (10,)},
        arguments={
            **{"reg": 0.1, "mode": "train", "sizes": [4, 3], "on": True, "text": "a=b"},
            **{"url": "a=b:c,d", "sign": -1, "empty": ""},
        },
        classes=3,
        columns=True,
        labels="index",
        forward="f",
        backward="b",
        constants=frozenset({"x", "params.mask"}),
        skip=frozenset({"large-inputs", "to-W"}),
        seed=7,
        tolerance=1e-6,
    )
    assert Request.from_dict(json.loads(json.dumps(request.as_dict()))) == request


def test_without_options_a_request_is_the_usual_one(cli: Cli, asked: list[Any]) -> None:
    cli("gradcheck", "mine.py")
    assert asked == ["mine.py", Request(), 60.0]
    assert command.TIME_LIMIT == 60.0
    assert command.TOLERANCE == result.TOLERANCE


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--shape", value) for value in ("", "5,", "0,3", "5x3", "-1", "2^62,2", "w=", "w=a")),
        ("--shape", "9" * 5000),
        *(("--arg", value) for value in ("reg", "=3", "x=1e999", "x=[1e999]")),
        *(("--classes", value) for value in ("0", "x")),
        *(("--time-limit", value) for value in ("0", "-1", "inf", "nan")),
        ("--labels", "words"),
        ("--skip", "gradient"),
    ],
)
def test_a_value_that_means_nothing_is_one_sentence(
    option: str, value: str, cli: Cli, asked: list[Any]
) -> None:
    found = cli("gradcheck", "mine.py", f"{option}={value}")
    assert found.exit_code == 2
    assert found.stderr.startswith("Error: ")
    assert option in found.stderr
    assert len(found.stderr.splitlines()) == 1
    assert not asked


@pytest.mark.parametrize("option", ["--shape=5,4", "--arg=reg=1"])
def test_what_is_given_twice_is_refused(option: str, cli: Cli, asked: list[Any]) -> None:
    found = cli("gradcheck", "mine.py", option, option)
    assert found.exit_code == 2
    assert "too many" in found.stderr


def test_a_skipped_row_stays_in_the_report(cli: Cli, file: Path) -> None:
    found = cli("gradcheck", "mine.py:Linear", "--skip", "large-inputs", "--json")
    assert found.exit_code == 0, found.stderr
    rows = {row["kind"]: row for row in json.loads(found.stdout)["checks"]}
    assert rows["large-inputs"]["elements"] == 0
    rows = json.loads(cli("gradcheck", "mine.py:Linear", "--skip", "to-W", "--json").stdout)
    assert next(row for row in rows["checks"] if row["name"] == "to W")["elements"] == 0


def test_a_row_that_there_is_not_is_refused_with_the_list(cli: Cli, file: Path) -> None:
    found = cli("gradcheck", "mine.py:Linear", "--skip", "to-V")
    assert found.exit_code == 2
    assert found.stdout == ""
    assert "--skip to-V names no row; the rows are " in found.stderr
    for name in ("to-W", "to-x", "large-inputs"):
        assert name in found.stderr


def test_every_kind_of_row_is_listed_and_explained() -> None:
    for kind in kinds.KINDS:
        assert (kind in SKIP_HELP) == (kind != "gradient")
        assert kinds.KINDS[kind]
    assert list(kinds.KINDS) == list(ROWS)


@pytest.mark.parametrize(
    ("arguments", "option", "of"),
    [
        (["--labels", "index"], "--labels", "of FILE:NAME"),
        (["--shape", "5,4"], "--shape", "of FILE:NAME"),
        (["--columns"], "--columns", "of FILE:NAME"),
        (["--skip", "large-inputs"], "--skip", "of FILE:NAME"),
        (["--time-limit", "3"], "--time-limit", "of FILE:NAME"),
        (["mine.py", "--hidden", "3"], "--hidden", "of the network"),
        (["mine.py", "--batch-size", "3"], "--batch-size", "of the network"),
    ],
)
def test_an_option_without_use_is_refused(
    arguments: list[str], option: str, of: str, cli: Cli
) -> None:
    found = cli("gradcheck", *arguments)
    assert found.exit_code == 2
    assert f"{option} is an option for the check {of}" in found.stderr


def test_an_empty_target_is_not_the_network(cli: Cli) -> None:
    found = cli("gradcheck", "")
    assert found.exit_code == 2
    assert "names nothing to check" in found.stderr


def test_a_diagnosis_is_explained(cli: Cli) -> None:
    found = cli("gradcheck", "--explain", "sign-flipped")
    assert found.exit_code == 0
    assert "sign" in found.stdout
    assert json.loads(cli("gradcheck", "--explain", "sign-flipped", "--json").stdout)["explanation"]
    unknown = cli("gradcheck", "--explain", "sign-fliped")
    assert unknown.exit_code == 2
    assert "sign-flipped" in unknown.stderr


def test_what_goes_wrong_is_one_document_with_json(cli: Cli, file: Path) -> None:
    for arguments in (["mine.py:Missing"], ["nowhere.py"], ["mine.py", "--shape", "x"]):
        found = cli("gradcheck", *arguments, "--json")
        assert found.exit_code == 2
        assert json.loads(found.stdout)["error"]


def test_what_a_file_prints_is_on_stderr_where_that_is_no_file(cli: Cli, file: Path) -> None:
    file.write_text(SOURCE + "print('printed')\n")
    found = cli("gradcheck", "mine.py:Linear", "--json")
    assert json.loads(found.stdout)["passed"]
    assert found.stderr == "printed\n"


def test_the_help_needs_no_numpy_and_shows_how() -> None:
    code = "import sys, mnist_cli.cli.main as m; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_help_shows_examples_within_80_columns(cli: Cli) -> None:
    text = cli("gradcheck", "--help", COLUMNS="80").stdout
    assert "mnist-cli gradcheck layers.py:Softmax" in text
    assert "mnist-cli gradcheck 'layers.py:Linear(4, 3)'" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_text_of_an_argument_is_the_one_that_code_compares_with_is(
    cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "older.py"
    path.write_text(
        "import numpy as np\n"
        "def f(x, kind):\n    if kind is KIND:\n        return np.tanh(x)\n    raise ValueError\n"
        "def f_backward(dout, x, kind):\n"
        "    if kind is KIND:\n        return dout * (1 - np.tanh(x) ** 2)\n    raise ValueError\n"
        "KIND = 'tanh'\n"
    )
    result = cli("gradcheck", f"{path}:f,f_backward", "--arg", "kind=tanh")
    assert result.exit_code == 0, result.output


def test_the_help_is_whole_where_pieces_of_the_corpus_were_judged_before() -> None:
    code = "import judging; judging.request(()); judging.main(['gradcheck', '--help'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "-h, --help" in done.stdout
