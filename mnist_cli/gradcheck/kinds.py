"""The kinds of rows in a report: what each of them checks, in a line.

Nothing here needs NumPy: the command line lists them in its help.
"""

from __future__ import annotations

KINDS = {
    "gradient": "backward's gradient, against the exact derivative of forward",
    "wider-inputs": "the same at inputs of several sizes",
    "zero-inputs": "the gradient is finite at inputs of 0 where there is a derivative",
    "batch-sizes": "the same at other batch sizes, one of them 1",
    "linear-in-dout": "backward is linear in dout, for a large and a small one",
    "arguments-kept": "neither pass writes into what it is given",
    "second-pass": "a second pass gives what the first gave",
    "precision-kept": "float64 in, float64 out",
    "strided-dout": "dout may be a strided view",
    "read-only-dout": "dout may be read-only",
    "large-inputs": "finite, and the right derivative, at ±30 and ±1000",
}
"""What each kind of row checks. All but ``gradient`` can be left out by ``--skip``."""

SKIPPABLE = tuple(kind for kind in KINDS if kind != "gradient")


def row_name(text: str) -> str:
    """Return the name of a row as ``--skip`` takes it: with hyphens for spaces."""
    return text.strip().replace(" ", "-")
