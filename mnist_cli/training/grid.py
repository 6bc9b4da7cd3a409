"""Grids of settings: the values that each is to have, and all combinations of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from mnist_cli.errors import SettingsError
from mnist_cli.recipe import SETTINGS, Recipe
from mnist_cli.settings import Setting, nearest

MOST_RUNS = 100_000
"""No sweep needs more."""

MOST_COMBINATIONS = 10_000_000
"""So many may be drawn from."""

LONGEST = 255
"""Bytes of a folder's name, on all usual file systems."""

RANGE = re.compile(r"(?P<first>.+?)\.\.(?P<last>[^+*]+)((?P<sign>[+*])(?P<step>.+))?")
TRUTHS = {"true": True, "false": False}

Values = dict[str, Any]
"""Settings by their names."""


@dataclass(frozen=True)
class Planned:
    """A training of a sweep.

    Attributes
    ----------
    name : str
        What is varied, as ``seed=0,digit-width=20``: the name of its folder.
    varied : dict
        The same, by the names of the settings.
    recipe : Recipe
    """

    name: str
    varied: Values
    recipe: Recipe


def plan(
    settings: Mapping[str, Any],
    vary: Mapping[str, Sequence[Any]],
    random: int | None = None,
    random_seed: int = 0,
) -> list[Planned]:
    """Return the trainings of a grid: one for each combination of values, the last varying fastest.

    Parameters
    ----------
    settings : dict
        Those that all have in common; what is missing takes its default.
    vary : dict of sequences
        The values of each setting that is varied, as `read_vary` returns them.
    random : int, optional
        Take so many, drawn at random, in place of all. More of them contain fewer.
    random_seed : int
        Decides which.

    Raises
    ------
    SettingsError
        If a setting or a combination cannot be used, or would do nothing.
    """
    if not vary:
        raise SettingsError("Nothing is varied: say what, as with `vary` seed=0..4.")
    planned = []
    for varied in _combinations(vary, random, random_seed):
        name = ",".join(f"{SETTINGS[key].key}={_text(value)}" for key, value in varied.items())
        if len(name) > LONGEST:
            raise SettingsError(f"No folder can be called {name}: vary fewer settings.")
        planned.append(Planned(name, varied, Recipe.from_dict({**settings, **varied})))
    for setting in (SETTINGS[name] for name in vary):
        if setting.needs and not any(_has_effect(setting, each.recipe) for each in planned):
            other, values = setting.needs
            raise SettingsError(
                f"To vary `{setting.name}` has no effect without `{other}` {' or '.join(values)}."
            )
    if len({bool(each.recipe.validation) for each in planned}) > 1:
        raise SettingsError(
            "`validation` is 0 for some runs and not for others, which could not be compared: "
            "hold images out of all, or of none."
        )
    return planned


