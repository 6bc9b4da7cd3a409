"""Text in the columns of a terminal: how wide it is, and how it is wrapped, cut and padded."""

from __future__ import annotations

import unicodedata


def clean(text: str) -> str:
    """Return a text on one line in which nothing commands a terminal, whoever wrote it."""
    return "".join(letter if letter.isprintable() else " " for letter in text).rstrip()


def wrap(text: str, width: int, indent: str, hanging: str | None = None) -> list[str]:
    """Return a text in lines; textwrap counts letters, of which some are two columns wide."""
    hanging = indent if hanging is None else hanging
    text_lines, line, is_empty = [], indent, True
    for word in clean(text).split():
        if not is_empty and columns_of(line) + 1 + columns_of(word) > width:
            text_lines.append(line)
            line, is_empty = hanging, True
        line += word if is_empty else f" {word}"
        is_empty = False
        while columns_of(line) > width > len(hanging):
            head = line
            while columns_of(head) > width:
                head = head[:-1]
            if len(head) <= len(hanging):  # not even one letter has room
                break
            text_lines.append(head)
            line = hanging + line[len(head) :]
    return text_lines if is_empty else [*text_lines, line]


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in ("W", "F") for letter in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def cut(text: str, width: int) -> str:
    """Return a text that is no wider than it may be, with an ellipsis where it was cut."""
    text = clean(text) if not text.startswith(" ") else text
    if columns_of(text) <= width:
        return text
    while text and columns_of(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def pad(text: str, width: int, right: bool = False) -> str:
    """Return a text with as many spaces as it takes to be so wide, or cut."""
    text = cut(text, width)
    space = " " * (width - columns_of(text))
    return space + text if right else text + space
