"""JSON documents in files that may come from anywhere: each key once, and numbers alone."""

from __future__ import annotations

import json
from typing import Any


def parse(text: str) -> Any:
    """Return the document of a text.

    Raises
    ------
    ValueError
        If it is no JSON, a key is there twice, of which other readers may take the other one, or a
        number is none: NaN or infinite.
    """
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a key that is there twice")
    return document


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant}, which is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise ValueError("a number that is too large")
    return number
