"""The report fits the terminal, and says last what is wrong."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from mnist_cli.gradcheck.outcome import LeftOut, Outcome
from mnist_cli.gradcheck.report import lines, refusals, report
from mnist_cli.gradcheck.result import Check, Diagnosis, Entry, Group
from mnist_cli.gradcheck.summary import what_broke, what_failed, what_passed

RIGHT = Check("to x", "dx = dout·Wᵀ", "complex step", 50, 4e-16, True, argument="x")
KEPT = Check("arguments kept", "x, dout, out unchanged", "compared", 150, None, True, kind="kept")
SKIPPED = Check(
    "large inputs",
    "finite at ±1000",
    "not finite at negative inputs, where the function is not defined, as a logarithm is not",
    0,
    None,
    True,
    kind="large-inputs",
)
SENTENCE = "It is 5 times too small, and 5 is the batch size: you divide by it twice, so once less."
WRONG = Check(
    "to W",
    "dW = xᵀ·dout",
    "complex step, 16 directions",
    100_352,
    0.8,
    False,
    Diagnosis("batch-size-twice", SENTENCE),
    (Entry((783, 127), -0.2567521972, 0.4354660758), Entry((0, 1), 1e-300, 0.0)),
    "W",
)
UNCHECKED = Check(
    "to b",
    "db",
    "no gradient of it was found",
    0,
    None,
    False,
    Diagnosis("not-checked", "b moves the output. If it is one, say --constant b."),
    (),
    "b",
)
NETWORK = [
    replace(RIGHT, name="Linear, to x"),
    replace(
        RIGHT,
        name="SoftmaxCrossEntropy, to z, labels as indices",
        formula="Jᵀ·(−t/(p·N)) = (softmax − labels)/N",
        elements=101_770,
        method="complex step, 16 directions",
    ),
]


def group(*checks: Check, target: str = "layers.py:Linear", remarks: Any = ()) -> Group:
    return Group(target, list(checks), list(remarks))


def test_a_row_begins_with_its_verdict() -> None:
    text = lines(group(RIGHT, WRONG, SKIPPED, UNCHECKED, KEPT))
    starts = [line.split("  ")[0] for line in text if line and not line.startswith(" ")]
    assert starts[:5] == ["pass", "FAIL", "skipped", "NOT CHECKED", "pass"]


def test_a_report_is_easily_read() -> None:
    assert lines(group(RIGHT, WRONG, KEPT, remarks=["Backward changes W."])) == [
        "      check           formula          error",
        "pass  to x            dx = dout·Wᵀ     4e-16",
        "FAIL  to W            dW = xᵀ·dout     8e-01",
        "",
        "    at          the code says      right is      ratio",
        "    [783, 127]  -0.2567521972  0.4354660758  -0.589603",
        "    [0, 1]             1e-300             0",
        "",
        "pass  arguments kept  x, dout, out unchanged",
        "Note: Backward changes W.",
        "",
        "to W: batch-size-twice",
        "    It is 5 times too small, and 5 is the batch size: you divide by it twice, so",
        "    once less.",
    ]


@pytest.mark.parametrize("width", [40, 50, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("is_verbose", [False, True])
def test_no_line_is_wider_than_the_terminal(width: int, is_verbose: bool) -> None:
    long = "params.encoder.layers.attention.projection.weights.of.a.very.long.name"
    named = [
        replace(WRONG, name=f"to {long}", formula="d" * 90, worst=WRONG.worst * 2),
        replace(WRONG, name="to 重み行列", formula="∂L/∂重み"),
        replace(SKIPPED, name=long, method="x" * 200),
        replace(UNCHECKED, name=f"to {long}"),
        replace(KEPT, formula="a\x1b[31mb\nc"),
    ]
    for checks in (named, NETWORK, [RIGHT, KEPT, SKIPPED]):
        outcome = Outcome(
            [group(*checks, remarks=["A remark " * 20]), group(RIGHT, target=f"a.py:{long}")],
            ["Another remark " * 20],
            [LeftOut(f"a.py:{long}", "no derivative beside it"), LeftOut("a.py:f", "x" * 300)],
        )
        for text in (report(outcome, width, is_verbose), lines(group(*checks), width, is_verbose)):
            for line in text:
                wide = sum(1 + (letter > "\u2e80") for letter in line)
                assert wide <= width, line
                assert line.isprintable()


def test_methods_and_counts_are_there_where_there_is_room_or_if_verbose() -> None:
    narrow, wide = lines(group(*NETWORK), 80), lines(group(*NETWORK), 140)
    assert not any("complex step" in line for line in narrow)
    assert "101,770  complex step, 16 directions" in "\n".join(wide)
    assert len(wide) == len(narrow) == 3
    verbose = lines(group(*NETWORK), 80, verbose=True)
    assert "      complex step, 16 directions; 101,770 elements" in verbose
    assert lines(group(*NETWORK), 140, verbose=True) == wide


def test_a_long_formula_is_cut_and_the_name_before_it_is_not() -> None:
    text = "\n".join(lines(group(*NETWORK), 80))
    assert "SoftmaxCrossEntropy, to z, labels as indices  Jᵀ·(−t/(p·N)) =" in text
    assert "…" in text


def test_why_a_row_was_skipped_is_wrapped_with_its_indent() -> None:
    text = lines(group(RIGHT, SKIPPED), 60)
    assert text[-3:] == [
        "skipped  large inputs  not finite at negative inputs, where",
        "                       the function is not defined, as a",
        "                       logarithm is not",
    ]


def test_what_is_wrong_is_the_last_thing_and_rows_share_a_mistake() -> None:
    other = replace(WRONG, name="to b", diagnosis=Diagnosis("sign-flipped", "The sign."))
    text = lines(group(WRONG, replace(WRONG, name="to V"), other, RIGHT))
    end = text[text.index("to W and to V: batch-size-twice") :]
    assert end[-2:] == ["to b: sign-flipped", "    The sign."]
    nameless = lines(group(replace(WRONG, diagnosis=None)))
    assert nameless[-2:] == ["to W:", "    None of the known mistakes gives these numbers."]


def test_rows_of_one_thing_are_named_together_behind_its_name() -> None:
    rows = [replace(WRONG, name=f"to {name}") for name in ("W1", "b1", "W2")]
    other = group(replace(WRONG, name="to b"), target="a.py:Other")
    text = report(Outcome([group(*rows, target="a.py:Net"), other]))
    assert "Net, to W1, to b1 and to W2; Other, to b: batch-size-twice" in text


def test_lines_of_code_in_an_explanation_stay_as_they_are() -> None:
    explained = Diagnosis("not-checked", "Write it as\n    self.dW = x.T @ dout\nin backward.")
    text = lines(group(replace(UNCHECKED, diagnosis=explained)))
    assert text[-3:] == ["    Write it as", "        self.dW = x.T @ dout", "    in backward."]


def test_each_group_of_a_file_has_a_heading() -> None:
    outcome = Outcome(
        [group(RIGHT, target="a.py:One"), group(WRONG, target="a.py:Two")],
        ["Code cell 3 failed."],
        [
            LeftOut("a.py:f", "no derivative beside it"),
            LeftOut("a.py:g", "no derivative beside it"),
        ],
    )
    text = report(outcome)
    assert text[0] == "a.py:One"
    assert "a.py:Two" in text
    assert "Note: Code cell 3 failed." in text
    assert "Left out: f, g: no derivative beside it" in text
    assert text.index("Left out: f, g: no derivative beside it") < text.index(
        "Two, to W: batch-size-twice"
    )


def test_colours_change_no_width() -> None:
    def style(text: str, role: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if role else text

    rows = group(RIGHT, WRONG, SKIPPED, UNCHECKED, KEPT)
    outcome = Outcome([rows, group(RIGHT, target="a.py:Other")])
    styled = [
        line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in report(outcome, style=style)
    ]
    assert styled == report(outcome)
    assert "\x1b[1m" in "".join(report(outcome, style=style))


@pytest.mark.parametrize(
    ("checks", "passed", "failed"),
    [
        ([RIGHT, KEPT], "All 2 checks passed within 1e-10.", None),
        ([RIGHT, KEPT, SKIPPED], "All 2 checks passed within 1e-10, 1 skipped.", None),
        ([replace(RIGHT, max_relative_error=3e-7)], "The one check passed within 3e-07.", None),
        ([RIGHT, WRONG, SKIPPED], None, "1 of 2 checks failed: to W."),
        ([RIGHT, WRONG, UNCHECKED], None, "1 of 2 checks failed: to W; 1 not checked: b."),
        ([RIGHT, KEPT, UNCHECKED], None, "2 checks passed; 1 not checked: b."),
        ([KEPT, SKIPPED], None, "No gradient of Linear was compared."),
    ],
)
def test_the_last_line_counts(checks: list[Check], passed: str | None, failed: str | None) -> None:
    outcome = Outcome([group(*checks)])
    assert what_failed(outcome) == failed
    assert outcome.passed == (failed is None)
    if passed:
        assert what_passed(outcome, 1e-10) == passed


def test_the_last_line_of_a_file_names_what_failed_where() -> None:
    two = [group(RIGHT, target="a.py:One"), group(WRONG, UNCHECKED, target="a.py:f,f_prime")]
    assert what_failed(Outcome(two)) == (
        "1 of 2 checks failed: f,f_prime, to W; 1 not checked: f,f_prime, b."
    )
    out, broken = LeftOut("a.py:g", "needs arguments"), LeftOut("a.py:Bad", "raised", True)
    assert what_passed(Outcome(two[:1], [], [out]), 1e-10) == (
        "The one check passed within 1e-10, 1 left out."
    )
    assert what_broke(Outcome(two, [], [out])) is None
    assert what_broke(Outcome(two, [], [broken])) == "Not judged, for the reason above: Bad."
    assert (what_failed(Outcome(two, [], [out, broken])) or "").endswith("; 1 not judged: Bad.")
    many = [group(replace(WRONG, name=f"to W{number}")) for number in range(30)]
    assert len(what_failed(Outcome(many)) or "") < 500
    assert what_passed(Outcome([group(RIGHT, KEPT)]), 1e-10, 6) == (
        "All 2 checks passed within 1e-10, and 6 wrong answers refused."
    )


@pytest.mark.parametrize("width", [60, 80, 120])
def test_wrong_answers_say_what_they_were_refused_as(width: int) -> None:
    answers = [
        replace(WRONG, name="the input for the output", formula="dz = dout·s·(1 − z)"),
        replace(WRONG, name="the batch size forgotten", passed=True, diagnosis=None),
    ]
    head, refused, accepted = refusals(answers, width)
    assert head == "wrong answers, to be refused"
    assert refused.startswith("refused   the input for the output")
    assert refused.endswith("batch-size-twice")
    assert accepted.startswith("ACCEPTED  the batch size forgotten")
    assert max(map(len, (refused, accepted))) <= width


def test_a_report_goes_through_json_as_it_is() -> None:
    infinite = replace(WRONG, max_relative_error=math.inf, worst=(Entry((1,), math.inf, 0.0),))
    outcome = Outcome(
        [group(RIGHT, infinite, KEPT, SKIPPED, UNCHECKED, remarks=["a remark"])],
        ["another"],
        [LeftOut("a.py:g", "needs arguments", True)],
    )
    assert Outcome.from_dict(json.loads(json.dumps(outcome.as_dict()))) == outcome
