"""The rows of the report: each is one function of an inspection, and applies where it can.

A row that does not apply yields nothing; one that cannot be made is skipped, and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from mnist_cli.gradcheck.checks import gradients, large_inputs, ranges, side_effects, zeros
from mnist_cli.gradcheck.checks.inspection import Inspection, skipped
from mnist_cli.gradcheck.kinds import KINDS, row_name
from mnist_cli.gradcheck.operation import Operation
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.result import Check

ROWS: dict[str, Callable[[Inspection], Iterator[Check]]] = {
    "gradient": gradients.gradients,
    "wider-inputs": ranges.wider_inputs,
    "zero-inputs": zeros.at_zeros,
    "batch-sizes": ranges.batch_sizes,
    "linear-in-dout": ranges.linear_in_dout,
    "arguments-kept": side_effects.arguments_kept,
    "second-pass": side_effects.second_pass,
    "precision-kept": side_effects.precision_kept,
    "strided-dout": side_effects.strided_dout,
    "read-only-dout": side_effects.read_only_dout,
    "large-inputs": large_inputs.large_inputs,
}
"""All rows by their kind, in the order of the report; ``--skip`` takes the kinds."""


def inspect(operation: Operation, request: Request) -> Inspection:
    """Make all rows of an operation, but for those that the request leaves out."""
    found = Inspection(operation, request)
    for kind, make in ROWS.items():
        if kind in request.skip:
            found.checks.append(left_out(kind.replace("-", " "), KINDS[kind], kind))
            continue
        for check in make(found):
            is_left_out = row_name(check.name) in request.skip
            found.checks.append(
                left_out(check.name, check.formula, kind)
                if is_left_out
                else replace(check, kind=kind)
            )
    return found


def left_out(name: str, formula: str, kind: str) -> Check:
    """Return the row of a check that the user left out."""
    return skipped(name, formula, "left out by --skip", kind)
