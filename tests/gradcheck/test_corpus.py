"""Code in all idioms, right and wrong, is judged, judged rightly, and its mistakes are named."""

from __future__ import annotations

import pytest
from corpus.manifest import PIECES, Piece
from judging import judge

from mnist_cli.gradcheck.mistakes import MISTAKES

pytestmark = pytest.mark.long

WRONG = [piece for piece in PIECES if not piece.is_right]


def name_of(piece: Piece) -> str:
    return " ".join([f"{piece.idiom}:{piece.target}", *piece.options])


@pytest.mark.parametrize("piece", [piece for piece in PIECES if piece.is_right], ids=name_of)
def test_what_is_right_passes(piece: Piece) -> None:
    verdict = judge(piece)
    assert verdict.is_right(piece), verdict


NOT_NAMED = {
    *("layers:Hidden", "layers:LayerNormHalf", "losses:CategoricalForgetsSign"),
    *("losses:MultiHingeCount", "activations:SwishProduct", "function_pairs:arctan"),
    *("function_pairs:gelu,gelu_derivative", "cached_functions:batchnorm_backward"),
    *("cached_functions:gru_gate_forward,gru_gate_backward", "learning_rates:SoftmaxInput"),
    "learning_rates:ConvolutionFlipped",
    *("attributes:SoftmaxUnitMixed", "networks:ForwardLossGradientHalf"),
    *("nodes:TensorNotTurned", "nodes:TensorPower", "nodes:TensorLog", "lists:AddBiasWhole"),
    *("recurrent:peephole_step_forward", "recurrent:rnn_forward,rnn_backward_transposed"),
    *("told_otherwise:LastLayerTripled", "layers:ParametricReluOfAll"),
    *("cached_functions:pool_forward", "cached_functions:glu_forward,glu_backward_open"),
    *("recurrent:sequence_forward,sequence_backward_cut", "layers:MaxoutFirst"),
    *("layers:TiedAutoencoderHalf", "learning_rates:WindowsFlipped", "networks:ExclusiveOfInput"),
    "told_otherwise:squashed_forward,squashed_backward_of_sum",
}
"""What fails, as it must, under no name or under another's."""


@pytest.mark.parametrize("piece", WRONG, ids=name_of)
def test_what_is_wrong_fails_in_the_row_that_it_should_and_is_named(piece: Piece) -> None:
    verdict = judge(piece)
    assert verdict.is_right(piece), verdict
    assert set(piece.rows) <= set(verdict.failed)
    assert all(verdict.failed.values()), "a row that fails says why"
    is_excused = f"{piece.idiom}:{piece.target}" in NOT_NAMED
    assert verdict.is_named(piece) or is_excused, (str(verdict), piece.diagnoses)


def test_most_mistakes_are_named() -> None:
    """At least four of five, where `unknown` counts as none even if there is no better name."""
    assert len(NOT_NAMED) <= 0.2 * len(WRONG)


def test_the_corpus_expects_diagnoses_that_there_are() -> None:
    for piece in PIECES:
        assert bool(piece.diagnoses) != piece.is_right
        assert set(piece.diagnoses) <= {"unknown", *MISTAKES}, piece


def test_the_corpus_is_large_and_has_right_and_wrong_in_each_idiom() -> None:
    assert len(PIECES) == len(set(PIECES)) >= 60
    for idiom in {piece.idiom for piece in PIECES}:
        assert {piece.is_right for piece in PIECES if piece.idiom == idiom} == {True, False}
