"""People's own layers, losses and functions: what is said of them, and with which status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wrong_code
from conftest import Cli

from mnist_cli.gradcheck import UserCodeError, check, check_layer, check_loss
from mnist_cli.gradcheck.report import Checks
from mnist_cli.nn.layers import Linear, ReLU, Softmax
from mnist_cli.nn.losses import CrossEntropy, SoftmaxCrossEntropy

SOURCE = """
import numpy as np
from helper import factor

class Scale:
    def __init__(self, by=factor):
        self.by = by
    def forward(self, x):
        return self.by * x
    def backward(self, dout):
        return self.by * dout

def make():
    return Scale(3)

made = Scale(4)

class Needs:
    def __init__(self, size):
        pass

class Renamed:
    def there(self, x):
        return 2 * x
    def back_again(self, dout):
        return 2 * dout, "something else"

class LossPerRow:
    def forward(self, x, t):
        self.d = x - t
        return (self.d ** 2).sum(axis=1)
    def backward(self):
        return 2 * self.d / len(self.d)

class LossPerRowSummed(LossPerRow):
    def backward(self):
        return 2 * self.d

class LossPerRowTwice(LossPerRow):
    def backward(self):
        return 4 * self.d

class Unlearned(Scale):
    def __init__(self):
        super().__init__()
        self.W = np.ones((10, 10))
    def forward(self, x):
        return super().forward(x) @ self.W
    def backward(self, dout):
        return super().backward(dout @ self.W.T)

class Empty:
    pass

class Raises(Scale):
    def backward(self, dout):
        return self.inner(dout)
    def inner(self, dout):
        return dout @ np.zeros((30, 30))

class ReturnsNothing(Scale):
    def backward(self, dout):
        self.result = dout

class Unseeded(Scale):
    def forward(self, x):
        return x * np.random.default_rng().random(x.shape)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("factor = 2\n")
    (tmp_path / "mine.py").write_text(SOURCE)
    return tmp_path / "mine.py"


def failed(checks: Checks) -> dict[str, str]:
    """Return the names of the rows that failed, with their diagnoses."""
    return {
        row.name: row.diagnosis.name if row.diagnosis else "" for row in checks if not row.passed
    }


@pytest.mark.parametrize("name", ["Scale", "make", "made"])
def test_a_class_a_function_or_an_object_is_checked(name: str, cli: Cli, file: Path) -> None:
    result = cli("gradcheck", f"{file}:{name}")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "All 10 checks passed within 1e-10."


def test_what_the_code_prints_is_no_part_of_the_report(cli: Cli) -> None:
    result = cli("gradcheck", f"{wrong_code.__file__}:KeptDense", "--json")
    assert [row["name"] for row in json.loads(result.stdout)["checks"][:3]] == [
        *("to inputs", "to weights", "to biases"),
    ]
    assert "forward" in result.stderr


def test_weights_without_a_gradient_are_not_checked_and_that_is_status_1(
    cli: Cli, file: Path
) -> None:
    result = cli("gradcheck", f"{file}:Unlearned")
    assert result.exit_code == 1
    (row,) = [line for line in result.stdout.splitlines() if "to W  " in line]
    assert row.startswith("NOT CHECKED")
    assert "no gradient of W was found" in row
    assert "--constant W" in result.stdout
    assert result.stderr == "Error: 10 checks passed; 1 not checked: W.\n"
    (unchecked,) = [
        row
        for row in json.loads(cli("gradcheck", f"{file}:Unlearned", "--json").stdout)["checks"]
        if not row["passed"]
    ]
    assert (unchecked["elements"], unchecked["diagnosis"]) == (0, "not-checked")
    assert unchecked["max_relative_error"] is None
    assert unchecked["argument"] == "W"


def test_weights_that_are_said_to_be_constant_need_no_gradient(cli: Cli, file: Path) -> None:
    result = cli("gradcheck", f"{file}:Unlearned", "--constant", "W")
    assert result.exit_code == 0, result.stderr
    assert "not differentiated: W" in result.stdout
    assert result.stdout.splitlines()[-1] == "All 10 checks passed within 1e-10."


def test_a_check_that_cannot_be_made_is_skipped_and_says_why(cli: Cli) -> None:
    result = cli("gradcheck", f"{wrong_code.__file__}:Logarithm")
    assert result.exit_code == 0
    assert "not finite at negative inputs" in result.stdout
    assert result.stdout.splitlines()[-1].endswith(", 1 skipped.")


def test_other_names_are_given_by_options(cli: Cli, file: Path) -> None:
    names = ("--forward-method", "there", "--backward-method", "back_again")
    assert cli("gradcheck", f"{file}:Renamed", *names).exit_code == 0


