"""The report that a person reads: a table of rows, then what is wrong, then one last line.

Nothing here needs NumPy or a terminal: colours are put in by a function that is handed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from mnist_cli.gradcheck.outcome import LeftOut, Outcome, short
from mnist_cli.gradcheck.result import Check, Group
from mnist_cli.gradcheck.wrapping import clean, columns_of, cut, pad, wrap

Style = Callable[[str, str], str]
"""Takes a text and its role ("pass", "fail", "skip", "head"); returns the text, coloured."""

WIDTH = 80
LEAST_WIDTH = 40
"""A narrower terminal breaks the lines itself."""
LEAST_FORMULA = 12
"""A formula that has less room than this is left out: its beginning would say nothing."""
MOST_METHOD = 28
"""As much of a method as says which it is; the rest is cut, or there if ``verbose``."""
INDENT = "    "


def plain(text: str, role: str) -> str:
    """Return the text as it is: the style of a report without colours."""
    return text


def lines(
    group: Group, width: int = WIDTH, verbose: bool = False, style: Style = plain
) -> list[str]:
    """Return the report of one thing: its rows, the remarks, and at the end what is wrong.

    Parameters
    ----------
    group : Group
    width : int
        Columns of the terminal; no line is longer.
    verbose : bool
        Whether methods and counts are shown where there is no room beside the rows, too.
    style : callable
        See `Style`.
    """
    return report(Outcome([group]), width, verbose, style)


def report(
    outcome: Outcome, width: int = WIDTH, verbose: bool = False, style: Style = plain
) -> list[str]:
    """Return the report of all that was checked; see `lines`."""
    width = max(width, LEAST_WIDTH)
    text: list[str] = []
    is_one = len(outcome.groups) == 1
    for group in outcome.groups:
        if not is_one:
            text += [] if not text else [""]
            text.append(style(cut(clean(group.target), width), "head"))
        text += table(group.checks, width, verbose, style)
        text += _notes(group.remarks, width)
    text += _notes(outcome.remarks, width)
    text += left_out(outcome.left_out, width)
    wrong = [
        ("" if is_one else short(group.target), check)
        for group in outcome.groups
        for check in group.checks
        if not check.passed
    ]
    return text + diagnoses(wrong, width, style)


def table(
    checks: Sequence[Check], width: int = WIDTH, verbose: bool = False, style: Style = plain
) -> list[str]:
    """Return a line for each check, with the worst entries below one that failed.

    The verdict, the name, the formula and the relative error come first; the number of elements
    and the method follow where all of them fit, or in a line of their own if ``verbose``.
    """
    if not checks:
        return []
    columns = _Columns(checks, width, verbose)
    text = [columns.line("", "check", "formula", "error", "elements", "method")]
    for check in checks:
        text += columns.row(check, style)
        if verbose and not columns.are_all and check.elements:
            indent = " " * (columns.verdict + 2)
            text += wrap(f"{check.method}; {check.elements:,} elements", width, indent)
        if not check.passed and check.worst:
            text += ["", *worst(check, width), ""]
    return text[:-1] if text[-1] == "" else text


class _Columns:
    """How wide the columns of a table are, and which of them there is room for."""

    def __init__(self, checks: Sequence[Check], width: int, verbose: bool):
        self.width = width
        compared = [check for check in checks if not _is_told(check)]
        self.verdict = max(columns_of(check.verdict) for check in checks)
        self.name = max(columns_of("check"), *(columns_of(clean(check.name)) for check in checks))
        self.error = max(columns_of("error"), *(columns_of(_error(check)) for check in checks))
        self.formula = max(
            # Without an error behind it, a formula has the room of that, too.
            (
                columns_of(clean(check.formula)) - (0 if _error(check) else 2 + self.error)
                for check in compared
            ),
            default=0,
        )
        self.elements = max(
            columns_of("elements"), *(columns_of(f"{check.elements:,}") for check in checks)
        )
        self.method = max((columns_of(clean(check.method)) for check in compared), default=0)
        fixed = self.verdict + self.error + 4
        before = fixed + self.name + self.formula + self.elements + 6
        least = self.method if verbose else min(self.method, MOST_METHOD)
        self.are_all = bool(self.method) and before + least <= width
        self.method = width - before
        if not self.are_all:
            self.name = max(
                8,
                min(self.name, width - fixed - (2 + min(self.formula, 20) if self.formula else 0)),
            )
            self.formula = min(self.formula, width - fixed - self.name - 2)
            if self.formula < LEAST_FORMULA:
                self.formula = 0
                self.name = min(self.name, width - fixed)

    def line(
        self,
        verdict: str,
        name: str,
        formula: str,
        error: str,
        elements: str,
        method: str,
        style: Style = plain,
        role: str = "",
    ) -> str:
        """Return the cells as a line, those that there is no room for left out."""
        cells = [style(pad(verdict, self.verdict), role), pad(name, self.name)]
        if self.formula and not error:
            cells.append(pad(formula, self.formula + 2 + self.error))
        else:
            cells += [pad(formula, self.formula)] if self.formula else []
            cells.append(pad(error, self.error, right=True))
        if self.are_all:
            cells += [pad(elements, self.elements, right=True), cut(method, self.method)]
        return "  ".join(cells).rstrip()

    def row(self, check: Check, style: Style) -> list[str]:
        """Return the line of a check; one that was skipped has its reason, as long as it is."""
        role = _role(check)
        if not _is_told(check):
            cells = check.name, check.formula, _error(check), f"{check.elements:,}", check.method
            return [self.line(check.verdict, *cells, style=style, role=role)]
        start = f"{pad(check.verdict, self.verdict)}  {pad(check.name, self.name)}  "
        told = clean(check.method or check.formula)
        indent = " " * min(columns_of(start), self.verdict + 2 + 24, self.width // 2)
        text = wrap(told, self.width, start, indent) or [start.rstrip()]
        # The verdict is coloured last: colours have no width.
        text[0] = style(text[0][: len(check.verdict)], role) + text[0][len(check.verdict) :]
        return text


def worst(check: Check, width: int = WIDTH) -> list[str]:
    """Return the most wrong entries of a check as a small table."""
    for digits in (10, 6, 3):
        cells = [("at", "the code says", "right is", "ratio")] + [
            (
                f"[{', '.join(map(str, entry.index))}]",
                f"{entry.computed:.{digits}g}",
                f"{entry.exact:.{digits}g}",
                f"{entry.ratio:.{min(digits, 6)}g}" if math.isfinite(entry.ratio) else "",
            )
            for entry in check.worst
        ]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        if len(INDENT) + sum(widths) + 6 <= width:
            break
    text = (
        "  ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))) for row in cells
    )
    return [cut(INDENT + line.rstrip(), width) for line in text]


def left_out(items: Sequence[LeftOut], width: int = WIDTH) -> list[str]:
    """Return what was not checked and why, those with the same reason in one sentence."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for item in items:
        what = "Not judged" if item.is_broken else "Left out"
        reason = what, item.reason.split("\n")[0]
        by_reason.setdefault(reason, []).append(short(item.target))
    text = []
    for (what, why), names in by_reason.items():
        text += wrap(f"{what}: {', '.join(names)}: {why}", width, "", INDENT)
    return ["", *text] if text else []


