"""What is imported from `mnist_cli.gradcheck`, as in a test or in a notebook of somebody's."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import wrong_code

import mnist_cli.gradcheck as face
from mnist_cli.gradcheck import (
    assert_gradients,
    check_functions,
    check_layer,
    check_loss,
    check_network,
)
from mnist_cli.gradcheck.report import Checks
from mnist_cli.nn.losses import SoftmaxCrossEntropy


@pytest.mark.parametrize("first", ["checking", "explanation", "own_formulas", "child", "target"])
def test_a_name_is_the_same_whatever_was_imported_before(first: str) -> None:
    code = (
        f"import mnist_cli.gradcheck.{first}\n"
        "import mnist_cli.gradcheck as face\n"
        "for name in face.__all__:\n"
        "    if name not in ('TOLERANCE',):\n"
        "        assert callable(getattr(face, name)), name\n"
        "        assert callable(getattr(face, name)), name\n"
        "from mnist_cli.gradcheck import check, explain\n"
        "assert callable(check), check\n"
        "assert callable(explain), explain\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_names_are_listed_and_there_are_no_others() -> None:
    assert dir(face) == face.__all__
    assert sorted(face.__all__, key=lambda name: (name.islower(), name)) == face.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        face.nothing  # noqa: B018


def test_the_report_needs_no_numpy() -> None:
    code = (
        "import sys\n"
        "from mnist_cli.gradcheck import Check, Checks, Diagnosis\n"
        "str(Checks([Check('to x', 'dx', '', 1, 0.0, True)]))\n"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_gradients_that_are_right_are_asserted_in_silence() -> None:
    assert_gradients(wrong_code.Dense())


def test_gradients_that_are_wrong_raise_an_error_that_says_so_before_the_report() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_gradients(wrong_code.DenseMean())
    sentence, _, report = str(caught.value).partition("\n\n")
    rows = check_layer(wrong_code.DenseMean())
    assert sentence == f"1 of {len(rows)} checks failed: to W (batch-size-twice)."
    assert report == str(rows)
    assert "FAIL" in report


def test_weights_without_a_gradient_are_not_asserted_to_be_right() -> None:
    class Projection:
        def __init__(self) -> None:
            self.W = np.random.default_rng(0).standard_normal((4, 3))

        def forward(self, x: Any) -> Any:
            return x @ self.W

        def backward(self, dout: Any) -> Any:
            return dout @ self.W.T

    with pytest.raises(AssertionError, match="NOT CHECKED  to W"):
        assert_gradients(Projection())
    assert_gradients(Projection(), constants=["W"])


def test_checks_show_themselves_as_the_report_and_a_check_as_its_line() -> None:
    checks = check_layer(wrong_code.DenseMean())
    assert isinstance(checks, Checks)
    assert repr(checks) == str(checks)
    assert len(str(checks).splitlines()) > len(checks)
    assert not checks.passed
    (wrong,) = [row for row in checks if not row.passed]
    assert "\n" not in str(wrong)
    assert str(wrong).startswith("FAIL  to W  relative error")
    assert str(wrong).endswith("batch-size-twice")


def test_a_function_and_its_derivative_are_checked() -> None:
    assert check_functions(np.tanh, lambda x: 1 - np.tanh(x) ** 2).passed
    found = check_functions(np.tanh, lambda x: 1 - x**2)
    assert [row.diagnosis.name for row in found if row.diagnosis] == ["input-for-output"]


def test_a_function_that_returns_its_gradient_is_checked_alone() -> None:
    def loss(x: Any, y: Any) -> Any:
        d = x - y
        return (d**2).mean(), 2 * d / d.size

    assert check_functions(loss).passed
    assert not check_functions(lambda x, y: (((x - y) ** 2).mean(), x - y)).passed


class Distance:
    """The mean squared distance of two batches, ``a`` and ``b``, neither of which is a bias."""

    def forward(self, a: Any, b: Any) -> Any:
        self.difference = a - b
        return (self.difference**2).sum() / len(a)

    def backward(self, dout: float = 1.0) -> Any:
        da = self.difference * (2 * dout / len(self.difference))
        return da, -da


@pytest.mark.parametrize("size", [(8, 10), (5, 2, 3)])
def test_a_loss_of_two_inputs_is_checked_in_the_shapes_that_are_asked_for(
    size: tuple[int, ...],
) -> None:
    found = check_loss(Distance(), shape={"a": size, "b": size})
    assert found.passed, str(found)
    assert {"to a", "to b", "batch sizes"} <= {row.name for row in found}


class Network:
    """A whole network, ``loss(x, t)`` and ``gradient(x, t)``."""

    def __init__(self, factor: float = 1.0) -> None:
        rng = np.random.default_rng(0)
        self.W, self.factor = rng.standard_normal((4, 3)), factor

    def loss(self, x: Any, t: Any) -> Any:
        return ((x @ self.W - t) ** 2).mean()

    def gradient(self, x: Any, t: Any) -> Any:
        d = x @ self.W - t
        return {"W": self.factor * 2 * x.T @ d / d.size}


def test_a_whole_network_is_checked() -> None:
    found = check_network(Network())
    assert found.passed, str(found)
    assert found[0].name == "to W"
    wrong = check_network(Network(7.0))
    assert [(row.name, row.passed) for row in wrong][:1] == [("to W", False)]


def test_labels_may_be_given_in_a_form_or_as_an_array() -> None:
    for labels in ("index", np.array([0, 2, 1])):
        found = check_loss(wrong_code.SoftmaxLoss(), shape=(3, 4), labels=labels)
        assert found.passed, str(found)


def test_a_row_that_is_skipped_stays_in_the_list() -> None:
    checks = check_layer(wrong_code.Dense(), skip=["large-inputs"])
    (row,) = [row for row in checks if row.kind == "large-inputs"]
    assert row.is_skipped
    assert checks.passed


@pytest.mark.parametrize("labels", [np.ones((41, 1)), np.zeros(41, int)])
def test_a_loss_of_one_class_is_checked_at_the_labels_that_are_given(labels: Any) -> None:
    x = np.random.default_rng(0).standard_normal((41, 1))
    assert all(check.passed for check in check_loss(SoftmaxCrossEntropy(), x=x, labels=labels))
