"""How much of the code that people write is judged, and judged rightly: a table by idiom.

    python benchmarks/idioms.py [--markdown]

The pieces are those of ``tests/gradcheck/corpus``. "Judged" is what is not refused; "right" is what
is judged as it should be, where the gradients are right as where they are wrong; "named" is that of
the wrong ones whose diagnosis says what is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mnist_cli.parallel import leave_cores_to_us

leave_cores_to_us()

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "gradcheck"))

from corpus.manifest import PIECES, Piece
from judging import judge

TITLES = {
    "layers": "layers: `forward(x)`, `backward(dout)`",
    "losses": "losses: `backward()`, `backward(pred, true)`, `(loss, gradient)`",
    "activations": "activations as objects",
    "function_pairs": "pairs of functions: `f`, `f_prime`",
    "cached_functions": "functions with a cache; `loss -> (loss, dx)`",
    "learning_rates": "`backward(dout, learning_rate)`, weights updated inside",
    "attributes": "state in attributes: `forward(self)`, `backward(self)`",
    "networks": "whole networks",
    "three_functions": "networks in three functions: output, cost, gradients",
    "recurrent": "recurrent cells, tables of vectors",
    "told_otherwise": "by a flag, by a cost beside it, by the names of results",
    "columns": "examples in columns",
    "nodes": "graph nodes, array autograd",
    "lists": "lists in and out",
    "parameters": "parameters as objects, in lists and dictionaries",
    "forum": "the forum's questions",
}


def cells(title: str, pieces: Sequence[Piece]) -> list[str]:
    """Return a row of the table."""
    verdicts = [(piece, judge(piece)) for piece in pieces]
    wrong = [(piece, verdict) for piece, verdict in verdicts if not piece.is_right]
    return [
        title,
        str(len(pieces)),
        str(sum(verdict.is_judged for _, verdict in verdicts)),
        str(sum(verdict.is_right(piece) for piece, verdict in verdicts)),
        f"{sum(verdict.is_named(piece) for piece, verdict in wrong)} of {len(wrong)}",
    ]


def main() -> None:
    """Judge all pieces, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--markdown", action="store_true", help="as docs/gradcheck.md has it")
    arguments = parser.parse_args()
    started = time.perf_counter()
    rows = [["idiom", "pieces", "judged", "right", "named"]]
    for idiom, title in TITLES.items():
        rows.append(cells(title, [piece for piece in PIECES if piece.idiom == idiom]))
    rows.append(cells("all", PIECES))
    if arguments.markdown:
        rows[-1] = [f"**{cell}**" for cell in rows[-1]]
        rows.insert(1, ["---", "---:", "---:", "---:", "---:"])
        print("\n".join(f"| {' | '.join(row)} |" for row in rows))
        return
    for title, *numbers in rows:
        print(f"{title:66}" + "".join(f"{number:>11}" for number in numbers))
    print(f"\n{time.perf_counter() - started:.0f} s")
    for piece in PIECES:
        verdict = judge(piece)
        if not verdict.is_right(piece):
            print(f"not right: {piece.idiom}:{piece.target}: {verdict}")
        elif not piece.is_right and not verdict.is_named(piece):
            print(f"not named: {piece.idiom}:{piece.target}: {verdict}")


if __name__ == "__main__":
    main()
