"""Texts that come from files or from other machines, as they may be shown to a person."""

from __future__ import annotations

LONGEST = 80
"""Letters of a text that are shown."""


def one_line(text: str) -> str:
    """Return a text as one line, in which nothing commands a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def shown(value: object, most: int = LONGEST) -> str:
    """Return what a file says as one short line: its beginning, if it is long.

    Parameters
    ----------
    value : object
        A text, or what `str` makes one of.
    most : int
        Letters that are shown.
    """
    try:
        text = str(value)
    except ValueError:  # Python writes no number that is so long
        return "a number of thousands of digits"
    return one_line(text if len(text) <= most else f"{text[:most]}…")


def shortened(sentence: str, most: int) -> str:
    """Return a sentence without its middle, if it is longer than so many letters."""
    half = most // 2
    return sentence if len(sentence) <= most else f"{sentence[:half]} … {sentence[-half:]}"


def as_written(value: object) -> str:
    """Return how Python writes a value, which may be anything: the beginning of it."""
    try:
        return shown(" ".join(repr(value).split()))
    except Exception:  # a number of 5,000 digits, a list in lists, an object of anybody's
        return f"of type {shown(type(value).__name__)}"