def diagnoses(
    wrong: Sequence[tuple[str, Check]], width: int = WIDTH, style: Style = plain
) -> list[str]:
    """Return what is wrong with each row that failed; rows with the same mistake share it.

    Each row comes with what it is a row of, or with "" where all are of one thing.
    """
    mistakes: dict[tuple[str, str], dict[str, list[str]]] = {}
    for target, check in wrong:
        if check.diagnosis:
            told = check.diagnosis.name, check.diagnosis.explanation
        else:
            told = "", "None of the known mistakes gives these numbers."
        rows = mistakes.setdefault(told, {})
        rows.setdefault(clean(target), []).append(clean(check.name))
    text = []
    for (mistake, explanation), rows in mistakes.items():
        where = "; ".join(
            f"{target}, {_listed(names)}" if target else _listed(names)
            for target, names in rows.items()
        )
        head = f"{where}: {mistake}" if mistake else f"{where}:"
        text += ["", *(style(line, "fail") for line in wrap(head, width, "", INDENT))]
        for paragraph in explanation.split("\n"):
            if paragraph.startswith(" "):  # a line of code
                text.append(INDENT + clean(paragraph))
            else:
                text += wrap(paragraph, width, INDENT)
    return text


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def refusals(wrong_answers: Sequence[Check], width: int = WIDTH, style: Style = plain) -> list[str]:
    """Return the table of the well-known wrong answers, each of which should be refused.

    A row says what an answer was refused as, in the place of the error.
    """
    names = [clean(check.name) for check in wrong_answers]
    reasons = [check.diagnosis.name if check.diagnosis else "" for check in wrong_answers]
    room = width - len("ACCEPTED") - max(map(len, reasons)) - 4
    at = max(8, min(room, max(map(columns_of, names))))
    room -= at + 2
    formulas = [clean(check.formula) for check in wrong_answers]
    formula = min(room, max(map(columns_of, formulas)))
    text = [style("wrong answers, to be refused", "head")]
    for check, name, reason, told in zip(wrong_answers, names, reasons, formulas, strict=True):
        verdict = "ACCEPTED" if check.passed else "refused"
        cells = [style(pad(verdict, 8), "fail" if check.passed else "pass"), pad(name, at)]
        if formula >= LEAST_FORMULA:
            cells.append(pad(told, formula))
        text.append("  ".join((*cells, reason)).rstrip())
    return text


def _notes(remarks: Sequence[str], width: int) -> Iterator[str]:
    for remark in remarks:
        yield from wrap(f"Note: {remark}", width, "", INDENT)


def _is_told(check: Check) -> bool:
    """Whether a row has a reason where others have a comparison."""
    return check.is_skipped or check.is_unchecked


def _role(check: Check) -> str:
    return "skip" if check.is_skipped else "pass" if check.passed else "fail"


def _error(check: Check) -> str:
    return "" if check.max_relative_error is None else f"{check.max_relative_error:.0e}"


class Checks(list[Check]):
    """The rows of a check, which print as lines and show themselves in a notebook."""

    def __init__(self, checks: Sequence[Check] = (), remarks: Sequence[str] = ()):
        super().__init__(checks)
        self.remarks = list(remarks)

    @property
    def passed(self) -> bool:
        """Whether no row failed, and something was compared."""
        return Group("", list(self), self.remarks).passed

    def __repr__(self) -> str:
        return "\n".join(lines(Group("", list(self), self.remarks)))

    __str__ = __repr__
