"""What a diagnosis means: one of them on a screen, or all of them as a page of the docs."""

from __future__ import annotations

import difflib
import sys
import textwrap

from mnist_cli.errors import MnistCliError
from mnist_cli.gradcheck.mistakes import ALIASES, MISTAKES, Mistake

WIDTH = 80

COMMAND = "python -m mnist_cli.gradcheck.explanation > docs/diagnoses.md"
"""What makes the page anew."""

INTRODUCTION = f"""\
# Diagnoses

These are the mistakes that `mnist-cli gradcheck` names. For each of them, it computes the gradient
that the mistake would give, and names the mistake only if your code gave that gradient.
`mnist-cli gradcheck --explain NAME` prints one of them.

<!-- Made from mnist_cli/gradcheck/mistakes by: {COMMAND} -->
"""


def explain(name: str) -> str:
    """Return what a diagnosis means, in lines of at most 80 columns.

    Parameters
    ----------
    name : str
        As a report has it; a name of version 0.1 is understood, too.

    Returns
    -------
    str
        What it is, the formula, a wrong and a right line, and a source.

    Raises
    ------
    MnistCliError
        If no diagnosis has that name.
    """
    asked = name.strip().lower().replace(" ", "-").replace("_", "-")
    known = ALIASES.get(asked, asked)
    if known not in MISTAKES:
        names = [*MISTAKES, *ALIASES]
        near = difflib.get_close_matches(asked, names, n=3) or [n for n in names if asked in n][:3]
        did_you_mean = f" Did you mean {_either(near)}?" if asked and near else ""
        raise MnistCliError(
            f"No diagnosis is called {name!r}.{did_you_mean} All of them are in docs/diagnoses.md."
        )
    mistake = MISTAKES[known]
    lines = [known, ""]
    if known != asked:
        lines += [f"It was called {asked} in version 0.1.", ""]
    lines += [*textwrap.wrap(mistake.sentence, WIDTH), ""]
    for word, text in (
        ("Formula", mistake.formula),
        ("Wrong", mistake.wrong),
        ("Right", mistake.right),
        ("Source", mistake.source),
    ):
        if text:
            lines += _labelled(word, text)
    return "\n".join(lines)


def as_markdown() -> str:
    """Return the page of all diagnoses, ``docs/diagnoses.md``."""
    parts = [INTRODUCTION]
    for family, mistakes in _families().items():
        parts.append(f"## {family}\n")
        parts += [_section(mistake) for mistake in mistakes]
    renamed = "\n".join(f"- `{old}` is `{new}` now." for old, new in ALIASES.items())
    parts.append(f"## Names of version 0.1\n\n{renamed}\n")
    return "\n".join(parts)


def _families() -> dict[str, list[Mistake]]:
    """Return the mistakes by what the file is about in which they are."""
    families: dict[str, list[Mistake]] = {}
    for mistake in MISTAKES.values():
        module = mistake.find.__module__.rsplit(".", 1)[-1] if mistake.find else "behaviour"
        title = module.replace("_", " ").capitalize()
        families.setdefault(title, []).append(mistake)
    return families


def _section(mistake: Mistake) -> str:
    lines = [f"### {mistake.name}", "", *textwrap.wrap(_escaped(mistake.sentence), 100), ""]
    if mistake.formula:
        lines += ["Formula: `" + mistake.formula.replace("`", "'") + "`", ""]
    if mistake.wrong:
        lines += ["```python", "# wrong", *_code(mistake.wrong)]
        lines += ["# right", *_code(mistake.right), "```", ""]
    if mistake.source:
        lines += [f"Source: {mistake.source}.", ""]
    return "\n".join(lines)


def _code(line: str) -> list[str]:
    return line.split(";  ")


def _escaped(sentence: str) -> str:
    """Return a sentence of which Markdown makes no emphasis and no tags."""
    return "".join(f"\\{c}" if c in "*_<>" else c for c in sentence)


def _labelled(word: str, text: str) -> list[str]:
    """Return a labelled text; a statement of code keeps a line of its own."""
    indent = " " * 9
    pieces = text.split(";  ")
    if word in ("Formula", "Source"):
        pieces = textwrap.wrap(text, WIDTH - len(indent))
    first, *rest = pieces
    return [f"{word + ':':<9}{first}", *(indent + piece for piece in rest)]


def _either(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


if __name__ == "__main__":
    # As bytes, since the page is UTF-8 whatever the terminal is.
    sys.stdout.buffer.write(as_markdown().encode())
