"""The mistakes that people make with gradients, a family in a file.

They are imported in the order in which they are thought of: a gradient that two mistakes would
give is named after the first.
"""

from __future__ import annotations

# isort: off
from mnist_cli.gradcheck.mistakes import shapes as shapes
from mnist_cli.gradcheck.mistakes import factors as factors
from mnist_cli.gradcheck.mistakes import places as places
from mnist_cli.gradcheck.mistakes import softmax as softmax
from mnist_cli.gradcheck.mistakes import cross_entropy as cross_entropy
from mnist_cli.gradcheck.mistakes import epsilon as epsilon
from mnist_cli.gradcheck.mistakes import parameters as parameters
from mnist_cli.gradcheck.mistakes import chain_rule as chain_rule
from mnist_cli.gradcheck.mistakes import batch_size as batch_size
from mnist_cli.gradcheck.mistakes import activated_layer as activated_layer
from mnist_cli.gradcheck.mistakes import hidden_layers as hidden_layers
from mnist_cli.gradcheck.mistakes import behaviour as behaviour
from mnist_cli.gradcheck.mistakes.registry import (
    ALIASES,
    HYPOTHESES,
    MISTAKES,
    Hypothesis,
    Mistake,
    mistake,
)
# isort: on

__all__ = [
    "ALIASES",
    "HYPOTHESES",
    "MISTAKES",
    "Hypothesis",
    "Mistake",
    "behaviour",
    "mistake",
]