def test_the_shape_is_an_option(cli: Cli, file: Path) -> None:
    document = json.loads(cli("gradcheck", f"{file}:Scale", "--shape", "2,3,4", "--json").stdout)
    assert document["checks"][0]["elements"] == 24
    assert "wrong_answers" not in document


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("missing.py", ["no file missing.py"]),
        ("missing.py:Scale", ["no file missing.py"]),
        ("mine.py:Missing", ["mine.py has no Missing"]),
        ("mine.py:Needs", ["no method forward or __call__", "--backward-method"]),
        ("mine.py:Empty", ["no method forward or __call__", "--backward-method"]),
        ("mine.py:Renamed", ["no method forward or __call__", "--backward-method"]),
        ("mine.py:Unseeded", ["another result for the same input"]),
        ("broken.py:Scale", ["SyntaxError"]),
        ("empty.py:Scale", ["ModuleNotFoundError", "nowhere", "empty.py:1, `import nowhere`"]),
    ],
)
def test_what_cannot_be_checked_is_status_2_and_says_why(
    target: str, words: list[str], cli: Cli, file: Path
) -> None:
    (file.parent / "broken.py").write_text("class Scale\n")
    (file.parent / "empty.py").write_text("import nowhere\n")
    result = cli("gradcheck", target)
    assert result.exit_code == 2
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_a_backward_that_gives_nothing_is_not_checked(cli: Cli, file: Path) -> None:
    result = cli("gradcheck", f"{file}:ReturnsNothing")
    assert result.exit_code == 1
    assert result.stderr.endswith("1 not checked: x.\n")


@pytest.mark.parametrize(
    ("name", "meaning"),
    [("LossPerRow", "of the mean of the losses"), ("LossPerRowSummed", "of the sum of the losses")],
)
def test_of_one_loss_an_example_the_sum_and_the_mean_are_both_right(
    name: str, meaning: str, cli: Cli, file: Path
) -> None:
    row = json.loads(cli("gradcheck", f"{file}:{name}", "--json").stdout)["checks"][0]
    assert row["passed"]
    assert row["method"].endswith(meaning)


