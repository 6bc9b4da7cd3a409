"""A setting, said once: its default, what it may be, and what it does.

`setting` makes a field of a dataclass of it. Options, config keys, help and the checks are made of
what it says.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
"""What a setting can be, and how a person calls it."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is known of a setting.

    Attributes
    ----------
    name : str
        That of the field.
    kind : type
        One of `KINDS`.
    default : object
    help : str
        What it does, in one sentence.
    group : str
        Under which heading it is listed.
    unit : str
        What stands for a value in a list of options.
    least, above, most, below : number, optional
        The ends of its range: ``least`` and ``most`` are in it, ``above`` and ``below`` are not.
    choices : sequence of str
        All that it may be, if it is a text.
    key : str
        What options and configs call it: the name with hyphens, unless another one is given.
    needs : pair of a str and a sequence, optional
        Another setting, and the values of it without which this one has no effect.
    """

    name: str = ""
    kind: type = str
    default: Any = None
    help: str = ""
    group: str = ""
    unit: str = ""
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    choices: Sequence[str] = ()
    key: str = ""
    needs: tuple[str, Sequence[Any]] | None = None

    @property
    def range(self) -> str:
        """What it must be, in words: "at least 0 and below 1"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        ends = (
            ("at least", self.least),
            ("above", self.above),
            ("at most", self.most),
            ("below", self.below),
        )
        said = " and ".join(f"{word} {end:,}" for word, end in ends if end is not None)
        return said or KINDS[self.kind]

    def check(self, value: Any) -> Any:
        """Return a value as the setting has it: a float for 1, say, where it takes numbers.

        Raises
        ------
        ValueError
            If it is of another kind, or out of range; the message says what it must be.
        """
        value = self._converted(value)
        is_inside = (
            (not self.choices or value in self.choices)
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )
        if not is_inside:
            raise ValueError(f"must be {self.range}")
        return value

    def _converted(self, value: Any) -> Any:
        """Return the value in the setting's own type, NumPy's numbers too, or raise ValueError."""
        is_truth = type(value).__name__ in ("bool", "bool_")
        try:
            if self.kind is bool and is_truth:
                return bool(value)
            if self.kind is int and not is_truth:
                return operator.index(value)
            if self.kind is float and not is_truth and not isinstance(value, str):
                number = float(value)
                if math.isfinite(number):
                    return number
            if self.kind is str and isinstance(value, str):
                return str(value)
        except (TypeError, ValueError, OverflowError):
            pass
        if self.choices:
            raise ValueError(f"must be {self.range}")
        finite = " that is finite" if self.kind is float else ""
        raise ValueError(f"must be {KINDS[self.kind]}{finite}")


def setting(default: Any, help: str, **said: Any) -> Any:
    """Return a field of a dataclass that is a setting; `Setting` lists what can be said of it."""
    return field(default=default, metadata={"setting": Setting(default=default, help=help, **said)})


def settings_of(kind: type[DataclassInstance]) -> dict[str, Setting]:
    """Return all settings of a dataclass by their names, in order."""
    kinds = get_type_hints(kind)
    return {
        each.name: replace(
            said,
            name=each.name,
            kind=kinds[each.name],
            key=said.key or each.name.replace("_", "-"),
        )
        for each in fields(kind)
        if (said := each.metadata.get("setting"))
    }


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that somebody may have meant, or None if none is near."""
    import difflib  # 2 ms, for those alone who mistype

    near = difflib.get_close_matches(name, list(names), n=1)
    return near[0] if near else None


def as_markdown(settings: Iterable[Setting]) -> str:
    """Return a table of settings for the docs."""
    rows = ["| option, config key | in Python | default | must be | |", "|---|---|---|---|---|"]
    for one in settings:
        default = "" if one.default is None else f"`{one.default}`"
        rows.append(f"| `--{one.key}` | `{one.name}` | {default} | {one.range} | {one.help} |")
    return "\n".join([*rows, ""])
