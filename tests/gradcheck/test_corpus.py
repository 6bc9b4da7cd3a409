"""Code in all idioms, right and wrong, is judged, judged rightly, and its mistakes are named."""

from __future__ import annotations

from collections import Counter

import pytest
from corpus.manifest import PIECES, Piece
from judging import judge

from mnist_cli.gradcheck.mistakes import MISTAKES

pytestmark = pytest.mark.xdist_group("corpus")  # what is judged is remembered, in one process

WRONG = [piece for piece in PIECES if not piece.is_right]


def name_of(piece: Piece) -> str:
    return " ".join([f"{piece.idiom}:{piece.target}", *piece.options])


@pytest.mark.parametrize("piece", [piece for piece in PIECES if piece.is_right], ids=name_of)
def test_what_is_right_passes(piece: Piece) -> None:
    verdict = judge(piece)
    assert verdict.is_right(piece), verdict


@pytest.mark.parametrize("piece", WRONG, ids=name_of)
def test_what_is_wrong_fails_in_the_row_that_it_should(piece: Piece) -> None:
    verdict = judge(piece)
    assert verdict.is_right(piece), verdict
    assert set(piece.rows) <= set(verdict.failed)
    assert all(verdict.failed.values()), "a row that fails says why"


def test_nearly_all_is_judged() -> None:
    """And what is judged, rightly: see above."""
    judged = [piece for piece in PIECES if judge(piece).is_judged]
    assert len(judged) >= 0.95 * len(PIECES)
    idioms = Counter(piece.idiom for piece in PIECES)
    of_each = Counter(piece.idiom for piece in judged)
    assert [idiom for idiom in idioms if of_each[idiom] < 0.8 * idioms[idiom]] == []


def test_most_mistakes_are_named() -> None:
    """At least four of five, where `unknown` counts as none even if there is no better name."""
    unnamed = [piece for piece in WRONG if not judge(piece).is_named(piece)]
    told = [(name_of(piece), str(judge(piece)), piece.diagnoses) for piece in unnamed]
    assert len(unnamed) <= 0.2 * len(WRONG), told


def test_the_corpus_expects_diagnoses_that_there_are() -> None:
    for piece in PIECES:
        assert bool(piece.diagnoses) != piece.is_right
        assert set(piece.diagnoses) <= {"unknown", *MISTAKES}, piece


def test_the_corpus_is_large_and_has_right_and_wrong_in_each_idiom() -> None:
    assert len(PIECES) == len(set(PIECES)) >= 60
    for idiom in {piece.idiom for piece in PIECES}:
        assert {piece.is_right for piece in PIECES if piece.idiom == idiom} == {True, False}


@pytest.mark.parametrize("target", ["ProductOverwriting", "MatMulOverwriting", "TensorSets"])
def test_a_node_that_sets_what_it_must_add_to_is_told_so(target: str) -> None:
    (piece,) = [piece for piece in PIECES if piece.target == target]
    assert "gradient-overwritten" in judge(piece).failed.values()