def test_of_one_loss_an_example_twice_the_sum_is_wrong(cli: Cli, file: Path) -> None:
    result = cli("gradcheck", f"{file}:LossPerRowTwice", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["checks"][0]["diagnosis"] == "factor-two"


def test_an_exception_shows_the_users_own_lines_and_none_of_ours(cli: Cli, file: Path) -> None:
    result = cli("gradcheck", f"{file}:Raises")
    assert result.exit_code == 2
    assert "ValueError" in result.stderr
    assert re.search(r"at \S*mine\.py:\d+, `return dout @ np\.zeros\(\(30, 30\)\)`", result.stderr)
    assert "gradcheck/" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_what_a_library_raises_is_told_at_the_users_own_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('import json\n\nsizes = json.loads("{")\n')
    result = cli("gradcheck", f"{tmp_path}/a.py")
    assert result.exit_code == 2
    assert 'a.py:3, `sizes = json.loads("{")`.' in result.stderr
    assert "decoder.py" not in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
def test_on_a_terminal_a_refusal_is_wrapped(tmp_path: Path) -> None:
    import pty

    path = tmp_path / "a.py"
    path.write_text("raise ValueError('" + "long words " * 20 + "')\n")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mnist_cli", "gradcheck", str(path)]
    done = subprocess.run(
        command, stdout=theirs, stderr=theirs, stdin=theirs, env=os.environ | {"COLUMNS": "80"}
    )
    os.close(theirs)
    lines = os.read(ours, 10_000).decode().splitlines()
    os.close(ours)
    assert done.returncode == 2
    assert len(lines) > 2
    assert max(map(len, lines)) <= 80


def test_a_wrong_file_is_status_1_with_diagnosis_and_worst_entries(cli: Cli) -> None:
    target = f"{wrong_code.__file__}:SoftmaxDiagonal"
    result = cli("gradcheck", target)
    assert result.exit_code == 1
    assert "softmax-diagonal-only" in result.stdout
    assert result.stderr == "Error: 1 of 7 checks failed: to x.\n"
    row = json.loads(cli("gradcheck", target, "--json").stdout)["checks"][0]
    assert row["diagnosis"] == "softmax-diagonal-only"
    assert row["explanation"].endswith("includes both.")
    assert len(row["worst"]) == 5
    entry = row["worst"][0]
    assert entry["ratio"] == pytest.approx(entry["computed"] / entry["exact"])


@pytest.mark.parametrize("labels", ["onehot", "index"])
def test_a_loss_takes_labels_in_the_form_that_is_asked_for(labels: str, cli: Cli) -> None:
    target = f"{wrong_code.__file__}:SoftmaxLoss"
    result = cli("gradcheck", target, "--labels", labels)
    assert result.exit_code == {"onehot": 2, "index": 0}[labels]


def test_our_own_layers_and_losses_pass(rng: np.random.Generator) -> None:
    subjects: list[Any] = [
        *check_layer(Linear(rng.standard_normal((4, 3)), rng.standard_normal(3))),
        *check_layer(ReLU()),
        *check_layer(Softmax()),
        *check_loss(SoftmaxCrossEntropy(), labels="index"),
        *check_loss(SoftmaxCrossEntropy(), labels="onehot"),
        *check_loss(CrossEntropy()),
    ]
    assert [row.name for row in subjects if not row.passed] == []


@pytest.mark.parametrize("special", [0.0, 30.0, 1000.0])
def test_zeros_ties_and_large_values_are_no_mistakes(special: float) -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        x = special * rng.choice([-1.0, 0.0, 1.0], (6, 10))
        for row in (
            *check_layer(ReLU(), x=x),
            *check_layer(Softmax(), x=x),
            *check_layer(wrong_code.LeakyReLU(), x=x),
            *check_layer(wrong_code.Tanh(), x=special * rng.standard_normal((6, 80))),
            *check_loss(SoftmaxCrossEntropy(), x=x),
            *check(wrong_code.ReLUActivation(), x=x, backward="derivative", forward="__call__"),
        ):
            assert row.passed, (row.name, row.diagnosis, row.worst)


def test_differences_that_are_off_by_chance_do_not_discredit_the_complex_step() -> None:
    # One of 9,000 drawings at which large terms cancel just so.
    rng = np.random.default_rng(515)
    shape = int(rng.integers(1, 65)), int(rng.integers(1, 301))
    rng.integers(5)
    x = 1000 * rng.standard_normal(shape)
    rng = np.random.default_rng(515)
    rng.integers(1, 301)
    W, b = rng.standard_normal((shape[1], 10)) / np.sqrt(shape[1]), rng.standard_normal(10)
    for row in check_layer(Linear(W, b), x=x, seed=515)[:3]:
        assert row.passed
        assert row.method == "complex step"


def test_the_object_itself_is_left_alone() -> None:
    layer = wrong_code.Accumulating()
    before = layer.W.copy()
    check_layer(layer)
    np.testing.assert_array_equal(layer.W, before)
    assert not layer.dW.any()
    assert not hasattr(layer, "x")


def test_a_layer_around_another_has_no_parameters_of_its_own() -> None:
    class Around:
        def __init__(self) -> None:
            self.inner = wrong_code.Dense()
            self.W, self.b = self.inner.W, self.inner.b

        dW = property(lambda self: self.inner.dW)  # noqa: N815 (the field calls it so)
        db = property(lambda self: self.inner.db)

        def forward(self, x: Any) -> Any:
            return self.inner.forward(x)

        def backward(self, dout: Any) -> Any:
            return self.inner.backward(dout)

    rows = check_layer(Around(), shape=(5, 7))
    assert [row.name for row in rows if row.argument] == ["to x", "to W", "to b"]
    assert all(row.passed for row in rows)


def test_an_error_in_a_layer_is_raised_as_one_sentence() -> None:
    with pytest.raises(UserCodeError, match="mismatch in its core dimension"):
        check_layer(wrong_code.Dense(), shape=(5, 10))


def test_a_loss_of_one_column_has_labels_of_both_classes() -> None:
    found = check_loss(wrong_code.LogisticOfOneClass(), shape=(6, 1))
    assert failed(found) == {"to z": "one-class-only"}


def test_a_loss_that_takes_the_labels_first_is_right(cli: Cli) -> None:
    result = cli("gradcheck", f"{wrong_code.__file__}:LabelsFirst")
    assert result.exit_code == 0, result.stdout
    assert "to y " in result.stdout


@pytest.mark.parametrize(
    ("names", "are_labels_first"),
    [
        ("x, t", False),
        ("y, t", False),
        ("t, y", True),
        ("y_true, y_pred", True),
        ("y_pred, y_true", False),
        ("y, y_hat", True),
        ("y, p", True),
        ("y, d", False),
        ("labels, logits", True),
        ("a, b", False),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_flipped_sign_is_seen_in_a_loss_that_is_symmetric(
    names: str, are_labels_first: bool, sign: int
) -> None:
    """Of (x − t)², the gradient to t is that to x with its sign flipped: the names decide."""
    first, second = names.split(", ")
    made: dict[str, Any] = {}
    exec(
        f"""
class Squared:
    def forward(self, {names}):
        self.d = {first} - {second}
        return (self.d ** 2).mean()

    def backward(self):
        return {-sign if are_labels_first else sign} * 2 * self.d / self.d.size
""",
        made,
    )
    row = check_loss(made["Squared"]())[0]
    assert row.passed == (sign == 1)
    assert row.passed or (row.diagnosis and row.diagnosis.name == "sign-flipped")