def read_vary(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of settings, by their names, that texts like ``lr=0.05..0.8*2`` say.

    Values are separated by commas. A range has both its ends: ``0..6`` goes by ones, ``0..1+0.25``
    by steps, and ``0.05..0.8*2`` by a factor.

    Raises
    ------
    SettingsError
        If there is no such setting, or it cannot have these values.
    """
    vary: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, said = text.partition("=")
        if not equals or not said:
            raise SettingsError(f"`vary` {text} says no values: give some, as in seed=0..4.")
        name = _find(key.strip())
        if name in vary:
            raise SettingsError(f"`vary` has `{name}` twice: say all its values at once.")
        values = [
            value for part in said.split(",") for value in _values(SETTINGS[name], part.strip())
        ]
        vary[name] = list(dict.fromkeys(values))
    return vary


def _find(key: str) -> str:
    """Return the name of the setting that is called so by an option, or in Python."""
    names = {name: name for name in SETTINGS}
    names |= {name.replace("_", "-"): name for name in SETTINGS}
    names |= {said.key: name for name, said in SETTINGS.items()}
    if key not in names:
        near = nearest(key, names)
        keys = ", ".join(said.key for said in SETTINGS.values())
        advice = f"did you mean {near}?" if near else f"there are {keys}."
        raise SettingsError(f"`vary` has {key!r}, which is not a setting: {advice}")
    return names[key]


def _values(setting: Setting, text: str) -> list[Any]:
    """Return the values of a setting that a part of a list says: one, or a range of them."""
    found = RANGE.fullmatch(text) if setting.kind in (int, float) else None
    if not found:
        return [_value(setting, text)]
    said = f"`vary` {setting.key}={text}"
    first, last = (_number(setting, found[end]) for end in ("first", "last"))
    if not found["sign"] and setting.kind is float:
        raise SettingsError(f"{said} needs a step, as in {text}+0.1 or {text}*2.")
    step = _number(setting, found["step"]) if found["sign"] else Fraction(1)
    is_factor = found["sign"] == "*"
    if last < first or step <= (1 if is_factor else 0) or (is_factor and first <= 0):
        raise SettingsError(f"{said} does not go upwards: give the smaller end first.")
    values = _powers(first, last, step) if is_factor else _steps(first, last, step)
    if values is None:
        raise SettingsError(f"{said} has too many values: give fewer.")
    if values[-1] != last:
        after = values[-1] * step if is_factor else values[-1] + step
        raise SettingsError(
            f"{said} does not come to {found['last']}, but to {float(values[-1]):g} and then "
            f"{float(after):g}: give one of them as its end."
        )
    return [_value(setting, str(value) if value.denominator == 1 else value) for value in values]


def _steps(first: Fraction, last: Fraction, step: Fraction) -> list[Fraction] | None:
    """Return the numbers from the first to the last one by a step, or None if they are many."""
    count = int((last - first) / step) + 1
    return [first + k * step for k in range(count)] if count <= MOST_RUNS else None


def _powers(first: Fraction, last: Fraction, factor: Fraction) -> list[Fraction] | None:
    """Return the numbers from the first to the last one by a factor, or None if they are many."""
    # A thousand exact powers of a number take time, as each has more digits than the one before.
    if math.log(last) - math.log(first) > 1000 * math.log(factor):
        return None
    values = [first]
    while values[-1] * factor <= last:
        values.append(values[-1] * factor)
    return values


def _number(setting: Setting, text: str) -> Fraction:
    """Return a number exactly as it is written: 0.1 + 0.2 is 0.3."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or abs(number.adjusted()) > 300:
        raise SettingsError(f"`vary` gives `{setting.name}` {text!r}, which is not a number.")
    return Fraction(number)


def _value(setting: Setting, said: str | Fraction) -> Any:
    """Return what a text, or a number of a range, is as a value of a setting."""
    text = said if isinstance(said, str) else f"{float(said):g}"
    try:
        if setting.kind is bool:
            value: Any = TRUTHS.get(text.lower(), text)
        elif isinstance(said, Fraction) and setting.kind is float:
            value = float(said)
        else:
            value = setting.kind(text)
    except ValueError:
        value = text
    try:
        return setting.check(value)
    except ValueError as error:
        raise SettingsError(f"`vary` gives `{setting.name}` {text}, but it {error}.") from error


def _combinations(vary: Mapping[str, Sequence[Any]], random: int | None, seed: int) -> list[Values]:
    """Return all combinations of values, or some that are drawn, in the order of the grid."""
    count = math.prod(map(len, vary.values()))
    runs = count if random is None else min(random, count)
    if runs > MOST_RUNS or count > MOST_COMBINATIONS:
        raise SettingsError(
            f"That is {runs:,} runs of a grid of {count:,}, which nobody can wait for: vary less, "
            "or take fewer of them with `random`."
        )
    places: Sequence[int] = range(count)
    if random is not None:
        import numpy as np  # not for a grid that is only listed

        drawn = np.random.default_rng(seed).permutation(count)[:runs]
        places = sorted(drawn.tolist())
    return [_combination(vary, place) for place in places]


def _combination(vary: Mapping[str, Sequence[Any]], place: int) -> Values:
    """Return the combination at a place in the grid."""
    chosen: Values = {}
    for name in reversed(list(vary)):
        place, which = divmod(place, len(vary[name]))
        chosen[name] = vary[name][which]
    return {name: chosen[name] for name in vary}


def _has_effect(setting: Setting, recipe: Recipe) -> bool:
    """Return whether a setting does anything in a recipe."""
    if not setting.needs:
        return True
    other, values = setting.needs
    return getattr(recipe, other) in values


def _text(value: Any) -> str:
    """Return a value as a folder's name has it, and as `read_vary` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
